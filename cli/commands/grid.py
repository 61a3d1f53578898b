"""embgeo grid: the runs of a study, models × datasets × seeds, from one file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embgeo.cli.options import (
    FILE,
    Common,
    html_options,
    json_option,
    option_for,
    out_option,
    stacked,
    threads_option,
    verbosity_flags,
)
from embgeo.errors import CellsError
from embgeo.requests import GridRequest, options_of

if TYPE_CHECKING:
    from embgeo.cli.output import Output
    from embgeo.results.grid import GridCell, GridResult
    from embgeo.run import Run

MAX_IN_WORDS = 6  # runs whose comparison is printed in words
OPTIONS = [option_for(one) for one in options_of(GridRequest) if "help" in one.metadata]


@click.command(short_help="Make the runs of a study: models x datasets x seeds.")
@click.argument("file", type=FILE)
@stacked(
    *OPTIONS,
    click.option("--dry-run", is_flag=True, help="List the cells and which of them are finished; make none."),
    threads_option,
    out_option,
    json_option,
    html_options,
    verbosity_flags,
)
def command(
    file: Path, engine: str, address: str | None, dry_run: bool, threads: int | None, out: Path, **options: Any
) -> None:
    """Make every run of the study in FILE: each model on each dataset with each seed, then compare all of them.

    FILE is TOML; options have the names of the flags of `embgeo analyze` and `embgeo compress`:

    \b
      command = "compress"              # or ["analyze", "compress"]
      models = ["minilm", "intfloat/e5-small-v2"]
      datasets = ["tiny", "my-corpus/"]
      seeds = [0, 1]                    # [0] if left out
      similarity = "cosine"             # for every cell
      [compress]                        # for the cells of one command
      budget = "96B"
      spec = ["int8", "pca192,rot,int4"]

    `models` and `datasets` can also be tables with options of their own: [models."vectors:docs.npy"] and below it
    queries-vectors = "queries.npy". These take precedence over the command's, and these over those above the tables.
    Paths are relative to FILE.

    Each cell is an ordinary run in --out. A finished one is not made again unless files that it names are newer; after
    an interruption the same command makes the rest. A cell that fails is listed and stops no other; the exit code is
    then 2. With --engine ray a cell is a task with one thread on one CPU; all nodes need this folder and the cache.

    \b
    Examples:
      embgeo grid study.toml --dry-run
      embgeo grid study.toml --html study.html
      embgeo grid study.toml --engine ray --address 10.0.0.1:6379
    """
    from embgeo.cli.grid_file import Study, errors_in
    from embgeo.pipelines.grid import check_grid, plan_grid

    common = Common.popped_from(options)
    with common.output.configured():
        study = Study.read(file)
        request = GridRequest(study.cells(out, threads), engine, address, threads, out)
        study.check_names()
        with errors_in(str(file)):
            check_grid(request)
        if dry_run:
            _plan(plan_grid(request), common.output)
        else:
            _make(request, file, common)


def _plan(planned: GridResult, output: Output) -> None:
    from embgeo.reports.drawing.terminal import draw
    from embgeo.reports.grid import cells_table

    output.show(draw(cells_table(planned.cells)))
    output.line()
    output.sentence(f"{_counted(planned.cells)}. Without --dry-run the same command makes the rest and compares all.")
    output.json(planned.to_json())


def _make(request: GridRequest, file: Path, common: Common) -> None:
    """Make the cells and print the tables; raises CellsError if one failed."""
    from embgeo.cli.outcome import logged, write_html
    from embgeo.pipelines.grid import grid
    from embgeo.reports.drawing.terminal import draw
    from embgeo.reports.grid import grid_tables
    from embgeo.reports.plaintext import plain
    from embgeo.run import REPORT, load_run, path_text

    output = common.output

    def home(made: tuple[GridResult, bool]) -> Path | None:
        written = [made[0].comparison, *(cell.run for cell in made[0].cells)]
        return next((Path(folder) for folder in written if folder), None)

    def report(run: Run) -> None:
        from embgeo.reports import write_report

        path = run.folder / REPORT
        # a run made again keeps the report of the one before
        current = path.exists() and path.stat().st_mtime >= (run.folder / "run.json").stat().st_mtime
        if not common.no_html and not current:
            write_report([run], path)

    log = request.out / f"grid-{file.stem}.log"
    found, is_bug = logged(output, log, lambda progress: grid(request, progress, report), home)
    for block in grid_tables(found.cells):
        output.show("", draw(block))
    output.line()
    failed = [cell for cell in found.cells if cell.error]
    for failure in _failures(failed):
        output.sentence(failure)
    if found.note:
        output.sentence(f"Not compared: {plain(found.note)}")
    runs = [cell.run for cell in found.cells if cell.run]
    if compared := found.comparison or next(iter(runs), None):
        write_html(load_run(compared), common)
    output.line(f"runs    {plain(path_text(request.out))}")
    if found.comparison:
        output.line(f"compare {plain(found.comparison)}")
    if compared and not common.no_html:
        output.line(f"report  {plain(path_text(common.html or Path(compared) / 'report.html'))}")
    output.json(found.to_json())
    output.line()
    for sentence in _compared(found):
        output.sentence(sentence)
    output.sentence(f"{_counted(found.cells)}.")
    if failed:
        raise CellsError(
            f"{len(failed)} of {len(found.cells)} cells failed, each for the reason above. The same command makes only "
            "these again",
            1 if is_bug else 2,
        )


def _compared(found: GridResult) -> list[str]:
    """What the comparison of a few runs says; of many, its report says it."""
    from embgeo.reports.numbers import PLAIN
    from embgeo.reports.plaintext import plain
    from embgeo.reports.sections.compare_decision import decision
    from embgeo.results import CompareResult
    from embgeo.run import load_run

    compared = load_run(found.comparison).findings if found.comparison else None
    if not isinstance(compared, CompareResult) or len(compared.runs) > MAX_IN_WORDS:
        return []
    return [plain(sentence.translate(PLAIN)) for sentence in decision(compared)]


def _failures(cells: Sequence[GridCell]) -> Iterator[str]:
    """Each error with the cells that it ended."""
    from embgeo.reports.plaintext import plain

    for error in dict.fromkeys(cell.error for cell in cells):
        names = "; ".join(cell.name for cell in cells if cell.error == error)
        yield f"failed  {plain(f'{names}: {error}')}"


def _counted(cells: Sequence[GridCell]) -> str:
    """`6 cells: 4 made, 2 finished before`."""
    from embgeo.results.grid import FINISHED

    states = [cell.state for cell in cells]
    told = [f"{states.count(state)} {state}{' before' * (state == FINISHED)}" for state in dict.fromkeys(states)]
    return f"{len(cells)} cell{'' if len(cells) == 1 else 's'}: {', '.join(told)}"
