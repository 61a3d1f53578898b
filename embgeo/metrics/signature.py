"""The loop over measures: sampling, seeds, intervals, timing and errors, once for all of them."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from embgeo.embeddings import Embeddings
from embgeo.errors import InputError, Undefined
from embgeo.files.ids import as_ids
from embgeo.files.jsontext import to_plain
from embgeo.judgements import Judgements
from embgeo.metrics.registry import CurveFacts, DocumentFacts, Measure, Reading, select
from embgeo.progress import Progress, silent
from embgeo.results import MeasuredValue
from embgeo.space.jackknife import MIN_REPLICATES, jackknife_interval
from embgeo.space.sampled_rows import sampled_rows
from embgeo.space.space import Space, renumbered
from embgeo.space.space_map import Colour

Status = Literal["ok", "undefined", "skipped", "failed"]
CAP = 10_000
REPLICATES = 12
LISTED = 10
_MISSING = {
    "queries": "needs query vectors; none were given",
    "judgements": "needs query vectors and relevance judgements; none were given",
    "tokens": "needs the encoder's token-embedding matrix; this source has none",
}


@dataclass(frozen=True)
class SignatureRequest:
    """What is measured, and how.

    Attributes
    ----------
    names : measures or families; all (or the quick ones) when None.
    seed : of the samples and of the measures that draw.
    cap : largest sample, in rows.
    intervals : compute them; `replicates` half samples each, at least 5.
    growth : for measures without an interval, add a curve "growth" of the value at n/8, n/4, n/2 and n rows.
    device : "cpu", "cuda", "cuda:N".
    """

    names: Sequence[str] | None = None
    quick: bool = False
    seed: int = 0
    cap: int = CAP
    intervals: bool = True
    replicates: int = REPLICATES
    growth: bool = False
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.cap < 2:
            raise InputError(f"cap must be at least 2 rows; got {self.cap}")
        if self.intervals and self.replicates < MIN_REPLICATES:
            raise InputError(f"an interval needs at least {MIN_REPLICATES} replicates; got {self.replicates}")


@dataclass(frozen=True)
class Signature:
    """What an embedding space looks like.

    Attributes
    ----------
    values : {measure: value} in registry order; `ci_method` says how the 95 % interval was made or why it is
        missing, `n` is the number of rows measured, `seconds` exclude what the space shares.
    curves : {measure: {curve: {"x": …, "y": …}}}.
    details : {measure: JSON facts}.
    rows : {measure: {name: per-document array}}; entry i belongs to document `samples[measure][i]`. Not in the JSON.
    samples : {measure: document rows measured}. Not in the JSON.
    documents : {measure: what its array in `rows` says about documents}.
    shared_seconds : {quantity: seconds} of what measures shared, over the sample and its subsamples.
    duplicates : {"rows": repeated rows, "groups": groups of more than one} of the largest sample.
    request : as given.
    """

    values: Mapping[str, MeasuredValue]
    curves: Mapping[str, Mapping[str, Any]]
    details: Mapping[str, Mapping[str, Any]]
    rows: Mapping[str, Mapping[str, np.ndarray]]
    samples: Mapping[str, np.ndarray]
    documents: Mapping[str, DocumentFacts]
    shared_seconds: Mapping[str, float]
    duplicates: Mapping[str, int]
    request: SignatureRequest

    def to_json(self, doc_ids: Sequence[str] | None = None) -> dict[str, Any]:
        """The keys of the JSON contract and their explanations; plain Python, NaN and infinities as None.

        With `doc_ids` the details list the documents with the largest values by their ids.
        """
        details = {name: to_plain(facts) for name, facts in self.details.items()}
        for name, listed in (self.largest_documents(doc_ids) if doc_ids is not None else {}).items():
            details[name] = {**details.get(name, {}), **listed}
        return {
            "signature": to_plain({name: value.to_json() for name, value in self.values.items()}),
            "curves": to_plain(self.curves),
            "details": details,
            "shared_seconds": {name: round(seconds, 6) for name, seconds in self.shared_seconds.items()},
            "duplicates": dict(self.duplicates),
            "sampling": {"seed": self.request.seed, "cap": self.request.cap},
        }

    def largest_documents(self, doc_ids: Sequence[str]) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """{measure: {meaning: [{"id", "value"}, …]}}: the ten largest of each per-document array, largest first.

        Values that are not finite are left out; equal values keep row order.
        """
        found = {}
        for name, facts in self.documents.items():
            if facts.largest:
                values, rows = self.rows[name][facts.rows], self.samples[name]
                ranked = np.where(np.isfinite(values), values, -np.inf)
                top = [row for row in np.argsort(-ranked, kind="stable")[:LISTED] if np.isfinite(ranked[row])]
                found[name] = {facts.largest: [{"id": doc_ids[rows[at]], "value": float(values[at])} for at in top]}
        return found

    def colours(self) -> list[Colour]:
        """The per-document arrays that measures declare as colours of the space map."""
        return [
            Colour(facts.colour, facts.label, self.samples[name], self.rows[name][facts.rows], facts.clusters)
            for name, facts in self.documents.items()
            if facts.colour
        ]


def compute_signature(
    embeddings: Embeddings,
    request: SignatureRequest | None = None,
    *,
    judgements: Judgements | None = None,
    retrieved: np.ndarray | None = None,
    progress: Progress = silent,
) -> Signature:
    """Measure the shape of a space.

    The sample of a measure is the first `min(cap, its own cap)` rows of one seeded permutation, so that samples nest;
    all rows in order if they fit. `value` is that of the sample; `ci` comes from subsamples of half of it.

    Parameters
    ----------
    request : what is measured, and how; everything by default.
    judgements : for the measures that need them.
    retrieved : (m, k) document rows that each query finds, best first; searched in the sample when absent.

    Notes
    -----
    A measure that is undefined, fails, or lacks an input says so in its own row and does not affect the others.
    Raises `UnknownNameError` for unknown measures.
    """
    request = request or SignatureRequest()
    chosen = select(request.names, request.quick)
    loop = _Loop(embeddings, judgements, retrieved, request, progress)
    outcomes = loop.measure_all(chosen)
    halves = loop.measure_halves(chosen, outcomes) if request.intervals else {}
    grown = loop.measure_growth(chosen, outcomes) if request.growth else {}
    return loop.signature(chosen, outcomes, halves, grown)


@dataclass(frozen=True)
class _Outcome:
    """What one measure gave on one space."""

    status: Status
    seconds: float
    n: int
    reading: Reading | None = None
    reason: str | None = None


@dataclass
class _Loop:
    embeddings: Embeddings
    judgements: Judgements | None
    retrieved: np.ndarray | None
    request: SignatureRequest
    progress: Progress
    spaces: dict[int, tuple[Space, np.ndarray]] = field(default_factory=dict)
    shared: dict[str, float] = field(default_factory=dict)

    def measure_all(self, chosen: list[Measure]) -> dict[str, _Outcome]:
        present = self._present()
        outcomes: dict[str, _Outcome] = {}
        sizes = {m.name: self._size(m) for m in chosen}
        self._build_spaces(sorted(set(sizes.values()), reverse=True))
        for done, m in enumerate(chosen):
            self.progress("measures", done, len(chosen))
            missing = sorted(m.needs - present)
            if missing:
                outcomes[m.name] = _Outcome("skipped", 0.0, 0, reason=_MISSING[missing[0]])
            else:
                outcomes[m.name] = evaluate(m, self.spaces[sizes[m.name]][0], self.request.seed)
        self.progress("measures", len(chosen), len(chosen))
        return outcomes

    def measure_halves(self, chosen: list[Measure], outcomes: Mapping[str, _Outcome]) -> dict[str, list[float]]:
        """Each measure's values on the same half samples; measures of equal cap share one space per half sample."""
        replicates = self.request.replicates
        values: dict[str, list[float]] = {m.name: [] for m in chosen}
        groups: dict[int, list[Measure]] = {}
        for m in chosen:
            if m.interval and outcomes[m.name].status == "ok":
                groups.setdefault(self._size(m), []).append(m)
        total = replicates * len(groups)
        for g, (size, members) in enumerate(sorted(groups.items())):
            space, _ = self.spaces[size]
            if space.n < 4:
                continue
            for r in range(replicates):
                self.progress("intervals", g * replicates + r, total)
                half = np.random.default_rng([self.request.seed, 1, r]).permutation(space.n)[: space.n // 2]
                part = space.subset(np.sort(half))
                for m in members:
                    outcome = evaluate(m, part, self.request.seed)
                    if outcome.reading is not None:
                        values[m.name].append(outcome.reading.value)
                self._add_seconds(part)
        self.progress("intervals", total, total)
        return values

    def measure_growth(self, chosen: list[Measure], outcomes: Mapping[str, _Outcome]) -> dict[str, dict[str, Any]]:
        """Curves of value over sample size for measures that depend on n; the samples nest."""
        curves = {}
        for m in chosen:
            if m.interval or outcomes[m.name].status != "ok":
                continue
            space, _ = self.spaces[self._size(m)]
            order = np.random.default_rng([self.request.seed, 2]).permutation(space.n)
            x, y = [], []
            for size in (space.n // 8, space.n // 4, space.n // 2, space.n):
                part = space if size == space.n else space.subset(np.sort(order[:size])) if size else None
                outcome = outcomes[m.name] if part is space else evaluate(m, part, self.request.seed) if part else None
                if outcome is not None and outcome.reading is not None:
                    x.append(size)
                    y.append(outcome.reading.value)
            curves[m.name] = {"x": x, "y": y, "x_label": "rows", "y_label": m.name}
        return curves

    def signature(
        self,
        chosen: list[Measure],
        outcomes: Mapping[str, _Outcome],
        halves: Mapping[str, list[float]],
        grown: Mapping[str, dict[str, Any]],
    ) -> Signature:
        """The measured values, curves and details, collected by measure."""
        values: dict[str, MeasuredValue] = {}
        curves: dict[str, dict[str, Any]] = {}
        details: dict[str, dict[str, Any]] = {}
        rows: dict[str, Mapping[str, np.ndarray]] = {}
        for m in chosen:
            outcome = outcomes[m.name]
            reading = outcome.reading or Reading(math.nan)
            values[m.name], drift = self._value(m, outcome, halves)
            details[m.name] = {**reading.details, **drift}
            drawn = {name: _titled(curve, m.curves.get(name)) for name, curve in reading.curves.items()}
            curves[m.name] = drawn | ({"growth": grown[m.name]} if m.name in grown else {})
            rows[m.name] = dict(reading.rows)
        for space, _ in self.spaces.values():
            self._add_seconds(space)
        return Signature(
            values=values,
            curves={name: drawn for name, drawn in curves.items() if drawn},
            details={name: facts for name, facts in details.items() if facts},
            rows={name: arrays for name, arrays in rows.items() if arrays},
            samples={m.name: self.spaces[self._size(m)][1] for m in chosen if rows[m.name]},
            documents={m.name: m.documents for m in chosen if m.documents and m.documents.rows in rows[m.name]},
            shared_seconds=dict(sorted(self.shared.items())),
            duplicates=self._duplicates(),
            request=self.request,
        )

    def _value(
        self, m: Measure, outcome: _Outcome, halves: Mapping[str, list[float]]
    ) -> tuple[MeasuredValue, dict[str, float]]:
        """The row of a measure, and how far half samples differ from it on average, if that is known."""
        ci, method, drift = None, None, None
        value = None if outcome.reading is None else outcome.reading.value
        if value is not None and self.request.intervals:
            if m.interval:
                ci, method, drift = jackknife_interval(value, outcome.n, halves[m.name], m.range)
            else:
                method = "none: depends on n; see the growth curve"
        row = MeasuredValue(
            value=value,
            ci=ci,
            ci_method=method,
            n=outcome.n,
            seeds=[self.request.seed],
            seconds=round(outcome.seconds, 6),
            status=outcome.status,
            reason=outcome.reason,
        )
        return row, {} if drift is None else {"half_sample_difference": drift}

    def _size(self, m: Measure) -> int:
        return min(len(self.embeddings), self.request.cap if m.cap is None else min(self.request.cap, m.cap))

    def _build_spaces(self, sizes: list[int]) -> None:
        """One space per sample size, the smaller ones cut out of the largest."""
        n = len(self.embeddings)
        for size in sizes:
            rows = sampled_rows(n, size, self.request.seed)
            if not self.spaces:
                space = self._space(rows)
            else:
                largest, held = next(iter(self.spaces.values()))
                space = largest.subset(np.searchsorted(held, rows))
            self.spaces[size] = (space, rows)

    def _space(self, rows: np.ndarray) -> Space:
        e, n = self.embeddings, len(self.embeddings)
        given = None if self.retrieved is None else np.asarray(self.retrieved)
        relevant, retrieved = renumbered(rows, self._relevant(), given)
        X = e.matrix() if len(rows) == n else e.rows(rows)
        return Space(
            np.ldexp(X, e.exponent) if e.exponent else X,
            similarity=e.similarity,
            queries=e.query_matrix() if e.queries is not None and len(e.queries) else None,
            relevant=relevant,
            retrieved=retrieved,
            tokens=e.tokens,
            device=self.request.device,
        )

    def _relevant(self) -> np.ndarray | None:
        """(pairs, 2) query row and document row of every relevant pair."""
        if self.judgements is None or self.embeddings.queries is None:
            return None
        qrels = self.judgements.qrels
        wanted = list({doc for judged in qrels.values() for doc in judged})
        found = as_ids(self.embeddings.doc_ids).index_of(wanted).tolist()
        docs = {name: row for name, row in zip(wanted, found, strict=True) if row >= 0}
        queries = {name: i for i, name in enumerate(self.embeddings.query_ids)}
        pairs = [
            (queries[query], docs[doc])
            for query, judged in qrels.items()
            for doc, grade in judged.items()
            if grade > 0 and query in queries and doc in docs
        ]
        return np.array(pairs, np.int64).reshape(-1, 2)

    def _present(self) -> set[str]:
        e, present = self.embeddings, set()
        if e.queries is not None and len(e.queries):
            present.add("queries")
            if self.judgements is not None and self.judgements.judged_queries:
                present.add("judgements")
        if e.tokens is not None:
            present.add("tokens")
        return present

    def _add_seconds(self, space: Space) -> None:
        for name, seconds in space.ledger.items():
            self.shared[name] = self.shared.get(name, 0.0) + seconds

    def _duplicates(self) -> dict[str, int]:
        if not self.spaces:
            return {"rows": 0, "groups": 0}
        found = next(iter(self.spaces.values()))[0].duplicates
        return {"rows": found.copies, "groups": int((found.counts > 1).sum())}


def _titled(curve: Mapping[str, Any], facts: CurveFacts | None) -> dict[str, Any]:
    """A curve with the titles of its axes, if the measure declares them."""
    return {**curve, "x_label": facts.x, "y_label": facts.y} if facts is not None and facts.x else dict(curve)


def evaluate(m: Measure, space: Space, seed: int) -> _Outcome:
    """One measure on one space: its reading, or the reason why there is none; never raises.

    Each measure has its own random generator, so that its value does not depend on which others ran.
    """
    space.rng = np.random.default_rng([seed, zlib.crc32(m.name.encode())])
    start, before = time.perf_counter(), sum(space.ledger.values())

    def seconds() -> float:
        return max(0.0, time.perf_counter() - start - (sum(space.ledger.values()) - before))

    try:
        result = m.compute(space)
        reading = result if isinstance(result, Reading) else Reading(float(result))
    except Undefined as reason:
        return _Outcome("undefined", seconds(), space.n, reason=str(reason))
    except Exception as error:  # one failing measure must not stop the others
        return _Outcome("failed", seconds(), space.n, reason=f"{type(error).__name__}: {error}")
    if not np.isfinite(reading.value):
        return _Outcome("undefined", seconds(), space.n, reason=f"the value is not finite ({reading.value})")
    return _Outcome("ok", seconds(), space.n, reading=reading)
