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


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open a report of some runs; at the end nothing may have been logged, thrown or requested but the file."""
    contexts, said = [], []

    def open_report(*runs: Run, width: int = 1200, **options: Any) -> Any:
        path = write_report(runs, tmp_path / "report.html")
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("request", lambda request: None if request.url == path.as_uri() else said.append(request.url[:200]))
        page.on("dialog", lambda dialog: said.append("dialog"))
        page.goto(path.as_uri())
        if page.locator(".plot").count():
            page.wait_for_selector(".plot .main-svg", state="attached")
        return page

    open_report.said = said  # type: ignore[attr-defined]
    yield open_report
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core: a file named by AXE_PATH, or the one inside the package axe-playwright-python."""
    found = find_spec("axe_playwright_python")
    packaged = Path(found.origin).with_name("axe.min.js") if found and found.origin else None
    for candidate in (os.environ.get("AXE_PATH"), packaged):
        if candidate and Path(candidate).is_file():
            return Path(candidate).read_text(encoding="utf-8")
    pytest.skip("needs axe-core: AXE_PATH=…/axe.min.js, or pip install axe-playwright-python")
