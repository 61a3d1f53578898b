"""What lower bounds on the dimension of a relevance matrix say about real judgements."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from embgeo.datasets.beir import load_beir
from embgeo.reproductions.mteb_scifact import TEXTS
from embgeo.reproductions.registry import near, reproduction
from embgeo.results.reproduce import Compared
from embgeo.retrieval.evaluate import Evaluator

NEEDS = ("limit-small/corpus.jsonl", "limit-small/queries.jsonl", "limit-small/qrels.jsonl", *TEXTS)


@reproduction(
    "sign-rank-bound",
    title="Forster's lower bound on the dimension that separates relevant from irrelevant, LIMIT-small and SciFact",
    source="bound of Forster 2002, as used on relevance matrices by Weller et al. 2025; numbers by embgeo",
    needs=NEEDS,
    verdict="The bound says that one or two dimensions are needed: relevance matrices are sparse, and their ±1 form is "
    "nearly constant. Ask for the margin that vectors of a dimension reach instead.",
)
def sign_rank_bound(data: Path) -> Iterator[Compared]:
    """dimension ≥ √(N n) / ‖M‖₂ for M (N, n) of ±1, over the judged documents and one for the rest."""
    for name, bound in (("limit-small", 1.10), ("scifact", 1.01)):
        dataset = load_beir(data / name)
        evaluator = Evaluator(dataset.judgements, dataset.doc_ids, dataset.query_ids)
        judged = evaluator.judged()
        relevant = judged[judged[:, 2] > 0]
        columns = np.unique(relevant[:, 1], return_inverse=True)[1]
        rest = len(dataset.doc_ids) > columns.max() + 1
        M = np.full((len(evaluator.query_ids), columns.max() + 1 + rest), -1.0)
        M[np.unique(relevant[:, 0], return_inverse=True)[1], columns] = 1
        yield near(f"{name}: dimension at least", bound, float(np.sqrt(M.size) / np.linalg.norm(M, 2)), within=0.005)
