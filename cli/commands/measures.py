"""embgeo measures: list the measures and explain them."""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from embgeo.cli import completion
from embgeo.cli.options import with_output
from embgeo.cli.output import Output

if TYPE_CHECKING:
    from embgeo.metrics.registry import Measure


@click.command(short_help="List the measures and what they mean.")
@click.argument("name", required=False, shell_complete=completion.measures)
@with_output
def command(name: str | None, output: Output) -> None:
    """List the measures of the signature, or explain the measure or family NAME.

    \b
    Examples:
      embgeo measures
      embgeo measures twonn_dim
      embgeo measures dimension --json -
    """
    from embgeo.metrics.registry import select

    chosen = select([name] if name else None)
    if name and len(chosen) == 1 and chosen[0].name == name:
        _explain(chosen[0], output)
    else:
        from rich.text import Text

        from embgeo.reports.drawing.terminal import table

        columns = [("measure", "left"), ("--quick", "left"), ("meaning", "text")]
        rows: list[list[str | Text]] = []
        for family, members in groupby(chosen, key=lambda m: m.family):
            rows.append([Text(family, style="bold"), "", ""])
            rows += [["  " + m.name, "yes" if m.quick else "", m.summary] for m in members]
        output.show(table("", columns, rows))
    output.json([facts(m) for m in chosen])


def facts(measure: Measure) -> dict[str, Any]:
    """The declared facts of a measure as JSON values."""
    return {
        "name": measure.name,
        "family": measure.family,
        "summary": measure.summary,
        "range": list(measure.range),
        "better": measure.better,
        "invariances": sorted(measure.invariances),
        "needs": sorted(measure.needs),
        "cost": measure.cost,
        "cap": measure.cap,
        "interval": measure.interval,
        "quick": measure.quick,
        "source": measure.source,
    }


def _explain(measure: Measure, output: Output) -> None:
    low, high = (_bound(value) for value in measure.range)
    output.line(f"{measure.name} ({measure.family})")
    output.line(f"  {measure.summary}")
    rows = {
        "range": f"{low} to {high}",
        "better": {"higher": "higher", "lower": "lower"}.get(measure.better, "neither"),
        "unchanged by": ", ".join(name.replace("_", " ") for name in sorted(measure.invariances)) or "nothing",
        "needs": ", ".join(["documents", *sorted(measure.needs)]),
        "cost": measure.cost + (f", on at most {measure.cap:,} documents" if measure.cap else ""),
        "interval": "by subsampling" if measure.interval else "none: the value depends on the number of documents",
        "source": measure.source,
    }
    for label, text in rows.items():
        output.line(f"  {label:13} {text}")


def _bound(value: float) -> str:
    return ("-∞" if value < 0 else "∞") if math.isinf(value) else f"{value:g}"
