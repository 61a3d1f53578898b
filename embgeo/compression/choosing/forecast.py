"""Recall in a larger corpus, forecast from nested samples of this one.

The share of the exact ten nearest that a codec finds falls as documents are added. At every size it corresponds to a
correlation r of approximate and exact scores, under the bivariate normal model of `prediction.found_share`; atanh r is
close to linear in the logarithm of the size. The slope is measured on samples of the corpus at sizes that halve, the
level is the recall out of sample on the whole corpus. Forecasting SciFact × MiniLM (5,183 documents) from a quarter of
it, ten codecs, three draws: mean absolute error .009, and .023 with a constant r; from a sixteenth .021 and .046. Of
8,000 Gaussian documents from a quarter: .014, in 5 clusters .039, in 50 clusters .070 (seven codecs): what only a
larger corpus shows, such as clusters that fill up, is not forecast. A rising r is followed to 16 times the corpus, as
far as forecasts can be checked, and then held: followed to 100 million it would promise what nobody has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from embgeo.compression.choosing.prediction import found_share
from embgeo.compression.codecs.codec import Codec, Tier
from embgeo.compression.judging.finding import Outcome
from embgeo.compression.judging.sweep import Sweep
from embgeo.embeddings import Embeddings
from embgeo.progress import Progress, silent
from embgeo.results.compress import Forecast, ForecastAt, ForecastCurve
from embgeo.results.rows import Row
from embgeo.retrieval.exact import own_rows, score
from embgeo.retrieval.significance import QueryBootstrap, percentiles

WANTED = 10
SUPPORTED = 1000  # times the corpus: beyond, nothing is forecast
SAMPLE = 8192  # documents of the largest sample
QUERIES = 300
RESAMPLES = 400
LEVELS = 4  # sizes that give the slope: n, n/2, n/4, n/8; smaller ones bend it where documents are clustered
ROOM = 8  # a sample holds at least this many times what a search of it returns
GRID = np.linspace(0.0, 9.0, 361)  # of atanh r; tanh 9 is 1 to seven digits
POINTS = 9  # of a curve
SEED = 0xF0CA
CERTAIN = 0.9995  # of some thousand neighbours; every r near 1 explains a larger share
VALIDATED = (4, 16)  # how many times its evidence a forecast is checked at
MAX_ERROR = 0.05  # of forecasts within the corpus: beyond, they mislead
OFF = (
    "forecasts from parts of this corpus miss the recall of the whole by {error:.3f}, so that one for more documents "
    "would mislead (documents in small clusters, such as chunks of one text, do that)"
)
UNSUPPORTED = f"more than {SUPPORTED:,} times the documents of this corpus: not supported"


@dataclass(frozen=True)
class Evidence:
    """What a codec finds in samples of the corpus, in sample.

    Attributes
    ----------
    sizes : documents of a sample, descending, each half of the one before.
    returned : what each tier returns from a search.
    found : (tiers, m, sizes) share of the exact ten nearest that it returns, mean over the samples of that size.
    """

    sizes: tuple[int, ...]
    returned: tuple[int, ...]
    found: np.ndarray

    def levels(self, counts: np.ndarray | None = None) -> np.ndarray:
        """(…, tiers, sizes) atanh r that explains the mean over queries, or over each resample of `counts` (R, m)."""
        means = self.found.mean(axis=1) if counts is None else _resampled(counts, self.found)
        levels = np.empty(means.shape)
        for tier, returned in enumerate(self.returned):
            for at, size in enumerate(self.sizes):
                levels[..., tier, at] = level_of(means[..., tier, at], size, returned)
        return levels

    def forecast(self, levels: np.ndarray, target: int, known: int, anchor: np.ndarray) -> np.ndarray:
        """(…,) recall among `target` documents, given `levels` and the recall `anchor` (…,) among `known` documents."""
        sizes, levels = self.sizes[:LEVELS], levels[..., :LEVELS]
        steps = np.log(sizes)
        steps = steps - steps.mean()
        slopes = levels @ (steps / (steps @ steps))
        if len(self.returned) == 1:
            begin = level_of(anchor, known, self.returned[0])
            return share_of(begin + _risen(slopes[..., 0], target / known), target, self.returned[0])
        here = levels.mean(axis=-1) + slopes * (np.log(known) - float(np.log(sizes).mean()))
        expected = [
            np.prod(
                [
                    share_of(here[..., tier] + _risen(slopes[..., tier], n / known), n, returned)
                    for tier, returned in enumerate(self.returned)
                ],
                axis=0,
            )
            for n in (known, target)
        ]
        return _expit(_logit(anchor) + _logit(expected[1]) - _logit(expected[0]))

    def error(self, times: int) -> float | None:
        """Forecast minus found among the documents of the largest sample, from samples that are `times` smaller."""
        first = int(np.log2(times))
        rest = Evidence(self.sizes[first:], self.returned, self.found[:, :, first:])
        if len(rest.sizes) < 2:
            return None
        found = self.found[-1].mean(axis=0) if len(self.returned) == 1 else self.found.mean(axis=1).prod(axis=0)
        anchor = np.asarray(found[first])
        return float(rest.forecast(rest.levels(), self.sizes[0], rest.sizes[0], anchor) - found[0])


def _risen(slope: np.ndarray, times: float) -> np.ndarray:
    """How much atanh r changes when a corpus grows: a rise is followed only as far as forecasts were checked."""
    return np.asarray(np.minimum(slope, 0) * np.log(times) + np.maximum(slope, 0) * np.log(min(times, VALIDATED[-1])))


def _resampled(counts: np.ndarray, found: np.ndarray) -> np.ndarray:
    weights = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.einsum("rm,tms->rts", weights, found)


def _logit(share: np.ndarray) -> np.ndarray:
    inside = np.clip(share, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(inside / (1 - inside)))


def _expit(value: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-value)))


@lru_cache(maxsize=256)
def _shares(documents: int, returned: int) -> np.ndarray:
    """Share of the ten nearest that is found among `returned` results, at each atanh r of the grid."""
    wanted = min(WANTED / documents, 1.0)
    return np.array([found_share(float(np.tanh(level)), wanted, min(returned / documents, 1.0)) for level in GRID])


def level_of(share: np.ndarray, documents: int, returned: int) -> np.ndarray:
    """The atanh r at which a search of that many documents finds `share` of the ten nearest, up to CERTAIN of them."""
    return np.asarray(np.interp(np.minimum(share, CERTAIN), _shares(documents, returned), GRID))


def share_of(level: np.ndarray, documents: int, returned: int) -> np.ndarray:
    """The share of the ten nearest that a search of that many documents finds at atanh r = `level`."""
    return np.asarray(np.interp(level, GRID, _shares(documents, returned)))


@dataclass(frozen=True)
class Samples:
    """Nested samples: the largest, cut into halves, quarters, …; what is exact in them is known.

    Attributes
    ----------
    X : (s, d) documents of the largest sample, in random order.
    Q : (m, d) queries; `chosen` are their places among the judged ones.
    exact : (m, s) exact scores, −inf for a query's own document.
    """

    X: np.ndarray
    Q: np.ndarray
    chosen: np.ndarray
    exact: np.ndarray
    similarity: str

    @classmethod
    def of(cls, embeddings: Embeddings, query_rows: np.ndarray, drop_own: bool) -> Samples:
        rng = np.random.default_rng(SEED)
        n = len(embeddings)
        rows = rng.permutation(n) if n <= SAMPLE else rng.choice(n, SAMPLE, replace=False)
        places = np.arange(len(query_rows))
        chosen = places if len(places) <= QUERIES else np.sort(rng.choice(places, QUERIES, replace=False))
        X, Q = embeddings.rows(rows), embeddings.query_matrix()[query_rows[chosen]]
        exact = score(Q, X, embeddings.similarity)
        if drop_own:
            own = own_rows(embeddings)[query_rows[chosen]]
            exact[rows[None, :] == own[:, None]] = -np.inf
        return cls(X, Q, chosen, exact, embeddings.similarity)

    def evidence(self, codec: Codec) -> Evidence:
        """What `codec`, fitted on the corpus, finds in every sample."""
        factor = codec.spec.factor if len(codec.tiers) > 1 else 1
        returned = (factor * WANTED, WANTED)[-len(codec.tiers) :]
        sizes = self._sizes(max(returned))
        scores = [self._scores(tier) for tier in codec.tiers]
        found = np.stack(
            [
                np.stack([self._found(each, size, k) for size in sizes], axis=1)
                for each, k in zip(scores, returned, strict=True)
            ]
        )
        return Evidence(sizes, returned, found)

    def _sizes(self, returned: int) -> tuple[int, ...]:
        sizes = [len(self.X)]
        while sizes[-1] // 2 >= ROOM * returned:
            sizes.append(sizes[-1] // 2)
        return tuple(sizes)

    def _scores(self, tier: Tier) -> np.ndarray:
        """(m, s) scores of the decoded codes."""
        scores = score(tier.queries(self.Q)[0], tier.decode(tier.encode(self.X)), self.similarity)
        scores[np.isneginf(self.exact)] = -np.inf
        return scores

    def _found(self, scores: np.ndarray, size: int, returned: int) -> np.ndarray:
        """(m,) share of the exact ten of each sample of `size` documents among its `returned` best; ties in part."""
        m, groups = len(scores), scores.shape[1] // size
        mine, exact = (each[:, : groups * size].reshape(m, groups, size) for each in (scores, self.exact))
        nearest = np.argpartition(exact, size - WANTED, axis=2)[:, :, -WANTED:]
        least = np.partition(mine, size - returned, axis=2)[:, :, size - returned, None]
        above, level = (mine > least).sum(axis=2)[:, :, None], (mine == least).sum(axis=2)[:, :, None]
        theirs = np.take_along_axis(mine, nearest, axis=2)
        share = np.where(theirs > least, 1.0, np.where(theirs == least, (returned - above) / level, 0.0))
        return np.asarray(share.mean(axis=(1, 2)))


def can_be_forecast(documents: int, vectors: int | None) -> bool:
    """Whether there is a larger corpus to forecast for, and enough documents to forecast from."""
    return vectors is not None and vectors > documents and documents >= 4 * ROOM * WANTED


def forecast(
    swept: Sweep,
    embeddings: Embeddings,
    bootstrap: QueryBootstrap,
    vectors: int,
    asked: tuple[np.ndarray, bool],
    progress: Progress = silent,
) -> Forecast:
    """The recall of each flat row among `vectors` documents, and how far off forecasts within the corpus are.

    `asked` are the queries that rows were evaluated on, and whether a query does not find the document that has its id.
    What an index misses in a larger corpus is not forecast.
    """
    n = len(embeddings)
    if vectors > SUPPORTED * n:
        return Forecast(vectors=vectors, documents=n, reason=UNSUPPORTED)
    samples = Samples.of(embeddings, *asked)
    counts = bootstrap.counts[:RESAMPLES]
    curves, errors = [], {times: list[float]() for times in VALIDATED}
    outcomes = [one for one in swept.outcomes if one.spec.index is None]
    for done, outcome in enumerate(outcomes, start=1):
        evidence = samples.evidence(swept.shipped(outcome.spec)[0])
        curves.append(_curve(outcome, evidence, (n, vectors), counts, samples.chosen))
        for times in VALIDATED:
            if (error := evidence.error(times)) is not None:
                errors[times].append(abs(error))
        progress(f"forecast: {outcome.spec}", done, len(outcomes))
    means = {str(times): float(np.mean(found)) for times, found in errors.items() if found}
    if means and max(means.values()) > MAX_ERROR:
        return Forecast(vectors=vectors, documents=n, errors=means, reason=OFF.format(error=max(means.values())))
    return Forecast(vectors=vectors, documents=n, curves=curves, errors=means)


def _curve(
    outcome: Outcome, evidence: Evidence, ends: tuple[int, int], counts: np.ndarray, chosen: np.ndarray
) -> ForecastCurve:
    """From this corpus to the larger one, with intervals over queries."""
    n, vectors = ends
    sizes = np.unique(np.geomspace(n, vectors, POINTS).round().astype(np.int64)).tolist()
    levels, drawn = evidence.levels(), evidence.levels(counts[:, chosen])
    anchor = np.asarray(outcome.recall.mean())
    anchors = counts @ outcome.recall / counts.sum(axis=1)
    points = [
        ForecastAt(
            documents=size,
            recall=float(evidence.forecast(levels, size, n, anchor)),
            recall_ci=percentiles(evidence.forecast(drawn, size, n, anchors)),
        )
        for size in sizes
    ]
    return ForecastCurve(spec=str(outcome.spec), points=points)


def with_forecast(rows: Sequence[Row], found: Forecast) -> list[Row]:
    """The rows with their recall among the planned vectors."""
    last = {curve.spec: curve.points[-1] for curve in found.curves}
    return [
        replace(row, recall_at_n=last[row.spec].recall, recall_at_n_ci=last[row.spec].recall_ci)
        if row.spec in last
        else row
        for row in rows
    ]
