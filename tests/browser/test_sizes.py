"""The report at other sizes: a narrow screen, a window that is resized to nothing and back, paper."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from examples.mapped import mapped

from embgeo.run import load_run

OVERLAPS = """() => {
    const found = [];
    for (const axis of document.querySelectorAll(".plot .xaxislayer-above, .plot .yaxislayer-above")) {
        const boxes = [...axis.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
        for (const [i, [first, a]] of boxes.entries())
            for (const [second, b] of boxes.slice(i + 1))
                if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
                    found.push([axis.closest(".plot").id, first, second]);
    }
    return found;
}"""
FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))))"


@pytest.mark.parametrize("command", ["analyze", "compare", "compress", "compress-parts"])
@pytest.mark.parametrize("width", [1280, 390, 340])
def test_no_two_tick_labels_overlap(visit, repository, command, width):
    page = visit(load_run(repository / "tests" / "data" / "runs" / command), width=width)
    assert page.locator(".plot .xtick text").count() > 1
    assert page.evaluate(OVERLAPS) == []


def test_a_wider_window_shows_its_labels_again(visit, repository):
    page = visit(load_run(repository / "tests" / "data" / "runs" / "compress"), width=1280)
    labels = "[...document.querySelectorAll('#run-1-tradeoff-plot .xtick text')].map(label => label.textContent)"
    wide = page.evaluate(labels)
    page.set_viewport_size({"width": 360, "height": 900})
    page.evaluate(FRAMES)
    narrow = page.evaluate(labels)
    assert len(narrow) < len(wide)
    assert narrow[0] == wide[0]
    assert narrow[-1] == wide[-1]
    page.set_viewport_size({"width": 1280, "height": 900})
    page.evaluate(FRAMES)
    assert page.evaluate(labels) == wide


def test_a_page_that_loses_its_width_redraws_when_it_has_one_again(visit, repository, tmp_path: Path):
    """Nothing may be thrown on the way: `visit` asserts that."""
    page = visit(mapped(tmp_path), load_run(repository / "tests" / "data" / "runs" / "analyze"))
    for size in ("0", "3px", "31px", "0", ""):
        page.evaluate("size => (document.querySelector('main').style.width = size)", size)
        page.evaluate("size => (document.querySelector('main').style.padding = size && '0')", size)
        page.evaluate("document.dispatchEvent(new Event('embgeo-draw'))")
        page.evaluate(FRAMES)
    for display in ("none", ""):
        page.evaluate("display => (document.querySelector('main').style.display = display)", display)
        page.locator("[data-action=theme]").click()
        page.evaluate(FRAMES)
    canvas = page.locator(".map canvas")
    assert canvas.evaluate("canvas => canvas.width / window.devicePixelRatio") == canvas.evaluate("c => c.clientWidth")
    for box in page.locator(".plot").all():
        svg, room = box.locator(".main-svg").first.bounding_box(), box.bounding_box()
        assert svg["width"] == pytest.approx(room["width"], abs=1)


def pages_of(page: Any) -> list[str]:
    pypdf = pytest.importorskip("pypdf", reason="needs pypdf (pip install 'embgeo[dev]')")
    read = pypdf.PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True)))
    return [" ".join(sheet.extract_text().split()) for sheet in read.pages]


def test_a_table_that_continues_on_the_next_page_repeats_its_head(visit, repository):
    run = load_run(repository / "tests" / "data" / "runs" / "compress")
    row = run.result["tradeoffs"][0]
    run.result["tradeoffs"] += [
        {**row, "spec": f"longtable{n}", "bytes_per_vector": n, "pareto": False, "ndcg@10": None} for n in range(80)
    ]
    sheets = [text for text in pages_of(visit(run)) if "longtable" in text]
    assert len(sheets) > 1
    assert [text[:300] for text in sheets if "Bytes / vector" not in text] == []
