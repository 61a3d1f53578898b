"""embgeo limits: what a space cannot hold, and which queries will fail."""

from __future__ import annotations

import click

from embgeo.cli.options import Common, with_request
from embgeo.requests import LimitsRequest


@click.command(short_help="Show what the space cannot hold, and which queries will fail.")
@with_request(LimitsRequest)
def command(request: LimitsRequest, common: Common) -> None:
    """Measure what limits the search of DATASET in the space of MODEL, and what would help.

    MODEL and DATASET are those of `embgeo analyze`. What needs judgements is left out without them.

    \b
    Examples:
      embgeo limits minilm pydocs
      embgeo limits vectors:docs.npy scifact/ --queries-vectors queries.npy --html limits.html
    """
    from embgeo.cli.outcome import finish, follow
    from embgeo.cli.words import title, warning_lines
    from embgeo.files.addresses import without_secrets
    from embgeo.pipelines.limits import limits
    from embgeo.reports.drawing.terminal import draw
    from embgeo.reports.numbers import PLAIN
    from embgeo.reports.plaintext import plain
    from embgeo.reports.sections.limits import verdicts
    from embgeo.reports.sections.retrieval import retrieval_table
    from embgeo.results import LimitsResult

    output, model = common.output, without_secrets(str(request.model))
    run = follow(output, request.out, "limits", model, request.dataset, lambda progress: limits(request, progress))
    found = LimitsResult.from_json(run.result)
    output.sentence(title(found))
    if (table := retrieval_table(found)) is not None:
        output.show("", draw(table, gap=2))
    output.line()
    for warning in warning_lines(found.warnings):
        output.sentence(warning)
    finish(run, common)
    output.line()
    for sentence in verdicts(found):
        output.sentence(plain(sentence.translate(PLAIN)))
