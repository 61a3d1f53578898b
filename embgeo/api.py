"""The functions that the command line calls and a notebook can call too."""

from __future__ import annotations

from embgeo.pipelines.built_store import STORE_FILE, Hit, export, search
from embgeo.pipelines.compare import compare
from embgeo.progress import Progress
from embgeo.requests import AnalyzeRequest, CompressRequest, by_keywords
from embgeo.run import Run

__all__ = ["STORE_FILE", "Hit", "analyze", "compare", "compress", "export", "search"]


@by_keywords(AnalyzeRequest)
def analyze(request: AnalyzeRequest, progress: Progress) -> Run:
    """What the embedding space of `model` on `dataset` looks like, and how well exact search retrieves in it.

    In the place of a model, vectors: `analyze(docs=X, queries=Q, qrels={"q1": {"d7": 1}}, doc_ids=…, query_ids=…)`, or
    `analyze(X)`, with float arrays (n, d) and (m, d); ids are row numbers unless given, and so are those in `qrels`.
    Parameters follow the command line (`embgeo analyze --help`); `encoder` holds the encoder's options, `config` (where
    the options came from) is kept in the run as it is, `progress` is called while work goes on. Returns the stored run.
    Raises the errors of `embgeo.errors`.
    """
    from embgeo.pipelines.analyze import analyze as run

    return run(request, progress)


@by_keywords(CompressRequest)
def compress(request: CompressRequest, progress: Progress) -> Run:
    """Judge ways to store the vectors, recommend one within `budget` and `keep`, and build it into the run folder.

    Vectors may stand in the place of a model, as in `analyze`: `compress(docs=X, queries=Q, qrels=…, budget="96B")`.
    Parameters follow the command line (`embgeo compress --help`). Without judgements the rows are compared by recall
    against exact neighbours; without queries, documents stand in for them and do not find themselves.
    `grid="storage-paper"` judges the specs of the published storage study, by its arithmetic and by ours.
    `price_per_gb` is the price of 10⁹ bytes of RAM; without it no money is named.
    Raises the errors of `embgeo.errors`: among them SpecError, and BudgetError with the smallest reachable size.
    """
    from embgeo.pipelines.compress import compress as run

    return run(request, progress)
