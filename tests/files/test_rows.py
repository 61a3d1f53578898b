"""Rows in parts read as the array that they make up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embgeo.copies import find_copies
from embgeo.embeddings import BLOCK_ROWS, check_embeddings
from embgeo.errors import InputError
from embgeo.files.digest import Digest
from embgeo.files.rows import WINDOW_ROWS, Rows, StackedRows


class Blocks(Rows):
    """A matrix that can only be read by consecutive rows, and counts them."""

    in_order = True

    def __init__(self, X: np.ndarray) -> None:
        self.shape, self.dtype, self._X, self.read, self.released = X.shape, X.dtype, X, 0, 0

    def between(self, start: int, stop: int) -> np.ndarray:
        assert 0 <= start <= stop <= len(self)
        self.read += stop - start
        return self._X[start:stop]

    def release(self) -> None:
        self.released += 1


def parts_of(X: np.ndarray, *cuts: int) -> StackedRows:
    return StackedRows([part if at % 2 else Blocks(part) for at, part in enumerate(np.split(X, cuts))])


def test_every_slice_and_index_is_that_of_the_array() -> None:
    X = np.arange(36, dtype=np.float16).reshape(12, 3)
    S, rng = parts_of(X, 0, 4, 4, 11), np.random.default_rng(0)
    for start in range(-14, 15):
        for stop in (*range(-14, 15), None):
            for step in (None, 2, -1):
                np.testing.assert_array_equal(S[start:stop:step], X[start:stop:step])
    for size in (0, 1, 5, 40):
        rows = rng.integers(-12, 12, size)
        np.testing.assert_array_equal(S[rows], X[rows])
    mask = rng.random(12) < 0.5
    np.testing.assert_array_equal(S[mask], X[mask])
    assert (S.shape, S.dtype, S.ndim, len(S), S.in_order) == (X.shape, X.dtype, 2, 12, True)
    for wrong in ([12], [-13]):
        with pytest.raises(IndexError):
            S[np.array(wrong)]


def test_scattered_rows_are_read_window_by_window() -> None:
    X = np.arange(3 * WINDOW_ROWS, dtype=np.float32)[:, None]
    B = Blocks(X)
    rows = np.array([3 * WINDOW_ROWS - 1, 7, 5])
    np.testing.assert_array_equal(B[rows], X[rows])
    assert B.read == 3 + 1, "rows 5 to 7 are one window, the last row another"


def test_parts_of_another_width_or_dtype_are_refused() -> None:
    for other in (np.zeros((2, 4), np.float32), np.zeros((2, 3))):
        with pytest.raises(ValueError, match="one width and one dtype"):
            StackedRows([np.zeros((2, 3), np.float32), other])


def test_embeddings_of_parts_are_those_of_the_array(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((BLOCK_ROWS + 3000, 4)).astype(np.float32)
    X[BLOCK_ROWS + 5] = X[3]
    S = parts_of(X, 5000, 17000)
    for similarity in ("cosine", "dot", "euclidean"):
        whole, parts = (check_embeddings(one, similarity=similarity) for one in (X, S))
        rows = rng.permutation(len(X))
        np.testing.assert_array_equal(whole.rows(rows), parts.rows(rows))
        np.testing.assert_array_equal(whole.rows(rows[:50]), parts.rows(rows[:50]))
        np.testing.assert_array_equal(whole.rows(rows < 9000), parts.rows(rows < 9000))
        np.testing.assert_array_equal(whole.matrix(), parts.matrix())
        for (a, A), (b, B) in zip(whole.blocks(), parts.blocks(), strict=True):
            assert a == b
            np.testing.assert_array_equal(A, B)
        np.testing.assert_array_equal(find_copies(whole).group, find_copies(parts).group)
    assert Digest().add_rows(S).hex() == Digest().add_rows(X).hex()


def test_checks_name_the_row_in_the_whole_corpus() -> None:
    X = np.ones((10, 2), np.float32)
    X[7, 1] = np.nan
    with pytest.raises(InputError, match="the first is row 7"):
        check_embeddings(parts_of(X, 4))
    X[7] = 0
    with pytest.raises(InputError, match=r"zero under cosine.* row 7"):
        check_embeddings(parts_of(X, 4))
    with pytest.raises(InputError, match="must be a NumPy array; got list"):
        check_embeddings([[1.0]])  # type: ignore[arg-type]


def test_only_parts_that_were_read_are_released() -> None:
    parts = [Blocks(np.ones((4, 2))) for _ in range(3)]
    S = StackedRows(parts)
    S[5:7], S[np.array([11])]
    S.release()
    S.release()
    assert [part.released for part in parts] == [0, 1, 1]
