"""The functions that the command line calls and a notebook can call too."""

from __future__ import annotations

from embgeo.pipelines.built_store import STORE_FILE, Hit, export
from embgeo.progress import Progress
from embgeo.requests import AnalyzeRequest, CompareRequest, CompressRequest, SearchRequest, by_keywords
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


@by_keywords(CompareRequest)
def compare(request: CompareRequest, progress: Progress) -> Run:
    """Put two or more analyze and compress runs side by side and store the comparison as a run.

    Signatures need analyze runs, trade-off fronts compress runs; retrieval is paired on shared judged queries; model
    similarity is measured on a seeded sample of at most `documents` documents where the vectors are still at hand (the
    vector file, or the embedding cache) and gets a typed reason where they are not. Runs may be given as Run, folder or
    the beginning of a run's name or id in `out`. `vectors` ("100M") is the number of vectors that costs are planned
    for, `price_per_gb` the price of 10⁹ bytes; without it no money is named. `config` is kept in the run as it is.
    `fail_if` are conditions such as "ndcg@10 < -1%" on each run against the first: what comes of them is stored under
    "conditions", and nothing is raised.

    Raises
    ------
    InputError
        Fewer than two runs, one given twice, a comparison among them, or runs that have nothing in common.
    RunFormatError, UnknownNameError, StorageError
        A run cannot be found or read, or the comparison not be written.
    """
    from embgeo.pipelines.compare import compare as run

    return run(request, progress)


@by_keywords(SearchRequest)
def search(request: SearchRequest) -> list[Hit]:
    """Ask the store that `compress` built with a text (the run's own model encodes it) or with a vector.

    `vector` is an array (d,) or (m, d), or a file of one (.npy, .npz, .safetensors); the first row is asked.

    `run` is a Run, a run folder, or the beginning of a run's name or id in `out` (EMBGEO_OUT or else embgeo-runs).
    Raises RunFormatError where the run holds no store, InputError where the query does not fit it.
    """
    from embgeo.pipelines.built_store import search as ask

    return ask(request)
