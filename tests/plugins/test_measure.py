"""One third-party file becomes part of embgeo: it is listed, measured, stored and drawn, and named nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PLUGINS = Path(__file__).parent


def embgeo(*words: str, cwd: Path, plugins: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "EMBGEO_PLUGINS": plugins, "PYTHONPATH": str(PLUGINS), "COLUMNS": "160"}
    command = [sys.executable, "-m", "embgeo.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)


@pytest.fixture(scope="module")
def analyzed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted")
    X = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)
    np.save(folder / "docs.npy", X)
    words = ["--measures", "planted", "--similarity", "euclidean", "--out", "runs", "--json", "result.json"]
    done = embgeo("analyze", "vectors:docs.npy", *words, cwd=folder, plugins="planted_measure")
    assert done.returncode == 0, done.stderr
    return folder


def test_a_planted_measure_is_listed_and_explained(tmp_path: Path) -> None:
    listed = embgeo("measures", cwd=tmp_path, plugins="planted_measure")
    assert "planted_norm" in listed.stdout
    explained = embgeo("measures", "planted_norm", cwd=tmp_path, plugins="planted_measure").stdout
    assert "The mean length of the vectors, planted by a test." in explained
    assert "planted_norm" not in embgeo("measures", cwd=tmp_path, plugins="").stdout


def test_its_value_curve_and_documents_are_in_the_result(analyzed: Path) -> None:
    result = json.loads((analyzed / "result.json").read_text(encoding="utf-8"))
    norms = np.linalg.norm(np.load(analyzed / "docs.npy"), axis=1)
    assert result["signature"]["planted_norm"]["value"] == pytest.approx(norms.mean(), rel=1e-6)
    curve = result["curves"]["planted_norm"]["lengths"]
    assert (curve["x_label"], curve["y_label"]) == ("rank of the document", "length")
    (listed,) = (rows for rows in result["details"]["planted_norm"].values() if isinstance(rows, list))
    assert listed[0]["value"] == pytest.approx(norms.max(), rel=1e-6)
    assert result["map"]["colours"]["length"] == {"label": "planted length", "measured": 60}


def test_its_report_draws_the_curve_under_its_title_and_lists_the_documents(analyzed: Path) -> None:
    (page,) = (analyzed / "runs").glob("**/*.html")
    text = page.read_text(encoding="utf-8")
    for words in ("Planted lengths", "Longest first.", "Planted: longest vectors", "planted length"):
        assert words in text


def test_a_module_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    done = embgeo("measures", cwd=tmp_path, plugins="no_such_module")
    assert done.returncode == 2
    assert "the plug-in no_such_module must be importable" in done.stderr
