"""The public functions, for the command line and for notebooks."""

from __future__ import annotations

from embgeo.pipelines.built_store import STORE_FILE, Hit, export
from embgeo.progress import Progress
from embgeo.requests import (
    AnalyzeRequest,
    CompareRequest,
    CompressRequest,
    DeployRequest,
    LimitsRequest,
    ReproduceRequest,
    SearchRequest,
    by_keywords,
)
from embgeo.results.deployment import Deployment
from embgeo.run import Run

__all__ = [
    "STORE_FILE",
    "Hit",
    "analyze",
    "compare",
    "compress",
    "deploy",
    "export",
    "measure_limits",
    "reproduce",
    "search",
]


@by_keywords(AnalyzeRequest)
def analyze(request: AnalyzeRequest, progress: Progress) -> Run:
    """What the embedding space of `model` on `dataset` looks like, and how well exact search retrieves in it.

    Vectors can replace a model: `analyze(docs=X, queries=Q, qrels={"q1": {"d7": 1}}, doc_ids=…, query_ids=…)`, or
    `analyze(X)`, with float arrays (n, d) and (m, d); ids, also those in `qrels`, are row numbers unless given.
    Parameters follow the command line (`embgeo analyze --help`); `encoder` holds the encoder's options, `config` (where
    the options came from) is stored in the run unchanged, `progress` is called during the work. Returns the stored run.
    Raises the errors of `embgeo.errors`.
    """
    from embgeo.pipelines.analyze import analyze as run

    return run(request, progress)


@by_keywords(CompressRequest)
def compress(request: CompressRequest, progress: Progress) -> Run:
    """Evaluate ways to store the vectors, recommend one within `budget` and `keep`, and build it into the run folder.

    Vectors can replace a model, as in `analyze`: `compress(docs=X, queries=Q, qrels=…, budget="96B")`.
    Parameters follow the command line (`embgeo compress --help`). Without judgements the rows are ranked by recall
    of the exact neighbours; without queries, documents serve as queries and do not find themselves.
    `grid="storage-paper"` evaluates the specs of the published storage study, with its arithmetic and with ours.
    `price_per_gb` is the price of 10⁹ bytes of RAM; without it, no prices are given. With `targets=["pgvector"]` only
    what those stores hold natively competes, at the bytes that they count.
    Raises the errors of `embgeo.errors`: among them SpecError, and BudgetError with the smallest reachable size.
    """
    from embgeo.pipelines.compress import compress as run

    return run(request, progress)


@by_keywords(LimitsRequest)
def measure_limits(request: LimitsRequest, progress: Progress) -> Run:
    """What limits the search of `dataset` in the space of `model`: which documents no query reaches, and why.

    Parameters follow `analyze`. What needs judgements is left out without them. Returns the stored run.
    Raises the errors of `embgeo.errors`.
    """
    from embgeo.pipelines.limits import limits as run

    return run(request, progress)


@by_keywords(ReproduceRequest)
def reproduce(request: ReproduceRequest, progress: Progress) -> Run:
    """Compute published tables and claims again; by default the quick ones (`embgeo reproduce --list`).

    `names` are entries, `slow` adds those that take half a minute or more, `data` is the folder of published data that
    many read. Nothing is downloaded: an entry that lacks a file says which, and where it comes from.
    Returns the stored run; `run.findings.reproductions` has a status and the numbers of each entry.
    Raises the errors of `embgeo.errors`.
    """
    from embgeo.pipelines.reproduce import reproduce as run

    return run(request, progress)


@by_keywords(CompareRequest)
def compare(request: CompareRequest, progress: Progress) -> Run:
    """Put two or more analyze and compress runs side by side and store the comparison as a run.

    Signatures need analyze runs, Pareto fronts compress runs; retrieval is paired on shared judged queries; model
    similarity is measured on a seeded sample of at most `documents` documents if the vectors are still available (in
    the vector file or the embedding cache), otherwise a typed reason is given. Runs may be given as Run, folder or
    the start of a run's name or id in `out`. `vectors` ("100M") is the number of vectors that costs are planned
    for, `price_per_gb` the price of 10⁹ bytes; without it, no prices are given. `config` is stored in the run
    unchanged. `fail_if` are conditions such as "ndcg@10 < -1%" on each run against the first: their outcomes are stored
    under "conditions", and nothing is raised.

    Raises
    ------
    InputError
        Fewer than two runs, one given twice, a comparison among them, or runs that have nothing in common.
    RunFormatError, UnknownNameError, StorageError
        A run cannot be found or read, or the comparison cannot be written.
    """
    from embgeo.pipelines.compare import compare as run

    return run(request, progress)


@by_keywords(SearchRequest)
def search(request: SearchRequest) -> list[Hit]:
    """Search the store that `compress` built with a text (encoded by the run's own model) or with a vector.

    `vector` is an array (d,) or (m, d), or a file of one (.npy, .npz, .safetensors); the first row is the query.

    `run` is a Run, a run folder, or the start of a run's name or id in `out` (default: EMBGEO_OUT, else embgeo-runs).
    Raises RunFormatError if the run holds no store, InputError if the query does not fit it.
    """
    from embgeo.pipelines.built_store import search as run

    return run(request)


@by_keywords(DeployRequest)
def deploy(request: DeployRequest, progress: Progress) -> Deployment:
    """Load the documents of a run of `compress` into a store, read it back, measure it there, and write its kit.

    `target` is a name (`pgvector`), or a name and a place (`pgvector=postgresql://…`, `lancedb=/data/lake`); without a
    place the store is embedded, in the folder of the deployment within the run. Documents are loaded by blocks; after
    an interruption the same call goes on. A collection that embgeo did not make is never changed.
    Returns what was planned, read back and measured, which is also in `deploy/TARGET-COLLECTION` of the run.

    Raises
    ------
    InputError
        The target cannot hold the spec (the message names the nearest that it holds), the collection exists, or the
        documents have changed since the run.
    DeployError
        The store cannot be reached, or does not hold what it was asked for.
    MissingExtraError, RunFormatError, StorageError
        The client is not installed, the run cannot be read, or the kit cannot be written.
    """
    from embgeo.pipelines.deploy import deploy as run

    return run(request, progress)
