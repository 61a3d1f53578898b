"""deploy into a FAISS file: embgeo writes it whole, ids and marker beside it; FAISS adds what it encodes alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from targets.engines import begin, documents, in_kit, opened, plan_of

from embgeo.api import compress, deploy
from embgeo.compression.search.on_faiss import faiss_available
from embgeo.errors import DeployError, InputError
from embgeo.run import Run
from embgeo.targets.engines import faiss as engine

pytestmark = pytest.mark.skipif(not faiss_available(), reason="no FAISS here")
ROWS, WIDTH = 900, 32
IDS, DOCS = documents(ROWS, WIDTH)
NEW = documents(50, WIDTH, seed=3)[1]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("EMBGEO_CACHE_DIR", str(tmp_path / "cache"))
    np.savez(tmp_path / "v.npz", docs=DOCS, doc_ids=np.array(IDS))
    return compress(f"vectors:{tmp_path / 'v.npz'}", specs=["f16"], out=tmp_path / "runs")


def written(folder: Path) -> tuple[str, str]:
    np.save(folder / "new.npy", NEW)
    (folder / "new.txt").write_text("\n".join(f"new {row}" for row in range(len(NEW))))
    return str(folder / "new.npy"), str(folder / "new.txt")


@pytest.mark.parametrize("spec", ["pca16,int8", "hnsw16,int8", "ivf8np4,rot,int4"])
def test_the_file_is_deployed_and_its_kit_adds_to_it(spec: str, made: Run, tmp_path: Path) -> None:
    found = deploy(made, "faiss", spec=spec, name="kit")
    assert (found.rows, found.place, found.predicted) == (ROWS, "index.faiss", spec)
    codes, configured, _ = found.modes
    assert configured.recall == pytest.approx(found.predicted_recall, abs=0.005)
    assert codes.recall >= configured.recall
    kit = made.folder / "deploy" / "faiss-kit"
    assert found.bytes["codes"] + found.bytes["links or lists"] + found.bytes["constants"] == (
        (kit / "index.faiss").stat().st_size
    )
    assert sorted(path.name for path in kit.glob("index.faiss*")) == ["index.faiss", "index.faiss.json"]
    said = in_kit(kit, "check.py")
    assert said.returncode == 0, said.stderr
    added = in_kit(kit, "ingest.py", *written(tmp_path))
    assert added.returncode == 0, added.stderr
    assert f"{ROWS + 50} documents" in in_kit(kit, "check.py").stdout
    asked = in_kit(kit, "query.py", str(tmp_path / "new.npy"), "--k", "10")
    pairs = {tuple(line.split("\t")[:2]) for line in asked.stdout.splitlines()}
    assert np.mean([(str(row), f"new {row}") in pairs for row in range(len(NEW))]) >= 0.9


def test_what_faiss_does_not_encode_alike_is_not_added(made: Run, tmp_path: Path) -> None:
    found = deploy(made, "faiss", spec="adaptive@8B", name="read")
    assert not found.config["adds"]
    assert found.modes[0].recall == pytest.approx(found.predicted_recall, abs=0.05)
    kit = made.folder / "deploy" / "faiss-read"
    added = in_kit(kit, "ingest.py", *written(tmp_path))
    assert added.returncode == 2
    assert "does not encode vectors of IndexPreTransform(IndexResidualQuantizer)" in added.stderr
    assert f"{ROWS} documents" in in_kit(kit, "check.py").stdout


def test_a_write_that_was_interrupted_is_done_again(made: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopping(self: Any, path: str, ids: list[str]) -> None:
        self.ids = ids
        self._save_ids()
        raise KeyboardInterrupt  # the ids are there, the index is not

    with monkeypatch.context() as patched:
        patched.setattr(engine.Store, "adopt", stopping)
        with pytest.raises(KeyboardInterrupt):
            deploy(made, "faiss", spec="int8", name="cut")
    kit = made.folder / "deploy" / "faiss-cut"
    assert [path.name for path in kit.iterdir()] == ["index.faiss.json"]
    with opened("faiss", str(kit / "index.faiss"), "cut", plan_of("faiss", "int8", WIDTH).config) as store:
        assert store.count() == 0
    assert deploy(made, "faiss", spec="int8", name="cut").rows == ROWS
    before = (kit / "index.faiss").stat().st_mtime_ns
    assert deploy(made, "faiss", spec="int8", name="cut").rows == ROWS
    assert (kit / "index.faiss").stat().st_mtime_ns == before, "what is complete is measured again, not written again"


def test_what_was_added_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    place, config = str(tmp_path / "x.faiss"), plan_of("faiss", "int8", WIDTH).config
    with opened("faiss", place, "x", config) as store:
        begin("faiss", "int8", store, "{}", IDS, DOCS)
        store.load([f"new {row}" for row in range(50)], NEW)
        store._save_ids()  # type: ignore[attr-defined]  # and then the machine stops
    with opened("faiss", place, "x", config) as store:
        assert store.count() == ROWS
        store.load([f"new {row}" for row in range(50)], NEW)
        store.finish()
    with opened("faiss", place, "x", config) as store:
        assert store.count() == ROWS + 50
        assert [store.search(query, 1)[0][0] for query in NEW] == [f"new {row}" for row in range(50)]
    (tmp_path / "x.faiss.json").write_text(json.dumps({"name": "x", "marker": "{}", "ids": IDS}))
    with opened("faiss", place, "x", config) as store:
        with pytest.raises(RuntimeError, match="950 vectors and only 900 ids"):
            store.count()
        store.drop()
        assert store.marker() is None


@pytest.mark.parametrize("spec", ["f32", "int8", "pca16,rot,int4", "pq8"])
def test_documents_are_replaced_where_the_index_is_flat(spec: str, tmp_path: Path) -> None:
    place, config = str(tmp_path / "x.faiss"), plan_of("faiss", spec, WIDTH).config
    with opened("faiss", place, "x", config) as store:
        begin("faiss", spec, store, "{}", IDS, DOCS)
        store.load([*IDS[:10], "new"], NEW[:11])
        assert store.count() == ROWS + 1
        found = [[name for name, _ in store.search(query, 10)] for query in NEW[:11]]
        assert np.mean([name in one for name, one in zip([*IDS[:10], "new"], found, strict=True)]) >= 0.9
        found = [[name for name, _ in store.search(query, 10)] for query in DOCS[500:550]]
        assert np.mean([name in one for name, one in zip(IDS[500:550], found, strict=True)]) >= 0.9


def test_documents_behind_links_are_not_replaced(tmp_path: Path) -> None:
    place, config = str(tmp_path / "x.faiss"), plan_of("faiss", "hnsw16,int8", WIDTH).config
    with opened("faiss", place, "x", config) as store:
        begin("faiss", "hnsw16,int8", store, "{}", IDS, DOCS)
        with pytest.raises(RuntimeError, match="10 of the ids are there, and FAISS replaces no vector"):
            store.load(IDS[:10], NEW[:10])


def test_files_of_others_are_left_alone(made: Run, tmp_path: Path) -> None:
    place = tmp_path / "theirs.faiss"
    place.write_bytes(b"theirs")
    for how in ({}, {"replace": True}, {"append": True}):
        with pytest.raises(InputError, match="embgeo did not make it"):
            deploy(made, f"faiss={place}", spec="f16", **how)
    assert place.read_bytes() == b"theirs"
    mine = tmp_path / "mine.faiss"
    deploy(made, f"faiss={mine}", spec="f16", name="one")
    with pytest.raises(DeployError, match="holds the collection one, and a file holds one"):
        deploy(made, f"faiss={mine}", spec="f16", name="two")
    with pytest.raises(InputError, match="another configuration"):
        deploy(made, f"faiss={mine}", spec="int8", name="one")
    assert deploy(made, f"faiss={mine}", spec="int8", name="one", replace=True).read_back["code_bytes"] == WIDTH
