"""A test for each trap that reverses conclusions about compression: it plants the mistake and shows that it is caught.

Numbers are those of the list of traps in the project's notes; 4, 7, 10, 11, 14 and 19–21 concern other rooms or stand
with their module.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles import planted_codecs as planted
from oracles.codec_makers import searcher_of
from safetensors import safe_open

from embgeo.compression.choosing.rows import tradeoff_rows
from embgeo.compression.choosing.select import Competition, cross_fit
from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.quantizers.uniform import FittedUniform
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.judging.folds import document_folds
from embgeo.compression.judging.sweep import Sweep, sweep
from embgeo.compression.judging.task import SweepInput
from embgeo.compression.search.on_faiss import search_on_faiss
from embgeo.compression.search.store import write_store
from embgeo.embeddings import Embeddings, check_embeddings, normalise
from embgeo.judgements import Judgements
from embgeo.retrieval.evaluate import Evaluator
from embgeo.retrieval.exact import exact_search
from embgeo.retrieval.significance import QueryBootstrap
from embgeo.run import identity

N, M, D = 240, 40, 16


def corpus(mean: float = 0.5) -> tuple[Embeddings, Evaluator]:
    """Rows off the origin, dimensions of unequal spread, equal noise in all: codes per dimension rank differently."""
    rng = np.random.default_rng(0)
    spread = np.linspace(0.05, 2, D).astype(np.float32)
    X = rng.standard_normal((N, D)).astype(np.float32) * spread + np.float32(mean)
    source = rng.choice(N, M, replace=False)
    Q = X[source] + 1.0 * rng.standard_normal((M, D)).astype(np.float32)
    e = check_embeddings(X, Q)
    qrels = {str(row): {str(doc): 1} for row, doc in enumerate(source)}
    return e, Evaluator(Judgements(qrels), e.doc_ids, e.query_ids)


@pytest.fixture(scope="module")
def swept() -> Sweep:
    e, evaluator = corpus()
    return sweep(SweepInput(e, evaluator), [parse(text) for text in ("int8", "pcac8,int8", "rot,binary")])


def quality(evaluator: Evaluator, scores: np.ndarray) -> float:
    order = np.argsort(-scores, axis=1, kind="stable")[:, :32]
    return float(evaluator(np.take_along_axis(scores, order, 1), order)["ndcg@10"].mean())


def test_trap_1_neither_raw_codes_nor_separate_ranges_are_scored() -> None:
    e, evaluator = corpus()
    X, Q = e.matrix(), e.query_matrix()
    codec = fit_codec(parse("int8"), Training(X, "cosine")).tiers[0]
    codes = codec.encode(X)
    scores, rows = searcher_of(codec, codes).search(Q, 32)
    ours = float(evaluator(scores, rows)["ndcg@10"].mean())
    raw = quality(evaluator, Q @ codes.astype(np.float32).T)
    apart = quality(
        evaluator, fit_codec(parse("int8"), Training(Q, "cosine")).tiers[0].encode(Q).astype(float) @ codes.T
    )
    exact = quality(evaluator, Q @ X.T)
    assert abs(ours - exact) < 0.01
    assert raw < exact - 0.05, "the planted mistake must show on this corpus"
    assert apart < exact - 0.05


def test_trap_2_nothing_is_fitted_on_queries(swept: Sweep) -> None:
    """Ranges and axes come from documents alone: extreme queries leave them unchanged."""
    e, evaluator = corpus()
    assert e.queries is not None
    wild = check_embeddings(e.docs, np.asarray(e.queries) ** 3 * 50)
    again = sweep(SweepInput(wild, evaluator), [outcome.spec for outcome in swept.outcomes])
    for outcome in swept.outcomes:
        one, two = (found.shipped(outcome.spec)[0] for found in (swept, again))
        for name, array in one.state.items():
            np.testing.assert_array_equal(two.state[name], array)
        assert one.fit_rows == N, "the fit sample is recorded"


def test_trap_3_the_best_of_many_is_corrected_for_selection() -> None:
    rng = np.random.default_rng(0)
    gains, quoted = [], []
    for seed in range(20):
        base = rng.uniform(0.2, 1, 50)
        rows = base + 0.1 * rng.standard_normal((60, 50))
        field = Competition(rows, rows, np.ones(60), np.ones(60, bool), base, np.arange(len(base)))
        found = cross_fit(field, [str(row) for row in range(60)], seed, resamples=2)
        assert found is not None
        gains.append((rows.mean(axis=1) - base.mean()).max())
        quoted.append(found.difference)
    # best of 60 at 50 queries: +.033 (here 2.3 · .1/√50); cross-fitted: 0 within three standard errors
    assert np.mean(gains) > 0.025
    assert abs(np.mean(quoted)) < 3 * np.std(quoted) / np.sqrt(20)


def test_trap_4_the_mean_is_restored_at_scoring() -> None:
    e, _ = corpus(mean=1.5)
    X, Q = e.matrix(), e.query_matrix()
    codec = fit_codec(parse(f"pcac{D},f32"), Training(X, "cosine")).tiers[0]
    Z, bias = codec.queries(Q)
    np.testing.assert_allclose(Z @ codec.reduce(X).T + bias[:, None], Q @ X.T, atol=2e-6)
    forgotten = codec.reduce(Q) @ codec.reduce(X).T
    assert np.abs(forgotten - Q @ X.T).max() > 0.1, "centring both sides is another score"


def test_trap_4_truncated_rows_are_renormalised() -> None:
    e, _ = corpus()
    cut = fit_codec(parse("trunc8,f32"), Training(e.matrix(), "cosine")).tiers[0].reduce(e.matrix())
    np.testing.assert_allclose(np.linalg.norm(cut, axis=1), 1, atol=1e-6)


def rows_of(swept: Sweep) -> list[dict[str, Any]]:
    return [row.to_json() for row in tradeoff_rows(swept, QueryBootstrap.draw(M))]


def test_trap_5_bytes_are_those_on_disk(swept: Sweep, tmp_path: Path) -> None:
    e, _ = corpus()
    for row, outcome in zip(rows_of(swept)[1:], swept.outcomes, strict=True):
        path = tmp_path / f"{row['spec']}.safetensors"
        codec, _ = swept.shipped(outcome.spec)
        write_store(path, codec, [codec.encode(e.matrix())], e.doc_ids)
        assert row["disk_bytes"] == path.stat().st_size
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name).nbytes for name in file.keys()}  # noqa: SIM118
        assert tensors["codes"] == N * row["bytes_per_vector"]
        assert sum(size for name, size in tensors.items() if name.startswith("state.")) == row["constant_bytes"]
    rotated = fit_codec(parse("itq"), Training(e.matrix(), "cosine")).tiers[0]
    assert rotated.state_bytes >= D * D * 4, "a learned rotation costs d² · 4 bytes"


def test_trap_6_judged_quality_and_recall_of_neighbours_are_both_reported(swept: Sweep) -> None:
    for row in rows_of(swept):
        assert row["ndcg@10"] is not None
        assert row["recall@10_exact"] is not None
    base = rows_of(swept)[0]
    assert base["recall@10_exact"] == 1
    assert base["ndcg@10"] < 0.98


def test_trap_8_reversing_the_corpus_changes_no_quality() -> None:
    """Sign bits of few dimensions tie; the stated rule orders by id, so the order of rows decides nothing."""
    e, _ = corpus()
    X, Q = e.matrix()[:, :4], e.query_matrix()[:, :4]
    ids = [f"d{row:03}" for row in range(N)]
    judged = Judgements({str(row): {ids[3 * row]: 1} for row in range(M)})
    found = []
    for order in (np.arange(N), np.arange(N)[::-1]):
        codec = fit_codec(parse("binary"), Training(normalise(X[order]), "cosine")).tiers[0]
        named = [ids[row] for row in order]
        evaluator = Evaluator(judged, named, [str(row) for row in range(M)])
        # every document: a cut through ties would be by row order
        scores, rows = searcher_of(codec, codec.encode(X[order])).search(Q, N)
        found.append(evaluator(np.round(scores, 5), rows)["ndcg@10"])
    np.testing.assert_array_equal(found[0], found[1])


def test_trap_8_rows_with_ties_show_the_band() -> None:
    X = np.repeat(np.random.default_rng(0).standard_normal((30, 6)).astype(np.float32), 4, axis=0)
    e = check_embeddings(X, X[::4].copy())
    evaluator = Evaluator(Judgements({str(row): {str(4 * row + 1): 1} for row in range(30)}), e.doc_ids, e.query_ids)
    found = sweep(SweepInput(e, evaluator), [parse("binary")])
    band = found.outcomes[0].band
    assert band is not None
    assert band[0] < band[1]
    assert band[0] - 1e-9 <= found.outcomes[0].quality.mean() <= band[1] + 1e-9


def test_trap_9_the_query_side_is_stated(swept: Sweep) -> None:
    for row in rows_of(swept):
        assert "query" in row["query_side"]
        assert "document" in row["query_side"]


@pytest.mark.parametrize("text", ["f32", "int8", "int4"])
def test_trap_12_the_metric_of_the_built_index_is_asserted(text: str) -> None:
    """Vectors of unequal length: inner product and distance disagree on nearly every query."""
    faiss = pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 8)).astype(np.float32) * rng.uniform(0.2, 5, (200, 1)).astype(np.float32)
    Q = rng.standard_normal((20, 8)).astype(np.float32)
    by_product = fit_codec(parse(text), Training(X, "dot")).tiers[0]
    by_distance = fit_codec(parse(text), Training(X, "euclidean")).tiers[0]
    built = [search_on_faiss(codec, codec.encode(X)) for codec in (by_product, by_distance)]
    assert [searcher.index.metric_type for searcher in built] == [faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L2]
    first = [searcher.search(Q, 1)[1] for searcher in built]
    assert (first[0] != first[1]).mean() > 0.5


def test_trap_13_stand_in_queries_do_not_find_themselves_and_duplicates_stay_together() -> None:
    X = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    X = np.concatenate([X, X[:10]])
    e = check_embeddings(X, X[:20].copy(), query_ids=[str(row) for row in range(20)])
    _, rows = exact_search(e, 10, drop_own_document=True)
    assert not (rows == np.arange(20)[:, None]).any()
    assert (rows[:10, 0] == np.arange(50, 60)).all(), "its twin is another document and stays"
    folds = document_folds(e, 0)
    np.testing.assert_array_equal(folds[:10], folds[50:])


def test_trap_15_a_codec_of_zeros_does_not_pass(swept: Sweep) -> None:
    """dtype, shape and range are right; the laws in laws/test_codec_laws.py reject it by what it loses."""
    e, _ = corpus()
    cheat = planted.Zeros.fit(e.matrix())
    decoded = cheat.decode(cheat.encode(e.matrix()))
    assert (decoded.dtype, decoded.shape) == (np.float32, e.docs.shape)
    assert ((decoded - e.matrix()) ** 2).sum() == pytest.approx(N, rel=1e-5), "all of it is lost"
    honest, _ = swept.shipped(swept.outcomes[0].spec)
    assert ((honest.decode(honest.encode(e.matrix())) - e.matrix()) ** 2).sum() < 1e-3 * N


def test_trap_16_names_with_equal_slugs_are_different_runs() -> None:
    base = {"command": "compress", "dataset": {"name": "tiny"}, "request": {"specs": ["int8"]}}
    names = ["my-model", "my model", "my/model", "My-Model"]
    assert len({identity({**base, "model": name}) for name in names}) == len(names)
    assert identity({**base, "model": "a", "request": {"specs": ["int8,"]}}) != identity({**base, "model": "a"})


def test_trap_17_nothing_writes_into_the_callers_arrays() -> None:
    e, evaluator = corpus()
    assert e.queries is not None
    X, Q = np.asarray(e.docs).copy(), e.queries.copy()
    for array in (e.docs, e.queries):
        array.flags.writeable = False  # a write would raise
    for similarity in ("cosine", "dot", "euclidean"):
        frozen = check_embeddings(e.docs, e.queries, similarity=similarity)
        sweep(SweepInput(frozen, evaluator), [parse(text) for text in ("pcac8,int4", "trunc8,fp8", "rot,binary")])
    np.testing.assert_array_equal(e.docs, X)
    np.testing.assert_array_equal(e.queries, Q)


def test_trap_17_bits_are_packed_by_row_and_values_outside_the_range_saturate() -> None:
    X = np.random.default_rng(0).standard_normal((9, 13)).astype(np.float32)
    bits = fit_codec(parse("binary"), Training(X, "dot")).tiers[0]
    np.testing.assert_array_equal(np.sign(bits.decode(bits.encode(X))), np.sign(X))
    int8 = fit_codec(parse("int8"), Training(X, "dot")).tiers[0]
    assert isinstance(int8.quantizer, FittedUniform)
    top = X.max(axis=0)
    just_outside = (top + 1.5 * int8.quantizer.step)[None]
    np.testing.assert_allclose(int8.decode(int8.encode(just_outside))[0], top, atol=1e-5)


def test_trap_18_the_in_sample_value_is_shown_beside_the_out_of_sample_one() -> None:
    """The whole story is in test_sweep.py; here the cheat itself: exact on its own rows, useless on others."""
    e, _ = corpus()
    X = e.matrix()
    half = planted.Memorising.fit(X[::2])
    np.testing.assert_array_equal(half.decode(half.encode(X[::2])), X[::2])
    missed = ((half.decode(half.encode(X[1::2])) - X[1::2]) ** 2).sum(axis=1).mean()
    assert missed > 0.05, "of unit rows"
    assert half.rows.nbytes == X.nbytes / 2, "and its codebook is as large as what it stores"
