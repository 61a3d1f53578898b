"""embgeo compare: stored runs side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from embgeo.cli.options import Common, with_compare_request
from embgeo.errors import GateError
from embgeo.requests import CompareRequest

if TYPE_CHECKING:
    from rich.table import Table

    from embgeo.cli.output import Output
    from embgeo.results import CompareResult


@click.command(short_help="Compare models or datasets side by side, from stored runs.")
@with_compare_request
def command(request: CompareRequest, common: Common) -> None:
    """Compare stored runs side by side; nothing is encoded.

    RUN is a folder that `embgeo analyze` or `embgeo compress` wrote, or the start of its name or
    eight-character id in --out. Signatures come from analyze runs, trade-offs from compress runs, retrieval from
    both; model similarity needs the vector file or the embedding cache of each run.

    --fail-if is for CI pipelines: METRIC OPERATOR VALUE tests the difference between each later run and the first,
    absolute (-0.01) or relative (-1%), with < <= > >=. METRIC is a retrieval measure of analyze runs (ndcg@10,
    recall@100, ...) or a property of the recommended store of compress runs (ndcg@10, recall@10_exact,
    bytes_per_vector, ...). Point estimates are compared; the paired interval is printed beside them if there
    is one. All results are written before the exit.

    \b
    Examples:
      embgeo compare embgeo-runs/analyze-minilm-pydocs-1a2b3c4d embgeo-runs/analyze-e5-pydocs-5e6f7a8b
      embgeo compare 1a2b 5e6f 9c0d --html models.html
      embgeo compare embgeo-runs/compress-* --vectors 100M --price-per-gb 0.25 --json -
      embgeo compare reference/ 5e6f --fail-if 'ndcg@10 < -1%' --fail-if 'bytes_per_vector > 0'
    """
    from embgeo.cli.outcome import finish, follow
    from embgeo.cli.words import warning_lines
    from embgeo.pipelines.compare import compare
    from embgeo.reports.sections.compare_redundancy import sentence
    from embgeo.reports.sections.compare_runs import legend
    from embgeo.results import CompareResult

    output, named = common.output, f"{len(request.runs)} runs"
    run = follow(output, request.out, "compare", named, None, lambda progress: compare(request, progress))
    found = CompareResult.from_json(run.result)
    for line in legend(found):
        output.line(line)
    for drawn in compare_tables(found):
        output.show("", drawn)
    output.line()
    for warning in warning_lines(found.warnings):
        output.sentence(warning)
    if found.redundancy is not None:
        output.sentence(sentence(found.redundancy))
    finish(run, common)
    conclude(found, output)


def conclude(found: CompareResult, output: Output) -> None:
    """Print the decision and the outcome of each --fail-if; raises GateError if one fires."""
    from embgeo.cli.words import condition_line
    from embgeo.reports.numbers import PLAIN
    from embgeo.reports.plaintext import plain
    from embgeo.reports.sections.compare_decision import decision

    output.line()
    for sentence in decision(found):
        output.sentence(plain(sentence.translate(PLAIN)))
    checked = found.conditions or []
    for condition in checked:
        output.sentence(f"{'failed' if condition.fires else 'passed'}: {condition_line(condition)}")
    fired = [condition_line(condition) for condition in checked if condition.fires]
    if fired:
        raise GateError(f"--fail-if: {'; '.join(fired)}")


def compare_tables(found: CompareResult) -> Iterator[Table]:
    """The tables that the result has: retrieval, its pairs, stores, similarity, signatures, cost."""
    from embgeo.reports.drawing.terminal import draw
    from embgeo.reports.sections.compare_cost import cost_table
    from embgeo.reports.sections.compare_retrieval import pairs_table, quality_table
    from embgeo.reports.sections.compare_signatures import signatures_table
    from embgeo.reports.sections.compare_similarity import similarity_table

    many = found.signatures is not None and len(found.signatures.runs) > 3
    for table, gap in (
        (quality_table(found), 2),
        (pairs_table("Differences in nDCG@10, exact float32 search", found.retrieval), 2),
        (pairs_table("Differences in nDCG@10, recommended stores", found.stores), 2),
        (similarity_table(found), 1),
        (signatures_table(found), 1 if many else 2),
        (cost_table(found), 2),
    ):
        if table is not None:
            yield draw(table, gap=gap)
