"""A single codec, without a sweep: fit it, encode, decode, search, save it to a file."""

from __future__ import annotations

import sys
import zlib
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.compression.codecs.codec import Codec, encode_all
from embgeo.compression.codecs.codec import fit_codec as fit
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.judging.folds import fit_sample
from embgeo.compression.search.build import build_searcher, build_structure
from embgeo.compression.search.searcher import Searcher
from embgeo.compression.search.store import load_store, write_store
from embgeo.embeddings import Embeddings, check_embeddings
from embgeo.errors import InputError


class VectorCodec:
    """A codec fitted on documents; made by `embgeo.fit_codec` or `VectorCodec.load`.

    Vectors are NumPy arrays or torch tensors, as the `encode` of a model returns them.

    Attributes
    ----------
    spec : its spec, as it prints and parses.
    similarity : cosine, dot or euclidean. Under cosine, vectors of any length may be given; they are normalised to unit
        length.
    dimension : d of the vectors that it takes; None if a loaded codec does not record it (`trunc…`).
    code_bytes : bytes of the code of one vector.
    state_bytes : bytes that a store holds once, whatever its size: axes, ranges, codebooks.
    """

    def __init__(self, codec: Codec, dimension: int | None, training: Training | None = None) -> None:
        self._codec = codec
        self._training = training
        self._searched: tuple[tuple[int, int], Searcher] | None = None
        self.spec = str(codec.spec)
        self.similarity = codec.similarity
        self.dimension = dimension
        self.code_bytes = codec.code_bytes
        self.state_bytes = codec.state_bytes

    def __repr__(self) -> str:
        return f"<VectorCodec {self.spec}, {self.similarity}, {self.code_bytes} bytes a vector>"

    def encode(self, X: Any) -> np.ndarray:
        """(n, d) vectors → (n, code_bytes) uint8 codes, both tiers side by side if there are two.

        Values beyond the range that was fitted saturate. Raises InputError for vectors that do not fit the codec.
        """
        return encode_all(self._codec, self._checked(X))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, code_bytes) uint8 → (n, r) float32 in the reduced space that `queries` maps to; r is d without a reducer.

        With two tiers, the second, which rescores, is decoded.
        """
        return self._codec.decode(self._checked_codes(codes))

    def queries(self, Q: Any) -> tuple[np.ndarray, np.ndarray]:
        """(m, d) → (m, r) float32 and a bias (m,): under inner products a query's score of a document is
        `Z @ decoded + bias`, under euclidean similarity `−‖Z − decoded‖² + bias`."""
        return self._codec.queries(self._checked(Q).matrix())

    def search(self, Q: Any, codes: np.ndarray, k: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """Scores (m, k) float32, larger is nearer, and rows (m, k) int64 of `codes`; −inf and −1 where there are fewer.

        Vectors stay encoded in memory; the searcher is kept for the next call with equal codes. An index in the spec
        (`hnsw32,…`, `ivf256,…`) is built at the first call. Raises InputError for k below 1 and for no codes.
        """
        if k < 1:
            raise InputError(f"k must be at least 1; got {k}")
        if not len(codes):
            raise InputError("codes must hold at least one document; got none")
        asked = self._checked(Q).matrix()
        # by content: an array that was changed in place is searched anew
        codes = np.ascontiguousarray(self._checked_codes(codes))
        key = len(codes), zlib.crc32(codes.data)
        if self._searched is None or self._searched[0] != key:
            self._searched = key, self._searcher(codes)
        return self._searched[1].search(asked, k)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the codec as a store of no documents, a safetensors file; raises StorageError."""
        write_store(Path(path), self._codec, [], [])

    @classmethod
    def load(cls, path: str | PathLike[str]) -> VectorCodec:
        """The codec of a file that `save` wrote, or of the store of a run; raises RunFormatError or StorageError."""
        codec = load_store(Path(path)).codec
        return cls(codec, codec.tiers[-1].dimension)

    def _searcher(self, codes: np.ndarray) -> Searcher:
        index = self._codec.spec.index
        if index is None:
            return build_searcher(self._codec, codes)
        if self._training is None:
            raise InputError(f"{self.spec} was loaded without the documents that its index is built from; fit it again")
        structure = build_structure(index, self._codec, codes, self._training)
        return build_searcher(self._codec, codes, structure=structure)

    def _checked(self, X: Any) -> Embeddings:
        embeddings = _checked(X, None, self.similarity)
        if self.dimension not in (None, embeddings.dimension):
            raise InputError(f"{self.spec} takes vectors of {self.dimension} dimensions; got {embeddings.dimension}")
        return embeddings

    def _checked_codes(self, codes: np.ndarray) -> np.ndarray:
        if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != self.code_bytes:
            raise InputError(
                f"codes of {self.spec} are (n, {self.code_bytes}) uint8; got shape {codes.shape}, dtype {codes.dtype}"
            )
        return codes


def fit_codec(spec: str, X: Any, *, similarity: str = "cosine", queries: Any = None, seed: int = 0) -> VectorCodec:
    """Fit the codec that `spec` names on documents X (n, d), as `compress` fits what it ships.

    `spec` is written as on the command line: `int8`, `pca192,rot,int4`, `adaptive@48B`, `binary+int8@4`. `queries`
    (m, d) are needed only where a part learns from them (`lean…`). Raises SpecError for a spec that cannot be read or
    cannot work on this dimension, InputError for vectors that are not a finite matrix.

    >>> import embgeo, numpy as np
    >>> X = np.random.default_rng(0).standard_normal((500, 16)).astype(np.float32)
    >>> codec = embgeo.fit_codec("pca8,int8", X)
    >>> codec.encode(X).shape
    (500, 8)
    """
    embeddings = _checked(X, queries, similarity)
    training = Training(embeddings.rows(fit_sample(embeddings, seed)), embeddings.similarity, seed)
    if queries is not None:
        training = training.learning_from(embeddings.query_matrix())
    return VectorCodec(fit(parse(spec), training), embeddings.dimension, training)


def as_array(X: Any) -> Any:
    """A torch tensor as a NumPy array, bfloat16 as float32, from any device; anything else as it is."""
    torch = sys.modules.get("torch")  # only a process that imported torch can hold a tensor
    if torch is None or not isinstance(X, torch.Tensor):
        return X
    X = X.detach().cpu()
    return (X.float() if X.dtype == torch.bfloat16 else X).numpy()


def _checked(X: Any, queries: Any, similarity: str) -> Embeddings:
    embeddings = check_embeddings(as_array(X), as_array(queries), similarity=similarity)
    if embeddings.exponent:
        raise InputError(
            "under dot similarity, sums of products of vectors must fit the range of float32; these vectors are too "
            "long or too short. Multiply all of them by one factor, which changes no ranking"
        )
    return embeddings
