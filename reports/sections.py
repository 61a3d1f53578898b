"""What the page shows of one run: everything as text, ready for the templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embgeo.reports.aftermath import lost_documents, store_facts
from embgeo.reports.byte_table import ByteTable, byte_table
from embgeo.reports.commands import commands, repeat_command, title_of
from embgeo.reports.csvtext import Table, file_names
from embgeo.reports.curves import CurvePlot, curve_plots
from embgeo.reports.decision import alternatives, details, headline, unmet
from embgeo.reports.facts import Fact, FactTable, by_file_name, fact_tables, facts
from embgeo.reports.figures import Figure, Plot
from embgeo.reports.float8 import Float8View, float8_view
from embgeo.reports.index_curves import IndexView, index_view
from embgeo.reports.listed_documents import retrievability_tables, standout_tables
from embgeo.reports.numbers import MISSING, finite
from embgeo.reports.per_query import PerQuery, per_query
from embgeo.reports.portrait import corpus_line, retrieval_rows
from embgeo.reports.prediction import PredictionView, prediction_view
from embgeo.reports.price import price_sentence
from embgeo.reports.protocol_facts import budget_facts, estimator_sentence, protocol_facts
from embgeo.reports.rescoring import RescoringView, rescoring_view
from embgeo.reports.row_table import Column, Row, TableRow, by_size, columns_of, remarks, shared_facts, table_rows
from embgeo.reports.signature_table import Family, families
from embgeo.reports.space_map import MapView, map_view
from embgeo.reports.stored import entry
from embgeo.reports.summary import next_command, summary
from embgeo.reports.tradeoff import tradeoff_figures
from embgeo.runs import Run

TITLES = {
    "float8": "float8 or int8?",
    "rescoring": "Rescoring",
    "indices": "Indices at equal recall",
    "queries": "Queries that lose most",
}
RESCORED = "Quality against the number of candidates fetched; the table that follows holds the same numbers."


@dataclass(frozen=True)
class Section:
    """What every run has. `id` is unique on the page.

    `tables` and `plots` are all that the page draws of the run, by the name that their files get: the templates take
    them from here, and so do `--csv` and `--figures`.
    """

    id: str
    command: str
    model: str
    dataset: str
    corpus: str
    created: str
    warnings: list[str]
    environment: list[Fact]
    request: list[Fact]
    commands: list[tuple[str, str]]
    result: Mapping[str, Any]
    file: str
    tables: dict[str, Table]
    plots: dict[str, Plot]


@dataclass(frozen=True)
class AnalyzeSection(Section):
    summary: list[str]
    next: str
    retrieval: list[tuple[str, str, str]]
    families: list[Family]
    beside: list[str]
    map: MapView | None
    curves: dict[str, CurvePlot]
    retrievability: list[Fact]
    retrievability_tables: dict[str, FactTable]
    documents: dict[str, FactTable]


@dataclass(frozen=True)
class CompressSection(Section):
    spec: str
    unmet: str
    headline: str
    details: list[str]
    price: str
    reason: str
    alternatives: list[str]
    columns: list[Column]
    shared: list[Fact]
    rows: list[TableRow]
    remarks: list[str]
    byte_table: ByteTable
    float8: Float8View | None
    rescoring: RescoringView | None
    indices: IndexView | None
    prediction: PredictionView | None
    per_query: PerQuery | None
    effects: list[Fact]
    lost: list[str]
    state_tables: dict[str, FactTable]
    budget: list[Fact]
    protocol: list[Fact]
    protocol_tables: dict[str, FactTable]
    estimators: str


def section(run: Run, id: str, beside: Sequence[Run] = ()) -> Section:
    """The section of one run; missing or damaged parts of the result become empty, never an error.

    The signature of an analyze run has the values of the analyze runs `beside` it.
    """
    shared = _shared(run, id)
    if run.command == "compare":
        from embgeo.reports.compare import compare_section  # it needs Section

        return compare_section(run, shared)
    return _compress(run, shared) if run.command == "compress" else _analyze(run, shared, beside)


def _shared(run: Run, id: str) -> dict[str, Any]:
    result = run.result
    warnings = result.get("warnings")
    return {
        "id": id,
        "command": run.command,
        "model": title_of(result.get("model")) or "unnamed model",
        "dataset": title_of(result.get("dataset")) or "unnamed vectors",
        "corpus": corpus_line(result),
        "created": str(result.get("created") or ""),
        "warnings": [str(warning) for warning in warnings] if isinstance(warnings, list) else [],
        "environment": _environment(result),
        "request": [fact for fact in facts(result.get("request")) if fact.text != MISSING],
        "commands": commands(run),
        "result": result,
        "file": run.name,
    }


def _environment(result: Mapping[str, Any]) -> list[Fact]:
    stored = result.get("environment")
    stored = stored if isinstance(stored, Mapping) else {}
    versions = stored.get("versions")
    rest = {name: value for name, value in stored.items() if name != "versions"}
    named = [Fact(str(name), str(value)) for name, value in versions.items()] if isinstance(versions, Mapping) else []
    return [*named, *facts(rest)] or [Fact("embgeo", str(result.get("embgeo", "")))]


def _analyze(run: Run, shared: dict[str, Any], beside: Sequence[Run] = ()) -> AnalyzeSection:
    result = run.result
    curves = curve_plots(result.get("curves"), result.get("signature"))
    named = dict(zip(file_names(f"curve {curve.title}" for curve in curves), curves, strict=True))
    standouts = by_file_name(standout_tables(run), "documents")
    reached = by_file_name(retrievability_tables(run), "retrievability")
    drawn = map_view(run)
    plots = {name: Plot(curve.title, curve.description, {"curve": curve.figure}) for name, curve in named.items()}
    if drawn:
        plots = {"map": Plot("Map of the space", drawn.description, drawn.figures), **plots}
    return AnalyzeSection(
        **shared,
        summary=summary(result),
        next=next_command(result),
        retrieval=retrieval_rows(result.get("retrieval")),
        families=families(
            result.get("signature"), result.get("details"), [other.result.get("signature") for other in beside]
        ),
        beside=[title_of(other.result.get("model")) or "unnamed model" for other in beside],
        map=drawn,
        curves=named,
        retrievability=facts(result.get("retrievability")),
        retrievability_tables=reached,
        documents=standouts,
        tables={
            "retrieval": Table("Retrieval", _records(result.get("retrieval"), "measure")),
            "signature": Table("Signature", _records(result.get("signature"), "measure")),
            **_data({**standouts, **reached}),
        },
        plots=plots,
    )


def _compress(run: Run, shared: dict[str, Any]) -> CompressSection:
    result = run.result
    baseline, best = _row(result.get("baseline")), _row(result.get("recommendation"))
    stored = result.get("tradeoffs")
    rows = [row for row in stored if isinstance(row, Mapping)] if isinstance(stored, list) else []
    if baseline and all(row.get("spec") != baseline.get("spec") for row in rows):
        rows = [baseline, *rows]
    spec = str(best["spec"]) if best.get("spec") else None
    budget = result.get("budget")
    protocol = result.get("protocol")
    selection = protocol.get("selection") if isinstance(protocol, Mapping) else None
    quality = str(result.get("quality") or "ndcg@10")
    repeats = {str(row.get("spec")): repeat_command(run, [str(row.get("spec"))]) for row in rows}
    columns = columns_of(rows)
    effects, arrays = store_facts(best)
    limit = budget_limit(budget)
    figures = tradeoff_figures(rows, baseline, spec, limit, repeats, quality)
    bytes_ = byte_table(rows, baseline, spec)
    float8 = float8_view(result.get("float8_or_int8"), entry(result.get("dataset")).get("dimension"))
    rescoring, indices = rescoring_view(result.get("rescoring")), index_view(rows)
    prediction = prediction_view(result.get("prediction"), rows)
    queries = per_query(run, spec, quality) if spec else None
    state, told = by_file_name(arrays, "store"), by_file_name(fact_tables(result.get("protocol")), "protocol")
    views = {"float8": float8, "rescoring": rescoring, "indices": indices, "queries": queries}
    return CompressSection(
        **shared,
        spec=spec or "",
        unmet=unmet(result),
        headline=headline(best, baseline, quality) if spec else "No codec could be recommended.",
        details=details(best, baseline, result) if spec else [],
        price=price_sentence(result.get("price")) if spec else "",
        reason=str(selection or best.get("reason") or ""),
        alternatives=alternatives(best, rows, quality),
        columns=columns,
        shared=shared_facts(rows),
        rows=table_rows(rows, columns, spec, bool(entry(budget))),
        remarks=remarks(rows),
        byte_table=bytes_,
        float8=float8,
        rescoring=rescoring,
        indices=indices,
        prediction=prediction,
        per_query=queries,
        effects=effects,
        lost=lost_documents(best),
        state_tables=state,
        budget=budget_facts(budget),
        protocol=protocol_facts(protocol),
        protocol_tables=told,
        estimators=estimator_sentence(rows),
        tables={
            "codecs": Table("All codecs", by_size(rows)),
            "bytes": Table("Where each byte goes", bytes_.records),
            **{name: Table(TITLES[name], view.records) for name, view in views.items() if view},
            **_data({**state, **told}),
        },
        plots=_plots(figures, len(rows), float8, rescoring, indices, prediction),
    )


def _plots(
    tradeoff: dict[str, Figure],
    rows: int,
    float8: Float8View | None,
    rescoring: RescoringView | None,
    indices: IndexView | None,
    prediction: PredictionView | None,
) -> dict[str, Plot]:
    described = f"Bytes per vector against quality for {rows} codecs; the table that follows holds the same numbers."
    found = {"tradeoff": Plot("Size against quality", described, tradeoff)}
    if float8:
        found["float8"] = Plot(TITLES["float8"], float8.description, float8.figures)
    if rescoring:
        found["rescoring"] = Plot(TITLES["rescoring"], RESCORED, rescoring.figures)
    if indices:
        found["indices"] = Plot(TITLES["indices"], indices.description, indices.figures)
    if prediction:
        found["prediction"] = Plot("Predicted and measured recall", prediction.description, prediction.figures)
    return {name: plot for name, plot in found.items() if plot.figures}


def _data(tables: Mapping[str, FactTable]) -> dict[str, Table]:
    return {name: Table(table.caption, table.records) for name, table in tables.items()}


def budget_limit(budget: Any) -> float | None:
    """The budget in bytes per vector, for the line in the plot; one on the whole store is shared among its vectors."""
    if not isinstance(budget, Mapping):
        return None
    store, vectors = finite(budget.get("store")), finite(budget.get("vectors"))
    shared = store / vectors if store is not None and vectors else None
    return finite(budget.get("per_vector")) or shared


def _row(entry: Any) -> Row:
    return entry if isinstance(entry, Mapping) else {}


def _records(entries: Any, key: str) -> list[Mapping[str, Any]]:
    if not isinstance(entries, Mapping):
        return []
    return [{key: name, **entry} for name, entry in entries.items() if isinstance(entry, Mapping)]
