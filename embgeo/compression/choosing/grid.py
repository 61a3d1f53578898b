"""The specs that a sweep runs when none are named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from embgeo.compression.choosing.budget import Budget
from embgeo.compression.choosing.costs import predicted_seconds
from embgeo.compression.codecs.spec import Spec, parse
from embgeo.environment import versions
from embgeo.errors import InputError

FIT_BUDGET_SECONDS = 30.0
MIN_ROWS = 2  # documents per centroid or landmark, below which such a codec is not in the default grid

_PLAIN = (
    "f16", "bf16", "fp8", "fp8e5m2", "fp8raw", "int8", "int4", "int4opt", "int4k3", "rot,int4",
    "fp4", "fp4b16", "fp4b32", "dp4", "lvq8", "lvq4", "ternary", "binary", "binarym", "rot,binary",
    "rot,tq2", "rot,tq4", *(f"rot,tqc{bits}" for bits in (1, 2, 3, 4)),
    *(f"rot,eden{bits}" for bits in (1, 2, 4)),
    *(f"rot,rabitq{bits}" for bits in (1, 2)),
)  # fmt: skip
_LENGTHS = tuple(f"rot,edenc{bits}" for bits in (1, 2, 4))  # for rows of equal length tqc does as well
_REDUCED = ("f16", "fp8", "int8", "rot,int4", "binary")
_SHARES = (3 / 4, 1 / 2, 1 / 4)
_WHITE, _MORE_WHITE = (30,), (20, 30, 40)  # percent
_WHITE_PARTS = (4, 8, 16)  # dimension divided by bytes, for codecs of which whitening is tried
_MORE_WHITENED = ("int8", "rot,int4", "binary")
_PARTS = (2, 3, 4, 6, 8, 12, 16)  # dimension divided by bytes, for adaptive bits
_FACTORS = (2, 4, 10)  # candidates per result

_MORE_PLAIN = (
    *_PLAIN, "fp8e5m2raw", "fp4raw", "rot,fp4", "int8opt", "int8q9999", "int4q99", "int8k5", "binarymed", "itq",
    *(f"rot,tq{bits}" for bits in (1, 3, 5, 6, 8)), *(f"rot,tqc{bits}" for bits in (5, 6, 8)),
    "rot,eden3", "rot,edenc3", *_LENGTHS,
    *(f"rot,rabitq{bits}" for bits in (3, 4, 5, 6, 8)),
)  # fmt: skip
_MORE_REDUCED = ("f16", "fp8", "fp8e5m2", "int8", "int4", "rot,int4", "binary", "rot,binary")
_MORE_SHARES = (7 / 8, 3 / 4, 5 / 8, 1 / 2, 3 / 8, 1 / 4, 1 / 8)
_MORE_PARTS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32)


@dataclass(frozen=True)
class SpecList:
    """The specs that a sweep evaluates by default.

    Attributes
    ----------
    specs : float32 first.
    left_out : codecs too slow to train within the time budget, with their estimated CPU seconds.
    fit_budget_seconds : limit on the total training time of the slow ones; None if it was not applied.
    """

    specs: list[Spec]
    left_out: dict[str, float] = field(default_factory=dict)
    fit_budget_seconds: float | None = None


def default_grid(
    dimension: int, documents: int, similarity: str = "cosine", budget: Budget | None = None, exhaustive: bool = False
) -> SpecList:
    """The default specs, plus those slow to train (codebooks, kernels, networks) that fit the time budget.

    Slow codecs are considered in a fixed order, and each is taken if the sum of the estimates stays within the fit
    budget of 30 CPU seconds. `exhaustive` takes all.
    """
    specs = default_specs(dimension, budget, exhaustive)
    if similarity != "cosine":
        specs += [spec for spec in _possible(_LENGTHS, dimension) if spec not in specs]
    costly = [spec for spec in _possible(_costly(dimension), dimension) if _learnable(spec, documents, similarity)]
    if exhaustive:
        return SpecList([*specs, *(spec for spec in costly if spec not in specs)])
    spent, left_out = 0.0, {}
    for spec in costly:
        seconds = predicted_seconds(spec, documents, dimension)
        if spent + seconds <= FIT_BUDGET_SECONDS:
            spent += seconds
            specs.append(spec)
        else:
            left_out[str(spec)] = seconds
    return SpecList(specs, left_out, FIT_BUDGET_SECONDS)


def default_specs(dimension: int, budget: Budget | None = None, exhaustive: bool = False) -> list[Spec]:
    """Some 75 cheap specs of every family, 1/2 to 1/128 of float32 for an embedding of `dimension`; `exhaustive` gives
    some 280.

    A budget per vector adds the adaptive codec of exactly that size: it is the one family that can use every byte.
    """
    sizes = {dimension // part for part in (_MORE_PARTS if exhaustive else _PARTS)}
    if budget is not None and budget.per_vector is not None and budget.per_vector <= dimension:
        sizes.add(int(budget.per_vector))
    sizes.discard(0)
    texts = ["f32", *(_MORE_PLAIN if exhaustive else _PLAIN)]
    texts += _more_reduced(dimension) if exhaustive else _reduced(dimension)
    texts += [f"adaptive@{size}B" for size in sorted(sizes, reverse=True)]
    texts += [f"adaptivec@{size}B" for size in sorted(sizes, reverse=True) if exhaustive or size <= dimension // 8]
    texts += [f"trellis@{size}B" for size in sorted(sizes, reverse=True) if exhaustive or size <= dimension // 4]
    texts += _rescored(dimension, ("int8", "int4") if exhaustive else ("int8",))
    return _possible(texts, dimension)


def metric_changes(dimension: int, budget: Budget | None = None, exhaustive: bool = False) -> list[Spec]:
    """The specs that compare by another metric, for vectors under cosine with judgements, which alone can choose them.

    Partial whitening before float32 and before a few codecs within the budget per vector, each with the same codec
    judged alike (`white0`).
    """
    limit = dimension if budget is None or budget.per_vector is None else min(int(budget.per_vector), dimension)
    sizes = {dimension // part for part in _WHITE_PARTS}
    if limit < dimension:
        sizes.add(limit)
    codecs = [
        f"{'trellis' if size <= dimension // 4 else 'adaptive'}@{size}B"
        for size in sorted(sizes, reverse=True)
        if 1 <= size <= limit
    ]
    codecs += _MORE_WHITENED if exhaustive else ()
    percents = _MORE_WHITE if exhaustive else _WHITE
    texts = [f"white{percent},f32" for percent in percents]
    texts += [f"white{percent},{codec}" for codec in codecs for percent in (0, *percents)]
    return _possible(texts, dimension)


def with_neutral(specs: Sequence[Spec]) -> list[Spec]:
    """The specs, each that changes the metric followed by what it is compared with: the same codec without the change,
    by the rule for all and judged in its own way."""
    found = list[Spec]()
    for spec in specs:
        found.append(spec)
        if spec.own_metric:
            # uncompressed, both are the same
            found += [spec.plain] if str(spec.plain) == "f32" else [spec.neutral, spec.plain]
    return list(dict.fromkeys(found))


def reduced_widths(dimension: int) -> list[int]:
    """The numbers of principal coordinates in the default list."""
    return [_round(dimension * share) for share in _SHARES]


def _reduced(dimension: int) -> Iterator[str]:
    for width in reduced_widths(dimension):
        for quantizer in _REDUCED:
            yield f"pca{width},{quantizer}"
    half = _round(dimension / 2)
    for reducer in ("pcac", "trunc"):
        for quantizer in ("int8", "rot,int4"):
            yield f"{reducer}{half},{quantizer}"
    yield f"trunc{_round(dimension / 4)},int8"
    yield f"srp{half},int8"


def _more_reduced(dimension: int) -> Iterator[str]:
    for share in _MORE_SHARES:
        for reducer in ("pca", "pcac", "trunc"):
            for quantizer in _MORE_REDUCED:
                yield f"{reducer}{_round(dimension * share)},{quantizer}"
    for share in (1 / 2, 1 / 4):
        for reducer in ("pcaw", "srp"):
            yield f"{reducer}{_round(dimension * share)},int8"


def _rescored(dimension: int, rescorers: Iterable[str]) -> Iterator[str]:
    """The same two codes at increasing oversampling."""
    for search in ("binary", f"adaptive@{max(1, dimension // 16)}B"):
        for rescorer in rescorers:
            for factor in _FACTORS:
                yield f"{search}+{rescorer}@{factor}"


def _costly(dimension: int) -> Iterator[str]:
    """Codecs that are slow to train, the most requested first."""
    quarter, eighth, sixteenth = (_divisor(dimension, dimension / part) for part in (4, 8, 16))
    yield f"pq{quarter}"
    yield f"pq{_divisor(dimension, dimension / 2)}x4"
    yield from (f"pq{eighth}", f"pq{quarter}x4", f"opq{quarter}", f"opq{eighth}", f"pq{eighth}x4", f"pq{sixteenth}")
    half, fourth = _round(dimension / 2), _round(dimension / 4)
    yield "rot,rabitq4"
    learned = ("kpca", "ae") if "torch" in versions() else ("kpca",)  # precomputed vectors need no torch
    yield from (f"{reducer}{width},int8" for width in (fourth, half) for reducer in learned)
    yield "itq"
    yield f"rq{max(1, min(32, dimension // 16))}"


def _possible(texts: Iterable[str], dimension: int) -> list[Spec]:
    """The specs that work on this dimension, without duplicates."""
    specs = []
    for text in dict.fromkeys(texts):
        spec = parse(text)
        try:
            spec.code_bytes(dimension)
        except InputError:
            continue
        specs.append(spec)
    return specs


def _learnable(spec: Spec, documents: int, similarity: str) -> bool:
    """Whether each fold leaves enough rows for its centroids or landmarks, and it is offered for this similarity."""
    if not all(part.offered_for(similarity) for part in spec.reducers):
        return False
    learned = max([spec.quantizer.centroids, *(part.learned_width for part in spec.reducers)])
    return documents >= MIN_ROWS * learned


def _divisor(dimension: int, near: float) -> int:
    """The divisor of `dimension` nearest to `near`: parts must divide evenly."""
    return min((m for m in range(1, dimension + 1) if dimension % m == 0), key=lambda m: (abs(m - near), m))


def _round(width: float) -> int:
    """Multiples of 8 where the dimension allows, so that no code ends in a half-used byte."""
    return max(1, int(width) // 8 * 8 or int(width))
