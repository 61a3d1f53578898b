"""Whether a model is trained for truncation, so that its vectors may be cut instead of projected."""

from __future__ import annotations

from collections.abc import Iterator

from embgeo.reports.blocks import Block, Column, Data, Paragraph, RowGroup, Table, TableRow
from embgeo.reports.numbers import count, estimate, number, percent
from embgeo.reports.section import Shown, section
from embgeo.results import LimitsResult
from embgeo.results.limits import Limits, TruncatedWidth, TruncationCheck

KEEPS = -0.02  # the lower end of an interval from which truncation counts as keeping what a PCA keeps


def sentence(limits: Limits) -> str:
    """Whether to cut or to project these vectors, if they are to be shorter; "" where nothing was measured."""
    found = limits.truncation
    if found is None or (at := _deciding(found)) is None:
        return ""
    measured = (
        f"at {count(at.dimensions)} of {count(found.dimension)} dimensions nDCG@10 is {number(at.truncated, places=3)} "
        f"truncated and {number(at.pca, places=3)} by a PCA of the documents (difference "
        f"{estimate(at.difference, at.difference_ci, 3, signed=True)})"
    )
    low, high = (-1.0, 1.0) if at.difference_ci is None else at.difference_ci
    if low > KEEPS:
        return (
            f"Truncation keeps what a projection keeps, as in models trained for it: {measured}. If vectors are to be "
            "shorter, cut them (--truncate-dim, or the model's own parameter)."
        )
    if high < 0:
        return (
            f"This model is not trained for truncation: {measured}. If vectors are to be shorter, project them "
            "(`embgeo compress`, specs pcaNN) and do not cut."
        )
    return f"Whether the model is trained for truncation is open: {measured}. A PCA is the safer choice."


def _deciding(found: TruncationCheck) -> TruncatedWidth | None:
    return next((each for each in found.widths if each.dimensions == found.deciding), None)


@section("truncation", "Truncated or projected", of=LimitsResult, order=550, label="Truncation")
def truncation(shown: Shown[LimitsResult]) -> Iterator[Block]:
    """nDCG@10 of the first dimensions beside that of a PCA to as many."""
    found = shown.result.limits.truncation
    if found is None or not found.widths:
        return
    yield Paragraph(
        "The first dimensions of the vectors, and a PCA to as many, both normalised again under cosine. The axes are "
        "fitted on documents alone, and those of each document without its fifth of the corpus. A model trained for "
        f"truncation keeps what the PCA keeps. {count(found.deciding)} dimensions decide, fixed beforehand; kept is "
        f"the share of nDCG@10 at all {count(found.dimension)}, {number(found.value, places=3)}.",
        "note",
    )
    rows = [
        TableRow(
            [
                count(each.dimensions),
                number(each.truncated, places=3),
                number(each.pca, places=3),
                estimate(each.difference, each.difference_ci, 3, signed=True),
                percent(_kept(each.truncated, found.value)),
                percent(_kept(each.pca, found.value)),
            ]
        )
        for each in found.widths
    ]
    titles = ("Dimensions", "Truncated", "PCA", "Difference", "Kept, truncated", "Kept, PCA")
    data = Data("truncation", "Truncation", [each.to_json() for each in found.widths])
    columns = [Column(title, "number") for title in titles]
    yield Table("truncation", "Truncation", columns, [RowGroup(rows)], data=data)


def _kept(value: float | None, full: float | None) -> float | None:
    return None if value is None or not full else value / full
