"""The parts a spec is made of, their registries, and how a fitted part becomes arrays and back.

A part is a frozen value with one printable name (`pca192`, `int8`, `hnsw32`). `fit` learns from documents and returns a
fitted part: a frozen dataclass whose array fields are its state and whose other fields are plain numbers; an index is
built over codes instead, by `build`. To add one, write one file in `reducers/`, `quantizers/` or `indices/` and
decorate the class; the grammar, the byte account, the store, the sweep and the laws in tests find it.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from embgeo.errors import InputError

if TYPE_CHECKING:
    from embgeo.compression.codecs.training import Training


class FittedReducer(Protocol):
    """Maps documents and queries into the space that is quantized."""

    def documents(self, X: np.ndarray) -> np.ndarray:
        """(n, d) → (n, r) float32."""
        ...

    def queries(self, Q: np.ndarray, similarity: str) -> tuple[np.ndarray, np.ndarray]:
        """(m, d) → (m, r) float32 and a bias (m,) that completes the score (the mean's share of q·x)."""
        ...

    @property
    def foldable(self) -> bool:
        """Whether documents and queries are multiplied by one matrix and nothing else: it folds into one before it."""
        ...


class Reducer(Protocol):
    """Fewer or other coordinates; `name` prints and parses."""

    @property
    def name(self) -> str: ...

    def width(self, dimension: int) -> int:
        """Output width for an input of `dimension`; raises InputError where it cannot work."""
        ...

    def fit(self, Z: np.ndarray, training: Training) -> FittedReducer:
        """Learn from Z (n, d): the training rows after the reducers before this one (`training.X` for the first)."""
        ...


class FittedQuantizer(Protocol):
    """Coordinates ↔ bytes, frozen."""

    @property
    def code_bytes(self) -> int: ...

    def encode(self, Z: np.ndarray) -> np.ndarray:
        """(n, r) float32 → (n, code_bytes) uint8; values out of range saturate."""
        ...

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, code_bytes) uint8 → (n, r) float32."""
        ...


class Quantizer(Protocol):
    """Fewer bits; `name` prints and parses.

    `before` are reducers that belong to the quantizer and come just before it (its own axes), not printed apart.
    """

    @property
    def name(self) -> str: ...

    @property
    def before(self) -> tuple[Reducer, ...]: ...

    def code_bytes(self, width: int) -> int:
        """Marginal bytes of a vector of `width` coordinates; raises InputError where it cannot work on that width."""
        ...

    def fit(self, Z: np.ndarray, training: Training) -> FittedQuantizer: ...


class Structure(Protocol):
    """A built index without the vectors: links or lists, as arrays, for codes that are kept elsewhere."""

    @property
    def metric(self) -> str:
        """`inner_product` or `l2`, what it was built under."""
        ...

    @property
    def effort(self) -> int:
        """How much is visited a query: the beam of a graph, the lists probed."""
        ...

    def check(self, rows: int, width: int) -> None:
        """Raise ValueError where the arrays do not describe `rows` documents of `width` coordinates."""
        ...


class Index(Protocol):
    """A way to visit few documents a query; `name` prints and parses."""

    @property
    def name(self) -> str: ...

    @property
    def effort(self) -> int: ...

    @property
    def marginal_bytes(self) -> int:
        """What one more vector adds to the structure, rounded up."""
        ...

    def structure_bytes(self, rows: int, width: int) -> int:
        """Exact bytes of the structure over `rows` documents of `width` coordinates, known before it is built."""
        ...

    def check(self, documents: int | None = None) -> None:
        """Raise InputError where its numbers cannot work, or not on so few documents."""
        ...

    def efforts(self, documents: int) -> list[int]:
        """A few efforts, ascending, from fast to nearly everything."""
        ...

    def pool(self, k: int) -> int:
        """How many of the documents visited can be asked for without visiting more than a search for `k` does."""
        ...

    def build(self, X: np.ndarray, sample: np.ndarray, similarity: str, seed: int) -> Structure:
        """Over decoded documents X (n, r); `sample` (s, r) are the fit rows in the same space."""
        ...


P = TypeVar("P")


@dataclass(frozen=True)
class Entry:
    """A registered part: how it is written, what it does, and the class that a match builds."""

    pattern: re.Pattern[str]
    example: str
    summary: str
    fitted: type
    build: Callable[..., Any]


REDUCERS: dict[str, Entry] = {}
QUANTIZERS: dict[str, Entry] = {}
INDICES: dict[str, Entry] = {}


def reducer(pattern: str, *, example: str, summary: str, fitted: type) -> Callable[[type[P]], type[P]]:
    """Register a reducer class; the pattern's groups become its integer arguments."""
    return _register(REDUCERS, pattern, example, summary, fitted)


def quantizer(pattern: str, *, example: str, summary: str, fitted: type) -> Callable[[type[P]], type[P]]:
    """Register a quantizer class; the pattern's groups become its integer arguments."""
    return _register(QUANTIZERS, pattern, example, summary, fitted)


def index(pattern: str, *, example: str, summary: str, fitted: type) -> Callable[[type[P]], type[P]]:
    """Register an index class; the pattern's groups become its integer arguments, None where one is left out."""
    return _register(INDICES, pattern, example, summary, fitted)


def _register(
    registry: dict[str, Entry], pattern: str, example: str, summary: str, fitted: type
) -> Callable[[type[P]], type[P]]:
    def add(cls: type[P]) -> type[P]:
        taken = [*REDUCERS.values(), *QUANTIZERS.values(), *INDICES.values()]
        clash = [entry for entry in taken if entry.pattern.fullmatch(example)]
        if example in registry or clash:
            raise ValueError(f"{example!r} is taken: a part with that pattern is registered already")
        registry[example] = Entry(re.compile(pattern), example, summary, fitted, cls)
        return cls

    return add


@cache
def load_parts() -> None:
    """Import every file of `reducers/`, `quantizers/` and `indices/`, which registers them."""
    for family in ("codecs.reducers", "codecs.quantizers", "search.indices"):
        package = f"embgeo.compression.{family}"
        folder = importlib.import_module(package)
        for module in sorted(pkgutil.iter_modules(folder.__path__), key=lambda module: module.name):
            importlib.import_module(f"{package}.{module.name}")


def state_of(fitted: Any) -> dict[str, np.ndarray]:
    """The arrays of a fitted part by field name: what a store must hold to decode."""
    return {
        field.name: value for field in fields(fitted) if isinstance(value := getattr(fitted, field.name), np.ndarray)
    }


def numbers_of(fitted: Any) -> dict[str, Any]:
    """The plain (non-array) fields of a fitted part, JSON values."""
    return {
        field.name: value
        for field in fields(fitted)
        if not isinstance(value := getattr(fitted, field.name), np.ndarray)
    }


def restore(kind: type[P], arrays: Mapping[str, np.ndarray], numbers: Mapping[str, Any]) -> P:
    """Rebuild a fitted part from `state_of` and `numbers_of`."""
    return kind(**arrays, **numbers)


def check_width(name: str, width: int, dimension: int) -> int:
    """A reduced width must be between 1 and the dimension it reduces."""
    if not 1 <= width <= dimension:
        raise InputError(f"{name} needs between 1 and {dimension} dimensions here; got {width}")
    return width
