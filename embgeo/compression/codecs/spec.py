"""The grammar of codecs: text ↔ Spec.

    spec = [index ","] {reducer ","} quantizer ["+" quantizer "@" factor | ",score=centred"]

    pca192,rot,int4 · trunc256,fp8 · binary · binary+int8@4 · pcac192,int8,score=centred · hnsw32ef128,int8

An index comes first and visits few documents per query, over the codes that the rest of the spec describes; its search
effort may follow its size (`hnsw32ef128`, `ivf256np8`).

The part after "+" rescores factor · k candidates of the first search with a second code of the whole vector.
`score=centred` compares as published storage studies do; see `Tier`.

`parse(str(spec)) == spec`. The parts are found in the registries of `part.py`.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import Any

from embgeo.compression.codecs.part import INDICES, QUANTIZERS, REDUCERS, Entry, Index, Quantizer, Reducer, load_parts
from embgeo.compression.codecs.spellings import spec_suggestions
from embgeo.errors import InputError, SpecError

CENTRED = "score=centred"


@dataclass(frozen=True)
class Spec:
    """A codec by name: reducers in order, one quantizer, and perhaps a second one that rescores, and an index.

    `centred` asks for the arithmetic of published storage studies instead of float query × decoded document.
    """

    reducers: tuple[Reducer, ...]
    quantizer: Quantizer
    rescorer: Quantizer | None = None
    factor: int = 1
    centred: bool = False
    index: Index | None = None

    def __str__(self) -> str:
        last = [CENTRED] if self.centred else []
        first = [] if self.index is None else [self.index.name]
        text = ",".join([*first, *(part.name for part in self.reducers), self.quantizer.name, *last])
        return text if self.rescorer is None else f"{text}+{self.rescorer.name}@{self.factor}"

    @property
    def flat(self) -> Spec:
        """The same codec without an index: what is fitted and stored, and what the index is compared with."""
        return replace(self, index=None)

    @property
    def tiers(self) -> tuple[Spec, ...]:
        """The codecs that are fitted: the one that is searched, then the one that rescores, if any."""
        first = Spec(self.reducers, self.quantizer, centred=self.centred)
        return (first,) if self.rescorer is None else (first, Spec((), self.rescorer))

    @property
    def learns_from_queries(self) -> bool:
        """Whether a part is fitted on queries, which must then not evaluate it."""
        return any(part.learns_from_queries for part in self.reducers)

    @property
    def own_metric(self) -> bool:
        """Whether a part compares by another metric on purpose, or would but for its number (`white0`)."""
        return any(part.neutral is not None for part in self.reducers)

    @property
    def neutral(self) -> Spec:
        """The same codec by the metric of the vectors, judged in the same way: what a change of metric is against."""
        return replace(self, reducers=tuple(part.neutral or part for part in self.reducers))

    @property
    def plain(self) -> Spec:
        """The same codec without the parts that may change the metric."""
        return replace(self, reducers=tuple(part for part in self.reducers if part.neutral is None))

    def width(self, dimension: int) -> int:
        """Coordinates that the quantizer sees; raises SpecError if a reducer cannot reduce `dimension`."""
        for part in self.reducers:
            try:
                dimension = part.width(dimension)
            except InputError as error:
                raise SpecError(f"spec {str(self)!r}: {error}") from None
        return dimension

    def code_bytes(self, dimension: int) -> int:
        """Marginal bytes per vector, both tiers, known before a fit; SpecError if a part cannot work.

        Codes alone: what an index adds is `structure_bytes_per_vector`.
        """
        width = self.width(dimension)
        try:
            if self.index is not None:
                self.index.check()
            second = 0 if self.rescorer is None else self.rescorer.code_bytes(dimension)
            return self.quantizer.code_bytes(width) + second
        except InputError as error:
            raise SpecError(f"spec {str(self)!r}: {error}") from None

    @property
    def structure_bytes_per_vector(self) -> int:
        """What one more vector adds to links or lists; 0 without an index."""
        return 0 if self.index is None else self.index.marginal_bytes

    def check_documents(self, documents: int) -> None:
        """Raise SpecError if the index needs more documents than there are."""
        try:
            if self.index is not None:
                self.index.check(documents)
        except InputError as error:
            raise SpecError(f"spec {str(self)!r}: {error}") from None


def parse(text: str) -> Spec:
    """Read a spec; raises SpecError that points at the part that cannot be read."""
    return _read(text, suggest=True)


def _read(text: str, suggest: bool) -> Spec:
    """`parse`; without `suggest`, errors suggest no other spec."""
    load_parts()
    if not text.strip():
        raise SpecError("a spec needs at least a quantizer; got an empty one. Examples: int8 · pca192,fp8 · rot,int4")
    head, plus, tail = text.partition("+")
    rescorer, factor = _rescoring(text, tail, len(head) + 1, suggest) if plus else (None, 1)
    parts = head.split(",")
    centred = len(parts) > 1 and parts[-1] == CENTRED
    if centred:
        parts.pop()
        if rescorer is not None:
            raise SpecError(f"spec {text[:80]!r}: {CENTRED} compares codes with codes and cannot be rescored; drop one")
    position = 0
    index: Index | None = None
    if len(parts) > 1 and (index := _match(parts[0], INDICES)) is not None:
        position = len(parts.pop(0)) + 1
        if centred:
            raise SpecError(f"spec {text[:80]!r}: {CENTRED} compares codes with codes and takes no index; drop one")
    reducers: list[Reducer] = []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        found = _match(part, QUANTIZERS if last else REDUCERS)
        if found is None:
            raise _unreadable(text, part, position, suggest, last, first=number == 0 and index is None)
        if not last:
            reducers.append(found)
        else:
            return Spec(tuple(reducers), found, rescorer, factor, centred, index)
        position += len(part) + 1
    raise AssertionError("a split always has a last part")


def _rescoring(text: str, tail: str, position: int, suggest: bool) -> tuple[Quantizer, int]:
    name, at, factor = tail.rpartition("@")
    if not at or not re.fullmatch(r"[1-9]\d{0,3}", factor):
        raise SpecError(
            f"spec {text!r}, character {position + 1}: rescoring is written +QUANTIZER@FACTOR with a factor from 1 to "
            "9999, as in binary+int8@4"
        )
    found = _match(name, QUANTIZERS)
    if found is None:
        raise _unreadable(text, name, position, suggest, last=True)
    return found, int(factor)


def _match(part: str, registry: dict[str, Entry]) -> Any:
    for entry in registry.values():
        # no part needs a number of 19 digits, and Python refuses to read thousands of them
        if len(part) < 64 and (match := entry.pattern.fullmatch(part)):
            built = entry.build(*(None if group is None else int(group) for group in match.groups()))
            # one spelling each: pca0192 and pca192 must not be two rows
            return built if built.name == part else None
    return None


def _unreadable(text: str, part: str, position: int, suggest: bool, last: bool, first: bool = False) -> SpecError:
    kind, registry, other = ("quantizer", QUANTIZERS, REDUCERS) if last else ("reducer", REDUCERS, QUANTIZERS)
    place = f"spec {text[:80]!r}, character {position + 1}"
    part = part[:80]
    if _match(part, other) is not None:
        order = "a spec ends with its one quantizer, after any reducers"
        return SpecError(f"{place}: {part!r} is where a {kind} must be; {order}, as in pca192,rot,int4")
    if _match(part, INDICES) is not None:
        order = "an index comes first, before reducers and the quantizer"
        return SpecError(f"{place}: {part!r} is where a {kind} must be; {order}, as in hnsw32,int8")
    known = sorted([*registry, *(INDICES if first and not last else ())])
    kind = "reducer or index" if first and not last else kind
    near = [meant for meant in spec_suggestions(text) if suggest and meant != text and _is_spec(meant)][:1]
    near = near or difflib.get_close_matches(part, known, n=2, cutoff=0.6)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return SpecError(f"{place}: unknown {kind} {part!r}.{hint} Known: {', '.join(known)}")


def _is_spec(text: str) -> bool:
    try:
        _read(text, suggest=False)
    except SpecError:
        return False
    return True
