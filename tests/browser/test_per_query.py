"""The queries that lose, the contents list and the folded columns of a compress report, in real Chromium."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from examples.hostile import HOSTILE

from embgeo.run import Run, load_run, save_run


def losing(repository: Path, out: Path) -> Run:
    """The stored run of format 1 with rankings, and hostile texts as queries, documents and ids."""
    result = copy.deepcopy(load_run(repository / "tests" / "data" / "runs" / "compress").result)
    n = len(HOSTILE)
    spec = result["recommendation"]["spec"]
    result["dataset"] = {"name": "d", "documents": 3 * n}
    rows = np.arange(12, dtype=np.int32)
    arrays = {
        "query_rows": np.arange(n),
        "quality/f32": np.full(n, 0.9),
        f"quality/{spec}": np.linspace(0.1, 0.8, n),
        "ranked/f32": np.stack([(rows + 2 * q) % (3 * n) for q in range(n)]).astype(np.int32),
        f"ranked/{spec}": np.stack([(rows + 2 * q + 3) % (3 * n) for q in range(n)]).astype(np.int32),
        "judged": np.array([[q, 2 * q, 1] for q in range(n)], np.int32),
    }
    documents = [(f"{i} {HOSTILE[i % n]}", HOSTILE[(i + 1) % n]) for i in range(3 * n)]
    return save_run(out, result, arrays, documents, [(f"{i} {text}", text) for i, text in enumerate(HOSTILE)])


@pytest.mark.parametrize("width", [1200, 390])
def test_hostile_queries_and_documents_are_only_text(visit, repository, tmp_path, width):
    page = visit(losing(repository, tmp_path), width=width)
    queries = page.locator("details.query")
    assert queries.count() == 15
    page.evaluate("document.querySelectorAll('details.query').forEach(item => item.open = true)")
    text = page.locator("main").inner_text()
    for shown in (HOSTILE[0], HOSTILE[1], "{{ 7*7 }}", "[U+202E]txt.exe", "nul␀byte"):
        assert shown in text
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main svg[onload], main a[href^=javascript]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_a_losing_query_unfolds_its_documents(visit, repository, tmp_path):
    page = visit(losing(repository, tmp_path))
    second = page.locator("details.query").nth(1)
    table = second.locator("table")
    assert table.is_hidden()
    second.locator("summary").focus()
    page.keyboard.press("Enter")
    assert table.is_visible()
    # the relevant document stood first and is gone; three left, three entered
    cells = table.locator("tbody tr").first.locator("td").all_inner_texts()
    assert cells[:3] == ["left", "relevant (1)", "1 → beyond 12"]
    assert table.locator("tbody tr", has_text="entered").count() == 3


def test_every_entry_of_the_contents_leads_somewhere(visit, repository, tmp_path):
    for run in (losing(repository, tmp_path), load_run(repository / "tests" / "data" / "runs" / "analyze")):
        page = visit(run)
        links = page.locator("nav.contents a")
        assert links.count() >= 3
        missing = links.evaluate_all("links => links.filter(a => !document.querySelector(a.hash)).map(a => a.hash)")
        assert missing == []


def test_the_table_of_codecs_fits_until_all_columns_are_asked_for(visit, repository):
    run = load_run(repository / "tests" / "data" / "runs" / "compress")
    result = copy.deepcopy(run.result)
    result["tradeoffs"][0] |= {  # a sentence in the place of an interval must not push the columns behind it away
        "difference_ci": None, "retained_ci": None, "note": "only 1 of 1814 queries change, too few for an interval: …"
    }  # fmt: skip
    page = visit(replace(run, result=result), width=1000)
    wide = "(box => box.scrollWidth - box.clientWidth)(document.querySelector('table.sortable').parentElement)"
    cells = page.locator("table.sortable thead th:visible")
    few = cells.count()
    assert page.evaluate(wide) <= 0
    page.get_by_label("all columns").check()
    assert cells.count() > few
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_the_unfolded_queries_break_no_accessibility_rule(visit, repository, tmp_path, broken_rules):
    page = visit(losing(repository, tmp_path))
    assert broken_rules(page) == []
