"""The specs that a sweep runs when none are named."""

from __future__ import annotations

from collections.abc import Iterator

from embgeo.compression.budget import Budget
from embgeo.compression.spec import Spec, parse

_PLAIN = ("f16", "bf16", "fp8", "fp8e5m2", "fp8raw", "int8", "int4", "rot,int4", "binary", "rot,binary")
_REDUCED = ("f16", "fp8", "int8", "rot,int4", "binary")
_SHARES = (3 / 4, 1 / 2, 1 / 4)
_MORE_REDUCED = ("f16", "fp8", "fp8e5m2", "int8", "int4", "rot,int4", "binary", "rot,binary")
_MORE_PLAIN = (
    "fp4", "fp4b16", "fp4b32", "dp4", "int4opt", "lvq8", "lvq4", "ternary", "binarym", "itq",
    *(f"rot,tq{bits}" for bits in (1, 2, 3, 4)),
    *(f"rot,eden{bits}" for bits in (1, 2, 3, 4)),
    *(f"rot,rabitq{bits}" for bits in (1, 2, 3, 4)),
)  # fmt: skip
_MORE_SHARES = (7 / 8, 3 / 4, 5 / 8, 1 / 2, 3 / 8, 1 / 4, 1 / 8)


def default_specs(dimension: int, budget: Budget | None = None, exhaustive: bool = False) -> list[Spec]:
    """About 35 specs that span 1/2 to 1/128 of float32 for an embedding of `dimension`; `exhaustive` gives some 230.

    A budget per vector adds the adaptive codec of exactly that size: it is the one family that can use every byte.
    """
    texts = ["f32", *_PLAIN]
    texts += _exhaustive(dimension) if exhaustive else _reduced(dimension)
    parts = (2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32) if exhaustive else (2, 4, 8, 16)
    sizes = {dimension // part for part in parts}
    if budget is not None and budget.per_vector is not None and budget.per_vector <= dimension:
        sizes.add(int(budget.per_vector))
    texts += [f"adaptive@{size}B" for size in sorted(sizes, reverse=True) if size]
    return [parse(text) for text in dict.fromkeys(texts)]


def _reduced(dimension: int) -> Iterator[str]:
    for share in _SHARES:
        for quantizer in _REDUCED:
            yield f"pca{_round(dimension * share)},{quantizer}"
    half = _round(dimension / 2)
    for reducer in ("pcac", "trunc"):
        for quantizer in ("int8", "rot,int4"):
            yield f"{reducer}{half},{quantizer}"
    yield f"trunc{_round(dimension / 4)},int8"


def _exhaustive(dimension: int) -> Iterator[str]:
    for share in _MORE_SHARES:
        for reducer in ("pca", "pcac", "trunc"):
            for quantizer in _MORE_REDUCED:
                yield f"{reducer}{_round(dimension * share)},{quantizer}"
    for quantizer in _MORE_PLAIN:
        yield quantizer
    for size in (dimension // 4, dimension // 8, dimension // 16):
        # product quantization needs parts of equal width
        if size and dimension % size == 0:
            yield from (f"pq{size}", f"opq{size}")
        if size and dimension % (2 * size) == 0:
            yield f"pq{2 * size}x4"
    for search in ("binary", f"adaptive@{max(1, dimension // 16)}B"):
        for rescorer in ("int8", "int4"):
            for factor in (2, 4, 10):
                yield f"{search}+{rescorer}@{factor}"


def _round(width: float) -> int:
    """Multiples of 8 where the dimension allows, so that no code ends in a half-used byte."""
    return max(1, int(width) // 8 * 8 or int(width))
