"""Which vectors are copies of one another: equality up to rounding, defined once for measures, folds and warnings.

The same text encoded in two batches, or on two machines, differs by noise of about 1e-7 per coordinate: copies are
rarely bit-identical.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from embgeo.embeddings import Embeddings

NOISE = 5e-7  # largest difference of a coordinate between copies, over the norm: 1e-7 is seen in both, plus a margin
REACH = 2 * NOISE  # the same along any one direction
PROJECTIONS = 8
CELL = 16  # width of a cell in reaches: few vectors lie near a border, and few that are not copies share a cell
ROUNDS = 8
BLOCK_ROWS = 4096


class Copies:
    """Groups of rows that are copies of one another, from the (n,) group label of each row.

    Attributes
    ----------
    first : (groups,) row of the first occurrence of each group, ascending.
    counts : (groups,) size of each group.
    group : (n,) group of each row, as an index into `first`.
    """

    def __init__(self, labels: np.ndarray, *, rows: bool = False) -> None:
        """With `rows` each label is the first row of the group, which saves sorting them."""
        if not rows:
            _, first, group = np.unique(labels, return_index=True, return_inverse=True)
            labels = first[group.ravel()]
        begins = labels == np.arange(len(labels))
        self.first = np.flatnonzero(begins)
        self.group = (np.cumsum(begins) - 1)[labels]
        self.counts = np.bincount(self.group, minlength=len(self.first))
        for array in (self.first, self.counts, self.group):
            array.flags.writeable = False

    @property
    def copies(self) -> int:
        """Rows that repeat an earlier row."""
        return int(self.counts.sum() - len(self.counts))


def tolerance(dimension: int) -> float:
    """Maximum distance between copies, as a share of their norm: NOISE in every coordinate, 1e-5 at 384 dimensions.

    Rounding a vector to float32 moves it by at most 6e-8 of its norm. The closest paraphrases that a sentence encoder
    distinguishes are more than 1e-3 apart.
    """
    return NOISE * float(np.sqrt(dimension))


def find_copies(embeddings: Embeddings, queries: np.ndarray | None = None) -> Copies:
    """Group the documents (unit rows under cosine), followed by `queries` (m, d), by equality up to rounding.

    Vectors that differ by noise of up to NOISE of their norm per coordinate are always in one group: no grid border
    separates them. So are vectors joined by a chain of such steps; zero rows are copies of one another. Vectors further
    apart than `tolerance(d)` of their norm are in one group only through such a chain.

    Cost: O(n d) and a sort of some 2 n keys; memory: one block and some 60 bytes per row, so that a memory map is
    streamed. Only vectors that are not copies but lie within some 10 tolerances, in their thousands, are compared pair
    by pair.
    """
    n = len(embeddings)
    near = tolerance(embeddings.dimension)

    def take(rows: np.ndarray) -> np.ndarray:
        if queries is None or rows.max(initial=0) < n:
            return embeddings.rows(rows)
        vectors = np.empty((len(rows), embeddings.dimension), np.float32)
        vectors[rows < n], vectors[rows >= n] = embeddings.rows(rows[rows < n]), queries[rows[rows >= n] - n]
        return vectors

    width = CELL * min(near, REACH)
    blocks = [_cells(_traits(block) / width) for _, block in embeddings.blocks()]
    if queries is not None:
        blocks.append(_cells(_traits(queries) / width))
    keys, borders = (np.concatenate(each) for each in zip(*blocks, strict=True))
    del blocks
    count = len(keys)
    rows, cells = _shared_cells(keys, borders)
    del keys, borders
    pairs: list[np.ndarray] = [np.empty((0, 2), np.int64)]
    for _ in range(ROUNDS):
        if not len(rows):
            break
        starts = np.flatnonzero(np.diff(cells, prepend=cells[0] - np.uint64(1)))
        leader = np.repeat(rows[starts], np.diff(starts, append=len(rows)))
        alike = _reached(cells, _relative_distances(take, rows, leader), near)
        pairs.append(np.stack([rows[alike], leader[alike]], axis=1))
        rows, cells = _drop_lone(rows[~alike], cells[~alike])
    for crowd in np.split(rows, np.flatnonzero(np.diff(cells)) + 1):
        pairs += _near_pairs(take(crowd), crowd, near)
    return Copies(_first_of_each(np.concatenate(pairs), count), rows=True)


def _first_of_each(pairs: np.ndarray, n: int) -> np.ndarray:
    """(n,) int64: the first of the rows that each row is joined with by `pairs` (p, 2), directly or not."""
    first = np.arange(n)
    rows, ends = np.unique(pairs, return_inverse=True)
    low, high = ends.reshape(-1, 2).T
    graph = coo_matrix((np.ones(len(low), bool), (low, high)), shape=(len(rows), len(rows)))
    parts, part = connected_components(graph, directed=False)
    least = np.full(parts, n, np.int64)
    np.minimum.at(least, part, rows)
    first[rows] = least[part]
    return first


def _traits(X: np.ndarray) -> np.ndarray:
    """(n, PROJECTIONS + 1) float64: the direction on a few random axes, and the logarithm of the norm.

    If a vector moves by a share of its norm, no trait moves by more than that share; noise in all coordinates moves
    them far less.
    """
    axes = np.random.default_rng(0xC0B1E5).standard_normal((X.shape[1], PROJECTIONS))
    axes /= np.linalg.norm(axes, axis=0)
    traits = np.zeros((len(X), PROJECTIONS + 1))
    for block in _blocks(len(X)):
        wide = X[block].astype(np.float64)
        norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))
        norms[norms == 0] = 1e-300
        traits[block, :-1] = wide @ axes / norms[:, None]
        traits[block, -1] = np.log(norms)
    return traits


def _cells(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(k,) uint64 key of each row's cell of a grid, (k,) uint16 bits of the traits in which it is just above a border.

    `places` (k, traits) are in cell widths.
    """
    rng = np.random.default_rng(0x9C1D)
    places = places + rng.random(places.shape[1])
    corners = np.floor(places)
    keys = (corners.astype(np.int64).view(np.uint64) * _mixers(rng)).sum(axis=1, dtype=np.uint64)
    near = places - corners < 1.01 / CELL
    return keys, (near << np.arange(near.shape[1], dtype=np.uint16)).sum(axis=1, dtype=np.uint16)


def _mixers(rng: np.random.Generator) -> np.ndarray:
    return 2 * np.asarray(rng.integers(1, 2**62, PROJECTIONS + 1)).astype(np.uint64) + 1


def _shared_cells(keys: np.ndarray, borders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and keys of the cells that hold more than one, sorted by cell and row, from the result of `_cells`.

    Rounding to a grid alone would separate copies on two sides of a border: rows just above a border are therefore put
    into the cell below it too, so that copies always share a cell.
    """
    rng = np.random.default_rng(0x9C1D)
    rng.random(PROJECTIONS + 1)
    rows, cells = np.arange(len(keys), dtype=np.uint32 if len(keys) < 1 << 32 else np.int64), keys
    for trait, mixer in enumerate(_mixers(rng)):
        above = (borders >> np.uint16(trait) & np.uint16(1)).astype(bool)[rows]
        rows, cells = np.concatenate([rows, rows[above]]), np.concatenate([cells, cells[above] - mixer])
    ordered = np.sort(cells)
    shared = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    kept = np.zeros(len(cells), bool)
    for block in _blocks(len(cells)) if len(shared) else ():
        at = np.minimum(np.searchsorted(shared, cells[block]), len(shared) - 1)
        kept[block] = shared[at] == cells[block]
    rows, cells = rows[kept].astype(np.int64), cells[kept]
    order = np.lexsort((rows, cells))
    return rows[order], cells[order]


def _drop_lone(rows: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows without those that are alone in their cell."""
    same = cells[1:] == cells[:-1]
    kept = np.r_[same, False] | np.r_[False, same] if len(rows) else np.zeros(0, bool)
    return rows[kept], cells[kept]


def _relative_distances(take: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, leader: np.ndarray) -> np.ndarray:
    """(len(rows),) distance of each row from its leader, as a share of the smaller norm."""
    distances = np.empty(len(rows))
    for block in _blocks(len(rows)):
        ours, theirs = take(rows[block]).astype(np.float64), take(leader[block]).astype(np.float64)
        smaller = np.sqrt(np.minimum((ours * ours).sum(axis=1), (theirs * theirs).sum(axis=1)))
        apart = np.linalg.norm(ours - theirs, axis=1)
        distances[block] = np.divide(apart, smaller, out=np.where(apart > 0, np.inf, 0.0), where=smaller > 0)
    return distances


def _reached(cells: np.ndarray, distances: np.ndarray, near: float) -> np.ndarray:
    """Which members of each cell can be reached from its first by steps of at most `near` in distance from it.

    Distances of copies differ by at most `near`, so that no two copies are separated.
    """
    order = np.lexsort((distances, cells))
    new = np.diff(cells[order], prepend=cells[order[0]] - np.uint64(1)) != 0
    gaps = np.cumsum((np.diff(distances[order], prepend=0) > near) & ~new)
    starts = np.flatnonzero(new)
    reached = np.empty(len(cells), bool)
    reached[order] = gaps == np.repeat(gaps[starts], np.diff(starts, append=len(cells)))
    return reached


def _near_pairs(X: np.ndarray, rows: np.ndarray, near: float) -> Iterator[np.ndarray]:
    """All pairs of `rows` whose vectors X lie within `near` of the smaller norm."""
    wide = X.astype(np.float64)  # float64 leaves 1e-16 of the squared norm, far below the square of the tolerance
    squares = np.einsum("ij,ij->i", wide, wide)
    for start in range(0, len(X), BLOCK_ROWS // 4):
        block = slice(start, start + BLOCK_ROWS // 4)
        apart = squares[block, None] + squares - 2 * (wide[block] @ wide.T)
        low, high = np.nonzero(apart <= near**2 * np.minimum(squares[block, None], squares))
        yield np.stack([rows[low + start], rows[high]], axis=1)


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK_ROWS, n)) for start in range(0, n, BLOCK_ROWS))
