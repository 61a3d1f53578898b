"""Model similarity: how similarly two runs place the documents that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from embgeo.comparison.runs import ComparedRun, subjects
from embgeo.comparison.vectors import RunVectors, Unavailable, vectors_of
from embgeo.embeddings import Embeddings
from embgeo.errors import InputError
from embgeo.files.ids import as_ids
from embgeo.metrics.pairwise.registry import compare_spaces, comparisons
from embgeo.progress import Progress, silent
from embgeo.results.compare import SimilarPair
from embgeo.space.space import Space

MIN_DOCUMENTS = 20
BY_NUMBER = (
    "rows were matched by position, because neither file has ids: the similarity is meaningful only if row i is the "
    "same document in both"
)


@dataclass(frozen=True)
class Pairing:
    """Rows of two runs that are the same documents in the same order, how that is known, and with what caveat."""

    vectors: tuple[Embeddings, Embeddings]
    rows: np.ndarray  # (shared, 2) int64
    how: str
    caveat: str = ""


def check_sample(documents: int) -> None:
    """Raise InputError for too few documents to have meaningful neighbourhoods."""
    if documents < MIN_DOCUMENTS:
        raise InputError(f"documents must be at least {MIN_DOCUMENTS}, for meaningful neighbourhoods; got {documents}")


def compare_models(
    runs: Sequence[ComparedRun], seed: int, limit: int, progress: Progress = silent
) -> tuple[list[SimilarPair], list[str]]:
    """Every pair of subjects by linear CKA, SVCCA, neighbourhood overlap, Procrustes and information imbalance.

    Each pair is measured on one seeded sample of at most `limit` documents that both hold; `chance` is what the same
    rows give when one side is shuffled. Pairs whose vectors or documents are not available get a typed `reason`.
    """
    items = subjects(runs)
    found = {item.label: _any_vectors(item, runs) for item in items}
    pairs: list[SimilarPair] = []
    warnings: list[str] = []
    spaces: dict[tuple[str, bytes], Space] = {}
    every = list(combinations(items, 2))
    for done, (a, b) in enumerate(every):
        progress("model similarity", done, len(every))
        pair = SimilarPair(a=a.label, b=b.label, status="unavailable", n=0, shared=0)
        paired = pair_documents(a, found[a.label], b, found[b.label])
        if isinstance(paired, Unavailable):
            pairs.append(replace(pair, reason=paired.reason, detail=paired.detail))
            continue
        if paired.caveat:
            warnings.append(f"{a.label} and {b.label}: {paired.caveat}")
        shared = len(paired.rows)
        chosen = np.sort(np.random.default_rng([seed, 0x51DE]).choice(shared, min(limit, shared), replace=False))
        x, y = (
            _space(spaces, item.label, vectors, rows)
            for item, vectors, rows in zip((a, b), paired.vectors, paired.rows[chosen].T, strict=True)
        )
        pair = replace(pair, status="ok", detail=paired.how, n=len(chosen), shared=shared)
        pairs.append(replace(pair, values=compare_spaces(x, y), chance=_chance(x, y, seed)))
    if every:
        progress("model similarity", len(every), len(every))
    return pairs, warnings


def pair_documents(
    a: ComparedRun, u: RunVectors | Unavailable, b: ComparedRun, v: RunVectors | Unavailable
) -> Pairing | Unavailable:
    """Match rows by document: the same dataset, the same id and text, the same id, or (bare vectors) the same row."""
    if isinstance(u, Unavailable):
        return Unavailable(u.reason, f"{a.label}: {u.detail}")
    if isinstance(v, Unavailable):
        return Unavailable(v.reason, f"{b.label}: {v.detail}")
    vectors = u.embeddings, v.embeddings
    same_dataset = a.corpus is not None and a.corpus == b.corpus
    if u.ids is not None and v.ids is not None:
        texts = a.run.documents, b.run.documents
        # a run of a large corpus keeps only some texts: where both have one, they must agree
        by_text = len(texts[0]) >= len(u.ids) and len(texts[1]) >= len(v.ids)
        places = as_ids(v.ids).index_of(u.ids).tolist()
        shared = [
            (row, place)
            for row, (doc, place) in enumerate(zip(u.ids, places, strict=True))
            if place >= 0 and (same_dataset or _may_agree(texts[0].get(doc), texts[1].get(doc)))
        ]
        if len(shared) < MIN_DOCUMENTS:
            said = f"{a.label} and {b.label} share {len(shared)} documents; {MIN_DOCUMENTS} are needed"
            return Unavailable("no-shared-documents", said)
        how = "same dataset, by id" if same_dataset else "by id and text" if by_text else "by id"
        caveat = "documents were matched by id alone, their texts were not compared" if how == "by id" else ""
        return Pairing(vectors, np.array(shared, np.int64), how, caveat)
    n = len(u.embeddings)
    if u.ids is None and v.ids is None and n == len(v.embeddings) >= MIN_DOCUMENTS:
        rows = np.stack([np.arange(n)] * 2, axis=1)
        if same_dataset:
            return Pairing(vectors, rows, "same dataset, by row")
        if a.corpus is None and b.corpus is None:
            return Pairing(vectors, rows, "by row", BY_NUMBER)
    return Unavailable(
        "unknown-documents", f"{a.label} and {b.label}: at least one has no document ids, so rows cannot be matched"
    )


def _may_agree(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


def _any_vectors(item: ComparedRun, runs: Sequence[ComparedRun]) -> RunVectors | Unavailable:
    """From whichever run of the subject still has them."""
    others = (run for run in runs if run.subject == item.subject and run is not item)
    tried = [vectors_of(run) for run in (item, *others)]
    return next((found for found in tried if isinstance(found, RunVectors)), tried[0])


def _space(spaces: dict[tuple[str, bytes], Space], label: str, vectors: Embeddings, rows: np.ndarray) -> Space:
    """Runs over one corpus share their sample, so that distances are computed once per run, not once per pair."""
    key = label, rows.tobytes()
    if key not in spaces:
        spaces[key] = Space(vectors.rows(rows), similarity=vectors.similarity)
    return spaces[key]


def _chance(a: Space, b: Space, seed: int) -> dict[str, float | None]:
    shuffled = Space(b.X[np.random.default_rng([seed, 0xC4A2]).permutation(b.n)], similarity=b.similarity)
    known = compare_spaces(a, shuffled, [one.name for one in comparisons().values() if one.chance is None])
    return {name: one.chance(a.n) if one.chance else known[name] for name, one in comparisons().items()}
