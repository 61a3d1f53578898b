"""Rescoring, indices, predictions, float8 or int8 and the price of a compress report, in real Chromium."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from examples.hostile import HOSTILE

from embgeo.run import Run, load_run

PLOTS = tuple(f"{name}-plot" for name in ("float8", "tradeoff", "rescoring", "indices", "prediction"))


@pytest.fixture(scope="module")
def run(repository: Path) -> Run:
    return load_run(repository / "tests" / "data" / "runs" / "compress-parts")


def overflow(page: Any) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_every_part_is_drawn_and_fits(visit, run, scheme, width):
    page = visit(run, width=width, color_scheme=scheme)
    drawn = [box.get_attribute("id") for box in page.locator(".plot:has(.main-svg)").all()]
    assert drawn == [f"run-1-{name}" for name in PLOTS]
    for box in page.locator(".plot").all():
        assert box.locator(".trace .points path, .trace .js-line").count() > 0
    assert overflow(page) <= 0
    # no tick label may lie on the axis title
    for name in PLOTS:
        title = page.locator(f"#run-1-{name} .ytitle").bounding_box()
        labels = [label.bounding_box() for label in page.locator(f"#run-1-{name} .yaxislayer-above text").all()]
        assert labels
        assert title["x"] + title["width"] <= min(label["x"] for label in labels) + 1


def test_the_contents_lead_to_each_part(visit, run):
    page = visit(run)
    links = page.locator("nav.contents a")
    for link in links.all():
        assert page.locator(link.get_attribute("href")).count() == 1
    assert {"float8 or int8?", "Rescoring", "Indices", "Prediction"} <= set(links.all_inner_texts())


def test_rescoring_is_switched_to_ndcg(visit, run):
    page = visit(run)
    title = page.locator("#run-1-rescoring-plot .ytitle")
    assert "Recall@10" in title.text_content()
    page.get_by_label("Quality of rescoring").select_option("ndcg@10")
    assert "nDCG@10" in page.locator("#run-1-rescoring-plot .ytitle").text_content()
    # the other plot has a switch of its own
    assert "nDCG@10" in page.locator("#run-1-tradeoff-plot .ytitle").text_content()


@pytest.mark.parametrize(("name", "said"), [("prediction-plot", "predicted"), ("indices-plot", "of flat search")])
def test_a_point_says_what_it_is(visit, run, name, said):
    page = visit(run)
    box = page.locator(f"#run-1-{name}")
    box.scroll_into_view_if_needed()
    point = box.locator(".scatterlayer .trace").first.locator(".points path").first.bounding_box()
    page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    label = page.locator(f"#run-1-{name} .hoverlayer .hovertext").first
    label.wait_for()
    assert said in label.text_content()


def test_skipped_specs_unfold(visit, run):
    page = visit(run)
    listed = page.locator(".chips")
    assert listed.is_hidden()
    page.locator("summary", has_text="codecs were skipped").click()
    assert listed.is_visible()
    assert listed.locator("li").count() == len(run.result["prediction"]["passed_over"])


def test_predictions_are_a_column_on_request(visit, run):
    page = visit(run)
    header = page.locator("table.sortable thead th", has_text="Predicted recall")
    assert header.is_hidden()
    page.get_by_label("all columns").check()
    assert header.is_visible()


def test_a_long_table_scrolls_in_its_box_to_the_recommended_row(visit, run):
    result = copy.deepcopy(run.result)
    row = result["tradeoffs"][0]
    smaller = [{**row, "spec": f"pq{n}", "bytes_per_vector": n, "pareto": False} for n in range(60)]
    result["tradeoffs"] += smaller
    page = visit(Run(run.folder, result))
    box = page.locator(".tall")
    box.scroll_into_view_if_needed()
    frame, best = box.bounding_box(), box.locator("tr.best").bounding_box()
    header = box.locator("thead th").first.bounding_box()
    assert frame["height"] < 800
    assert header["y"] == pytest.approx(frame["y"], abs=2)
    assert header["y"] + header["height"] <= best["y"]
    assert best["y"] + best["height"] <= frame["y"] + frame["height"]


@pytest.mark.parametrize("width", [1200, 390])
def test_hostile_specs_and_sentences_are_only_text(visit, run, width):
    result = copy.deepcopy(run.result)
    queue = list(HOSTILE) * 60

    def poison(value: Any) -> Any:
        if isinstance(value, str):
            return queue.pop()
        if isinstance(value, list):
            return [poison(item) for item in value]
        return {key: poison(item) for key, item in value.items()} if isinstance(value, dict) else value

    for row, text in zip(result["tradeoffs"], HOSTILE, strict=False):
        row["spec"] = text
        if row.get("index"):
            row["index"] = poison(row["index"])
    for key in ("rescoring", "float8_or_int8", "price", "dataset"):
        result[key] = poison(result[key])
    result["prediction"] = poison(result["prediction"])
    result["prediction"]["worst"]["spec"] = HOSTILE[0]
    result["prediction"]["passed_over"] = dict.fromkeys(HOSTILE, 0.5)
    page = visit(Run(run.folder, result), width=width)
    page.evaluate("document.querySelectorAll('details').forEach(item => item.open = true)")
    for box in page.locator(".plot").all():
        box.scroll_into_view_if_needed()
        box.hover()
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main svg[onload], main a[href^=javascript]").count() == 0
    assert overflow(page) <= 0
    text = page.locator(".chips").inner_text()
    assert HOSTILE[1] in text
    assert "{{ 7*7 }}" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_accessibility_rule_is_broken(visit, run, broken_rules, scheme):
    page = visit(run, color_scheme=scheme)
    assert broken_rules(page, only_colours=scheme == "dark") == []
