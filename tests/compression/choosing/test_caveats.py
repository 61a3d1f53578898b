"""The warnings and notes of a run whose numbers mean less than they seem to."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from examples.subjects import subject_of

from embgeo import api
from embgeo.compression.codecs.codec import encode_all, fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.judging.effects import store_effects
from embgeo.compression.search.build import build_searcher
from embgeo.datasets.registry import resolve_dataset
from embgeo.embeddings import Embeddings, check_embeddings
from embgeo.errors import BudgetError
from embgeo.metrics.signature import SignatureRequest, compute_signature
from embgeo.retrieval.significance import MIN_CHANGED

TINY = resolve_dataset("tiny")


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def built(e: Embeddings, text: str):
    codec = fit_codec(parse(text), Training(e.matrix(), e.similarity, 0))
    return codec, build_searcher(codec, encode_all(codec, e))


def test_stand_in_queries_do_not_reach_themselves_in_the_effects_of_a_store() -> None:
    """Trap 13: every document finds itself, so with self matches nothing is ever unreachable."""
    X = normal(300, 16)
    X[0] = -8 * X[1:].mean(axis=0)  # the far side of the sphere: in no top hundred but its own
    ids = [str(row) for row in range(300)]
    e = check_embeddings(X, X.copy(), ids, ids)
    _, searcher = built(e, "binary")
    assert store_effects(e, searcher, 0)["reachable@100"] == {"float32": 300, "store": 300}
    honest = store_effects(e, searcher, 0, drop_own=True)["reachable@100"]
    S = e.matrix() @ e.matrix().T
    np.fill_diagonal(S, -np.inf)
    assert honest["float32"] == len(np.unique(np.argsort(-S, axis=1)[:, :100]))


@pytest.mark.parametrize("n", [2, 50, 100, 101, 102])
def test_effects_without_self_matches_work_at_every_size(n: int) -> None:
    ids = [str(row) for row in range(n)]
    e = check_embeddings(normal(n, 8), normal(n, 8), ids, ids)
    _, searcher = built(e, "f32")
    effects = store_effects(e, searcher, 0, drop_own=True)
    assert effects["reachable@100"]["float32"] == effects["reachable@100"]["store"]
    assert effects["newly_unreachable"]["count"] == 0


def test_the_copy_kept_for_rescoring_is_counted_as_memory() -> None:
    e = check_embeddings(normal(200, 16))
    codec, searcher = built(e, "binary+int8@4")
    assert searcher.ram_bytes >= 200 * (2 + 16) + codec.state_bytes


def compressed(tmp_path: Path, documents: int, queries: int, **more) -> dict:
    np.savez(tmp_path / "v.npz", docs=normal(documents, 16), queries=normal(queries, 16, seed=1))
    return api.compress(f"vectors:{tmp_path / 'v.npz'}", out=tmp_path, threads=1, **more).result


def test_a_corpus_that_every_search_returns_whole_is_called_uninformative(tmp_path: Path) -> None:
    assert any("uninformative" in warning for warning in compressed(tmp_path, 10, 20, specs=["binary"])["warnings"])
    assert not any("uninformative" in warning for warning in compressed(tmp_path, 40, 20, specs=["binary"])["warnings"])


def test_few_queries_are_warned_of_without_judgements_too(tmp_path: Path) -> None:
    assert any("only 2 queries:" in warning for warning in compressed(tmp_path, 40, 2, specs=["int8"])["warnings"])


def test_one_query_is_written_in_the_singular(tmp_path: Path) -> None:
    found = compressed(tmp_path, 40, 1, specs=["f32", "binary"], keep="90%")
    notes = [row["note"] for row in found["tradeoffs"]]
    assert notes == ["only 1 of 1 query changes, too few for an interval"]
    said = " ".join([*found["warnings"], found["recommendation"]["reason"], *notes])
    assert "only 1 query: the intervals over queries are uninformative" in said
    assert "is confirmed to keep 90 % with 1 query" in said
    assert not re.search(r"\b1 (judged )?queries", said)


def test_a_budget_that_fixed_data_exceeds_is_refused_before_anything_is_evaluated(tmp_path: Path) -> None:
    """By hand, 16 coordinates: pca8,int8 has 10 · 8 bytes of codes, 16 · 8 · 4 of axes and 8 · 8 of ranges, 656;
    int8+f16@2 10 · (16 + 32) of codes and 16 · 8 of ranges, 608."""
    stages: list[str] = []
    plan = {"specs": ["pca8,int8", "int8+f16@2"], "vectors": "10"}
    with pytest.raises(BudgetError, match=r"fixed data .*; the smallest is int8\+f16@2 with 608 bytes"):
        compressed(tmp_path, 200, 20, budget="0.607kB", progress=lambda stage, *_: stages.append(stage), **plan)
    assert not [stage for stage in stages if stage.startswith("trade-offs")]
    assert compressed(tmp_path, 200, 20, budget="0.608kB", **plan)["recommendation"]["spec"] == "int8+f16@2"
    plan["specs"] = ["pca8,int8"]
    with pytest.raises(BudgetError, match=r"the smallest is pca8,int8 with 656 bytes"):
        compressed(tmp_path, 200, 20, budget="0.655kB", **plan)
    assert compressed(tmp_path, 200, 20, budget="0.656kB", **plan)["recommendation"]["spec"] == "pca8,int8"


def test_the_protocol_states_the_rule_that_chose(tmp_path: Path) -> None:
    smallest = compressed(tmp_path, 40, 20, specs=["int8", "trunc8,int8"], keep="90%")["protocol"]
    best = compressed(tmp_path, 40, 20, specs=["int8"], budget="64B")["protocol"]
    assert smallest["selection"].startswith("the smallest store confirmed to keep enough; if there is none, ")
    assert "counted as lost" in smallest["keep"]
    assert "Matryoshka" in smallest["truncation"]
    assert "recall of exact neighbours" in best["selection"]
    assert not {"keep", "truncation"} & set(best)


def test_where_few_queries_change_there_is_a_bound_instead_of_an_interval(tmp_path: Path) -> None:
    rows = compressed(tmp_path, 200, 60, specs=["bf16", "binary"])["tradeoffs"]
    few = [row for row in rows if row["changed_queries"] < MIN_CHANGED]
    assert few
    for row in rows:
        assert (row in few) == (row["difference_ci"] is None) == ("too few for an interval" in row.get("note", ""))


def test_vectors_of_part_of_a_dataset_are_reported_as_an_easier_task(tmp_path: Path) -> None:
    kept = len(TINY.doc_ids) - 3
    ids = [*TINY.doc_ids[:kept], "stranger"]
    np.savez(
        tmp_path / "part.npz", docs=normal(len(ids), 8), doc_ids=np.array(ids),
        queries=normal(len(TINY.query_ids), 8), query_ids=np.array(TINY.query_ids),
    )  # fmt: skip
    said = subject_of(f"vectors:{tmp_path / 'part.npz'}", "tiny").warnings
    assert any(warning.startswith(f"3 of {len(TINY.doc_ids)} documents of") for warning in said)
    assert any(warning.startswith(f"1 of {len(ids)} document vectors") for warning in said)


def test_an_interval_narrower_than_the_half_sample_shift_is_marked_as_for_this_n() -> None:
    """Duplicates aside, the rank of 60 Gaussian rows in 64 dimensions is limited by the rows themselves."""
    moving = compute_signature(check_embeddings(normal(60, 64)), SignatureRequest(names=["effective_rank"])).values[
        "effective_rank"
    ]
    still = compute_signature(check_embeddings(normal(4000, 4)), SignatureRequest(names=["avg_pair_sim_cosine"])).values
    assert "for this n only" in str(moving.ci_method)
    assert "for this n only" not in str(still["avg_pair_sim_cosine"].ci_method)


def test_queries_that_share_their_only_document_are_reported_as_not_independent(tmp_path: Path) -> None:
    X = normal(60, 8)
    qrels = {f"q{i}": {"3": 1} for i in range(40)}
    run = api.compress(
        docs=X,
        queries=normal(40, 8, seed=1),
        qrels=qrels,
        query_ids=list(qrels),
        specs=["int4"],
        out=tmp_path,
        threads=2,
    )
    assert any("relevant documents in common that they count as 1:" in w for w in run.result["warnings"])
    assert run.result["baseline"]["ndcg@10_ci"] is None
    [row] = run.result["tradeoffs"]
    assert row["difference_ci"] is row["retained_ci"] is None
    assert run.result["recommendation"]["cross_fitted"] is None
