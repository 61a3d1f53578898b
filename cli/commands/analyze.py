"""embgeo analyze: the shape of the space and the retrieval baseline."""

from __future__ import annotations

import click

from embgeo.cli.options import Common, with_request
from embgeo.requests import AnalyzeRequest


@click.command(short_help="Measure the shape of the space and its retrieval quality.")
@with_request(AnalyzeRequest)
def command(request: AnalyzeRequest, common: Common) -> None:
    """Measure the embedding space of MODEL on DATASET, and the quality of exact search in it.

    MODEL is `minilm` (packaged, needs no network), vectors:PATH (.npy, .parquet, a folder of shards), vectors in a
    store (pgvector:DATABASE/TABLE.COLUMN; `embgeo models` lists the forms), the folder of a sentence-transformers
    model, or a name in the mteb registry or on the hub. DATASET is a built-in name, a folder in BEIR format or an MTEB
    retrieval task; it is optional with vectors:PATH and stores.

    \b
    Examples:
      embgeo analyze minilm pydocs
      embgeo analyze minilm my-corpus/ --quick --html shape.html
      embgeo analyze vectors:docs.npy --measures dimension,uniformity
      embgeo analyze vectors:docs.npy scifact/ --queries-vectors queries.npy --json -
      embgeo analyze minilm my-corpus/ --group-by genre
      embgeo analyze lancedb:db/docs --text body
    """
    from embgeo.cli.outcome import finish, follow
    from embgeo.cli.words import title, warning_lines
    from embgeo.files.addresses import without_secrets
    from embgeo.pipelines.analyze import analyze
    from embgeo.reports.drawing.terminal import draw
    from embgeo.reports.numbers import PLAIN
    from embgeo.reports.plaintext import plain
    from embgeo.reports.sections.groups import groups_table, verdicts
    from embgeo.reports.sections.retrieval import retrieval_table
    from embgeo.reports.sections.signature import signature_table
    from embgeo.reports.sections.summary import next_command, summary
    from embgeo.results import AnalyzeResult

    output, model = common.output, without_secrets(str(request.model))
    run = follow(output, request.out, "analyze", model, request.dataset, lambda progress: analyze(request, progress))
    found = AnalyzeResult.from_json(run.result)
    output.sentence(title(found))
    for block in (retrieval_table(found), signature_table(found), groups_table(found.groups)):
        if block is not None:
            output.show("", draw(block, gap=2))
    output.line()
    for warning in warning_lines(found.warnings):
        output.sentence(warning)
    finish(run, common)
    if command := next_command(run):
        output.line(f"next    {plain(command)}")
    output.line()
    for sentence in [*summary(found), *verdicts(found.groups)]:
        output.sentence(plain(sentence.translate(PLAIN)))
