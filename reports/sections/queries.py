"""Query by query: which lose most under the chosen store, and which documents left and entered their top 10."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from embgeo.reports.blocks import Block, Cell, Code, Column, Data, Fold, Foreign, Paragraph, RowGroup, Table, TableRow
from embgeo.reports.kept_documents import KeptDocuments, one_line
from embgeo.reports.numbers import MISSING, count, number
from embgeo.reports.section import Shown, section
from embgeo.results import NDCG, CompressResult
from embgeo.run import Run

MAX_LISTED = 15
TOP = 10
WHAT = ("left", "moved", "entered")
QUERY_CHARACTERS = 160
DOCUMENT_CHARACTERS = 90


@dataclass(frozen=True)
class MovedDocument:
    """A document whose place among the first ten changed; `what` is left, entered or moved."""

    what: str
    id: str
    text: str
    relevance: str
    before: str
    after: str


@dataclass(frozen=True)
class QueryLoss:
    """One query with its quality before and after, and the documents behind the change."""

    id: str
    text: str
    before: str
    after: str
    change: str
    documents: list[MovedDocument]


@dataclass(frozen=True)
class PerQuery:
    """The queries that lose most, worst first; `summary` counts all."""

    summary: str
    label: str
    losses: list[QueryLoss]

    @property
    def records(self) -> list[dict[str, str]]:
        """The moved documents with their query, one row each; a query without any has a row of its own."""
        records: list[dict[str, str]] = []
        for loss in self.losses:
            query = {
                "query": loss.id,
                "query_text": loss.text,
                f"{self.label}_before": loss.before,
                f"{self.label}_after": loss.after,
            }
            records += [{**query, **asdict(document)} for document in loss.documents] or [query]
        return records


@section("queries", "Query by query", of=CompressResult, order=800)
def queries(shown: Shown[CompressResult]) -> Iterator[Block]:
    """Only for runs that store the quality of each query."""
    spec = shown.result.recommendation.spec
    found = per_query(shown.run, spec, shown.result.measure) if spec else None
    if found is None:
        return
    worst = " The largest losses:" if found.losses else ""
    yield Paragraph((f"{found.summary} when ", Code(spec), f" replaces float32, out of sample.{worst}"))
    for place, loss in enumerate(found.losses, 1):
        blocks = list(_query(loss, place, found.label))
        yield Fold(Foreign(loss.text or loss.id, 2000), blocks, "query", loss.change, place == 1)
    yield Data("queries", "Queries that lose most", found.records)


def _query(loss: QueryLoss, place: int, label: str) -> Iterator[Block]:
    change = f": {label} {loss.before} with float32, {loss.after} with the store."
    yield Paragraph((Foreign(loss.id, 60), change), "note")
    if loss.documents:
        columns = [*(Column(title, "word") for title in ("Top 10", "Relevance", "Rank")), Column("Document")]
        rows = [
            TableRow([document.what, document.relevance, f"{document.before} → {document.after}", _document(document)])
            for document in loss.documents
        ]
        yield Table("queries", f"Documents of query {place}", columns, [RowGroup(rows)])


def _document(document: MovedDocument) -> Cell:
    notes = [Foreign(document.id, 60)] if document.text else []
    return Cell(Foreign(document.text or document.id, 2000), notes)


def per_query(run: Run, spec: str, quality: str) -> PerQuery | None:
    """What changes for each query when `spec` replaces float32; None if the run does not store the values of both.

    Rankings and judgements are those that the quality was computed from, out of sample; a run without them gives the
    values alone.
    """
    before, after = (run.array(f"quality/{name}") for name in ("f32", spec))
    rows = run.array("query_rows")
    if before is None or after is None or rows is None or not len(before) == len(after) == len(rows):
        return None
    change = np.asarray(after, np.float64) - np.asarray(before, np.float64)
    worse, better = int((change < 0).sum()), int((change > 0).sum())
    worst = [int(place) for place in np.argsort(change, kind="stable")[:MAX_LISTED] if change[place] < 0]
    rankings = _Rankings.of(run, spec, len(rows))
    asked = list(run.queries.items())
    losses = []
    for place in worst:
        row = int(rows[place])
        name, text = asked[row] if row < len(asked) else (str(row), "")
        losses.append(
            QueryLoss(
                id=name,
                text=one_line(text, QUERY_CHARACTERS),
                before=number(float(before[place]), places=3),
                after=number(float(after[place]), places=3),
                change=number(float(change[place]), places=3, signed=True),
                documents=rankings.moved(place, row) if rankings else [],
            )
        )
    summary = (
        f"{count(worse)} of {count(len(change))} queries get worse, {count(better)} get better, "
        f"{count(len(change) - worse - better)} stay the same"
    )
    return PerQuery(summary, "nDCG@10" if quality == NDCG else "Recall@10", losses)


@dataclass(frozen=True)
class _Rankings:
    before: np.ndarray
    after: np.ndarray
    grades: Mapping[int, Mapping[int, int]] | None
    documents: KeptDocuments

    @classmethod
    def of(cls, run: Run, spec: str, queries: int) -> _Rankings | None:
        before, after = (run.array(f"ranked/{name}") for name in ("f32", spec))
        if before is None or after is None or not len(before) == len(after) == queries:
            return None
        judged = run.array("judged")
        grades: dict[int, dict[int, int]] | None = None
        if judged is not None and judged.ndim == 2 and judged.shape[1] == 3:
            grades = {}
            for query, document, grade in judged.tolist():
                grades.setdefault(query, {})[document] = grade
        shown = np.concatenate([before[:, :TOP], after[:, :TOP]], axis=None)
        return cls(before, after, grades, KeptDocuments.of(run, shown))

    def moved(self, place: int, query: int) -> list[MovedDocument]:
        """Documents that left or entered the first ten, and relevant ones that moved within; relevant ones first."""
        old, new = ([row for row in ranking[place].tolist() if row >= 0] for ranking in (self.before, self.after))
        grades = {} if self.grades is None else self.grades.get(query, {})
        found = []
        for row in dict.fromkeys([*old[:TOP], *new[:TOP]]):
            was, now, grade = _rank(old, row), _rank(new, row), grades.get(row, 0)
            what = "moved" if max(was, now) <= TOP else "left" if was <= TOP else "entered"
            if was != now and (what != "moved" or grade > 0):
                found.append((-max(grade, 0), WHAT.index(what), min(was, now), row))
        return [
            MovedDocument(
                what=WHAT[what],
                id=self.documents.id(row),
                text=one_line(self.documents.text(row), DOCUMENT_CHARACTERS),
                relevance=self._relevance(grades.get(row)),
                before=_place(old, row),
                after=_place(new, row),
            )
            for _, what, _, row in sorted(found)
        ]

    def _relevance(self, grade: int | None) -> str:
        if self.grades is None:
            return MISSING
        if grade is None:
            return "not judged"
        return f"relevant ({grade})" if grade > 0 else f"irrelevant ({grade})"


def _rank(ranking: Sequence[int], row: int) -> int:
    return ranking.index(row) + 1 if row in ranking else max(len(ranking), TOP) + 1


def _place(ranking: Sequence[int], row: int) -> str:
    return str(_rank(ranking, row)) if row in ranking else f"beyond {len(ranking)}"
