"""The signature as a table: each measure with its value, interval and meaning, grouped by family."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embgeo.metrics.registry import Measure, measures
from embgeo.reports.facts import facts
from embgeo.reports.numbers import MISSING, count, duration, finite, interval, number
from embgeo.runs import Run

FAMILIES = {
    "dimension": "How many dimensions the data use",
    "spectrum": "How the variance is shared among directions",
    "isotropy": "Whether all directions are used equally",
    "similarity": "How similar two random documents are",
    "diversity": "How many distinct items the corpus holds",
    "topology": "How the point cloud is connected",
    "magnitude": "Effective size of the space at every scale",
    "clustering": "Whether documents form groups",
    "hubs": "Documents that are near neighbours of many others, or of none",
    "capacity": "How many items the space can keep apart",
    "retrievability": "Which documents a search can return at all",
    "other": "Measures that this version of embgeo does not know",
}
# a second value of the mean cosine, without the pairs of a document with itself: avg_pair_sim_cosine has a row
REPEATED = {"epsilon_corpus": ("Mean",)}


@dataclass(frozen=True)
class SignatureRow:
    """One measure, ready to print; `problem` says why there is no value, `others` are the values of other runs."""

    name: str
    meaning: str
    value: str
    interval: str
    method: str
    range: str
    better: str
    cost: str
    problem: str
    facts: str
    others: list[str]


@dataclass(frozen=True)
class Family:
    name: str
    meaning: str
    rows: list[SignatureRow]


def families(signature: Any, details: Any = None, others: Sequence[Any] = ()) -> list[Family]:
    """Rows of result["signature"] by family, families in the order above; `details` are result["details"].

    `others` are the signatures of other runs, whose values stand beside.
    """
    details = details if isinstance(details, Mapping) else {}
    if not isinstance(signature, Mapping):
        return []
    known = measures()
    grouped: dict[str, list[SignatureRow]] = {}
    for name, entry in signature.items():
        fact = known.get(str(name))
        family = fact.family if fact else "other"
        beside = [other.get(name) if isinstance(other, Mapping) else None for other in others]
        row = _row(str(name), entry if isinstance(entry, Mapping) else {}, fact, details.get(name), beside)
        grouped.setdefault(family, []).append(row)
    order = [*FAMILIES, *sorted(set(grouped) - set(FAMILIES))]
    return [Family(name, FAMILIES.get(name, ""), grouped[name]) for name in order if name in grouped]


def side_by_side(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """(measure, one value a run) of every measure that at least two of the runs have."""
    stored = [run.result.get("signature") for run in runs]
    signatures: list[Mapping[str, Any]] = [entry if isinstance(entry, Mapping) else {} for entry in stored]
    names = dict.fromkeys(str(name) for signature in signatures for name in signature)
    table = []
    for name in names:
        entries = [signature.get(name) for signature in signatures]
        values = [_value(entry if isinstance(entry, Mapping) else {}) for entry in entries]
        if sum(value != MISSING for value in values) >= 2:
            table.append((name, values))
    return table


def range_text(low: float, high: float) -> str:
    """`0 to 1`, `at least 0`, `at most 0`, `any`."""
    if math.isfinite(low) and math.isfinite(high):
        return f"{number(low)} to {number(high)}"
    if math.isfinite(low):
        return f"at least {number(low)}"
    return f"at most {number(high)}" if math.isfinite(high) else "any"


def _value(entry: Mapping[str, Any]) -> str:
    return number(entry.get("value"), entry.get("ci"))


def _row(
    name: str, entry: Mapping[str, Any], fact: Measure | None, details: Any, others: Sequence[Any]
) -> SignatureRow:
    missing = finite(entry.get("value")) is None
    status = str(entry.get("status") or "")
    problem = str(entry.get("reason") or (status if status not in ("", "ok") else "no value")) if missing else ""
    rows = count(entry.get("n"))
    took = duration(entry.get("seconds"))
    return SignatureRow(
        name=name,
        meaning=fact.summary if fact else "",
        value=_value(entry),
        interval=interval(entry.get("ci")),
        method=str(entry.get("ci_method") or ""),
        range=range_text(*fact.range) if fact else "",
        better=fact.better if fact and fact.better != "neither" else "",
        cost=" · ".join([*([f"n {rows}"] if rows != MISSING else []), *([took] if took != MISSING else [])]),
        problem=problem,
        facts=" · ".join(
            f"{item.label} {item.text}"
            for item in facts(details)
            if item.text != MISSING
            and not item.label.startswith("Half sample")
            and item.label not in REPEATED.get(name, ())
        ),
        others=[_value(other if isinstance(other, Mapping) else {}) for other in others],
    )
