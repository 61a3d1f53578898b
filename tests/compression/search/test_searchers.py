"""Searchers: whatever path is taken, the results are those of decoding and multiplying."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embgeo.compression.codecs.codec import Codec, fit_codec
from embgeo.compression.codecs.part import QUANTIZERS, load_parts
from embgeo.compression.codecs.quantizers.float8 import FORMATS, levels
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search import flat as module
from embgeo.compression.search.build import build_searcher
from embgeo.compression.search.flat import LOOKED_UP, BlockSearcher, cells_of, search_by_levels
from embgeo.compression.search.on_faiss import FaissSearcher, faiss_available, search_on_faiss
from embgeo.compression.search.rounded import ProductSearcher, search_by_products
from embgeo.embeddings import normalise
from embgeo.threads import limited_threads

needs_faiss = pytest.mark.skipif(not faiss_available(), reason="no FAISS here")
load_parts()
N, M, D, K = 700, 21, 24, 10
SIMILARITIES = ("cosine", "dot", "euclidean")
QUANTIZED = [entry.example for entry in QUANTIZERS.values() if not entry.pattern.groups]
SPECS = [*QUANTIZED, *(f"{front},{q}" for front in ("pcac13", "trunc12", "pca16,rot") for q in QUANTIZED)]


def vectors(rows: int, similarity: str, seed: int) -> np.ndarray:
    X = np.random.default_rng(seed).standard_normal((rows, D)).astype(np.float32) + np.float32(0.1)
    return normalise(X) if similarity == "cosine" else X


def stored(text: str, similarity: str, rows: int = N) -> tuple[Codec, np.ndarray]:
    X = vectors(rows, similarity, 0)
    codec = fit_codec(parse(text), Training(X, similarity))
    return codec, codec.encode(X)


def oracle(codec: Codec, codes: np.ndarray, Q: np.ndarray) -> np.ndarray:
    """(m, n) float64 scores from decoded rows, one product at a time."""
    Z, bias = codec.queries(Q)
    decoded = codec.decode(codes).astype(np.float64)
    Z = Z.astype(np.float64)
    if codec.similarity == "euclidean":
        return -((Z[:, None, :] - decoded[None, :, :]) ** 2).sum(axis=2) + bias[:, None]
    return Z @ decoded.T + bias[:, None]


def agrees(found: tuple[np.ndarray, np.ndarray], truth: np.ndarray, k: int) -> None:
    """Ids equal up to ties within the tolerance: each row found scores what is claimed, and none better is missing."""
    scores, rows = found
    kept = min(k, truth.shape[1])
    tolerance = 2e-5 * max(1.0, float(np.abs(truth).max()))  # float32 sums of 24 products
    assert scores.shape == rows.shape == (len(truth), k)
    assert (rows[:, kept:] == -1).all()
    assert np.isneginf(scores[:, kept:]).all()
    scores, rows = scores[:, :kept], rows[:, :kept]
    assert (np.diff(scores, axis=1) <= 0).all()
    assert all(len(set(row)) == kept for row in rows.tolist())
    np.testing.assert_allclose(scores, np.take_along_axis(truth, rows, axis=1), atol=tolerance)
    np.testing.assert_allclose(scores, -np.sort(-truth, axis=1)[:, :kept], atol=tolerance)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("text", SPECS)
def test_a_searcher_returns_what_decoding_returns(text: str, similarity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    codec, codes = stored(text, similarity)
    Q = vectors(M, similarity, 1)
    truth = oracle(codec, codes, Q)
    searcher = build_searcher(codec, codes)
    agrees(searcher.search(Q, K), truth, K)
    for row in range(3):
        agrees(searcher.search(Q[row : row + 1], K), truth[row : row + 1], K)
    agrees(BlockSearcher(codec.tiers[0], codes).search(Q, K), truth, K)
    monkeypatch.setenv("EMBGEO_NO_FAISS", "1")
    plain = build_searcher(codec, codes)
    assert "faiss" not in plain.name
    agrees(plain.search(Q, K), truth, K)


@pytest.mark.parametrize("text", ["f32", "int8", "int4", "fp8", "binary"])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_more_neighbours_than_documents_are_padded(text: str, similarity: str) -> None:
    codec, codes = stored(text, similarity, rows=7)
    Q = vectors(M, similarity, 1)
    agrees(build_searcher(codec, codes).search(Q, 12), oracle(codec, codes, Q), 12)
    agrees(build_searcher(codec, codes).search(Q[:1], 12), oracle(codec, codes, Q[:1]), 12)


def test_searching_by_block_equals_searching_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    codec, codes = stored("fp8", "cosine")
    Q = vectors(M, "cosine", 1)
    whole = BlockSearcher(codec.tiers[0], codes).search(Q, K)
    monkeypatch.setattr(module, "BLOCK_ROWS", 64)
    cut = BlockSearcher(codec.tiers[0], codes).search(Q, K)
    np.testing.assert_array_equal(cut[1], whole[1])
    np.testing.assert_allclose(cut[0], whole[0], atol=1e-6)


def test_a_memory_mapped_store_is_searched_as_one_in_memory(tmp_path) -> None:
    for text in ("int8", "fp8", "binary", "int4"):
        codec, codes = stored(text, "cosine")
        np.save(tmp_path / "codes.npy", codes)
        mapped = np.load(tmp_path / "codes.npy", mmap_mode="r")
        Q = vectors(1, "cosine", 1)
        one, two = build_searcher(codec, codes).search(Q, K), build_searcher(codec, mapped).search(Q, K)
        np.testing.assert_array_equal(one[1], two[1])


SUMMED = [
    *("adaptive@9B", "trellis@9B", "rabitq1", "rabitq4", "rabitq8", "eden3", "edenc2", "lvq4", "lvq8", "tq3", "tqc2"),
    *("ternary", "binary", "hamming", "int8", "fp8", "fp8raw", "fp8e5m2"),
]


@pytest.mark.parametrize("text", SUMMED)
def test_codes_that_are_sums_are_looked_up(text: str) -> None:
    codec, codes = stored(text, "cosine")
    searcher = search_by_levels(codec.tiers[0], codes)
    assert searcher is not None
    cells = searcher.cells
    assert searcher.ram_bytes == cells.packed.nbytes + cells.numbers.nbytes + codec.state_bytes
    levels = cells.code.levels(codes)
    assert levels.max() < 1 << int(cells.code.bits.max())
    # every level lies in one cell, which no other overlaps
    taken = np.zeros(8 * cells.packed.shape[1], int)
    for cell, shift, bits in zip(cells.cell.tolist(), cells.shift.tolist(), cells.code.bits.tolist(), strict=True):
        taken[8 * cell + shift : 8 * cell + shift + bits] += 1
        assert shift + bits <= 8
    assert taken.max() == 1
    Q = vectors(LOOKED_UP + 1, "cosine", 1)
    truth = oracle(codec, codes, Q)
    agrees(searcher.search(Q, K), truth, K)  # decoded
    agrees(searcher.search(Q[:LOOKED_UP], K), truth[:LOOKED_UP], K)  # looked up


@pytest.mark.parametrize("faiss", [pytest.param("", marks=needs_faiss), "1"])
@pytest.mark.parametrize("rows", [1, 31, 32, 33, 2049])
@pytest.mark.parametrize("text", ["adaptive@9B", "rabitq2"])
def test_any_number_of_rows_is_scanned(text: str, rows: int, faiss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBGEO_NO_FAISS", faiss)
    codec, codes = stored(text, "dot", rows)
    Q = vectors(LOOKED_UP + 1, "dot", 1)
    truth = oracle(codec, codes, Q)
    searcher = build_searcher(codec, codes)
    agrees(searcher.search(Q, K), truth, K)
    agrees(searcher.search(Q[:2], K), truth[:2], K)


def test_scores_do_not_depend_on_the_number_of_threads() -> None:
    codec, codes = stored("trellis@9B", "cosine", 5000)
    Q = vectors(LOOKED_UP + 1, "cosine", 1)
    found = []
    for threads in (1, 2):
        with limited_threads(threads):
            found += [build_searcher(codec, codes).search(Q[:part], K) for part in (3, len(Q))]
    for one, two in zip(found[:2], found[2:], strict=True):
        np.testing.assert_array_equal(one[1], two[1])
        np.testing.assert_array_equal(one[0], two[0])


def test_tiny_numbers_are_summed() -> None:
    X = vectors(200, "dot", 0) * np.float32(1e-37)
    codec = fit_codec(parse("rabitq4"), Training(X, "dot"))
    codes = codec.encode(X)
    Q = vectors(3, "dot", 1)
    agrees(build_searcher(codec, codes).search(Q, K), oracle(codec, codes, Q), K)


@pytest.mark.parametrize("text", ["tq4", "rot,tq2", "eden2"])
@pytest.mark.parametrize("size", [1e30, 1e-30])
def test_levels_follow_rows_whose_squares_leave_float32(text: str, size: float) -> None:
    X, Q = vectors(3000, "dot", 0), vectors(M, "dot", 1)
    small, large = (fit_codec(parse(text), Training(each, "dot")) for each in (X, X * np.float32(size)))
    codes = large.encode(X * np.float32(size))
    assert (codes == small.encode(X)).mean() > 0.99
    scores, rows = build_searcher(large, codes).search(Q, K)
    agrees((scores / np.float32(size), rows), oracle(large, codes, Q) / size, K)


PRODUCTS = [
    "int8",
    "fp8",
    "fp8e5m2",
    "tq8",
    "int4",
    "tq1",
    "tq2",
    "tq3",
    "tq4",
    "fp4",
    "binary",
    "rabitq1",
    "rabitq4",
    "rabitq8",
    "lvq4",
    "lvq8",
    "eden2",
    "adaptive@9B",
    "trellis@9B",
]


def of_products(codec: Codec, codes: np.ndarray) -> ProductSearcher:
    if (searcher := search_by_products(codec.tiers[0], codes)) is None:
        pytest.skip("this processor has no products of bytes")
    return searcher


@pytest.mark.parametrize("text", [*PRODUCTS, "tqc3"])
def test_products_find_rows_whose_own_numbers_lift_them(text: str) -> None:
    rng = np.random.default_rng(0)
    lengths = np.exp(0.5 * rng.standard_normal((9000, 1)))  # factors of a seventh to seven times the middle one
    X = (normalise(rng.standard_normal((9000, D)).astype(np.float32) + np.float32(0.5)) * lengths).astype(np.float32)
    codec = fit_codec(parse(text), Training(X, "dot"))
    codes = codec.encode(X)
    Q = np.concatenate([vectors(M, "cosine", 1), -vectors(M, "cosine", 1)])  # of the negated ones all scores are low
    agrees(of_products(codec, codes).search(Q, K), oracle(codec, codes, Q), K)


@pytest.mark.parametrize("text", PRODUCTS)
def test_bounds_of_rounded_products_hold_whatever_the_query(text: str) -> None:
    """Every score lies within the bound of what its rounded product says, for queries with one large coordinate, equal
    ones, tiny ones and zeros too; a bound of a thousandth of it does not hold."""
    codec, codes = stored(text, "dot", 3000)
    rounded = of_products(codec, codes).rounded
    Q = np.concatenate([vectors(4, "dot", 1), np.ones((1, D), np.float32), np.eye(D, dtype=np.float32)[:2]])
    Q = np.concatenate([Q, Q[:3] * np.float32([1000] + (D - 1) * [1]), np.float32(1e-30) * Q[:2], 0 * Q[:1]])
    Z, bias = codec.queries(Q)
    _, _, constant = rounded.cells.code.ask(Z)
    truth = oracle(codec, codes, Q) - constant[:, None] - bias[:, None]
    highs, rows, counts, _, _ = rounded.candidates(Z, len(codes))
    assert (counts == len(codes)).all(), "of as many neighbours as rows every row is a candidate"
    weights = rounded.cells.code.ask(Z)[0] * rounded.scale
    unit = rounded.cells.numbers[:, 0].max(initial=0) or 1
    step = rounded.spread(weights)[1] * unit
    error = rounded.ask(Z)[2][:, 2].astype(np.float64)
    for query in np.flatnonzero(weights.any(axis=1)):
        exact = truth[query, rows[query, : len(codes)]] / step[query]
        middle = highs[query, : len(codes)] - error[query]
        assert (np.abs(exact - middle) <= error[query]).all()
    assert (np.abs(exact - middle) > error[query] / 1000).any()


@pytest.mark.parametrize("text", ["tq4", "lvq4", "adaptive@9B"])
def test_products_let_all_rows_through_where_bounds_say_nothing(text: str) -> None:
    """More rows than there is room for lie closer than the bound: all of them are scored."""
    rng = np.random.default_rng(0)
    X = (normalise(rng.standard_normal((1, D))) + 1e-3 * rng.standard_normal((20_000, D))).astype(np.float32)
    codec = fit_codec(parse(text), Training(vectors(N, "dot", 0), "dot"))
    codes = codec.encode(X)
    few = of_products(codec, codes[:100])
    searcher = ProductSearcher(few.tier, type(few.rounded).of(cells_of(codec.tiers[0], codes)))  # type: ignore[arg-type]
    Q = vectors(5, "dot", 1)
    assert (searcher.rounded.candidates(codec.queries(Q)[0], K)[2] < 0).any()
    agrees(searcher.search(Q, K), oracle(codec, codes, Q), K)


FAST = ["int4", "tq4", "pq8x4", "rabitq1", "rabitq4", "eden2", "edenc4", "lvq4", "tqc3", "adaptive@9B"]


@needs_faiss
@pytest.mark.parametrize("text", FAST)
def test_equal_rows_are_found_in_their_order(text: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, D)).astype(np.float32)
    X[1000:] = X[0]  # equal rows, whose rounded sums may all be 0
    X[77] *= np.float32(50)
    codec = fit_codec(parse(text), Training(X, "dot"))
    codes = codec.encode(X)
    Q = np.concatenate([vectors(3, "cosine", 1), np.zeros((1, D), np.float32), X[:1], -X[:1]])
    agrees(build_searcher(codec, codes).search(Q, K), oracle(codec, codes, Q), K)
    alike = np.repeat(codes[:1], 3000, axis=0)
    for row in build_searcher(codec, alike).search(Q, K)[1]:
        np.testing.assert_array_equal(row, np.arange(K))


def test_the_table_of_e4m3_reads_every_byte_as_ml_dtypes_does() -> None:
    values = np.arange(256, dtype=np.uint8).view(FORMATS["e4m3"]).astype(np.float32)
    never_written = ~np.isfinite(values)
    assert never_written.sum() == 2
    np.testing.assert_array_equal(levels("e4m3")[~never_written], values[~never_written])
    np.testing.assert_array_equal(levels("e4m3")[never_written], 0)


BYTES = """
import numpy as np
from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.quantizers.float8 import FORMATS
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.build import build_searcher
from embgeo.compression.search.flat import cells_of
X = np.random.default_rng(0).standard_normal((300, 6)).astype(np.float32)
for spec, format in (("fp8", "e4m3"), ("fp8raw", "e4m3"), ("fp8e5m2", "e5m2"), ("fp8e5m2raw", "e5m2")):
    every = np.arange(256, dtype=np.uint8)
    finite = every[np.isfinite(every.view(FORMATS[format]).astype(np.float32))]
    codes = np.repeat(finite[:, None], 6, axis=1)
    codec = fit_codec(parse(spec), Training(X, "dot"))
    cells = cells_of(codec.tiers[0], codes)
    Q, decoded = np.eye(6, dtype=np.float32), codec.decode(codes)
    np.testing.assert_allclose(cells.scan(Q).T, decoded, rtol=1e-6)
    scores, rows = build_searcher(codec, codes).search(Q, len(codes))
    np.testing.assert_allclose(scores, -np.sort(-decoded.T, axis=1), rtol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(decoded.T, rows, axis=1), scores, rtol=1e-6)
"""


@pytest.mark.parametrize("processor", ["this", "generic"])
def test_every_byte_of_an_8_bit_float_has_its_value(processor: str, tmp_path: Path) -> None:
    """Also by a processor without products and tables of bytes, as which numba treats every one of a given name."""
    asked = {} if processor == "this" else {"NUMBA_CPU_NAME": processor, "NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", BYTES], check=True, env={**os.environ, **asked})


@needs_faiss
@pytest.mark.parametrize("text", ["int4", "tq4", "pq8x4"])
def test_fast_scan_misses_nothing_where_rows_are_closer_than_its_rounding(text: str) -> None:
    rng = np.random.default_rng(0)
    centres = 10 * rng.standard_normal((20, D))
    X = (centres[rng.integers(0, 20, 9000)] + 0.05 * rng.standard_normal((9000, D))).astype(np.float32)
    codec = fit_codec(parse(text), Training(X, "euclidean"))
    codes = codec.encode(X)
    searcher = build_searcher(codec, codes)
    assert "FastScan" in searcher.name
    _, rows = searcher.search(X[:M], K)
    truth = oracle(codec, codes, X[:M])
    worst = -np.sort(-truth, axis=1)[:, K - 1 : K]
    assert (np.take_along_axis(truth, rows, axis=1) >= worst - 1e-3).all()


def test_equal_scores_come_in_row_order_whichever_path() -> None:
    X = np.repeat(vectors(5, "cosine", 0), 20, axis=0)
    Q = vectors(6, "cosine", 1)
    for text in ("f32", "int8", "fp8", "binary", "tq4", "eden2"):
        codec = fit_codec(parse(text), Training(X, "cosine"))
        for searcher in (build_searcher(codec, codec.encode(X)), BlockSearcher(codec.tiers[0], codec.encode(X))):
            whole = searcher.search(Q, 100)
            for s, r in zip(*whole, strict=True):
                for value in np.unique(s):
                    assert (np.diff(r[s == value]) > 0).all(), f"{text} through {searcher.name}"
            for k in (1, 10):  # of many candidates only some are scored
                np.testing.assert_array_equal(searcher.search(Q, k)[1], whole[1][:, :k], searcher.name)


@needs_faiss
@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("text", ["f32", "f16", "int8", "pca13,int8"])
def test_faiss_holds_our_bytes_under_our_metric(text: str, similarity: str) -> None:
    import faiss

    codec, codes = stored(text, similarity)
    searcher = search_on_faiss(codec.tiers[0], codes)
    assert isinstance(searcher, FaissSearcher)
    wanted = faiss.METRIC_L2 if similarity == "euclidean" else faiss.METRIC_INNER_PRODUCT
    assert searcher.index.metric_type == wanted
    assert searcher.index.ntotal == N
    held = faiss.vector_to_array(searcher.index.codes).reshape(N, -1)
    np.testing.assert_array_equal(held, codes)
    back = np.stack([searcher.index.reconstruct(row) for row in range(20)])
    np.testing.assert_allclose(back, codec.decode(codes[:20]), atol=1e-5)


@needs_faiss
def test_a_faiss_index_of_the_wrong_metric_is_not_served() -> None:
    """Trap 12: the planted index is right in all but the metric."""
    import faiss

    codec, codes = stored("f32", "cosine")
    with pytest.raises(AssertionError, match="FAISS built"):
        FaissSearcher(codec.tiers[0], codes, faiss.IndexFlatL2(D))
    with pytest.raises(AssertionError, match="FAISS built"):
        FaissSearcher(codec.tiers[0], codes, faiss.IndexFlatIP(D + 1))


def test_faiss_is_hidden_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBGEO_NO_FAISS", "1")
    assert not faiss_available()


KERNELS = """
import numpy as np
from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search import byte_products, cells
from embgeo.compression.search.build import build_searcher, build_structure
from embgeo.compression.search.indices import hnsw, ivf
X = np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32)
training = Training(X, "dot")
for spec in ("trellis@13B", "lvq8", "int4", "hnsw4,trellis@13B", "ivf4,trellis@13B"):
    codec = fit_codec(parse(spec), training)
    codes = codec.encode(X)
    index = codec.spec.index
    structure = None if index is None else build_structure(index, codec, codes, training)
    for number in (2, 20):
        ivf.ListScanner.looks_up = lambda scanner, probed: number == 2
        build_searcher(codec, codes, structure=structure).search(X[:number], 3)
kernels = (cells._scan_kernel(), cells._decode_kernel(), hnsw._walk_kernel(), ivf._scan_kernel())
kernels += (ivf._product_kernel(), ivf._best_kernel())
kernels += (byte_products.sum_kernel(), byte_products.filter_kernel(), byte_products.exact_kernel())
print(sum(sum(one.stats.cache_misses.values()) for one in kernels))
"""


@needs_faiss
def test_compiled_loops_are_kept_for_the_next_process(tmp_path: Path) -> None:
    """A loop that captures another is not: it would be compiled anew by every process, in seconds."""
    misses = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", KERNELS],
            capture_output=True, text=True, check=True, env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        )  # fmt: skip
        misses.append(int(done.stdout))
    assert misses[0] >= 6, "those of products only where the processor has them"
    assert misses[1] == 0


@pytest.mark.parametrize("text", ["int8", "int4", "tq4", "fp8", "eden4", "rabitq1", "rabitq4"])
@pytest.mark.parametrize(("large", "small"), [(1, 1e-20), (1e18, 1e-18), (1e18, 1e-25), (1e30, 1e-20)])
def test_no_row_is_lost_where_bounds_leave_float32(text: str, large: float, small: float) -> None:
    """One coordinate is the same in all rows and so much larger that sums in its units overflow."""
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((1500, 16)) * small).astype(np.float32)
    X[:, 0] = large
    codec = fit_codec(parse(text), Training(X, "dot"))
    codes, Q = codec.encode(X), rng.standard_normal((10, 16)).astype(np.float32)
    scores, rows = build_searcher(codec, codes).search(Q, 3)
    assert (rows >= 0).all()
    truth = oracle(codec, codes, Q)
    best = -np.sort(-truth, axis=1)[:, :3]
    np.testing.assert_allclose(scores, best, rtol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(truth, rows, axis=1), best, rtol=1e-5)


def test_coordinates_without_bits_leave_sums_finite() -> None:
    """adaptive gives none to the axis of the mean; the products of bytes must not become NaN there."""
    rng = np.random.default_rng(0)
    X = normalise((rng.standard_normal((3000, 64)) * np.arange(1, 65) ** -0.2 + 4).astype(np.float32))
    codec = fit_codec(parse("adaptive@16B"), Training(X, "cosine"))
    assert (codec.tiers[0].quantizer.summed_code().bits == 0).any()
    with np.errstate(all="raise"):
        rows = build_searcher(codec, codec.encode(X)).search(X[:40], 5)[1]
    Z, bias = codec.queries(X[:40])
    scores = Z @ codec.decode(codec.encode(X)).T + bias[:, None]
    assert np.allclose(np.take_along_axis(scores, rows, 1), -np.sort(-scores, axis=1)[:, :5], atol=1e-4)
