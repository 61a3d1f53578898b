"""Rows of the contract, budgets that decide, and a recommendation that gives its reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from embgeo.compression.choosing.budget import parse_budget
from embgeo.compression.choosing.decision import Limits, competing, decide, recommend
from embgeo.compression.choosing.rows import tradeoff_rows
from embgeo.compression.codecs.spec import parse
from embgeo.compression.judging import timing
from embgeo.compression.judging.finding import Outcome
from embgeo.compression.judging.sweep import Sweep, sweep
from embgeo.compression.judging.task import SweepInput
from embgeo.embeddings import check_embeddings
from embgeo.errors import BudgetError
from embgeo.files.jsontext import to_json_text
from embgeo.judgements import Judgements
from embgeo.results.compress import StoreEffects
from embgeo.retrieval.evaluate import Evaluator
from embgeo.retrieval.significance import QueryBootstrap

N, M, D = 200, 40, 32
SPECS = ("f16", "int8", "int4", "rot,binary", "pca16,int8")
# every key of a row of the JSON contract
CONTRACT = {
    "spec", "bytes_per_vector", "constant_bytes", "ram_bytes", "disk_bytes", "store_bytes", "ratio", "ndcg@10",
    "ndcg@10_ci", "difference", "difference_ci", "retained", "retained_ci", "in_sample_ndcg@10", "recall@10_exact",
    "qps", "single_query_ms", "fit_seconds", "encode_seconds", "query_side", "tie_band",
}  # fmt: skip


@pytest.fixture(scope="module")
def swept() -> Iterator[Sweep]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, D)).astype(np.float32)
    source = rng.choice(N, M, replace=False)
    Q = X[source] + 1.6 * rng.standard_normal((M, D)).astype(np.float32)
    e = check_embeddings(X, Q)
    evaluator = Evaluator(
        Judgements({str(row): {str(doc): 1} for row, doc in enumerate(source)}), e.doc_ids, e.query_ids
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "REPEATS", 1)
        patch.setattr(timing, "SINGLES", 1)
        yield sweep(SweepInput(e, evaluator), [parse(text) for text in SPECS])


def rows_of(swept: Sweep, vectors: int | None = None) -> list[dict[str, Any]]:
    return [row.to_json() for row in tradeoff_rows(swept, QueryBootstrap.draw(M), vectors)]


def decided(swept: Sweep, limits: Limits) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The recommendation and all rows."""
    decision = decide(swept, limits, 0)
    rows = tradeoff_rows(swept, QueryBootstrap.draw(M), decision=decision)
    best = recommend(swept, decision, rows, StoreEffects(), [])
    return best.to_json(), [row.to_json() for row in rows]


def advised(swept: Sweep, budget: str | None = None, keep: float | None = None, vectors: int = N) -> dict[str, Any]:
    limit = None if budget is None else parse_budget(budget, D, vectors)
    return decided(swept, Limits(vectors, limit, keep))[0]


def test_every_row_keeps_the_contract_and_goes_into_json(swept: Sweep) -> None:
    rows = rows_of(swept)
    assert [row["spec"] for row in rows] == ["f32", *SPECS]
    for row in rows:
        assert set(row) >= CONTRACT
    assert "NaN" not in to_json_text(rows)


def test_bytes_are_those_of_the_formats(swept: Sweep) -> None:
    """Trap 5, by hand: 32 coordinates; int8 8 bytes of range per dimension; a rotation six signs; pca16 32·16·4."""
    found = {row["spec"]: (row["bytes_per_vector"], row["constant_bytes"]) for row in rows_of(swept)}
    assert found == {
        "f32": (128, 0),
        "f16": (64, 0),
        "int8": (32, 256),
        "int4": (16, 256),
        "rot,binary": (4, 24 + 4),
        "pca16,int8": (16, 2048 + 128),
    }
    for row in rows_of(swept):
        assert row["store_bytes"] == N * row["bytes_per_vector"] + row["constant_bytes"]
        assert row["ratio"] == pytest.approx(N * 128 / row["store_bytes"])
        assert row["disk_bytes"] == row["store_bytes"] + row["id_bytes"], "ids and header named apart"
        assert row["ram_bytes"] >= N * row["bytes_per_vector"]


def test_differences_are_paired_with_float32(swept: Sweep) -> None:
    base, *rows = rows_of(swept)
    assert base["difference"] == 0
    assert base["difference_ci"] is None
    for row in rows:
        assert row["difference"] == pytest.approx(row["ndcg@10"] - base["ndcg@10"])
        assert row["retained"] == pytest.approx(row["ndcg@10"] / base["ndcg@10"])
        if row["difference_ci"] is not None:
            low, high = row["difference_ci"]
            assert low <= row["difference"] <= high
        if row["spec"] == "int8" and row["difference_ci"] is not None:
            assert high - low < 0.5 * (base["ndcg@10_ci"][1] - base["ndcg@10_ci"][0])


def test_a_row_that_changes_no_query_gets_a_bound_instead_of_an_interval(swept: Sweep) -> None:
    unchanged = [row for row in rows_of(swept)[1:] if row["changed_queries"] == 0]
    assert unchanged, "f16 must change no query here"
    for row in unchanged:
        assert row["difference_ci"] is None
        assert row["changed_bound"] == pytest.approx(1 - 0.05 ** (1 / M))
        assert "no query changes" in row["note"]


def test_in_sample_is_reported_beside_out_of_sample(swept: Sweep) -> None:
    outcome = swept.outcomes[1]
    row = rows_of(swept)[2]
    assert row["ndcg@10"] == pytest.approx(outcome.quality.mean())
    assert row["in_sample_ndcg@10"] == pytest.approx(outcome.in_sample.mean())


def test_judged_quality_and_recall_of_neighbours_are_two_numbers(swept: Sweep) -> None:
    """Trap 6."""
    binary = rows_of(swept)[4]
    assert abs(binary["ndcg@10"] - binary["recall@10_exact"]) > 0.02


def test_planned_sizes_are_those_of_that_many_vectors(swept: Sweep) -> None:
    for row in rows_of(swept, 10**8):
        planned = row["planned"]["store_bytes"]
        assert planned == 10**8 * row["bytes_per_vector"] + row["constant_bytes"]
        assert row["planned"]["ratio"] == pytest.approx(10**8 * 128 / planned)


@pytest.mark.parametrize("limit", [4, 16, 31, 32, 64, 128])
def test_the_recommendation_is_within_the_budget(swept: Sweep, limit: int) -> None:
    best = advised(swept, f"{limit}B")
    assert best["bytes_per_vector"] <= limit
    assert best["fits_budget"]
    assert best["spec"] in best["reason"]
    assert f"within {limit}B" in best["reason"]


def test_constants_count_in_a_budget_on_the_whole_store(swept: Sweep) -> None:
    """31x of 200 · 128 bytes = 825: binary's codes, 200 · 4, would fit, not with 28 bytes of signs and scale."""
    with pytest.raises(BudgetError):
        advised(swept, "31x")
    assert advised(swept, "30x")["spec"] == "rot,binary"  # 853
    # a million vectors make the constants cheap
    assert advised(swept, "31x", vectors=10**6)["spec"] == "rot,binary"


def test_an_impossible_budget_gives_the_smallest_reachable_size(swept: Sweep) -> None:
    with pytest.raises(BudgetError, match=r"fits 3B per vector; the smallest is rot,binary with 4 bytes"):
        advised(swept, "3B")
    with pytest.raises(BudgetError, match=r"fits 0.8kB for 200 vectors .*; the smallest is rot,binary with 828 bytes"):
        advised(swept, "0.8kB")


def test_where_float32_finds_nothing_no_row_is_called_tied(swept: Sweep) -> None:
    def nothing(outcome: Outcome) -> Outcome:
        return replace(outcome, quality=np.zeros(M), in_sample=np.zeros(M))

    empty = replace(swept, baseline=nothing(swept.baseline), outcomes=[nothing(o) for o in swept.outcomes])
    best, rows = decided(empty, Limits(N, parse_budget("32B", D, N)))
    assert "cannot be compared, since nDCG@10 of float32 itself is 0," in best["reason"]
    assert "tied" not in best["reason"]
    assert best["tied_with"] == []
    assert not any(row["tied"] for row in rows)


def test_ties_are_listed_cheapest_first(swept: Sweep) -> None:
    best = advised(swept)
    sizes = {row["spec"]: row["bytes_per_vector"] for row in rows_of(swept)}
    listed = [sizes[spec] for spec in best["tied_with"]]
    assert listed == sorted(listed)
    assert all(size >= best["bytes_per_vector"] for size in listed)
    assert best["spec"] not in best["tied_with"]


def test_the_quoted_value_of_the_procedure_is_cross_fitted(swept: Sweep) -> None:
    found = advised(swept, "64B")["cross_fitted"]
    assert found["ci"][0] <= found["value"] <= found["ci"][1]
    assert sum(found["chosen"].values()) == pytest.approx(1)
    assert set(found["chosen"]) <= {"f32", *SPECS}
    assert re.search("queries that had no part", found["meaning"])


def test_the_front_is_marked_on_the_rows(swept: Sweep) -> None:
    rows = decided(swept, Limits(N))[1]
    quality = {row["spec"]: row["ndcg@10"] for row in rows}
    for row in rows:
        better = [other for other in rows if other["bytes_per_vector"] < row["bytes_per_vector"]]
        if any(quality[other["spec"]] >= quality[row["spec"]] for other in better):
            assert not row["pareto"]
    assert rows[4]["pareto"], "nothing is smaller than one bit per coordinate"


def test_keep_alone_minimises_bytes(swept: Sweep) -> None:
    free, kept = advised(swept), advised(swept, keep=0.5)
    assert kept["bytes_per_vector"] <= free["bytes_per_vector"]
    assert "50 % kept" in kept["reason"]


def test_sizes_are_those_that_the_budget_limits(swept: Sweep) -> None:
    marginal = competing(swept, Limits(N, parse_budget("64B", D, N))).sizes
    whole = competing(swept, Limits(N, parse_budget("1GB", D, N))).sizes
    np.testing.assert_array_equal(marginal, [128, 64, 32, 16, 4, 16])
    np.testing.assert_allclose(whole, [25_600, 12_800, 6_656, 3_456, 828, 5_376])


@pytest.mark.parametrize("budget", ["16B", "64B", "5kB", "20kB"])
def test_no_row_within_the_budget_beats_the_recommended_in_quality_and_recall(swept: Sweep, budget: str) -> None:
    best, rows = decided(swept, Limits(N, parse_budget(budget, D, N)))
    assert best["fits_budget"]
    both = [(min(row["ndcg@10"], rows[0]["ndcg@10"]), row["recall@10_exact"]) for row in rows]
    mine = both[[row["spec"] for row in rows].index(best["spec"])]
    for row, (quality, recall) in zip(rows, both, strict=True):
        assert not (row["fits_budget"] and quality > mine[0] and recall > mine[1]), row["spec"]


def test_a_store_larger_than_float32_is_not_chosen_while_there_is_another(swept: Sweep) -> None:
    """At four vectors the axes of pca… outweigh everything; its bytes per vector alone would win."""
    few = 4
    best = decided(swept, Limits(few, parse_budget("64B", D, few)))[0]
    spent = few * best["bytes_per_vector"] + best["constant_bytes"]
    assert spent < few * swept.baseline.bytes_per_vector
    sizes = [few * o.bytes_per_vector + o.constant_bytes for o in swept.outcomes]
    assert max(sizes) > few * swept.baseline.bytes_per_vector, "the planted case"


def test_a_choice_that_changes_no_query_has_no_interval_of_zero_width(swept: Sweep) -> None:
    unmoved = replace(swept, outcomes=[replace(o, quality=swept.baseline.quality) for o in swept.outcomes])
    delivered = decided(unmoved, Limits(N, parse_budget("64B", D, N)))[0]["cross_fitted"]
    assert delivered["difference"] == 0
    assert delivered["difference_ci"] is None


def test_float32_as_the_fallback_of_keep_says_that_nothing_smaller_is_confirmed(swept: Sweep) -> None:
    best = decided(swept, Limits(N, keep=1.0))[0]
    assert best["spec"] == "f32"
    assert best["keep"]["shown"] == "yes"
    assert f"no smaller store is confirmed to keep 100 % with {M} queries" in best["reason"]
