"""A corpus on which a sweep takes a moment, and what two equal outcomes have in common."""

from __future__ import annotations

import numpy as np

from embgeo.compression.judging.finding import Outcome
from embgeo.compression.judging.sweep import Sweep
from embgeo.embeddings import Embeddings, check_embeddings
from embgeo.judgements import Judgements
from embgeo.retrieval.evaluate import Evaluator


def corpus(n: int = 300, m: int = 60, d: int = 16, seed: int = 0) -> tuple[Embeddings, Evaluator]:
    """Queries are noisy copies of documents; the document copied is the relevant one."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)).astype(np.float32)
    source = rng.choice(n, m, replace=False)
    Q = X[source] + 1.3 * rng.standard_normal((m, d)).astype(np.float32)
    e = check_embeddings(X, Q, [f"d{row:03}" for row in range(n)], [f"q{row:02}" for row in range(m)])
    qrels = {f"q{row:02}": {f"d{doc:03}": 1} for row, doc in enumerate(source)}
    return e, Evaluator(Judgements(qrels), e.doc_ids, e.query_ids)


def all_facts(swept: Sweep) -> list[tuple]:
    """Those of every outcome, float32 first."""
    return [facts(swept, outcome) for outcome in swept.all]


def facts(swept: Sweep, outcome: Outcome) -> tuple:
    """All of an outcome but its seconds."""
    return (
        str(outcome.spec), outcome.quality.tobytes(), outcome.in_sample.tobytes(), outcome.recall.tobytes(),
        outcome.file_bytes, outcome.band, outcome.searcher, outcome.ram_bytes,
        [(name, array.tobytes()) for name, array in swept.shipped(outcome.spec)[0].state.items()],
    )  # fmt: skip
