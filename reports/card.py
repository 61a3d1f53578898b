"""A run in a notebook: one small table with the decision and the key facts, and where the report is."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from embgeo.reports.commands import title_of
from embgeo.reports.numbers import byte_size, counted, estimate, finite, percent
from embgeo.reports.plaintext import visible
from embgeo.runs import Run

MEASURES = ("twonn_dim", "effective_rank", "iso_score", "avg_pair_sim_cosine", "hubness")
LONGEST = 400


def card(run: Run) -> str:
    """HTML without a script or a style sheet; every text in it is escaped, and a damaged part is left out."""
    facts = {"compress": _compress, "analyze": _analyze, "compare": _compare}.get(run.command)
    rows = [("Run", _title(run)), *(facts(run.result) if facts else ()), *_warned(run.result)]
    cells = "".join(
        f'<tr><th scope="row" style="text-align:left;vertical-align:top">{_text(name)}</th>'
        f'<td style="text-align:left">{_text(value)}</td></tr>'
        for name, value in rows
    )
    return f"<table><tbody>{cells}{_report(run)}</tbody></table>"


def _text(value: Any) -> str:
    return escape(visible(str(value), LONGEST))


def _title(run: Run) -> str:
    dataset = _entry(run.result.get("dataset"))
    names = [title_of(run.result.get("model")), title_of(dataset)]
    words = {"document": "documents", "query": "queries"}
    sizes = [counted(dataset[many], one, many) for one, many in words.items() if finite(dataset.get(many))]
    return f"{run.command}: " + ", ".join([" × ".join(name for name in names if name), *sizes])


def _compress(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    best, baseline = _entry(result.get("recommendation")), _entry(result.get("baseline"))
    yield "Recommended", str(best.get("reason") or best.get("spec") or "nothing")
    delivered = _entry(best.get("cross_fitted"))
    if finite(delivered.get("difference")) is not None and finite(baseline.get("ndcg@10")):
        change = estimate(delivered["difference"], delivered.get("difference_ci"), 4, signed=True)
        yield "Expected on new queries", f"nDCG@10 changes by {change} against float32 (corrected for selection)"
    sizes = [finite(row.get("store_bytes")) for row in (best, baseline)]
    if None not in sizes:
        yield "Store", f"{byte_size(sizes[0])} instead of {byte_size(sizes[1])}"


def _analyze(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, stored in _entry(result.get("retrieval")).items():
        value = _entry(stored)
        if name == "ndcg@10" and finite(value.get("value")) is not None:
            yield name, estimate(value["value"], value.get("ci"), 4)
    missed = _entry(result.get("retrievability")).get("never_retrieved")
    if finite(missed) is not None:
        yield "never retrieved", percent(missed)
    signature = _entry(result.get("signature"))
    for name in [name for name in MEASURES if name in signature] or list(signature)[: len(MEASURES)]:
        value = _entry(signature[name])
        if finite(value.get("value")) is not None:
            yield name, estimate(value["value"], value.get("ci"))


def _compare(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    from embgeo.reports.compare_decision import decision

    for run in result.get("runs") or []:
        yield (
            str(run.get("label")),
            " × ".join(filter(None, (title_of(run.get("model")), title_of(run.get("dataset"))))),
        )
    yield "Decision", " ".join(decision(result)[:2])


def _warned(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    warnings = result.get("warnings") or []
    if warnings:
        yield "Warnings", "; ".join(str(warning) for warning in warnings)


def _report(run: Run) -> str:
    page = run.folder / "report.html"
    if page.is_file():
        place = Path(os.path.relpath(page))
        # a notebook server shows what lies below it, and not file:// addresses
        address = page.resolve().as_uri() if ".." in place.parts else quote(place.as_posix())
        said = f'<a href="{escape(address)}">report.html</a>'
    else:
        said = f"<code>{_text(shlex.join(['embgeo', 'report', str(run.folder)]))}</code> creates it"
    return f'<tr><th scope="row" style="text-align:left">Report</th><td style="text-align:left">{said}</td></tr>'


def _entry(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
