"""embgeo compress: the smallest store that keeps the retrieval quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from embgeo.cli.options import Common, with_request
from embgeo.errors import GateError
from embgeo.requests import CompressRequest

if TYPE_CHECKING:
    from embgeo.cli.output import Output
    from embgeo.results import CompressResult


@click.command(short_help="Find and build the smallest store that keeps the quality.")
@with_request(
    CompressRequest,
    click.option(
        "--strict", is_flag=True, help="Exit with code 3 if --keep is not met; all results are written first."
    ),
)
def command(request: CompressRequest, strict: bool, common: Common) -> None:
    """Evaluate ways to store the vectors of MODEL on DATASET, recommend one and build it.

    Each spec is evaluated out of sample on relevance judgements, with its bytes counted exactly. The recommended
    store goes into the run folder; `embgeo search RUN "text"` searches it. MODEL and DATASET as in `embgeo analyze`.

    A SPEC reads from left to right: an index (hnsw32, ivf256; hnsw32ef128 and ivf256np8 set the search effort),
    reducers (pca192, rot), one quantizer (int8), rescoring (+int8@4). Index, reducers and rescoring are optional.

    Above 200,000 documents the default list is judged on samples first, and the three best specs on everything; specs
    named with --spec, and --exhaustive, are judged on everything unless --time is too short for that.

    \b
    Examples:
      embgeo compress minilm pydocs --budget 96B
      embgeo compress minilm pydocs --target pgvector --budget 500B
      embgeo compress minilm my-corpus/ --keep 99% --strict
      embgeo compress minilm my-corpus/ --budget 20GB --vectors 100M
      embgeo compress vectors:docs.npy scifact/ --queries-vectors queries.npy --spec int8 --spec pca192,rot,int4
      embgeo compress lancedb:db/docs qrels/ --queries-vectors lancedb:db/queries
    """
    if strict and request.keep is None:
        raise click.UsageError("--strict needs --keep")
    from embgeo.cli.outcome import finish, follow
    from embgeo.cli.words import budget_meaning, left_out_line, race_line, time_line, title, warning_lines
    from embgeo.files.addresses import without_secrets
    from embgeo.pipelines.compress import compress
    from embgeo.reports.commands import deploy_command, search_command
    from embgeo.reports.drawing.terminal import draw
    from embgeo.reports.front import front_table
    from embgeo.reports.numbers import counted
    from embgeo.reports.plaintext import plain
    from embgeo.results import CompressResult

    output, model = common.output, without_secrets(str(request.model))
    run = follow(output, request.out, "compress", model, request.dataset, lambda progress: compress(request, progress))
    found = CompressResult.from_json(run.result)
    output.sentence(title(found))
    if meaning := budget_meaning(found):
        output.sentence(meaning)
    if resumed := found.protocol.resumed:
        cached = counted(len(resumed), "spec was", "specs were")
        output.sentence(f"{cached} evaluated by an earlier command and taken from the cache")
    output.show("", draw(front_table(found)))
    for sentence in (left_out_line(found), race_line(found), time_line(found)):
        if sentence:
            output.sentence(sentence)
    output.line()
    for warning in warning_lines(found.warnings):
        output.sentence(warning)
    finish(run, common)
    output.line(f"search  {plain(search_command(run))}")
    for target in loadable(found):
        output.line(f"deploy  {plain(deploy_command(run, target))}")
    output.line()
    _decide(found, output)
    if strict and found.recommendation.meets_keep is not True:
        raise GateError(f"--keep {request.keep} is not met (--strict); the run and its report are written")


def loadable(found: CompressResult) -> list[str]:
    """Of the stores that --target named and that hold a spec, those that `embgeo deploy` loads, each with its pick."""
    from embgeo.targets import find_target

    deploy = found.deploy
    if deploy is None or deploy.picks is None:
        return []
    picked = [pick.targets[0].target for pick in deploy.picks if pick.spec]
    return [name for name in picked if find_target(name).engine]


def _decide(found: CompressResult, output: Output) -> None:
    """The recommendation, and what else the decision takes: the price, the configuration for a named store."""
    from embgeo.cli.words import recommendation
    from embgeo.reports.plaintext import plain
    from embgeo.reports.price import price_sentence
    from embgeo.reports.sections.deploy import native_lines

    if price := price_sentence(found.price):
        output.sentence(plain(price))
    if found.float8_or_int8:
        output.sentence(found.float8_or_int8.sentence)
    for sentence in recommendation(found):
        output.sentence(sentence)
    for line in native_lines(found.deploy):
        output.line(f"    {line}")
