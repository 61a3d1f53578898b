"""A comparison as tables of at most 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from embgeo.cli.words import size
from embgeo.reports.compare_decision import p_text, planned
from embgeo.reports.numbers import dotted as interval
from embgeo.reports.numbers import figure
from embgeo.reports.plaintext import plain
from embgeo.reports.terminal import table

WIDEST = 6  # runs that fit beside a measure's name
LIKENESS = {
    "linear_cka": "CKA",
    "svcca": "SVCCA",
    "neighbourhood_overlap@10": "same@10",
    "procrustes_error": "Procrustes",
    "information_imbalance_a_to_b": "a→b",
    "information_imbalance_b_to_a": "b→a",
}


def legend(result: Mapping[str, Any]) -> list[str]:
    """One line a run: its letter, what it is about, how it was made."""
    lines = []
    for run in result["runs"]:
        what = " × ".join(part for part in (plain(run[key] or "") for key in ("model", "dataset")) if part)
        what += f" ({plain(str(run['variant']))})" if run.get("variant") else ""
        count = f", {run['documents']:,} documents" if isinstance(run.get("documents"), int) else ""
        lines.append(f"{run['label']:<3} {run['command']:<8}  {what}{count}")
    return lines


def compare_tables(result: Mapping[str, Any]) -> list[Table]:
    """Retrieval, its pairs, stores, similarity, signatures, cost: those that the result has."""
    drawn = (
        _retrieval(result.get("retrieval")),
        _pairs("Differences in nDCG@10, exact float32 search", result.get("retrieval")),
        _pairs("Differences in nDCG@10, recommended stores", result.get("stores")),
        _likeness(result["model_similarity"]),
        _signatures(result.get("signatures")),
        _cost(result["cost"]),
    )
    return [item for item in drawn if item is not None]


def _retrieval(stored: Any) -> Table | None:
    if not stored:
        return None
    rows = []
    for run in stored["runs"]:
        for name, entry in run["measures"].items():
            if name in ("ndcg@10", "recall@100"):
                rows.append([run["label"], name, figure(entry["value"], places=4), interval(entry["ci"], 4)])
    columns = [("", "left"), ("measure", "left"), ("value", "right"), ("95 % interval", "left")]
    return table("Retrieval with exact search", columns, rows)


def _pairs(title: str, stored: Any) -> Table | None:
    tested = [pair for pair in (stored or {}).get("pairs", []) if "ndcg@10" in pair["measures"]]
    if not tested:
        return None
    rows = []
    for pair in tested:
        test = pair["measures"]["ndcg@10"]
        rows.append([
            f"{pair['a']} - {pair['b']}", figure(test["difference"], places=4, signed=True),
            interval(test["difference_ci"], 4, signed=True) or "too few differ", p_text(test["p_holm"]),
            f"{test['wins']}/{test['ties']}/{test['losses']}", figure(pair["n"]),
        ])  # fmt: skip
    columns = [
        ("", "left"), ("change", "right"), ("95 % interval", "left"), ("p (Holm)", "right"),
        ("won/tied/lost", "right"), ("queries", "right"),
    ]  # fmt: skip
    return table(title, columns, rows)


def _likeness(pairs: Sequence[Mapping[str, Any]]) -> Table | None:
    if not pairs:
        return None
    rows = []
    for pair in pairs:
        if pair["status"] == "ok":
            values = [figure(pair["values"][name], places=3) for name in LIKENESS]
            rows.append([f"{pair['a']}, {pair['b']}", *values, figure(pair["n"]), ""])
        else:
            rows.append([f"{pair['a']}, {pair['b']}", *[""] * len(LIKENESS), "", plain(str(pair["reason"]))])
    columns = [("", "left"), *((short, "right") for short in LIKENESS.values()), ("n", "right"), ("", "text")]
    return table("Model similarity on shared documents", columns, rows, gap=1)


def _signatures(stored: Any) -> Table | None:
    if not stored:
        return None
    by_name = {row["name"]: row for row in stored["measures"]}
    shown = stored["runs"][:WIDEST]
    two = len(stored["runs"]) == 2
    rows = []
    for name in stored["measure_order"]:
        row = by_name[name]
        values = [figure(e["value"], e["ci"]) for e in row["values"][: len(shown)]]
        extra = [figure(row["difference"], row["values"][0]["ci"], signed=True)] if two else []
        rows.append([name, *values, *extra, {True: "overlap", False: "apart"}.get(row["intervals_overlap"], "")])
    columns = [("measure", "text"), *((label, "right") for label in shown), *([("A - B", "right")] if two else [])]
    if two:
        columns[-1] = (f"{shown[0]} - {shown[1]}", "right")
    left_out = len(stored["runs"]) - len(shown)
    more = f" ({left_out} more runs in the report)" if left_out else ""
    return table(f"Signatures{more}", [*columns, ("intervals", "left")], rows, gap=1 if len(shown) > 3 else 2)


def _cost(rows: Sequence[Mapping[str, Any]]) -> Table | None:
    if not rows:
        return None
    priced = any(row["price"] is not None for row in rows)
    cells = [
        [row["label"], plain(row["spec"]), figure(row["bytes_per_vector"]), size(row["total_bytes"]),
         *([figure(row["price"], places=2)] if priced else [])]
        for row in rows
    ]  # fmt: skip
    columns = [("", "left"), ("spec", "text"), ("B/vec", "right"), (f"{planned(rows[0]['vectors'])} vectors", "right")]
    return table("Cost", [*columns, *([("price", "right")] if priced else [])], cells)
