"""deploy into stores of one file or folder, and into Redis: loads that are cut, other documents, and kits."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from targets.engines import documents, in_kit, opened, place_of, redis_server

from embgeo.api import compress, deploy
from embgeo.cli.failures import run as command
from embgeo.errors import DeployError, InputError
from embgeo.pipelines import deploy as pipeline
from embgeo.run import Run
from embgeo.targets import find_target

SPECS = {"sqlite-vec": "rot,int8", "usearch": "hnsw16,int8", "lancedb": "pca16,int8", "redis": "hnsw16,f32"}
ROWS, WIDTH = 900, 32
IDS, DOCS = documents(ROWS, WIDTH)
NEW = documents(50, WIDTH, seed=3)[1]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBGEO_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(pipeline, "BLOCK", 250)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="e"))
    with redis_server(made):
        yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def made(folder: Path) -> Run:
    np.savez(folder / "v.npz", docs=DOCS, doc_ids=np.array(IDS))
    np.savez(
        folder / "other.npz", docs=documents(300, WIDTH, seed=5)[1], doc_ids=np.array([f"o{i}" for i in range(300)])
    )
    return compress(f"vectors:{folder / 'v.npz'}", specs=["f16"], out=folder / "runs")


def target_of(name: str, folder: Path) -> str:
    """As the command is told; skipped where the store does not run."""
    place = place_of(name, folder)
    return name if find_target(name).place else f"{name}={place}"


@pytest.mark.parametrize("name", SPECS)
def test_the_kit_works_without_embgeo(name: str, made: Run, folder: Path, tmp_path: Path) -> None:
    found = deploy(made, target_of(name, folder), spec=SPECS[name], name="kit")
    assert found.rows == ROWS
    configured = next(one for one in found.modes if one.mode == "configured")
    assert configured.recall == pytest.approx(found.predicted_recall, abs=0.03)
    kit = made.folder / "deploy" / f"{name}-kit"
    said = in_kit(kit, "check.py")
    assert said.returncode == 0, said.stderr
    np.save(tmp_path / "new.npy", NEW)
    (tmp_path / "new.txt").write_text("\n".join(f"new {row}" for row in range(len(NEW))))
    for _ in range(2):  # an id that is there is replaced
        added = in_kit(kit, "ingest.py", str(tmp_path / "new.npy"), str(tmp_path / "new.txt"))
        assert added.returncode == 0, added.stderr
        said = in_kit(kit, "check.py")
        assert f"{ROWS + 50} documents" in said.stdout
        assert said.returncode == 0, said.stdout
    asked = in_kit(kit, "query.py", str(tmp_path / "new.npy"), "--k", "5")
    assert asked.returncode == 0, asked.stderr
    pairs = {tuple(line.split("\t")[:2]) for line in asked.stdout.splitlines()}
    assert np.mean([(str(row), f"new {row}") in pairs for row in range(len(NEW))]) >= 0.9
    np.save(tmp_path / "wrong.npy", DOCS[::-1])
    (tmp_path / "all.txt").write_text("\n".join(IDS))
    assert in_kit(kit, "ingest.py", str(tmp_path / "wrong.npy"), str(tmp_path / "all.txt")).returncode == 0
    assert in_kit(kit, "check.py").returncode == 1, "documents that were exchanged are found to be missing"


@pytest.mark.parametrize("name", SPECS)
def test_a_load_that_was_cut_is_gone_on_with(
    name: str, made: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, engine = target_of(name, folder), import_module(find_target(name).engine)
    load, blocks = engine.Store.load, list[int]()

    def cut(self: Any, ids: list[str], X: np.ndarray) -> None:
        if len(blocks) == 2:
            raise RuntimeError("the disk is full")
        blocks.append(len(ids))
        load(self, ids, X)

    monkeypatch.setattr(engine.Store, "load", cut)
    with pytest.raises(DeployError, match=r"the disk is full.*goes on with it"):
        deploy(made, target, spec=SPECS[name], name="cut")
    again = list[int]()
    monkeypatch.setattr(engine.Store, "load", lambda self, ids, X: (again.append(len(ids)), load(self, ids, X))[1])
    found = deploy(made, target, spec=SPECS[name], name="cut")
    assert (found.rows, blocks, again) == (ROWS, [250, 250], [250, 150])
    assert deploy(made, target, spec=SPECS[name], name="cut").rows == ROWS
    assert len(again) == 2, "a collection that is whole is not loaded again"


@pytest.mark.parametrize("name", SPECS)
def test_append_replace_and_what_is_refused(name: str, made: Run, folder: Path) -> None:
    target, spec = target_of(name, folder), "f32"
    at = f"{name}={folder / f'{name}-shared'}" if find_target(name).place else target
    deploy(made, at, spec=spec, name="shared")
    other = compress(f"vectors:{folder / 'other.npz'}", specs=["f16"], out=folder / "runs")
    with pytest.raises(InputError, match="documents of another run"):
        deploy(other, at, spec=spec, name="shared")
    both = deploy(other, at, spec=spec, name="shared", append=True)
    assert both.rows == ROWS + 300
    assert both.modes == []
    with pytest.raises(InputError, match="another configuration"):
        deploy(made, at, spec=SPECS[name], name="shared")
    assert deploy(other, at, spec=SPECS[name], name="shared", replace=True).rows == 300


@pytest.mark.parametrize(
    ("name", "collection", "said"),
    [
        ("sqlite-vec", "fine", "file is not a database"),
        ("usearch", "fine", "embgeo did not make it"),
    ],
)
def test_what_a_store_refuses_is_one_line(
    name: str, collection: str, said: str, made: Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target_of(name, folder)
    place = tmp_path / "place"
    place.write_bytes(b"something else " * 100)
    before = place.read_bytes()
    words = [str(made.folder), f"{name}={place}", "--spec", "f32", "--name", collection, "--quiet"]
    assert command(["deploy", *words]) == 2
    answer = capsys.readouterr().err
    assert said in answer
    assert len(answer.splitlines()) == 1
    assert place.read_bytes() == before


def test_a_server_that_is_not_there_is_one_line_without_the_password(
    made: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("redis", reason="needs redis")
    at = "redis=redis://:secret@127.0.0.1:1/0"
    assert command(["deploy", str(made.folder), at, "--spec", "f32", "--quiet"]) == 2
    answer = capsys.readouterr().err
    assert "refused" in answer
    assert "secret" not in answer
    assert len(answer.splitlines()) == 1
    assert command(["deploy", str(made.folder), "redis", "--spec", "f32", "--quiet"]) == 2
    assert "needs a server" in capsys.readouterr().err


def test_the_numbers_of_a_collection_are_read_by_another_process(made: Run, folder: Path) -> None:
    found = deploy(made, target_of("usearch", folder), spec="f16", name="again")
    kit = made.folder / "deploy" / "usearch-again"
    with opened("usearch", str(kit / found.place), "again", found.config) as store:
        assert store.count() == ROWS
        assert store.search(DOCS[7], 1)[0][0] == IDS[7]
