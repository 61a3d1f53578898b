"""The chain of a spec: reducers against linear algebra, folded matrices, and byte counts."""

from __future__ import annotations

import numpy as np
import pytest

from embgeo.compression.codecs.codec import Tier, fit_codec, restore_codec
from embgeo.compression.codecs.linear import Linear
from embgeo.compression.codecs.part import QUANTIZERS, load_parts
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training, second_moment
from embgeo.embeddings import normalise
from embgeo.errors import SpecError

load_parts()
N, D = 500, 20
RNG = np.random.default_rng(0)
X = (RNG.standard_normal((N, D)) * np.linspace(2, 0.1, D) + 0.4).astype(np.float32) @ np.linalg.qr(
    RNG.standard_normal((D, D))
)[0].astype(np.float32)


def fitted(text: str, similarity: str = "dot", rows: np.ndarray = X, seed: int = 0) -> Tier:
    codec = fit_codec(parse(text), Training(rows, similarity, seed)).tiers[0]
    return codec


@pytest.mark.parametrize("width", [1, 5, 19])
def test_uncentred_pca_loses_the_smallest_singular_values(width: int) -> None:
    """Eckart–Young: ‖X − X̂‖² is the sum of the squared singular values left out."""
    codec = fitted(f"pca{width},f32")
    part = codec.reducers[0]
    assert isinstance(part, Linear)
    restored = codec.reduce(X) @ part.matrix.T
    left_out = np.linalg.svd(X.astype(np.float64), compute_uv=False)[width:] ** 2
    assert ((X - restored) ** 2).sum() == pytest.approx(left_out.sum(), rel=1e-4)


@pytest.mark.parametrize("width", [1, 5, 19])
def test_centred_pca_loses_the_smallest_variances(width: int) -> None:
    codec = fitted(f"pcac{width},f32")
    part = codec.reducers[0]
    assert isinstance(part, Linear)
    assert part.mean is not None
    restored = codec.reduce(X) @ part.matrix.T + part.mean
    centred = X.astype(np.float64) - X.mean(axis=0, dtype=np.float64)
    left_out = np.linalg.svd(centred, compute_uv=False)[width:] ** 2
    assert ((X - restored) ** 2).sum() == pytest.approx(left_out.sum(), rel=1e-4)


def test_a_rotation_is_orthogonal_and_depends_on_the_seed() -> None:
    matrix = fitted("rot,f32").reduce(np.eye(D, dtype=np.float32))
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(D), atol=1e-6)
    other = fitted("rot,f32", seed=1).reduce(np.eye(D, dtype=np.float32))
    assert np.abs(matrix - other).max() > 0.1


def test_adjacent_matrices_are_stored_as_their_product() -> None:
    folded = fitted("pcac8,rot,f32")
    assert len(folded.reducers) == 1
    assert folded.state_bytes == (D * 8 + D) * 4
    first, second = fitted("pcac8,f32"), fitted("rot,f32", rows=np.ascontiguousarray(fitted("pcac8,f32").reduce(X)))
    np.testing.assert_allclose(folded.reduce(X), second.reduce(first.reduce(X)), atol=1e-5)


def test_a_mean_in_between_is_not_folded_away() -> None:
    codec = fitted("rot,pcac8,f32")
    assert len(codec.reducers) == 2
    Z, bias = codec.queries(X[:9])
    part = fitted("pcac8,f32")  # a rotation before it changes no projection
    plain, plain_bias = part.queries(X[:9])
    np.testing.assert_allclose(
        Z @ codec.reduce(X).T + bias[:, None], plain @ part.reduce(X).T + plain_bias[:, None], atol=1e-3
    )


def test_second_moments_by_blocks_are_those_of_the_whole() -> None:
    np.testing.assert_allclose(second_moment(X, block=37), X.astype(np.float64).T @ X / N, rtol=1e-4, atol=1e-5)


def test_axes_have_one_sign_whatever_the_order_of_rows() -> None:
    one = fitted("pca6,f32").reducers[0].matrix  # type: ignore[attr-defined]
    two = fitted("pca6,f32", rows=X[::-1].copy()).reducers[0].matrix  # type: ignore[attr-defined]
    np.testing.assert_allclose(one, two, atol=1e-3)


def test_bytes_are_known_before_anything_is_fitted() -> None:
    for text in ("f32", "bf16", "int8", "int4", "binary", "pca13,int4", "trunc7,binary", "rot,fp8", "binary+int8@4"):
        spec = parse(text)
        codec = fit_codec(spec, Training(normalise(X), "cosine"))
        assert spec.code_bytes(D) == codec.code_bytes == codec.encode(X[:3]).shape[1]


def test_a_width_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(SpecError, match="pca21"):
        fitted("pca21,int8")


def test_a_manifest_and_its_state_rebuild_the_codec() -> None:
    for text in ("pcac8,rot,int4", "trunc8,fp8", "binary+int8@4"):
        codec = fit_codec(parse(text), Training(normalise(X), "cosine"))
        back = restore_codec(codec.manifest(), codec.state)
        assert back.spec == codec.spec
        assert back.manifest() == codec.manifest()
        np.testing.assert_array_equal(back.encode(X), codec.encode(X))


@pytest.mark.parametrize("text", [part.example for part in QUANTIZERS.values()])
def test_no_vectors_have_no_codes(text: str) -> None:
    wide = np.random.default_rng(1).standard_normal((400, 384)).astype(np.float32)
    codec = fitted(text, rows=wide)
    codes = codec.encode(wide[:0])
    assert codes.shape == (0, codec.code_bytes)
    assert codec.decode(codes).shape == (0, codec.width)
