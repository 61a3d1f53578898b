"""Results as tables of at most 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from embgeo.cli.words import figure, interval, plain

Row = Mapping[str, Any]


def table(title: str, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[str | Text]], gap: int = 2) -> Table:
    """A table without rules, `gap` spaces between columns; a column is (heading, "left" | "right" | "text").

    "text" columns fold; the others never break.
    """
    drawn = Table(
        title=title or None, title_justify="left", title_style="bold", box=None, padding=(0, gap, 0, 0),
        pad_edge=False, header_style="dim",
    )  # fmt: skip
    for heading, kind in columns:
        drawn.add_column(
            heading, justify="right" if kind == "right" else "left", overflow="fold", no_wrap=kind != "text"
        )
    for row in rows:
        # cells are plain text: names and documents may hold what looks like markup
        drawn.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    return drawn


def retrieval_table(result: Mapping[str, Any]) -> Table | None:
    """The baseline: each quality measure with its interval over queries; None without judgements."""
    measured = result.get("retrieval")
    if not measured:
        return None
    rows = [
        [name, figure(entry.get("value"), places=4), interval(entry.get("ci"), 4)]
        for name, entry in measured.items()
        if isinstance(entry, Mapping)
    ]
    return table(
        "Retrieval with exact search", [("measure", "left"), ("value", "right"), ("95 % interval", "left")], rows
    )


def signature_table(result: Mapping[str, Any]) -> Table | None:
    """The signature: value, interval, sample size, seconds; the reason where a measure has no value."""
    signature = result.get("signature")
    if not signature:
        return None
    rows = []
    for name, entry in signature.items():
        value, ci = entry.get("value"), entry.get("ci")
        note = plain(str(entry["reason"])) if value is None and entry.get("reason") else interval(ci)
        rows.append([name, figure(value, ci), note, figure(entry.get("n")), figure(entry.get("seconds"), places=1)])
    columns = [
        ("measure", "left"),
        ("value", "right"),
        ("interval, or why none", "text"),
        ("n", "right"),
        ("s", "right"),
    ]
    return table("Signature", columns, rows)


def tradeoff_table(result: Mapping[str, Any]) -> Table:
    """The baseline and the rows that no other row beats in both bytes and quality, largest first."""
    baseline = result.get("baseline") or {}
    judged = baseline.get("ndcg@10") is not None
    chosen = (result.get("recommendation") or {}).get("spec")
    columns = [("", "left"), ("spec", "text"), ("B/vec", "right"), ("ratio", "right")]
    if judged:
        columns += [("nDCG@10", "right"), ("change", "right"), ("95 % interval", "left")]
    columns += [("recall", "right"), ("QPS", "right")]
    kept = pareto(result.get("tradeoffs") or [], "ndcg@10" if judged else "recall@10_exact", chosen)
    shown = [baseline, *kept] if baseline else kept
    rows = []
    for row in shown:
        mark = "→" if row.get("spec") == chosen else ""
        cells = [
            mark,
            str(row.get("spec", "")),
            figure(row.get("bytes_per_vector")),
            figure(row.get("ratio"), places=1),
        ]
        if judged:
            paired = row is not baseline
            change = figure(row.get("difference"), places=4, signed=True) if paired else ""
            bounds = interval(row.get("difference_ci"), 4, signed=True) if paired else ""
            cells += [figure(row.get("ndcg@10"), places=4), change, bounds]
        cells += [figure(row.get("recall@10_exact"), places=3), figure(row.get("qps"), places=0)]
        rows.append(cells)
    return table("Smallest stores for their quality", columns, rows, gap=1)


def pareto(rows: Iterable[Row], quality: str, always: str | None = None) -> list[Row]:
    """Rows of which no other is as small and as good (and one of the two strictly), most bytes first.

    Rows without quality are left out; the row whose spec is `always` is kept.
    """
    known = [row for row in rows if row.get(quality) is not None and row.get("bytes_per_vector") is not None]

    def beaten(row: Row) -> bool:
        return any(
            other["bytes_per_vector"] <= row["bytes_per_vector"]
            and other[quality] >= row[quality]
            and (other["bytes_per_vector"], other[quality]) != (row["bytes_per_vector"], row[quality])
            for other in known
        )

    front = [row for row in known if row.get("spec") == always or not beaten(row)]
    return sorted(front, key=lambda row: (-row["bytes_per_vector"], -row[quality]))


def warning_lines(result: Mapping[str, Any]) -> list[str]:
    """One line a warning, as text that cannot act on the terminal."""
    return [f"warning: {plain(str(warning))}" for warning in result.get("warnings") or []]


def hits_table(hits: Iterable[Any]) -> Table:
    """Search results: the id, and under it the beginning of the text."""
    rows: list[list[str | Text]] = []
    for hit in hits:
        document = Text(plain(str(hit.id), 64), style="bold")
        text = plain(str(hit.text or ""), 125)
        if text:
            document.append("\n" + text, style="not bold")
        rows.append([str(hit.rank), figure(hit.score, places=4), document])
    return table("", [("rank", "right"), ("score", "right"), ("document", "text")], rows)
