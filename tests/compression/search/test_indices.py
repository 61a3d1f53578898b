"""Graphs and inverted lists over our codes: flat search results at full effort, the predicted size, true scores."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embgeo.compression.choosing.budget import parse_budget
from embgeo.compression.choosing.decision import Limits, decide
from embgeo.compression.choosing.refusals import refuse_impossible
from embgeo.compression.choosing.rows import tradeoff_rows
from embgeo.compression.codecs.codec import Codec, fit_codec
from embgeo.compression.codecs.part import INDICES, QUANTIZERS, Structure, load_parts
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.judging.effort import effort_curve
from embgeo.compression.judging.sweep import Sweep, sweep
from embgeo.compression.judging.task import JudgingTask, SweepInput
from embgeo.compression.search.build import build_searcher, build_structure
from embgeo.compression.search.flat import BlockSearcher
from embgeo.compression.search.indices import ivf as ivf_module
from embgeo.compression.search.indices.hnsw import HNSW, BeamSearcher, Graph, WalkSearcher, connect, layers
from embgeo.compression.search.indices.ivf import IVF, Lists, ListScanner, ListSearcher, coarse_centroids
from embgeo.compression.search.on_faiss import FaissStructureSearcher, faiss_available
from embgeo.compression.search.searcher import best_of
from embgeo.compression.search.store import load_store, predicted_file_bytes, write_store
from embgeo.embeddings import check_embeddings, normalise
from embgeo.errors import BudgetError, MissingExtraError, RunFormatError, SpecError
from embgeo.judgements import Judgements
from embgeo.retrieval.evaluate import Evaluator
from embgeo.retrieval.significance import QueryBootstrap
from embgeo.run_warnings import list_warnings
from embgeo.threads import limited_threads

load_parts()
N, D, M, K = 300, 32, 12, 10
SIMILARITIES = ("cosine", "dot", "euclidean")
# rq and pq learn codebooks of 256; adaptive, opq and the like bring axes of their own
LEARNED = ("pq", "opq", "rq", "adaptive", "trellis")
CODECS = [
    *("pq8", "opq8", "pq16x4", "rq4", "adaptive@8B", "adaptivec@8B", "trellis@8B"),
    *(q for q in QUANTIZERS if not q.startswith(LEARNED)),
]
needs_faiss = pytest.mark.skipif(not faiss_available(), reason="no FAISS here")


def vectors(rows: int, similarity: str = "cosine", seed: int = 0) -> np.ndarray:
    """Clustered, so that a graph or a list can miss something."""
    rng = np.random.default_rng(seed)
    centres = 2 * np.random.default_rng(99).standard_normal((8, D))
    X = (centres[rng.integers(0, 8, rows)] + rng.standard_normal((rows, D))).astype(np.float32)
    return normalise(X) if similarity == "cosine" else X


def built(text: str, similarity: str = "cosine", rows: int = N, seed: int = 0) -> tuple[Codec, np.ndarray, Structure]:
    X = vectors(rows, similarity)
    spec, training = parse(text), Training(X, similarity, seed)
    codec = fit_codec(spec, training)
    codes = codec.encode(X)
    assert spec.index is not None
    return codec, codes, build_structure(spec.index, codec, codes, training)


def everything(text: str, rows: int = N) -> int:
    index = parse(text).index
    return rows if isinstance(index, HNSW) else index.lists


def same_results(found: tuple[np.ndarray, np.ndarray], true: tuple[np.ndarray, np.ndarray]) -> None:
    """Scores agree to rounding; rows agree wherever the score is not tied with its neighbour."""
    scale = max(1.0, float(np.abs(true[0][np.isfinite(true[0])]).max()))
    np.testing.assert_allclose(found[0], true[0], atol=3e-5 * scale)
    apart = np.abs(np.diff(true[0], axis=1)) > 1e-4 * scale
    clear = np.pad(apart, ((0, 0), (1, 0)), constant_values=True) & np.pad(apart, ((0, 0), (0, 1)))
    np.testing.assert_array_equal(found[1][clear], true[1][clear])


# ---- grammar --------------------------------------------------------------------------------------------------------

sizes, efforts = st.integers(1, 70_000), st.none() | st.integers(1, 5000)
written = st.builds(
    lambda kind, size, effort: f"{kind[0]}{size}" + ("" if effort is None else f"{kind[1]}{effort}"),
    st.sampled_from([("hnsw", "ef"), ("ivf", "np")]),
    sizes,
    efforts,
)


@given(written, st.sampled_from(["int8", "pca192,rot,int4", "binary+int8@4", "adaptive@48B"]))
def test_a_spec_with_an_index_prints_and_parses_to_itself(index: str, rest: str) -> None:
    spec = parse(f"{index},{rest}")
    assert str(spec) == f"{index},{rest}"
    assert parse(str(spec)) == spec
    assert str(spec.flat) == rest
    assert [str(tier) for tier in spec.tiers] == rest.split("+")[:1] + [t.split("@")[0] for t in rest.split("+")[1:]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hnsw32", "an index comes first"),
        ("pca8,int8,hnsw32", "'int8' is where a reducer must be"),
        ("pca8,hnsw32,int8", "character 6: 'hnsw32' is where a reducer must be; an index comes first"),
        ("hnsw32,ivf4,int8", "an index comes first"),
        ("hsnw32,int8", "unknown reducer or index 'hsnw32'. Did you mean hnsw32"),
        ("hnsw032,int8", "unknown reducer or index 'hnsw032'"),
        ("hnsw,int8", "Did you mean hnsw32"),
        ("ivf64ef8,int8", "unknown reducer or index"),
        ("hnsw32,pcac8,int8,score=centred", "takes no index"),
    ],
)
def test_an_invalid_index_is_refused_with_its_position(text: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hnsw1,int8", "between 2 and 256 links"),
        ("hnsw300,int8", "between 2 and 256 links"),
        ("hnsw8ef0,int8", "at least 1"),
        ("ivf0,int8", "at least 1 list"),
        ("ivf8np9,int8", "between 1 and 8 lists; got 9"),
    ],
)
def test_invalid_numbers_are_refused_before_the_work(text: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        parse(text).code_bytes(D)


def test_more_lists_than_documents_are_refused_with_a_number_that_works() -> None:
    with pytest.raises(SpecError, match=r"100 documents for 128 lists\. Use fewer lists, such as ivf10"):
        parse("ivf128,int8").check_documents(100)
    e = check_embeddings(vectors(20), vectors(3, seed=1))
    with pytest.raises(SpecError, match="20 documents for 64 lists"):
        sweep(SweepInput(e, None), [parse("ivf64,int8")])


def test_lists_of_under_39_documents_are_warned_of() -> None:
    assert list_warnings([parse("ivf10,int8"), parse("hnsw32,int8")], 390) == []
    (warning,) = list_warnings([parse("ivf10,int8")], 389)
    assert "ivf10,int8" in warning
    assert "39" in warning


@pytest.mark.parametrize("entry", INDICES.values(), ids=lambda entry: entry.example)
def test_every_example_is_spelled_as_its_pattern_says(entry) -> None:
    assert entry.pattern.fullmatch(entry.example)
    assert not set(entry.example) & set(" '\"$*?()[]{}<>|&;\\!#~`")


# ---- the law: with all the effort there is, an index returns what the flat search returns ----------------------------


@needs_faiss
@pytest.mark.parametrize("index", ["hnsw8", "ivf12"])
@pytest.mark.parametrize("text", CODECS)
def test_full_effort_returns_the_flat_results_for_every_codec(index: str, text: str) -> None:
    codec, codes, structure = built(f"{index},{text}")
    Q = vectors(M, seed=1)
    searcher = build_searcher(codec, codes, structure=structure).with_effort(everything(f"{index},{text}"))
    same_results(searcher.search(Q, K), BlockSearcher(codec.tiers[0], codes).search(Q, K))
    same_results(searcher.search(Q[:1], K), BlockSearcher(codec.tiers[0], codes).search(Q[:1], K))


@pytest.mark.parametrize("way", ["looked up", "decoded", "decoded in parts"])
@pytest.mark.parametrize(
    "text", ["adaptive@8B", "trellis@8B", "rabitq1", "rabitq4", "lvq8", "tqc3", "fp4b16", "hamming"]
)
def test_lists_are_looked_up_or_decoded_alike(text: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ListScanner, "looks_up", lambda scanner, probed: way == "looked up")
    monkeypatch.setattr(ivf_module, "SCORES", 2 * N if way == "decoded in parts" else ivf_module.SCORES)
    codec, codes, structure = built(f"ivf12,{text}")
    searcher = structure.searcher(codec.tiers[0], codes)
    assert isinstance(searcher, ListScanner)
    for queries in (1, 5, M):
        Q = vectors(queries, seed=1)
        same_results(searcher.with_effort(12).search(Q, K), BlockSearcher(codec.tiers[0], codes).search(Q, K))
        few = searcher.with_effort(3)
        found = few.search(Q, K)
        same_results(found, ListSearcher(codec.tiers[0], structure, codes, 3).search(Q, K))
        for threads in (1, 2):
            with limited_threads(threads):
                again = few.search(Q, K)
            np.testing.assert_array_equal(again[1], found[1])
            np.testing.assert_array_equal(again[0], found[0])


def test_lists_are_looked_up_for_few_queries_and_decoded_for_many() -> None:
    codec, codes, structure = built("ivf12,adaptive@8B", rows=3000)
    searcher = structure.searcher(codec.tiers[0], codes)
    assert isinstance(searcher, ListScanner)
    assert searcher.looks_up(np.arange(12)[None])
    assert not searcher.looks_up(np.tile(np.arange(12), (400, 1)))


@needs_faiss
@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("text", ["hnsw8,f32", "hnsw8,pcac13,int8", "ivf12,int4", "ivf12,pca16,rot,lvq8", "hnsw8,lvq4"])
def test_full_effort_returns_the_flat_results_under_every_similarity(text: str, similarity: str) -> None:
    codec, codes, structure = built(text, similarity)
    Q = vectors(M, similarity, seed=1)
    searcher = build_searcher(codec, codes, structure=structure).with_effort(everything(text))
    same_results(searcher.search(Q, K), BlockSearcher(codec.tiers[0], codes).search(Q, K))


@needs_faiss
@pytest.mark.parametrize("text", ["hnsw8,int8", "ivf12,int8", "ivf12,pq8", "hnsw8,pca16,rot,int4"])
def test_our_own_loops_and_faiss_search_alike(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    codec, codes, structure = built(text)
    Q = vectors(M, seed=1)
    native = build_searcher(codec, codes, structure=structure)
    assert isinstance(native, FaissStructureSearcher)
    monkeypatch.setenv("EMBGEO_NO_FAISS", "1")
    own = build_searcher(codec, codes, structure=structure)
    assert isinstance(own, BeamSearcher | ListSearcher | WalkSearcher | ListScanner)
    effort = everything(text)
    same_results(own.with_effort(effort).search(Q, K), native.with_effort(effort).search(Q, K))
    if isinstance(own, ListSearcher):
        # the same lists are read at any effort; beams of the two may differ by a step
        same_results(own.search(Q, K), native.search(Q, K))


@needs_faiss
def test_rescoring_reads_the_candidates_of_the_index() -> None:
    codec, codes, structure = built("hnsw8,binary+int8@3")
    Q = vectors(M, seed=1)
    through = build_searcher(codec, codes, structure=structure).with_effort(N)
    same_results(through.search(Q, N), build_searcher(codec, codes).search(Q, N))


@needs_faiss
@pytest.mark.parametrize("text", ["hnsw4,int8", "ivf12,int8", "hnsw4,lvq8", "ivf12,lvq8"])
def test_less_effort_visits_less_and_returns_true_scores(text: str) -> None:
    codec, codes, structure = built(text)
    Q = vectors(60, seed=1)
    true = BlockSearcher(codec.tiers[0], codes).search(Q, N)
    place = np.argsort(true[1], axis=1)
    recalls = []
    for effort in (1, 4, everything(text)):
        scores, rows = build_searcher(codec, codes, structure=structure).with_effort(effort).search(Q, K)
        there = rows >= 0
        expected = np.take_along_axis(true[0], np.take_along_axis(place, np.maximum(rows, 0), 1), 1)
        np.testing.assert_allclose(scores[there], expected[there], atol=1e-5)
        assert (scores[~there] == -np.inf).all()
        recalls.append(np.mean([np.isin(a, b).mean() for a, b in zip(true[1][:, :K], rows, strict=True)]))
    assert recalls[0] < recalls[-1] == 1
    assert recalls == sorted(recalls)


# ---- the metric (trap 12) -------------------------------------------------------------------------------------------


@needs_faiss
@pytest.mark.parametrize("text", ["hnsw8,int8", "ivf12,int8", "hnsw8,lvq8", "ivf12,lvq8"])
def test_an_index_built_under_another_metric_is_not_served(text: str) -> None:
    codec, codes, structure = built(text)
    planted = dataclasses.replace(structure, metric="l2")
    with pytest.raises(AssertionError, match="built under l2"):
        build_searcher(codec, codes, structure=planted)


@needs_faiss
def test_a_faiss_index_of_the_wrong_metric_is_caught() -> None:
    import faiss

    _, _, structure = built("hnsw8,f32")
    storage = faiss.IndexFlatL2(D)
    storage.add(vectors(N))
    with pytest.raises(AssertionError, match="not inner_product"):
        structure.on_faiss(storage, np.empty((0, 4 * D), np.uint8))


@needs_faiss
def test_the_graph_is_built_under_the_metric_it_is_searched_by() -> None:
    """Long vectors win inner products and lose distances: the two graphs have to differ, and each be its own best."""
    X = vectors(N, "dot") * np.random.default_rng(5).uniform(0.2, 3, (N, 1)).astype(np.float32)
    dot, far = (HNSW(8).build(X, X, similarity, 0) for similarity in ("dot", "euclidean"))
    assert (dot.metric, far.metric) == ("inner_product", "l2")
    assert not np.array_equal(dot.ground, far.ground)
    longest = np.argsort(-np.linalg.norm(X, axis=1))[:30]
    share = [np.isin(graph.ground[graph.ground >= 0], longest).mean() for graph in (dot, far)]
    assert share[0] > 1.5 * share[1]


# ---- bytes ----------------------------------------------------------------------------------------------------------


@needs_faiss
@pytest.mark.parametrize("rows", [1, 2, 7, 64, 300])
@pytest.mark.parametrize("index", ["hnsw2", "hnsw8", "hnsw32", "ivf1", "ivf7"])
def test_structure_and_file_have_the_predicted_size(index: str, rows: int, tmp_path: Path) -> None:
    text = f"{index},int8"
    if index == "ivf7" and rows < 7:
        pytest.skip("fewer documents than lists are refused")
    codec, codes, structure = built(text, rows=rows)
    part = parse(text).index
    assert part is not None
    assert structure.state_bytes == part.structure_bytes(rows, D)
    ids = [f"d{row}" for row in range(rows)]
    path = tmp_path / "s.safetensors"
    told = predicted_file_bytes(codec, rows, sum(map(len, ids)), structure)
    assert write_store(path, codec, [codes], ids, structure) == told == path.stat().st_size


def test_the_marginal_bytes_are_what_many_more_vectors_add() -> None:
    for text in ("hnsw2", "hnsw8", "hnsw32", "ivf64"):
        part = parse(f"{text},int8").index
        assert part is not None
        added = (part.structure_bytes(1_100_000, D) - part.structure_bytes(1_000_000, D)) / 100_000
        assert part.marginal_bytes - 1 < added <= part.marginal_bytes


def test_a_budget_sees_the_links() -> None:
    """int8 takes 32 bytes per vector here, hnsw8 65 for links and layer and 5 for higher layers."""
    spec = parse("hnsw8,int8")
    assert spec.code_bytes(D) == 32
    assert spec.structure_bytes_per_vector == 70
    refuse_impossible(parse_budget("102B", D, N), [spec], D, N)
    with pytest.raises(BudgetError, match="hnsw8,int8 with 102 bytes"):
        refuse_impossible(parse_budget("101B", D, N), [spec], D, N)


# ---- the store ------------------------------------------------------------------------------------------------------


@needs_faiss
@pytest.mark.parametrize(
    "text", ["hnsw8,int8", "ivf12,pca16,rot,int4", "hnsw4ef99,adaptive@8B", "ivf5np2,binary+int8@3"]
)
def test_a_stored_index_comes_back_and_searches_alike(text: str, tmp_path: Path) -> None:
    codec, codes, structure = built(text)
    path = tmp_path / "s.safetensors"
    write_store(path, codec, [codes[:100], codes[100:]], [str(row) for row in range(N)], structure)
    store = load_store(path)
    assert str(store.codec.spec) == text
    assert store.structure is not None
    assert store.structure.effort == parse(text).index.effort
    for name, array in structure.state.items():
        np.testing.assert_array_equal(store.structure.state[name], array)
    Q = vectors(M, seed=1)
    before = build_searcher(codec, codes, structure=structure).search(Q, K)
    after = build_searcher(store.codec, store.codes, structure=store.structure).search(Q, K)
    np.testing.assert_array_equal(before[1], after[1])


def damaged(structure: Structure, fault: str) -> Structure:
    arrays = {name: array.copy() for name, array in structure.state.items()}
    if fault == "metric":
        return dataclasses.replace(structure, metric="l2")
    if fault == "effort":
        return dataclasses.replace(structure, effort=0)
    if isinstance(structure, Graph):
        if fault == "link":
            arrays["ground"][3, 0] = N
        elif fault == "layer":
            arrays["upper"][0, 0] = np.flatnonzero(arrays["tops"] == 0)[0]
        else:
            return dataclasses.replace(structure, entry=int(np.flatnonzero(arrays["tops"] == 0)[0]))
    elif fault == "link":
        arrays["rows"][0] = arrays["rows"][1]
    elif fault == "layer":
        arrays["ends"][1] = N + 1
    else:
        arrays["ends"][0], arrays["ends"][1] = arrays["ends"][1] + np.uint64(1), arrays["ends"][0]
    return dataclasses.replace(structure, **arrays)


@needs_faiss
@pytest.mark.parametrize("fault", ["metric", "effort", "link", "layer", "entry"])
@pytest.mark.parametrize("text", ["hnsw8,int8", "ivf12,int8"])
def test_a_store_with_an_inconsistent_index_is_refused(text: str, fault: str, tmp_path: Path) -> None:
    codec, codes, structure = built(text)
    path = tmp_path / "s.safetensors"
    write_store(path, codec, [codes], [str(row) for row in range(N)], damaged(structure, fault))
    with pytest.raises(RunFormatError, match="damaged"):
        load_store(path)


# ---- sameness, connection, tiny corpora ------------------------------------------------------------------------------


@needs_faiss
@pytest.mark.parametrize("text", ["hnsw8,int8", "ivf12,int8"])
def test_equal_seeds_give_equal_indices_whatever_the_threads(text: str) -> None:
    import faiss

    faiss.omp_set_num_threads(4)
    one = built(text)[2]
    assert faiss.omp_get_max_threads() == 4, "the caller's setting stays"
    faiss.omp_set_num_threads(1)
    two, other = built(text)[2], built(text, seed=1)[2]
    for name, array in one.state.items():
        np.testing.assert_array_equal(array, two.state[name], err_msg=name)
    assert any(not np.array_equal(array, other.state[name]) for name, array in one.state.items())


def test_layers_are_filled_by_quota() -> None:
    """300 documents, 8 links: ⌊300/8⌋ = 37 reach layer 1, ⌊37/8⌋ = 4 layer 2, none layer 3."""
    np.testing.assert_array_equal(np.bincount(layers(300, 8, 0)), [300 - 37, 33, 4])
    assert not np.array_equal(layers(300, 8, 0), layers(300, 8, 1))


def test_an_unreachable_document_gets_a_link_from_its_nearest() -> None:
    """0 and 1 link to each other, 2 and 3 too; 3 is the nearer of the two to 1 and is reached through it."""
    X = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.3, 0.7]], np.float32)
    ground = np.array([[1, -1], [0, -1], [3, -1], [2, -1]], np.int32)
    connect(ground, 0, X, "inner_product")
    reached = {0}
    while (ahead := reached | {int(row) for place in reached for row in ground[place] if row >= 0}) != reached:
        reached = ahead
    assert reached == {0, 1, 2, 3}


@needs_faiss
def test_duplicates_and_short_vectors_are_found_at_full_effort() -> None:
    X = np.concatenate([np.repeat(vectors(3), 40, axis=0), 0.01 * vectors(60, "dot")])
    training = Training(X, "dot")
    codec = fit_codec(parse("hnsw4,f32"), training)
    codes = codec.encode(X)
    structure = build_structure(HNSW(4), codec, codes, training)
    scores, rows = build_searcher(codec, codes, structure=structure).with_effort(len(X)).search(X[:5], len(X))
    assert (np.sort(rows, axis=1) == np.arange(len(X))).all(), "every document is reached"
    same_results((scores, rows), BlockSearcher(codec.tiers[0], codes).search(X[:5], len(X)))


@needs_faiss
@pytest.mark.parametrize("text", ["hnsw4,int8", "ivf1,int8", "hnsw4,lvq8", "ivf1,lvq8"])
@pytest.mark.parametrize("rows", [1, 2, 3])
def test_tiny_corpora_are_searched_and_padded(text: str, rows: int) -> None:
    codec, codes, structure = built(text, rows=rows)
    searcher = build_searcher(codec, codes, structure=structure)
    scores, found = searcher.search(vectors(6, seed=1), 5)
    assert (np.sort(found[:, :rows], axis=1) == np.arange(rows)).all()
    assert (found[:, rows:] == -1).all()
    assert (scores[:, rows:] == -np.inf).all()


def test_centroids_of_an_empty_list_move_and_stay_unit_length() -> None:
    Z = normalise(np.repeat(np.eye(4, dtype=np.float32), 5, axis=0))
    C = coarse_centroids(Z, 4, "inner_product", np.random.default_rng(3))
    np.testing.assert_allclose(np.linalg.norm(C, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(np.sort(C.argmax(axis=1)), np.arange(4)), "each direction has its list"


def test_lists_hold_every_document_once_at_its_nearest_centroid() -> None:
    X = vectors(N)
    lists = IVF(12).build(X, X, "cosine", 0)
    assert isinstance(lists, Lists)
    np.testing.assert_array_equal(np.sort(lists.rows), np.arange(N))
    for number in range(12):
        mine = lists.rows[lists.bounds[number] : lists.bounds[number + 1]]
        np.testing.assert_array_equal((X[mine] @ lists.centroids.T).argmax(axis=1), number)


# ---- judged in the sweep --------------------------------------------------------------------------------------------


@needs_faiss
def test_an_index_never_beats_its_flat_search_out_of_sample() -> None:
    """A codec that memorises and a poor graph: ranking only its candidates would leak its choice to the fold codecs."""
    rng = np.random.default_rng(0)
    X = normalise(rng.standard_normal((600, D)).astype(np.float32))
    Q = normalise(X[:120] + 0.4 * rng.standard_normal((120, D)).astype(np.float32) / np.sqrt(D) * 4)
    e = check_embeddings(X, Q)
    quantizer = f"pq{D // 4}"
    specs = [parse(text) for text in (quantizer, f"hnsw8ef16,{quantizer}", f"ivf10np3,{quantizer}")]
    flat, *indexed = sweep(SweepInput(e, None), specs).outcomes
    assert flat.in_sample.mean() > flat.recall.mean() + 0.1, "the codebook must have learned these documents by heart"
    for outcome in indexed:
        assert outcome.recall.mean() <= flat.recall.mean() + 0.005, str(outcome.spec)


@needs_faiss
def test_what_an_index_misses_is_what_its_flat_search_finds_and_it_does_not() -> None:
    X, Q = vectors(200), vectors(20, seed=3)
    task = JudgingTask(check_embeddings(X, Q), None, np.zeros((20, 10), np.float32), np.zeros((20, 10), np.int64), None)
    spec = parse("ivf10np2,int8")
    codec = fit_codec(spec, Training(X, "cosine"))
    codes = codec.encode(X)
    assert spec.index is not None
    structure = build_structure(spec.index, codec, codes, Training(X, "cosine"))
    searcher, flat = build_searcher(codec, codes, structure=structure), build_searcher(codec, codes)
    missed = task.missed(spec, searcher, flat)
    pool = min(spec.index.pool(10), 200)
    found, everything = searcher.search(Q, pool)[1], flat.search(Q, pool)[1]
    for query in range(20):
        assert set(missed[query]) - {-1} == set(everything[query]) - set(found[query])
    assert (missed >= 0).any()


@pytest.fixture(scope="module")
def judged() -> Sweep:
    X = vectors(N)
    rng = np.random.default_rng(2)
    source = rng.choice(N, 40, replace=False)
    Q = normalise(X[source] + 0.2 * rng.standard_normal((40, D)).astype(np.float32))
    e = check_embeddings(X, Q, [f"d{row}" for row in range(N)], [f"q{row}" for row in range(40)])
    evaluator = Evaluator(
        Judgements({f"q{i}": {f"d{row}": 1} for i, row in enumerate(source)}), e.doc_ids, e.query_ids
    )  # fmt: skip
    texts = ["int8", "hnsw16ef300,int8", "hnsw2ef1,int8", "ivf20np20,int8", "ivf20np1,int8", "hnsw8,binary+int8@3"]
    return sweep(SweepInput(e, evaluator), [parse(text) for text in texts])


def outcome_of(result: Sweep, text: str):
    return next(outcome for outcome in result.outcomes if str(outcome.spec) == text)


@needs_faiss
def test_an_index_that_visits_everything_is_judged_as_its_flat_codec(judged: Sweep) -> None:
    flat = outcome_of(judged, "int8")
    for text in ("hnsw16ef300,int8", "ivf20np20,int8"):
        outcome = outcome_of(judged, text)
        np.testing.assert_array_equal(outcome.quality, flat.quality, err_msg=text)
        np.testing.assert_array_equal(outcome.in_sample, flat.in_sample, err_msg=text)
        np.testing.assert_array_equal(outcome.recall, flat.recall, err_msg=text)
        for name, array in judged.shipped(flat.spec)[0].state.items():
            np.testing.assert_array_equal(judged.shipped(outcome.spec)[0].state[name], array)


@needs_faiss
def test_an_index_that_visits_little_is_judged_by_what_it_misses(judged: Sweep) -> None:
    flat = outcome_of(judged, "int8")
    for text in ("hnsw2ef1,int8", "ivf20np1,int8"):
        outcome = outcome_of(judged, text)
        assert outcome.recall.mean() < flat.recall.mean() - 0.1, text
        assert outcome.quality.mean() <= flat.quality.mean(), text


@needs_faiss
def test_a_row_of_an_index_names_its_bytes_and_its_curve(judged: Sweep) -> None:
    rows = {row.spec: row.to_json() for row in tradeoff_rows(judged, QueryBootstrap.draw(40, 0), 10**6)}
    flat, graph, lists = rows["int8"], rows["hnsw2ef1,int8"], rows["ivf20np20,int8"]
    assert flat["structure_bytes"] == 0
    assert "index" not in flat
    assert graph["bytes_per_vector"] == 32 + 25, "2·8 + 1 for links and layer, 4·2/1 for higher layers"
    assert graph["code_bytes_per_vector"] == flat["bytes_per_vector"] == 32
    assert graph["structure_bytes"] == HNSW(2).structure_bytes(N, D)
    assert graph["store_bytes"] == flat["store_bytes"] + graph["structure_bytes"]
    assert graph["planned"]["store_bytes"] == 10**6 * 57 + graph["constant_bytes"]
    assert lists["constant_bytes"] - flat["constant_bytes"] == 20 * (4 * D + 8)
    points = lists["index"]["efforts"]
    assert [point["effort"] for point in points] == sorted({point["effort"] for point in points})
    assert points[-1]["recall_of_flat"] == 1
    assert all(point["qps"] > 0 and point["single_query_ms"] > 0 for point in points)
    reached = lists["index"]["at_recall"]["0.99"]
    assert reached["recall_of_flat"] >= 0.99
    assert reached == next(point for point in points if point["recall_of_flat"] >= 0.99)


@needs_faiss
def test_a_budget_per_vector_leaves_the_graph_out_where_its_links_do_not_fit(judged: Sweep) -> None:
    decision = decide(judged, Limits(N, parse_budget("36B", D, N), float32_competes=False), 0)
    rows = tradeoff_rows(judged, QueryBootstrap.draw(40, 0), decision=decision)
    fits = {row.spec: row.fits_budget for row in rows}
    assert fits["int8"]
    assert fits["ivf20np1,int8"], "32 bytes of code and 4 of list"
    assert not fits["hnsw2ef1,int8"], "32 bytes of code and 25 of links"


@needs_faiss
def test_the_structure_of_an_outcome_is_the_one_that_was_judged(judged: Sweep) -> None:
    outcome = outcome_of(judged, "hnsw8,binary+int8@3")
    structure = judged.shipped(outcome.spec)[1]
    assert structure is not None
    assert structure.state_bytes == outcome.structure_bytes
    assert judged.shipped(parse("int8"))[1] is None


@needs_faiss
def test_the_curve_ends_where_all_is_found() -> None:
    codec, codes, structure = built("hnsw8,int8")
    searcher = build_searcher(codec, codes, structure=structure)
    facts = effort_curve(searcher, build_searcher(codec, codes), HNSW(8), vectors(M, seed=1), N)
    assert [set(point) for point in facts["efforts"]] == [{"effort", "recall_of_flat", "qps", "single_query_ms"}] * len(
        facts["efforts"]
    )
    assert {64} <= {point["effort"] for point in facts["efforts"]}, "the spec's own effort is among them"
    assert set(facts["at_recall"]) == {"0.95", "0.99"}


def test_padding_stays_behind_what_was_found() -> None:
    scores, rows = best_of(np.array([[-np.inf, 1.0]], np.float32), np.array([[-1, 7]]), 3)
    np.testing.assert_array_equal(rows, [[7, -1, -1]])
    assert scores[0, 0] == 1


@needs_faiss
def test_without_faiss_a_stored_graph_is_still_searched_and_a_new_one_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    codec, codes, structure = built("hnsw8,int8")
    monkeypatch.setenv("EMBGEO_NO_FAISS", "1")
    searcher = build_searcher(codec, codes, structure=structure)
    assert isinstance(searcher, WalkSearcher)
    assert searcher.search(vectors(1, seed=1), 3)[1].min() >= 0
    with pytest.raises(MissingExtraError, match="embgeo"):
        built("hnsw8,int8")
    assert searcher.ram_bytes > codes.nbytes + structure.state_bytes


def test_indices_live_in_their_own_package() -> None:
    folder = importlib.import_module("embgeo.compression.search.indices")
    assert {entry.fitted.__module__ for entry in INDICES.values()} == {
        f"{folder.__name__}.hnsw",
        f"{folder.__name__}.ivf",
    }


@needs_faiss
@pytest.mark.parametrize("text", ["bf16", "hnsw8,bf16", "ivf12,bf16"])
def test_faiss_does_not_search_codes_whose_queries_it_rounds_on_some_processors(text: str) -> None:
    codec, codes, structure = built(text) if "," in text else (*built(f"hnsw8,{text}")[:2], None)
    assert "faiss" not in build_searcher(codec, codes, structure=structure).name
