"""A run in a notebook: one small table with the decision and the key facts, and where the report is."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from embgeo.reports.heading import title_of
from embgeo.reports.numbers import byte_size, counted, estimate, percent
from embgeo.reports.plaintext import visible
from embgeo.results import NDCG, AnalyzeResult, CompareResult, CompressResult, LimitsResult, ReproduceResult
from embgeo.run import Run

MEASURES = ("twonn_dim", "effective_rank", "iso_score", "avg_pair_sim_cosine", "hubness")
MAX_CHARACTERS = 400


def card(run: Run) -> str:
    """HTML without a script or a style sheet; every text in it is escaped, and a damaged part is left out."""
    rows = [("Run", _title(run)), *_facts(run)]
    cells = "".join(
        f'<tr><th scope="row" style="text-align:left;vertical-align:top">{_text(name)}</th>'
        f'<td style="text-align:left">{_text(value)}</td></tr>'
        for name, value in rows
    )
    return f"<table><tbody>{cells}{_report(run)}</tbody></table>"


def _text(value: Any) -> str:
    return escape(visible(str(value), MAX_CHARACTERS))


def _title(run: Run) -> str:
    found = run.findings
    names = [title_of(found.model.name), title_of(found.dataset.name)]
    counts = ((found.dataset.documents, "document", "documents"), (found.dataset.queries, "query", "queries"))
    sizes = [counted(number, one, many) for number, one, many in counts if number is not None]
    return f"{run.command}: " + ", ".join([" × ".join(name for name in names if name), *sizes])


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    from embgeo.reports.sections.reproductions import outcome

    found = run.findings
    if isinstance(found, CompressResult):
        yield from _compress(found)
    elif isinstance(found, CompareResult):
        yield from _compare(run, found)
    elif isinstance(found, LimitsResult):
        yield from _limits(found)
    elif isinstance(found, ReproduceResult):
        yield from ((each.name, f"{each.status}: {outcome(each)}") for each in found.reproductions)
    else:
        yield from _analyze(found)
    if found.warnings:
        yield "Warnings", "; ".join(found.warnings)


def _compress(result: CompressResult) -> Iterator[tuple[str, str]]:
    best, baseline = result.recommendation, result.baseline
    yield "Recommended", best.reason or best.spec or "nothing"
    delivered = best.cross_fitted
    if delivered and delivered.difference is not None and baseline.ndcg is not None:
        change = estimate(delivered.difference, delivered.difference_ci, 4, signed=True)
        yield "Expected on new queries", f"nDCG@10 changes by {change} against float32 (corrected for selection)"
    if best.store_bytes is not None and baseline.store_bytes is not None:
        yield "Store", f"{byte_size(best.store_bytes)} instead of {byte_size(baseline.store_bytes)}"


def _analyze(result: AnalyzeResult) -> Iterator[tuple[str, str]]:
    quality = (result.retrieval or {}).get(NDCG)
    if quality and quality.value is not None:
        yield NDCG, estimate(quality.value, quality.ci, 4)
    if result.retrievability and result.retrievability.never_retrieved is not None:
        yield "never retrieved", percent(result.retrievability.never_retrieved)
    signature = result.signature or {}
    for name in [name for name in MEASURES if name in signature] or list(signature)[: len(MEASURES)]:
        if signature[name].value is not None:
            yield name, estimate(signature[name].value, signature[name].ci)


def _limits(result: LimitsResult) -> Iterator[tuple[str, str]]:
    from embgeo.reports.sections.limits import verdicts

    quality = (result.retrieval or {}).get(NDCG)
    if quality and quality.value is not None:
        yield NDCG, estimate(quality.value, quality.ci, 4)
    yield "Limits", " ".join(verdicts(result))


def _compare(run: Run, result: CompareResult) -> Iterator[tuple[str, str]]:
    from embgeo.reports.sections.compare_decision import decision

    for item in result.runs:
        yield item.label, " × ".join(filter(None, (title_of(item.model), title_of(item.dataset))))
    yield "Decision", " ".join(decision(result)[:2])


def _report(run: Run) -> str:
    page = run.folder / "report.html"
    if page.is_file():
        place = Path(os.path.relpath(page))
        # a notebook server serves files below its folder, and no file:// addresses
        address = page.resolve().as_uri() if ".." in place.parts else quote(place.as_posix())
        said = f'<a href="{escape(address)}">report.html</a>'
    else:
        said = f"<code>{_text(shlex.join(['embgeo', 'report', str(run.folder)]))}</code> creates it"
    return f'<tr><th scope="row" style="text-align:left">Report</th><td style="text-align:left">{said}</td></tr>'
