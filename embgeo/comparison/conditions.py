"""Conditions that a pipeline puts on a run against a stored reference run: `ndcg@10 < -1%`."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embgeo.comparison.retrieval import JudgedQueries, float32_queries, paired, store_queries
from embgeo.comparison.runs import ComparedRun, entry
from embgeo.errors import InputError, unknown_name

OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_CONDITION = re.compile(r"\s*([A-Za-z][\w@.]*)\s*(<=|>=|<|>)\s*([-+]?(?:\d+\.?\d*|\.\d+))\s*(%?)\s*")


@dataclass(frozen=True)
class Condition:
    """A condition on value − reference of a metric; with `relative` on their difference as a share of the reference.

    Attributes
    ----------
    text : as written.
    limit : in the metric's unit, or a share (-0.01 for -1 %).
    """

    text: str
    metric: str
    operator: str
    limit: float
    relative: bool


def parse_condition(text: str) -> Condition:
    """Read `METRIC OPERATOR VALUE` or `METRIC OPERATOR VALUE%`; raises InputError."""
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise InputError(
            f"a condition reads METRIC OPERATOR VALUE, with one of {' '.join(OPERATORS)} and a number or a percentage, "
            f"such as 'ndcg@10 < -1%' or 'bytes_per_vector > 0'; got {text!r}"
        )
    metric, sign, value, percent = found.groups()
    return Condition(text.strip(), metric, sign, float(value) / (100 if percent else 1), bool(percent))


def check_conditions(runs: Sequence[ComparedRun], conditions: Sequence[Condition], seed: int) -> list[dict[str, Any]]:
    """Each condition on each run against the first, as JSON values; `fires` says whether the condition holds.

    The point estimates decide. `difference_ci` is the paired interval over `queries` shared queries, for information;
    None for a metric without values by query, and where `note` says why a metric with them has none.
    Raises UnknownNameError for a metric that no run has, InputError where one of the runs lacks its value or a relative
    change is asked of a reference of 0.
    """
    reference = runs[0]
    return [dict(_checked(condition, reference, run, seed)) for condition in conditions for run in runs[1:]]


def _checked(condition: Condition, reference: ComparedRun, run: ComparedRun, seed: int) -> Iterator[tuple[str, Any]]:
    before, after = (_value(item, condition.metric, (reference, run)) for item in (reference, run))
    difference = after - before
    if condition.relative and before == 0:
        raise InputError(
            f"{condition.text!r} asks for a relative change, and {condition.metric} of {reference.run.name} is 0; "
            "give an absolute limit without %"
        )
    change = difference / abs(before) if condition.relative else difference
    tested = _paired(condition.metric, reference, run, seed)
    yield "condition", condition.text
    yield "metric", condition.metric
    yield "run", run.run.name
    yield "reference_run", reference.run.name
    yield "value", after
    yield "reference", before
    yield "difference", difference
    yield "relative", difference / abs(before) if before else None
    yield "difference_ci", tested.get("difference_ci")
    yield "queries", tested.get("n")
    yield "note", tested.get("note")
    yield "limit", condition.limit
    yield "limit_is_relative", condition.relative
    yield "fires", OPERATORS[condition.operator](change, condition.limit)


def metric_values(run: ComparedRun) -> dict[str, float]:
    """What conditions can name: the retrieval measures of an analyze run, the numbers of a recommended store."""
    if run.run.command == "analyze":
        stored = {name: entry(found).get("value") for name, found in entry(run.result.get("retrieval")).items()}
    else:
        stored = dict(entry(run.result.get("recommendation")))
    return {
        str(name): value
        for name, value in stored.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _value(run: ComparedRun, metric: str, both: Sequence[ComparedRun]) -> float:
    values = metric_values(run)
    if metric in values:
        return values[metric]
    known = {name for item in both for name in metric_values(item)}
    if metric not in known:
        raise unknown_name("metric", metric, known)
    raise InputError(f"{run.run.name} has no value of {metric}; the condition needs it in both runs")


def _paired(metric: str, reference: ComparedRun, run: ComparedRun, seed: int) -> Mapping[str, Any]:
    """The test of run − reference on shared judged queries, with a `note` where it has no interval; empty where the
    metric has no values by query."""
    both = [_queries(item) for item in (run, reference)]
    if missing := [queries for queries in both if isinstance(queries, str)]:
        return {"note": f"no interval: {missing[0]}"}
    found = [queries for queries in both if queries is not None and not isinstance(queries, str)]
    if len(found) < 2 or any(metric not in queries.values for queries in found):
        return {}
    [pair] = paired(found, seed)
    if pair["status"] != "ok":
        return {"note": "no interval: the runs share no judged queries"}
    return {**pair["measures"][metric], "n": pair["n"]}


def _queries(run: ComparedRun) -> JudgedQueries | str | None:
    return float32_queries(run) if run.run.command == "analyze" else store_queries(run)
