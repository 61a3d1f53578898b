"""The parts of a spec: reducers, quantizers, indices, their registries, and what a fitted part declares about itself.

A part is a frozen dataclass with one printable name (`pca192`, `int8`, `hnsw32`). `fit` learns from documents and
returns a fitted part: a frozen dataclass whose array fields are its state and whose other fields are plain numbers; an
index is built over codes instead, by `build`. To add one, write one file that derives from the base classes here and
decorate the class; the grammar, the byte account, the store, every search backend, the sweep and the laws in tests find
it. Whatever else a part may declare (a sum over levels, a FAISS index, a cost) has a default here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from embgeo.compression.codecs.cost import PRODUCT, Cost
from embgeo.errors import InputError
from embgeo.plugins import import_modules, load_plugins

if TYPE_CHECKING:
    from embgeo.compression.codecs.additive_code import AdditiveCode
    from embgeo.compression.codecs.codec import Tier
    from embgeo.compression.codecs.summed_code import SummedCode
    from embgeo.compression.codecs.table_code import PlainCode, TableCode
    from embgeo.compression.codecs.training import Training
    from embgeo.compression.search.searcher import EffortSearcher


class FittedPart:
    """Base of everything that a store holds besides codes: arrays and numbers, under a stable kind.

    `kind` is written into stores and never changes, even if the class is renamed.
    """

    kind: ClassVar[str]

    @property
    def state(self) -> dict[str, np.ndarray]:
        """The arrays by field name: what a store must hold to decode."""
        return {name: value for name, value in self._values() if isinstance(value, np.ndarray)}

    @property
    def state_bytes(self) -> int:
        return sum(array.nbytes for array in self.state.values())

    @property
    def numbers(self) -> dict[str, Any]:
        """The plain fields, JSON values."""
        return {name: value for name, value in self._values() if not isinstance(value, np.ndarray)}

    def _values(self) -> list[tuple[str, Any]]:
        return [(field.name, getattr(self, field.name)) for field in fields(self)]  # type: ignore[arg-type]


class FittedReducer(FittedPart):
    """Maps documents and queries into the space that is quantized."""

    @property
    def foldable(self) -> bool:
        """Whether it only multiplies documents and queries by one matrix, and so folds into a matrix before it."""
        return False

    @property
    def unit_matrix(self) -> np.ndarray | None:
        """(d, r), if it only multiplies documents and queries by it and divides them by their lengths; or None."""
        return None

    def documents(self, X: np.ndarray) -> np.ndarray:
        """(n, d) → (n, r) float32."""
        raise NotImplementedError

    def queries(self, Q: np.ndarray, similarity: str) -> tuple[np.ndarray, np.ndarray]:
        """(m, d) → (m, r) float32 and a bias (m,) that completes the score (the mean's share of q·x)."""
        raise NotImplementedError

    def fold(self, second: FittedReducer) -> FittedReducer | None:
        """This and a foldable reducer after it merged into one that is no larger, or None."""
        return None

    @property
    def input_width(self) -> int | None:
        """d, if the state shows it."""
        return None


class FittedQuantizer(FittedPart):
    """Coordinates ↔ bytes, frozen."""

    @property
    def faiss_rounds_queries(self) -> bool:
        """Whether FAISS scores a rounded query on some processors: it may hold the codes, but does not search here."""
        return False

    @property
    def code_bytes(self) -> int:
        raise NotImplementedError

    def encode(self, Z: np.ndarray) -> np.ndarray:
        """(n, r) float32 → (n, code_bytes) uint8; values out of range saturate."""
        raise NotImplementedError

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, code_bytes) uint8 → (n, r) float32."""
        raise NotImplementedError

    def query_side(self, Z: np.ndarray) -> np.ndarray:
        """(m, r) float32: what is compared with decoded documents, by default the reduced queries Z (m, r)."""
        return Z

    def raw_values(self, codes: np.ndarray) -> np.ndarray:
        """(n, r) float32: what `score=centred` compares; the decoded values if the format has no others."""
        return self.decode(codes)

    def summed_code(self) -> SummedCode | None:
        """Its code as a sum over levels, or None: lets one compiled loop scan it, flat and under every index."""
        table = self.table_code()
        if table is None or table.centroids.shape[2] > 1:
            return None
        return table.summed_code()

    def table_code(self) -> TableCode | None:
        """Its code as parts that are each decoded by a table, or None: lets FAISS hold it."""
        return None

    def additive_code(self) -> AdditiveCode | None:
        """Its code as a sum of codewords, or None: lets a FAISS file hold it if there is no table code."""
        return None

    def faiss_index(self, metric: int) -> Any | None:
        """An empty trained flat FAISS index that takes the codes as they are and searches fast, or None."""
        return None

    def plain_code(self) -> PlainCode | None:
        """Its code as a number for each coordinate, or None: lets a GPU multiply it as it is."""
        return None


class Part:
    """Base of the parts of a spec; `name` prints and parses."""

    spelling: ClassVar[str]
    """How it is written, its fields in braces: `tq{bits}`."""

    @property
    def name(self) -> str:
        return self.spelling.format_map(vars(self))


class Reducer(Part):
    """Maps vectors to fewer or other coordinates."""

    learns_from_queries: ClassVar[bool] = False
    """Whether `fit` reads `training.queries`, which must then not evaluate it."""
    principal_axes: ClassVar[bool] = False
    """Whether its coordinates are those of the directions of largest variance, uncentred and unscaled."""
    for_trained_models: ClassVar[bool] = False
    """Whether it is meant for models that were trained for it (Matryoshka)."""
    keeps_lengths: ClassVar[bool] = False
    """Whether unit vectors still are afterwards, so that cosine and inner product rank alike."""
    one_matrix: ClassVar[bool] = True
    """Whether a client can apply it by a matrix for documents and one for queries, with nothing added to scores."""

    @property
    def neutral(self) -> Reducer | None:
        """If it compares by another metric on purpose, the one of its kind that keeps every score; otherwise None.

        Recall of exact neighbours then falls by construction, and only judgements can tell whether results improve.
        """
        return None

    @property
    def learned_width(self) -> int:
        """How many directions it learns: with fewer documents per fold it is not offered by default."""
        return 1

    def width(self, dimension: int) -> int:
        """Output width for an input of `dimension`; raises InputError if it cannot work."""
        raise NotImplementedError

    def fit(self, Z: np.ndarray, training: Training) -> FittedReducer:
        """Learn from Z (n, d): the training rows after all earlier reducers (`training.X` for the first)."""
        raise NotImplementedError

    def cost(self, documents: int, rows: int, width: int) -> Cost:
        """CPU seconds to fit on `rows` and to map `documents` of `width` coordinates; a product by default."""
        return Cost(0.0, documents * width * self.width(width) * PRODUCT)

    def offered_for(self, similarity: str) -> bool:
        """Whether the default specs may include it under this similarity."""
        return True


class Quantizer(Part):
    """Maps coordinates to fewer bits."""

    training_rows_needed: ClassVar[int] = 0
    """With fewer documents it overfits."""
    centroids: ClassVar[int] = 1
    """Centroids of each of its codebooks."""
    plain_signs: ClassVar[bool] = False
    """Whether it keeps the sign of each coordinate and nothing else."""
    rounds_queries: ClassVar[bool] = False
    """Whether a query is rounded too, by `query_side`."""
    bits: int
    """Bits per coordinate, if the same for all."""
    factor_bytes: ClassVar[int] = 0
    """What a code holds besides the coordinates, such as a scale per vector."""

    @property
    def before(self) -> tuple[Reducer, ...]:
        """Reducers that belong to it and come just before it (its own axes), not printed separately."""
        return ()

    def code_bytes(self, width: int) -> int:
        """Marginal bytes of a vector of `width` coordinates; raises InputError if it cannot work on that width."""
        return (width * self.bits + 7) // 8 + self.factor_bytes

    def fit(self, Z: np.ndarray, training: Training) -> FittedQuantizer:
        raise NotImplementedError

    def cost(self, documents: int, rows: int, width: int) -> Cost:
        """CPU seconds to fit on `rows` and to encode `documents` of `width` coordinates."""
        return Cost(0.0, 0.0)


@dataclass(frozen=True)
class Narrowing(Reducer):
    """A reducer to a given number of dimensions."""

    dimensions: int

    @property
    def learned_width(self) -> int:
        return self.dimensions

    def width(self, dimension: int) -> int:
        if not 1 <= self.dimensions <= dimension:
            raise InputError(f"{self.name} needs between 1 and {dimension} dimensions here; got {self.dimensions}")
        return self.dimensions


class Structure(FittedPart):
    """A built index without the vectors: links or lists, as arrays, for codes that are kept elsewhere."""

    metric: str
    """`inner_product` or `l2`, what it was built under."""
    effort: int
    """The default search effort: the beam width of a graph, the lists probed."""

    def check(self, rows: int, width: int) -> None:
        """Raise ValueError if the arrays do not describe `rows` documents of `width` coordinates."""
        raise NotImplementedError

    @property
    def growing_bytes(self) -> int:
        """The bytes that grow with the documents."""
        return self.state_bytes

    def searcher(self, tier: Tier, codes: np.ndarray) -> EffortSearcher:
        """Our own search with it, scored by looking bytes up or by decoding."""
        raise NotImplementedError

    def on_faiss(self, flat: Any, codes: np.ndarray) -> Any:
        """A FAISS index of this structure over `codes`, in the format of `flat`, an empty index that takes them."""
        raise NotImplementedError

    def faiss_parameters(self, effort: int) -> Any:
        """FAISS search parameters for an effort."""
        raise NotImplementedError

    @property
    def faiss_ram_bytes(self) -> int:
        """Bytes that FAISS holds for it in memory, without codes."""
        raise NotImplementedError

    @property
    def faiss_file_bytes(self) -> int:
        """Bytes that FAISS writes for it beyond an empty index, without codes."""
        raise NotImplementedError

    def without_rows(self, flat: Any) -> Any:
        """The same FAISS index without documents: its headers and constants."""
        raise NotImplementedError


class Index(Part):
    """A way to visit few documents per query."""

    label: ClassVar[str]
    """What precedes the effort in a spec: `ef`, `np`."""

    @property
    def training_rows_needed(self) -> int:
        """With fewer documents it overfits."""
        return 0

    @property
    def effort(self) -> int:
        raise NotImplementedError

    @property
    def marginal_bytes(self) -> int:
        """What one more vector adds to the structure, rounded up."""
        raise NotImplementedError

    def structure_bytes(self, rows: int, width: int) -> int:
        """Exact bytes of the structure over `rows` documents of `width` coordinates, known before it is built."""
        raise NotImplementedError

    def check(self, documents: int | None = None) -> None:
        """Raise InputError if its numbers are invalid, or there are too few documents for them."""
        raise NotImplementedError

    def efforts(self, documents: int) -> list[int]:
        """A few efforts, ascending, from fast to nearly everything."""
        raise NotImplementedError

    def pool(self, k: int) -> int:
        """How many results can be requested without visiting more documents than a search for `k` does."""
        raise NotImplementedError

    def build(self, X: np.ndarray, sample: np.ndarray, similarity: str, seed: int) -> Structure:
        """Over decoded documents X (n, r); `sample` (s, r) are the fit rows in the same space."""
        raise NotImplementedError


P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class Entry:
    """A registered part: how it is written, what it does, the class that a match builds, and what that becomes."""

    pattern: re.Pattern[str]
    example: str
    summary: str
    fitted: type[FittedPart]
    build: Callable[..., Any]


REDUCERS: dict[str, Entry] = {}
QUANTIZERS: dict[str, Entry] = {}
INDICES: dict[str, Entry] = {}


def reducer(pattern: str, *, example: str, summary: str, fitted: type[FittedPart]) -> Callable[[type[P]], type[P]]:
    """Register a reducer class; the pattern's groups become its integer arguments."""
    return _register(REDUCERS, pattern, example, summary, fitted)


def quantizer(pattern: str, *, example: str, summary: str, fitted: type[FittedPart]) -> Callable[[type[P]], type[P]]:
    """Register a quantizer class; the pattern's groups become its integer arguments."""
    return _register(QUANTIZERS, pattern, example, summary, fitted)


def index(pattern: str, *, example: str, summary: str, fitted: type[FittedPart]) -> Callable[[type[P]], type[P]]:
    """Register an index class; the pattern's groups become its integer arguments, None if one is left out."""
    return _register(INDICES, pattern, example, summary, fitted)


def _register(
    registry: dict[str, Entry], pattern: str, example: str, summary: str, fitted: type[FittedPart]
) -> Callable[[type[P]], type[P]]:
    def add(cls: type[P]) -> type[P]:
        taken = [*REDUCERS.values(), *QUANTIZERS.values(), *INDICES.values()]
        clash = [entry for entry in taken if entry.pattern.fullmatch(example)]
        if example in registry or clash:
            raise ValueError(f"{example!r} is taken: a part with that pattern is registered already")
        if any(entry.fitted.kind == fitted.kind and entry.fitted is not fitted for entry in taken):
            raise ValueError(f"kind {fitted.kind!r} is taken: stores could not tell {example!r} from another part")
        registry[example] = Entry(re.compile(pattern), example, summary, fitted, cls)
        return cls

    return add


@cache
def load_parts() -> None:
    """Import every file of the families of parts, and plug-ins, which registers them."""
    for family in ("codecs.reducers", "codecs.quantizers", "search.indices"):
        import_modules(f"embgeo.compression.{family}")
    load_plugins()


def restore(manifest: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    """The fitted part of that `kind`, numbers and arrays; KeyError or TypeError if there is none.

    A field that is neither a number nor stored as an array was None.
    """
    load_parts()
    kinds = {e.fitted.kind: e.fitted for e in [*REDUCERS.values(), *QUANTIZERS.values(), *INDICES.values()]}
    numbers = {name: value for name, value in manifest.items() if name != "kind"}
    return kinds[manifest["kind"]](**arrays, **numbers)
