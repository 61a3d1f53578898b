"""The specs that a sweep runs when none are named."""

from __future__ import annotations

from embgeo.compression.spec import Spec, parse

_PLAIN = ("f16", "bf16", "fp8", "fp8e5m2", "fp8raw", "int8", "int4", "rot,int4", "binary", "rot,binary")
_REDUCED = ("f16", "fp8", "int8", "rot,int4", "binary")
_SHARES = (0.75, 0.5, 0.25)


def default_specs(dimension: int) -> list[Spec]:
    """About thirty specs that span 1/2 to 1/128 of float32 for an embedding of `dimension`."""
    texts = ["f32", *_PLAIN]
    for share in _SHARES:
        width = _round(dimension * share)
        texts += [f"pca{width},{quantizer}" for quantizer in _REDUCED]
    half = _round(dimension / 2)
    texts += [f"pcac{half},{quantizer}" for quantizer in ("int8", "rot,int4")]
    texts += [f"trunc{half},{quantizer}" for quantizer in ("int8", "rot,int4")]
    texts += [f"trunc{_round(dimension / 4)},int8"]
    return [parse(text) for text in dict.fromkeys(texts)]


def _round(width: float) -> int:
    """Multiples of 8 where the dimension allows, so that no code ends in a half-used byte."""
    return max(1, int(width) // 8 * 8 or int(width))
