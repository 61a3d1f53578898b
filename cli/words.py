"""Numbers, names and sentences as the terminal shows them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from embgeo.reports import numbers
from embgeo.reports.numbers import PLAIN, figure, three_digits
from embgeo.reports.numbers import dotted as interval
from embgeo.reports.plaintext import plain
from embgeo.results import CompressResult, Named, Result, Row
from embgeo.results.compare import CheckedCondition
from embgeo.results.compress import CrossFitted

LONG_SECONDS = 60  # below that nobody asks what it took
TIES = 2  # listed in the terminal; the report lists all


def size(count: Any) -> str:
    """Bytes in decimal units."""
    return numbers.byte_size(count).translate(PLAIN)


def name_of(named: Named) -> str:
    """The name of a model or dataset, "" if it has none."""
    return plain(named.name or "")


def title(result: Result) -> str:
    """One line: model, dataset, counts, similarity."""
    corpus = result.dataset
    counts = ((corpus.documents, "document", "documents"), (corpus.queries, "query", "queries"))
    facts = [numbers.counted(number, one, many) for number, one, many in counts if number]
    if result.similarity:
        facts.append(result.similarity)
    names = " × ".join(name for name in (name_of(result.model), name_of(corpus)) if name)
    return names + (f": {', '.join(facts)}" if facts else "")


def recommendation(result: CompressResult) -> list[str]:
    """The recommendation of a compress run with its reason, its expected quality on new queries, and the tied specs.

    The interval of the chosen row is nominal: it ignores the selection. The second sentence says what the same
    selection achieved on queries that had no part in it.
    """
    from embgeo.reports.sections.decision import unmet
    from embgeo.reports.sections.deploy import sentences as deploy_sentences
    from embgeo.reports.sections.forecast import sentence as forecast_sentence

    chosen = result.recommendation
    reason = re.sub("; statistically tied with it: [^;]*", "", plain(chosen.reason or ""))
    missed = plain(unmet(result).translate(PLAIN))
    sentences = [*([missed] if missed else []), f"Recommended: {reason.rstrip('.')}."]
    share = _cross_fitted_share(chosen.cross_fitted, result.baseline)
    if share:
        sentences.append(f"Expected on new queries (corrected for selection): {share}.")
    if forecast := plain(forecast_sentence(result).translate(PLAIN)):
        sentences.append(forecast)
    ties = [plain(spec) for spec in chosen.tied_with or []]
    if ties:
        rest = f" and {len(ties) - TIES} more" if len(ties) > TIES else ""
        told = [f"{tie}{_in_stores(result, tie)}" for tie in ties[:TIES]]
        sentences.append(f"Statistically tied with it: {', '.join(told)}{rest}.")
    sentences += [plain(sentence.translate(PLAIN)) for sentence in deploy_sentences(result.deploy, result.measure)]
    return sentences


def _in_stores(result: CompressResult, spec: str) -> str:
    """` (388 B hot, 1,945 B on disk in qdrant)`; "" without `--target`."""
    row = next((row for row in result.rows if row.spec == spec), None)
    held = [one for one in (row and row.targets) or () if one.fits_budget is not False]
    told = [f"{size(one.hot_bytes)} hot, {size(one.disk_bytes)} on disk in {one.target}" for one in held]
    return f" ({'; '.join(told)})" if told else ""


def condition_line(checked: CheckedCondition) -> str:
    """`'ndcg@10 < -1%': 0.6328 against 0.6451, -0.0123 (-1.91 %), limit -1 %; …` for a checked --fail-if."""
    after, before = (_four_places(value) for value in (checked.value, checked.reference))
    change = _four_places(checked.difference, signed=True)
    if checked.relative is not None:
        change += f" ({figure(100 * checked.relative, places=2, signed=True)} %)"
    allowed = checked.limit or 0.0
    limit = f"{100 * allowed:g} %" if checked.limit_is_relative else f"{allowed:g}"
    line = f"'{checked.condition}': {after} in {checked.run} against {before} in "
    line += f"{checked.reference_run}, {change}, limit {limit}"
    ends = interval(checked.difference_ci, 4, signed=True)
    evidence = f"95 % interval {ends}, paired over {checked.queries} queries" if ends else checked.note
    return plain(f"{line}; {evidence}" if evidence else line)


def _four_places(value: Any, signed: bool = False) -> str:
    """A share with four digits, anything else as reports show it."""
    return figure(value, places=4 if isinstance(value, float) and abs(value) <= 1 else None, signed=signed)


def budget_meaning(result: CompressResult) -> str:
    """`Budget 4MB: the whole store, 772 bytes per vector for 5,183 vectors`; "" for a limit per vector, without a
    budget, or if a warning says it already."""
    budget = result.budget
    if any(warning.startswith("--budget ") for warning in result.warnings):
        return ""
    if budget is None or not budget.store or not budget.vectors:
        return ""
    each = three_digits(budget.store / budget.vectors)
    return f"Budget {plain(budget.text)}: the whole store, {each} bytes per vector for {budget.vectors:,} vectors"


def left_out_line(result: CompressResult) -> str:
    """Which specs the default list skips for their training time, and how to run them; "" if none."""
    left_out, budget = result.protocol.left_out, result.protocol.fit_budget_seconds
    if not left_out:
        return ""
    listed = ", ".join(f"{plain(spec)} ({seconds:.0f} s)" for spec, seconds in left_out.items())
    return (
        f"Skipped to keep the total estimated training time within {budget:g} CPU seconds: {listed}. "
        "To run them, name them with --spec or use --exhaustive"
    )


def race_line(result: CompressResult) -> str:
    """How many specs were ruled out on samples of a large corpus; "" if none were."""
    if result.race is None or not result.race.stages:
        return ""
    from embgeo.reports.sections.race import race_sentence

    return f"{race_sentence(result.race)} The report lists the others with their sample and the reason"


def time_line(result: CompressResult) -> str:
    """What was said of the time and what it took, if it was long or limited."""
    protocol = result.protocol
    told = (protocol.seconds or 0) >= LONG_SECONDS or protocol.time_limit_seconds is not None
    return f"Plan: {plain(protocol.plan)}" if told and protocol.plan else ""


def warning_lines(warnings: Sequence[str]) -> list[str]:
    """One line per warning, without control characters."""
    return [f"warning: {plain(warning)}" for warning in warnings]


def _cross_fitted_share(choice: CrossFitted | None, baseline: Row) -> str:
    """The cross-fitted share of float32's quality with its interval, "" if it was not computed."""
    base, name = baseline.ndcg, "nDCG@10"
    if base is None:
        base, name = baseline.recall, "recall@10 of the exact neighbours"
    if not base or choice is None or choice.difference is None:
        return ""
    # every query is judged once, so float32's mean over the folds is the one over all queries
    ends = choice.difference_ci
    if ends is None and not choice.difference:
        return ""  # no query changes, as the reason says
    shares = [1 + end / base for end in ends] if ends else None
    return f"{numbers.percent(1 + choice.difference / base, shares).translate(PLAIN)} of float32's {name}"
