"""Numbers, names and sentences as the terminal shows them."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from embgeo.reports import numbers
from embgeo.reports.decision import unmet

TIES = 2  # named in the terminal; the report lists all
PLAIN = str.maketrans({numbers.MINUS: "-", numbers.NARROW: " "})


def figure(value: Any, ci: Any = None, places: int | None = None, signed: bool = False) -> str:
    """A number as reports show it, with an ASCII minus so that piped output can be parsed."""
    return numbers.number(value, ci, places, signed).translate(PLAIN)


def interval(ci: Any, places: int | None = None, signed: bool = False) -> str:
    """`low…high`, "" where there is no interval."""
    ends = numbers.bounds(ci)
    return "…".join(figure(end, ends, places, signed) for end in ends) if ends else ""


def three_digits(value: Any) -> str:
    """A measured speed with at most three significant digits: 12,345 reads 12,300."""
    x = numbers.finite(value)
    if x is None or x == 0:
        return figure(value)
    places = 2 - math.floor(math.log10(abs(x)))
    return figure(round(x, places), places=max(places, 0))


def size(count: Any) -> str:
    """Bytes in decimal units."""
    return numbers.byte_size(count).translate(PLAIN)


def plain(text: str, limit: int | None = None) -> str:
    """Text of strangers on one line: control and direction characters become spaces, at most `limit` long."""
    # Cc, Cf: escape sequences and bidi overrides would act on the terminal; Cs cannot be written at all
    harmless = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text)
    line = " ".join(harmless.split())
    return line if limit is None or len(line) <= limit else line[: limit - 1] + "…"


def name_of(entry: Any) -> str:
    """The name in a `model` or `dataset` entry of a result, "" where it has none."""
    if isinstance(entry, Mapping):
        entry = entry.get("name")
    return "" if entry is None else plain(str(entry))


def title(result: Mapping[str, Any]) -> str:
    """One line: model, dataset, counts, similarity."""
    dataset = result.get("dataset")
    parts = [name_of(result.get("model")), name_of(dataset)]
    counts = dataset if isinstance(dataset, Mapping) else {}
    words = {"document": "documents", "query": "queries"}
    facts = [numbers.counted(counts[many], one, many) for one, many in words.items() if counts.get(many)]
    if result.get("similarity"):
        facts.append(str(result["similarity"]))
    return " × ".join(part for part in parts if part) + (f": {', '.join(facts)}" if facts else "")


def recommendation(result: Mapping[str, Any]) -> list[str]:
    """What a compress run recommends, which words the choice itself; what choosing so delivers; what is tied with it.

    The interval of the chosen row is nominal: it knows nothing of the choice. The second sentence says what the same
    choice brought on queries that had no part in it.
    """
    chosen = result["recommendation"]
    reason = re.sub("; statistically tied with it: [^;]*", "", plain(str(chosen["reason"])))
    missed = plain(unmet(result).translate(PLAIN))
    said = [*([missed] if missed else []), f"Recommended: {reason.rstrip('.')}."]
    share = _delivered(chosen.get("cross_fitted"), result)
    if share:
        said.append(f"Expected on new queries (corrected for selection): {share}.")
    ties = [plain(str(spec)) for spec in chosen.get("tied_with") or []]
    if ties:
        rest = f" and {len(ties) - TIES} more" if len(ties) > TIES else ""
        said.append(f"Statistically tied with it: {', '.join(ties[:TIES])}{rest}.")
    return said


def meets_keep(result: Mapping[str, Any]) -> bool:
    """Whether the recommended store is shown to keep what --keep asked for; False where the run does not say."""
    return (result.get("recommendation") or {}).get("meets_keep") is True


def condition_line(condition: Mapping[str, Any]) -> str:
    """`'ndcg@10 < -1%': 0.6328 against 0.6451, -0.0123 (-1.91 %), limit -1 %; …` for a checked --fail-if."""
    after, before = (_four_places(condition[name]) for name in ("value", "reference"))
    change = _four_places(condition["difference"], signed=True)
    if condition["relative"] is not None:
        change += f" ({figure(100 * condition['relative'], places=2, signed=True)} %)"
    relative = condition["limit_is_relative"]
    limit = f"{100 * condition['limit']:g} %" if relative else f"{condition['limit']:g}"
    line = f"'{condition['condition']}': {after} in {condition['run']} against {before} in "
    line += f"{condition['reference_run']}, {change}, limit {limit}"
    ends = interval(condition["difference_ci"], 4, signed=True)
    said = f"95 % interval {ends}, paired over {condition['queries']} queries" if ends else condition.get("note")
    return plain(f"{line}; {said}" if said else line)


def _four_places(value: Any, signed: bool = False) -> str:
    """A share with four digits, anything else as reports show it."""
    return figure(value, places=4 if isinstance(value, float) and abs(value) <= 1 else None, signed=signed)


def budget_meaning(result: Mapping[str, Any]) -> str:
    """`Budget 4MB: the whole store, 772 bytes per vector for 5,183 vectors`; "" for a limit per vector, for none, and
    where a warning says it."""
    budget = result.get("budget") or {}
    if any(str(warning).startswith("--budget ") for warning in result.get("warnings") or []):
        return ""
    store, vectors = (budget.get(key) for key in ("store", "vectors"))
    if not store or not vectors:
        return ""
    each = three_digits(store / vectors)
    return f"Budget {plain(str(budget['text']))}: the whole store, {each} bytes per vector for {vectors:,} vectors"


def _delivered(choice: Any, result: Mapping[str, Any]) -> str:
    """The cross-fitted share of float32's quality with its interval, "" where it was not computed."""
    baseline = result.get("baseline") or {}
    base = numbers.finite(baseline.get("ndcg@10"))
    name = "nDCG@10"
    if base is None:
        base, name = numbers.finite(baseline.get("recall@10_exact")), "recall@10 of the exact neighbours"
    change = numbers.finite(choice.get("difference")) if isinstance(choice, Mapping) else None
    if not base or change is None:
        return ""
    # every query is judged once, so float32's mean over the folds is the one over all queries
    ends = numbers.bounds(choice.get("difference_ci"))
    if ends is None and not change:
        return ""  # no query changes, which the reason says
    shares = [1 + end / base for end in ends] if ends else None
    return f"{numbers.percent(1 + change / base, shares).translate(PLAIN)} of float32's {name}"
