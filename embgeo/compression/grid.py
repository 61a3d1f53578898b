"""The specs that a sweep runs when none are named."""

from __future__ import annotations

from embgeo.compression.budget import Budget
from embgeo.compression.spec import Spec, parse

_PLAIN = ("f16", "bf16", "fp8", "fp8e5m2", "fp8raw", "int8", "int4", "rot,int4", "binary", "rot,binary")
_REDUCED = ("f16", "fp8", "int8", "rot,int4", "binary")
_SHARES = (0.75, 0.5, 0.25)


def default_specs(dimension: int, budget: Budget | None = None) -> list[Spec]:
    """About 35 specs that span 1/2 to 1/128 of float32 for an embedding of `dimension`.

    A budget per vector adds the adaptive codec of exactly that size: it is the one family that can use every byte.
    """
    texts = ["f32", *_PLAIN]
    for share in _SHARES:
        width = _round(dimension * share)
        texts += [f"pca{width},{quantizer}" for quantizer in _REDUCED]
    half = _round(dimension / 2)
    texts += [f"pcac{half},{quantizer}" for quantizer in ("int8", "rot,int4")]
    texts += [f"trunc{half},{quantizer}" for quantizer in ("int8", "rot,int4")]
    texts += [f"trunc{_round(dimension / 4)},int8"]
    sizes = [size for size in (dimension // 2, dimension // 4, dimension // 8, dimension // 16) if size]
    if budget is not None and budget.per_vector is not None and 1 <= budget.per_vector <= dimension:
        sizes.append(int(budget.per_vector))
    texts += [f"adaptive@{size}B" for size in sorted(set(sizes), reverse=True)]
    return [parse(text) for text in dict.fromkeys(texts)]


def _round(width: float) -> int:
    """Multiples of 8 where the dimension allows, so that no code ends in a half-used byte."""
    return max(1, int(width) // 8 * 8 or int(width))
