"""The grammar of codecs: text ↔ Spec.

    spec = {reducer ","} quantizer          pca192,rot,int4 · trunc256,fp8 · binary

`parse(str(spec)) == spec`. The parts are found in the registries of `parts.py`.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from embgeo.compression.parts import QUANTIZERS, REDUCERS, Entry, Quantizer, Reducer, load_parts
from embgeo.errors import InputError, SpecError


@dataclass(frozen=True)
class Spec:
    """A codec by name: reducers in order, then one quantizer."""

    reducers: tuple[Reducer, ...]
    quantizer: Quantizer

    def __str__(self) -> str:
        return ",".join([*(part.name for part in self.reducers), self.quantizer.name])

    def width(self, dimension: int) -> int:
        """Coordinates that the quantizer sees; raises SpecError where a reducer cannot reduce `dimension`."""
        for part in self.reducers:
            try:
                dimension = part.width(dimension)
            except InputError as error:
                raise SpecError(f"spec {str(self)!r}: {error}") from None
        return dimension

    def code_bytes(self, dimension: int) -> int:
        """Marginal bytes per vector, known before anything is fitted; raises SpecError where a part cannot work."""
        width = self.width(dimension)
        try:
            return self.quantizer.code_bytes(width)
        except InputError as error:
            raise SpecError(f"spec {str(self)!r}: {error}") from None


def parse(text: str) -> Spec:
    """Read a spec; raises SpecError that points at the part that cannot be read."""
    load_parts()
    if not text.strip():
        raise SpecError("a spec needs at least a quantizer; got an empty one. Examples: int8 · pca192,fp8 · rot,int4")
    parts = text.split(",")
    position = 0
    reducers: list[Reducer] = []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        found = _match(part, QUANTIZERS if last else REDUCERS)
        if found is None:
            raise _unreadable(text, part, position, last)
        if not last:
            reducers.append(found)
        else:
            return Spec(tuple(reducers), found)
        position += len(part) + 1
    raise AssertionError("a split always has a last part")


def _match(part: str, registry: dict[str, Entry]) -> Any:
    for entry in registry.values():
        # no part needs a number of 19 digits, and Python refuses to read thousands of them
        if len(part) < 64 and (match := entry.pattern.fullmatch(part)):
            built = entry.build(*(int(group) for group in match.groups()))
            # one spelling each: pca0192 and pca192 must not be two rows
            return built if built.name == part else None
    return None


def _unreadable(text: str, part: str, position: int, last: bool) -> SpecError:
    kind, registry, other = ("quantizer", QUANTIZERS, REDUCERS) if last else ("reducer", REDUCERS, QUANTIZERS)
    place = f"spec {text[:80]!r}, character {position + 1}"
    part = part[:80]
    if _match(part, other) is not None:
        order = "a spec ends with its one quantizer, reducers stand before it"
        return SpecError(f"{place}: {part!r} stands where a {kind} must be; {order}, as in pca192,rot,int4")
    known = sorted(registry)
    near = difflib.get_close_matches(part, known, n=2, cutoff=0.6)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return SpecError(f"{place}: {part!r} is no {kind}.{hint} Known: {', '.join(known)}")
