"""How runs were compared: where the numbers of a comparison come from, and what they do not say."""

from __future__ import annotations

from collections.abc import Iterator

from embgeo.reports.blocks import Block, Bullets, Foreign
from embgeo.reports.numbers import count
from embgeo.reports.section import Shown, section
from embgeo.results import CompareResult


@section("how", "How it was compared", of=CompareResult, order=800)
def how(shown: Shown[CompareResult]) -> list[Block]:
    return [Bullets([Foreign(sentence, 800) for sentence in method(shown.result)])]


def method(result: CompareResult) -> Iterator[str]:
    if result.signatures:
        scale = result.signatures.normalisation  # "none", or "none: " and why
        how = f"not normalised{scale.removeprefix('none')}" if scale.startswith("none") else f"normalised by {scale}"
        yield f"Signatures are {how}."
        yield f"Order of measures and runs: {result.signatures.order}."
        yield (
            "Intervals that do not overlap indicate a difference; overlapping ones do not rule one out. They describe "
            "these documents and do not generalise to other corpora."
        )
    if paired := result.retrieval or result.stores:
        yield f"Retrieval: {paired.method}. “Better” and “worse” are decided by the p value, not by the interval."
    if result.model_similarity:
        yield (
            f"Model similarity is measured on one seeded sample of at most {count(result.asked('documents'))} "
            f"documents that both runs hold (seed {result.asked('seed')}); neighbours are those within the sample. In "
            "brackets, the value when one side is shuffled: a value close to it is uninformative. Vectors come from "
            "the vector file or the embedding cache and are verified to be the measured ones; nothing is encoded."
        )
    if result.fronts:
        yield "Fronts show out-of-sample quality; nDCG@10 and recall of exact neighbours never share an axis."
