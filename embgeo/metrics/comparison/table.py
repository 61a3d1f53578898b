"""All comparisons of two representations at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from embgeo.errors import Undefined
from embgeo.metrics.comparison.cka import linear_cka
from embgeo.metrics.comparison.information_imbalance import information_imbalance
from embgeo.metrics.comparison.neighbourhood_overlap import neighbourhood_overlap
from embgeo.metrics.comparison.pairing import check_pairing
from embgeo.metrics.comparison.procrustes import procrustes_error
from embgeo.metrics.comparison.svcca import svcca
from embgeo.space.space import Space

COMPARISONS: dict[str, Callable[[Space, Space], float]] = {
    "linear_cka": linear_cka,
    "svcca": svcca,
    "neighbourhood_overlap@10": neighbourhood_overlap,
    "information_imbalance_a_to_b": lambda a, b: information_imbalance(a, b).a_to_b,
    "information_imbalance_b_to_a": lambda a, b: information_imbalance(a, b).b_to_a,
    "procrustes_error": procrustes_error,
}


def compare_spaces(a: Space, b: Space, names: Iterable[str] = tuple(COMPARISONS)) -> dict[str, float | None]:
    """The comparisons called `names` of two spaces over the same documents by name; None where one is undefined.

    Raises `InputError` for different row counts.
    """
    check_pairing(a, b)
    found: dict[str, float | None] = {}
    for name in names:
        try:
            found[name] = COMPARISONS[name](a, b)
        except Undefined:
            found[name] = None
    return found
