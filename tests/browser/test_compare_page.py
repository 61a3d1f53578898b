"""A comparison in real Chromium: drawn, switched, hovered, hostile names inert, no sideways scroll on a phone."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from embgeo.run import Run, load_run

HOSTILE = (
    "<script>window.hacked=1</script>",
    "</script><script>window.hacked=1</script>",
    "<img src=x onerror=window.hacked=1>",
    "\"'><svg onload=window.hacked=1>",
    "<a href='javascript:window.hacked=1'>x</a>",
    "%{customdata}{{ 7*7 }}",
    "\u202etxt.exe\u2066",
    "nul\x00byte\x1b[31m half \ud800 pair",
    "x" * 3000,
    "__proto__",
)


@pytest.fixture
def stored(repository: Path) -> Run:
    return load_run(repository / "tests" / "data" / "runs" / "compare")


def poisoned(stored: Run) -> Run:
    """The comparison with every free text replaced by a hostile one, labels and specs too."""
    result = copy.deepcopy(stored.result)
    queue = list(HOSTILE) * 100
    for item in result["runs"]:
        item |= {key: queue.pop() for key in ("model", "dataset", "folder", "similarity", "created", "command")}
    for front in result["fronts"][0]["fronts"]:
        front["recommended"] = front["rows"][0]["spec"] = queue.pop()
        for row in front["rows"][1:]:
            row["spec"] = queue.pop()
    for item in [*result["stores"]["stores"], *result["cost"]]:
        item["spec"] = queue.pop()
    for row in result["signatures"]["measures"]:
        row["values"][0] = {"value": None, "reason": queue.pop()}
    result["signatures"]["normalisation"] = result["signatures"]["order"] = HOSTILE[0]
    result["model_similarity"][0] |= {"status": "unavailable", "reason": HOSTILE[1], "detail": HOSTILE[2]}
    result["retrieval"]["pairs"][0] |= {"status": "unavailable", "reason": HOSTILE[3], "measures": {}}
    for pair in result["retrieval"]["pairs"][1:]:
        pair["measures"] = {HOSTILE[0]: pair["measures"]["ndcg@10"], **pair["measures"]}
    result["retrieval"]["method"] = HOSTILE[2]
    result["warnings"] = list(HOSTILE)
    result["request"] = {HOSTILE[0]: HOSTILE[1], "vectors": HOSTILE[2]}
    return Run(Path("compare-hostile"), result)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_the_comparison_is_drawn_and_fits(visit, stored, scheme, width):
    page = visit(stored, width=width, color_scheme=scheme)
    assert page.locator(".plot:has(.main-svg)").count() == page.locator(".plot").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    painted = page.locator(".heat td[class*=z-]")
    assert painted.count() > 5
    colours = set(painted.evaluate_all("cells => cells.map(cell => getComputedStyle(cell).backgroundColor)"))
    assert len(colours) > 2


def test_fronts_differ_in_colour_and_shape_and_say_what_a_point_is(visit, stored):
    page = visit(stored)
    box = page.locator(".plot").first
    box.scroll_into_view_if_needed()
    lines = box.locator(".scatterlayer .trace:has(.js-line)")
    assert lines.count() == 3
    shapes = lines.evaluate_all("traces => traces.map(t => t.querySelector('.points path').getAttribute('d'))")
    colours = lines.evaluate_all("traces => traces.map(t => t.querySelector('.points path').style.fill)")
    assert len(set(shapes)) == len(set(colours)) == 3
    point = lines.first.locator(".points path").last.bounding_box()
    page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    label = page.locator(".hoverlayer .hovertext").first
    label.wait_for()
    assert "minilm-docs.npy" in label.text_content()
    assert "per vector" in label.text_content()


def test_the_axes_can_be_made_relative(visit, stored):
    page = visit(stored)
    assert "Bytes per vector" in page.locator(".plot .xtitle").text_content()
    page.locator("select[data-switch]").select_option("relative")
    assert "Share of float32" in page.locator(".plot .xtitle").text_content()
    assert "%" in page.locator(".plot .yaxislayer-above").first.text_content()


@pytest.mark.parametrize("width", [1200, 390])
def test_hostile_names_are_only_text(visit, stored, width):
    page = visit(poisoned(stored), width=width)
    box = page.locator(".plot").first
    box.scroll_into_view_if_needed()
    box.hover()
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("document.querySelectorAll('main img, svg[onload], a[href^=javascript]').length") == 0
    assert page.evaluate(
        "[...document.querySelectorAll('*')].every(e => ![...e.attributes].some(a => /^on/.test(a.name)))"
    )
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    text = page.locator("main").inner_text()
    assert HOSTILE[2] in text
    assert "[U+202E]txt.exe" in text
    assert "nul␀byte" in text
    assert "7*7" in text


def test_runs_stacked_beside_a_comparison_all_have_their_place(visit, stored, repository):
    runs = [load_run(repository / "tests" / "data" / "runs" / command) for command in ("analyze", "compress")]
    page = visit(*runs, stored)
    assert page.locator("article").count() == 3
    assert page.locator("#run-3 h2.h1").inner_text() == "minilm-docs.npy, noisy-docs.npy and pca128-docs.npy on scifact"
    assert page.locator("main > p.note").count() == 0, "an analyze and a compress run have nothing to be paired in"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_accessibility_rule_is_broken(visit, stored, broken_rules, scheme):
    page = visit(stored, color_scheme=scheme)
    assert broken_rules(page, only_colours=scheme == "dark") == []
