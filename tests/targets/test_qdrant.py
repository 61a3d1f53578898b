"""Qdrant: the engine embedded, and the code for a server as far as the local mode of its client goes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from targets.engines import documents, in_kit, opened, plan_of

from embgeo.api import compress, deploy
from embgeo.cli.failures import run as command
from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.build import build_searcher
from embgeo.errors import DeployError, InputError
from embgeo.run import Run
from embgeo.targets.engines import qdrant

pytest.importorskip("qdrant_edge", reason="needs qdrant-edge-py")
ROWS, WIDTH = 900, 64
IDS, DOCS = documents(ROWS, WIDTH)
QUERIES = documents(60, WIDTH, seed=1)[1]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMBGEO_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def made(cache: Path) -> Run:
    np.savez(cache / "v.npz", docs=DOCS, doc_ids=np.array(IDS))
    return compress(f"vectors:{cache / 'v.npz'}", specs=["f16"], out=cache / "runs")


def test_turbo_is_deployed_measured_and_kept_as_a_kit(made: Run, cache: Path) -> None:
    found = deploy(made, "qdrant", spec="pca48,rot,int4", name="kit")
    assert (found.rows, found.place, found.warnings) == (ROWS, "data", [])
    assert (found.read_back["datatype"], found.read_back["width"]) == ("turbo4", 48)
    assert found.predicted == "pca48,rot,eden4"
    for one in found.modes:
        assert one.recall == pytest.approx(found.predicted_recall, abs=0.03)
    assert found.bytes["codes"] == (24 + 4) * ROWS
    kit = made.folder / "deploy" / "qdrant-kit"
    said = in_kit(kit, "check.py")
    assert said.returncode == 0, said.stderr
    np.save(cache / "new.npy", documents(50, WIDTH, seed=3)[1])
    (cache / "new.txt").write_text("\n".join(f"new {row}" for row in range(50)))
    added = in_kit(kit, "ingest.py", str(cache / "new.npy"), str(cache / "new.txt"))
    assert added.returncode == 0, added.stderr
    asked = in_kit(kit, "query.py", str(cache / "new.npy"), "--k", "1")
    assert [line.split("\t")[1] for line in asked.stdout.splitlines()] == [f"new {row}" for row in range(50)]
    assert f"{ROWS + 50} documents" in in_kit(kit, "check.py").stdout


def test_what_rescores_is_measured_by_its_codes_too(made: Run) -> None:
    found = deploy(made, "qdrant", spec="hamming+f32@4")
    codes, configured, _ = found.modes
    assert configured.recall == pytest.approx(found.predicted_recall, abs=0.02)
    assert codes.recall < configured.recall - 0.1
    assert found.bytes["original"] == pytest.approx(4 * WIDTH * ROWS, abs=100)
    assert '"oversampling": 4.0' in found.native


KILLED = """
import os, signal, sys
from embgeo.api import deploy
from embgeo.pipelines import deploy as pipeline
from embgeo.targets.engines import qdrant
pipeline.BLOCK, load, loaded = 250, qdrant.Store.load, []
def stopping(self, ids, X):
    if len(loaded) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    load(self, ids, X)
    loaded.append(len(ids))
qdrant.Store.load = stopping
deploy(sys.argv[1], "qdrant", spec="int8", name="cut")
"""


def test_a_killed_load_is_gone_on_with(made: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(made.folder)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    place = str(made.folder / "deploy" / "qdrant-cut" / "data")
    with opened("qdrant", place, "cut", plan_of("qdrant", "int8", WIDTH).config) as store:
        assert store.count() == 500
    found = deploy(made, "qdrant", spec="int8", name="cut")
    assert found.rows == ROWS
    assert found.modes[0].recall == pytest.approx(found.predicted_recall, abs=0.01)


def found_by(spec: str, folder: Path) -> tuple[list[list[str]], list[list[str]]]:
    """The ten that Qdrant finds for each query, and those that the spec finds which predicts it."""
    plan = plan_of("qdrant", spec, WIDTH)
    codec = fit_codec(parse(plan.predicted), Training(DOCS, "cosine"))
    searcher = build_searcher(codec, codec.encode(DOCS))
    wanted = [[IDS[row] for row in line] for line in searcher.search(QUERIES, 10)[1]]
    with opened("qdrant", str(folder), "codes", plan.config) as store:
        store.create("")
        store.load(IDS, DOCS)
        store.finish()
        return [[name for name, _ in store.search(query, 10)] for query in QUERIES], wanted


@pytest.mark.parametrize("spec", ["binary", "int8"])
def test_its_codes_rank_as_their_prediction_does(spec: str, tmp_path: Path) -> None:
    found, wanted = found_by(spec, tmp_path)
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, wanted, strict=True)]) >= 0.95


def test_its_signs_are_compared_by_hamming_distance_with_a_query_of_signs(tmp_path: Path) -> None:
    signs = dict(zip(IDS, DOCS > 0, strict=True))
    for query, found, wanted in zip(QUERIES > 0, *found_by("hamming", tmp_path), strict=True):
        # many documents are as near as each other
        distances = [sorted(int((signs[name] != query).sum()) for name in names) for names in (found, wanted)]
        assert distances[0] == distances[1]


@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
@pytest.mark.parametrize("spec", ["rot,int4", "rot,int8", "rot,int4+f32@2", "rot,int8+f32@2", "int8"])
def test_vectors_of_any_length_are_predicted_and_counted(spec: str, similarity: str, tmp_path: Path) -> None:
    X = DOCS * np.random.default_rng(0).lognormal(0, 0.3, (ROWS, 1)).astype(np.float32)
    plan = plan_of("qdrant", spec, WIDTH, similarity)
    codec = fit_codec(parse(plan.predicted.partition("+")[0]), Training(X, similarity))
    scores = QUERIES @ X.T if similarity == "dot" else -((QUERIES[:, None] - X) ** 2).sum(2)
    exact = [{IDS[row] for row in line} for line in np.argsort(-scores, axis=1)[:, :10]]
    predicted = build_searcher(codec, codec.encode(X))
    with opened("qdrant", str(tmp_path), "lengths", plan.config) as store:
        store.create("")
        store.load(IDS, X)
        store.finish()
        assert store.sizes()["codes"] == plan.code_bytes * ROWS
        found = [{name for name, _ in store.search(query, 10, "codes")} for query in QUERIES]
    wanted = [{IDS[row] for row in line} for line in predicted.search(QUERIES, 10)[1]]
    recall = [np.mean([len(a & b) / 10 for a, b in zip(each, exact, strict=True)]) for each in (found, wanted)]
    assert recall[0] == pytest.approx(recall[1], abs=0.03)


def test_a_disk_that_an_empty_shard_would_fill_is_refused(
    made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(path)._replace(free=60_000_000))
    with pytest.raises(DeployError, match="an empty shard takes 170 MB; less is left on the disk"):
        deploy(made, f"qdrant={tmp_path / 'q'}", spec="f16", name="none")
    assert not (tmp_path / "q" / "none").exists()


def test_a_folder_that_another_made_is_left_alone(made: Run, tmp_path: Path) -> None:
    with opened("qdrant", str(tmp_path), "theirs", plan_of("qdrant", "f16", WIDTH).config) as store:
        store.create("")
    (tmp_path / "theirs.marker").unlink()
    with pytest.raises(InputError, match="embgeo did not make it"):
        deploy(made, f"qdrant={tmp_path}", spec="f16", name="theirs", replace=True)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="embgeo did not make it"):
        deploy(made, f"qdrant={tmp_path}", spec="f16", name="files")
    assert (tmp_path / "files" / "letter.txt").read_text() == "mine"


# the code for a server


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client's local mode in the place of a server: it stores floats, ignores parameters, drops quantization."""
    client = pytest.importorskip("qdrant_client", reason="needs qdrant-client").QdrantClient(":memory:")
    monkeypatch.setattr(qdrant, "connect", lambda place: client)
    monkeypatch.setattr(qdrant, "POLL_SECONDS", 0)
    monkeypatch.setattr(client, "close", lambda: None)
    return client


@pytest.mark.filterwarnings("ignore:Local mode performs exact")
@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_the_code_for_a_server_loads_and_searches(local: Any, similarity: str) -> None:
    config = plan_of("qdrant", "f16", WIDTH, similarity).config
    with opened("qdrant", "http://127.0.0.1:6333", "docs", config) as store:
        assert store.marker() is None
        store.create('{"made_by": "embgeo"}')
        for _ in range(2):
            store.load(IDS, DOCS)
        store.finish()
        assert (store.marker(), store.count()) == ('{"made_by": "embgeo"}', ROWS)
        back = store.read_back()
        assert (back["rows"], back["datatype"], back["width"]) == (ROWS, "float16", WIDTH)
        assert back["hnsw"] != config["hnsw"], "local mode keeps no configuration, which deploy refuses"
        found = store.search(DOCS[7], 3, "codes")
        assert found[0][0] == IDS[7]
        assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
        store.drop()
        assert store.marker() is None


def test_what_drops_quantization_is_refused_and_nothing_is_left(local: Any, made: Run) -> None:
    with pytest.raises(DeployError, match="drops the quantization"):
        deploy(made, "qdrant=http://127.0.0.1:6333", spec="int8", name="docs")
    assert not local.collection_exists("docs")
    with pytest.raises(DeployError, match=r"asked for hnsw=.*m.*0.* and says .*16"):
        deploy(made, "qdrant=http://127.0.0.1:6333", spec="rot,int4", name="docs")


@pytest.fixture
def refusing() -> Iterator[tuple[str, list[str]]]:
    """The address of a server that asks for another key, and the keys that it was given."""
    keys: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.append(self.headers["api-key"])
            self.send_response(403)
            self.end_headers()
            self.wfile.write(b'{"status":{"error":"forbidden"}}')

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}", keys
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_a_server_that_refuses_is_one_line_without_the_key(
    made: Run, refusing: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("qdrant_client", reason="needs qdrant-client")
    address, keys = refusing
    monkeypatch.setenv("QDRANT_API_KEY", "from-the-environment")
    for url, key in ((f"http://{address}", "from-the-environment"), (f"http://me:in%20url@{address}", "in url")):
        assert command(["deploy", str(made.folder), f"qdrant={url}", "--spec", "f16", "--quiet", "--name", "no"]) == 2
        [line] = capsys.readouterr().err.strip().splitlines()
        assert "403" in line
        assert keys.pop() == key
        assert key not in line
        assert "url@" not in line
    assert not (made.folder / "deploy" / "qdrant-no").exists(), "nothing is left behind"
    assert command(["deploy", str(made.folder), "qdrant=http://127.0.0.1:1", "--spec", "f16", "--quiet"]) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert "refused" in line
    assert os.environ["QDRANT_API_KEY"] not in line
