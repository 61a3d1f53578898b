"""A codec as a scikit-learn transformer: vectors to codes, and `inverse_transform` back to vectors."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from embgeo.errors import InputError
from embgeo.pipelines.codec import VectorCodec, fit_codec

PROBES = 8


class CodecTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Vectors (n, d) to codes (n, code_bytes) uint8, by a codec that is fitted on them.

    Codes are bytes to store, not features: take `inverse_transform(transform(X))` for the vectors that remain of X, as
    an estimator or a distance would see them.

    Parameters
    ----------
    spec : as on the command line: `int8`, `pca192,rot,int4`, `adaptive@48B`; none that learns from queries (`lean…`).
    similarity : what codes must keep: `cosine` (of the vectors scaled to unit length), `dot` or `euclidean`.
    seed : of the random parts of a spec, and of the sample it is fitted on.

    Attributes
    ----------
    codec_ : the fitted `VectorCodec`: search, queries, save.
    n_features_in_ : d.

    Raises SpecError for a spec that cannot be read or cannot work on d dimensions, InputError for zero rows under
    cosine, ValueError for what scikit-learn refuses; both of ours are ValueErrors.
    """

    def __init__(self, spec: str = "pca192,rot,int4", similarity: str = "cosine", seed: int = 0) -> None:
        self.spec = spec
        self.similarity = similarity
        self.seed = seed

    def fit(self, X: Any, y: None = None) -> Self:
        """Fit the codec on X (n, d), real numbers; `y` is ignored."""
        X = validate_data(self, X, dtype=[np.float32, np.float64, np.float16])
        self.codec_: VectorCodec = fit_codec(self.spec, X, similarity=self.similarity, seed=self.seed)
        self._n_features_out = self.codec_.code_bytes
        # about the length of a row: far from the origin, unit steps would be lost in rounding
        self._step = float(np.sqrt(np.mean(np.square(X, dtype=np.float64)) * X.shape[1])) or 1.0
        return self

    def transform(self, X: Any) -> np.ndarray:
        """(n, d) → (n, code_bytes) uint8."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float32, np.float64, np.float16], reset=False)
        return self.codec_.encode(X)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Codes (n, code_bytes) uint8 → the vectors (n, d) float32 that a search compares queries with.

        The score of a query q is q · x̂, under euclidean similarity −‖q − x̂‖². Under cosine rows come back with about
        unit length. Raises InputError if the spec has no such vectors: a reducer that is not linear (kernel PCA, UMAP,
        an autoencoder), or `score=centred`.
        """
        check_is_fitted(self)
        back, origin = self._way_back()
        return self.codec_.decode(np.asarray(X)) @ back + origin

    def _way_back(self) -> tuple[np.ndarray, np.ndarray]:
        """(matrix (r, d), origin (d,)): x̂ = z @ matrix + origin, from how queries along each axis are scored."""
        d = int(self.n_features_in_)
        step = self._step if self.similarity == "euclidean" else 1.0
        axes = np.eye(d, dtype=np.float32) * np.float32(step)
        (Z, bias), (mirrored, other) = (self.codec_.queries(sign * axes) for sign in (1, -1))
        Z, mirrored, bias, other = (part.astype(np.float64) for part in (Z, mirrored, bias, other))
        back, origin = (Z - mirrored) / (2 * step), (bias - other) / (2 * step)
        if self.similarity == "euclidean":
            squares = np.square(mirrored).sum(axis=1) - np.square(Z).sum(axis=1)
            origin = (origin + squares / (2 * step)) / 2
        self._check_linear(back, (Z + mirrored).mean(axis=0) / 2)
        return back.T.astype(np.float32), origin.astype(np.float32)

    def _check_linear(self, back: np.ndarray, centre: np.ndarray) -> None:
        Q = np.random.default_rng(0).standard_normal((PROBES, len(back)))
        Q = (Q / np.linalg.norm(Q, axis=1, keepdims=True)).astype(np.float32)
        Z = self.codec_.queries(Q)[0]
        if not np.allclose(Q @ back + centre, Z, atol=1e-3 * float(np.abs(Z).max())):
            raise InputError(f"inverse_transform needs linear reducers and float queries; {self.spec} has not")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # codes are bytes
        return tags
