"""A real Chromium for every test here, and the promise that a report logs, throws and requests nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from embgeo.reports import write_report
from embgeo.run import Run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (pip install 'embgeo[dev]')")
    if CHROMIUM is None:
        pytest.skip("needs a Chromium on the path")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def tabs() -> dict[tuple[Any, ...], Any]:
    """The open page for each set of browser options: one that is opened anew compiles the scripts of a report again."""
    return {}


@pytest.fixture
def visit(browser: Any, tabs: dict[tuple[Any, ...], Any], tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open a report of some runs; at the end nothing may have been logged, thrown or requested but the file."""
    path, opened, said = tmp_path / "report.html", set(), []
    listeners = {
        "console": lambda message: said.append(f"{message.type}: {message.text}"),
        "pageerror": lambda error: said.append(f"error: {error}"),
        "request": lambda request: None if request.url == path.as_uri() else said.append(request.url[:200]),
        "dialog": lambda dialog: said.append("dialog"),
    }

    def open_report(*runs: Run, width: int = 1200, **options: Any) -> Any:
        write_report(runs, path)
        key = tuple(sorted(options.items()))
        page = tabs.get(key) or tabs.setdefault(key, browser.new_context(**options).new_page())
        page.set_viewport_size({"width": width, "height": 900})
        if page not in opened:
            opened.add(page)
            for event, listener in listeners.items():
                page.on(event, listener)
        page.goto(path.as_uri())
        if page.locator(".plot").count():
            page.wait_for_selector(".plot .main-svg", state="attached")
        return page

    open_report.said = said  # type: ignore[attr-defined]
    yield open_report
    for page in opened:
        page.evaluate("localStorage.clear()")
        page.mouse.move(0, 0)
        for event, listener in listeners.items():
            page.remove_listener(event, listener)
        page.goto("about:blank")
    assert said == []


@pytest.fixture
def broken_rules(axe: str) -> Callable[..., list[Any]]:
    """The accessibility rules that a page breaks with everything unfolded, each with an element that does.

    Of a second theme only those of colour are asked: it changes nothing else.
    """

    def ask(page: Any, only_colours: bool = False) -> list[Any]:
        options = {"runOnly": ["color-contrast", "link-in-text-block"]} if only_colours else {}
        page.evaluate("document.querySelectorAll('details').forEach(item => item.open = true)")
        page.evaluate(axe)
        found = page.evaluate("options => axe.run(options)", options)
        assert found["passes"], "no rule was asked"
        return [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]]

    return ask


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core: a file named by AXE_PATH, or the one inside the package axe-playwright-python."""
    found = find_spec("axe_playwright_python")
    packaged = Path(found.origin).with_name("axe.min.js") if found and found.origin else None
    for candidate in (os.environ.get("AXE_PATH"), packaged):
        if candidate and Path(candidate).is_file():
            return Path(candidate).read_text(encoding="utf-8")
    pytest.skip("needs axe-core: AXE_PATH=…/axe.min.js, or pip install axe-playwright-python")
