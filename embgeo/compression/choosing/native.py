"""Whether a vector store holds a spec in a format of its own, and as what: plans and refusals, nothing loaded.

A store declares its formats, metrics and indices as a `NativeStore`; `plan_in` finds the format of a spec, or the
nearest spec that has one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from embgeo.compression.choosing.account import CODES_ALONE, Account, Footprint, Kept
from embgeo.compression.codecs.spec import Spec, parse
from embgeo.errors import SpecError

SAME, APPROXIMATE = "same", "approximate"
COSINE = ("cosine", "cos")
CUT_SHARE = 4  # SciFact × MiniLM: pca96,f16 .604, pca48,f16 .490, and sign bits in half the bytes .588 (Hamming)
SIGNS = ("binary", "hamming")
HAMMING = (
    "Hamming distance rounds the query to signs too, which embgeo's binary does not: on SciFact × MiniLM nDCG@10 .581 "
    "to .589 instead of .623, after pca192 .481 to .485 instead of .583"
)
OTHER_GRAPH = "the store builds links and lists itself: recall and speed follow its own settings"


@dataclass(frozen=True)
class Plan:
    """How a store holds a spec.

    Attributes
    ----------
    native : the configuration in the store's own words, one or more lines.
    predicted : the spec whose quality in sample predicts that of the store.
    fidelity : `same` if the store does what `predicted` says, otherwise `approximate`; `notes` has the difference.
    code_bytes : of one more vector, codes alone: no ids, links, or overhead of the store.
    original_bytes : of the uncompressed vector that the store keeps beside the codes, 0 if it keeps none.
    footprint : bytes by the store's own account, all that it adds to the codes included.
    client : the reducers that the client applies to documents and queries, in order.
    config : what the target's engine makes of it; empty for a target without an engine.
    """

    native: str
    predicted: str
    fidelity: str
    code_bytes: int
    original_bytes: int
    footprint: Footprint
    client: tuple[str, ...]
    notes: tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Refusal:
    """Why a store cannot hold a spec, and the spec of about its bytes that it holds; None if it holds none here."""

    reason: str
    nearest: str | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Wanted:
    """What a format is asked for: a spec at a dimension, seen from the store.

    Attributes
    ----------
    width : coordinates of a projected vector.
    metric : how the store compares, in the store's word.
    rotated : whether a rotation comes last before the quantizer.
    """

    spec: Spec
    dimension: int
    width: int
    similarity: str
    metric: str
    rotated: bool

    @property
    def quantizer(self) -> str:
        return self.spec.quantizer.name

    @property
    def signs_bytes(self) -> int:
        return (self.width + 7) // 8


@dataclass(frozen=True)
class Native:
    """A number format of a store.

    Attributes
    ----------
    native : the configuration in the store's words.
    code_bytes : of a vector.
    fidelity, notes : see `Plan`.
    quantizer : what predicts it, `int8` or `rot,int4`; None: the quantizer of the spec.
    keeps_original : whether the store keeps float32 vectors beside the codes, and so can rescore with them.
    rotates : whether the store rotates vectors itself.
    config : see `Plan`.
    """

    native: str
    code_bytes: int
    fidelity: str = SAME
    notes: tuple[str, ...] = ()
    quantizer: str | None = None
    keeps_original: bool = False
    rotates: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NativeStore:
    """What a store can hold.

    Attributes
    ----------
    name : as its makers write it.
    formats : the format for what is wanted, or the reason why there is none.
    metrics : the store's word for each similarity that it has.
    indices : `hnsw`, `ivf`: the kinds of index that it builds.
    held : quantizers and rescored ones that it may hold, among which the nearest to a refused spec is looked for.
    cut : what else stores fewer principal coordinates in the bytes of a refused spec, such as `f16`, and its bits per
        coordinate.
    max_width : the most coordinates it takes.
    account : what a vector takes in it beyond its codes.
    """

    name: str
    formats: Callable[[Wanted], Native | str]
    metrics: dict[str, str]
    indices: tuple[str, ...]
    held: tuple[str, ...]
    cut: tuple[str, int]
    max_width: int
    account: Account = CODES_ALONE


def plan_in(store: NativeStore, spec: Spec, dimension: int, similarity: str) -> Plan | Refusal:
    """How `store` holds `spec` for vectors of `dimension`, or why it cannot.

    Raises SpecError if the spec cannot work on that dimension.
    """
    spec.code_bytes(dimension)
    found = _plan(store, spec, dimension, similarity)
    return found if isinstance(found, Plan) else Refusal(found, nearest(store, spec, dimension, similarity))


def nearest(store: NativeStore, spec: Spec, dimension: int, similarity: str) -> str | None:
    """The spec that the store holds whose bytes are nearest, those that it holds as they are first by a little."""
    size = spec.code_bytes(dimension)
    best, least = None, math.inf
    for text in _candidates(store, spec, dimension):
        try:
            other = parse(text)
            other_size = other.code_bytes(dimension)
        except SpecError:
            continue
        found = _plan(store, other, dimension, similarity)
        if isinstance(found, Plan):
            changed = (other.index is None) != (spec.index is None)
            far = abs(math.log(other_size / size)) + 0.1 * (found.fidelity != SAME) + 0.2 * changed
            if far < least:
                best, least = text, far
    return best


def _candidates(store: NativeStore, spec: Spec, dimension: int) -> list[str]:
    """Specs near `spec`: as it is without what stores refuse, then other formats, with its reducers or without."""
    index = "" if spec.index is None else f"{spec.index.name},"
    axes = "".join(f"{part.name}," for part in spec.reducers if part.one_matrix and part.name != "rot")
    plain = replace(spec, index=None, centred=False)
    texts = [str(replace(plain, index=spec.index)), str(plain), str(plain.tiers[0])]
    for first in dict.fromkeys((index, "")):
        for reducers in dict.fromkeys((axes, "")):
            texts += [f"{first}{reducers}{held}" for held in (spec.quantizer.name, *store.held)]
    cut, bits = store.cut
    width = 8 * spec.code_bytes(dimension) // bits
    if dimension / CUT_SHARE <= width < dimension:
        texts += [f"{index}pca{width},{cut}", f"pca{width},{cut}"]
    return texts


def _plan(store: NativeStore, spec: Spec, dimension: int, similarity: str) -> Plan | str:
    wanted = _wanted(store, spec, dimension, similarity)
    if isinstance(wanted, str):
        return wanted
    native = store.formats(wanted)
    if isinstance(native, str):
        return native
    refused = _rescoring_refused(store, wanted, native)
    return refused or _planned(store, wanted, native)


def _wanted(store: NativeStore, spec: Spec, dimension: int, similarity: str) -> Wanted | str:
    """What the store is asked for, or what no format of it could change."""
    if similarity not in store.metrics:
        return f"{store.name} compares by {' and '.join(store.metrics)}; {similarity} cannot be asked of it"
    if spec.centred:
        return f"stores compare what codes decode to; {spec} compares the codes themselves"
    for part in spec.reducers:
        if not part.one_matrix:
            return (
                f"a client applies one matrix to documents and queries, and stores add nothing to scores; {part.name} "
                "needs more (its mean restored, or a map that is not linear)"
            )
    applied = [part.name for part in spec.reducers if part.name != "rot"]
    if spec.own_metric and len(applied) > 1:
        return (
            f"a client applies one matrix and may divide by lengths after it; {' and '.join(applied)} are two, one of "
            "which divides"
        )
    if spec.index is not None and not spec.index.name.startswith(store.indices):
        has = f"builds {' and '.join(store.indices)}" if store.indices else "scans all vectors and has no index"
        return f"{store.name} {has}; {spec} asks for {spec.index.name}"
    width = spec.width(dimension)
    if width > store.max_width:
        return f"{store.name} takes at most {store.max_width:,} coordinates; {spec} has {width:,}"
    rotated = bool(spec.reducers) and spec.reducers[-1].name == "rot"
    return Wanted(spec, dimension, width, similarity, store.metrics[similarity], rotated)


def _rescoring_refused(store: NativeStore, wanted: Wanted, native: Native) -> str:
    """Why the second tier cannot be had, or nothing."""
    rescorer = wanted.spec.rescorer
    if rescorer is None:
        return ""
    if rescorer.name != "f32":
        return f"{store.name} rescores with float32 vectors only; {wanted.spec} asks for {rescorer.name}"
    if not native.keeps_original:
        return f"{store.name} keeps no original vectors beside this format, so that it cannot rescore with them"
    if wanted.width != wanted.dimension:
        return f"{store.name} keeps the projected vectors, so that it cannot rescore with whole ones"
    return ""


def _planned(store: NativeStore, wanted: Wanted, native: Native) -> Plan:
    spec, cut = wanted.spec, any(not part.keeps_lengths for part in wanted.spec.reducers)
    client = [part.name for part in spec.reducers]
    if native.rotates and wanted.rotated:
        client.pop()
    notes, fidelity = list(native.notes), native.fidelity
    if wanted.similarity == "cosine" and wanted.metric.casefold() not in COSINE:
        notes.append("the client divides vectors by their lengths first, so that inner products are cosines")
    if client:
        notes.append(f"the client applies {', '.join(client)} to documents and queries")
    if cut and wanted.similarity == "cosine" and wanted.metric.casefold() in COSINE:
        fidelity = APPROXIMATE
        notes.append(
            "cosine divides projected vectors by their lengths, which embgeo does not (pgvector: .641 for .642)"
        )
    if spec.index is not None:
        fidelity = APPROXIMATE
        notes.append(OTHER_GRAPH)
    return Plan(
        native=native.native,
        predicted=_predicted(wanted, native, client),
        fidelity=fidelity,
        code_bytes=native.code_bytes,
        original_bytes=_original_bytes(wanted, native),
        footprint=store.account.of(_kept(wanted, native)),
        client=tuple(client),
        notes=tuple(notes),
        config=native.config,
    )


def _original_bytes(wanted: Wanted, native: Native) -> int:
    return 4 * wanted.width if native.keeps_original else 0


def _kept(wanted: Wanted, native: Native) -> Kept:
    numbers, index = numbers_of(wanted.spec), wanted.spec.index
    lists = index is not None and index.name.startswith("ivf")
    links = numbers[0] if numbers and not lists else 0
    return Kept(wanted.quantizer, wanted.width, native.code_bytes, _original_bytes(wanted, native), links, lists)


def _predicted(wanted: Wanted, native: Native, client: list[str]) -> str:
    spec = wanted.spec
    head = ",".join([*client, native.quantizer or spec.quantizer.name])
    index = "" if spec.index is None else f"{spec.index.name},"
    tail = "" if spec.rescorer is None else f"+{spec.rescorer.name}@{spec.factor}"
    return f"{index}{head}{tail}"


def signs(wanted: Wanted, native: str, **more: Any) -> Native:
    """A format of sign bits that are compared by Hamming distance."""
    same, notes = wanted.quantizer == "hamming", more.pop("notes", ())
    fidelity, notes = (SAME, notes) if same else (APPROXIMATE, (HAMMING, *notes))
    return Native(native, wanted.signs_bytes, fidelity, notes, quantizer="hamming", **more)


def no_format(store: str, wanted: Wanted) -> str:
    """The reason why none of the store's formats will do."""
    return f"{store} has no format for {wanted.quantizer}"


def numbers_of(spec: Spec) -> list[int]:
    """Links and beam width of a graph, or lists and lists probed: those of the spec; empty without an index."""
    if spec.index is None:
        return []
    first = re.search(r"\d+", spec.index.name)
    return [int(first[0]) if first else 0, spec.index.effort]
