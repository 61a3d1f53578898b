"""Ids in little memory answer as a list of strings does."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embgeo.embeddings import check_embeddings
from embgeo.errors import InputError
from embgeo.files import ids as module
from embgeo.files.ids import Ids, PackedIds, RowNumbers, as_ids, stacked_ids
from embgeo.retrieval.top_k import tie_order

# ends within and beyond words of eight bytes, zero bytes, lone surrogates, and characters on both sides of them
TEXT = st.text(st.sampled_from("ab\0é\ud7ff\ud800\ue000\U0001f600"), max_size=20)


def check(found: Ids, names: Sequence[str], asked: Sequence[str]) -> None:
    """`found` has these names, and answers every question as a list would."""
    first: dict[str, int] = {}
    for row, name in enumerate(names):
        first.setdefault(name, row)
    assert list(found) == list(names)
    assert found == names
    assert [found[row] for row in range(len(names))] == list(names)
    assert found[1:-1] == list(names[1:-1])
    assert found[::-2] == list(names[::-2])
    assert found.encoded_bytes == sum(len(name.encode("utf-8", "surrogatepass")) for name in names)
    assert found.ascending().tolist() == sorted(range(len(names)), key=lambda row: (names[row], row))
    assert found.index_of(asked).tolist() == [first.get(name, -1) for name in asked]
    assert found.known(asked) == {name for name in asked if name in first}
    assert all((name in found) == (name in first) for name in asked)
    seen = set[str]()
    again = [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    assert found.repeated() == (len(again), again[0] if again else "")
    assert stacked_ids([found, found]) == [*names, *names]


@settings(deadline=None, max_examples=200)
@given(names=st.lists(TEXT, max_size=30), asked=st.lists(TEXT, max_size=6), block=st.sampled_from([1, 3, 1 << 16]))
def test_packed_ids_are_a_list(names: list[str], asked: list[str], block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        check(PackedIds.of(names), names, [*asked, *names[:4], *names[:2]])


@pytest.mark.parametrize("rows", [0, 1, 9, 10, 11, 100, 1234])
def test_row_numbers_are_a_list(rows: int) -> None:
    names = [str(row) for row in range(rows)]
    check(RowNumbers(rows), names, ["0", "00", "-1", "+1", "٣", "1_0", " 1", "9" * 30, str(rows), "", *names[-3:]])
    assert RowNumbers(rows) == PackedIds.of(names)


def test_equal_hashes_are_looked_at_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_mixed", lambda x: x & np.uint64(0))
    names = ["aa", "ab", "ba", "aa", "c"]
    check(PackedIds.of(names), names, ["ba", "bb", "c", "aa"])


def test_comparing_with_what_is_no_list() -> None:
    assert RowNumbers(2) != ["0"]
    assert RowNumbers(2) != "01"
    assert RowNumbers(2) != 2
    assert repr(RowNumbers(5000)) == "<5,000 ids: '0', '1', '2', …>"
    for wrong in (5, -6):
        with pytest.raises(IndexError):
            RowNumbers(5)[wrong]


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        (b"abc", [1, 4]),
        (b"abc", [2, 1]),
        (b"abc", [-1, 3]),
        (b"a\xffc", [1, 3]),
        ("é".encode(), [1, 2]),
        ("aé".encode(), [2, 3]),
    ],
)
def test_damaged_tables_are_refused(data: bytes, ends: list[int]) -> None:
    with pytest.raises(ValueError, match=r"damaged|codec can't decode"):
        PackedIds(np.frombuffer(data, np.uint8), np.array(ends))


def test_checked_documents_have_compact_ids() -> None:
    X = np.eye(3, dtype=np.float32)
    assert isinstance(check_embeddings(X).doc_ids, RowNumbers)
    ids = PackedIds.of("abc")
    assert check_embeddings(X, doc_ids=ids).doc_ids is ids
    assert check_embeddings(X, doc_ids=[1, "é", 3.5]).doc_ids == ["1", "é", "3.5"]  # type: ignore[list-item]
    with pytest.raises(InputError, match=r"document ids must be unique; 1 repeat, the first is 'a'"):
        check_embeddings(X, doc_ids=["b", "a", "a"])


@pytest.mark.parametrize("kind", ["numbers", "strings"])
def test_memory_of_ids_is_a_few_numbers_a_row(kind: str) -> None:
    n = 100_000
    ids = RowNumbers(n) if kind == "numbers" else PackedIds.of(f"doc{row:09d}" for row in range(n))
    tracemalloc.start()
    tie_order(ids)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    assert ids.repeated() == (0, "")
    ids.index_of(ids[:1000])
    rest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80 * n, "a list of strings and a set of them take 130 bytes a row before they are sorted"
    assert rest < 40 * n + 16 * module.BLOCK * 8
    assert as_ids(ids) is ids
