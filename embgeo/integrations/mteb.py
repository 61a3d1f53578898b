"""An mteb search backend over compressed documents: any retrieval task of mteb, measured on codes.

    model = SearchEncoderWrapper(model, index_backend=CompressedIndex("pca192,rot,int4"))
    mteb.evaluate(model, task, cache=None)

mteb files results under the name of the model alone: with its cache it would return those of the uncompressed model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from embgeo.errors import InputError
from embgeo.pipelines.codec import VectorCodec, as_array, fit_codec

PROBES = ([[1.0, 0.0]], [[3.0, 4.0]])  # their cosine is 0.6, their product 3, their distance √20
MEANT = {"cosine": 0.6, "dot": 3.0, "euclidean": -(20**0.5)}


class CompressedIndex:
    """Documents as codes, searched with float queries: the index search protocol of mteb (`index_backend=`).

    The first search fits the codec on all documents that were added, encodes them and drops their vectors; documents
    that are added later are encoded by the same codec. `clear` forgets the documents and a codec that was fitted here.
    Scores are those of `VectorCodec.search`, under euclidean similarity minus the distance, as mteb has it.

    The codec sees the documents that it is evaluated on, so that the quality is the one in sample
    (`in_sample_ndcg@10` of `embgeo compress`); give a codec that was fitted on other documents to avoid it.

    Parameters
    ----------
    codec : a spec (`"pca192,rot,int4"`), or a `VectorCodec`, which is used as it is. One whose parts learn from queries
        (`lean…`) must be given fitted.
    seed : of the random parts of a spec.

    Attributes
    ----------
    codec : the fitted codec; None before the first search of a spec.

    Raises SpecError at the first search for a spec that cannot be read or cannot work on the dimension, InputError for
    vectors that do not fit the codec, and if the model compares by another similarity than cosine, inner product or
    Euclidean distance, or by another than the given codec.
    """

    def __init__(self, codec: str | VectorCodec, seed: int = 0) -> None:
        self.given = codec
        self.seed = seed
        self.clear()

    def add_documents(self, embeddings: Any, idxs: Sequence[str]) -> None:
        """Take (n, d) vectors, an array or a tensor, and their n ids."""
        X = as_array(embeddings)
        if len(X) != len(idxs):
            raise InputError(f"each document must have a vector; got {len(idxs)} ids and {len(X)} vectors")
        self._waiting.append(X)
        self._ids.extend(idxs)

    def search(
        self,
        embeddings: Any,
        top_k: int,
        similarity_fn: Callable[[Any, Any], Any],
        top_ranked: Mapping[str, Sequence[str]] | None = None,
        query_idx_to_id: Mapping[int, str] | None = None,
    ) -> tuple[list[list[float]], list[list[int]]]:
        """The best documents of each of (m, d) queries: scores, best first, and their positions.

        Positions count in the order in which the documents were added. With `top_ranked` only the documents that it
        names for a query are scored, with their decoded vectors, and positions count in its list. Lists are shorter
        than `top_k` where there are fewer documents, or where an index in the spec finds fewer.
        """
        similarity = similarity_of(similarity_fn)
        codec = self._prepared(similarity)
        Q = as_array(embeddings)
        if top_ranked is None:
            scores, rows = codec.search(Q, self._codes, min(top_k, len(self._ids)))
            kept = [row >= 0 for row in rows]
            found = [(s[k], r[k]) for s, r, k in zip(scores, rows, kept, strict=True)]
        elif query_idx_to_id is None:
            raise InputError("query_idx_to_id must name the queries that top_ranked has documents for; got none")
        else:
            places = {name: row for row, name in enumerate(self._ids)}
            wanted = [[places[name] for name in top_ranked.get(query_idx_to_id[at], ())] for at in range(len(Q))]
            found = self._reranked(Q, wanted, top_k)
        if similarity == "euclidean":
            found = [(-np.sqrt(np.maximum(-scores, 0)), rows) for scores, rows in found]
        return [scores.tolist() for scores, _ in found], [rows.tolist() for _, rows in found]

    def clear(self) -> None:
        """Forget all documents."""
        self.codec: VectorCodec | None = None if isinstance(self.given, str) else self.given
        self._codes = np.empty((0, 0), np.uint8)
        self._waiting: list[np.ndarray] = []
        self._ids: list[str] = []

    def _prepared(self, similarity: str) -> VectorCodec:
        """The codec, fitted, once every document is encoded."""
        if not self._ids:
            raise InputError("documents must be added before a search; there are none")
        if self._waiting:
            X = np.concatenate(self._waiting)
            if self.codec is None:
                self.codec = fit_codec(str(self.given), X, similarity=similarity, seed=self.seed)
            codes = self.codec.encode(X)
            self._codes = np.concatenate([self._codes, codes]) if len(self._codes) else codes
            self._waiting = []
        assert self.codec is not None
        if self.codec.similarity != similarity:
            raise InputError(f"the model compares by {similarity}, the codec {self.codec!r} by {self.codec.similarity}")
        return self.codec

    def _reranked(self, Q: Any, wanted: list[list[int]], k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """(scores, positions in its list) of the best k documents of each query's list."""
        assert self.codec is not None
        Z, bias = self.codec.queries(Q)
        found = []
        for z, extra, rows in zip(Z, bias, wanted, strict=True):
            decoded = self.codec.decode(self._codes[rows])
            gaps = decoded - z
            scores = -np.einsum("nr,nr->n", gaps, gaps) if self.codec.similarity == "euclidean" else decoded @ z
            best = np.argsort(-scores, kind="stable")[:k]
            found.append((scores[best] + extra, best))
        return found


def similarity_of(similarity_fn: Callable[[Any, Any], Any]) -> str:
    """`cosine`, `dot` or `euclidean`: what the similarity function of a model computes; InputError for another."""
    import torch

    one, two = (torch.tensor(probe) for probe in PROBES)
    got = float(np.asarray(as_array(similarity_fn(one, two))).reshape(-1)[0])
    for name, score in MEANT.items():
        if abs(got - score) < 1e-3:
            return name
    raise InputError(
        "the model must compare by cosine, inner product or minus the Euclidean distance; for (1, 0) and (3, 4) its "
        f"similarity is {got:.4g}"
    )
