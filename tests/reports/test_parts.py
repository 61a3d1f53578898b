"""Parts of a compress report that only some runs have: predictions, rescoring, indices, float8 or int8, a price."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from examples.drawn import cells, part, plot, sentences, table, words

from embgeo.reports import report_html
from embgeo.reports.blocks import Cell, Plot, RowFilter, walk
from embgeo.reports.drawing.csv import csv_text
from embgeo.reports.figures import decade_ticks
from embgeo.reports.numbers import bare
from embgeo.reports.price import money, price_sentence
from embgeo.reports.section import parts_of
from embgeo.reports.sections.codecs import remarks
from embgeo.reports.sections.decision import details
from embgeo.reports.sections.protocol import budget_facts, estimator_sentence, protocol_facts
from embgeo.reports.sections.tradeoff import tradeoff_figures
from embgeo.results import CompressResult, Row
from embgeo.results.compress import Budget, Price, Protocol
from embgeo.run import Run, load_run

HEADINGS = {
    "float8_or_int8": "float8 or int8?",
    "rescoring": "Rescoring: how many candidates to fetch",
    "index": "Indices: speed against recall",
    "prediction": "Predicted and measured recall",
    "price": "At 0.25 per GB",
}
ODD = (None, float("nan"), "text", [], {}, [1], True, -3, "</script>")


@pytest.fixture(scope="module")
def run(repository: Path) -> Run:
    """A measured run of format 1 that holds every part."""
    return load_run(repository / "tests" / "data" / "runs" / "compress-parts")


def bare_of(result: dict[str, Any], part: str) -> dict[str, Any]:
    """The result as a version that knew nothing of `part` would have stored it."""
    left = copy.deepcopy({key: value for key, value in result.items() if key != part})
    for row in (left["baseline"], left["recommendation"], *left["tradeoffs"]):
        if part == "index":
            row.pop("index", None)
        if part == "prediction":
            row.pop("predicted_recall@10_exact", None)
    return left


@pytest.mark.parametrize("part", HEADINGS)
def test_every_part_is_drawn_if_present_and_leaves_no_trace_if_absent(run, part):
    heading = HEADINGS[part]
    assert heading in report_html([run])
    page = report_html([Run(run.folder, bare_of(run.result, part))])
    assert heading not in page
    others = [text for name, text in HEADINGS.items() if name != part]
    assert all(text in page for text in others)


def test_a_run_of_the_first_version_shows_none_of_them(repository):
    page = report_html([load_run(repository / "tests" / "data" / "runs" / "compress")])
    assert not [heading for heading in HEADINGS.values() if heading in page]


DAMAGED = ("rescoring", "float8_or_int8", "prediction", "price", "tradeoffs", "baseline", "recommendation", "protocol")


def paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every value, lists by their first two entries."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, item in items:
        yield (*above, key)
        yield from paths(item, (*above, key))


@pytest.mark.parametrize("name", DAMAGED)
def test_any_damage_to_a_part_is_survived(run, name):
    stored = {**run.result, "tradeoffs": [row for row in run.result["tradeoffs"] if row.get("index")]}
    places = list(paths(stored[name]))
    assert len(places) > 5
    for number, place in enumerate(places):
        for odd in (ODD + ODD)[number % len(ODD) :][:3]:
            damaged = {**stored, name: copy.deepcopy(stored[name])}
            target = damaged[name]
            for key in place[:-1]:
                target = target[key]
            target[place[-1]] = odd
            for found in parts_of(Run(run.folder, damaged)):
                # plotly wants numbers: whatever is none must have been left out
                json.dumps([drawn.figures for drawn in walk(found.blocks, Plot)], allow_nan=False)


def test_the_prediction_says_how_far_off_it_was(run):
    found = part(run.result, "prediction")
    account = run.result["prediction"]
    said = " ".join(sentences(found))
    assert f"Recall@10 of {account['specs']} codecs was predicted" in said
    assert f"off by {account['mean_absolute_error_high_recall']:.3f} on average where the measured" in said
    assert f"Largest error: {account['worst']['spec']}, {abs(account['worst']['error']):.3f} too low." in said
    passed = [float(text.rsplit(" ", 1)[1]) for text in sentences(found)[1:]]
    assert passed == sorted((round(value, 3) for value in account["passed_over"].values()), reverse=True)
    dots = [trace for trace in plot(found).figures["recall"]["data"] if trace["mode"] == "markers"]
    drawn = {point for trace in dots for point in zip(trace["x"], trace["y"], strict=True)}
    rows = [row for row in run.result["tradeoffs"] if row["spec"] != "f32"]
    assert drawn == {(row["predicted_recall@10_exact"], row["recall@10_exact"]) for row in rows}
    assert {trace["name"] for trace in dots} == {"codec", "largest error", "with an index, predicted from its codes"}


def column_of(rows: list[dict[str, Any]], title: str) -> list[Cell]:
    """The cells of one column of the table of all codecs."""
    drawn = table(part({"tradeoffs": rows}, "table"))
    place = [column.title for column in drawn.columns].index(title)
    return [row.cells[place] for row in drawn.rows]


def test_the_prediction_is_a_column_that_is_hidden_at_first(run):
    drawn = table(part(run.result, "table"))
    assert next(column for column in drawn.columns if column.title == "Predicted recall").extra
    (cell,) = column_of([{"spec": "a", "predicted_recall@10_exact": 0.98765}], "Predicted recall")
    assert cell.line == "0.988"


def rescored(*recalls: float, whole: float | None = 0.9, alone: float | None = 0.5) -> dict[str, Any]:
    def point(value: float | None) -> dict[str, Any] | None:
        return None if value is None else {"recall@10_exact": value, "bytes_per_vector": 4}

    points = [{"factor": 2**n, "candidates": 10 * 2**n, **(point(value) or {})} for n, value in enumerate(recalls, 1)]
    return {
        "search": "binary", "rescore": "int8", "points": points,
        "search_alone": point(alone), "rescore_alone": point(whole),
    }  # fmt: skip


def test_the_least_factor_that_finds_99_percent_is_named():
    found = part({"rescoring": [rescored(0.8, 0.895, 0.9)]}, "rescoring")
    said = sentences(found)[-1]
    # 99 % of .9 is .891
    assert said.endswith("4× is enough for 99 % of what int8 finds alone (0.900).")
    assert "from 0.500 without rescoring to 0.900 with 8× the candidates" in said
    assert [row[1] for row in cells(table(found))] == ["binary alone", "2×", "4×", "8×", "int8 alone"]
    assert list(plot(found).figures) == ["recall@10_exact"]
    assert plot(found).figures["recall@10_exact"]["data"][0]["y"] == [0.5, 0.8, 0.895, 0.9, 0.9]


def test_a_factor_that_was_not_reached_is_not_claimed():
    said = sentences(part({"rescoring": [rescored(0.6, 0.7)]}, "rescoring"))[-1]
    assert "none of the factors tried reaches 99 %" in said
    said = sentences(part({"rescoring": [rescored(0.6, whole=None, alone=None)]}, "rescoring"))[-1]
    assert said == "binary, rescored by int8: recall rises to 0.600 with 2× the candidates."
    assert part({"rescoring": []}, "rescoring") is None


def indexed(**index: Any) -> dict[str, Any]:
    facts = {
        "name": "hnsw8", "effort": 16, "structure_bytes": 1000, "constant_bytes": 0, "build_seconds": 0.5,
        "efforts": [
            {"effort": 8, "recall_of_flat": 0.9, "qps": 4000.0, "single_query_ms": 0.1},
            {"effort": 16, "recall_of_flat": 0.96, "qps": 2000.0, "single_query_ms": 0.2},
        ],
        "flat": {"qps": 500.0, "single_query_ms": 2.0},
        "at_recall": {"0.95": {"effort": 16, "recall_of_flat": 0.96, "qps": 2000.0}, "0.99": None},
    } | index  # fmt: skip
    return {"spec": "hnsw8,int8", "bytes_per_vector": 450, "structure_bytes_per_vector": 66, "index": facts}


def test_indices_are_compared_at_equal_recall():
    found = part({"tradeoffs": [{"spec": "int8"}, indexed()]}, "indices")
    assert sentences(found)[1:] == [
        "hnsw8,int8 finds 95\u202f% at 4.0× the speed of flat search (effort 16), for 66\u202fB more per vector."
    ]
    assert [column.title for column in table(found).columns[-2:]] == [
        "95\u202f% of flat's results", "99\u202f% of flat's results",
    ]  # fmt: skip
    assert next(cells(table(found)))[-2:] == ["2,000 (4.0×) at effort 16", "not reached"]
    line, star = plot(found).figures["index"]["data"]
    assert (line["x"], line["y"]) == ([0.9, 0.96], [4000.0, 2000.0])
    assert (star["x"], star["y"]) == ([1.0], [500.0])
    assert plot(found).figures["index"]["layout"]["yaxis"]["type"] == "log"
    assert part({"tradeoffs": [{"spec": "int8"}]}, "indices") is None


def test_the_bytes_of_links_and_tiers_are_listed_separately(run):
    drawn = table(part(run.result, "bytes"))
    sizes = {row[0]: row[1] for row in cells(drawn)}
    assert "Index" in [column.title for column in drawn.columns]
    assert sizes["hnsw32,int8"].endswith("384\u202fB codes + 262\u202fB index")
    assert sizes["binary+int8@2"].endswith("48\u202fB searched + 384\u202fB rescored")
    assert sizes["int8"] == "384\u202fB"
    flat = table(part({"tradeoffs": [{"spec": "int8", "pareto": True, "structure_bytes": 0}]}, "bytes"))
    assert "Index" not in [column.title for column in flat.columns]


@pytest.mark.parametrize("difference", [0.0, -0.001])
def test_a_difference_of_float8_and_int8_without_an_interval_says_why(difference: float):
    """A mean of 0 is none: one query may gain what another loses."""
    few = {"difference": difference, "difference_ci": None}
    drawn = table(part({"float8_or_int8": {"published": {**few, "widths": [few]}}}, "float8"))
    assert [row[3].partition(" ")[2] for row in cells(drawn)] == ["too few queries differ for an interval"] * 2


def test_float8_and_int8_stand_side_by_side_at_each_width(run):
    found = part(run.result, "float8")
    said = sentences(found)[0]
    assert not said.startswith("float8 or int8?")
    assert not [word for word in said.split() if word.startswith(("-", "(-"))]
    rows = list(cells(table(found)))
    assert [row[0] for row in rows] == ["384", "346", "288", "192", "96", "Mean"] * 2
    stored = run.result["float8_or_int8"]["published"]["widths"][1]
    assert rows[1][-1] == f"{stored['float8']} − {stored['int8']}"
    assert rows[1][1] == f"{stored['float8_value']:.4f}"
    assert [trace["y"] for trace in plot(found).figures["float8"]["data"]] == [
        [width["difference"] for width in run.result["float8_or_int8"][key]["widths"]]
        for key in ("published", "correct")
    ]


def test_the_price_is_in_the_decision_with_what_it_is_based_on(run):
    sentence = price_sentence(Price.from_json(run.result["price"]))
    assert sentence.startswith("At 0.25 per GB, 100 million vectors cost 9.60 instead of 38.40. ")
    assert "the RAM that a search holds, 38.4\u202fGB instead of 154\u202fGB, measured at 5,183 vectors" in sentence
    page = report_html([run])
    assert page.index("The decision") < page.index("cost 9.60 instead of 38.40") < page.index("What would change it")
    assert price_sentence(None) == price_sentence(Price(per_gb=0.25)) == ""


@pytest.mark.parametrize(
    ("value", "text"), [(38.4, "38.40"), (0.5, "0.50"), (0.00123, "0.001230"), (0, "0.00"), (1234.5, "1,234.50")]
)
def test_small_sums_are_not_rounded_away(value, text):
    assert money(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.25, "0.25"), (100, "100"), (0.7, "0.7"), (2.0, "2"), (None, "—")])
def test_settings_have_no_trailing_zeros(value, text):
    assert bare(value) == text


def test_ticks_of_a_log_axis_are_round():
    assert decade_ticks(900, 11_000) == [1000, 2000, 5000, 10_000]
    assert decade_ticks(3, 40_000) == [3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000]


def test_a_note_is_explained_once():
    rows = [
        {"spec": name, "note": f"only {n} of 300 queries change: the interval rests on these"}
        for n, name in ((6, "a"), (8, "b"))
    ]
    told = "a: only 6 of 300 queries change: the interval rests on these (likewise 1 more)"
    assert remarks([Row.from_json(row) for row in rows]) == [told]
    assert [words(cell.notes[0]) for cell in column_of(rows, "Spec")] == [
        "only 6 of 300 queries change", "only 8 of 300 queries change",
    ]  # fmt: skip


def test_no_row_is_over_a_budget_that_nobody_set():
    for budget, marks in (({"text": "8B", "per_vector": 8}, ["over budget"]), (None, [])):
        found = part({"tradeoffs": [{"spec": "f32", "fits_budget": False}], "budget": budget}, "table")
        assert table(found).rows[0].cells[0].marks == marks
        assert bool(next(walk(found.blocks, RowFilter)).without) == bool(marks)


def test_the_protocol_is_listed_without_what_is_shown_elsewhere():
    stored = {"folds": 5, "selection": "the best", "resumed": [], "left_out": {"pq48": 12.4}, "fit_budget": "30 s"}
    assert [fact.label for fact in protocol_facts(Protocol.from_json(stored))] == ["Folds", "Fit budget"]
    assert [fact.text for fact in protocol_facts(Protocol.from_json({"left_out": {"pq48": 12.4}}))] == ["12.4"]
    assert [(fact.label, fact.text) for fact in budget_facts(Budget(text="4GB", store=4e9, vectors=1000))] == [
        ("Requested", "4GB"), ("Whole store, at most", "4.00\u202fGB"), ("Planned number of vectors", "1,000"),
    ]  # fmt: skip
    assert budget_facts(None) == []


def test_the_result_is_embedded_whole(run):
    page = report_html([run])
    start = page.index('id="run-1-json">') + len('id="run-1-json">')
    assert json.loads(page[start : page.index("</script>", start)]) == run.result


def estimated(name: str, reason: str, spec: str = "a") -> dict[str, Any]:
    return {"spec": spec, "bytes_per_vector": 4, "ndcg@10": 0.5, "estimator": {"name": name, "reason": reason}}


def test_the_estimator_of_a_row_is_in_the_table_with_its_reason_on_hover():
    rows = [estimated("one codec", "it does not overfit"), estimated("pairwise folds", "codebooks overfit", "pq48")]
    assert {(cell.line, cell.hover, cell.sort) for cell in column_of(rows, "Estimator")} == {
        ("one codec", "it does not overfit", "one codec"), ("pairwise folds", "codebooks overfit", "pairwise folds"),
    }  # fmt: skip
    assert csv_text(rows).splitlines()[1].endswith(",one codec,it does not overfit")


def test_the_protocol_says_how_quality_was_estimated_for_how_many(run):
    rows = [estimated("folds", "they overfit."), estimated("one codec", "why not"), estimated("one codec", "why not")]
    said = "Out-of-sample quality is estimated by one codec for 2 codecs (why not); folds for 1 codec (they overfit)."
    assert estimator_sentence([Row.from_json(row) for row in rows]) == said
    assert estimator_sentence([Row(spec="a")]) == ""
    result = copy.deepcopy(run.result)
    assert "Out-of-sample quality is estimated by" not in report_html([run])
    for row in result["tradeoffs"]:
        row["estimator"] = {"name": "one codec", "reason": "why not"}
    page = report_html([Run(run.folder, result)])
    assert "Out-of-sample quality is estimated by one codec for" in page
    assert "Estimator, all rows" in page


@pytest.mark.parametrize(("met", "first"), [(False, "--keep 99.5"), (True, ""), (None, "")])
def test_the_first_sentence_says_that_keep_is_not_met(run, met, first):
    result = copy.deepcopy(run.result) | {"keep": 0.995}
    result["recommendation"]["meets_keep"] = met
    page = report_html([Run(run.folder, result)])
    lead = page[page.index('<p class="decision">') + len('<p class="decision">') :].replace("\u202f", " ")
    assert lead.startswith(first or "<code>")
    within = "within the budget and " if result.get("budget") else ""
    told = f"99.5 % is not met: no store {within}smaller than float32 is confirmed to keep it."
    assert (told in lead) == bool(first)


def test_the_reason_is_shown_where_an_interval_is_missing():
    note = "only 3 of 300 queries change: an interval would rest on these"
    row = {"spec": "a", "difference": 0.001, "difference_ci": None, "retained": 1.0, "retained_ci": None, "note": note}
    (change,), (kept,), (head,) = (column_of([row], title) for title in ("Difference", "Retained", "Spec"))
    assert (change.notes, kept.notes) == (["only 3 of 300 queries change"], []), "once is enough"
    assert head.notes == []
    best = {**row, "ndcg@10": 0.6, "bytes_per_vector": 4}
    result = CompressResult.from_json({"recommendation": best, "tradeoffs": [best]})
    assert any("without an interval (only 3 of 300 queries change)" in said for said in details(result))
    hover = tradeoff_figures(result, {})["ndcg@10"]["data"][1]["text"][0]
    assert "+0.0010 only 3 of 300 queries change" in hover


def test_codecs_without_a_prediction_are_counted():
    rows = [
        {"spec": "a", "predicted_recall@10_exact": 0.9, "recall@10_exact": 0.91},
        {"spec": "pq48", "predicted_recall@10_exact": None, "recall@10_exact": 0.7},
    ]
    (said,) = sentences(part({"tradeoffs": rows}, "prediction"))
    assert said.startswith("Recall@10 of 1 of 2 codecs was predicted")
    assert said.endswith("1 codec has no prediction: slow to train, or fitted on queries.")
