"""Search speed: warm-up, interleaved repeats, median and spread."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from embgeo.compression.search.searcher import Searcher
from embgeo.progress import Progress, silent

BATCH = 128
SINGLES = 10
REPEATS = 3
SINGLES_SECONDS = 0.1  # of single queries in a round
SINGLES_LEAST = 3
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
    """Time top-10 searches; each searcher warms up once, then repeats are interleaved so that slow moments affect all.

    A searcher that takes over `seconds` in total is repeated fewer times, at least once; one whose first search takes
    longer is warm by then, and is asked one single query a round.
    """
    repeats = REPEATS if repeats is None else repeats
    seconds = SECONDS_PER_SEARCHER if seconds is None else seconds
    batch = Q[:BATCH]
    singles = [Q[i : i + 1] for i in range(min(SINGLES, len(Q)))]
    batch_seconds: list[list[float]] = [[] for _ in searchers]
    single_seconds: list[list[float]] = [[] for _ in searchers]
    spent = [0.0 for _ in searchers]
    slow = []
    for searcher in searchers:
        started = time.perf_counter()
        searcher.search(singles[0], K)
        slow.append(time.perf_counter() - started > max(seconds, SINGLES_SECONDS))
    for repeat in range(repeats + 1):  # the first round is the warm-up
        for place, searcher in enumerate(searchers):
            if (repeat > 1 and spent[place] > seconds) or (not repeat and slow[place]):
                continue
            started = time.perf_counter()
            searcher.search(batch, K)
            middle = time.perf_counter()
            asked = 0
            for query in singles:
                searcher.search(query, K)
                asked += 1
                if asked >= (1 if slow[place] else SINGLES_LEAST) and time.perf_counter() - middle > SINGLES_SECONDS:
                    break
            ended = time.perf_counter()
            spent[place] += ended - started
            if repeat:
                batch_seconds[place].append(middle - started)
                single_seconds[place].append((ended - middle) / asked)
        progress("timing", repeat + 1, repeats + 1)
    return [
        Timing(
            qps=len(batch) / float(np.median(whole)),
            qps_range=(len(batch) / max(whole), len(batch) / min(whole)),
            single_query_ms=1e3 * float(np.median(one)),
            single_query_ms_range=(1e3 * min(one), 1e3 * max(one)),
            batch=len(batch),
            repeats=len(whole),
        )
        for whole, one in zip(batch_seconds, single_seconds, strict=True)
    ]
