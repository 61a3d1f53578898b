"""embgeo targets: which stores hold which specs, natively, and as what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from embgeo.cli.options import with_output
from embgeo.cli.output import Output

if TYPE_CHECKING:
    from embgeo.compression.choosing.native import Plan
    from embgeo.targets import Target


@click.command(short_help="List vector stores, and how each would hold a spec.")
@click.argument("name", required=False)
@click.option("--spec", metavar="SPEC", help="Print how the store holds this spec, or the nearest that it holds.")
@click.option("--dimension", type=click.IntRange(min=1), default=384, show_default=True, help="Of the vectors.")
@click.option(
    "--similarity",
    type=click.Choice(["cosine", "dot", "euclidean"]),
    default="cosine",
    show_default=True,
    help="How vectors are compared.",
)
@with_output
def command(name: str | None, spec: str | None, dimension: int, similarity: str, output: Output) -> None:
    """List the vector stores that embgeo knows, with what each holds natively and the line that installs its client.

    With --spec, print how the store NAME, or every store, holds that spec: its configuration in the store's own words,
    what differs from embgeo, and bytes per vector; or why it cannot, and the nearest spec that it holds. Nothing is
    contacted or written.

    \b
    Examples:
      embgeo targets
      embgeo targets pgvector --spec pca192,f16 --dimension 384
      embgeo targets --spec binary+f32@4 --dimension 768
    """
    from embgeo.errors import InputError
    from embgeo.targets import find_target, planning_targets

    chosen = [find_target(name)] if name else planning_targets()
    if any(each.plan is None for each in chosen):
        raise InputError(f"{name} holds no vectors; `embgeo export --to {name}` writes it")
    if spec is None:
        _list(chosen, output)
    else:
        _plans(chosen, spec, dimension, similarity, output)


def _list(chosen: list[Target], output: Output) -> None:
    from embgeo.reports.drawing.terminal import table

    columns = [("target", "left"), ("holds natively", "text"), ("install", "text")]
    output.show(table("", columns, [[each.name, each.holds, each.install] for each in chosen]))
    output.json(
        [{"name": each.name, "summary": each.summary, "holds": each.holds, "install": each.install} for each in chosen]
    )


def _plans(chosen: list[Target], text: str, dimension: int, similarity: str, output: Output) -> None:
    from embgeo.compression.choosing.native import Plan
    from embgeo.compression.codecs.spec import parse
    from embgeo.errors import MissingExtraError

    spec, told = parse(text), []
    for each in chosen:
        assert each.plan is not None
        try:
            found = each.plan(spec, dimension, similarity)
        except MissingExtraError as error:
            if len(chosen) == 1:
                raise
            output.line(f"{each.name}: {error}")
            continue
        told.append({"target": each.name, "spec": text, "held": isinstance(found, Plan), **found.to_json()})
        if isinstance(found, Plan):
            _show(each.name, text, found, output)
        else:
            near = f" Nearest that it holds: {found.nearest}" if found.nearest else ""
            output.sentence(f"{each.name} – cannot hold {text}: {found.reason}.{near}")
    output.json(told)


def _show(name: str, text: str, plan: Plan, output: Output) -> None:
    mark = "✔ holds" if plan.fidelity == "same" else "≈ approximates"
    beside = f" beside {plan.original_bytes:,} of the original" if plan.original_bytes else ""
    predicted = "" if plan.predicted == text else f", predicted by {plan.predicted}"
    output.line(f"{name} {mark} {text}: {plan.code_bytes:,} bytes a vector{beside}{predicted}")
    for line in plan.native.splitlines():
        output.line(f"    {line}")
    for note in plan.notes:
        output.sentence(f"  {note}")
