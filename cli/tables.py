"""Results as tables of at most 80 columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from embgeo.cli.words import figure, interval, plain, three_digits

Row = Mapping[str, Any]
_UNBOUNDED = Console(width=1000)
# a spec breaks after its commas, never inside a number (1,234)
_PIECE = re.compile(r"[^\s,+]*(?:(?<=\d),(?=\d)[^\s,+]*)*[\s,+]*")
_LONGEST_PIECE = 24  # cells; longer words (ids, paths) are folded anywhere


class Foldable:
    """A cell of several lines where its column is narrow: broken after spaces, commas and plus signs."""

    def __init__(self, text: Text) -> None:
        self._text = text

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(_widest_piece([self._text]), max(map(cell_len, self._text.plain.split("\n"))))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line in self._text.split("\n", allow_blank=True):
            for part in line.divide(_breaks(line.plain, options.max_width)):
                part.rstrip()
                yield part


def _widest_piece(cells: Iterable[Text]) -> int:
    pieces = (cell_len(piece.rstrip()) for cell in cells for piece in _PIECE.findall(cell.plain))
    return min(max(pieces, default=0), _LONGEST_PIECE)


def _breaks(line: str, width: int) -> list[int]:
    """Where `line` is broken so that no part is wider than `width` cells."""
    breaks, start, used = [], 0, 0
    for piece in _PIECE.findall(line):
        wide = cell_len(piece.rstrip())
        if used and used + wide > width:
            breaks.append(start)
            used = 0
        for place, character in enumerate(piece if wide > width else ""):
            if used + cell_len(character) > width:
                breaks.append(start + place)
                used = 0
            used += cell_len(character)
        used += cell_len(piece) if wide <= width else 0
        start += len(piece)
    return breaks


def table(title: str, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[str | Text]], gap: int = 2) -> Table:
    """A table without rules, `gap` spaces between columns; a column is (heading, "left" | "right" | "text").

    "text" columns fold; the others never break, and a table that is wider than the terminal stays whole.
    """
    drawn = Table(
        title=title or None, title_justify="left", title_style="bold", box=None, padding=(0, gap, 0, 0),
        pad_edge=False, header_style="dim",
    )  # fmt: skip
    # cells are plain text: names and documents may hold what looks like markup
    lines = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    folded = [kind == "text" for _, kind in columns]
    for number, (heading, kind) in enumerate(columns):
        cells = [Text(heading), *(line[number] for line in lines)]
        least = _widest_piece(cells) if folded[number] else max(cell.cell_len for cell in cells)
        drawn.add_column(
            heading, justify="right" if kind == "right" else "left", no_wrap=kind != "text", min_width=least
        )
    for line in lines:
        drawn.add_row(*(Foldable(cell) if folds else cell for cell, folds in zip(line, folded, strict=True)))
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
        ("95 % interval (or why it is missing)", "text"),
        ("n", "right"),
        ("s", "right"),
    ]
    return table("Signature", columns, rows)


def tradeoff_table(result: Mapping[str, Any], width: int = 80) -> Table:
    """The baseline and the rows that no other row beats in both bytes and quality, largest first; all that were named.

    `kept` is the share of float32's quality, its interval paired by query; without judgements the interval is that of
    the recall. The range of the QPS over the repeats is
    shown where `width` has room for it.
    """
    baseline = result.get("baseline") or {}
    judged = baseline.get("ndcg@10") is not None
    chosen = (result.get("recommendation") or {}).get("spec")
    rows = result.get("tradeoffs") or []
    named = bool((result.get("request") or {}).get("specs"))
    by_size = sorted(rows, key=lambda row: -(row.get("bytes_per_vector") or 0))
    kept = by_size if named else pareto(rows, "ndcg@10" if judged else "recall@10_exact", chosen)
    rows = [baseline, *kept] if baseline else kept
    title = "The specs that were asked for" if named else "Pareto front: the smallest store for each quality"
    full = _tradeoffs(title, rows, baseline, judged, chosen, ranges=any(row.get("qps_range") for row in rows))
    if full.__rich_measure__(_UNBOUNDED, _UNBOUNDED.options).maximum <= width:
        return full
    return _tradeoffs(title, rows, baseline, judged, chosen, ranges=False)


def _tradeoffs(title: str, rows: Sequence[Row], baseline: Row, judged: bool, chosen: str | None, ranges: bool) -> Table:
    columns = [("", "left"), ("spec", "text"), ("B/vec", "right"), ("ratio", "right")]
    if judged:
        columns += [("nDCG@10", "right"), ("kept %", "right"), ("95 % interval", "left")]
    columns.append(("recall", "right"))
    if not judged:
        columns.append(("95 % interval", "left"))
    columns += [("QPS", "right"), *([("QPS range", "left")] if ranges else [])]
    cells = []
    for row in rows:
        shown = ["→" if row.get("spec") == chosen else "", str(row.get("spec", ""))]
        shown += [figure(row.get("bytes_per_vector")), figure(row.get("ratio"), places=1)]
        paired = row is not baseline
        if judged:
            share, ends = percent_of(row.get("retained")), row.get("retained_ci")
            bounds = interval([percent_of(end) for end in ends], 1) if ends else ""
            shown += [figure(row.get("ndcg@10"), places=4)]
            shown += [figure(share, places=1) if paired else "", bounds if paired else ""]
        shown.append(figure(row.get("recall@10_exact"), places=3))
        if not judged:
            shown.append(interval(row.get("recall@10_exact_ci"), 3) if paired else "")
        shown.append(three_digits(row.get("qps")))
        if ranges:
            shown.append("…".join(three_digits(end) for end in row.get("qps_range") or []))
        cells.append(shown)
    return table(title, columns, cells, gap=1)


def percent_of(share: Any) -> float | None:
    """A share in per cent; None for what is no number."""
    return 100 * share if isinstance(share, int | float) else None


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


def left_out_line(result: Mapping[str, Any]) -> str:
    """Which specs the default list skips for their training time, and how to run them; "" where none."""
    protocol = result.get("protocol") or {}
    left_out, budget = protocol.get("left_out") or {}, protocol.get("fit_budget_seconds")
    if not left_out:
        return ""
    listed = ", ".join(f"{plain(str(spec))} ({seconds:.0f} s)" for spec, seconds in left_out.items())
    return (
        f"Skipped, since their estimated training time would exceed {budget:g} CPU seconds together: {listed}. "
        "Name them with --spec, or use --exhaustive"
    )


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
