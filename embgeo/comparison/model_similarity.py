"""Model similarity: how alike two runs place the documents that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np

from embgeo.comparison.runs import ComparedRun, subjects
from embgeo.comparison.vectors import NoVectors, RunVectors, vectors_of
from embgeo.metrics.comparison import COMPARISONS, compare_spaces
from embgeo.progress import Progress, silent
from embgeo.space.space import Space

Reason = Literal["no-shared-documents", "unknown-documents"]
DOCUMENTS = 3_000
FEWEST = 20
NEIGHBOURS = 10
SHUFFLED = ("linear_cka", "svcca", "procrustes_error")


@dataclass(frozen=True)
class Pairing:
    """Rows of two runs that are the same documents in the same order, how that is known, and what is not."""

    rows: tuple[np.ndarray, np.ndarray]
    how: str
    caveat: str = ""


def compare_models(
    runs: Sequence[ComparedRun], seed: int, most: int = DOCUMENTS, progress: Progress = silent
) -> tuple[list[dict[str, Any]], list[str]]:
    """Every pair of subjects by linear CKA, SVCCA, neighbourhood overlap, Procrustes and information imbalance.

    Each pair is measured on one seeded sample of at most `most` documents that both hold; `chance` is what the same
    rows give when one side is shuffled. Pairs whose vectors or documents are not to be had get a typed `reason`.
    """
    items = subjects(runs)
    found = {item.label: _any_vectors(item, runs) for item in items}
    pairs: list[dict[str, Any]] = []
    warnings: list[str] = []
    spaces: dict[tuple[str, bytes], Space] = {}
    every = list(combinations(items, 2))
    for done, (a, b) in enumerate(every):
        progress("model similarity", done, len(every))
        u, v = found[a.label], found[b.label]
        missing = u if isinstance(u, NoVectors) else v
        facts = {"a": a.label, "b": b.label}
        if isinstance(missing, NoVectors):
            whose = a.label if missing is u else b.label
            pairs.append(_unavailable(facts, missing.reason, f"{whose}: {missing.detail}"))
            continue
        assert isinstance(u, RunVectors) and isinstance(v, RunVectors)  # noqa: PT018 - for the type checker
        pairing = pair_documents(a, u, b, v)
        if not isinstance(pairing, Pairing):
            pairs.append(_unavailable(facts, *pairing))
            continue
        if pairing.caveat:
            warnings.append(f"{a.label} and {b.label}: {pairing.caveat}")
        shared = len(pairing.rows[0])
        chosen = np.sort(np.random.default_rng([seed, 0x51DE]).choice(shared, min(most, shared), replace=False))
        x = _space(spaces, a.label, u, pairing.rows[0][chosen])
        y = _space(spaces, b.label, v, pairing.rows[1][chosen])
        pairs.append({
            **facts, "status": "ok", "reason": None, "detail": pairing.how, "n": len(chosen), "shared": shared,
            "values": compare_spaces(x, y), "chance": _chance(x, y, seed),
        })  # fmt: skip
    if every:
        progress("model similarity", len(every), len(every))
    return pairs, warnings


def pair_documents(a: ComparedRun, u: RunVectors, b: ComparedRun, v: RunVectors) -> Pairing | tuple[Reason, str]:
    """Match rows by document: the same dataset, the same id and text, the same id, or (bare vectors) the same row."""
    same_dataset = a.corpus is not None and a.corpus == b.corpus
    if u.ids is not None and v.ids is not None:
        texts = a.run.documents, b.run.documents
        # of a large corpus a run keeps some texts only: where both have one it must agree
        by_text = not same_dataset and all(
            len(known) >= len(ids) for known, ids in zip(texts, (u.ids, v.ids), strict=True)
        )
        place = {doc: row for row, doc in enumerate(v.ids)}
        shared = [
            (row, place[doc])
            for row, doc in enumerate(u.ids)
            if doc in place and (same_dataset or _may_agree(texts[0].get(doc), texts[1].get(doc)))
        ]
        if len(shared) < FEWEST:
            return "no-shared-documents", f"{a.label} and {b.label} share {len(shared)} documents; {FEWEST} are needed"
        rows = np.array(shared, np.int64)
        how = "same dataset, by id" if same_dataset else "by id and text" if by_text else "by id"
        caveat = "" if same_dataset or by_text else "documents were matched by id alone, their texts were not compared"
        return Pairing((rows[:, 0], rows[:, 1]), how, caveat)
    n = len(u.embeddings)
    if u.ids is None and v.ids is None and n == len(v.embeddings) >= FEWEST:
        every = np.arange(n)
        if same_dataset:
            return Pairing((every, every), "same dataset, by row")
        if a.corpus is None and b.corpus is None:
            return Pairing(
                (every, every), "by row",
                "rows were matched by their number, because neither file has ids: their similarity means something "
                "only if row i is the same document in both",
            )  # fmt: skip
    return "unknown-documents", (
        f"{a.label} and {b.label}: at least one holds no document ids, so it cannot be told which rows are the same"
    )


def _may_agree(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


def _any_vectors(item: ComparedRun, runs: Sequence[ComparedRun]) -> RunVectors | NoVectors:
    """From whichever run of the subject still has them."""
    tried = [
        vectors_of(run) for run in (item, *(run for run in runs if run.subject == item.subject and run is not item))
    ]
    return next((found for found in tried if isinstance(found, RunVectors)), tried[0])


def _space(spaces: dict[tuple[str, bytes], Space], label: str, vectors: RunVectors, rows: np.ndarray) -> Space:
    """Runs over one corpus share their sample, so that distances are computed once a run and not once a pair."""
    key = label, rows.tobytes()
    if key not in spaces:
        spaces[key] = Space(vectors.embeddings.rows(rows), similarity=vectors.embeddings.similarity)
    return spaces[key]


def _chance(a: Space, b: Space, seed: int) -> dict[str, float | None]:
    shuffled = Space(b.X[np.random.default_rng([seed, 0xC4A2]).permutation(b.n)], similarity=b.similarity)
    known = compare_spaces(a, shuffled, SHUFFLED)
    return {
        name: known[name] if name in known else NEIGHBOURS / (a.n - 1) if name.startswith("neighbour") else 1.0
        for name in COMPARISONS
    }


def _unavailable(facts: dict[str, str], reason: str, detail: str) -> dict[str, Any]:
    return {
        **facts, "status": "unavailable", "reason": reason, "detail": detail, "n": 0, "shared": 0, "values": None,
        "chance": None,
    }  # fmt: skip
