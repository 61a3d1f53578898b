"""One third-party file reads vectors wherever embgeo does, and is named nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

PLUGINS = Path(__file__).parent


def embgeo(*words: str, plugins: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "EMBGEO_PLUGINS": plugins, "PYTHONPATH": str(PLUGINS)}
    command = [sys.executable, "-m", "embgeo.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_a_reader_in_one_file_serves_the_command_line(tmp_path: Path) -> None:
    X = np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32)
    np.savetxt(tmp_path / "docs.csv", X, delimiter=",")
    words = ("analyze", f"vectors:{tmp_path / 'docs.csv'}", "--measures", "iso_score", "--json", "-")
    done = embgeo(*words, "--out", str(tmp_path / "runs"), "--quiet", plugins="planted_reader")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["dataset"]["documents"] == 40
    assert ".csv" in embgeo("models", plugins="planted_reader").stdout
    damaged = tmp_path / "damaged.csv"
    damaged.write_text("1,2\nthree,4\n")
    assert "is not a valid .csv file" in embgeo("analyze", f"vectors:{damaged}", plugins="planted_reader").stderr


def test_a_store_in_one_file_serves_the_command_line(tmp_path: Path) -> None:
    words = ("analyze", "letters:embeddings", "--measures", "iso_score", "--json", "-", "--out", str(tmp_path))
    done = embgeo(*words, "--quiet", plugins="planted_store")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["dataset"]["documents"] == 30
    assert "letters:WORD" in embgeo("models", plugins="planted_store").stdout
    assert (
        "letters:1 cannot be read as letters:WORD: no word"
        in embgeo("analyze", "letters:1", plugins="planted_store").stderr
    )
    misspelt = embgeo("analyze", "leters:embeddings", plugins="planted_store")
    assert misspelt.returncode == 2
    assert "unknown source 'leters:'; did you mean letters:WORD?" in misspelt.stderr
