"""The recall of a codec, predicted from the spectrum and the mean norm alone, before any search.

Gaussian documents with the same covariance eigenvalues and the same mean norm, in a random orientation, stand in for
the real ones: every codec is fitted on some and encodes others, and the correlation r of its scores with the exact
ones is measured. If exact and approximate scores of a query are jointly normal with correlation r, the share of the
exact top k that the codec finds among n documents follows from the bivariate normal distribution.

Real spaces have clusters and heavier tails, so the prediction is too low where much is lost; the report states the
prediction error. It decides only what a sweep evaluates beyond its fixed list.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embgeo.compression.choosing.costs import predicted_seconds
from embgeo.compression.codecs.codec import Tier, fit_codec
from embgeo.compression.codecs.spec import Spec
from embgeo.compression.codecs.training import Training, second_moment
from embgeo.compression.judging.folds import fit_sample
from embgeo.embeddings import Embeddings, normalise
from embgeo.errors import InputError
from embgeo.progress import Progress, silent
from embgeo.results.compress import Prediction as Account
from embgeo.results.compress import WorstPrediction
from embgeo.retrieval.exact import score

FIT_ROWS = 2000
HELD_OUT = 900
QUERIES = 150
TURNS = 3
MAX_FIT_SECONDS = 2.0  # estimated of a sweep: codecs slower to train are not added to one
SLOW_SECONDS = 1.0  # estimated of a sweep of the simulated size: codecs slower to train are not predicted

HIGH_RECALL = 0.7


@dataclass(frozen=True)
class SpectrumSummary:
    """What a prediction uses of a space.

    Attributes
    ----------
    spectrum : (d,) float64 eigenvalues of the covariance, descending.
    mean_norm : length of the mean vector.
    documents : how many there are.
    similarity : how they are searched.
    """

    spectrum: np.ndarray
    mean_norm: float
    documents: int
    similarity: str

    @classmethod
    def of_corpus(cls, embeddings: Embeddings, seed: int) -> SpectrumSummary:
        """The summary of the documents that codecs are fitted on."""
        rows = embeddings.rows(fit_sample(embeddings, seed))
        return cls.of(Training(rows, embeddings.similarity, seed), len(embeddings))

    @classmethod
    def of(cls, training: Training, documents: int) -> SpectrumSummary:
        """The summary of the training rows, for a corpus of that many documents."""
        moment = second_moment(training.X, about=training.mean)
        values = np.maximum(np.linalg.eigvalsh(moment)[::-1], 0)  # half the time of the axes with them
        return cls(values, float(np.linalg.norm(training.mean)), documents, training.similarity)


def predict_recall(
    summary: SpectrumSummary, specs: Sequence[Spec], k: int = 10, seed: int = 0, progress: Progress = silent
) -> dict[str, float]:
    """{spec: predicted recall@k against exact neighbours}, in [0, 1].

    Left out: specs that cannot be fitted, are slow to train (codebooks, networks) or learn from queries. An index is
    predicted as the flat search of its codes. Time: a fit on 2,000 rows and 150 × 750 scores each. Deterministic for
    a given seed.
    """
    X, Q = _simulated(summary, seed)
    training, simulated = Training(X[:FIT_ROWS], summary.similarity, seed), _Scores(X[FIT_ROWS:], Q, summary.similarity)
    found, correlations = dict[str, float](), dict[str, float]()
    share = min(k, summary.documents) / summary.documents
    # one after another, codecs of equal reducers share their fit and the reduced rows
    ordered = sorted(specs, key=lambda spec: str([str(part) for part in (*spec.reducers, *spec.quantizer.before)]))
    for done, spec in enumerate(ordered, start=1):
        try:
            if predicted_seconds(spec, FIT_ROWS, len(summary.spectrum)) > SLOW_SECONDS:
                continue
            for tier in spec.tiers:
                if str(tier) not in correlations:
                    correlations[str(tier)] = simulated.correlation(fit_codec(tier, training).tiers[0])
        except InputError:
            continue
        # each tier must return what the next one chooses from
        returned = [min(spec.factor * share, 1.0), share][-len(spec.tiers) :]
        shares = [
            found_share(correlations[str(tier)], share, kept) for tier, kept in zip(spec.tiers, returned, strict=True)
        ]
        found[str(spec)] = math.prod(shares)
        progress("prediction from the spectrum", done, len(specs))
    return {str(spec): found[str(spec)] for spec in specs if str(spec) in found}


def found_share(correlation: float, wanted: float, returned: float) -> float:
    """P(approximate score in its top `returned` share | exact score in its top `wanted` share), jointly normal scores.

    >>> round(found_share(0.0, 0.01, 0.05), 3)  # unrelated scores find what chance finds
    0.05
    >>> found_share(1.0, 0.01, 0.05)
    1.0
    """
    from scipy.special import ndtr, ndtri

    if returned >= 1 or correlation >= 1 - 1e-12:
        return 1.0
    r = max(correlation, 0.0)
    at, above = -ndtri(wanted), -ndtri(returned)
    # quantiles of the exact score, given that it is in the top share: midpoints of equal slices of the upper tail
    x = -ndtri(wanted * (np.arange(4000) + 0.5) / 4000)
    assert x.min() >= at
    return float(np.mean(ndtr((r * x - above) / np.sqrt(1 - r * r))))


def worth_running(
    predicted: dict[str, float], specs: Sequence[Spec], dimension: int, margin: float = 0.02
) -> list[Spec]:
    """The specs that no other spec of at most their size is predicted to beat by more than `margin`.

    A spec without a prediction is always worth running, and rules out no other.
    """
    sizes = np.array([spec.code_bytes(dimension) for spec in specs])
    recall = np.array([predicted.get(str(spec), -np.inf) for spec in specs])
    best = np.array([recall[sizes <= size].max() for size in sizes])
    known = np.isfinite(recall)
    return [spec for spec, worth in zip(specs, ~known | (recall >= best - margin), strict=True) if worth]


def specs_to_add(
    predicted: dict[str, float], listed: Sequence[Spec], pool: Sequence[Spec], dimension: int, documents: int
) -> tuple[list[Spec], dict[str, float]]:
    """The specs of `pool` to run besides those `listed`, and the predictions of those that are skipped.

    A spec is added if nothing of at most its size, listed or not, is predicted to beat it by more than .02, and if it
    is quick to train. Sign bits of PCA coordinates are always added: they are the one family whose prediction is far
    too low.
    """
    everything = list(dict.fromkeys([*listed, *pool]))
    worth = {*worth_running(predicted, everything, dimension), *(spec for spec in pool if _signs_of_axes(spec))}
    added = [
        spec
        for spec in everything
        if spec in worth
        and spec not in listed
        and str(spec) in predicted
        and predicted_seconds(spec, documents, dimension) <= MAX_FIT_SECONDS
    ]
    passed = {
        str(spec): predicted[str(spec)]
        for spec in everything
        if spec not in listed and spec not in added and str(spec) in predicted
    }
    return added, passed


def _signs_of_axes(spec: Spec) -> bool:
    return spec.quantizer.plain_signs and [part.principal_axes for part in spec.reducers] == [True]


@dataclass(frozen=True)
class Prediction:
    """The predictions before a sweep, and the specs that they add or skip.

    Attributes
    ----------
    recall : {spec: predicted recall@10 of exact neighbours}.
    added : the specs to run besides those listed.
    passed_over : the predictions of those that are not run.
    """

    summary: SpectrumSummary
    recall: dict[str, float]
    added: list[Spec]
    passed_over: dict[str, float]

    @classmethod
    def of(
        cls, embeddings: Embeddings, listed: Sequence[Spec], pool: Sequence[Spec], seed: int, progress: Progress
    ) -> Prediction:
        """From the spectrum of the documents; promising specs of `pool` are added to those `listed`."""
        summary = SpectrumSummary.of_corpus(embeddings, seed)
        known = [spec for spec in dict.fromkeys([*listed, *pool]) if not spec.own_metric]
        recall = predict_recall(summary, known, seed=seed, progress=progress)
        return cls(summary, recall, *specs_to_add(recall, listed, pool, embeddings.dimension, len(embeddings)))

    def account(self, measured: Mapping[Spec, float]) -> Account:
        """The prediction error, given the `measured` recall of every spec."""
        # a prediction ignores what an index misses, and must not choose published arithmetic
        gaps = {
            str(spec): self.recall[str(spec)] - recall
            for spec, recall in measured.items()
            if str(spec) in self.recall and str(spec) != "f32" and spec.index is None and not spec.centred
        }
        high = [gaps[str(spec)] for spec, recall in measured.items() if str(spec) in gaps and recall >= HIGH_RECALL]
        worst = max(gaps, key=lambda spec: abs(gaps[spec]), default=None)
        return Account(
            known="covariance spectrum, mean norm, number of documents",
            mean_norm=self.summary.mean_norm,
            specs=len(gaps),
            mean_absolute_error=_mean_size(gaps.values()),
            mean_absolute_error_high_recall=_mean_size(high),
            high_recall=HIGH_RECALL,
            mean_error=float(np.mean(list(gaps.values()))) if gaps else None,
            worst=None if worst is None else WorstPrediction(spec=worst, error=gaps[worst]),
            passed_over=self.passed_over,
        )


def _mean_size(gaps: Iterable[float]) -> float | None:
    sizes = [abs(gap) for gap in gaps]
    return float(np.mean(sizes)) if sizes else None


def _simulated(summary: SpectrumSummary, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian documents (FIT_ROWS + HELD_OUT − QUERIES, d) and queries (QUERIES, d) of this spectrum and mean norm."""
    from scipy.fft import dct

    rng = np.random.default_rng([seed, 0x9AE])
    d = len(summary.spectrum)
    towards = rng.standard_normal(d)
    rows = rng.standard_normal((FIT_ROWS + HELD_OUT, d)) * np.sqrt(summary.spectrum)
    rows += summary.mean_norm * towards / np.linalg.norm(towards)
    # no coordinate is special: codecs that rotate must not gain from axes that were already aligned. Signs and cosine
    # transforms turn the rows as a random rotation would, which takes a minute at 4,096 dimensions
    for _ in range(TURNS):
        rows = dct(rows * rng.choice([-1.0, 1.0], d), axis=1, norm="ortho", overwrite_x=True)
    X = rows.astype(np.float32)
    if summary.similarity == "cosine":
        X = normalise(X)
    return X[:-QUERIES], X[-QUERIES:]


class _Scores:
    """Exact scores of simulated queries and documents, and how those of a codec correlate with them."""

    def __init__(self, X: np.ndarray, Q: np.ndarray, similarity: str) -> None:
        self.X, self.Q = X, Q
        exact = score(Q, X, similarity)
        self.exact = exact - exact.mean(axis=1, keepdims=True)
        self.length = np.sqrt((self.exact * self.exact).sum(axis=1, dtype=np.float64))
        self.last: tuple[Any, np.ndarray, np.ndarray] | None = None

    def correlation(self, codec: Tier) -> float:
        """Mean over queries of the correlation, over documents, of approximate and exact scores."""
        if codec.spec.centred:
            Z, decoded = codec.queries(self.Q)[0], codec.decode(codec.encode(self.X))
        else:
            if self.last is None or self.last[0] is not codec.reducers:
                # a query's bias is the same for all documents
                self.last = codec.reducers, codec.reduce(self.X), codec.reduced_queries(self.Q)[0]
            _, X, Z = self.last
            Z, decoded = codec.quantizer.query_side(Z), codec.decode(codec.quantizer.encode(X))
        approximate = score(Z, decoded, "cosine" if codec.spec.centred else codec.similarity)
        approximate -= approximate.mean(axis=1, keepdims=True)
        lengths = self.length * np.sqrt(np.einsum("ij,ij->i", approximate, approximate, dtype=np.float64))
        products = np.einsum("ij,ij->i", approximate, self.exact, dtype=np.float64)
        return float(np.mean(np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)))
