"""The loop over measures: sampling, seeds, intervals, timing and errors, once for all of them."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from embgeo.embeddings import Embeddings
from embgeo.errors import InputError, Undefined
from embgeo.judgements import Judgements
from embgeo.metrics.registry import Measure, Reading, select
from embgeo.progress import Progress, silent
from embgeo.space.jackknife import MINIMUM_REPLICATES, jackknife_interval
from embgeo.space.space import Space

Status = Literal["ok", "undefined", "skipped", "failed"]
CAP = 10_000
REPLICATES = 12
_MISSING = {
    "queries": "needs query vectors; none were given",
    "judgements": "needs query vectors and relevance judgements; none were given",
    "tokens": "needs the encoder's token-embedding matrix; this source has none",
}


@dataclass(frozen=True)
class Value:
    """One measure's result: the row of the signature table.

    `ci` is a 95 % interval or None, and `ci_method` says how it was made or why it is missing; `n` rows were measured;
    `seconds` leave out what the space shares; `reason` explains every status but "ok".
    """

    name: str
    value: float | None
    ci: tuple[float, float] | None
    ci_method: str | None
    n: int
    seeds: tuple[int, ...]
    seconds: float
    status: Status
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "ci": None if self.ci is None else list(self.ci),
            "ci_method": self.ci_method,
            "n": self.n,
            "seeds": list(self.seeds),
            "seconds": round(self.seconds, 6),
            "status": self.status,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Signature:
    """What an embedding space looks like.

    Attributes
    ----------
    values : {measure: Value} in registry order.
    curves : {measure: {curve: {"x": …, "y": …}}}.
    details : {measure: JSON facts}.
    rows : {measure: {name: per-document array}}; entry i belongs to document `samples[measure][i]`. Not in the JSON.
    samples : {measure: document rows measured}. Not in the JSON.
    shared_seconds : {quantity: seconds} of what measures shared, over the sample and its subsamples.
    duplicates : {"rows": repeated rows, "groups": groups of more than one} of the largest sample.
    seed, cap : as given.
    """

    values: Mapping[str, Value]
    curves: Mapping[str, Mapping[str, Any]]
    details: Mapping[str, Mapping[str, Any]]
    rows: Mapping[str, Mapping[str, np.ndarray]]
    samples: Mapping[str, np.ndarray]
    shared_seconds: Mapping[str, float]
    duplicates: Mapping[str, int]
    seed: int
    cap: int

    def to_json(self) -> dict[str, Any]:
        """The keys of the JSON contract and what explains them; plain Python, NaN and infinities as None."""
        return {
            "signature": {name: plain_json(value.to_json()) for name, value in self.values.items()},
            "curves": plain_json(self.curves),
            "details": plain_json(self.details),
            "shared_seconds": {name: round(seconds, 6) for name, seconds in self.shared_seconds.items()},
            "duplicates": dict(self.duplicates),
            "sampling": {"seed": self.seed, "cap": self.cap},
        }


def compute_signature(
    embeddings: Embeddings,
    *,
    judgements: Judgements | None = None,
    retrieved: np.ndarray | None = None,
    names: list[str] | None = None,
    quick: bool = False,
    seed: int = 0,
    intervals: bool = True,
    replicates: int = REPLICATES,
    cap: int = CAP,
    growth: bool = False,
    device: str = "cpu",
    progress: Progress = silent,
) -> Signature:
    """Measure the shape of a space.

    The sample of a measure is the first `min(cap, its own cap)` rows of one seeded permutation, so that samples nest;
    all rows in order where they fit. `value` is that of the sample; `ci` comes from subsamples of half of it.

    Parameters
    ----------
    judgements : for the measures that need them.
    retrieved : (m, k) document rows that each query finds, best first; searched in the sample when absent.
    names : measures or families; all (or the quick ones) when None.
    intervals : compute them; `replicates` half samples each, at least 5.
    growth : for measures without an interval, a curve "growth" of the value over n/8, n/4, n/2 and n rows.

    Notes
    -----
    A measure that is undefined, fails, or lacks what it needs says so in its own row and leaves the others alone.
    Raises `UnknownNameError` for unknown measures and `InputError` for a cap below 2 or too few replicates.
    """
    if cap < 2:
        raise InputError(f"cap must be at least 2 rows; got {cap}")
    if intervals and replicates < MINIMUM_REPLICATES:
        raise InputError(f"an interval needs at least {MINIMUM_REPLICATES} replicates; got {replicates}")
    chosen = select(names, quick)
    loop = _Loop(embeddings, judgements, retrieved, seed, cap, device, progress)
    outcomes = loop.measure_all(chosen)
    spread = loop.measure_halves(chosen, outcomes, replicates) if intervals else {}
    grown = loop.measure_growth(chosen, outcomes) if growth else {}
    return loop.signature(chosen, outcomes, spread, grown, intervals)


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
    seed: int
    cap: int
    device: str
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
                outcomes[m.name] = evaluate(m, self.spaces[sizes[m.name]][0], self.seed)
        self.progress("measures", len(chosen), len(chosen))
        return outcomes

    def measure_halves(
        self, chosen: list[Measure], outcomes: Mapping[str, _Outcome], replicates: int
    ) -> dict[str, list[float]]:
        """Each measure's values on the same half samples; one space a half sample, shared by all measures of a cap."""
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
                half = np.random.default_rng([self.seed, 1, r]).permutation(space.n)[: space.n // 2]
                part = space.subset(np.sort(half))
                for m in members:
                    outcome = evaluate(m, part, self.seed)
                    if outcome.reading is not None:
                        values[m.name].append(outcome.reading.value)
                self._book(part)
        self.progress("intervals", total, total)
        return values

    def measure_growth(self, chosen: list[Measure], outcomes: Mapping[str, _Outcome]) -> dict[str, dict[str, Any]]:
        """Curves of value over sample size for measures that move with n; the samples nest."""
        curves = {}
        for m in chosen:
            if m.interval or outcomes[m.name].status != "ok":
                continue
            space, _ = self.spaces[self._size(m)]
            order = np.random.default_rng([self.seed, 2]).permutation(space.n)
            x, y = [], []
            for size in (space.n // 8, space.n // 4, space.n // 2, space.n):
                part = space if size == space.n else space.subset(np.sort(order[:size])) if size else None
                outcome = outcomes[m.name] if part is space else evaluate(m, part, self.seed) if part else None
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
        intervals: bool,
    ) -> Signature:
        values, curves, details, rows, samples = {}, {}, {}, {}, {}
        for m in chosen:
            outcome, reading = outcomes[m.name], outcomes[m.name].reading
            ci, method = None, None
            facts = dict(reading.details) if reading else {}
            if reading is not None and intervals and not m.interval:
                method = "none: moves with n; see the growth curve"
            elif reading is not None and intervals:
                ci, method, drift = jackknife_interval(reading.value, outcome.n, halves[m.name], m.range)
                if drift is not None:
                    facts["half_sample_difference"] = drift
            values[m.name] = Value(
                m.name, reading.value if reading else None, ci, method, outcome.n, (self.seed,), outcome.seconds,
                outcome.status, outcome.reason,
            )  # fmt: skip
            drawn = {**(reading.curves if reading else {}), **({"growth": grown[m.name]} if m.name in grown else {})}
            if drawn:
                curves[m.name] = drawn
            if facts:
                details[m.name] = facts
            if reading and reading.rows:
                rows[m.name] = dict(reading.rows)
                samples[m.name] = self.spaces[self._size(m)][1]
        for space, _ in self.spaces.values():
            self._book(space)
        return Signature(
            values, curves, details, rows, samples, dict(sorted(self.shared.items())), self._duplicates(), self.seed,
            self.cap,
        )  # fmt: skip

    def _size(self, m: Measure) -> int:
        return min(len(self.embeddings), self.cap if m.cap is None else min(self.cap, m.cap))

    def _build_spaces(self, sizes: list[int]) -> None:
        """One space a sample size, the smaller cut out of the largest."""
        n = len(self.embeddings)
        order = np.random.default_rng([self.seed, 0]).permutation(n)
        for size in sizes:
            rows = np.arange(n) if size == n else np.sort(order[:size])
            if not self.spaces:
                space = self._space(rows)
            else:
                largest, held = next(iter(self.spaces.values()))
                space = largest.subset(np.searchsorted(held, rows))
            self.spaces[size] = (space, rows)

    def _space(self, rows: np.ndarray) -> Space:
        e, n = self.embeddings, len(self.embeddings)
        positions = np.full(n, -1, np.int64)
        positions[rows] = np.arange(len(rows))
        retrieved = None if self.retrieved is None else np.asarray(self.retrieved)
        if retrieved is not None:
            retrieved = np.where(retrieved >= 0, positions[retrieved], -1)
        X = e.matrix() if len(rows) == n else e.rows(rows)
        return Space(
            np.ldexp(X, e.exponent) if e.exponent else X,
            similarity=e.similarity,
            queries=e.query_matrix() if e.queries is not None and len(e.queries) else None,
            relevant=self._relevant(positions),
            retrieved=retrieved,
            tokens=e.tokens,
            device=self.device,
        )

    def _relevant(self, positions: np.ndarray) -> np.ndarray | None:
        if self.judgements is None or self.embeddings.queries is None:
            return None
        qrels = self.judgements.qrels
        wanted = {doc for judged in qrels.values() for doc in judged}
        docs = {name: i for i, name in enumerate(self.embeddings.doc_ids) if name in wanted}
        queries = {name: i for i, name in enumerate(self.embeddings.query_ids)}
        pairs = [
            (queries[query], positions[docs[doc]])
            for query, judged in qrels.items()
            for doc, grade in judged.items()
            if grade > 0 and query in queries and doc in docs and positions[docs[doc]] >= 0
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

    def _book(self, space: Space) -> None:
        for name, seconds in space.ledger.items():
            self.shared[name] = self.shared.get(name, 0.0) + seconds

    def _duplicates(self) -> dict[str, int]:
        if not self.spaces:
            return {"rows": 0, "groups": 0}
        found = next(iter(self.spaces.values()))[0].duplicates
        return {"rows": found.copies, "groups": int((found.counts > 1).sum())}


def evaluate(m: Measure, space: Space, seed: int) -> _Outcome:
    """One measure on one space: its reading, or the reason why there is none; never raises.

    Each measure draws from its own generator, so that its value does not depend on which others ran.
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
    except Exception as error:  # a measure's fault must not take the others down
        return _Outcome("failed", seconds(), space.n, reason=f"{type(error).__name__}: {error}")
    if not np.isfinite(reading.value):
        return _Outcome("undefined", seconds(), space.n, reason=f"the value is not finite ({reading.value})")
    return _Outcome("ok", seconds(), space.n, reading=reading)


def plain_json(value: Any) -> Any:
    """NumPy out, NaN and infinities to None, keys to strings."""
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain_json(value.tolist())
    if isinstance(value, (list, tuple, Iterator)):
        return [plain_json(item) for item in value]
    if isinstance(value, (np.bool_, bool)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value
