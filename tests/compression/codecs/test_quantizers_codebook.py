"""Codebook quantizers and RaBitQ: the papers as oracles, refusals with their numbers, real data."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from oracles import slow_codebooks as oracle
from oracles.codec_makers import searcher_of

from embgeo.compression.codecs.codebooks import improve, nearest, subspace_centroids
from embgeo.compression.codecs.codec import Tier, fit_codec
from embgeo.compression.codecs.quantizers.opq import balanced
from embgeo.compression.codecs.quantizers.pq import FittedProduct
from embgeo.compression.codecs.quantizers.rabitq import FittedRaBitQ
from embgeo.compression.codecs.quantizers.rq import FittedResidual
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.table_code import TableCode
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.fast_scan import FastScanSearcher, search_by_fast_scan
from embgeo.compression.search.flat import BlockSearcher
from embgeo.compression.search.on_faiss import FaissSearcher, faiss_available
from embgeo.embeddings import normalise
from embgeo.errors import InputError, SpecError

needs_faiss = pytest.mark.skipif(not faiss_available(), reason="no FAISS here")
CODEBOOKS = ["pq6", "pq12x4", "opq6", "rq3"]


def cloud(n: int = 600, d: int = 24, seed: int = 0) -> np.ndarray:
    """Unit rows a little off the origin whose variance falls with the coordinate."""
    rng = np.random.default_rng([seed, n, d])
    spread = (1 / np.sqrt(1 + np.arange(d))).astype(np.float32)
    return normalise((rng.standard_normal((n, d)).astype(np.float32) + np.float32(0.2)) * spread)


def fitted(text: str, X: np.ndarray, similarity: str = "cosine", seed: int = 0) -> Tier:
    return fit_codec(parse(text), Training(X, similarity, seed)).tiers[0]


def lost(codec: Tier, X: np.ndarray) -> float:
    return float(((codec.reduce(X) - codec.decode(codec.encode(X))) ** 2).sum(axis=1).mean())


# ---- product quantization -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["pq6", "pq12x4", "pq3x4", "pq24x4"])
def test_product_codes_are_the_nearest_centroids(text: str) -> None:
    X = cloud()
    quantizer = fitted(text, X).quantizer
    codes = quantizer.encode(X[:50])
    expected = oracle.product_codes(X[:50], quantizer.centroids)
    np.testing.assert_array_equal(quantizer.levels(codes), expected)
    q = cloud(1, seed=3)[0]
    np.testing.assert_allclose(
        quantizer.decode(codes) @ q, oracle.asymmetric_scores(q, expected, quantizer.centroids), atol=1e-6
    )


def test_two_half_byte_parts_share_a_byte_the_even_one_low() -> None:
    # three parts of one coordinate, level c decodes to c: levels 1 2 3 are bytes 0x21 0x03
    levels = np.tile(np.arange(16, dtype=np.float32)[:, None], (3, 1, 1))
    quantizer = FittedProduct(4, levels)
    codes = quantizer.encode(np.array([[1.2, 1.9, 3.4]], np.float32))
    assert codes.tolist() == [[0x21, 0x03]]
    assert quantizer.decode(codes).tolist() == [[1.0, 2.0, 3.0]]


def test_a_kmeans_pass_is_lloyds() -> None:
    X = cloud(300, 8)
    start = np.stack([X[:16, 4 * m : 4 * m + 4] for m in range(2)])
    found = improve(X, start, 1)
    for m in range(2):
        expected = oracle.lloyd_step(X[:, 4 * m : 4 * m + 4].astype(np.float64), start[m].astype(np.float64))
        np.testing.assert_allclose(found[m], expected, atol=1e-5)
    assert not np.shares_memory(found, start)


def test_kmeans_finds_planted_clusters_and_leaves_no_centroid_unused() -> None:
    rng = np.random.default_rng(0)
    planted = (np.arange(16) * 10).astype(np.float32)
    X = (planted[rng.integers(0, 16, 800)] + rng.normal(0, 0.01, 800)).astype(np.float32)[:, None]
    found = subspace_centroids(X, 1, 16, np.random.default_rng(1), iterations=100)
    used = np.unique(nearest(X, found))
    assert len(used) == 16
    # squared error far below that of one missed cluster (10² / 16 over 16 clusters)
    assert ((X - found[0][nearest(X, found)[:, 0]]) ** 2).mean() < 5


def test_kmeans_does_not_depend_on_threads() -> None:
    import numba

    X = cloud(500)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = fitted("pq6", X)
        numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
        several = fitted("pq6", X)
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(one.quantizer.centroids, several.quantizer.centroids)


@needs_faiss
def test_kmeans_reaches_the_error_of_faiss() -> None:
    import faiss

    X = cloud(3000)
    theirs = faiss.ProductQuantizer(24, 12, 4)
    theirs.train(X)
    error = float(((X - theirs.decode(theirs.compute_codes(X))) ** 2).sum(axis=1).mean())
    assert lost(fitted("pq12x4", X), X) <= 1.03 * error


# ---- optimised rotation ---------------------------------------------------------------------------------------------


def test_balanced_axes_have_equal_products() -> None:
    # 8 and 1, 4 and 2: both products are 8
    order = balanced(np.array([8.0, 4.0, 2.0, 1.0]), 2)
    assert sorted(map(sorted, order.reshape(2, 2).tolist())) == [[0, 3], [1, 2]]
    assert sorted(balanced(np.zeros(6), 3).tolist()) == list(range(6)), "a corpus without variance still has an order"


def test_the_rotation_applies_to_queries_too_and_lowers_the_error() -> None:
    X = normalise(cloud(2000) @ np.linalg.qr(np.random.default_rng(5).standard_normal((24, 24)))[0].astype(np.float32))
    codec, plain = fitted("opq6", X), fitted("pq6", X)
    Z, bias = codec.queries(X[:9])
    np.testing.assert_allclose(Z @ codec.reduce(X).T + bias[:, None], X[:9] @ X.T, atol=1e-5)
    fresh = X[1000:]
    assert lost(fitted("opq6", X[:1000]), fresh) < lost(fitted("pq6", X[:1000]), fresh)
    assert codec.state_bytes == plain.state_bytes + 24 * 24 * 4


# ---- residual quantization ------------------------------------------------------------------------------------------


def test_beam_search_error_lies_between_greedy_and_exhaustive_search() -> None:
    rng = np.random.default_rng(2)
    few = rng.standard_normal((3, 6, 4)).astype(np.float32)
    # centroids that no row takes stand far off, so that every choice can be tried by hand
    centroids = np.concatenate([few, np.full((3, 250, 4), 1e3, np.float32)], axis=1)
    quantizer = FittedResidual(centroids)
    X = rng.standard_normal((40, 4)).astype(np.float32) * 2
    found = ((X - quantizer.decode(quantizer.encode(X))) ** 2).sum(axis=1)
    best = np.array([oracle.best_residual_codes(x, few)[0] for x in X])
    greedy = np.array([oracle.greedy_residual_error(x, few) for x in X])
    assert (found >= best - 1e-4).all()
    assert found.mean() <= greedy.mean()
    assert found.mean() < best.mean() + 0.25 * (greedy.mean() - best.mean())
    assert greedy.mean() > best.mean() * 1.05, "the case must tell them apart"


def test_more_stages_are_never_worse() -> None:
    X = cloud(2000)
    errors = [lost(fitted(f"rq{stages}", X), X) for stages in (1, 2, 4, 8)]
    assert errors == sorted(errors, reverse=True)


# ---- RaBitQ ---------------------------------------------------------------------------------------------------------


def code_vectors(quantizer: FittedRaBitQ, Z: np.ndarray) -> np.ndarray:
    """u of each row, read bit by bit."""
    width = len(quantizer.axis)
    return np.stack([oracle.rabitq_direction(code, width, quantizer.bits) for code in quantizer.encode(Z)])


@pytest.mark.parametrize("width", [24, 384])
@pytest.mark.parametrize("bits", range(1, 10))
def test_the_code_has_the_best_cosine_of_the_grid(bits: int, width: int) -> None:
    if width == 384 and bits > 6:
        pytest.skip("the oracle would sum 384 products at each of 25,000 to 100,000 rescalings")
    X = cloud(30, width)[: 30 if width == 24 else 4]
    quantizer = fitted(f"rabitq{bits}", X).quantizer
    u = code_vectors(quantizer, X)
    o = X.astype(np.float64) - (X @ quantizer.axis)[:, None] * quantizer.axis
    found = (u * o).sum(axis=1) / np.linalg.norm(u, axis=1) / np.linalg.norm(o, axis=1)
    best = np.array([oracle.best_grid_cosine(row, bits) for row in o])
    # every rescaling is tried where a row has at most 4,096; the residuals are float32. Beyond, a grid finds the place
    slack = 1e-3 if width * (2 ** (bits - 1) - 1) <= 4096 else 0.02
    assert ((1 - found) <= (1 - best) * (1 + slack) + 1e-7).all()
    assert (found <= best + 1e-6).all()


def test_trying_every_rescaling_is_equivalent_to_trying_every_code() -> None:
    rng = np.random.default_rng(4)
    for bits, width in ((1, 5), (2, 5), (3, 4)):
        for _ in range(5):
            o = rng.standard_normal(width)
            assert oracle.best_grid_cosine(o, bits) == pytest.approx(oracle.best_grid_cosine_of_all(o, bits), abs=1e-9)


@pytest.mark.parametrize("bits", [1, 2, 4, 7, 9])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_scores_are_the_papers_estimate(bits: int, similarity: str) -> None:
    X = cloud(200) * (np.float32(3) if similarity == "dot" else np.float32(1))
    codec = fitted(f"rot,rabitq{bits}", X, similarity)
    Q = cloud(5, seed=8)
    Z, bias = codec.queries(Q)
    scores = Z @ codec.decode(codec.encode(X)).T + bias[:, None]
    reduced, u = codec.reduce(X).astype(np.float64), code_vectors(codec.quantizer, codec.reduce(X))
    axis = codec.quantizer.axis.astype(np.float64)
    for m in range(5):
        for i in range(0, 200, 17):
            wanted = oracle.rabitq_product(Z[m].astype(np.float64), reduced[i], axis, u[i])
            assert scores[m, i] == pytest.approx(wanted, abs=2e-5)


def test_scores_are_unbiased_over_rotations() -> None:
    X, q = cloud(40), cloud(1, seed=6)
    errors = []
    for seed in range(300):
        codec = fitted("rot,rabitq1", X, seed=seed)
        Z, _ = codec.queries(q)
        errors.append(Z @ codec.decode(codec.encode(X)).T - q @ X.T)
    errors = np.concatenate(errors)
    standard = errors.std(axis=0) / np.sqrt(len(errors))
    # 40 means of 300 draws: the largest of 40 normal deviates stays below 4.5; scores shrunk to .8 are far off
    assert np.abs(errors.mean(axis=0) / standard).max() < 4.5
    planted = 0.8 * (errors + q @ X.T) - q @ X.T
    assert np.abs(planted.mean(axis=0) / standard).max() > 4.5


def test_more_rabitq_bits_are_never_worse() -> None:
    """`sa_decode` of FAISS gave the same vectors at 1, 2 and 4 bits in one run."""
    X = cloud(1000)
    errors = [lost(fitted(f"rot,rabitq{bits}", X), X) for bits in range(1, 10)]
    assert all(more < 0.5 * fewer for fewer, more in itertools.pairwise(errors))


def test_squared_distances_are_not_biased_by_the_factor() -> None:
    X, Q = cloud(1000), cloud(30, seed=2)
    codec = fitted("rot,rabitq1", X, "euclidean")
    assert codec.quantizer.preserve
    Z, bias = codec.queries(Q)
    decoded = codec.decode(codec.encode(X))
    found = ((Z[:, None] - decoded[None]) ** 2).sum(axis=2) - bias[:, None]
    exact = ((Q[:, None] - X[None]) ** 2).sum(axis=2)
    assert abs(found.mean() / exact.mean() - 1) < 0.02


@pytest.mark.parametrize(("bits", "size"), [(1, 56), (2, 104), (4, 200), (9, 440)])
def test_rabitq_counts_its_factors(bits: int, size: int) -> None:
    assert parse(f"rabitq{bits}").code_bytes(384) == size
    # 13 coordinates: 2 bytes of signs, ⌈13 (bits − 1) / 8⌉ more, 8 of factors
    X = cloud(50, 13)
    codec = fitted(f"rabitq{bits}", X)
    assert codec.encode(X).shape == (50, 2 + -(-13 * (bits - 1) // 8) + 8)


def test_a_row_on_the_axis_decodes_to_itself() -> None:
    quantizer = FittedRaBitQ(3, False, np.full(4, 0.5, np.float32))
    Z = np.array([[0.5, 0.5, 0.5, 0.5], [-3, -3, -3, -3], [0, 0, 0, 0]], np.float32)
    np.testing.assert_array_equal(quantizer.decode(quantizer.encode(Z)), Z)


def test_documents_without_a_mean_have_no_axis() -> None:
    X = cloud(50)
    codec = fitted("rabitq4", np.concatenate([X, -X]))
    np.testing.assert_allclose(codec.decode(codec.encode(X)), X, atol=0.15)


def faiss_scores(R: np.ndarray, Z: np.ndarray, bits: int) -> np.ndarray:
    import faiss

    index = faiss.IndexRaBitQ(R.shape[1], faiss.METRIC_INNER_PRODUCT, bits)
    index.train(R)
    index.add(R)
    parameters = faiss.RaBitQSearchParameters()
    parameters.qb = 0  # the query stays float
    distances, rows = index.search(np.ascontiguousarray(Z), len(R), params=parameters)
    scores = np.empty_like(distances)
    np.put_along_axis(scores, rows, distances, axis=1)
    return scores


@needs_faiss
@pytest.mark.parametrize("bits", [1, 2, 4])
def test_rabitq_has_less_error_than_that_of_faiss(bits: int) -> None:
    X, Q = cloud(2000, 64), cloud(50, 64, seed=9)
    codec = fitted(f"rot,rabitq{bits}", X, "dot")
    Z, _ = codec.queries(Q)
    ours = Z @ codec.decode(codec.encode(X)).T - Q @ X.T
    theirs = faiss_scores(codec.reduce(X), Z, bits) - Q @ X.T
    assert (ours**2).mean() <= (theirs**2).mean()


@needs_faiss
def test_without_a_mean_one_bit_is_that_of_faiss() -> None:
    X, Q = cloud(1000, 64), cloud(50, 64, seed=9)
    X = np.concatenate([X, -X])
    codec = fitted("rot,rabitq1", X, "dot")
    assert not codec.quantizer.axis.any()
    Z, _ = codec.queries(Q)
    scores = Z @ codec.decode(codec.encode(X)).T
    np.testing.assert_allclose(scores, faiss_scores(codec.reduce(X), Z, 1), atol=2e-4)


# ---- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["pq7", "opq7", "pq7x4", "pq48", "pq0"])
def test_parts_that_do_not_divide_are_refused(text: str) -> None:
    with pytest.raises(SpecError, match=r"24 coordinates into \d+ equal parts"):
        parse(text).code_bytes(24)


def test_the_refusal_names_a_number_that_works() -> None:
    with pytest.raises(SpecError, match=r"spec 'pq7'.* use 6 parts"):
        parse("pq7").code_bytes(24)


@pytest.mark.parametrize("text", CODEBOOKS)
def test_fewer_documents_than_centroids_are_refused(text: str) -> None:
    spec = parse(text)
    count = spec.quantizer.centroids
    with pytest.raises(InputError, match=f"{count} centroids .*{39 * count} are recommended.*got {count - 1}"):
        fitted(text, cloud(count - 1))
    fitted(text, cloud(count))
    assert spec.quantizer.training_rows_needed == 39 * count


@pytest.mark.parametrize("text", ["rq0", "rq33"])
def test_stages_have_limits(text: str) -> None:
    with pytest.raises(SpecError, match="1 to 32 stages"):
        parse(text).code_bytes(24)


@pytest.mark.parametrize("text", ["rabitq0", "rabitq10", "pq96x8", "pq096", "rabitq"])
def test_other_spellings_are_rejected(text: str) -> None:
    with pytest.raises(SpecError):
        parse(text)


def test_duplicate_documents_do_not_break_a_codebook() -> None:
    X = np.tile(cloud(3), (100, 1))
    for text in CODEBOOKS:
        codec = fitted(text, X)
        np.testing.assert_allclose(codec.decode(codec.encode(X)), codec.reduce(X), atol=1e-5)


def test_codebooks_count_as_state() -> None:
    X = cloud()
    assert fitted("pq6", X).state_bytes == 256 * 24 * 4
    assert fitted("pq12x4", X).state_bytes == 16 * 24 * 4
    assert fitted("rq3", X).state_bytes == 3 * 256 * 24 * 4
    assert fitted("rot,rabitq2", X).state_bytes == 6 * 3 + 24 * 4


# ---- search ---------------------------------------------------------------------------------------------------------


@needs_faiss
@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("text", ["pq6", "opq6", "pq12x4", "pq3x4", "int4", "pca13,int4", "fp4", "tq4"])
@pytest.mark.parametrize("rows", [7, 600, 2001])
def test_faiss_searches_our_codes(text: str, similarity: str, rows: int) -> None:
    import faiss

    X, Q = cloud(2001), cloud(20, seed=7)
    codec = fitted(text, X, similarity)
    codes = codec.encode(X[:rows])
    searcher = search_by_fast_scan(codec, codes) or searcher_of(codec, codes)
    assert isinstance(searcher, FaissSearcher | FastScanSearcher)
    wanted = faiss.METRIC_L2 if similarity == "euclidean" else faiss.METRIC_INNER_PRODUCT
    assert searcher.index.metric_type == wanted
    scores, found = searcher.search(Q, 10)
    truth, _ = BlockSearcher(codec, codes).search(Q, 10)
    kept = min(10, rows)
    assert (found[:, kept:] == -1).all()
    np.testing.assert_allclose(scores[:, :kept], truth[:, :kept], atol=2e-5)
    for query in Q[:2]:
        np.testing.assert_allclose(searcher.search(query[None], 3)[0], BlockSearcher(codec, codes).search(query[None], 3)[0], atol=2e-5)  # fmt: skip  # noqa: E501


@needs_faiss
def test_fast_scan_holds_the_codes_once() -> None:
    X = cloud(1000)
    codec = fitted("int4", X)
    searcher = search_by_fast_scan(codec, codec.encode(X))
    assert searcher is not None
    # 1,000 rows fill 32 blocks of 32 rows: 1,024 rows of 12 bytes
    assert searcher.ram_bytes == 1024 * 12 + codec.state_bytes
    assert search_by_fast_scan(fitted("int8", X), fitted("int8", X).encode(X)) is None


@needs_faiss
def test_a_different_packing_is_detected() -> None:
    X = cloud(300)
    codec = fitted("int4", X)
    codes = codec.encode(X)
    searcher = search_by_fast_scan(codec, codes)
    assert searcher is not None
    assert searcher.reads_back(codes)
    assert not searcher.reads_back(codes[::-1])
    assert not searcher.reads_back(np.roll(codes, 1, axis=1))


@needs_faiss
def test_rescoring_corrects_the_rounding_of_eight_bit_tables() -> None:
    X, Q = cloud(3000, 64), cloud(100, 64, seed=3)
    codec = fitted("int4", X)
    codes = codec.encode(X)
    searcher = search_by_fast_scan(codec, codes)
    assert searcher is not None
    _, truth = BlockSearcher(codec, codes).search(Q, 10)
    _, rough = searcher.index.search(codec.queries(Q)[0], 10)
    _, repaired = searcher.search(Q, 10)
    overlap = [np.mean([len(set(a) & set(b)) / 10 for a, b in zip(truth, r, strict=True)]) for r in (rough, repaired)]
    assert overlap[1] == 1.0
    assert overlap[0] < 1.0, "the tables were exact: rescoring is not needed"


@needs_faiss
def test_any_alphabet_of_sixteen_levels_is_a_product_code() -> None:
    import faiss

    levels = np.sort(np.random.default_rng(1).standard_normal((5, 16)).astype(np.float32), axis=1)
    index = TableCode.of_levels(4, levels).faiss_index(faiss.METRIC_INNER_PRODUCT)
    index.add_sa_codes(np.array([[0x21, 0x43, 0x05]], np.uint8))
    np.testing.assert_array_equal(index.reconstruct(0), levels[np.arange(5), [1, 2, 3, 4, 5]])
    assert not index.search(np.zeros((1, 5), np.float32), 1)[0].any()


# ---- real data ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_recall_on_scifact_is_that_of_faiss(shared_data) -> None:  # type: ignore[no-untyped-def]
    """Computed separately with FAISS, recall@10 in sample: PQ96 .858, PQ192×4 .839, PQ48 .737, RaBitQ 1 bit .712."""
    X = np.load(shared_data / "scifact" / "minilm-docs.npy")
    Q = np.load(shared_data / "scifact" / "minilm-queries.npy")
    exact = np.argsort(-(Q @ X.T), axis=1)[:, :10]
    published = {"pq96": 0.858, "pq192x4": 0.839, "pq48": 0.737, "rot,rabitq1": 0.712}
    for text, recall in published.items():
        codec = fitted(text, X)
        _, rows = searcher_of(codec, codec.encode(X)).search(Q, 10)
        found = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact, rows, strict=True)])
        assert found >= recall - 0.012, f"{text}: {found:.4f} against {recall}"
