"""The registry of comparisons: a comparison is a function of two `Space`s that hold the same documents, row for row.

To add one, write one small file in this folder. The dimensions of the two spaces may differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from embgeo.errors import Undefined
from embgeo.plugins import import_modules, load_plugins
from embgeo.space.pairs import check_pairing
from embgeo.space.space import Space

Compare = Callable[..., float]


@dataclass(frozen=True)
class Comparison:
    """One comparison: `compute(a, b)`, and how it is presented.

    Attributes
    ----------
    place : tables list comparisons in ascending order of it.
    chance : the value for n unrelated rows; None if it depends on the vectors, so that it is measured.
    """

    name: str
    compute: Compare
    place: int
    chance: Callable[[int], float] | None


_REGISTRY: dict[str, Comparison] = {}


def pairwise(name: str, *, place: int, chance: Callable[[int], float] | None = None) -> Callable[[Compare], Compare]:
    """Register the decorated function as a `Comparison`; raises ValueError if the name is taken."""

    def register(compute: Compare) -> Compare:
        if name in _REGISTRY:
            raise ValueError(f"a comparison named {name!r} is registered already")
        _REGISTRY[name] = Comparison(name, compute, place, chance)
        return compute

    return register


@cache
def comparisons() -> Mapping[str, Comparison]:
    """Every registered comparison by name, in the order of their places."""
    import_modules("embgeo.metrics.pairwise")
    load_plugins()
    return dict(sorted(_REGISTRY.items(), key=lambda item: item[1].place))


def compare_spaces(a: Space, b: Space, names: Iterable[str] | None = None) -> dict[str, float | None]:
    """The comparisons called `names` (all by default) of two spaces, by name; None for an undefined one.

    Raises `InputError` for different row counts.
    """
    check_pairing(a, b)
    found: dict[str, float | None] = {}
    for name in comparisons() if names is None else names:
        try:
            found[name] = comparisons()[name].compute(a, b)
        except Undefined:
            found[name] = None
    return found
