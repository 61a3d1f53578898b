"""The report in real Chromium: it loads nothing, logs nothing, runs nothing of what a corpus may hold, and works."""

from __future__ import annotations

import copy
import csv
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from examples.hostile import HOSTILE

from embgeo.run import Run, load_run


def stored(repository: Path, command: str) -> Run:
    return load_run(repository / "tests" / "data" / "runs" / command)


def overflow(page: Any) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def column(page: Any, number: int) -> list[str]:
    cells = page.locator(f"table.sortable tbody tr:visible > :nth-child({number + 1})")
    return [value or "" for value in cells.evaluate_all("cells => cells.map(cell => cell.dataset.value)")]


@pytest.mark.parametrize("command", ["analyze", "compress"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_the_page_is_drawn_and_fits(visit, repository, command, scheme, width):
    page = visit(stored(repository, command), width=width, color_scheme=scheme)
    plots = page.locator(".plot")
    assert plots.count() == page.locator(".plot:has(.main-svg)").count() > 0
    assert overflow(page) <= 0


@pytest.mark.parametrize("command", ["analyze", "compress"])
@pytest.mark.parametrize("width", [1200, 390])
def test_hostile_text_is_only_text(visit, repository, command, width):
    run = stored(repository, command)
    queue = list(HOSTILE) * 60

    def poison(value: Any) -> Any:
        """Every text of the result replaced in turn by a hostile one, keys of free dicts too."""
        if isinstance(value, str):
            return queue.pop()
        if isinstance(value, list):
            return [poison(item) for item in value]
        return {key: poison(item) for key, item in value.items()} if isinstance(value, dict) else value

    result = copy.deepcopy(run.result)
    for key in ("model", "dataset", "request", "environment", "similarity", "created", "budget", "protocol"):
        if key in result:
            result[key] = poison(result[key])
    result["warnings"] = list(HOSTILE)
    if command == "analyze":
        entry = result["signature"]["twonn_dim"]
        result["signature"] = {text: {**entry, "reason": text, "value": None} for text in HOSTILE}
        result["curves"] = {
            text: {**result["curves"]["explained_variance"], "x_label": text, "y_label": text} for text in HOSTILE
        }
        result["retrievability"] = {"hubs": [{"id": text, "text": text} for text in HOSTILE], HOSTILE[0]: HOSTILE[1]}
        result["details"] = {HOSTILE[0]: {HOSTILE[1]: [{"id": text} for text in HOSTILE]}}
    else:
        for row, text in zip(result["tradeoffs"], HOSTILE * 2, strict=False):
            row |= {"spec": text, "note": text, "query_side": text, "searcher": text, "status": text}
        result["recommendation"] = {**result["tradeoffs"][1], "reason": HOSTILE[2]}
    page = visit(Run(Path(f"{HOSTILE[0]}"[:8]), result), width=width)
    for box in page.locator(".plot").all()[:3]:
        box.scroll_into_view_if_needed()
        box.hover()
    if command == "analyze":
        titles = page.locator(".plot .xtitle").all_text_contents()
        assert HOSTILE[0] in titles
        assert HOSTILE[-1] in titles
    assert page.evaluate("window.hacked") is None
    assert (
        page.evaluate("document.querySelectorAll('main img, main svg[onload], main a[href^=javascript]').length") == 0
    )
    assert (
        page.evaluate("document.scripts.length - document.querySelectorAll('script[type=\"application/json\"]').length")
        == 3
    )
    assert overflow(page) <= 0
    text = page.locator("main").inner_text()
    assert HOSTILE[1] in text
    assert "{{ 7*7 }}" in text
    assert "[U+202E]txt.exe" in text
    assert "nul␀byte" in text


def test_the_policy_stops_what_would_still_get_in(visit, repository):
    page = visit(stored(repository, "compress"))
    stopped = page.evaluate(
        """() => new Promise(resolve => {
            const seen = [];
            document.addEventListener("securitypolicyviolation", event => {
                seen.push(event.effectiveDirective);
                if (seen.length === 2) resolve(seen.sort());
            });
            const script = document.createElement("script");
            script.textContent = "window.hacked = 1";
            document.body.append(script);
            fetch("data:text/plain,x").catch(() => {});
        })"""
    )
    assert stopped == ["connect-src", "script-src-elem"]
    assert page.evaluate("window.hacked") is None
    assert all("Content Security Policy" in line for line in visit.said)
    visit.said.clear()


def test_columns_sort_both_ways_with_missing_values_last(visit, repository):
    page = visit(stored(repository, "compress"))
    header = page.locator("table.sortable thead th", has_text="Recall@10")
    number = header.evaluate("cell => cell.cellIndex")
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    values = column(page, number)
    assert values[-1] == ""
    assert [float(v) for v in values[:-1]] == sorted(float(v) for v in values[:-1])
    header.locator("button").press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    values = column(page, number)
    assert values[-1] == ""
    assert [float(v) for v in values[:-1]] == sorted((float(v) for v in values[:-1]), reverse=True)
    assert page.locator("table.sortable [aria-sort]").count() == 1


def test_rows_are_filtered_by_words_and_marks(visit, repository):
    page = visit(stored(repository, "compress"))
    everything = len(column(page, 0))
    page.get_by_label("Filter").fill("PCA int8")
    assert column(page, 0) == ["pca192,int8"]
    assert page.locator("[data-count]").inner_text() == f"1 of {everything} shown"
    page.get_by_label("Filter").fill("")
    page.get_by_label("only within the budget").check()
    sizes = [float(value) for value in column(page, 1) if value]
    assert 0 < len(sizes) < everything
    assert max(sizes[:-1]) <= 96
    page.get_by_label("only the Pareto front").check()
    assert column(page, 0) == ["adaptive@24B", "adaptive@48B", "adaptive@96B"]


def test_the_quality_can_be_switched(visit, repository):
    page = visit(stored(repository, "compress"))
    title = page.locator(".plot .ytitle")
    assert "nDCG@10" in title.text_content()
    page.locator("select[data-switch]").select_option("recall@10_exact")
    assert "Recall@10" in page.locator(".plot .ytitle").text_content()


def test_hovering_a_point_says_what_it_is_and_how_to_repeat_it(visit, repository):
    page = visit(stored(repository, "compress"))
    box = page.locator(".plot").first
    box.scroll_into_view_if_needed()
    star = box.locator(".scatterlayer .trace").nth(-2).locator(".points path").last.bounding_box()  # last: the edge
    page.mouse.move(star["x"] + star["width"] / 2, star["y"] + star["height"] / 2)
    label = page.locator(".hoverlayer .hovertext").first
    label.wait_for()
    text = label.text_content()
    assert "adaptive@96B" in text
    assert "embgeo compress minilm scifact" in text
    assert "--spec adaptive@96B" in text


def test_the_theme_switches_the_page_and_its_plots(visit, repository):
    page = visit(stored(repository, "compress"), color_scheme="light")
    ink = "getComputedStyle(document.querySelector('.plot .xtick text')).fill"
    paper = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ink), page.evaluate(paper)
    button = page.get_by_role("button", name="Theme")
    button.click()
    assert (page.evaluate(ink), page.evaluate(paper)) == before  # auto was light
    button.click()
    after = page.evaluate(ink), page.evaluate(paper)
    assert button.inner_text() == "Theme: dark"
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_print_is_light_whole_and_undone_afterwards(visit, repository):
    page = visit(stored(repository, "analyze"), color_scheme="dark")
    ink = "getComputedStyle(document.querySelector('.plot .xtick text')).fill"
    dark = page.evaluate(ink)
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(ink) != dark
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(ink) == dark
    assert page.locator("details:not([open])").count() > 0
    assert len(page.pdf(prefer_css_page_size=True)) > 20_000


def taken(page: Any, button: str, tmp_path: Path) -> tuple[str, str]:
    """The name and the text of the file that a button saves."""
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button, exact=True).click()
    waiting.value.save_as(tmp_path / "taken")
    return waiting.value.suggested_filename, (tmp_path / "taken").read_text(encoding="utf-8")


def test_results_can_be_downloaded(visit, repository, tmp_path):
    run = stored(repository, "compress")
    name, text = taken(visit(run), "Download JSON", tmp_path)
    assert name == f"{run.name}.json"
    assert json.loads(text) == run.result


def test_a_table_is_saved_as_csv_with_every_row_in_the_order_of_the_page(visit, repository, tmp_path):
    run = stored(repository, "compress")
    page = visit(run)
    name, text = taken(page, "CSV: All codecs", tmp_path)
    assert name == f"{run.name}-codecs.csv"
    assert [row["spec"] for row in csv.DictReader(text.splitlines())] == column(page, 0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_figure_is_saved_as_svg_as_shown_in_print_colours(visit, repository, tmp_path, scheme):
    run = stored(repository, "compress")
    page = visit(run, color_scheme=scheme)
    page.locator("select[data-switch]").select_option("recall@10_exact")
    name, text = taken(page, "SVG: Size against quality", tmp_path)
    assert name == f"{run.name}-tradeoff-recall-10-exact.svg"
    drawn = ElementTree.fromstring(text)
    assert drawn.tag.endswith("svg")
    assert "Recall@10 against exact neighbours" in "".join(drawn.itertext())
    assert "rgb(27, 32, 39)" in text  # the ink of the light theme
    assert page.get_by_role("button", name="Theme").inner_text() == "Theme: auto"


def test_everything_is_reached_by_keyboard(visit, repository):
    page = visit(stored(repository, "compress"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName"))
    assert reached >= {"BUTTON", "SELECT", "INPUT", "DIV", "SUMMARY"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("commands", [("analyze",), ("compress",), ("analyze", "compress", "analyze")])
def test_no_accessibility_rule_is_broken(visit, repository, broken_rules, commands, scheme):
    page = visit(*(stored(repository, command) for command in commands), color_scheme=scheme)
    assert broken_rules(page, only_colours=scheme == "dark") == []
