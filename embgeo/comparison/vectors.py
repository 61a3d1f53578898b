"""The document vectors of a stored run, loaded without encoding: from the vector file or the embedding cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from embgeo.comparison.runs import ComparedRun
from embgeo.embeddings import Embeddings, Similarity
from embgeo.encoders.cache import cached_matrix
from embgeo.errors import EmbgeoError
from embgeo.files.ids import RowNumbers
from embgeo.files.rows import Rows
from embgeo.sources.subject import IN_MEMORY
from embgeo.sources.vector_files import load_named
from embgeo.sources.vector_stores import names_vectors

Reason = Literal[
    "vectors-missing", "vectors-changed", "not-cached", "not-recorded", "no-shared-documents", "unknown-documents"
]


@dataclass(frozen=True)
class RunVectors:
    """Document vectors of a run.

    Attributes
    ----------
    embeddings : rows as the run saw them; their ids are row numbers if `ids` is None.
    ids : document ids by row; None if neither the file nor the run has any: rows are in the dataset's order.
    """

    embeddings: Embeddings
    ids: Sequence[str] | None


@dataclass(frozen=True)
class Unavailable:
    """Why vectors, or a pair of them, are not available: a code for programs and a sentence for people."""

    reason: Reason
    detail: str


def vectors_of(item: ComparedRun) -> RunVectors | Unavailable:
    """The run's document vectors, verified to be the ones it measured; never encodes, and never fails."""
    asked = str(item.result.asked("model") or item.model.name or "")
    found = _from_file(item, asked) if _names_vectors(asked) else _from_cache(item)
    if isinstance(found, Unavailable):
        return found
    X, ids = found
    if ids is None:
        # a run with texts lists its documents in the order of their rows
        stored = list(item.run.documents)
        ids = stored if len(stored) == len(X) else None
    similarity = cast(Similarity, item.result.similarity or "cosine")
    return RunVectors(Embeddings(X, None, ids or RowNumbers(len(X)), (), similarity), ids)


def _names_vectors(asked: str) -> bool:
    try:
        return names_vectors(asked)
    except EmbgeoError:  # a plug-in's scheme, and the plug-in is not there
        return True


def _from_file(item: ComparedRun, asked: str) -> tuple[np.ndarray | Rows, Sequence[str] | None] | Unavailable:
    if asked == IN_MEMORY:
        return Unavailable(
            "not-recorded", "the run was made from arrays, which it does not store; use vectors:FILE instead"
        )
    queries = item.result.asked("queries_vectors")
    try:
        found = load_named(asked, str(queries) if queries else None, text="")
    except EmbgeoError as error:
        return Unavailable("vectors-missing", f"the vectors can no longer be read: {error}")
    if found.fingerprint != item.model.fingerprint:
        return Unavailable(
            "vectors-changed", f"{asked} does not hold the vectors that were measured; run the command again"
        )
    return found.docs, found.doc_ids


def _from_cache(item: ComparedRun) -> tuple[np.ndarray, list[str] | None] | Unavailable:
    facts = item.dataset
    if facts.encoding is None or facts.documents is None or facts.dimension is None:
        return Unavailable(
            "not-recorded", "the run does not say where the cache keeps its vectors; run the command again to record it"
        )
    X = cached_matrix(facts.encoding, facts.documents, facts.dimension)
    if X is None:
        return Unavailable(
            "not-cached", "the embedding cache no longer has the vectors; run the command again to encode them"
        )
    return X, None
