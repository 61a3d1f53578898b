"""What the parts of a stored spec do, in the words of their registration, for code that draws results."""

from __future__ import annotations

import re


def part_summaries(spec: str) -> list[tuple[str, str]]:
    """(part, what it does) for every part of a spec that this installation knows, in the order of the spec."""
    from embgeo.compression.codecs.part import INDICES, QUANTIZERS, REDUCERS, load_parts

    load_parts()
    known = [*INDICES.values(), *REDUCERS.values(), *QUANTIZERS.values()]
    written = (re.sub("^(.*)@[0-9]+$", r"\1", part) for part in re.split("[,+]", spec[:200]))  # without the factor
    return [(part, entry.summary) for part in written for entry in known if entry.pattern.fullmatch(part)]
