"""What is in the tree is in the wheel, and the tree shadows no other package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import torch

ROOTS = ("embgeo", "cli", "reports", "datasets/loaders", "datasets/tiny")
# left by tools, or notes for people
IGNORED = {"__pycache__", ".DS_Store", "README.md"}


@pytest.fixture(scope="module")
def setuptools_table(repository: Path) -> dict:
    table = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    return table["tool"]["setuptools"]


def folder_of(package: str, table: dict) -> str:
    """Where setuptools looks for `package`: the longest mapped prefix, then the rest as folders."""
    parts = package.split(".")
    for length in range(len(parts), 0, -1):
        mapped = table["package-dir"].get(".".join(parts[:length]))
        if mapped is not None:
            return "/".join([mapped, *parts[length:]])
    return "/".join(parts)


def files(repository: Path) -> list[Path]:
    found = [path for root in ROOTS for path in (repository / root).rglob("*") if path.is_file()]
    return [path.relative_to(repository) for path in found if not IGNORED & set(path.parts)]


def covered(file: Path, table: dict) -> bool:
    """Whether the wheel will hold `file`, by the package list and the package-data patterns."""
    for package in table["packages"]:
        folder = folder_of(package, table)
        if not file.is_relative_to(folder):
            continue
        inside = file.relative_to(folder)
        if file.suffix == ".py" and len(inside.parts) == 1:
            return True
        # fnmatch's * crosses folders, setuptools' does not: compare part by part
        for pattern in table["package-data"].get(package, []):
            wanted = pattern.split("/")
            if len(wanted) == len(inside.parts) and all(map(fnmatch, inside.parts, wanted)):
                return True
    return False


def test_every_file_of_the_tree_is_in_the_wheel(repository: Path, setuptools_table: dict) -> None:
    tree = files(repository)
    assert len(tree) > 50
    assert [str(file) for file in tree if not covered(file, setuptools_table)] == []


def test_the_guard_sees_a_file_that_no_package_holds(setuptools_table: dict) -> None:
    for stray in (
        "embgeo/newroom/codec.py",
        "reports/templates/deep/page.html",
        "reports/extra/plot.js",
        "cli/notes.txt",
    ):
        assert not covered(Path(stray), setuptools_table)


def test_the_bundled_plot_library_ships_with_its_licence(repository: Path, setuptools_table: dict) -> None:
    for name in ("plotly-basic.min.js", "LICENSE.plotly"):
        file = Path("reports/static") / name
        assert (repository / file).is_file()
        assert covered(file, setuptools_table)


def test_every_listed_package_exists(repository: Path, setuptools_table: dict) -> None:
    for package in setuptools_table["packages"]:
        assert (repository / folder_of(package, setuptools_table)).is_dir(), package


def test_nothing_in_the_root_shadows_the_datasets_of_hugging_face(repository: Path) -> None:
    assert not (repository / "datasets" / "__init__.py").exists()
    assert not (repository / "conftest.py").exists()
    # `python -c` and `python -m pytest` put the root first on the path
    done = subprocess.run(
        [sys.executable, "-c", "import datasets; print(datasets.Dataset.__module__)"],
        cwd=repository, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "datasets.arrow_dataset"


def test_the_constraints_pin_torch_and_name_no_machine(repository: Path) -> None:
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").split("\n")
    pins = [line for line in lines if line and not line.startswith("#")]
    assert "torch==2.13.0" in pins
    for pin in pins:
        name, equals, version = pin.partition("==")
        assert equals
        assert name
        assert "+" not in version
        assert "/" not in pin


def test_every_dependency_is_pinned(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = (repository / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    # the gpu extra is another build of what the cpu extra pins
    extras = [need for name, needs in project["optional-dependencies"].items() if name != "gpu" for need in needs]
    for need in [*project["dependencies"], *extras]:
        name = need.partition(">")[0].partition("=")[0].partition("[")[0].lower().replace("_", "-")
        assert f"\n{name}==" in f"\n{pins}", need


@pytest.mark.parametrize("mine", [None, "ACTIVE"])
def test_waiting_threads_sleep_unless_the_user_says_otherwise(mine: str | None) -> None:
    """Read when FAISS and torch are loaded, so that importing embgeo must not load them first."""
    asked = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    code = "import embgeo, os, sys; print(os.environ['OMP_WAIT_POLICY'], 'numpy' in sys.modules)"
    env = asked if mine is None else {**asked, "OMP_WAIT_POLICY": mine}
    said = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    assert said.split() == [mine or "PASSIVE", "False"]


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_the_gpu_extra_works_on_a_machine_without_a_gpu(repository: Path, tmp_path: Path) -> None:
    """Installs faiss-gpu with its CUDA libraries, 1.6 GB, into an environment that is removed afterwards."""
    source, venv, work = (tmp_path / name for name in ("source", "venv", "work"))
    work.mkdir()
    X = np.random.default_rng(0).standard_normal((500, 32)).astype(np.float32)
    for name, array in (("docs", X), ("queries", X[:40]), ("one", X[3])):
        np.save(work / f"{name}.npy", array)

    def call(*words: str, folder: Path = work, exit_code: int = 0) -> str:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done.stdout + done.stderr

    try:
        call("git", "checkout-index", "-a", f"--prefix={source}/", folder=repository)
        call(sys.executable, "-m", "venv", str(venv))
        for wanted in ("torch", ".[gpu]"):
            call(
                f"{venv}/bin/python",
                *["-m", "pip", "install", "-q", "--no-compile", "-c", "constraints.txt"],
                wanted,
                folder=source,
            )
        embgeo = f"{venv}/bin/embgeo"
        assert "Usage" in call(embgeo, "--help")
        assert "faiss-gpu" in call(embgeo, "doctor")
        call(embgeo, "analyze", "vectors:docs.npy", "--measures", "twonn_dim", "--quiet")
        named = [word for spec in ("f32", "int8", "binary") for word in ("--spec", spec)]
        call(embgeo, "compress", "vectors:docs.npy", "--queries-vectors", "queries.npy", *named, "--quiet")
        [run] = map(str, (work / "embgeo-runs").glob("compress-*"))
        asked = (embgeo, "search", run, "--vector", "one.npy", "-k", "3")
        assert call(*asked).split("\n")[1].split()[-1] == "3"
        assert "Use --device cpu" in call(*asked, "--device", "cuda", exit_code=2)
    finally:
        shutil.rmtree(venv, ignore_errors=True)
