"""The subject of a run: a model's vectors of a dataset, from whatever the user named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embgeo.embeddings import SIMILARITIES, Embeddings, check_embeddings
from embgeo.encoders.encoder import EncoderOptions, Role
from embgeo.errors import InputError
from embgeo.judgements import Judgements, check_judgements
from embgeo.progress import Progress, silent

if TYPE_CHECKING:
    from embgeo.datasets.dataset import Dataset
    from embgeo.encoders.encoder import Encoder

VECTORS = "vectors:"
VECTOR_FILES = (".npy", ".npz", ".safetensors")


@dataclass(frozen=True)
class Subject:
    """Everything a run is about.

    Attributes
    ----------
    embeddings : checked vectors.
    judgements : or None, without a dataset or qrels.
    model, dataset : JSON facts for the result; dataset holds name, documents, queries, qrels, fingerprint.
    doc_texts, query_texts : texts by row, or None with bare vectors.
    warnings : sentences about the data.
    """

    embeddings: Embeddings
    judgements: Judgements | None
    model: dict[str, Any]
    dataset: dict[str, Any]
    doc_texts: Sequence[str] | None
    query_texts: Sequence[str] | None
    warnings: tuple[str, ...]


def load_subject(
    model: str,
    dataset: str | None,
    *,
    similarity: str = "auto",
    queries_vectors: Path | None = None,
    split: str = "test",
    drop_own_document: bool = False,
    encoder: EncoderOptions | None = None,
    tokens: bool = False,
    check: Callable[[int, int], None] = lambda dimension, documents: None,
    progress: Progress = silent,
) -> Subject:
    """Resolve MODEL and DATASET as DESIGN says and encode what has to be encoded.

    `check(dimension, documents)` may raise as soon as the two are known, before anything is encoded. `tokens` asks for
    the encoder's token-embedding matrix too. Raises the typed errors of the loaders, and InputError where a text model
    comes without a dataset or vectors do not fit it.
    """
    if similarity not in ("auto", *SIMILARITIES):
        raise InputError(f"similarity must be auto, {', '.join(SIMILARITIES)}; got {similarity!r}")
    if not model.startswith(VECTORS) and Path(model).suffix in VECTOR_FILES and Path(model).expanduser().is_file():
        raise InputError(f"{model!r} is a file of vectors; use vectors:{model}")
    _refuse_swapped(model, dataset)
    if not model.startswith(VECTORS) and dataset is None:
        raise InputError(
            f"a text model needs a dataset to encode; name one after {model!r} (`embgeo datasets` lists them), or give "
            "finished embeddings as vectors:PATH"
        )
    if not model.startswith(VECTORS) and queries_vectors is not None:
        raise InputError("--queries-vectors goes with vectors:PATH; a text model encodes the queries itself")
    data = None
    if dataset is not None:
        from embgeo.datasets.registry import resolve_dataset

        data = resolve_dataset(dataset, split=split, drop_own_document=drop_own_document, progress=progress)
    if model.startswith(VECTORS):
        return _from_vectors(model, data, similarity, queries_vectors, check)
    assert data is not None
    return _from_texts(model, data, similarity, encoder or EncoderOptions(), tokens, check, progress)


def _refuse_swapped(model: str, dataset: str | None) -> None:
    """Raise InputError where a dataset stands in MODEL's place, or a model in DATASET's."""
    from embgeo.encoders.resolve import names_model

    if dataset is None:
        if _names_dataset(model):
            raise InputError(f"{model!r} is a dataset; name the model before it, as in: minilm {model}")
    elif names_model(dataset) or (_names_dataset(model) and not _names_dataset(dataset)):
        raise InputError(f"MODEL comes before DATASET; got {model!r} and {dataset!r}. Did you mean: {dataset} {model}")


def _names_dataset(name: str) -> bool:
    from embgeo.datasets.beir import is_beir_folder
    from embgeo.datasets.registry import list_datasets

    return name in list_datasets() or is_beir_folder(Path(name))


def _from_vectors(
    model: str,
    data: Dataset | None,
    similarity: str,
    queries_vectors: Path | None,
    check: Callable[[int, int], None],
) -> Subject:
    from embgeo.encoders.precomputed import load_vectors

    path = Path(model.removeprefix(VECTORS)).expanduser()
    found = load_vectors(path, queries_vectors)
    check(found.docs.shape[1], len(found.docs))
    chosen = "cosine" if similarity == "auto" else similarity
    provenance = {"model": model, "source": found.source}
    facts = {"name": model, "vectors": found.source, "fingerprint": found.fingerprint}
    if data is None:
        embeddings = check_embeddings(
            found.docs, found.queries, found.doc_ids, found.query_ids, chosen, provenance
        )  # fmt: skip
        return Subject(embeddings, None, facts, _dataset_facts(None, embeddings, None), None, None, ())
    warnings = []
    doc_ids, aligned_docs = _align(found.doc_ids, data.doc_ids, len(found.docs), "document", data.name)
    query_ids: Sequence[str] = ()
    aligned_queries = False
    if found.queries is not None:
        query_ids, aligned_queries = _align(
            found.query_ids, data.query_ids, len(found.queries), "query", data.name
        )  # fmt: skip
    if aligned_docs or aligned_queries:
        what = " and ".join(w for w, on in (("documents", aligned_docs), ("queries", aligned_queries)) if on)
        warnings.append(f"aligned by row: the vector file holds no ids, so its {what} were matched by their order")
    embeddings = check_embeddings(
        found.docs, found.queries, doc_ids, query_ids if found.queries is not None else None, chosen, provenance
    )  # fmt: skip
    judgements = None
    if found.queries is not None and data.judgements.qrels:
        kept = check_judgements(data.judgements.qrels, doc_ids, query_ids, data.judgements.drop_own_document)
        judgements = kept if kept.judged_queries else None
    warnings += _coverage(doc_ids, data.doc_ids, data.name)
    doc_text = dict(zip(data.doc_ids, data.doc_texts, strict=True))
    query_text = dict(zip(data.query_ids, data.query_texts, strict=True))
    return Subject(
        embeddings,
        judgements,
        facts,
        _dataset_facts(data.name, embeddings, judgements, data),
        [doc_text.get(doc, "") for doc in doc_ids],
        [query_text.get(query, "") for query in query_ids],
        (*data.warnings, *(judgements.warnings if judgements else ()), *warnings),
    )


def _align(
    ids: Sequence[str] | None, expected: Sequence[str], rows: int, what: str, dataset: str
) -> tuple[Sequence[str], bool]:
    """The ids of the vectors and whether they were matched by row."""
    if ids is None:
        if rows != len(expected):
            raise InputError(
                f"without ids the vectors must match the dataset row by row; got {rows} {what} vectors for "
                f"{len(expected)} in {dataset}. Store the ids beside the vectors (doc_ids, query_ids)"
            )
        return expected, True
    known = set(expected)
    shared = sum(name in known for name in ids)
    if not shared:
        raise InputError(f"{what} ids must be those of the dataset; none of {len(ids)} is known to {dataset}")
    return ids, False


def _coverage(ids: Sequence[str], expected: Sequence[str], dataset: str) -> list[str]:
    """Documents that only one side has; a corpus without its distractors retrieves better than the whole."""
    missing, unknown = len(set(expected) - set(ids)), len(set(ids) - set(expected))
    said = []
    if missing:
        said.append(
            f"{missing} of {len(expected)} documents of {dataset} have no vector: retrieval among the rest is easier, "
            "and its quality does not compare with that on the whole dataset"
        )
    if unknown:
        said.append(f"{unknown} of {len(ids)} document vectors have ids that {dataset} does not know")
    return said


def _from_texts(
    model: str,
    data: Dataset,
    similarity: str,
    options: EncoderOptions,
    tokens: bool,
    check: Callable[[int, int], None],
    progress: Progress,
) -> Subject:
    from embgeo.encoders.resolve import resolve_encoder

    progress(f"loading {model}", 0, 1)
    encoder = resolve_encoder(model, options, data.task)
    progress(f"loading {model}", 1, 1)
    check(encoder.dimension, len(data.doc_texts))
    docs, doc_key, doc_warnings = _encode(encoder, data.doc_texts, "document", progress)
    queries, _, query_warnings = (
        _encode(encoder, data.query_texts, "query", progress) if data.query_texts else (None, "", [])
    )
    chosen = (encoder.similarity or "cosine") if similarity == "auto" else similarity
    embeddings = check_embeddings(
        docs,
        queries,
        data.doc_ids,
        data.query_ids,
        chosen,
        provenance=dict(encoder.identity),
        tokens=encoder.token_embeddings() if tokens else None,
    )
    judgements = data.judgements if data.judgements.judged_queries else None
    facts = {"name": model, **encoder.identity}
    return Subject(
        embeddings,
        judgements,
        facts,
        # where the cache keeps the document vectors: what `embgeo compare` asks without encoding
        {**_dataset_facts(data.name, embeddings, judgements, data), "encoding": doc_key},
        data.doc_texts,
        data.query_texts,
        (*data.warnings, *(judgements.warnings if judgements else ()), *doc_warnings, *query_warnings),
    )


def _encode(encoder: Encoder, texts: Sequence[str], role: Role, progress: Progress) -> tuple[Any, str, list[str]]:
    """The vectors, their key in the cache, warnings."""
    from embgeo.encoders.cache import cache_directory, cache_key, encode_texts

    cut = encoder.count_truncated(texts, role)
    warnings = []
    if cut:
        what = "documents" if role == "document" else "queries"
        warnings.append(
            f"{cut} of {len(texts)} {what} are longer than the model's {encoder.max_length} tokens and were cut"
        )
    return encode_texts(encoder, texts, role, cache_directory(), progress), cache_key(encoder, texts, role), warnings


def _dataset_facts(
    name: str | None, embeddings: Embeddings, judgements: Judgements | None, data: Dataset | None = None
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": name,
        "documents": len(embeddings),
        "queries": len(embeddings.query_ids),
        "qrels": len(judgements) if judgements else 0,
        "dimension": embeddings.dimension,
    }
    if data is not None:
        facts |= {"fingerprint": data.fingerprint, **data.facts}
    return facts


def with_document_queries(embeddings: Embeddings, seed: int, most: int = 1000) -> Embeddings:
    """Documents standing in for queries where there are none: a seeded sample, ids kept so that self matches can go."""
    import numpy as np

    n = len(embeddings)
    rows = np.sort(np.random.default_rng([seed, 0xD0C5]).choice(n, min(n, most), replace=False))
    return replace(
        embeddings, queries=embeddings.rows(rows), query_ids=[embeddings.doc_ids[row] for row in rows]
    )  # fmt: skip
