"""Search over codes with the results of `sentence_transformers.util.semantic_search`.

`model.encode(texts)` gives the vectors, as an array or a tensor; `VectorCodec.encode` makes codes of either.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from embgeo.errors import InputError
from embgeo.pipelines.codec import VectorCodec, as_array


def semantic_search(
    query_embeddings: Any, corpus_codes: np.ndarray, codec: VectorCodec, top_k: int = 10
) -> list[list[dict[str, int | float]]]:
    """The `top_k` nearest codes of each query, as `sentence_transformers.util.semantic_search` gives them for vectors.

    Parameters
    ----------
    query_embeddings : (m, d) or (d,) array or tensor of floats.
    corpus_codes : (n, code_bytes) uint8, `codec.encode` of the documents.
    codec : also decides the score: cosine, inner product, or minus the Euclidean distance.

    Returns
    -------
    For each query at most `top_k` objects `{"corpus_id": row of corpus_codes, "score": float}`, best first; equal
    scores in order of rows. With the spec `f32` both functions return the same documents, and scores that differ by
    rounding alone.

    Raises InputError for vectors or codes that do not fit the codec.
    """
    Q = as_array(query_embeddings)
    if not isinstance(Q, np.ndarray):
        raise InputError(f"query_embeddings must be an array or a tensor; got {type(Q).__name__}. Stack the vectors")
    scores, rows = codec.search(np.atleast_2d(Q), corpus_codes, top_k)
    if codec.similarity == "euclidean":
        scores = -np.sqrt(np.maximum(-scores, 0))
    found = zip(scores.tolist(), rows.tolist(), strict=True)
    return [
        [{"corpus_id": row, "score": score} for score, row in zip(*each, strict=True) if row >= 0] for each in found
    ]
