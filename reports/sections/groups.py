"""The documents of each value of a metadata key: which are hard to search, and which crowd the results."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist

from embgeo.reports.blocks import Block, Cell, Column, Data, Foreign, Paragraph, RowGroup, Table, TableRow
from embgeo.reports.numbers import MISSING, count, estimate, number, percent
from embgeo.reports.plaintext import visible
from embgeo.reports.section import Shown, section
from embgeo.results import AnalyzeResult, Estimate
from embgeo.results.analyze import DocumentGroup, DocumentGroups

CROWDING = 1.5  # times its share of the documents, and of the relevant ones, from which a group crowds the results
LONGEST = 24


@section("groups", "Groups of documents", of=AnalyzeResult, order=640, label="Groups")
def groups(shown: Shown[AnalyzeResult]) -> Iterator[Block]:
    found = shown.result.groups
    if found is None or (table := groups_table(found)) is None:
        return
    for sentence in verdicts(found):
        yield Paragraph(sentence)
    rest = f" {count(found.rest)} documents are in none: they have no value, or few share theirs." if found.rest else ""
    yield Paragraph(
        f"Dimension (TwoNN) and hubness are of {count(found.sample)} documents of every group, since both depend on "
        "how many are measured; read no difference where intervals overlap. nDCG@10 is that of the "
        f"queries with a relevant document in the group; a query may count in several.{rest}",
        "note",
    )
    yield table


def verdicts(found: DocumentGroups | None) -> list[str]:
    """The group whose searches fail most, and the one that crowds the results, where intervals tell."""
    if found is None:
        return []
    said = []
    # by chance some of many groups have an interval beside the mean: all are widened as Bonferroni does
    wider = NormalDist().inv_cdf(1 - 0.025 / max(1, len(found.groups))) / NormalDist().inv_cdf(0.975)
    hard = [group for group in found.groups if found.ndcg is not None and _end(group.ndcg, 1, wider) < found.ndcg]
    if hard:
        worst = min(hard, key=lambda group: _end(group.ndcg, 1, wider))
        assert worst.ndcg is not None
        said.append(
            f"Searches for documents whose {found.key} is {visible(worst.name, LONGEST)} fail most: nDCG@10 "
            f"{estimate(worst.ndcg.value, worst.ndcg.ci, 2)} of {count(worst.queries)} queries, "
            f"{number(found.ndcg, places=2)} of all. Improve these texts, or the model for them, first."
        )
    crowding = [group for group in found.groups if _end(group.found, 0, wider) > CROWDING * _due(group)]
    if crowding:
        most = max(crowding, key=lambda group: _end(group.found, 0, wider) / _due(group))
        assert most.found is not None
        said.append(
            f"Documents whose {found.key} is {visible(most.name, LONGEST)} crowd the results: "
            f"{percent(most.found.value)} of the top 10, but {percent(most.share)} of the documents and "
            f"{percent(most.relevant_share)} of the relevant ones. Filter by {found.key}, or limit how many are shown."
        )
    return said


def _end(held: Estimate | None, end: int, wider: float) -> float:
    """An end of the interval, so many times as far from the value; without one, an end that proves nothing."""
    if held is None or held.value is None or held.ci is None:
        return (float("-inf"), float("inf"))[end]
    return held.value + wider * (held.ci[end] - held.value)


def _due(group: DocumentGroup) -> float:
    """The share of the results that a group may take: of the documents, or of the relevant ones."""
    return max(group.share or 0, group.relevant_share or 0)


def groups_table(found: DocumentGroups | None) -> Table | None:
    """One row per group, the largest first; None without groups."""
    if found is None or not found.groups:
        return None
    searched = any(group.found is not None for group in found.groups)
    titles = ["Documents", "Dimension", "Hubness", *(["Top 10", "Relevant", "Queries", "nDCG@10"] if searched else [])]
    rows = []
    for group in found.groups:
        cells = [f"{count(group.documents)} ({percent(group.share, places=0)})"]
        cells += [_shown(group.dimension, 1), _shown(group.hubness, 1)]
        if searched:
            cells += [MISSING if group.found is None else percent(group.found.value)]
            cells += [percent(group.relevant_share), count(group.queries), _shown(group.ndcg, 2)]
        rows.append(TableRow([Cell(Foreign(visible(group.name, LONGEST)), head=True), *cells]))
    columns = [Column(visible(found.key, LONGEST)), *(Column(title, "number") for title in titles)]
    data = Data("groups", "Groups of documents", [_record(group) for group in found.groups])
    return Table("groups", "Groups of documents", columns, [RowGroup(rows)], data=data)


def _shown(held: Estimate | None, places: int) -> str:
    return MISSING if held is None else estimate(held.value, held.ci, places)


def _record(group: DocumentGroup) -> dict[str, object]:
    """A group as a row of CSV: each estimate as its value and the two ends."""
    record: dict[str, object] = {"group": group.name, "documents": group.documents, "queries": group.queries}
    record["relevant_share"] = group.relevant_share
    estimates = {"found": group.found, "dimension": group.dimension, "hubness": group.hubness, "ndcg@10": group.ndcg}
    for key, held in estimates.items():
        low, high = (None, None) if held is None or held.ci is None else held.ci
        record |= {key: None if held is None else held.value, f"{key}_low": low, f"{key}_high": high}
    return record
