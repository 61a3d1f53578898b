"""grid: the runs of a study (models × datasets × seeds), each an ordinary run, made here or as a task of Ray.

A cell is one run of `analyze` or `compress`. It is finished if `out` holds a run of the same request by this version of
embgeo that is newer than the files its request names; so nothing but the runs is kept of a grid.
"""

from __future__ import annotations

import contextlib
import glob
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from os import fspath
from pathlib import Path
from typing import Any

from embgeo import __version__
from embgeo.encoders.resolve import VECTORS
from embgeo.environment import usable_cpus
from embgeo.errors import EmbgeoError, EngineError, InputError, RunFormatError, StorageError
from embgeo.files.atomic import remove_orphans
from embgeo.files.cache_folder import cache_directory
from embgeo.files.jsontext import canonical_json, to_plain
from embgeo.pipelines import analyze, compare, compress
from embgeo.progress import CELL, NOTE, Progress, duration_text, silent
from embgeo.requests import CompareRequest, GridRequest, SubjectRequest
from embgeo.results import NDCG, AnalyzeResult, CompressResult
from embgeo.results.grid import FAILED, FINISHED, MADE, TO_DO, GridCell, GridResult
from embgeo.run import Run, load_run, path_text
from embgeo.scale.engine import check_engine, open_engine
from embgeo.sources.subject import Source, checked_request
from embgeo.sources.vector_stores import names_vectors
from embgeo.writable import check_writable_folder

CHECKS: Mapping[str, Callable[[Any], Any]] = {"analyze": analyze.check, "compress": compress.check}
MAKERS: Mapping[str, Callable[..., Run]] = {"analyze": analyze.analyze, "compress": compress.compress}
VARIABLES = ("EMBGEO_CACHE_DIR", "EMBGEO_PLUGINS")  # what a cell reads besides its request
ANY, BEIR = ("*", "*/*"), ("corpus.*", "queries.*", "qrels*", "qrels/*")  # the files of a folder that is named
Tell = Callable[[int, str, int, int], None]
logger = logging.getLogger("embgeo")


@dataclass(frozen=True)
class Place:
    """The folder that paths are relative to, and the variables of the command; the same wherever a cell is made."""

    folder: str
    variables: Mapping[str, str]

    @classmethod
    def here(cls) -> Place:
        return cls(os.getcwd(), {name: os.environ[name] for name in VARIABLES if name in os.environ})

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Work there; raises EngineError on a machine that does not have the folder."""
        os.environ.update(self.variables)
        if not Path(self.folder).is_dir():
            raise EngineError(f"every node must have the folder {self.folder}; {socket.gethostname()} has not")
        with contextlib.chdir(self.folder):
            yield


@dataclass(frozen=True)
class Ended:
    """How a cell ended: the folder of its run, or one line that says why there is none."""

    seconds: float
    run: str = ""
    error: str = ""
    is_bug: bool = False


def check_grid(request: GridRequest) -> None:
    """Refuse what can be refused before any cell is made; the message names the cell."""
    check_writable_folder(request.out, "--out")
    check_engine(request.engine, request.address)
    for asked in request.cells:
        try:
            checked_request(Source.of(asked), asked)
            CHECKS[asked.command](asked)
        except EmbgeoError as error:
            raise type(error)(f"{_cell(asked).name}: {error}") from None


def plan_grid(request: GridRequest) -> GridResult:
    """The cells, and which of them are finished; nothing is made."""
    kept = _finished(request)
    cells = [
        _filled(_cell(asked), kept[place], FINISHED) if place in kept else replace(_cell(asked), state=TO_DO)
        for place, asked in enumerate(request.cells)
    ]
    return GridResult(embgeo=__version__, command="grid", cells=cells)


def grid(
    request: GridRequest, progress: Progress = silent, ended: Callable[[Run], None] = lambda run: None
) -> tuple[GridResult, bool]:
    """Make the cells that are not finished, and compare all; `ended` is called with the run of each, as it ends.

    A cell that fails stops no other: it says why. Returns the result, and whether a bug in embgeo was among the causes.
    Raises the errors of `check_grid`, and EngineError if the cluster does not answer.
    """
    check_grid(request)
    planned = plan_grid(request)
    cells, is_bug = list(planned.cells), False
    runs = {place: load_run(cell.run) for place, cell in enumerate(cells) if cell.run}
    for run in runs.values():
        ended(run)
    to_do = [place for place, cell in enumerate(cells) if cell.state == TO_DO]
    for done, (place, end) in enumerate(_made(request, cells, to_do, progress), 1):
        cell = replace(cells[place], seconds=end.seconds)
        is_bug = is_bug or end.is_bug
        if end.run:
            runs[place] = load_run(end.run)
            cells[place] = _filled(cell, runs[place], MADE)
            ended(runs[place])
        else:
            cells[place] = replace(cell, state=FAILED, error=end.error)
        how = "made in" if end.run else "failed after"
        progress(f"{CELL}: {done} of {len(to_do)}, {cell.name}, {how} {duration_text(end.seconds)}", done, len(to_do))
        progress("cells", done, len(to_do))
    if Path(request.out).is_dir():
        remove_orphans(Path(request.out))  # of tasks that were ended
    comparison, note = _compared(request, [runs[place] for place in sorted(runs)], progress)
    return replace(planned, cells=cells, comparison=comparison, note=note), is_bug


def make_cell(item: tuple[int, SubjectRequest], place: Place, tell: Tell) -> Ended:
    """Make one run; what it raises becomes a line. `tell(number, stage, done, total)` is its progress."""
    number, asked = item
    began = time.monotonic()
    run = error = ""
    is_bug = False
    try:
        with place.entered():
            made = MAKERS[asked.command](asked, lambda stage, done, total: tell(number, stage, done, total))
            run = str(made.folder)
    except EmbgeoError as caught:
        error = str(caught)
    except OSError as caught:
        error = f"{caught.strerror or caught}: {caught.filename}" if caught.filename else str(caught)
    except Exception as caught:  # broad on purpose: a cell must not stop the others
        logger.debug("a cell failed", exc_info=caught)
        error, is_bug = f"internal error: {type(caught).__name__}: {caught}. This is a bug in embgeo", True
    return Ended(time.monotonic() - began, run, " ".join(error.split()), is_bug)


def _silent(number: int, stage: str, done: int, total: int) -> None:
    """A task of Ray tells nothing before it ends."""


def _made(
    request: GridRequest, cells: Sequence[GridCell], to_do: Sequence[int], progress: Progress
) -> Iterator[tuple[int, Ended]]:
    """Place and end of each cell that is to be made, as they end."""
    if not to_do:
        return
    spread, ends = request.engine != "local", 0

    def tell(number: int, stage: str, done: int, total: int) -> None:
        detail = stage.partition(NOTE)[0] + (f" {done}/{total}" if total > 1 else "")
        name = cells[number].name
        progress(f"cells: {name}, {detail}{NOTE}{name} · {detail}", ends, len(to_do))

    threads = 1 if spread else request.threads
    items = [(number, replace(request.cells[number], threads=threads, out=request.out)) for number in to_do]
    progress("cells", 0, len(to_do))
    with open_engine(request.engine, request.address, request.threads or usable_cpus()) as engine:
        tasks = engine.as_ended(make_cell, items, Place.here(), _silent if spread else tell, after=_after(items))
        for place, end in tasks:
            ends += 1
            yield to_do[place], Ended(0.0, error=str(end)) if isinstance(end, EmbgeoError) else end


def _after(items: Sequence[tuple[int, SubjectRequest]]) -> dict[int, int]:
    """For each item whose texts are those of an earlier one, the place of the first: it encodes them for all."""
    first: dict[str, int] = {}
    found = {}
    for place, (_, asked) in enumerate(items):
        model = Source.of(asked).model
        if not names_vectors(model):
            encoded = first.setdefault(
                canonical_json([model, asked.dataset, asked.split, asdict(asked.encoder_options)]), place
            )
            if encoded != place:
                found[place] = encoded
    return found


def _cell(asked: SubjectRequest) -> GridCell:
    return GridCell(
        command=asked.command, model=Source.of(asked).model, dataset=asked.dataset, seed=asked.seed, state=TO_DO
    )


def _filled(cell: GridCell, run: Run, state: str) -> GridCell:
    """The cell with what its run found."""
    found = run.findings
    cell = replace(cell, state=state, run=path_text(run.folder), identity=found.identity)
    if isinstance(found, CompressResult):
        best = found.recommendation
        return replace(
            cell,
            quality=found.measure,
            float32=found.baseline.at(found.measure),
            spec=best.spec,
            bytes_per_vector=best.bytes_per_vector,
            value=best.at(found.measure),
            retained=best.retained,
        )
    if not isinstance(found, AnalyzeResult):
        return cell
    baseline = (found.retrieval or {}).get(NDCG)
    values = {name: each.value for name, each in (found.signature or {}).items() if each.value is not None}
    return replace(cell, quality=NDCG, float32=None if baseline is None else baseline.value, measures=values)


def _compared(request: GridRequest, runs: Sequence[Run], progress: Progress) -> tuple[str | None, str | None]:
    """The folder of the comparison of the runs, or None and why."""
    if len(runs) < 2:
        return None, "fewer than two runs"
    try:
        made = compare.compare(CompareRequest(runs, threads=request.threads, out=request.out), progress)
    except InputError as error:
        return None, str(error)
    return path_text(made.folder), None


def _finished(request: GridRequest) -> dict[int, Run]:
    """The run of each cell, by its place, that `out` holds."""
    stored: dict[str, Run] = {}
    for file in sorted(Path(request.out).glob("*/run.json")):
        try:
            run = load_run(file)
        except (RunFormatError, StorageError):
            continue  # damaged: made again
        if run.result.get("embgeo") == __version__:
            stored[_question(run.command, run.result.get("request"))] = run
    found = {}
    for place, asked in enumerate(request.cells):
        run_of = stored.get(_question(asked.command, asked.stored(Source.of(asked).model)))
        if run_of is not None and (run_of.folder / "run.json").stat().st_mtime >= _changed(asked, request.out):
            found[place] = run_of
    return found


def _question(command: str, request: Any) -> str:
    return canonical_json([command, to_plain(request)])


def _changed(asked: SubjectRequest, out: Path) -> float:
    """When the files that a request names were last written to, in seconds; 0 if it names none.

    What embgeo writes, and the file of the study, may lie in a folder that is named, but are not part of it.
    """
    own = [folder.resolve() for folder in (Path(out), cache_directory())]
    vectors = [fspath(name) for name in (asked.model, asked.queries_vectors) if name]  # type: ignore[arg-type]
    named = [*((name, ANY) for name in vectors), *([(asked.dataset, BEIR)] if asked.dataset else [])]
    files = [file.resolve() for name, inside in named for file in _files(name, inside) if file.suffix != ".toml"]
    files = [file for file in files if file.is_file() and not any(file.is_relative_to(folder) for folder in own)]
    return max((file.stat().st_mtime for file in files), default=0.0)


def _files(name: str, inside: Sequence[str]) -> Iterator[Path]:
    """The files of vectors:PATH, a store on disk or a pattern, or those `inside` a folder; none of another name."""
    path = Path(name.removeprefix(VECTORS).partition("#")[0]).expanduser()
    if not path.exists() and ":" in name and not name.startswith(VECTORS):
        path = Path(name.partition(":")[2]).expanduser()
        # a table in a folder or a file, which is nothing else
        yield from path.parent.rglob("*") if path.parent.is_dir() and path.parent.name else [path, path.parent]
        return
    for found in map(Path, [str(path)] if path.exists() else glob.glob(str(path), recursive=True)):
        yield from (file for each in inside for file in found.glob(each)) if found.is_dir() else [found]
