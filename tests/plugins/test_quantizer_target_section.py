"""The plug-in law: a quantizer with its own loop, a target and a section, one file each, named nowhere else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PLUGINS = Path(__file__).parent
PLANTED = ("planted_quantizer", "planted_target", "planted_section", "planted_measure")
SPECS = ("planted", "hnsw8,planted", "ivf8,planted")
DIMENSION = 16
COMPRESS = f"""
import json, sys
from pathlib import Path
import numpy as np
import embgeo
rng = np.random.default_rng(0)
docs, queries = (rng.standard_normal((n, {DIMENSION})).astype(np.float32) for n in (300, 40))
told = {{}}
for spec in {SPECS!r}:
    run = embgeo.compress(docs=docs, queries=queries, specs=[spec], out=Path(spec), threads=1)
    count = sys.modules["planted_quantizer"].asked
    count[0] = 0
    hits = embgeo.search(run.folder, vector=docs[7], k=3)
    row = run.result["recommendation"]
    told[spec] = {{"folder": str(run.folder), "asked": count[0], "first": str(hits[0].id), **row}}
    wrote = embgeo.export(run.folder, to="planted")
    told[spec] |= {{"format": wrote.format, "read": np.loadtxt(wrote.path).shape}}
Path("told.json").write_text(json.dumps(told))
"""


def embgeo(*words: str, cwd: Path) -> str:
    planted = {"EMBGEO_PLUGINS": ",".join(PLANTED), "PYTHONPATH": str(PLUGINS)}
    environment = {**os.environ, **planted}
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each spec, with what compress and search found in told.json."""
    folder = tmp_path_factory.mktemp("planted")
    embgeo("-c", COMPRESS, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def told(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "told.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("spec", SPECS)
def test_a_planted_quantizer_is_judged_stored_and_searched_by_its_levels(told: dict[str, Any], spec: str) -> None:
    row = told[spec]
    assert row["spec"] == spec
    assert row["bytes_per_vector"] >= DIMENSION
    assert row["recall@10_exact"] > 0.6
    assert row["first"] == "7"
    assert row["asked"] >= 1


def test_a_planted_section_is_on_the_page_and_its_table_among_the_files(folder: Path, told: dict[str, Any]) -> None:
    run = Path(told["planted"]["folder"])
    embgeo("-m", "embgeo.cli", "report", str(run), "--csv", "tables", "--html", "page.html", cwd=folder)
    page = (folder / "page.html").read_text(encoding="utf-8")
    assert page.index("The decision") < page.index("Planted section") < page.index("All codecs")
    assert re.search("A test planted this above [0-9]+ specs", page)
    assert (folder / "tables" / f"{run.name}-planted.csv").read_text(encoding="utf-8").startswith("spec\n")


@pytest.mark.parametrize("spec", SPECS)
def test_a_planted_target_takes_every_store(told: dict[str, Any], spec: str) -> None:
    assert told[spec]["format"] == "planted text"
    assert told[spec]["read"] == [300, DIMENSION]


def test_the_command_line_writes_for_a_planted_target_and_prints_all_its_notes(
    folder: Path, told: dict[str, Any]
) -> None:
    run = told["planted"]["folder"]
    shown = embgeo("-m", "embgeo.cli", "export", run, "--to", "planted", "--file", "here.txt", cwd=folder)
    assert "planted text, 300 rows" in shown
    assert "row i of the file is document i of the store" in shown
    assert np.loadtxt(folder / "here.txt").shape == (300, DIMENSION)


def test_the_laws_of_codecs_and_of_measures_see_what_is_planted(repository: Path) -> None:
    laws = [f"tests/laws/test_{kind}_laws.py" for kind in ("codec", "metric")]
    chosen = "(every_quantizer_obeys and planted) or planted_norm"
    passed = embgeo("-m", "pytest", "-q", "-p", "no:cacheprovider", *laws, "-k", chosen, cwd=repository)
    found = re.search("([0-9]+) passed", passed)
    assert found is not None
    assert int(found.group(1)) > 12
    assert "failed" not in passed


def test_no_file_of_the_product_names_what_is_planted(repository: Path) -> None:
    rooms = (repository / room for room in ("embgeo", "cli", "datasets", "reports"))
    naming = [path for room in rooms for path in room.rglob("*.py") if "planted" in path.read_text(encoding="utf-8")]
    assert naming == []
