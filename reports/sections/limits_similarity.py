"""Whether another similarity would find more with the same vectors."""

from __future__ import annotations

from collections.abc import Iterator

from embgeo.reports.blocks import Block, Column, Data, Paragraph, RowGroup, Table, TableRow
from embgeo.reports.numbers import MISSING, estimate, number, percent
from embgeo.reports.section import Shown, section
from embgeo.results import LimitsResult
from embgeo.results.limits import Limits, SimilarityCheck, SimilarityChoice

EQUAL = 1e-3  # spread of the lengths below which only rounding tells them apart
CALLED = {"cosine": "cosine", "dot": "the dot product", "euclidean": "Euclidean distance"}
CENTRED = "cosine about the mean"


def sentence(limits: Limits) -> str:
    """Which similarity to use, and whether to subtract the mean; "" where nothing was measured."""
    found = limits.similarity
    if found is None:
        return ""
    others = {each.name: each for each in found.others}
    centred = others.pop(CENTRED, None)
    return " ".join([*_of_lengths(found, list(others.values())), *([] if centred is None else _of_the_mean(centred))])


def _of_lengths(found: SimilarityCheck, others: list[SimilarityChoice]) -> Iterator[str]:
    if found.length_spread is not None and found.length_spread < EQUAL:
        yield (
            "All document vectors have the same length, so cosine, dot product and Euclidean distance are one search: "
            "let the store use whichever it is fastest at."
        )
    used = CALLED.get(found.used, found.used)
    for each in others:
        name, change = CALLED.get(each.name, each.name), _change(each)
        if (way := _way(each)) > 0:
            yield f"By {name} instead of {used} nDCG@10 rises by {change}: rerun with --similarity {each.name}."
        elif way < 0:
            yield f"By {name} instead of {used} nDCG@10 falls by {change}: build the index for {used}."
        else:
            yield f"By {name} instead of {used} nDCG@10 changes by {change}, so that either will do here."


def _of_the_mean(centred: SimilarityChoice) -> Iterator[str]:
    if _way(centred) > 0:
        yield (
            "Subtracting the mean of the documents from documents and queries raises nDCG@10 by "
            f"{_change(centred)}: try it on queries that are not among these."
        )
    else:
        lost = "costs nDCG@10" if _way(centred) < 0 else "changes nDCG@10 by"
        yield f"Subtracting the mean of the documents {lost} {_change(centred)}: leave it in."


def _way(each: SimilarityChoice) -> int:
    """1 if the interval of the difference lies above 0, −1 if below, else 0."""
    if each.difference_ci is None:
        return 0
    low, high = each.difference_ci
    return int(low > 0) - int(high < 0)


def _change(each: SimilarityChoice) -> str:
    """The difference with its interval; its size alone where a verb says which way."""
    if each.difference is None or each.difference_ci is None or not _way(each):
        return estimate(each.difference, each.difference_ci, 3, signed=True)
    ends = sorted(abs(end) for end in each.difference_ci)
    return estimate(abs(each.difference), (ends[0], ends[1]), 3)


@section("similarity", "Cosine, dot product or centred", of=LimitsResult, order=500, label="Similarity")
def similarity(shown: Shown[LimitsResult]) -> Iterator[Block]:
    """nDCG@10 by every similarity, paired with that of the run."""
    found = shown.result.limits.similarity
    if found is None:
        return
    yield Paragraph(
        "The same vectors, searched by other similarities. Cosine ignores the lengths of vectors, the dot product "
        "prefers long documents; training may leave either meaningless. Lengths vary by "
        f"{percent(found.length_spread)} (standard deviation over mean). Differences are paired by query; a gain found "
        "here was looked for on these queries, so confirm it on others.",
        "note",
    )
    rows = [TableRow([f"{found.used} (this run)", estimate(found.value, found.ci, 3), MISSING])]
    rows += [
        TableRow(
            [
                each.name,
                estimate(each.value, each.ci, 3),
                estimate(each.difference, each.difference_ci, 3, signed=True)
                if each.difference_ci
                else f"{number(each.difference, places=3, signed=True)} (too few queries change)",
            ]
        )
        for each in found.others
    ]
    columns = [Column("Similarity"), Column("nDCG@10", "number"), Column("Difference", "number")]
    data = Data("similarity", "Similarities", [each.to_json() for each in found.others])
    yield Table("similarity", "Similarities", columns, [RowGroup(rows)], data=data)
