"""The requests: every public option of embgeo is one field of a request.

The options of the command line, the keys of `--config`, the request that a run stores, and the signatures of
the functions of `embgeo.api` are derived from these fields; `option` says what a field may declare.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from numbers import Integral
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, get_args

from embgeo.errors import InputError
from embgeo.files.addresses import without_secrets
from embgeo.progress import silent

if TYPE_CHECKING:
    import numpy as np

    from embgeo.run import Run

Dtype = Literal["float32", "float16", "bfloat16"]
TIMINGS = ("short", "full")
STORAGE_PAPER = "storage-paper"
POSITIONAL = ("model", "dataset", "runs", "run", "query", "target", "names")  # fields that may be passed by position
T = TypeVar("T")


def option(help: str, default: Any = None, **shown: Any) -> Any:
    """A field that is an option of the command line, with its help text.

    `shown` may hold `flag` (the long flag, if it is not the field's name), `metavar`, `choices`, `minimum`,
    `environment` (the variable that sets it), `separator` (of a list in one value; other lists repeat the flag) and
    `stored` (False: not part of the run's stored request).
    """
    return field(default=default, metadata={"help": help, **shown})


@dataclass(frozen=True)
class EncoderOptions:
    """How a text model is loaded and run.

    Attributes
    ----------
    device : "auto" (CUDA if available, else CPU) or a torch device name.
    batch_size : texts per batch. Part of the cache key: other batches change the last bits of the vectors.
    truncate_dim : keep the first components only; None keeps all.
    layers : run the first layers of the transformer only and pool what they return; None runs all.
    max_length : longest input in tokens; None uses the model's own limit.
    revision : commit, tag or branch on the hub.
    query_prompt, document_prompt : text prepended to every query or document; None uses the model's own, "" none.
    dtype : precision of the weights; None keeps the model's own. Vectors are float32 either way.
    trust_remote_code : allow a hub model to run the code it ships.
    """

    device: str = "auto"
    batch_size: int = option("Texts per batch when encoding.", 32, metavar="N", minimum=1)
    truncate_dim: int | None = option("Keep the model's first N dimensions.", metavar="N", minimum=1)
    layers: int | None = option("Run the model's first N layers only.", metavar="N", minimum=1)
    max_length: int | None = option("Truncate texts after N tokens.", metavar="N", minimum=1)
    revision: str | None = option("Revision of a hub model.")
    query_prompt: str | None = option("Text prepended to every query.", metavar="TEXT")
    document_prompt: str | None = option("Text prepended to every document.", metavar="TEXT")
    dtype: Dtype | None = option("Precision of the weights.", choices=get_args(Dtype))
    trust_remote_code: bool = option("Run model-supplied code (off by default).", False)

    def prompt(self, role: str) -> str | None:
        return self.query_prompt if role == "query" else self.document_prompt

    def dimension(self, full: int) -> int:
        """The length of a vector of a model of dimension `full`; refuses to truncate to more."""
        if self.truncate_dim is not None and self.truncate_dim > full:
            raise InputError(f"truncate_dim must be at most the model's dimension {full}; got {self.truncate_dim}")
        return self.truncate_dim or full


@dataclass(frozen=True, eq=False)
class SubjectRequest:
    """What a run is about, where it is computed and where it is stored: the fields that `analyze` and `compress` share.

    Attributes
    ----------
    model : name of a model, vectors:PATH or a place in a store (`lancedb:PATH/TABLE`); or, instead of a model,
        documents as an array (n, d).
    docs, queries, doc_ids, query_ids, qrels : vectors in memory, (n, d) and (m, d), their ids (row numbers unless
        given) and {query id: {document id: grade}}.
    encoder : the options of a text model; by default those of `device`.
    config : where the options came from, stored in the run unchanged.
    """

    command: ClassVar[str] = ""  # that it is a request of
    model: str | PathLike[str] | np.ndarray | None = None
    dataset: str | None = None
    docs: np.ndarray | None = None
    queries: np.ndarray | None = None
    doc_ids: Sequence[str] | None = None
    query_ids: Sequence[str] | None = None
    qrels: Mapping[str, Mapping[str, int]] | None = None
    queries_vectors: str | PathLike[str] | None = option(
        "Query vectors to go with vectors:PATH or a store: a file, or a place in a store.", metavar="PATH|STORE"
    )
    text: str | None = option(
        "Column of a store that holds the texts (key of a Qdrant payload); '' reads none.  "
        "[default: the one named text, content, document or the like]",
        metavar="COLUMN",
    )
    similarity: str = option(
        "Similarity for search; auto uses the model's own, or cosine for vectors:PATH.",
        "auto",
        choices=("auto", "cosine", "dot", "euclidean"),
    )
    split: str = option("Split of the dataset whose judgements are used.", "test")
    drop_own_document: bool = option("Exclude the document that has the query's id from its results.", False)
    seed: int = option("Seed of every random choice.", 0, minimum=0)
    device: str = option(
        "Where to compute; auto uses a CUDA device if there is one.",
        "auto",
        choices=("auto", "cpu", "cuda"),
        environment="EMBGEO_DEVICE",
    )
    threads: int | None = option(
        "CPU threads; all by default.", metavar="N", minimum=1, environment="EMBGEO_THREADS", stored=False
    )
    engine: str = option(
        "What encodes texts, and searches and encodes a corpus in shards: this process, or Ray (needs embgeo[ray]).",
        "local",
        choices=("local", "ray"),
        stored=False,
    )
    address: str | None = option(
        "Address of a running Ray cluster.  [default: Ray is started on this machine]",
        metavar="HOST:PORT",
        environment="EMBGEO_RAY_ADDRESS",
        stored=False,
    )
    encoder: EncoderOptions | None = None
    out: Path = option(
        "Folder for runs and, during long work, the progress log.",
        Path("embgeo-runs"),
        environment="EMBGEO_OUT",
        stored=False,
    )
    config: Mapping[str, Any] | None = None

    @property
    def encoder_options(self) -> EncoderOptions:
        return self.encoder or EncoderOptions(device=self.device)

    def stored(self, model: str) -> dict[str, Any]:
        """The request as a run of `model` stores it: the options that determine its numbers."""
        named = {one.name: getattr(self, one.name) for one in stored_options(type(self))}
        if self.queries_vectors is not None:
            named["queries_vectors"] = without_secrets(fspath(self.queries_vectors))
        return {"model": model, "dataset": self.dataset, **named, "encoder": asdict(self.encoder_options)}


@dataclass(frozen=True, eq=False)
class AnalyzeRequest(SubjectRequest):
    """What `embgeo analyze` takes."""

    command: ClassVar[str] = "analyze"
    measures: list[str] | None = option(
        "Compute only these measures or families (`embgeo measures`).", metavar="NAME,…", separator=","
    )
    quick: bool = option("Compute only the fast measures.", False)
    group_by: str | None = option(
        "Also measure the documents of each value of this key of their metadata (genre, source, language).",
        metavar="KEY",
    )
    umap: bool = option("Also lay out the report's map with UMAP (needs embgeo[umap]).", False)


@dataclass(frozen=True, eq=False)
class LimitsRequest(SubjectRequest):
    """What `embgeo limits` takes."""

    command: ClassVar[str] = "limits"
    specs: list[str] | None = option(
        "Codec or index whose loss is shown (repeatable).  [default: int8, adaptive, binary and two HNSW graphs]",
        flag="--spec",
        metavar="SPEC",
    )


@dataclass(frozen=True, eq=False)
class CompressRequest(SubjectRequest):
    """What `embgeo compress` takes."""

    command: ClassVar[str] = "compress"
    budget: str | None = option(
        "96B limits the bytes per vector; 8x, 25%, 4GB, 512MiB limit the whole store.", metavar="SIZE"
    )
    keep: str | None = option(
        "Share of nDCG@10 to keep, e.g. 99%; without --budget, picks the smallest such store.", metavar="SHARE"
    )
    specs: list[str] | None = option(
        "Evaluate only this spec (repeatable), e.g. pca192,rot,int4 or hnsw32,int8.", flag="--spec", metavar="SPEC"
    )
    targets: list[str] | None = option(
        "Pick for this store (repeatable; `embgeo targets` lists them): only what it holds natively competes, with its "
        "own bytes. A --budget per vector then limits what a search reads or keeps in memory, other budgets the disk.",
        flag="--target",
        metavar="NAME",
    )
    vectors: str | None = option("Plan sizes for this many vectors, e.g. 100M.  [default: the corpus]", metavar="COUNT")
    price_per_gb: float | None = option("Price of 10⁹ bytes of RAM; without it, no prices are given.", metavar="PRICE")
    time: str | None = option(
        "Limit the sweep to about this time (90s, 10m, 2h): fewer specs, smaller samples. Not reproducible elsewhere.",
        metavar="TIME",
    )
    timing: str = option(
        "How long speeds are measured: a tenth of the sweep's time, or in full.", "short", choices=TIMINGS
    )
    exhaustive: bool = option("Evaluate a longer list of specs, including those slow to train.", False)
    grid: str | None = option("Evaluate a published grid, with its arithmetic and embgeo's.", choices=(STORAGE_PAPER,))


@dataclass(frozen=True, eq=False)
class GridRequest:
    """What `embgeo grid` takes; `threads` and `out` are those of a `SubjectRequest`.

    Attributes
    ----------
    cells : the runs of the study, each the request of one, of a model by name; `threads` and `out` of the grid hold for
        all.
    """

    cells: Sequence[SubjectRequest]
    engine: str = option(
        "What makes the cells: this process, one after another, or tasks of Ray, each with one thread (needs "
        "embgeo[ray]).",
        "local",
        choices=("local", "ray"),
    )
    address: str | None = option(
        "Address of a running Ray cluster, whose nodes share this file system.  [default: Ray is started on this "
        "machine]",
        metavar="HOST:PORT",
        environment="EMBGEO_RAY_ADDRESS",
    )
    threads: int | None = None
    out: Path = Path("embgeo-runs")


@dataclass(frozen=True, eq=False)
class CompareRequest:
    """What `embgeo compare` takes; `seed`, `threads`, `out` and `config` are those of a `SubjectRequest`.

    Attributes
    ----------
    runs : two or more, each a Run, a folder, or the start of a run's name or id in `out`.
    """

    runs: Sequence[Run | Path | str]
    vectors: str | None = option("Plan costs for this many vectors.  [default: 100M]", metavar="COUNT")
    price_per_gb: float | None = option(
        "Price of 10⁹ bytes; without it, costs are given in bytes only.", metavar="PRICE"
    )
    documents: int = option("Maximum number of documents for model similarity.", 3000, minimum=20)
    seed: int = 0
    threads: int | None = None
    fail_if: list[str] | None = option(
        "Exit with code 3 if a run differs like this from the first, e.g. 'ndcg@10 < -1%'; repeatable.",
        metavar="CONDITION",
    )
    out: Path = Path("embgeo-runs")
    config: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class ReproduceRequest:
    """What `embgeo reproduce` takes; `threads`, `out` and `config` are those of a `SubjectRequest`.

    Attributes
    ----------
    names : the entries to run (`embgeo reproduce --list`); none: the quick ones.
    """

    names: Sequence[str] | None = None
    slow: bool = option("Also run the entries that take half a minute or more.", False)
    data: Path | None = option(
        "Folder of published data; --list says what each entry needs, and where it comes from.", metavar="FOLDER"
    )
    threads: int | None = None
    out: Path = Path("embgeo-runs")
    config: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class SearchRequest:
    """What `embgeo search` takes: a run of `compress`, and a text or a vector.

    Attributes
    ----------
    run : a Run, a run folder, or the start of a run's name or id in `out` (default: EMBGEO_OUT, else embgeo-runs).
    vector : an array (d,) or (m, d), or a file of one (.npy, .npz, .safetensors); the first row is the query.
    """

    run: Path | Run
    query: str | None = None
    vector: Path | np.ndarray | None = None
    k: int = 10
    device: str = "auto"
    threads: int | None = None
    out: Path | None = None


@dataclass(frozen=True, eq=False)
class DeployRequest:
    """What `embgeo deploy` takes: a run of `compress`, and TARGET or TARGET=URL or TARGET=PATH.

    Attributes
    ----------
    run : a Run, a run folder, or the start of a run's name or id in `out` (default: EMBGEO_OUT, else embgeo-runs).
    """

    run: Path | Run
    target: str
    spec: str | None = option("Deploy this spec.  [default: the recommended one]", metavar="SPEC")
    name: str | None = option("Name of the collection.  [default: from dataset and spec]", metavar="COLLECTION")
    append: bool = option("Add to a collection of the same spec and projection that embgeo made.", False)
    replace: bool = option("Drop the collection first, if embgeo made it.", False)
    device: str = "auto"
    threads: int | None = None
    out: Path | None = None


def options_of(request: type[Any]) -> list[Field[Any]]:
    """The options that `request` declares itself, without those of its base class."""
    return [one for one in fields(request) if one.name in request.__annotations__]


def stored_options(request: type[SubjectRequest]) -> list[Field[Any]]:
    """The options that a run stores, without those of the encoder: what its numbers depend on."""
    declared = [*options_of(request), *options_of(SubjectRequest)]
    return [one for one in declared if "help" in one.metadata and one.metadata.get("stored", True)]


def by_keywords(request: type[Any]) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Let `function(request)` be called with the fields of `request` as keywords, which its help lists.

    Fields in `POSITIONAL` may be passed by position; a function that also takes `progress` is called with it. An
    unknown keyword is a TypeError, as with any function.
    """
    parameters = [_parameter(one) for one in fields(request)]
    progress = inspect.Parameter("progress", inspect.Parameter.KEYWORD_ONLY, default=silent, annotation="Progress")

    def decorate(function: Callable[..., T]) -> Callable[..., T]:
        own = inspect.signature(function)
        more = [progress] if "progress" in own.parameters else []
        signature = own.replace(parameters=[*parameters, *more])

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> T:
            try:
                given = signature.bind(*args, **kwargs).arguments
            except TypeError as error:
                raise TypeError(f"{function.__name__}() {error}") from None
            called = {"progress": given.pop("progress", silent)} if more else {}
            for one in fields(request):
                if given.get(one.name) is not None:
                    _check_kind(one, given[one.name])
            return function(request(**given), **called)

        call.__signature__ = signature  # type: ignore[attr-defined]
        return call

    return decorate


def _check_kind(one: Field[Any], value: Any) -> None:
    """InputError if an option that the command line would parse is of another kind here, or below its minimum."""
    kind = str(one.type).removesuffix(" | None")
    if kind == "str" and not isinstance(value, str):
        raise InputError(f"{one.name} must be text, as on the command line; got {value!r}")
    if kind == "list[str]" and isinstance(value, str):
        raise InputError(f"{one.name} must be a list of texts; got the text {value!r}")
    if kind == "int":
        least = one.metadata.get("minimum")
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise InputError(f"{one.name} must be a whole number; got {value!r}")
        if least is not None and value < least:
            raise InputError(f"{one.name} must be at least {least}; got {value}")


def _parameter(one: Field[Any]) -> inspect.Parameter:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD if one.name in POSITIONAL else inspect.Parameter.KEYWORD_ONLY
    default = inspect.Parameter.empty if one.default is MISSING else one.default
    return inspect.Parameter(one.name, kind, default=default, annotation=one.type)
