"""Scalar quantizers: each against its paper written slowly, its published levels, and more bits never worse."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from oracles import slow_scalar_codecs as slow

import embgeo
from embgeo.compression.codecs.codec import Tier, fit_codec
from embgeo.compression.codecs.quantizers.adaptive import FittedAdaptive
from embgeo.compression.codecs.quantizers.adjusted import PASSES, FittedAdjusted
from embgeo.compression.codecs.quantizers.direction4 import LEVELS, FittedDirection4
from embgeo.compression.codecs.quantizers.float4 import E2M1, nearest_nibble, signed_levels
from embgeo.compression.codecs.quantizers.uniform import FittedUniform
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.embeddings import normalise
from embgeo.errors import SpecError


def cloud(n: int = 200, d: int = 40, seed: int = 0, similarity: str = "cosine") -> np.ndarray:
    """Rows of uneven spread along the axes and a mean, unit under cosine."""
    rng = np.random.default_rng([seed, n, d])
    X = (rng.standard_normal((n, d)) * np.linspace(1.5, 0.3, d) + 0.1).astype(np.float32)
    return normalise(X) if similarity == "cosine" else X


def fit(text: str, X: np.ndarray, similarity: str = "cosine") -> Tier:
    return fit_codec(parse(text), Training(X, similarity, 0)).tiers[0]


def decoded(codec: Tier, X: np.ndarray) -> np.ndarray:
    return codec.decode(codec.encode(X))


def loss(text: str, X: np.ndarray) -> float:
    """Share of Σz² lost, in the space that is quantized."""
    codec = fit(text, X)
    Z = codec.reduce(X)
    return float(((Z - decoded(codec, X)) ** 2).sum() / (Z**2).sum())


def slow_decoded(text: str, new: np.ndarray, X: np.ndarray) -> np.ndarray:
    return {
        "fp4": lambda: slow.float4(new, X),
        "fp4b16": lambda: slow.nvfp4(new, X),
        "fp4b32": lambda: slow.mxfp4(new),
        "lvq4": lambda: slow.lvq(new, X, 4),
        "lvq8": lambda: slow.lvq(new, X, 8),
        "tq1": lambda: slow.turboquant(new, X, 1),
        "tq2": lambda: slow.turboquant(new, X, 2),
        "tq3": lambda: slow.turboquant(new, X, 3),
        "eden1": lambda: slow.eden(new, 1),
        "eden2": lambda: slow.eden(new, 2),
        "tqc1": lambda: slow.calibrated_turboquant(new, X, 1),
        "tqc3": lambda: slow.calibrated_turboquant(new, X, 3),
        "edenc2": lambda: slow.calibrated_eden(new, X, 2),
    }[text]()


# how far a value may lie from the slow one: float16 factors (2^-11 of a range of 2 sizes; one of the 255 steps where
# they tip a level over), Max's 4 printed digits
TOLERANCE = {"lvq4": 3e-3, "lvq8": 1e-2, "tq1": 1e-4, "tq2": 1e-4, "tq3": 1e-4, "eden1": 1e-3, "eden2": 1e-3}
TOLERANCE |= {"tqc1": 1e-4, "tqc3": 1e-4, "edenc2": 1e-3}


@pytest.mark.parametrize("d", [40, 37, 16])
@pytest.mark.parametrize("text", ["fp4", "fp4b16", "fp4b32", *TOLERANCE])
def test_unseen_documents_decode_as_in_the_slow_reference(text: str, d: int) -> None:
    X, new = cloud(60, d), cloud(25, d, seed=9)
    found, expected = decoded(fit(text, X), new), slow_decoded(text, new, X)
    size = float(np.abs(new).max())
    # a value halfway between two levels may fall to either side in float32: at most one in a hundred
    far = np.abs(found - expected) > TOLERANCE.get(text, 1e-5) * size
    assert far.mean() <= 0.01
    assert ((found - new) ** 2).sum() <= 1.02 * ((expected - new) ** 2).sum()


def test_e2m1_nibbles_are_those_of_the_format() -> None:
    values = np.linspace(-7, 7, 4001, dtype=np.float32)
    ours = signed_levels(E2M1)[nearest_nibble(values[None], E2M1)[0]]
    theirs = np.clip(values, -6, 6).astype(ml_dtypes.float4_e2m1fn).astype(np.float32)
    np.testing.assert_array_equal(ours, theirs)
    every = np.arange(16, dtype=np.uint8).view(ml_dtypes.float4_e2m1fn).astype(np.float32)
    np.testing.assert_array_equal(signed_levels(E2M1), every)


def test_scales_of_blocks_are_part_of_the_code() -> None:
    # 40 dimensions: 20 bytes of nibbles, then 3 scales of 16, or 2 of 32
    X = cloud()
    assert [fit(text, X).code_bytes for text in ("fp4", "fp4b16", "dp4", "fp4b32")] == [20, 23, 23, 22]
    assert fit("fp4b32", X).state_bytes == 4, "nothing is learned but a unit"


def test_a_small_block_beside_a_large_one_keeps_its_values() -> None:
    X = cloud(50, 64)
    X[:, :32] *= 1e-3
    for text, bound in [("fp4b16", 0.02), ("fp4b32", 0.02), ("dp4", 0.02)]:
        left = decoded(fit(text, X), X)[:, :32]
        assert ((left - X[:, :32]) ** 2).sum() <= bound * (X[:, :32] ** 2).sum(), text


def test_a_zero_row_decodes_to_zero() -> None:
    X = cloud()
    zero = np.zeros((1, 40), np.float32)
    for text in ("fp4", "fp4b16", "fp4b32", "dp4", "eden2"):
        np.testing.assert_array_equal(decoded(fit(text, X), zero), zero)


def test_dp4_levels_are_the_published_ones(shared_data: Path) -> None:
    with (shared_data / "direction" / "optimized_alphabets.csv").open() as file:
        row = next(
            row for row in csv.DictReader(file) if row["dimension"] == "16" and row["bitwidth_per_element"] == "4"
        )
    np.testing.assert_allclose(LEVELS[1:], json.loads(row["optimized_code"]), atol=1e-4)


def test_dp4_finds_nearly_the_best_direction_of_every_block() -> None:
    X = np.random.default_rng(1).standard_normal((60, 16)).astype(np.float32)
    codec = fit("dp4", X, "dot")
    assert isinstance(codec.quantizer, FittedDirection4)
    found = np.einsum("ij,ij->i", X, decoded(codec, X)) / np.linalg.norm(X, axis=1)
    found /= np.linalg.norm(decoded(codec, X), axis=1)
    best = np.array([slow.best_direction(row, list(LEVELS)) for row in X])
    assert (found <= best + 1e-6).all()
    # 17 scales of 4,000: on average within a tenth of the squared angle that is lost anyway
    assert (1 - found).mean() <= 1.1 * (1 - best).mean()


def test_dp4_loses_less_direction_than_fp4_of_the_same_bytes() -> None:
    X = np.random.default_rng(2).standard_normal((2000, 64)).astype(np.float32)
    lost = {}
    for text in ("dp4", "fp4b16"):
        Y = decoded(fit(text, X, "dot"), X)
        lost[text] = 1 - np.mean(np.einsum("ij,ij->i", X, Y) / np.linalg.norm(X, axis=1) / np.linalg.norm(Y, axis=1))
    assert lost["dp4"] < lost["fp4b16"]


def test_ranges_lie_where_their_names_say() -> None:
    X = np.linspace(0, 1000, 1001, dtype=np.float32)[:, None]

    def ends(text: str) -> tuple[float, float]:
        quantizer = fit(text, X, "dot").quantizer
        assert isinstance(quantizer, FittedUniform)
        return float(quantizer.low[0]), float(quantizer.low[0] + quantizer.step[0] * (2**quantizer.bits - 1))

    # 0 … 1000 evenly: 99 % in the middle are 5 … 995, 99.9 % are .5 … 999.5; σ = √((1001² − 1)/12) = 288.96
    assert ends("int4q99") == pytest.approx((5, 995))
    assert ends("int8q999") == pytest.approx((0.5, 999.5))
    assert ends("int8k1") == pytest.approx((500 - 288.96, 500 + 288.96), abs=0.01)
    assert ends("int8k3") == pytest.approx((0, 1000)), "no level where there is no document"


def test_saturation_is_the_share_that_falls_outside() -> None:
    X = np.linspace(0, 1000, 1001, dtype=np.float32)[:, None]
    saturation = {text: fit(text, X, "dot").quantizer.saturation(X) for text in ("int8", "int8q99", "int8k1")}  # type: ignore[attr-defined]
    assert saturation["int8"] == 0
    # 5 … 995 with a step of 990/255 = 3.88: below 5 − 1.94 lie 0 … 3, and as many above
    assert saturation["int8q99"] == pytest.approx(8 / 1001)
    # uniform: 1 − 2σ/1000 = .42 outside mean ± σ
    assert saturation["int8k1"] == pytest.approx(0.42, abs=0.01)


def test_the_optimal_range_beats_the_extremes_and_every_named_range() -> None:
    X = cloud(3000, 24)
    X[0] *= 3  # an outlier stretches the extremes
    codecs = {text: loss(text, X) for text in ("int4opt", "int4q99", "int4q999", "int4k2", "int4k3", "int4k9")}
    assert codecs["int4opt"] <= 1.01 * min(codecs.values())
    assert codecs["int4opt"] < 0.8 * codecs["int4k9"]


def test_the_optimal_range_of_a_normal_is_the_known_one() -> None:
    X = np.random.default_rng(4).standard_normal((2000, 20)).astype(np.float32)
    # least error of 16 even levels on a standard normal: .01154 (Max 1960, table II)
    assert loss("int4opt", X) == pytest.approx(0.01154, rel=0.05)


@pytest.mark.parametrize("text", ["int8q49", "int4q10"])
def test_a_range_that_leaves_out_most_values_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="at least half"):
        fit(text, cloud())


def test_lvq_factors_are_counted_and_new_rows_never_saturate() -> None:
    X = cloud()
    assert fit("lvq8", X).code_bytes == 40 + 4
    assert fit("lvq4", X).code_bytes == 20 + 4
    far = 50 * cloud(20, seed=3)
    np.testing.assert_allclose(decoded(fit("lvq8", X), far), far, atol=0.01 * float(np.abs(far).max()))


def test_lvq_holds_rows_of_any_norm() -> None:
    for size in (1e-6, 1e6):
        X = np.float32(size) * cloud(similarity="dot")
        assert ((decoded(fit("lvq8", X, "dot"), X) - X) ** 2).sum() <= 1e-4 * (X**2).sum()


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_turboquant_error_is_that_of_gaussian_levels(bits: int) -> None:
    X = normalise(np.random.default_rng(5).standard_normal((400, 256)).astype(np.float32))
    # Max 1960, table I: .3634, .1175, .03454, .009497
    assert loss(f"rot,tq{bits}", X) == pytest.approx([0.3634, 0.1175, 0.03454, 0.009497][bits - 1], rel=0.05)


def test_turboquant_needs_the_rotation_it_asks_for() -> None:
    X = cloud(400, 64)
    assert loss("rot,tq2", X) < 0.9 * loss("tq2", X)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_eden_keeps_the_product_of_a_row_with_itself(bits: int) -> None:
    X = cloud(similarity="dot")
    codec = fit(f"rot,eden{bits}", X, "dot")
    Z, bias = codec.queries(X)
    own = np.einsum("ij,ij->i", Z, decoded(codec, X)) + bias
    np.testing.assert_allclose(own, (X**2).sum(axis=1), rtol=2.0**-10)  # the scale is a float16


def test_eden_is_unbiased_over_rotations_where_turboquant_shrinks() -> None:
    X = cloud(1, 32)
    q = cloud(1, 32, seed=8)[0]
    estimates = {"eden1": [], "tq1": []}  # type: dict[str, list[float]]
    for text, found in estimates.items():
        for seed in range(300):
            codec = fit_codec(parse(f"rot,{text}"), Training(X, "cosine", seed)).tiers[0]
            found.append(float((codec.queries(q[None])[0] @ decoded(codec, X).T)[0, 0]))
    exact = float(q @ X[0])
    error = np.std(estimates["eden1"]) / np.sqrt(300)
    assert abs(np.mean(estimates["eden1"]) - exact) <= 4 * error
    # least squares shrinks a product by the share that is kept: 1 − .3634
    assert np.mean(estimates["tq1"]) == pytest.approx((1 - 0.3634) * exact, rel=0.1)


def recalls_out_of_sample(texts: list[str], X: np.ndarray, Q: np.ndarray, similarity: str, seed: int) -> list[float]:
    """Recall@10 of exact, each half of the documents encoded by a codec fitted on the other half."""

    def ranks(Z: np.ndarray, D: np.ndarray) -> np.ndarray:
        products = Z @ D.T
        if similarity == "euclidean":
            products = 2 * products - (D**2).sum(axis=1)
        return np.argsort(-products, axis=1)[:, :10]

    exact, half, found = ranks(Q, X), np.random.default_rng(seed).permutation(len(X)) % 2, []
    for text in texts:
        codecs = [fit_codec(parse(text), Training(X[half != k], similarity, seed)).tiers[0] for k in (0, 1)]
        D = np.empty_like(X)
        for k, codec in enumerate(codecs):
            D[half == k] = decoded(codec, X[half == k])
        rows = ranks(codecs[0].queries(Q)[0], D)
        found.append(float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact, rows, strict=True)])))
    return found


def embeddings(n: int, seed: int = 0) -> np.ndarray:
    """Unit rows like those of models: an uneven spectrum not aligned with the coordinates, and a mean."""
    rng, common = np.random.default_rng([seed, n]), np.random.default_rng(64)
    turn, mean = np.linalg.qr(common.standard_normal((64, 64)))[0], common.standard_normal(64)
    return normalise(((rng.standard_normal((n, 64)) * np.geomspace(3, 0.2, 64)) @ turn + mean).astype(np.float32))


def lengths_of(X: np.ndarray) -> np.ndarray:
    return np.random.default_rng(1).lognormal(0, 0.3, (len(X), 1)).astype(np.float32)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_calibrated_levels_have_higher_recall_on_unseen_documents(bits: int) -> None:
    """A rotation leaves a mean and coordinates of different width, which calibration can exploit."""
    X, Q = embeddings(2000), embeddings(100, seed=3)
    plain, calibrated, eden, both = np.mean(
        [recalls_out_of_sample([f"rot,{q}{bits}" for q in ("tq", "tqc", "eden", "edenc")], X, Q, "cosine", seed)
         for seed in range(3)], axis=0,
    )  # fmt: skip
    assert calibrated > plain + 0.01
    assert calibrated > eden
    assert abs(both - calibrated) < 0.01, "for rows of one length the stored length adds nothing"


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
def test_calibrated_directions_have_higher_recall_when_norms_vary(bits: int, similarity: str) -> None:
    X, Q = embeddings(2000), embeddings(100, seed=3)
    texts = [f"rot,{name}{bits}" for name in ("tqc", "eden", "edenc")]
    fixed, eden, calibrated = np.mean(
        [recalls_out_of_sample(texts, X * lengths_of(X), Q, similarity, seed) for seed in range(3)], axis=0
    )
    assert calibrated > fixed
    assert calibrated > eden


def test_calibrated_eden_keeps_every_length() -> None:
    X = cloud(300, 40) * lengths_of(cloud(300, 40))
    for bits in (1, 2, 4):
        found = np.linalg.norm(decoded(fit(f"rot,edenc{bits}", X, "dot"), X), axis=1)
        np.testing.assert_allclose(found, np.linalg.norm(X, axis=1), rtol=2.0**-10)  # the scale is a float16


@pytest.mark.parametrize("size", [1e-6, 1e6])
def test_calibrated_eden_holds_rows_of_any_norm(size: float) -> None:
    X = np.float32(size) * cloud(similarity="dot")
    assert loss("rot,edenc4", X) <= 0.02
    assert not decoded(fit("edenc2", X, "dot"), np.zeros((2, 40), np.float32)).any()


def test_calibration_counts_as_state() -> None:
    X = cloud(d=40)
    assert fit("rot,tqc4", X).state_bytes == 6 * 5 + 4 * 40 + 4 * 40 + 40
    assert fit("rot,edenc4", X).state_bytes == 6 * 5 + 4 * 40 + 4 * 40 + 4


@pytest.mark.slow
def test_calibration_raises_out_of_sample_recall_on_scifact(shared_data: Path) -> None:
    """Five rotations, fitted on one half: tq2 .816 → tqc2 .850, tq4 .937 → tqc4 .952; eden2 .837, eden4 .947."""
    X, Q = (np.load(shared_data / "scifact" / f"minilm-{name}.npy") for name in ("docs", "queries"))
    for bits, gain in ((2, 0.02), (4, 0.01)):
        texts = [f"rot,tq{bits}", f"rot,eden{bits}", f"rot,tqc{bits}"]
        plain, eden, calibrated = np.mean([recalls_out_of_sample(texts, X, Q, "cosine", s) for s in range(5)], axis=0)
        assert calibrated > plain + gain
        assert calibrated > eden + 0.002


def test_code_adjustment_is_the_slow_coordinate_descent() -> None:
    X = cloud(300, 24)
    codec = fit("adaptivec@5B", X)
    quantizer = codec.quantizer
    assert isinstance(quantizer, FittedAdjusted)
    Z = codec.reduce(X[:20])
    tables = [quantizer.plain.tables[j, : 2**b] for j, b in enumerate(quantizer.bits.tolist())]
    plain = quantizer.plain.levels(Z)
    expected = [slow.adjust(Z[i], plain[i].tolist(), tables, PASSES) for i in range(len(Z))]
    values = np.array([[table[level] for table, level in zip(tables, row, strict=True)] for row in expected])
    found = codec.decode(codec.encode(X[:20]))
    agree = np.abs(found - normalise(values.astype(np.float32))).max(axis=1) < 1e-5
    assert agree.mean() >= 0.95, "a tie within rounding may fall either way in one row of twenty"


@pytest.mark.parametrize("size", [3, 6, 12])
def test_adjusted_codes_point_closer_and_cost_the_same(size: int) -> None:
    X, new = cloud(400, 24), cloud(200, 24, seed=7)
    plain, adjusted = fit(f"adaptive@{size}B", X), fit(f"adaptivec@{size}B", X)
    assert isinstance(plain.quantizer, FittedAdaptive)
    assert plain.code_bytes == adjusted.code_bytes
    assert plain.state_bytes == adjusted.state_bytes
    Z = plain.reduce(new)
    before = np.einsum("ij,ij->i", Z, decoded(plain, new))
    after = np.einsum("ij,ij->i", Z, decoded(adjusted, new))
    assert (after >= before - 1e-6).all()
    assert after.mean() > before.mean()


@pytest.mark.parametrize(
    "family",
    [
        ["int4", "int8"],
        ["int4q99", "int8q999"],
        ["int4k3", "int8k4"],
        ["int4opt", "int8opt"],
        ["lvq4", "lvq8"],
        ["fp4", "fp8"],
        [f"rot,tq{bits}" for bits in range(1, 9)],
        [f"rot,eden{bits}" for bits in range(1, 5)],
        [f"rot,tqc{bits}" for bits in range(1, 9)],
        [f"rot,edenc{bits}" for bits in range(1, 5)],
        ["adaptivec@3B", "adaptivec@6B", "adaptivec@12B", "adaptivec@24B"],
    ],
)
def test_more_bits_are_never_worse(family: list[str]) -> None:
    X, new = cloud(800, 40), cloud(300, 40, seed=6)
    correlations, sizes = [], []
    for text in family:
        codec = fit(text, X)
        Z, bias = codec.queries(cloud(50, 40, seed=11))
        found = Z @ decoded(codec, new).T + bias[:, None]
        exact = cloud(50, 40, seed=11) @ new.T
        correlations.append(float(np.corrcoef(found.ravel(), exact.ravel())[0, 1]))
        sizes.append(codec.code_bytes)
    assert sizes == sorted(set(sizes))
    assert correlations == sorted(correlations), dict(zip(family, correlations, strict=True))


# recall@10 measured in pgvector (bit), sqlite-vec (int8 on the scale of the data, and `unit`) and Qdrant (scalar int8)
IN_STORES = {"hamming": 0.565, "int8sym": 0.988, "int8unit": 0.951, "int7": 0.978, "hamming+f32@4": 0.860}


@pytest.mark.parametrize("text", IN_STORES)
def test_formats_of_stores_find_what_the_stores_found(text: str, shared_data: Path) -> None:
    X, Q = (np.load(shared_data / "scifact" / f"minilm-{name}.npy") for name in ("docs", "queries"))
    codec = embgeo.fit_codec(text, X)
    _, rows = codec.search(Q, codec.encode(X), 10)
    exact = np.argsort(-Q @ X.T, axis=1, kind="stable")[:, :10]
    recall = np.mean([len({*a} & {*b}) / 10 for a, b in zip(rows.tolist(), exact.tolist(), strict=True)])
    assert recall == pytest.approx(IN_STORES[text], abs=0.005)
