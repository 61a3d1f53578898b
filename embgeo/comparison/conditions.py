"""Conditions on a run against a stored reference run, for CI: `ndcg@10 < -1%`."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embgeo.comparison.judged_queries import float32_queries, paired_tests, store_queries
from embgeo.comparison.runs import ComparedRun
from embgeo.errors import InputError, unknown_name
from embgeo.results import AnalyzeResult, CompressResult
from embgeo.results.compare import CheckedCondition, PairedTest
from embgeo.results.stored import number

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
            f"a condition must be METRIC OPERATOR VALUE, with one of {' '.join(OPERATORS)} and a number or percentage, "
            f"such as 'ndcg@10 < -1%' or 'bytes_per_vector > 0'; got {text!r}"
        )
    metric, sign, value, percent = found.groups()
    return Condition(text.strip(), metric, sign, float(value) / (100 if percent else 1), bool(percent))


def check_conditions(runs: Sequence[ComparedRun], conditions: Sequence[Condition], seed: int) -> list[CheckedCondition]:
    """Each condition on each run against the first; `fires` says whether the condition holds.

    The point estimates decide. `difference_ci` is the paired interval over `queries` shared queries, for information;
    None for a metric without values by query, and where `note` says why a metric with them has none.
    Raises UnknownNameError for a metric that no run has, InputError where one of the runs lacks its value or a relative
    change is asked of a reference of 0.
    """
    return [_checked(condition, runs[0], run, seed) for condition in conditions for run in runs[1:]]


def _checked(condition: Condition, reference: ComparedRun, run: ComparedRun, seed: int) -> CheckedCondition:
    before, after = (_value(item, condition.metric, (reference, run)) for item in (reference, run))
    difference = after - before
    if condition.relative and before == 0:
        raise InputError(
            f"{condition.text!r} asks for a relative change, but {condition.metric} of {reference.run.name} is 0; "
            "use an absolute limit without %"
        )
    change = difference / abs(before) if condition.relative else difference
    test, queries, note = _paired(condition.metric, reference, run, seed)
    return CheckedCondition(
        condition=condition.text,
        metric=condition.metric,
        run=run.run.name,
        reference_run=reference.run.name,
        value=after,
        reference=before,
        difference=difference,
        relative=difference / abs(before) if before else None,
        difference_ci=test.difference_ci if test else None,
        queries=queries,
        note=note,
        limit=condition.limit,
        limit_is_relative=condition.relative,
        fires=OPERATORS[condition.operator](change, condition.limit),
    )


def metric_values(run: ComparedRun) -> dict[str, float]:
    """What conditions can refer to: the retrieval measures of an analyze run, the numbers of a recommended store."""
    stored: dict[str, Any] = {}
    if isinstance(run.result, AnalyzeResult):
        stored = {name: found.value for name, found in (run.result.retrieval or {}).items()}
    elif isinstance(run.result, CompressResult):
        stored = run.result.recommendation.to_json()
    return {name: value for name, value in stored.items() if number(value) is not None}


def _value(run: ComparedRun, metric: str, both: Sequence[ComparedRun]) -> float:
    values = metric_values(run)
    if metric in values:
        return values[metric]
    known = {name for item in both for name in metric_values(item)}
    if metric not in known:
        raise unknown_name("metric", metric, known)
    raise InputError(f"{run.run.name} has no value of {metric}; the condition needs it in both runs")


def _paired(
    metric: str, reference: ComparedRun, run: ComparedRun, seed: int
) -> tuple[PairedTest | None, int | None, str | None]:
    """The test of run − reference on shared judged queries, how many, and why it has no interval.

    All None where the metric has no values by query.
    """
    both = [
        float32_queries(item) if isinstance(item.result, AnalyzeResult) else store_queries(item)
        for item in (run, reference)
    ]
    if missing := [queries for queries in both if isinstance(queries, str)]:
        return None, None, f"no interval: {missing[0]}"
    found = [queries for queries in both if not isinstance(queries, str | None) and metric in queries.values]
    if len(found) < 2:
        return None, None, None
    [pair] = paired_tests(found, seed)
    if pair.status != "ok":
        return None, None, "no interval: the runs share no judged queries"
    test = (pair.measures or {})[metric]
    return test, pair.n, test.note
