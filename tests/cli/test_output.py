"""What `embgeo` prints: fixed at 80 columns, clean JSON on stdout, reports where they were asked for."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from examples.faked_pipelines import fake_pipelines

import embgeo
from embgeo.cli.failures import run
from embgeo.cli.words import title
from embgeo.reports.heading import corpus_line
from embgeo.results import Result
from embgeo.run import Run, save_run

DATASET = {"name": "scifact", "documents": 5183, "queries": 300, "qrels": 339}
Call = Callable[..., Run]


def row(spec: str, size: float, ratio: float, ndcg: float, ci: tuple[float, float], recall: float, qps: float) -> dict:
    return {
        "spec": spec, "bytes_per_vector": size, "ratio": ratio, "ndcg@10": ndcg, "difference": ndcg - 0.6451,
        "difference_ci": list(ci), "retained": ndcg / 0.6451, "retained_ci": [1 + end / 0.6451 for end in ci],
        "recall@10_exact": recall, "qps": qps, "qps_range": [0.9 * qps, 1.1 * qps],
    }  # fmt: skip


ROWS = [
    row("int8", 384, 4.0, 0.6466, (-0.0012, 0.0031), 0.994, 1234),
    row("f16", 768, 2.0, 0.6451, (0, 0), 1.0, 900),  # larger and no better than int8: not on the front
    row("pcac192,rot,fp8raw", 192, 7.98, 0.6455, (-0.005, 0.007), 0.92, 812),
    row("pca192,rot,int4", 96, 15.66, 0.6412, (-0.012, 0.0031), 0.874, 12345),
]


def analyze(model: str, dataset: str | None, **options: Any) -> Run:
    options["progress"]("encode documents", 5183, 5183)
    print("a library that prints")
    measured = {"n": 5183, "seconds": 0.412, "status": "ok", "reason": None}
    return save_run(
        options["out"],
        {
            "command": "analyze",
            "model": model,
            "dataset": DATASET,
            "similarity": "cosine",
            "retrieval": {
                "ndcg@10": {"value": 0.64508, "ci": [0.6001, 0.6899]},
                "recall@100": {"value": 0.925, "ci": [0.9, 0.95]},
            },
            "signature": {
                "twonn_dim": {**measured, "value": 15.3135, "ci": [15.1, 15.5]},
                "iso_score": {
                    **measured, "value": None, "ci": None, "status": "undefined",
                    "reason": "all rows are equal after normalisation, so there is no variance to share",
                },
            },
            "warnings": ["3 documents are copies: \x1b[31m[bold]a\u202e"],
        },
    )  # fmt: skip


def compress(model: str, dataset: str | None, **options: Any) -> Run:
    chosen = {
        **ROWS[3],
        "reason": "pca192,rot,int4 keeps 99.4 % of nDCG@10 at 96 bytes a vector; statistically tied with it: a, b, c; "
        "at least 99 % kept: yes.",
        "tied_with": ["rot,int4", "fp8", "int8", "f16"],
        "cross_fitted": {
            "value": 0.6328,
            "ci": [0.58, 0.68],
            "difference": -0.01226,
            "difference_ci": [-0.02, -0.00645],
        },
    }
    baseline = {"spec": "f32", "bytes_per_vector": 1536, "ratio": 1.0, "ndcg@10": 0.6451, "recall@10_exact": 1.0}
    return save_run(
        options["out"],
        {
            "command": "compress", "model": model, "dataset": DATASET, "similarity": "cosine",
            "baseline": {**baseline, "qps": 560}, "tradeoffs": ROWS, "recommendation": chosen, "warnings": [],
            "budget": {"text": "4MB", "per_vector": None, "store": 4e6, "vectors": 5183},
        },
    )  # fmt: skip


@pytest.fixture
def fake_api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> types.ModuleType:
    """`embgeo.api` that answers at once, in a working directory of its own."""
    module = types.ModuleType("embgeo.api")
    vars(module).update(analyze=analyze, compress=compress)
    monkeypatch.setitem(sys.modules, "embgeo.api", module)
    monkeypatch.setattr(embgeo, "api", module, raising=False)
    fake_pipelines(monkeypatch, vars(module))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    return module


@pytest.mark.usefixtures("fake_api")
def test_analyze_prints_baseline_signature_warnings_and_paths(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", "minilm", "scifact", "--out", "runs"]) == 0
    folder = next(Path("runs").iterdir()).name
    assert (
        capsys.readouterr().out
        == f"""\
a library that prints
minilm × scifact: 5,183 documents, 300 queries, cosine

Retrieval with exact search
measure      value  95 % interval
ndcg@10     0.6451  0.6001…0.6899
recall@100  0.9250  0.9000…0.9500

Signature
measure    value  95 % interval (or why it is missing)                    n    s
twonn_dim  15.31  15.10…15.50                                         5,183  0.4
iso_score      —  all rows are equal after normalisation, so there    5,183  0.4
                  is no variance to share

warning: 3 documents are copies: [31m[bold]a
run     runs/{folder}
report  runs/{folder}/report.html
next    embgeo compress minilm scifact

The search quality of exact search is 0.6451 (0.6001–0.6899) in nDCG@10, which is 1 if the relevant documents come \
first and 0 if none is in the first ten. Compressed stores are measured against that. 7.5 % of the relevant documents \
are not among the first 100 results, so reranking those results cannot recover them.
"""
    )


@pytest.mark.usefixtures("fake_api")
def test_compress_prints_the_front_the_paths_and_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compress", "minilm", "scifact", "--budget", "96B", "--out", "my runs"]) == 0
    folder = next(Path("my runs").iterdir()).name
    assert (
        capsys.readouterr().out
        == f"""\
minilm × scifact: 5,183 documents, 300 queries, cosine
Budget 4MB: the whole store, 772 bytes per vector for 5,183 vectors

Pareto front: the smallest store for each quality
  spec               B/vec ratio nDCG@10 kept % 95 % interval recall    QPS
  f32                1,536   1.0  0.6451                       1.000    560
  int8                 384   4.0  0.6466  100.2 99.8…100.5     0.994  1,230
  pcac192,rot,fp8raw   192   8.0  0.6455  100.1 99.2…101.1     0.920    812
→ pca192,rot,int4       96  15.7  0.6412   99.4 98.1…100.5     0.874 12,300

run     my runs/{folder}
report  my runs/{folder}/report.html
search  embgeo search 'my runs/{folder}' 'your query'

Recommended: pca192,rot,int4 keeps 99.4 % of nDCG@10 at 96 bytes a vector; at least 99 % kept: yes.
Expected on new queries (corrected for selection): 98.1 % (96.9–99.0) of float32's nDCG@10.
Statistically tied with it: rot,int4, fp8 and 2 more.
"""
    )


def test_without_judgements_the_recall_has_its_interval(
    fake_api: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    def unjudged(model: str, dataset: str | None, **options: Any) -> Run:
        found = compress(model, dataset, **options).result
        rows = [{**row, "ndcg@10": None, "recall@10_exact_ci": [row["recall@10_exact"] - 0.01, 1.0]} for row in ROWS]
        baseline = {**found["baseline"], "ndcg@10": None, "recall@10_exact_ci": [1.0, 1.0]}
        return save_run(options["out"], {**found, "baseline": baseline, "tradeoffs": rows})

    fake_api.__dict__["compress"] = unjudged
    assert run(["compress", "minilm", "scifact", "--no-html"]) == 0
    table = capsys.readouterr().out
    assert "\n  spec               B/vec ratio recall 95 % interval    QPS QPS range\n" in table
    assert "\n  f32                1,536   1.0  1.000                  560\n" in table
    assert "\n→ pca192,rot,int4       96  15.7  0.874 0.864…1.000   12,300 11,100…13,600\n" in table


def test_specs_left_out_for_their_training_time_are_named_in_one_line(
    fake_api: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    def hurried(model: str, dataset: str | None, **options: Any) -> Run:
        protocol = {"fit_budget_seconds": 30.0, "left_out": {"pq192": 310.4, "opq192": 912.0}}
        return save_run(options["out"], {**compress(model, dataset, **options).result, "protocol": protocol})

    fake_api.__dict__["compress"] = hurried
    assert run(["compress", "minilm", "scifact", "--no-html"]) == 0
    said = (
        "Skipped to keep the total estimated training time within 30 CPU seconds: pq192 (310 s), "
        "opq192 (912 s). To run them, name them with --spec or use --exhaustive"
    )
    assert said in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("resumed", "said"),
    [
        (["f32", "int8"], "2 specs were evaluated by an earlier command and taken from the cache"),
        (["f32"], "1 spec was evaluated by an earlier command and taken from the cache"),
    ],
)
def test_specs_from_the_cache_are_counted_whether_or_not_the_earlier_command_was_interrupted(
    resumed: list[str], said: str, fake_api: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    def cached(model: str, dataset: str | None, **options: Any) -> Run:
        return save_run(
            options["out"], {**compress(model, dataset, **options).result, "protocol": {"resumed": resumed}}
        )

    fake_api.__dict__["compress"] = cached
    assert run(["compress", "minilm", "scifact", "--no-html"]) == 0
    assert said in capsys.readouterr().out.splitlines()


def test_one_query_is_counted_in_the_singular() -> None:
    dataset = {"name": "made up", "documents": 40, "queries": 1, "qrels": 1}
    found = Result.from_json({"model": "m", "dataset": dataset})
    assert title(found) == "m × made up: 40 documents, 1 query"
    assert corpus_line(found) == "40 documents · 1 query · 1 judgement"


@pytest.mark.usefixtures("fake_api")
@pytest.mark.parametrize("command", ["analyze", "compress"])
def test_tables_fit_80_columns(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "minilm", "scifact"]) == 0
    tables = capsys.readouterr().out.partition("\nrun ")[0]
    assert max(map(len, tables.splitlines())) <= 80


@pytest.mark.usefixtures("fake_api")
def test_json_to_stdout_is_json_alone_and_words_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", "minilm", "scifact", "--json", "-"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["signature"]["twonn_dim"]["value"] == 15.3135
    assert "a library that prints" in err
    assert "Signature" in err


@pytest.mark.usefixtures("fake_api")
def test_quiet_with_json_says_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compress", "minilm", "scifact", "--json", "-", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["recommendation"]["spec"] == "pca192,rot,int4"
    assert err == ""


@pytest.mark.usefixtures("fake_api")
def test_json_file_and_html_copy_are_written_where_asked() -> None:
    assert run(["compress", "minilm", "scifact", "--json", "a/b.json", "--html", "c/d.html", "--quiet"]) == 0
    inside = next(Path("embgeo-runs").glob("compress-*/report.html"))
    assert Path("c/d.html").read_bytes() == inside.read_bytes()
    assert json.loads(Path("a/b.json").read_text())["baseline"]["spec"] == "f32"


@pytest.mark.parametrize(
    ("strict", "meets", "code"),
    [(True, True, 0), (True, False, 3), (True, None, 3), (False, False, 0), (False, None, 0)],
)
def test_strict_turns_an_unmet_keep_into_exit_3_after_all_is_written(
    strict: bool, meets: bool | None, code: int, fake_api: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    def judged(model: str, dataset: str | None, **options: Any) -> Run:
        found = compress(model, dataset, **options)
        chosen = {**found.result["recommendation"], **({} if meets is None else {"meets_keep": meets})}
        return save_run(options["out"], {**found.result, "recommendation": chosen})

    fake_api.__dict__["compress"] = judged
    words = ["compress", "minilm", "scifact", "--keep", "99%", "--json", "out.json", *(["--strict"] if strict else [])]
    assert run(words) == code
    out, err = capsys.readouterr()
    said = "embgeo: --keep 99% is not met (--strict); the run and its report are written\n"
    assert err.endswith(said) == (code == 3)
    first = "is not met: no store within the budget and smaller than float32 is confirmed to keep it."
    assert (first in " ".join(out.split())) == (meets is False)
    assert "\nRecommended:" in out
    assert json.loads(Path("out.json").read_text())["recommendation"]["spec"] == "pca192,rot,int4"
    assert len(list(Path("embgeo-runs").glob("compress-*/report.html"))) == 1


@pytest.mark.usefixtures("fake_api")
def test_strict_without_keep_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compress", "minilm", "scifact", "--strict"]) == 2
    assert "--strict needs --keep" in capsys.readouterr().err
    assert not Path("embgeo-runs").exists()


@pytest.mark.usefixtures("fake_api")
def test_no_html_writes_no_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", "minilm", "scifact", "--no-html"]) == 0
    assert not list(Path().rglob("*.html"))
    assert "report" not in capsys.readouterr().out


@pytest.mark.usefixtures("fake_api")
def test_report_regenerates_stored_runs(capsys: pytest.CaptureFixture[str]) -> None:
    run(["analyze", "minilm", "scifact", "--no-html"])
    run(["compress", "minilm", "scifact", "--no-html"])
    folders = sorted(map(str, Path("embgeo-runs").iterdir()))
    capsys.readouterr()
    assert run(["report", *folders, "--html", "both.html"]) == 0
    assert capsys.readouterr().out == "report  both.html\n"
    page = Path("both.html").read_text(encoding="utf-8")
    assert "twonn_dim" in page
    assert "pca192,rot,int4" in page


def test_options_reach_the_library_under_its_own_names(fake_api: types.ModuleType) -> None:
    seen: dict[str, Any] = {}

    def record(model: str, dataset: str | None, **options: Any) -> Run:
        seen.update(options, model=model, dataset=dataset)
        return compress(model, dataset, **options)

    fake_api.__dict__["compress"] = record
    words = (
        "compress minilm corpus --budget 25% --keep 99% --spec int8 --spec pca192,rot,int4 --vectors 100M --exhaustive "
        "--target qdrant "
        "--similarity dot --split dev --drop-own-document --seed 7 --device cpu --threads 1 --batch-size 8 "
        "--truncate-dim 128 --max-length 64 --revision main --query-prompt q: --document-prompt= --trust-remote-code "
        "--queries-vectors q.npy --text body --out there --no-html --quiet --price-per-gb 0.25 --time 10m "
        "--timing full --engine ray --address head:6379"
    )
    assert run(words.split()) == 0
    encoder = seen.pop("encoder")
    seen.pop("progress")
    assert {seen.pop(name) for name in ("docs", "queries", "doc_ids", "query_ids", "qrels", "config")} == {None}
    assert seen == {
        "model": "minilm", "dataset": "corpus", "budget": "25%", "keep": "99%", "specs": ["int8", "pca192,rot,int4"],
        "targets": ["qdrant"], "engine": "ray", "address": "head:6379",
        "vectors": "100M", "price_per_gb": 0.25, "exhaustive": True, "grid": None, "time": "10m", "timing": "full",
        "similarity": "dot", "split": "dev",
        "drop_own_document": True, "seed": 7, "device": "cpu", "threads": 1,
        "queries_vectors": "q.npy", "text": "body", "out": Path("there"),
    }  # fmt: skip
    assert (encoder.device, encoder.batch_size, encoder.truncate_dim, encoder.max_length) == ("cpu", 8, 128, 64)
    assert (encoder.revision, encoder.query_prompt, encoder.document_prompt) == ("main", "q:", "")
    assert encoder.trust_remote_code


def test_defaults_are_left_to_the_library(fake_api: types.ModuleType) -> None:
    from embgeo.requests import EncoderOptions

    seen: dict[str, Any] = {}

    def record(model: str, dataset: str | None, **options: Any) -> Run:
        seen.update(options)
        return analyze(model, dataset, **options)

    fake_api.__dict__["analyze"] = record
    assert run(["analyze", "minilm", "corpus", "--measures", "dimension, uniformity", "--no-html", "--quiet"]) == 0
    assert seen["encoder"] == EncoderOptions()
    assert seen["measures"] == ["dimension", "uniformity"]
    assert seen["threads"] is None


@pytest.mark.usefixtures("fake_api")
def test_search_shows_ranks_scores_and_harmless_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from embgeo.pipelines.built_store import Hit, Hits

    hits = [Hit(1, "os.read", 0.71234, "Read\nat most\x1b[2J n bytes " + "x" * 90), Hit(2, "[b]", -0.5, "")]
    monkeypatch.setattr("embgeo.pipelines.built_store.search", lambda request: Hits(hits[: request.k]))
    assert run(["search", "a-run", "read a file"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["rank", "score", "document"]
    assert lines[1] == "   1   0.7123  os.read"
    assert lines[2] == " " * 15 + "Read at most [2J n bytes"
    assert lines[-1] == "   2  -0.5000  [b]"
    assert max(map(len, lines)) <= 80
    assert run(["search", "a-run", "read a file", "-k", "1", "--json", "-"]) == 0
    assert [(hit["id"], hit["doubt"]) for hit in json.loads(capsys.readouterr().out)] == [("os.read", None)]
    doubtful = Hits(hits)
    doubtful.doubt = "low confidence: close together"
    monkeypatch.setattr("embgeo.pipelines.built_store.search", lambda request: doubtful)
    assert run(["search", "a-run", "read a file", "--json", "-"]) == 0
    assert [hit["doubt"] for hit in json.loads(capsys.readouterr().out)] == [doubtful.doubt] * 2
