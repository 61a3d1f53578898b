"""Ids of many rows in little memory: row numbers are computed, strings lie in one buffer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import overload

import numpy as np

BLOCK = 1 << 16  # ids that are decoded, packed or hashed at a time
WORD = 8


class Ids(Sequence[str], ABC):
    """Strings by row. Equal to any other sequence of the same strings.

    Ids compare as strings: by code points, which is the order of their UTF-8 bytes, too.
    """

    @property
    @abstractmethod
    def encoded_bytes(self) -> int:
        """Their size in UTF-8 (lone surrogates as three bytes), without separators."""

    @abstractmethod
    def block(self, start: int, stop: int) -> list[str]:
        """The ids of consecutive rows; 0 ≤ start ≤ stop ≤ n."""

    @abstractmethod
    def packed(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """By block: the UTF-8 bytes (b,) uint8, one id after another, and the size of each (k,) int64."""

    @abstractmethod
    def index_of(self, names: Iterable[str]) -> np.ndarray:
        """(m,) int64 row of each name, −1 where no row has it. Memory: O(m) and one block."""

    @abstractmethod
    def ascending(self) -> np.ndarray:
        """(n,) int64 rows in ascending order of their ids; equal ids in the order of the rows."""

    @abstractmethod
    def repeated(self) -> tuple[int, str]:
        """How many rows repeat the id of an earlier row, and the id of the first that does; (0, "") if none does."""

    @overload
    def __getitem__(self, row: int) -> str: ...

    @overload
    def __getitem__(self, row: slice) -> list[str]: ...

    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            start, stop, step = row.indices(len(self))
            if step == 1:
                return self.block(start, max(start, stop))
            return [self[each] for each in range(start, stop, step)]
        at = range(len(self))[row]  # a negative row, IndexError beyond the end
        return self.block(at, at + 1)[0]

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), BLOCK):
            yield from self.block(start, min(start + BLOCK, len(self)))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.index_of([name])[0] >= 0)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str) or len(self) != len(other):
            return NotImplemented if not isinstance(other, Sequence) else False
        return all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self[:3]))
        return f"<{len(self):,} ids: {shown}{', …' if len(self) > 3 else ''}>"

    def known(self, names: Iterable[str]) -> set[str]:
        """Those of `names` that a row has."""
        asked = list(names)
        return {name for name, row in zip(asked, self.index_of(asked).tolist(), strict=True) if row >= 0}


class RowNumbers(Ids):
    """The row numbers 0 … n − 1 as ids; nothing is stored.

    >>> list(RowNumbers(3)), RowNumbers(12).index_of(["11", "12", "01"]).tolist()
    (['0', '1', '2'], [11, -1, -1])
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return self._rows

    @property
    def encoded_bytes(self) -> int:
        total, digits, low = 0, 1, 0
        while low < self._rows:
            high = min(self._rows, 10**digits)
            total, low, digits = total + digits * (high - low), high, digits + 1
        return total

    def block(self, start: int, stop: int) -> list[str]:
        return list(map(str, range(start, stop)))

    def packed(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return _pack(self)

    def index_of(self, names: Iterable[str]) -> np.ndarray:
        return np.array([self._row(name) for name in names], np.int64)

    def ascending(self) -> np.ndarray:
        numbers = np.arange(self._rows)
        # as decimals after the point 2 = .2 and 10 = .10; what is equal (1, 10) differs in length
        digits = np.searchsorted(10 ** np.arange(1, 19), numbers, "right") + 1
        shifted = numbers * 10 ** (int(digits.max(initial=1)) - digits)
        return np.lexsort((digits, shifted))

    def repeated(self) -> tuple[int, str]:
        return 0, ""

    def _row(self, name: str) -> int:
        if not (name.isascii() and name.isdecimal() and len(name) < WORD + WORD):
            return -1
        row = int(name)
        return row if row < self._rows and str(row) == name else -1


class PackedIds(Ids):
    """Strings whose UTF-8 bytes lie one after another in `data` (b,) uint8; row i ends before `ends[i]`.

    `ends` (n,) is ascending, of any integer dtype; both may be memory maps. ValueError if they are damaged: not
    ascending, beyond the data, or not UTF-8 (lone surrogates are accepted).
    """

    def __init__(self, data: np.ndarray, ends: np.ndarray) -> None:
        self._data, self._ends = data, ends
        for start in range(0, len(ends), BLOCK):
            bounds = self._bounds(start, min(start + BLOCK, len(ends)))
            if (np.diff(bounds) < 0).any() or not 0 <= bounds[-1] <= len(data):
                raise ValueError("the id table is damaged")
            block = data[bounds[0] : bounds[-1]]
            begins = bounds[:-1][np.diff(bounds) > 0] - bounds[0]
            if (block[begins] & 0xC0 == 0x80).any():  # an id that begins within a character
                raise ValueError("the id table is damaged: it splits a character")
            block.tobytes().decode("utf-8", "surrogatepass")

    @classmethod
    def of(cls, ids: Iterable[str]) -> PackedIds:
        """The strings of any iterable, packed by block."""
        parts = list(_pack(ids))
        data = np.concatenate([np.zeros(0, np.uint8), *(part for part, _ in parts)])
        sizes = np.concatenate([np.zeros(0, np.int64), *(each for _, each in parts)])
        return cls(data, np.cumsum(sizes))

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def encoded_bytes(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def block(self, start: int, stop: int) -> list[str]:
        bounds = self._bounds(start, stop)
        raw = self._data[bounds[0] : bounds[-1]].tobytes()
        cuts = (bounds - bounds[0]).tolist()
        if raw.isascii():
            text = raw.decode("ascii")
            return [text[a:b] for a, b in pairwise(cuts)]
        return [raw[a:b].decode("utf-8", "surrogatepass") for a, b in pairwise(cuts)]

    def packed(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, len(self), BLOCK):
            bounds = self._bounds(start, min(start + BLOCK, len(self)))
            yield self._data[bounds[0] : bounds[-1]], np.diff(bounds)

    def index_of(self, names: Iterable[str]) -> np.ndarray:
        asked = list(names)
        found = np.full(len(asked), -1, np.int64)
        if not asked or not len(self):
            return found
        wanted = PackedIds.of(asked)
        hashes = wanted._hashes()
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        for start in range(0, len(self), BLOCK):
            mine = self._hashes(start, min(start + BLOCK, len(self)))
            first = np.searchsorted(ordered, mine)
            hits = np.flatnonzero(ordered[np.minimum(first, len(ordered) - 1)] == mine)
            # every pair of equal hashes; pairs of different ids are dropped by the exact comparison
            counts = np.searchsorted(ordered, mine[hits], "right") - first[hits]
            rows = np.repeat(hits + start, counts)
            within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
            places = order[np.repeat(first[hits], counts) + within]
            same = self._equal(rows, wanted, places) & (found[places] < 0)
            found[places[same][::-1]] = rows[same][::-1]  # of several rows the first
        return found

    def ascending(self) -> np.ndarray:
        narrow = np.uint32 if len(self) < 1 << 32 else np.int64
        rows = np.argsort(self._words(np.arange(len(self), dtype=narrow), 0), kind="stable").astype(narrow)
        ordered = self._words(rows, 0)
        changed = np.r_[True, ordered[1:] != ordered[:-1]] if len(self) else np.zeros(0, bool)
        del ordered
        at, number = np.arange(len(self), dtype=narrow), 1
        while True:  # at the places `at`, rows whose first `number` words are equal are ordered by the next one
            tied = ~changed
            tied[:-1] |= ~changed[1:]
            if number > 1:  # the sizes were compared too: what has ended is equal and stays in the order of the rows
                tied &= self._left(rows[at], number - 1) > 0
            group = np.cumsum(changed, dtype=narrow)[tied]
            at = at[tied]
            if not len(at):
                return rows.astype(np.int64)
            mine = rows[at]
            left = self._left(mine, number)
            word = self._words(mine, number)
            order = np.lexsort((left, word, group))
            rows[at] = mine[order]
            word, left = word[order], left[order]
            changed = np.r_[True, (group[1:] != group[:-1]) | (word[1:] != word[:-1]) | (left[1:] != left[:-1])]
            number += 1

    def repeated(self) -> tuple[int, str]:
        hashes = self._hashes()
        ordered = np.sort(hashes)
        twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        del ordered
        if not len(twice):
            return 0, ""
        # equal hashes of different ids are as rare as they are harmless: here the ids themselves are compared
        rows = np.flatnonzero(np.isin(hashes, twice))
        seen, count, first = set[str](), 0, ""
        for row in rows.tolist():
            name = self[row]
            if name in seen:
                count, first = count + 1, first if count else name
            seen.add(name)
        return count, first

    def _equal(self, rows: np.ndarray, other: PackedIds, places: np.ndarray) -> np.ndarray:
        """(k,) bool: whether these rows have the ids of `places` in `other`."""
        sizes = self._sizes(rows)
        same = sizes == other._sizes(places)
        for number in range(-(-int(sizes.max(initial=0)) // WORD)):
            at = np.flatnonzero(same & (sizes > WORD * number))
            same[at] = self._words(rows[at], number) == other._words(places[at], number)
        return same

    def _bounds(self, start: int, stop: int) -> np.ndarray:
        """(stop − start + 1,) int64: where the ids of these rows begin, and where the last one ends."""
        before = int(self._ends[start - 1]) if start else 0
        return np.concatenate([[before], np.asarray(self._ends[start:stop], np.int64)])

    def _sizes(self, rows: np.ndarray) -> np.ndarray:
        ends = np.asarray(self._ends)
        return ends[rows].astype(np.int64) - np.where(rows > 0, ends[np.maximum(rows, 1) - 1], 0).astype(np.int64)

    def _left(self, rows: np.ndarray, number: int) -> np.ndarray:
        """(k,) int8: 1 if these ids have bytes after their first `number` words, else minus the bytes they lack."""
        left = np.empty(len(rows), np.int8)
        for start in range(0, len(rows), BLOCK):
            sizes = self._sizes(rows[start : start + BLOCK])
            left[start : start + BLOCK] = np.clip(sizes - WORD * number, -WORD, 1)
        return left

    def _words(self, rows: np.ndarray, number: int) -> np.ndarray:
        """(k,) uint64: bytes 8·number … of these ids as a big-endian number, zeros beyond their ends."""
        words = np.empty(len(rows), np.uint64)
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            sizes = self._sizes(block)
            begins = np.asarray(self._ends)[block].astype(np.int64) - sizes + WORD * number
            words[start : start + BLOCK] = _load(self._data, begins, sizes - WORD * number)
        return words

    def _hashes(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """(k,) uint64 of consecutive rows, by all bytes and the size."""
        stop = len(self) if stop is None else stop
        hashes = np.empty(stop - start, np.uint64)
        for first in range(start, stop, BLOCK):
            bounds = self._bounds(first, min(first + BLOCK, stop))
            hashes[first - start : first - start + BLOCK] = _hash(self._data, bounds[:-1], np.diff(bounds))
        return hashes


def as_ids(ids: Iterable[str]) -> Ids:
    """Strings as `Ids`; what is one already is returned."""
    return ids if isinstance(ids, Ids) else PackedIds.of(ids)


def stacked_ids(parts: Sequence[Ids]) -> Ids:
    """The ids of several parts, one after another."""
    packed = [block for part in parts for block in part.packed()]
    data = np.concatenate([np.zeros(0, np.uint8), *(data for data, _ in packed)])
    return PackedIds(data, np.cumsum(np.concatenate([np.zeros(0, np.int64), *(sizes for _, sizes in packed)])))


def _pack(ids: Iterable[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    encoded = list[bytes]()
    for name in ids:
        encoded.append(name.encode("utf-8", "surrogatepass"))
        if len(encoded) == BLOCK:
            yield _joined(encoded)
            encoded = []
    if encoded:
        yield _joined(encoded)


def _joined(encoded: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    return np.frombuffer(b"".join(encoded), np.uint8), np.fromiter(map(len, encoded), np.int64, len(encoded))


def _load(data: np.ndarray, begins: np.ndarray, left: np.ndarray) -> np.ndarray:
    """(k,) uint64: the eight bytes from each of `begins` as a big-endian number, those beyond `left` zero."""
    words = np.zeros(len(begins), np.uint64)
    for byte in range(WORD):
        held = left > byte
        words <<= np.uint64(8)
        words[held] |= data[begins[held] + byte].astype(np.uint64)
    return words


def _hash(data: np.ndarray, begins: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(k,) uint64, mixed word after word as in splitmix64 (Steele, Lea and Flood, 2014)."""
    hashes = sizes.astype(np.uint64)
    active, number = np.arange(len(sizes)), 0
    while len(active):
        word = _load(data, begins[active] + WORD * number, sizes[active] - WORD * number)
        hashes[active] = _mixed(hashes[active] ^ word)
        number += 1
        active = active[sizes[active] > WORD * number]
    return hashes


def _mixed(x: np.ndarray) -> np.ndarray:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
