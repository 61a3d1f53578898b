"""What the chosen store changes beyond the mean: queries that lose, neighbourhoods, documents out of reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from embgeo.reports.facts import Fact, FactTable, fact_tables, facts
from embgeo.runs import Run

LOSERS = 15
QUERY_CHARACTERS = 120


def losing_queries(run: Run, spec: str, quality: str) -> FactTable | None:
    """The queries that lose most under `spec` against float32, with their text; None where the run holds no values."""
    before, after = (run.arrays.get(f"quality/{name}") for name in ("f32", spec))
    rows = run.arrays.get("query_rows")
    if before is None or after is None or rows is None or not len(before) == len(after) == len(rows):
        return None
    change = np.asarray(after, np.float64) - np.asarray(before, np.float64)
    worst = [place for place in np.argsort(change, kind="stable")[:LOSERS] if change[place] < 0]
    if not worst:
        return None
    texts = list(run.queries.items())
    table = []
    for place in worst:
        row = int(rows[place])
        name, text = texts[row] if row < len(texts) else (str(row), "")
        shown = text if len(text) <= QUERY_CHARACTERS else f"{text[: QUERY_CHARACTERS - 1]}…"
        table.append([name, shown, f"{before[place]:.3f}", f"{after[place]:.3f}"])
    worse, better = int((change < 0).sum()), int((change > 0).sum())
    caption = f"{worse} of {len(change)} queries lose, {better} gain, {len(change) - worse - better} keep their value"
    label = "nDCG@10" if quality == "ndcg@10" else "recall@10"
    return FactTable(caption, ["query", "text", f"{label} float32", f"{label} store"], table, 0)


def store_facts(best: Mapping[str, Any]) -> tuple[list[Fact], list[FactTable]]:
    """The effects of the built store and the arrays that its constant bytes are made of."""
    return facts(best.get("effects")), fact_tables({"Constant bytes, array by array": best.get("state")})
