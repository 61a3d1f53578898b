"""Small stored runs for the tests of comparisons: vectors on disk, judged queries, no encoding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from embgeo.run import Run, save_run
from embgeo.sources.vector_files import load_vectors

DOCUMENTS, QUERIES, D = 120, 40, 8
DATASET = {"name": "made up", "documents": DOCUMENTS, "queries": QUERIES, "qrels": QUERIES, "dimension": D}


def spaces() -> dict[str, np.ndarray]:
    """X, the same rotated and scaled, and unrelated rows."""
    rng = np.random.default_rng(7)
    X = rng.standard_normal((DOCUMENTS, D)).astype(np.float32) + np.linspace(0, 1, D, dtype=np.float32)
    turn = np.linalg.qr(rng.standard_normal((D, D)))[0].astype(np.float32)
    return {"plain": X, "turned": 3 * X @ turn, "random": rng.standard_normal((DOCUMENTS, D)).astype(np.float32)}


def quality(name: str) -> np.ndarray:
    """Per-query nDCG: "turned" equals "plain", "random" is worse on most queries."""
    base = np.linspace(0.2, 1.0, QUERIES)
    return base if name != "random" else np.clip(base - 0.3 * (np.arange(QUERIES) % 4 > 0) + 0.05, 0, 1)


def _facts(folder: Path, name: str, ids: bool, **dataset: Any) -> dict[str, Any]:
    path = folder / f"{name}.npy"
    if not path.exists():
        np.save(path, spaces()[name])
    facts = {**DATASET, **dataset}
    if ids:
        facts.setdefault("fingerprint", "f" * 64)
    return {
        "model": {"name": f"vectors:{path}", "fingerprint": load_vectors(path).fingerprint},
        "dataset": facts,
        "similarity": "cosine",
        "request": {"model": f"vectors:{path}"},
        "environment": {},
        "warnings": [],
    }


def texts(what: str, count: int) -> list[tuple[str, str]]:
    return [(f"{what}{at}", f"text of {what} {at}") for at in range(count)]


def analyzed(folder: Path, name: str, *, ids: bool = True, judged: bool = True, **more: Any) -> Run:
    """A stored analyze run; `more` replaces parts of the result, `dataset` entries of the dataset's facts."""
    values = quality(name)
    shift = {"plain": 0.0, "turned": 0.1, "random": 2.0}[name]
    entry = {"n": DOCUMENTS, "status": "ok", "reason": None}
    signature = {
        "twonn_dim": {**entry, "value": 5.0 + shift, "ci": [4.8 + shift, 5.2 + shift]},
        "iso_score": {**entry, "value": 0.5 - shift / 10, "ci": [0.49 - shift / 10, 0.51 - shift / 10]},
        "effective_rank": {**entry, "value": 7.0, "ci": None},
        "hubness": {**entry, "value": None, "ci": None, "status": "undefined", "reason": "ties"},
    }
    means = {"ndcg@10": {"value": float(values.mean()), "ci": [values.mean() - 0.1, values.mean() + 0.1]}}
    result = {
        "command": "analyze",
        **_facts(folder, name, ids, **more.pop("dataset", {})),
        "signature": signature,
        "retrieval": means if judged else None,
        **more,
    }
    arrays = {"query_rows": np.arange(QUERIES), "quality/ndcg@10": values.astype(np.float32)} if judged else {}
    kept = (texts("d", DOCUMENTS), texts("q", QUERIES)) if ids else (None, None)
    return save_run(folder / "runs", result, arrays, *kept)


def compressed(folder: Path, name: str, *, judged: bool = True, **more: Any) -> Run:
    """A stored compress run of two stores: int8 loses nothing, binary a tenth."""
    values = quality(name)
    store = {"int8": values, "binary": 0.9 * values}
    measure = "ndcg@10" if judged else "recall@10_exact"

    def row(spec: str, width: int, q: np.ndarray, recall: float) -> dict[str, Any]:
        found = {"spec": spec, "bytes_per_vector": width, "constant_bytes": 64, "recall@10_exact": recall}
        if judged:
            gap = float(q.mean() - values.mean())
            found |= {"ndcg@10": float(q.mean()), "difference": gap, "difference_ci": [gap - 0.01, gap + 0.01]}
            found |= {"retained": float(q.mean() / values.mean()), "retained_ci": [0.85, 0.95]}
        return found

    rows = [row("int8", D, store["int8"], 0.98), row("binary", 1, store["binary"], 0.6)]
    result = {
        "command": "compress",
        **_facts(folder, name, True, **more.pop("dataset", {})),
        "quality": measure,
        "baseline": {**row("f32", 4 * D, values, 1.0), "constant_bytes": 0},
        "tradeoffs": rows,
        "recommendation": {**rows[1], "reason": "smallest"},
        **more,
    }
    arrays = {"query_rows": np.arange(QUERIES), "quality/f32": values.astype(np.float32)}
    arrays |= {f"quality/{spec}": q.astype(np.float32) for spec, q in store.items()}
    return save_run(folder / "runs", result, arrays, texts("d", DOCUMENTS), texts("q", QUERIES))


def few_changed(folder: Path, changed: int) -> Run:
    """The "turned" space as `analyzed`, with its first `changed` queries answered worse than in "plain"."""
    values = quality("turned")
    values[:changed] -= 0.1
    run = analyzed(folder, "turned")
    retrieval = {"ndcg@10": {"value": float(values.mean()), "ci": [0.5, 0.7]}}
    arrays = {**run.arrays, "quality/ndcg@10": values.astype(np.float32)}
    return save_run(folder / "few", {**run.result, "retrieval": retrieval}, arrays, None, run.queries.items())
