"""compare: what it pairs, what it refuses, and that it never encodes."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from examples.comparison import DOCUMENTS, QUERIES, D, analyzed, compressed, quality, spaces, texts
from examples.subjects import subject_of

import embgeo
from embgeo.api import compare
from embgeo.comparison.judged_queries import paired_test
from embgeo.encoders import cache
from embgeo.errors import InputError, RunFormatError, UnknownNameError
from embgeo.retrieval.paired_test import holm, sign_flip_p
from embgeo.retrieval.significance import RESAMPLES
from embgeo.run import Run, load_run, save_run


@pytest.fixture(autouse=True)
def _nothing_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("compare must not load a model, encode, or search")

    for name in ("embgeo.sources.subject.resolve_encoder", "embgeo.sources.subject.load_subject"):
        monkeypatch.setattr(name, refuse)


@pytest.fixture
def trio(tmp_path: Path) -> list[Run]:
    return [analyzed(tmp_path, name) for name in ("plain", "turned", "random")]


def similarity(run: Run, a: str, b: str) -> dict[str, Any]:
    return next(p for p in run.result["model_similarity"] if (p["a"], p["b"]) == (a, b))


def pair(stored: dict[str, Any], a: str, b: str) -> dict[str, Any]:
    return next(p for p in stored["pairs"] if (p["a"], p["b"]) == (a, b))


# -- similarity of models


def test_a_turned_copy_is_the_same_and_random_vectors_are_at_chance(trio: list[Run], tmp_path: Path) -> None:
    run = compare(trio, out=tmp_path / "runs")
    same, other = similarity(run, "A", "B"), similarity(run, "A", "C")
    assert same["n"] == same["shared"] == DOCUMENTS
    assert same["detail"] == "same dataset, by id"
    assert same["values"]["linear_cka"] == pytest.approx(1, abs=1e-5)
    assert same["values"]["svcca"] == pytest.approx(1, abs=1e-5)
    assert same["values"]["neighbourhood_overlap@10"] == pytest.approx(1, abs=0.01)
    assert same["values"]["procrustes_error"] == pytest.approx(0, abs=1e-5)
    assert same["values"]["information_imbalance_a_to_b"] < 0.03
    chance = other["chance"]
    assert other["values"]["linear_cka"] < 0.3
    for name, value in other["values"].items():
        assert value == pytest.approx(chance[name], abs=0.15), name
    assert chance["neighbourhood_overlap@10"] == pytest.approx(10 / (DOCUMENTS - 1))


def test_documents_are_matched_by_id_whatever_their_order(tmp_path: Path) -> None:
    one = analyzed(tmp_path, "plain")
    order = np.random.default_rng(3).permutation(DOCUMENTS)
    ids = [f"d{at}" for at in range(DOCUMENTS)]
    np.savez(tmp_path / "shuffled.npz", docs=spaces()["plain"][order], doc_ids=[ids[at] for at in order])
    other = _vectors_run(tmp_path, tmp_path / "shuffled.npz", dataset=one.result["dataset"])
    assert similarity(compare([one, other], out=tmp_path), "A", "B")["values"]["linear_cka"] == pytest.approx(1)


def test_without_a_common_dataset_texts_decide_which_documents_are_the_same(tmp_path: Path) -> None:
    one = analyzed(tmp_path, "plain")
    other = analyzed(tmp_path, "turned", dataset={"fingerprint": "e" * 64})
    lines = (other.folder / "documents.jsonl").read_text().splitlines()
    changed = [line.replace("text of", "another") if at >= 100 else line for at, line in enumerate(lines)]
    (other.folder / "documents.jsonl").write_text("\n".join(changed) + "\n")
    found = similarity(compare([one, load_run(other.folder)], out=tmp_path), "A", "B")
    assert (found["shared"], found["detail"]) == (100, "by id and text")
    (other.folder / "documents.jsonl").write_text("".join(line.replace("text of", "x") + "\n" for line in lines))
    found = similarity(compare([one, load_run(other.folder)], out=tmp_path), "A", "B")
    assert found["reason"] == "no-shared-documents"
    assert found["values"] is None


def test_bare_vectors_are_matched_by_row_and_the_result_says_so(tmp_path: Path) -> None:
    runs = [analyzed(tmp_path, name, ids=False, judged=False) for name in ("plain", "turned")]
    run = compare(runs, out=tmp_path)
    assert similarity(run, "A", "B")["detail"] == "by row"
    assert any("matched by position" in warning for warning in run.result["warnings"])


def test_the_sample_is_capped_seeded_and_stated(trio: list[Run], tmp_path: Path) -> None:
    first, again, other = (compare(trio, documents=50, seed=seed, out=tmp_path) for seed in (0, 0, 1))
    assert similarity(first, "A", "C")["n"] == 50
    assert similarity(first, "A", "C")["shared"] == DOCUMENTS
    assert similarity(first, "A", "C") == similarity(again, "A", "C") != similarity(other, "A", "C")


def test_vectors_that_are_gone_or_changed_give_a_typed_reason(trio: list[Run], tmp_path: Path) -> None:
    (tmp_path / "turned.npy").unlink()
    np.save(tmp_path / "random.npy", spaces()["plain"])
    run = compare(trio, out=tmp_path / "runs")
    assert similarity(run, "A", "B")["reason"] == "vectors-missing"
    assert similarity(run, "A", "C")["reason"] == "vectors-changed"
    assert similarity(run, "A", "C")["status"] == "unavailable"
    assert pair(run.result["retrieval"], "A", "C")["status"] == "ok"


class Letters:
    """Counts what it encodes."""

    name, dimension, similarity, max_length = "letters", D, "cosine", None

    def __init__(self, model: str) -> None:
        self.identity = {"model": model, "batch_size": 8}
        self.encoded = 0

    def encode_batch(self, batch: list[str], role: str) -> np.ndarray:
        self.encoded += len(batch)
        rng = np.random.default_rng([len(self.identity["model"]), len(batch)])
        return rng.standard_normal((len(batch), D)).astype(np.float32)

    def encode_batches(self, batches: Iterable[list[str]], role: str) -> Iterator[np.ndarray]:
        return (self.encode_batch(batch, role) for batch in batches)


def test_text_models_get_their_vectors_from_the_cache_alone(tmp_path: Path, cache_dir: Path) -> None:
    documents = texts("d", DOCUMENTS)
    runs, encoders = [], [Letters("one"), Letters("other")]
    for encoder in encoders:
        corpus = [text for _, text in documents]
        cache.encode_texts(encoder, corpus, "document", cache_dir)  # type: ignore[arg-type]
        key = cache.cache_key(encoder, corpus, "document")  # type: ignore[arg-type]
        runs.append(_text_run(tmp_path, encoder.identity, encoding=key))
    found = similarity(compare(runs, out=tmp_path), "A", "B")
    assert (found["status"], found["n"]) == ("ok", DOCUMENTS)
    assert [encoder.encoded for encoder in encoders] == [DOCUMENTS, DOCUMENTS]
    cache.clear_cache(cache_dir)
    assert similarity(compare(_with_signatures(runs), out=tmp_path), "A", "B")["reason"] == "not-cached"
    old = [_text_run(tmp_path, {"model": name}) for name in ("one", "other")]
    assert similarity(compare(_with_signatures(old), out=tmp_path), "A", "B")["reason"] == "not-recorded"


def test_a_run_of_a_text_model_says_where_the_cache_keeps_its_documents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("EMBGEO_CACHE_DIR", str(tmp_path / "cache"))
    encoder = Letters("one")
    encoder.max_length = None  # type: ignore[attr-defined]
    encoder.token_embeddings = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setattr("embgeo.sources.subject.resolve_encoder", lambda *_: encoder)
    subject = subject_of("one", "tiny")
    facts = subject.dataset
    found = cache.cached_matrix(facts["encoding"], facts["documents"], facts["dimension"])
    assert found is not None
    assert np.array_equal(found, subject.embeddings.docs)


@pytest.mark.parametrize("key", ["../../secret", "/etc", "a" * 63, "A" * 64, ""])
def test_a_cache_key_that_is_none_finds_nothing(key: str, cache_dir: Path) -> None:
    (cache_dir / "encodings").mkdir(parents=True)
    assert cache.cached_matrix(key, 3, 2, cache_dir) is None


# -- retrieval


def test_the_paired_interval_is_the_one_computed_by_hand(trio: list[Run], tmp_path: Path) -> None:
    found = pair(compare(trio, out=tmp_path).result["retrieval"], "A", "C")
    x, y = (quality(name).astype(np.float32).astype(np.float64) for name in ("plain", "random"))
    rng = np.random.default_rng([0, 0x0B007])
    counts = rng.multinomial(QUERIES, np.full(QUERIES, 1 / QUERIES), size=RESAMPLES)
    won, lost = rng.poisson(1.0, (RESAMPLES, 2)).T  # two queries more, as far apart as any
    means = (counts @ (x - y) + np.abs(x - y).max() * (won - lost)) / (QUERIES + won + lost)
    low, high = np.percentile(means, [2.5, 97.5])
    test = found["measures"]["ndcg@10"]
    assert found["n"] == QUERIES
    assert test["difference"] == pytest.approx(x.mean() - y.mean())
    assert test["difference_ci"] == pytest.approx([low, high], abs=1e-6)
    assert (test["wins"], test["losses"], test["ties"]) == (int((x > y).sum()), int((x < y).sum()), 0)
    assert 0 < test["p"] <= test["p_holm"] < 0.01


def test_equal_models_have_no_interval_but_a_bound(trio: list[Run], tmp_path: Path) -> None:
    test = pair(compare(trio, out=tmp_path).result["retrieval"], "A", "B")["measures"]["ndcg@10"]
    assert test["difference_ci"] is None
    assert test["changed_bound"] == pytest.approx(1 - 0.05 ** (1 / QUERIES))
    assert test["p_holm"] == 1


def test_queries_are_paired_by_id_and_text(tmp_path: Path) -> None:
    one, other = analyzed(tmp_path, "plain"), analyzed(tmp_path, "random")
    lines = (other.folder / "queries.jsonl").read_text().splitlines()
    (other.folder / "queries.jsonl").write_text("\n".join([*lines[:30], *(line + " " for line in lines[30:])]) + "\n")
    assert pair(compare([one, load_run(other.folder)], out=tmp_path).result["retrieval"], "A", "B")["n"] == QUERIES
    (other.folder / "queries.jsonl").write_text(
        "\n".join(lines[:10] + [x.replace("text of", "x of") for x in lines[10:]])
    )
    assert pair(compare([one, load_run(other.folder)], out=tmp_path).result["retrieval"], "A", "B")["n"] == 10
    (other.folder / "queries.jsonl").write_text("\n".join(x.replace("text of", "x of") for x in lines))
    found = pair(compare([one, load_run(other.folder)], out=tmp_path).result["retrieval"], "A", "B")
    assert (found["status"], found["reason"]) == ("unavailable", "no-shared-queries")


def test_other_documents_are_reported_as_a_difference_of_data(tmp_path: Path) -> None:
    one = analyzed(tmp_path, "plain")
    other = analyzed(tmp_path, "random", dataset={"documents": 60, "fingerprint": "e" * 64})
    warnings = compare([one, other], out=tmp_path).result["warnings"]
    assert any("searched 120 documents and B 60" in warning for warning in warnings)
    assert any("different corpora" in warning for warning in warnings)


def test_queries_that_share_a_document_are_one_piece_of_evidence(tmp_path: Path) -> None:
    """Fifty judged documents, asked four times each: the interval is that of the compress run, not half as wide."""
    rng = np.random.default_rng(0)
    docs = rng.standard_normal((300, 16)).astype(np.float32)
    queries = np.repeat(docs[:50], 4, axis=0) + 0.6 * rng.standard_normal((200, 16)).astype(np.float32)
    qrels = {str(row): {str(row // 4): 1} for row in range(200)}
    made = [
        embgeo.compress(docs=docs, queries=queries, qrels=qrels, specs=[spec], out=tmp_path, threads=1)
        for spec in ("f32", "binary")
    ]
    assert len(np.unique(made[0].arrays["query_groups"])) == 50
    values = [made[1].arrays[f"quality/{spec}"].astype(np.float64) for spec in ("binary", "f32")]
    one = paired_test(*values, 0, made[1].arrays["query_groups"])
    [row] = made[1].result["tradeoffs"]
    assert one.difference_ci == pytest.approx(row["difference_ci"], abs=2e-6)
    gaps, groups = np.random.default_rng(1).standard_normal(200), np.arange(200) // 4
    together = sign_flip_p(gaps, groups=groups)
    assert together == sign_flip_p(np.bincount(groups, weights=gaps))
    assert together != sign_flip_p(gaps)


def test_two_runs_of_one_vector_file_are_of_one_corpus(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    docs, queries = (rng.standard_normal((n, 8)).astype(np.float32) for n in (60, 20))
    runs = [
        embgeo.compress(docs=docs, queries=queries, specs=[spec], out=tmp_path, threads=1) for spec in ("int8", "int4")
    ]
    assert not any("different corpora" in warning for warning in compare(runs, out=tmp_path).result["warnings"])


def test_random_sign_flips_agree_with_all_sign_flips() -> None:
    gaps = np.array([0.3, -0.1, 0.2, 0.05, 0.4, -0.02, 0.0, 0.15])
    flips = np.array(list(itertools.product((-1, 1), repeat=len(gaps)))) @ gaps
    exact = np.mean(np.abs(flips) >= abs(gaps.sum()) - 1e-12)
    assert sign_flip_p(gaps, draws=40_000) == pytest.approx(exact, abs=0.01)
    assert sign_flip_p(-gaps) == sign_flip_p(gaps)


def test_sign_flips_keep_their_level() -> None:
    rng = np.random.default_rng(0)
    found = [sign_flip_p(rng.standard_normal(30), seed, draws=400) < 0.05 for seed in range(400)]
    assert 0.02 < np.mean(found) < 0.085  # 5 % ± 3 standard errors


def test_holm_multiplies_the_smallest_by_the_number_of_tests_and_never_falls() -> None:
    assert holm([0.02, 0.01, 0.5]) == pytest.approx([0.04, 0.03, 0.5])
    assert holm([0.4, 0.4]) == pytest.approx([0.8, 0.8])
    assert holm([]) == []


# -- signatures


def test_three_signatures_are_normalised_and_ordered(trio: list[Run], tmp_path: Path) -> None:
    found = compare(trio, out=tmp_path).result["signatures"]
    rows = {row["name"]: row for row in found["measures"]}
    z = rows["twonn_dim"]["z"]
    assert np.mean(z) == pytest.approx(0, abs=1e-12)
    assert np.std(z) == pytest.approx(1)
    assert rows["effective_rank"]["z"] == [0, 0, 0]
    assert "hubness" not in rows  # no run has a value
    assert rows["iso_score"]["intervals_overlap"] is False
    assert rows["effective_rank"]["intervals_overlap"] is None
    assert sorted(found["measure_order"]) == sorted(rows)
    # A and B are alike, C is far: it stands at an end
    assert found["run_order"][1] != "C"
    assert "z-score" in found["normalisation"]


def test_two_signatures_give_differences_instead(trio: list[Run], tmp_path: Path) -> None:
    found = compare(trio[:2], out=tmp_path).result["signatures"]
    row = next(row for row in found["measures"] if row["name"] == "twonn_dim")
    assert row["z"] is None
    assert row["difference"] == pytest.approx(-0.1)
    assert row["relative_difference"] == pytest.approx(5.0 / 5.1 - 1)
    assert row["intervals_overlap"] is True


def test_samples_of_different_sizes_are_warned_of(tmp_path: Path) -> None:
    one = analyzed(tmp_path, "plain")
    entry = one.result["signature"]["twonn_dim"]
    other = analyzed(tmp_path, "turned", signature={"twonn_dim": {**entry, "n": 60}})
    run = compare([one, other], out=tmp_path)
    assert any("different sizes" in warning and "twonn_dim" in warning for warning in run.result["warnings"])


# -- stores and cost


def test_fronts_are_overlaid_and_relative_to_their_own_float32(tmp_path: Path) -> None:
    run = compare([compressed(tmp_path, name) for name in ("plain", "random")], out=tmp_path)
    (group,) = run.result["fronts"]
    assert group["measure"] == "ndcg@10"
    assert [front["label"] for front in group["fronts"]] == ["A", "B"]
    rows = group["fronts"][1]["rows"]
    assert [row["spec"] for row in rows] == ["binary", "int8", "f32"]
    assert [row["front"] for row in rows] == [True, True, False]
    assert rows[0]["relative_bytes"] == pytest.approx(1 / 32)
    assert rows[0]["relative_quality"] == pytest.approx(0.9)
    stores = pair(run.result["stores"], "A", "B")["measures"]["ndcg@10"]
    assert stores["difference"] == pytest.approx(0.9 * (quality("plain") - quality("random")).mean(), abs=1e-6)


def test_ndcg_and_recall_are_never_mixed(tmp_path: Path) -> None:
    runs = [compressed(tmp_path, "plain"), compressed(tmp_path, "random", judged=False)]
    result = compare(runs, out=tmp_path).result
    assert [(g["measure"], len(g["fronts"])) for g in result["fronts"]] == [("ndcg@10", 1), ("recall@10_exact", 1)]
    assert any("plotted separately" in warning for warning in result["warnings"])
    assert result["stores"] is None


def test_cost_is_bytes_times_vectors_plus_constants(tmp_path: Path) -> None:
    runs = [compressed(tmp_path, "plain"), analyzed(tmp_path, "random")]
    rows = compare(runs, vectors="2M", price_per_gb=0.5, out=tmp_path).result["cost"]
    assert [(row["label"], row["spec"], row["total_bytes"]) for row in rows] == [
        ("A", "f32", 64_000_000), ("A", "binary", 2_000_064), ("B", "f32", 64_000_000),
    ]  # fmt: skip
    assert rows[0]["price"] == pytest.approx(0.032)
    assert all(row["price"] is None for row in compare(runs, out=tmp_path).result["cost"])


def test_every_store_of_the_same_vectors_has_its_cost(tmp_path: Path) -> None:
    first = compressed(tmp_path, "plain")
    other = {**first.result["recommendation"], "spec": "int8", "bytes_per_vector": 8}
    asked = {**first.result["request"], "seed": 1}
    runs = [first, compressed(tmp_path, "plain", recommendation=other, request=asked)]
    rows = compare(runs, vectors="2M", out=tmp_path).result["cost"]
    assert [(row["label"], row["spec"]) for row in rows] == [("A", "f32"), ("A", "binary"), ("A2", "int8")]


def test_runs_of_the_same_vectors_are_told_why_nothing_can_differ(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the same vectors, whose search and similarity are the same by definition"):
        compare([analyzed(tmp_path, "plain"), compressed(tmp_path, "plain")], out=tmp_path)


# -- the runs themselves


def test_runs_about_the_same_vectors_share_a_letter(tmp_path: Path) -> None:
    runs = [analyzed(tmp_path, "plain"), compressed(tmp_path, "plain"), analyzed(tmp_path, "random")]
    runs.insert(1, analyzed(tmp_path, "plain", request={"model": runs[0].result["request"]["model"], "seed": 1}))
    run = compare(runs, out=tmp_path)
    assert [item["label"] for item in run.result["runs"]] == ["A", "A2", "A", "B"]
    assert [(p["a"], p["b"]) for p in run.result["model_similarity"]] == [("A", "B")]
    assert run.result["signatures"]["runs"] == ["A", "A2", "B"]


def test_models_of_one_name_are_told_apart_by_what_differs(tmp_path: Path) -> None:
    runs = [_text_run(tmp_path, {"model": "one", "truncate_dim": width, "prompt": ""}) for width in (None, 96)]
    run = compare(_with_signatures(runs), out=tmp_path)
    assert [item["variant"] for item in run.result["runs"]] == ["truncate_dim none", "truncate_dim 96"]
    unlike = [analyzed(tmp_path, "plain"), analyzed(tmp_path, "random")]
    assert {item["variant"] for item in compare(unlike, out=tmp_path).result["runs"]} == {""}


def test_the_comparison_is_a_stored_run_with_plain_json(trio: list[Run], tmp_path: Path) -> None:
    run = embgeo.compare(trio, out=tmp_path / "runs")
    again = load_run(run.folder)
    assert again.result == run.result
    assert (again.command, again.result["format_version"]) == ("compare", 1)
    assert "NaN" not in json.dumps(again.result)
    assert embgeo.compare(trio, out=tmp_path / "runs").folder == run.folder
    assert embgeo.compare(trio[:2], out=tmp_path / "runs").folder != run.folder


def test_missing_values_become_null(trio: list[Run], tmp_path: Path) -> None:
    entry = {"value": None, "ci": None, "n": DOCUMENTS, "status": "failed", "reason": "no luck"}
    known = trio[0].result["signature"]
    bad = analyzed(tmp_path, "turned", signature={**known, "twonn_dim": entry}, request={"seed": 5})
    rows = compare([*trio, bad], out=tmp_path).result["signatures"]["measures"]
    row = next(row for row in rows if row["name"] == "twonn_dim")
    assert row["z"][3] is None
    assert row["values"][3]["reason"] == "no luck"
    assert None not in row["z"][:3]


def test_runs_are_found_by_a_prefix_of_name_or_id(trio: list[Run], tmp_path: Path) -> None:
    out = tmp_path / "runs"
    names = [trio[0].name, trio[1].name[:-3], trio[2].name.rpartition("-")[2][:6]]
    run = compare(names, out=out)
    assert [item["folder"] for item in run.result["runs"]] == [item.name for item in trio]
    with pytest.raises(UnknownNameError, match="'analyze' must match one run; 3 in"):
        compare(["analyze", trio[0].name], out=out)
    with pytest.raises(UnknownNameError, match=f"did you mean .*{trio[0].name}"):
        compare([trio[0].name.replace("plain", "plane"), trio[1]], out=out)
    with pytest.raises(RunFormatError, match="does not exist"):
        compare([tmp_path / "nowhere" / "at-all", trio[1]], out=out)


def test_what_cannot_be_compared_is_refused_with_a_reason(trio: list[Run], tmp_path: Path) -> None:
    out = tmp_path / "runs"
    with pytest.raises(InputError, match="at least two runs; got 1"):
        compare(trio[:1], out=out)
    with pytest.raises(InputError, match="given twice"):
        compare([trio[0], trio[1], trio[0].folder], out=out)
    shutil.copytree(trio[0].folder, tmp_path / "copy")
    with pytest.raises(InputError, match="is a copy of it"):
        compare([trio[0], tmp_path / "copy"], out=out)
    with pytest.raises(InputError, match="is a compare run"):
        compare([compare(trio, out=out), trio[0]], out=out)
    with pytest.raises(InputError, match="price-per-gb"):
        compare(trio, price_per_gb=float("nan"), out=out)
    newer = json.loads((trio[0].folder / "run.json").read_text()) | {"format_version": 2}
    (tmp_path / "copy" / "run.json").write_text(json.dumps(newer))
    with pytest.raises(RunFormatError, match="format 2"):
        compare([trio[1], tmp_path / "copy"], out=out)


def test_runs_with_nothing_in_common_are_refused(tmp_path: Path) -> None:
    one = analyzed(tmp_path, "plain")
    other = compressed(tmp_path, "random", judged=False, dataset={"fingerprint": "e" * 64})
    (other.folder / "documents.jsonl").unlink()
    with pytest.raises(InputError, match="something in common"):
        compare([one, load_run(other.folder)], out=tmp_path)


def _vectors_run(folder: Path, path: Path, dataset: dict[str, Any]) -> Run:
    from embgeo.sources.vector_files import load_vectors

    model = {"name": f"vectors:{path}", "fingerprint": load_vectors(path).fingerprint}
    result = {
        "command": "analyze", "model": model, "dataset": dataset, "similarity": "cosine",
        "request": {"model": model["name"]}, "signature": {}, "warnings": [],
    }  # fmt: skip
    return save_run(folder / "runs", result)


def _text_run(folder: Path, identity: dict[str, Any], **more: Any) -> Run:
    dataset = {"name": "made up", "documents": DOCUMENTS, "dimension": D, "fingerprint": "f" * 64, **more}
    result = {
        "command": "analyze", "model": {"name": identity["model"], **identity}, "dataset": dataset,
        "similarity": "cosine", "request": {"model": identity["model"], **more}, "warnings": [],
    }  # fmt: skip
    return save_run(folder / "runs", result, None, texts("d", DOCUMENTS))


def _with_signatures(runs: list[Run]) -> list[Run]:
    """The same with something that can be compared without vectors."""
    entry = {"value": 1.0, "ci": None, "n": 3, "status": "ok", "reason": None}
    return [Run(run.folder, {**run.result, "signature": {"twonn_dim": entry}}) for run in runs]
