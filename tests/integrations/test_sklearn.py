"""`CodecTransformer` among scikit-learn's estimators: its checks, pipelines, and the vectors that codes give back."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import embgeo
from embgeo.embeddings import normalise
from embgeo.errors import InputError, SpecError
from embgeo.integrations.sklearn import CodecTransformer

RNG = np.random.default_rng(0)
N, D = 500, 16
X = (RNG.standard_normal((N, D)) * np.linspace(2, 0.5, D) + 0.3).astype(np.float32)
Q = RNG.standard_normal((9, D)).astype(np.float32)
ZERO_ROW = {"check_estimators_dtypes": "its data, cut to whole numbers, hold a zero row, which has no direction"}
NARROW = {
    "euclidean": "pca1,int8",
    "cosine": "int8",
    "dot": "rot,int4",
}  # the data of the checks have one column or more


@pytest.mark.parametrize("similarity", NARROW)
def test_it_obeys_the_rules_of_estimators(similarity: str) -> None:
    expected = ZERO_ROW if similarity == "cosine" else {}
    transformer = CodecTransformer(NARROW[similarity], similarity=similarity)
    told = check_estimator(transformer, expected_failed_checks=expected, on_skip=None)
    assert sum(one["status"] == "passed" for one in told) > 40
    assert {one["check_name"] for one in told if one["status"] == "xfail"} == set(expected)


def test_codes_are_those_of_the_codec() -> None:
    for spec in ("pca8,rot,int4", "adaptive@4B", "binary+int8@4"):
        codes = CodecTransformer(spec, seed=3).fit_transform(X)
        np.testing.assert_array_equal(codes, embgeo.fit_codec(spec, X, seed=3).encode(X))
        assert codes.dtype == np.uint8


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize(
    "spec", ["f32", "int8", "pca8,rot,int4", "pcac8,fp8", "trunc8,int8", "adaptive@6B", "rot,tq2", "binary+int8@4"]
)
def test_what_comes_back_is_what_a_search_compares_with(spec: str, similarity: str) -> None:
    transformer = CodecTransformer(spec, similarity=similarity).fit(X)
    codes = transformer.transform(X)
    back = transformer.inverse_transform(codes)
    assert back.shape == X.shape
    assert back.dtype == np.float32
    codec = transformer.codec_
    Z, bias = codec.queries(Q)
    decoded = codec.decode(codes)
    if similarity == "euclidean":
        scores = bias[:, None] - np.square(Z[:, None] - decoded).sum(axis=2)
        again = -np.square(Q[:, None] - back).sum(axis=2)
    else:
        scores = Z @ decoded.T + bias[:, None]
        again = (normalise(Q) if similarity == "cosine" else Q) @ back.T
    np.testing.assert_allclose(again, scores, rtol=1e-3, atol=1e-3)


def test_whitening_is_undone() -> None:
    one, two = (CodecTransformer(f"{spec},f32", "dot").fit(X) for spec in ("pcaw8", "pca8"))
    back = one.inverse_transform(one.transform(X))
    np.testing.assert_allclose(back, two.inverse_transform(two.transform(X)), atol=1e-4)


@pytest.mark.parametrize("shift", [0, 1000])
def test_centred_components_come_back_as_from_pca(shift: float) -> None:
    far = X + np.float32(shift)
    transformer = CodecTransformer("pcac8,f32", similarity="euclidean").fit(far)
    pca = PCA(8).fit(far.astype(np.float64))
    expected = pca.inverse_transform(pca.transform(far))
    found = transformer.inverse_transform(transformer.transform(far))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4 + 1e-5 * shift)


def test_more_bits_bring_back_more() -> None:
    errors = []
    for spec in ("rot,int4", "int8", "f16", "f32"):
        transformer = CodecTransformer(spec, "dot").fit(X)
        errors.append(float(np.square(transformer.inverse_transform(transformer.transform(X)) - X).sum()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-9


@pytest.mark.parametrize("spec", ["kpca8,int8", "int8,score=centred"])
def test_a_codec_without_such_vectors_says_so(spec: str) -> None:
    transformer = CodecTransformer(spec).fit(X)
    codes = transformer.transform(X)
    with pytest.raises(InputError, match="needs linear reducers"):
        transformer.inverse_transform(codes)


def test_it_works_in_a_pipeline() -> None:
    pipe = make_pipeline(StandardScaler(), CodecTransformer("int8", similarity="dot"))
    codes = pipe.fit_transform(X)
    assert codes.shape == (N, D)
    np.testing.assert_allclose(pipe.inverse_transform(codes), X, atol=0.06)
    pipe.set_params(codectransformer__spec="pca8,int8")
    assert pipe.fit(X).transform(X).shape == (N, 8)
    assert list(pipe.get_feature_names_out()) == [f"codectransformer{place}" for place in range(8)]
    after = make_pipeline(FunctionTransformer(np.float64), CodecTransformer("f16", "dot"))
    assert after.fit_transform(X).shape == (N, 2 * D)


def test_parameters_are_kept_as_given_and_cloned() -> None:
    one = CodecTransformer("pca8,rot,int4", similarity="dot", seed=7).fit(X)
    assert clone(one).get_params() == {"spec": "pca8,rot,int4", "similarity": "dot", "seed": 7}
    np.testing.assert_array_equal(clone(one).fit_transform(X), one.transform(X))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(SpecError, match="pca192"):
        CodecTransformer().fit(X)
    with pytest.raises(NotFittedError):
        CodecTransformer("int8").transform(X)
    with pytest.raises(NotFittedError):
        CodecTransformer("int8").inverse_transform(X)
    fitted = CodecTransformer("int8").fit(X)
    with pytest.raises(ValueError, match="expecting 16 features"):
        fitted.transform(X[:, :5])
    with pytest.raises(InputError, match=r"\(n, 16\) uint8"):
        fitted.inverse_transform(X)
    with pytest.raises(InputError, match="similarity must be one of"):
        CodecTransformer("int8", similarity="l1").fit(X)
