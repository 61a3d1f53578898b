"""Search speed: warm-up, interleaved rounds, median and spread."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from embgeo.compression.search.searcher import Searcher
from embgeo.progress import Progress, silent
from embgeo.threads import limited_threads

BATCH = 128
SINGLES = 10
REPEATS = 3
SINGLES_SECONDS = 0.1  # of single queries in a round
WARM_UP = 32  # queries of a batch
AGREEMENT = 1.1  # slowest / fastest round
SECONDS_PER_SEARCHER = 1.0
K = 10


@dataclass(frozen=True)
class Timing:
    """Median speed of one searcher, with the fastest and slowest repeat.

    Attributes
    ----------
    qps, qps_range : queries per second in batches of `batch`.
    single_query_ms, single_query_ms_range : one query at a time.
    timed : how many documents were searched, if not all.
    """

    qps: float
    qps_range: tuple[float, float]
    single_query_ms: float
    single_query_ms_range: tuple[float, float]
    batch: int
    repeats: int
    timed: int | None = None

    def of(self, timed: int, documents: int) -> Timing:
        """The speed of a scan of so many documents, timed on `timed` of them: its time grows with their number."""
        slower = documents / timed
        if slower == 1:
            return self
        return replace(
            self,
            qps=self.qps / slower,
            qps_range=(self.qps_range[0] / slower, self.qps_range[1] / slower),
            single_query_ms=self.single_query_ms * slower,
            single_query_ms_range=(self.single_query_ms_range[0] * slower, self.single_query_ms_range[1] * slower),
            timed=timed,
        )


def time_searchers(
    searchers: Sequence[Searcher],
    Q: np.ndarray,
    progress: Progress = silent,
    *,
    repeats: int | None = None,
    seconds: float | None = None,
) -> list[Timing]:
    """Time top-10 searches: in batches, and one query at a time on one thread.

    Each searcher warms up once; then rounds of all searchers follow, so that slow moments affect all: one at least, and
    up to `repeats`, while less than `seconds` have been spent in total. A searcher whose rounds agree within
    `AGREEMENT` is left out of further ones.
    """
    repeats = REPEATS if repeats is None else repeats
    seconds = SECONDS_PER_SEARCHER * len(searchers) if seconds is None else seconds
    batch = Q[:BATCH]
    singles = [Q[i : i + 1] for i in range(min(SINGLES, len(Q)))]
    taken = [_Taken() for _ in searchers]
    for searcher in searchers:
        searcher.search(batch[:WARM_UP], K)
        searcher.search(singles[0], K)
    started = time.perf_counter()
    for repeat in range(repeats):
        left = [place for place, one in enumerate(taken) if not one.is_settled]
        if repeat and (not left or time.perf_counter() - started > seconds):
            break
        for place in left:
            taken[place].batch.append(_seconds(searchers[place], [batch]))
        with limited_threads(1):
            for place in left:
                taken[place].single.append(_seconds(searchers[place], singles))
        progress("timing", repeat + 1, repeats)
    progress("timing", repeats, repeats)
    return [
        Timing(
            qps=len(batch) / float(np.median(one.batch)),
            qps_range=(len(batch) / max(one.batch), len(batch) / min(one.batch)),
            single_query_ms=1e3 * float(np.median(one.single)),
            single_query_ms_range=(1e3 * min(one.single), 1e3 * max(one.single)),
            batch=len(batch),
            repeats=len(one.batch),
        )
        for one in taken
    ]


@dataclass
class _Taken:
    """Seconds of each round of one searcher: of a batch, and of a query on its own."""

    batch: list[float] = field(default_factory=list)
    single: list[float] = field(default_factory=list)

    @property
    def is_settled(self) -> bool:
        return len(self.batch) > 1 and all(max(one) <= AGREEMENT * min(one) for one in (self.batch, self.single))


def _seconds(searcher: Searcher, asked: Sequence[np.ndarray]) -> float:
    """Mean seconds of a search, over those of `asked` for which there is time."""
    started, count, spent = time.perf_counter(), 0, 0.0
    while count < len(asked) and spent <= SINGLES_SECONDS:
        searcher.search(asked[count], K)
        count, spent = count + 1, time.perf_counter() - started
    return spent / count
