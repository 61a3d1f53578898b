"""The subject of a run: a model's vectors for a dataset, from whatever the user named."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.datasets.beir import is_beir_folder
from embgeo.datasets.checks import build_dataset, without_texts
from embgeo.datasets.dataset import Dataset, Origin
from embgeo.datasets.registry import check_dataset, is_built_in, resolve_dataset
from embgeo.embeddings import SIMILARITIES, Embeddings, check_embeddings
from embgeo.encoders.cache import cache_key, encode_texts
from embgeo.encoders.encoder import Encoder, Role, count_truncated
from embgeo.encoders.resolve import VECTORS, check_model, names_model, resolve_encoder
from embgeo.errors import InputError
from embgeo.files.addresses import without_secrets
from embgeo.files.cache_folder import cache_directory
from embgeo.files.ids import PackedIds, RowNumbers, as_ids
from embgeo.judgements import Judgements, check_judgements, how_ids_differ
from embgeo.progress import Progress, silent
from embgeo.requests import EncoderOptions, SubjectRequest
from embgeo.sources.vector_files import Vectors, check_named, file_suffixes, load_named, one_row
from embgeo.sources.vector_stores import names_vectors, vector_stores

IN_MEMORY = "vectors:arrays"  # the model name of a run on arrays in memory


Loader = Callable[[str, EncoderOptions, object | None], AbstractContextManager[Encoder]]


@contextmanager
def loaded_here(name: str, options: EncoderOptions, task: object | None) -> Iterator[Encoder]:
    """The model called `name` in this process, as `resolve_encoder` loads it."""
    yield resolve_encoder(name, options, task)


@dataclass(frozen=True)
class Subject:
    """Everything a run is about.

    Attributes
    ----------
    embeddings : checked vectors.
    judgements : None without a dataset or qrels.
    model, dataset : JSON facts for the result; dataset holds name, documents, queries, qrels, fingerprint.
    doc_texts, query_texts : texts by row, or None if unknown.
    warnings : about the data.
    """

    embeddings: Embeddings
    judgements: Judgements | None
    model: dict[str, Any]
    dataset: dict[str, Any]
    doc_texts: Sequence[str] | None
    query_texts: Sequence[str] | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """Where the documents of a run come from.

    Attributes
    ----------
    model : name of a model, vectors:PATH or a place in a store, without its password; `IN_MEMORY` for arrays.
    address : the same with the password.
    arrays : those of `IN_MEMORY`, else None.
    qrels : judgements of the arrays, {query id: {document id: grade}} or None.
    """

    model: str
    arrays: Vectors | None = None
    qrels: Mapping[str, Mapping[str, int]] | None = None
    address: str = field(default="", repr=False)

    @classmethod
    def of(cls, request: SubjectRequest) -> Source:
        """Documents are `docs`, or an array given as `model`; queries of shape (d,) are one query.

        Ids default to the row numbers unless a dataset gives them. Raises InputError unless documents come from exactly
        one place.
        """
        model, docs, queries, ids = request.model, request.docs, request.queries, (request.doc_ids, request.query_ids)
        if isinstance(model, str | os.PathLike):
            if not all(given is None for given in (docs, queries, *ids, request.qrels)):
                raise InputError(
                    f"arrays (docs=, queries=, qrels=, ids) replace a model; got the model {model!r} as well"
                )
            return cls(without_secrets(os.fspath(model)), address=os.fspath(model))
        if (model is None) == (docs is None):
            raise InputError("name a model, or give the document vectors as docs=, an array of shape (n, d)")
        X = np.asarray(docs if model is None else model)
        if X.dtype == object or X.ndim != 2:
            got = type(docs if model is None else model).__name__
            raise InputError(f"docs must be numbers of shape (n, d); got {got} of shape {X.shape}")
        Q = None if queries is None else one_row(np.asarray(queries))
        doc_ids, query_ids = (None if names is None else PackedIds.of(str(name) for name in names) for names in ids)
        return cls(IN_MEMORY, Vectors(X, Q, doc_ids, query_ids, "arrays"), request.qrels)


def load_subject(
    source: Source,
    request: SubjectRequest,
    progress: Progress = silent,
    *,
    tokens: bool = False,
    check: Callable[[int, int], None] = lambda dimension, documents: None,
    load: Loader = loaded_here,
) -> Subject:
    """Resolve MODEL and DATASET of a request whose documents come from `source`, and encode texts if necessary.

    `check(dimension, documents)` may raise as soon as the two are known, before anything is encoded. `tokens` asks for
    the encoder's token-embedding matrix too; `load` gives the encoder. Raises the typed errors of the loaders, and
    InputError if a text model comes without a dataset or vectors do not fit it.
    """
    model, arrays, dataset, similarity = source.model, source.arrays, request.dataset, request.similarity
    has_vectors = checked_request(source, request)
    asked: dict[str, Any] = {
        "split": request.split,
        "drop_own_document": request.drop_own_document,
        "progress": progress,
    }
    if not has_vectors:
        assert dataset is not None
        data = resolve_dataset(dataset, **asked)
        _refuse_empty(data)
        progress(f"loading {model}", 0, 1)
        with load(model, request.encoder_options, data.task) as encoder:
            progress(f"loading {model}", 1, 1)
            check(encoder.dimension, len(data.doc_texts or ()))
            return _from_texts(model, data, similarity, encoder, tokens, progress)
    found = arrays
    if found is None:
        found = load_named(source.address or model, request.queries_vectors, progress, request.text)
        progress(f"vectors: {found.form}", 1, 1)
    check(found.docs.shape[1], len(found.docs))
    chosen = "cosine" if similarity == "auto" else similarity
    if dataset is not None:
        data = resolve_dataset(dataset, **asked, doc_ids=found.doc_ids, query_ids=found.query_ids)
    elif source.qrels is not None:
        found = _numbered(found)
        data = _judged(found, source.qrels, request.drop_own_document)
    else:
        e = check_embeddings(found.docs, found.queries, found.doc_ids, found.query_ids, chosen)
        own_texts = found.doc_texts, found.query_texts
        return _subject(e, None, _vector_facts(model, found), None, own_texts, found.warnings)
    return _from_vectors(model, found, data, chosen)


def check_names(model: str | None = None, dataset: str | None = None) -> None:
    """Raise what `load_subject` would raise for a name alone; nothing is read, and no hub and no store is asked."""
    if dataset is not None:
        check_dataset(dataset)
    if model is not None:
        (check_named if names_vectors(model) else check_model)(model)


def checked_request(source: Source, request: SubjectRequest) -> bool:
    """Whether the request names vectors and not a text model; raises InputError for options that do not fit."""
    model, arrays, dataset, similarity = source.model, source.arrays, request.dataset, request.similarity
    if similarity not in ("auto", *SIMILARITIES):
        raise InputError(f"similarity must be auto, {', '.join(SIMILARITIES)}; got {similarity!r}")
    named = Path(model)
    if not model.startswith(VECTORS) and named.suffix in file_suffixes() and named.expanduser().is_file():
        raise InputError(f"{model!r} is a file of vectors; use vectors:{model}")
    if arrays is None:
        _refuse_swapped(model, dataset)
    has_vectors = names_vectors(model)
    if not has_vectors and dataset is None:
        raise InputError(
            f"a text model needs a dataset to encode; name one after {model!r} (`embgeo datasets` lists them), or give "
            "precomputed embeddings as vectors:PATH"
        )
    if request.queries_vectors is not None and (arrays is not None or not has_vectors):
        raise InputError(
            "--queries-vectors needs vectors:PATH or a store; a text model encodes the queries itself, and arrays take "
            "queries="
        )
    if request.text is not None and (arrays is not None or not has_vectors):
        raise InputError("--text names a column of a store; the texts of a text model come from its dataset")
    if dataset is not None and source.qrels is not None:
        raise InputError(f"judgements must come from one place; got qrels= and the dataset {dataset!r}")
    return has_vectors


def _refuse_swapped(model: str, dataset: str | None) -> None:
    """Raise InputError if MODEL is a dataset or DATASET is a model."""
    if dataset is None:
        if _names_dataset(model):
            raise InputError(f"{model!r} is a dataset; name the model before it, as in: minilm {model}")
    elif names_model(dataset) or _names_store(dataset) or (_names_dataset(model) and not _names_dataset(dataset)):
        raise InputError(f"MODEL comes before DATASET; got {model!r} and {dataset!r}. Did you mean: {dataset} {model}")


def _names_store(name: str) -> bool:
    return name.partition(":")[0] in vector_stores() and not _names_dataset(name)


def _names_dataset(name: str) -> bool:
    return is_built_in(name) or is_beir_folder(Path(name))


def _numbered(found: Vectors) -> Vectors:
    """The vectors, with row numbers as ids if they have none."""
    if found.queries is None:
        raise InputError("qrels= needs queries; give their vectors as queries=, an array of shape (m, d)")
    return replace(
        found,
        doc_ids=RowNumbers(len(found.docs)) if found.doc_ids is None else found.doc_ids,
        query_ids=RowNumbers(len(found.queries)) if found.query_ids is None else found.query_ids,
    )


def _judged(found: Vectors, qrels: Mapping[str, Mapping[str, int]], drop_own_document: bool) -> Dataset:
    """Judgements of these vectors as a dataset without texts."""
    documents, queries = (without_texts(ids or ()) for ids in (found.doc_ids, found.query_ids))
    return build_dataset("qrels", documents, queries, qrels, Origin(judgements="qrels="), drop_own_document)


def _from_vectors(model: str, found: Vectors, data: Dataset, similarity: str) -> Subject:
    doc_ids, docs_by_row = _align(found.doc_ids, data.doc_ids, data.doc_ids, len(found.docs), "document", data.name)
    queries, query_ids, queries_by_row = found.queries, found.query_ids or (), False
    if queries is not None and data.every_query:
        query_ids, queries_by_row = _align(
            found.query_ids, data.query_ids, data.every_query, len(queries), "query", data.name
        )
    embeddings = check_embeddings(found.docs, queries, doc_ids, query_ids or None, similarity)
    warnings = list(found.warnings)
    if docs_by_row or queries_by_row:
        what = " and ".join(w for w, on in (("documents", docs_by_row), ("queries", queries_by_row)) if on)
        warnings.append(f"aligned by row: the vectors have no ids, so {what} were matched by their order")
    judgements = None
    if queries is not None and data.judgements.qrels:
        ids, drop = (embeddings.doc_ids, embeddings.query_ids), data.judgements.drop_own_document
        judgements = check_judgements(data.judgements.qrels, *ids, drop, f"the judgements of {data.name}")
        # queries of other splits are left out, since a text model would not encode them either
        rows = [row for row, query in enumerate(embeddings.query_ids) if query in judgements.qrels]
        if found.query_texts is not None:
            found = replace(found, query_texts=[found.query_texts[row] for row in rows])
        judged = [embeddings.query_ids[row] for row in rows]
        embeddings = replace(embeddings, queries=queries[rows], query_ids=judged)
        if left_out := len(queries) - len(embeddings.query_ids):
            warnings.append(
                f"{left_out} of {len(queries)} query vectors are not judged in {data.name} and were left out"
            )
    elif data.judgements.qrels:
        warnings.append(
            f"the {len(data.judgements)} judgements of {data.name} are not used: their queries have no vectors "
            "(--queries-vectors, or the key queries)"
        )
    warnings += _coverage(doc_ids, data.doc_ids, data.name)
    texts = (
        _texts_of(embeddings.doc_ids, data.doc_ids, data.doc_texts) or found.doc_texts,
        _texts_of(embeddings.query_ids, data.query_ids, data.query_texts) or found.query_texts,
    )
    return _subject(embeddings, judgements, _vector_facts(model, found), data, texts, warnings)


def _vector_facts(model: str, found: Vectors) -> dict[str, Any]:
    form = {"form": found.form} if found.form else {}
    return {"name": model, "vectors": found.source, **form, "fingerprint": found.fingerprint}


def _subject(
    embeddings: Embeddings,
    judgements: Judgements | None,
    model: dict[str, Any],
    data: Dataset | None,
    texts: tuple[Sequence[str] | None, Sequence[str] | None] = (None, None),
    warnings: Sequence[str] = (),
    **facts: str,
) -> Subject:
    """The subject with the facts of its dataset in JSON order; `facts` are added to them."""
    e = embeddings
    dataset = {
        "name": data and data.name,
        "documents": len(e),
        "queries": len(e.query_ids),
        "qrels": len(judgements) if judgements else 0,
        "dimension": e.dimension,
    }
    if data is None:
        return Subject(e, judgements, model, dataset, *texts, tuple(warnings))
    dataset |= {"fingerprint": data.fingerprint, **data.facts, **facts}
    every_warning = (*data.warnings, *(judgements.warnings if judgements else ()), *warnings)
    return Subject(e, judgements, model, dataset, *texts, every_warning)


def _texts_of(ids: Sequence[str], known: Sequence[str], texts: Sequence[str] | None) -> list[str] | None:
    """The texts in the order of `ids`, "" for ids that the dataset does not have; None if it has no texts."""
    if not texts:
        return None
    return [texts[row] if row >= 0 else "" for row in as_ids(known).index_of(ids).tolist()]


def _align(
    ids: Sequence[str] | None, kept: Sequence[str], every: Sequence[str], rows: int, what: str, dataset: str
) -> tuple[Sequence[str], bool]:
    """The ids of the vectors, and whether they were matched by row: with the ids the dataset keeps, or with all."""
    if ids is None:
        for expected in (kept, every):
            if rows == len(expected):
                return expected, True
        of_all = f" ({len(every)} with those of other splits)" if len(every) > len(kept) else ""
        raise InputError(
            f"without ids the vectors must match the dataset row by row; got {rows} {what} vectors for "
            f"{len(kept)} in {dataset}{of_all}. Store the ids with the vectors (doc_ids, query_ids)"
        )
    if not (as_ids(ids).index_of(every) >= 0).any():
        raise InputError(
            f"{what} ids must be those of the dataset; none of {len(ids)} is in {dataset}. "
            + (how_ids_differ(ids, every) or f"The first ids are {ids[0]!r} here and {every[0]!r} there")
        )
    return ids, False


def _coverage(ids: Sequence[str], expected: Sequence[str], dataset: str) -> list[str]:
    """Documents that only one side has; retrieval is easier in a corpus without its distractors."""
    shared = int((as_ids(ids).index_of(expected) >= 0).sum())
    missing, unknown = len(expected) - shared, len(ids) - shared
    warnings = []
    if missing:
        warnings.append(
            f"{missing} of {len(expected)} documents of {dataset} have no vector: retrieval among the rest is easier, "
            "so its quality is not comparable with that on the whole dataset"
        )
    if unknown:
        warnings.append(f"{unknown} of {len(ids)} document vectors have ids that are not in {dataset}")
    return warnings


def _refuse_empty(data: Dataset) -> None:
    for texts, what in ((data.doc_texts, "documents"), (data.query_texts, "queries")):
        if texts and not any(text.strip() for text in texts):
            raise InputError(f"a text model needs texts; all {len(texts)} {what} of {data.name} are empty")


def _from_texts(
    model: str, data: Dataset, similarity: str, encoder: Encoder, tokens: bool, progress: Progress
) -> Subject:
    assert data.doc_texts is not None
    assert data.query_texts is not None
    docs, doc_key, doc_warnings = _encode(encoder, data.doc_texts, "document", progress)
    queries, _, query_warnings = (
        _encode(encoder, data.query_texts, "query", progress) if data.query_texts else (None, "", [])
    )
    chosen = (encoder.similarity or "cosine") if similarity == "auto" else similarity
    embeddings = check_embeddings(
        docs, queries, data.doc_ids, data.query_ids, chosen, tokens=encoder.token_embeddings() if tokens else None
    )
    judgements = data.judgements if data.judgements.judged_queries else None
    # `encoding`: the cache key of the document vectors, which `embgeo compare` reads without encoding
    facts, warnings = {"name": model, **encoder.identity}, [*doc_warnings, *query_warnings]
    known = data.doc_texts, data.query_texts
    return _subject(embeddings, judgements, facts, data, known, warnings, encoding=doc_key)


def _encode(encoder: Encoder, texts: Sequence[str], role: Role, progress: Progress) -> tuple[Any, str, list[str]]:
    """The vectors, their key in the cache, warnings."""
    truncated = count_truncated(encoder, texts, role)
    warnings = []
    if truncated:
        what = "documents" if role == "document" else "queries"
        limit = f"the model's limit of {encoder.max_length} tokens"
        warnings.append(f"{truncated} of {len(texts)} {what} are longer than {limit} and were truncated")
    return encode_texts(encoder, texts, role, cache_directory(), progress), cache_key(encoder, texts, role), warnings


def with_document_queries(embeddings: Embeddings, seed: int, limit: int = 1000) -> Embeddings:
    """Documents as queries, if there are none: a seeded sample, with its ids so that self matches can be removed.

    Raises InputError for a corpus of one document, which could find only itself.
    """
    n = len(embeddings)
    if n < 2:
        raise InputError(
            "comparing stores needs queries; there are none, and a single document cannot replace them, since it could "
            "find only itself. Give query vectors (--queries-vectors) or more documents"
        )
    rows = np.sort(np.random.default_rng([seed, 0xD0C5]).choice(n, min(n, limit), replace=False))
    names = [embeddings.doc_ids[row] for row in rows]
    return replace(embeddings, queries=embeddings.rows(rows), query_ids=names)
