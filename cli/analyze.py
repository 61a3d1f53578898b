"""embgeo analyze: the shape of the space and the retrieval baseline."""

from __future__ import annotations

import click

from embgeo.cli import completion
from embgeo.cli.options import Common, with_common


@click.command(short_help="The shape of the space, and how well it retrieves.")
@click.argument("model", shell_complete=completion.models)
@click.argument("dataset", required=False, shell_complete=completion.datasets)
@click.option(
    "--measures", "measure_names", metavar="NAME,…", shell_complete=completion.measures,
    help="Only these measures or families (`embgeo measures`).",
)  # fmt: skip
@click.option("--quick", is_flag=True, help="Only the fast measures.")
@click.option("--umap", is_flag=True, help="Also lay out the report's map with UMAP (needs embgeo[umap]).")
@with_common
def command(
    model: str, dataset: str | None, measure_names: str | None, quick: bool, umap: bool, common: Common
) -> None:
    """Measure the space of MODEL on DATASET, and how well exact search retrieves in it.

    MODEL is `minilm` (packaged, needs no network), vectors:PATH (.npy, .npz, .safetensors), a folder of a
    sentence-transformers model, a name of the mteb registry or of the hub. DATASET is a built-in name, a folder
    in BEIR format or an MTEB retrieval task; it may be left out with vectors:PATH.

    \b
    Examples:
      embgeo analyze minilm pydocs
      embgeo analyze minilm my-corpus/ --quick --html shape.html
      embgeo analyze vectors:docs.npy --measures dimension,uniformity
      embgeo analyze vectors:docs.npy scifact/ --queries-vectors queries.npy --json -
    """
    from embgeo import api
    from embgeo.cli.outcome import finish, follow
    from embgeo.cli.words import title, warning_lines
    from embgeo.reports.numbers import PLAIN
    from embgeo.reports.plaintext import plain
    from embgeo.reports.sections.retrieval import retrieval_table
    from embgeo.reports.sections.signature import signature_table
    from embgeo.reports.sections.summary import next_command, summary
    from embgeo.reports.terminal import draw
    from embgeo.results import AnalyzeResult

    names = [name.strip() for name in measure_names.split(",") if name.strip()] if measure_names else None
    output = common.output
    run = follow(
        output, common.library["out"], "analyze", model, dataset,
        lambda progress: api.analyze(
            model, dataset, measures=names, quick=quick, umap=umap, progress=progress, **common.arguments()
        ),
    )  # fmt: skip
    found = AnalyzeResult.from_json(run.result)
    output.sentence(title(found))
    for block in (retrieval_table(found), signature_table(found)):
        if block is not None:
            output.show("", draw(block, gap=2))
    output.line()
    for warning in warning_lines(found.warnings):
        output.sentence(warning)
    finish(run, common)
    if command := next_command(run):
        output.line(f"next    {plain(command)}")
    output.line()
    for sentence in summary(found):
        output.sentence(plain(sentence.translate(PLAIN)))
