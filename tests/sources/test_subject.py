"""What a run is about: vectors matched with a dataset by id or by row, or refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from examples.subjects import subject_of

from embgeo.datasets.registry import resolve_dataset, tiny_folder
from embgeo.embeddings import check_embeddings
from embgeo.errors import DataError, EmbgeoError, InputError
from embgeo.requests import EncoderOptions, SubjectRequest
from embgeo.sources.subject import Source, with_document_queries

TINY = resolve_dataset("tiny")
D = 12


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Vectors of `tiny`: docs.npy, queries.npy (no ids) and ids.npz (ids, rows shuffled)."""
    rng = np.random.default_rng(0)
    docs = rng.standard_normal((len(TINY.doc_ids), D)).astype(np.float32)
    queries = rng.standard_normal((len(TINY.query_ids), D)).astype(np.float32)
    np.save(tmp_path / "docs.npy", docs)
    np.save(tmp_path / "queries.npy", queries)
    order = rng.permutation(len(docs))
    np.savez(
        tmp_path / "ids.npz", docs=docs[order], doc_ids=np.array(TINY.doc_ids)[order],
        queries=queries, query_ids=np.array(TINY.query_ids),
    )  # fmt: skip
    return tmp_path


def test_vectors_without_ids_are_aligned_by_row_and_the_run_says_so(files: Path) -> None:
    subject = subject_of(f"vectors:{files / 'docs.npy'}", "tiny", queries_vectors=files / "queries.npy")
    assert list(subject.embeddings.doc_ids) == list(TINY.doc_ids)
    assert subject.judgements is not None
    assert any("aligned by row" in warning for warning in subject.warnings)
    assert subject.dataset["documents"] == len(TINY.doc_ids)
    assert subject.dataset["qrels"] == len(subject.judgements)


def test_ids_decide_whatever_the_order_of_rows(files: Path) -> None:
    by_id = subject_of(f"vectors:{files / 'ids.npz'}", "tiny")
    by_row = subject_of(f"vectors:{files / 'docs.npy'}", "tiny", queries_vectors=files / "queries.npy")
    assert not any("aligned" in warning for warning in by_id.warnings)
    place = {doc: row for row, doc in enumerate(by_id.embeddings.doc_ids)}
    order = [place[doc] for doc in by_row.embeddings.doc_ids]
    np.testing.assert_array_equal(np.asarray(by_id.embeddings.docs)[order], by_row.embeddings.docs)
    assert by_id.doc_texts is not None
    text = dict(zip(TINY.doc_ids, TINY.doc_texts, strict=True))
    assert list(by_id.doc_texts) == [text[doc] for doc in by_id.embeddings.doc_ids]


@pytest.mark.parametrize(("what", "keep"), [("document", 10), ("query", 5)])
def test_counts_that_do_not_match_are_refused_with_both_numbers(files: Path, what: str, keep: int) -> None:
    name = "docs.npy" if what == "document" else "queries.npy"
    short = np.load(files / name)[:keep]
    np.save(files / name, short)
    expected = len(TINY.doc_ids if what == "document" else TINY.query_ids)
    with pytest.raises(InputError, match=rf"got {keep} {what} vectors for {expected} in tiny"):
        subject_of(f"vectors:{files / 'docs.npy'}", "tiny", queries_vectors=files / "queries.npy")


def test_ids_of_another_dataset_are_refused(files: Path) -> None:
    X = np.load(files / "docs.npy")
    np.savez(files / "other.npz", docs=X, doc_ids=np.array([f"x{row}" for row in range(len(X))]))
    with pytest.raises(InputError, match=f"none of {len(X)} is in tiny"):
        subject_of(f"vectors:{files / 'other.npz'}", "tiny")


def test_a_few_unknown_ids_are_kept_and_missing_judged_ones_are_counted(files: Path) -> None:
    X = np.load(files / "docs.npy")
    ids = np.array(TINY.doc_ids, dtype=object)
    judged = next(iter(next(iter(TINY.judgements.qrels.values()))))
    ids[list(TINY.doc_ids).index(judged)] = "someone-else"
    Q = np.load(files / "queries.npy")
    np.savez(files / "few.npz", docs=X, doc_ids=ids.astype(str), queries=Q, query_ids=np.array(TINY.query_ids))
    subject = subject_of(f"vectors:{files / 'few.npz'}", "tiny")
    assert any("not in the corpus" in warning for warning in subject.warnings)


def test_without_query_vectors_the_judgements_are_not_used_and_the_run_says_so(files: Path) -> None:
    subject = subject_of(f"vectors:{files / 'docs.npy'}", "tiny")
    assert subject.judgements is None
    assert len(subject.embeddings.query_ids) == 0
    assert any("the 51 judgements of tiny are not used: their queries" in warning for warning in subject.warnings)


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """`tiny` as a folder in which every second query is judged."""
    folder = tmp_path / "half"
    shutil.copytree(tiny_folder(), folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    kept = list(TINY.query_ids)[::2]
    lines = [f"{query}\t{doc}\t{grade}" for query in kept for doc, grade in TINY.judgements.qrels[query].items()]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n")
    return folder


def test_vectors_of_all_queries_give_what_those_of_the_judged_ones_give(files: Path, half: Path) -> None:
    model = f"vectors:{files / 'docs.npy'}"
    Q = np.load(files / "queries.npy")
    np.save(files / "judged.npy", Q[::2])
    every = subject_of(model, str(half), queries_vectors=files / "queries.npy")
    judged = subject_of(model, str(half), queries_vectors=files / "judged.npy")
    by_id = subject_of(f"vectors:{files / 'ids.npz'}", str(half))
    for subject in (every, judged, by_id):
        assert list(subject.embeddings.query_ids) == list(TINY.query_ids)[::2]
        np.testing.assert_array_equal(subject.embeddings.queries, Q[::2])
        assert subject.judgements is not None
        assert subject.judgements.judged_queries == list(TINY.query_ids)[::2]
        assert subject.query_texts == list(TINY.query_texts)[::2]
    said = "20 of 40 query vectors are not judged in half and were left out"
    assert [said in subject.warnings for subject in (every, judged, by_id)] == [True, False, True]
    np.save(files / "queries.npy", Q[:7])
    with pytest.raises(InputError, match=r"got 7 query vectors for 20 in half \(40 with those of other splits\)"):
        subject_of(model, str(half), queries_vectors=files / "queries.npy")


@pytest.mark.parametrize("missing", [{"corpus.jsonl"}, {"queries.jsonl"}, {"corpus.jsonl", "queries.jsonl"}])
def test_judgements_without_texts_measure_what_they_measure_with_them(
    files: Path, half: Path, missing: set[str]
) -> None:
    model = f"vectors:{files / 'ids.npz'}"
    whole = subject_of(model, str(half))
    for name in missing:
        (half / name).unlink()
    bare = subject_of(model, str(half))
    assert whole.judgements is not None
    assert bare.judgements is not None
    assert bare.judgements.qrels == whole.judgements.qrels
    assert list(bare.embeddings.query_ids) == list(whole.embeddings.query_ids)
    assert (bare.doc_texts is None) == ("corpus.jsonl" in missing)
    assert (bare.query_texts is None) == ("queries.jsonl" in missing)
    with pytest.raises(DataError, match=r"must hold corpus\.jsonl|must hold queries\.jsonl"):
        subject_of(f"vectors:{files / 'docs.npy'}", str(half), queries_vectors=files / "queries.npy")


def test_judgements_of_other_documents_are_refused_for_vectors(files: Path) -> None:
    X = np.load(files / "docs.npy")
    judged = {doc for grades in TINY.judgements.qrels.values() for doc in grades}
    rows = [row for row, doc in enumerate(TINY.doc_ids) if doc not in judged]
    np.savez(
        files / "other.npz", docs=X[rows], doc_ids=np.array(TINY.doc_ids)[rows], queries=np.load(files / "queries.npy"),
        query_ids=np.array(TINY.query_ids),
    )  # fmt: skip
    with pytest.raises(InputError, match="no relevant document of the judgements of tiny is in the corpus"):
        subject_of(f"vectors:{files / 'other.npz'}", "tiny")


def test_ids_that_differ_in_form_alone_are_told_from_those_of_another_dataset(files: Path) -> None:
    X = np.load(files / "docs.npy")
    np.savez(files / "upper.npz", docs=X, doc_ids=np.array([f" {doc.upper()}" for doc in TINY.doc_ids]))
    with pytest.raises(InputError, match=f"{len(X)} of these ids differ from existing ones only in Unicode form, case"):
        subject_of(f"vectors:{files / 'upper.npz'}", "tiny")


def test_texts_that_are_all_empty_are_refused_for_a_text_model(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "a", "text": ""}\n{"_id": "b", "text": " "}\n')
    with pytest.raises(InputError, match="a text model needs texts; all 2 documents of"):
        subject_of("minilm", str(tmp_path))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "name a model, or give the document vectors as docs="),
        ({"model": np.ones((3, 2)), "docs": np.ones((3, 2))}, "name a model, or give the document vectors as docs="),
        ({"model": "minilm", "queries": np.ones((3, 2))}, "replace a model; got the model 'minilm' as well"),
        ({"model": object()}, r"docs must be numbers of shape \(n, d\); got object"),
        ({"docs": np.ones(3)}, r"docs must be numbers of shape \(n, d\); got ndarray of shape \(3,\)"),
    ],
)
def test_documents_come_from_one_place(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Source.of(SubjectRequest(**given))


def test_arrays_are_what_the_same_vectors_in_a_file_are(files: Path) -> None:
    X, Q = np.load(files / "docs.npy"), np.load(files / "queries.npy")
    given = {"docs": X, "queries": Q, "doc_ids": TINY.doc_ids, "query_ids": TINY.query_ids}
    one = subject_of(None, "tiny", **given)
    two = subject_of(f"vectors:{files / 'docs.npy'}", "tiny", queries_vectors=files / "queries.npy")
    assert one.judgements is not None
    assert two.judgements is not None
    assert one.judgements.qrels == two.judgements.qrels
    assert one.doc_texts == two.doc_texts
    np.testing.assert_array_equal(one.embeddings.docs, two.embeddings.docs)
    json.dumps([one.model, one.dataset])


def test_arrays_without_ids_are_judged_by_row_number() -> None:
    X = np.eye(4)
    subject = subject_of(X, queries=X[1], qrels={0: {1: 2, 3: 1}})
    assert subject.judgements is not None
    assert subject.judgements.qrels == {"0": {"1": 2, "3": 1}}
    assert (list(subject.embeddings.doc_ids), list(subject.embeddings.query_ids)) == (["0", "1", "2", "3"], ["0"])
    assert (subject.doc_texts, subject.query_texts) == (None, None)


@pytest.mark.parametrize(
    ("given", "dataset", "message"),
    [
        ({"qrels": {"0": {"1": 1}}}, None, "qrels= needs queries; give their vectors as queries="),
        ({"qrels": {"0": {"1": 1}}, "queries": np.eye(3)}, "tiny", "got qrels= and the dataset 'tiny'"),
        ({"qrels": {"0": {"9": 1}}, "queries": np.eye(3)}, None, "no relevant document of qrels= is in the corpus"),
        ({"qrels": {"a": {"0": 1}}, "queries": np.eye(3)}, None, "is judged in qrels=; the first judged id"),
        ({"queries": np.eye(3), "query_ids": ["a", "b"]}, None, "query ids must match the vectors; got 2 ids for 3"),
        ({"doc_ids": ["a", "a", "b"]}, None, "document ids must be unique"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(given: dict, dataset: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        subject_of(None, dataset, docs=np.eye(3), **given)


def test_bare_vectors_need_no_dataset_and_are_cosine_unless_told(files: Path) -> None:
    subject = subject_of(f"vectors:{files / 'docs.npy'}", None)
    assert subject.embeddings.similarity == "cosine"
    assert subject.dataset["name"] is None
    assert (subject.doc_texts, subject.judgements, subject.warnings) == (None, None, ())
    assert subject_of(f"vectors:{files / 'docs.npy'}", None, similarity="dot").embeddings.similarity == "dot"
    json.dumps([subject.model, subject.dataset])


def test_dimensions_that_differ_are_refused(files: Path) -> None:
    np.save(files / "wide.npy", np.ones((3, D + 1), np.float32))
    with pytest.raises(InputError, match="same dimension; got 12 and 13"):
        subject_of(f"vectors:{files / 'docs.npy'}", None, queries_vectors=files / "wide.npy")


def test_a_missing_vector_file_is_named() -> None:
    with pytest.raises(DataError, match=r"no vector file .*absent\.npy"):
        subject_of("vectors:/absent.npy", None)


def test_a_vector_file_without_its_prefix_is_recognised(files: Path) -> None:
    path = files / "docs.npy"
    for dataset in (None, "tiny"):
        with pytest.raises(InputError, match=f"is a file of vectors; use vectors:{path}"):
            subject_of(str(path), dataset)


@pytest.mark.parametrize(
    ("model", "more", "message"),
    [
        ("minilm", {}, "a text model needs a dataset"),
        ("minilm", {"dataset": "tiny", "similarity": "manhattan"}, "similarity must be auto, cosine, dot, euclidean"),
        ("minilm", {"dataset": "tiny", "queries_vectors": Path("q.npy")}, "--queries-vectors needs vectors:PATH"),
    ],
)
def test_wrong_names_are_refused_before_a_model_is_loaded(
    model: str, more: dict, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embgeo.sources.subject.resolve_encoder", lambda *_: pytest.fail("a model was loaded"))
    with pytest.raises(EmbgeoError, match=message):
        subject_of(model, more.pop("dataset", None), encoder=EncoderOptions(), **more)


@pytest.mark.parametrize(
    ("model", "dataset", "said"),
    [
        ("tiny", "minilm", "Did you mean: minilm tiny$"),
        ("tiny", "vectors:docs.npy", "Did you mean: vectors:docs.npy tiny$"),
        ("corpus", "some-org/model", "Did you mean: some-org/model corpus$"),
        ("pydocs", "st-model", "Did you mean: st-model pydocs$"),
        ("tiny", None, "'tiny' is a dataset; name the model before it, as in: minilm tiny$"),
        ("corpus", None, "'corpus' is a dataset"),
    ],
)
def test_a_swapped_pair_gets_a_hint(
    model: str, dataset: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("corpus").mkdir()
    Path("corpus/corpus.jsonl").write_text("")
    Path("st-model").mkdir()
    Path("st-model/modules.json").write_text("[]")
    with pytest.raises(InputError, match=said):
        subject_of(model, dataset)


def test_documents_that_stand_in_for_queries_are_a_seeded_sample_that_keeps_its_ids() -> None:
    X = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    e = check_embeddings(X, doc_ids=[f"d{row}" for row in range(50)])
    one, two, other = (with_document_queries(e, seed, limit=20) for seed in (0, 0, 1))
    assert list(one.query_ids) == list(two.query_ids) != list(other.query_ids)
    rows = [int(name[1:]) for name in one.query_ids]
    assert len(set(rows)) == 20
    np.testing.assert_array_equal(one.query_matrix(), e.rows(np.array(rows)))
    assert len(with_document_queries(e, 0).query_ids) == 50


def test_one_document_cannot_stand_in_for_queries() -> None:
    with pytest.raises(InputError, match="a single document cannot replace them"):
        with_document_queries(check_embeddings(np.ones((1, 4), np.float32)), 0)
