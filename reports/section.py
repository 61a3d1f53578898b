"""Sections of a report: functions from a run to blocks, registered with the kind of result that they are about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

from embgeo.plugins import import_modules, load_plugins
from embgeo.reports.blocks import Block, Data, Plot, walk
from embgeo.results import Result
from embgeo.run import Run

Found = TypeVar("Found", bound=Result)


@dataclass(frozen=True)
class Shown(Generic[Found]):
    """What a section is drawn from: the run, its result, and the analyze runs `beside` it on the page."""

    run: Run
    result: Found
    beside: Sequence[Run] = ()


Draw = Callable[[Any], Iterable[Block]]
Title = str | Callable[[Any], str]


@dataclass(frozen=True)
class Section:
    """A registered section. It is left out if it has no blocks.

    Attributes
    ----------
    name : unique among the sections of a kind of result; the anchor on the page.
    title : its heading, or a function that makes it from the result.
    label : its entry in the contents, by default the title.
    order : sections are sorted by it; those of style "lead" come before the table of contents.
    style : "lead", "wide" or "".
    """

    name: str
    title: Title
    draw: Draw
    of: type[Result]
    order: int
    label: str
    style: str


@dataclass(frozen=True)
class Part:
    """A section as drawn for one run."""

    section: Section
    title: str
    blocks: list[Block]

    @property
    def plots(self) -> Iterator[Plot]:
        return walk(self.blocks, Plot)

    @property
    def tables(self) -> Iterator[Data]:
        return walk(self.blocks, Data)


_SECTIONS: dict[tuple[type[Result], str], Section] = {}


def section(
    name: str, title: Title, *, of: type[Result], order: int = 500, label: str = "", style: str = ""
) -> Callable[[Draw], Draw]:
    """Register a function from `Shown` to blocks as a section of reports of `of` (all results of that kind).

    Raises ValueError if the name is taken.
    """

    def register(draw: Draw) -> Draw:
        if (of, name) in _SECTIONS:
            raise ValueError(f"a section {name!r} of {of.__name__} is registered already")
        _SECTIONS[of, name] = Section(name, title, draw, of, order, label or str(title), style)
        return draw

    return register


def parts_of(run: Run, beside: Sequence[Run] = ()) -> list[Part]:
    """The sections of one run that have blocks, in order."""
    _load()
    found = run.findings
    chosen = sorted((one for one in _SECTIONS.values() if isinstance(found, one.of)), key=lambda one: one.order)
    drawn = [
        Part(
            one,
            one.title if isinstance(one.title, str) else one.title(found),
            list(one.draw(Shown(run, found, beside)) or ()),
        )
        for one in chosen
    ]
    return [part for part in drawn if part.blocks]


@cache
def _load() -> None:
    import_modules("embgeo.reports.sections")
    load_plugins()
