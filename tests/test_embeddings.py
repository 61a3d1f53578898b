"""check_embeddings, the only entry for arrays: what it refuses, and that it never writes or copies a memory map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embgeo.embeddings import BLOCK_ROWS, SIMILARITIES, check_embeddings, normalise
from embgeo.errors import InputError
from embgeo.files.mapped import release_pages


@pytest.fixture
def X() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)


def test_sound_arrays_pass_with_row_numbers_as_ids(X: np.ndarray) -> None:
    embeddings = check_embeddings(X, X[:3])
    assert embeddings.docs is X
    assert (len(embeddings), embeddings.dimension) == (50, 7)
    assert list(embeddings.doc_ids)[:2] == ["0", "1"]
    assert list(embeddings.query_ids) == ["0", "1", "2"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_counted_with_the_first(X: np.ndarray, bad: float) -> None:
    X[[17, 30, 31], 2] = bad
    with pytest.raises(InputError, match=r"document embeddings must be finite.* 3 of 50 rows .* first is row 17"):
        check_embeddings(X)
    with pytest.raises(InputError, match=r"query embeddings must be finite.* 3 of 50 rows .* first is row 17"):
        check_embeddings(np.ones((2, 7), np.float32), X)


def test_counts_run_over_blocks() -> None:
    X = np.ones((2 * BLOCK_ROWS + 5, 2), np.float16)
    X[[BLOCK_ROWS + 1, 2 * BLOCK_ROWS + 4]] = 0
    with pytest.raises(InputError, match=f"2 of {len(X)} rows are, the first is row {BLOCK_ROWS + 1}"):
        check_embeddings(X)
    X[[BLOCK_ROWS - 1, 2 * BLOCK_ROWS + 2], 1] = np.nan
    with pytest.raises(InputError, match=f"2 of {len(X)} rows are not, the first is row {BLOCK_ROWS - 1}"):
        check_embeddings(X, similarity="dot")


def test_zero_rows_are_refused_under_cosine_only(X: np.ndarray) -> None:
    X[[4, 9]] = 0
    with pytest.raises(InputError, match=r"2 of 50 rows are, the first is row 4.*use dot similarity"):
        check_embeddings(X)
    for similarity in ("dot", "euclidean"):
        assert not check_embeddings(X, similarity=similarity).matrix()[4].any()


def test_dimensions_must_agree(X: np.ndarray) -> None:
    with pytest.raises(InputError, match="same dimension; got 7 and 6"):
        check_embeddings(X, X[:, :6])


@pytest.mark.parametrize("shape", [(5,), (5, 0), (2, 3, 4), ()])
def test_arrays_must_have_two_axes(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="2-D array"):
        check_embeddings(np.ones(shape, np.float32))


def test_an_empty_corpus_is_refused() -> None:
    with pytest.raises(InputError, match="at least one document; got none"):
        check_embeddings(np.empty((0, 4), np.float32))


@pytest.mark.parametrize("dtype", [complex, object, bool, "U3", "datetime64[s]"])
def test_other_types_than_real_numbers_are_refused(dtype: object) -> None:
    with pytest.raises(InputError, match="must be real numbers; got dtype"):
        check_embeddings(np.ones((3, 2)).astype(np.int64).astype(dtype))  # type: ignore[call-overload]


def test_a_list_is_refused_with_its_type() -> None:
    with pytest.raises(InputError, match="must be a NumPy array; got list"):
        check_embeddings([[1.0, 2.0]])  # type: ignore[arg-type]


def test_ids_must_match_and_be_unique(X: np.ndarray) -> None:
    names = [f"d{i}" for i in range(50)]
    with pytest.raises(InputError, match="document ids must match the vectors; got 49 ids for 50"):
        check_embeddings(X, doc_ids=names[1:])
    with pytest.raises(InputError, match="query ids must match the vectors; got 2 ids for 3"):
        check_embeddings(X, X[:3], query_ids=["a", "b"])
    with pytest.raises(InputError, match="query ids must match the vectors; got 1 ids for 0"):
        check_embeddings(X, query_ids=["a"])
    names[7] = names[40] = "d3"
    with pytest.raises(InputError, match="unique; 2 repeat, the first is 'd3'"):
        check_embeddings(X, doc_ids=names)


def test_an_unknown_similarity_lists_the_known_ones(X: np.ndarray) -> None:
    with pytest.raises(InputError, match="cosine, dot, euclidean; got 'cos'"):
        check_embeddings(X, similarity="cos")


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_inputs_are_never_written_to(X: np.ndarray, similarity: str) -> None:
    X.setflags(write=False)
    before = X.copy()
    embeddings = check_embeddings(X, X[:3], similarity=similarity)
    for out in (embeddings.matrix(), embeddings.query_matrix(), embeddings.rows(slice(0, 5))):
        out += 1  # a new array, the caller's to change
    assert np.array_equal(X, before)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_memory_map_stays_one(tmp_path: Path, X: np.ndarray, similarity: str) -> None:
    np.save(tmp_path / "x.npy", X.astype(np.float16))
    embeddings = check_embeddings(np.load(tmp_path / "x.npy", mmap_mode="r"), similarity=similarity)
    assert isinstance(embeddings.docs, np.memmap)
    block = embeddings.rows(np.array([3, 1]))
    assert type(block) is np.ndarray
    assert block.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint8, ">f4"])
def test_cosine_gives_unit_float32_rows_of_any_real_type(dtype: object) -> None:
    docs = np.random.default_rng(1).integers(1, 100, size=(40, 9)).astype(dtype)  # type: ignore[call-overload]
    embeddings = check_embeddings(docs, docs[:4])
    for out in (embeddings.matrix(), embeddings.query_matrix()):
        assert out.dtype == np.float32
        assert np.abs(np.linalg.norm(out, axis=1) - 1).max() < 1e-6


def test_blocks_are_the_matrix_cut_in_order(X: np.ndarray) -> None:
    embeddings = check_embeddings(X)
    starts, blocks = zip(*embeddings.blocks(size=16), strict=True)
    assert starts == (0, 16, 32, 48)
    assert np.array_equal(np.concatenate(blocks), embeddings.matrix())


def test_without_queries_the_query_matrix_has_no_rows(X: np.ndarray) -> None:
    assert check_embeddings(X).query_matrix().shape == (0, 7)


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e30, 3e38])
def test_norms_of_any_size_normalise(scale: float) -> None:
    # the row is scale · (1, 1, 1, 1): its unit row is (.5, .5, .5, .5), though 2 · 3e38 is no float32
    unit = check_embeddings(np.full((3, 4), scale, np.float32)).matrix()
    assert np.abs(unit - 0.5).max() < 1e-6


def test_a_float64_beyond_float32_is_not_finite() -> None:
    X = np.ones((4, 2))
    X[2, 0] = 1e200
    with pytest.raises(InputError, match="finite in float32; 1 of 4 rows are not, the first is row 2"):
        check_embeddings(X)


def test_normalise_leaves_zero_rows_zero() -> None:
    # (3, 4) has norm 5
    out = normalise(np.array([[3, 4], [0, 0]], np.float32))
    assert np.allclose(out, [[0.6, 0.8], [0, 0]], atol=1e-7)


def test_stored_scifact_vectors_pass(shared_data: Path) -> None:
    docs = np.load(shared_data / "scifact" / "minilm-docs.npy", mmap_mode="r")
    embeddings = check_embeddings(docs, np.load(shared_data / "scifact" / "minilm-queries.npy"))
    assert (len(embeddings), embeddings.dimension) == (5183, 384)
    assert np.abs(embeddings.matrix() - docs).max() < 2e-7  # unit already


def test_pages_of_a_memory_map_may_be_released_and_read_again(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(12, dtype=np.float32).reshape(4, 3) + 1)
    embeddings = check_embeddings(np.load(tmp_path / "x.npy", mmap_mode="r"), similarity="dot")
    before = embeddings.matrix()
    release_pages(embeddings.docs)
    release_pages(before)  # no memory map: left alone
    assert np.array_equal(np.concatenate([block for _, block in embeddings.blocks(3)]), before)
