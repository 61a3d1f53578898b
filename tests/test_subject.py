"""What a run is about: vectors matched with a dataset by id or by row, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from embgeo.datasets.registry import resolve_dataset
from embgeo.embeddings import check_embeddings
from embgeo.encoders.encoder import EncoderOptions
from embgeo.errors import DataError, EmbgeoError, InputError
from embgeo.subject import load_subject, with_document_queries

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
    subject = load_subject(f"vectors:{files / 'docs.npy'}", "tiny", queries_vectors=files / "queries.npy")
    assert list(subject.embeddings.doc_ids) == list(TINY.doc_ids)
    assert subject.judgements is not None
    assert any("aligned by row" in warning for warning in subject.warnings)
    assert subject.dataset["documents"] == len(TINY.doc_ids)
    assert subject.dataset["qrels"] == len(subject.judgements)


def test_ids_decide_whatever_the_order_of_rows(files: Path) -> None:
    by_id = load_subject(f"vectors:{files / 'ids.npz'}", "tiny")
    by_row = load_subject(f"vectors:{files / 'docs.npy'}", "tiny", queries_vectors=files / "queries.npy")
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
        load_subject(f"vectors:{files / 'docs.npy'}", "tiny", queries_vectors=files / "queries.npy")


def test_ids_of_another_dataset_are_refused(files: Path) -> None:
    X = np.load(files / "docs.npy")
    np.savez(files / "other.npz", docs=X, doc_ids=np.array([f"x{row}" for row in range(len(X))]))
    with pytest.raises(InputError, match=f"none of {len(X)} is known to tiny"):
        load_subject(f"vectors:{files / 'other.npz'}", "tiny")


def test_a_few_unknown_ids_are_kept_and_missing_judged_ones_are_counted(files: Path) -> None:
    X = np.load(files / "docs.npy")
    ids = np.array(TINY.doc_ids, dtype=object)
    judged = next(iter(next(iter(TINY.judgements.qrels.values()))))
    ids[list(TINY.doc_ids).index(judged)] = "someone-else"
    Q = np.load(files / "queries.npy")
    np.savez(files / "few.npz", docs=X, doc_ids=ids.astype(str), queries=Q, query_ids=np.array(TINY.query_ids))
    subject = load_subject(f"vectors:{files / 'few.npz'}", "tiny")
    assert any("not in the corpus" in warning for warning in subject.warnings)


def test_without_query_vectors_there_are_no_judgements(files: Path) -> None:
    subject = load_subject(f"vectors:{files / 'docs.npy'}", "tiny")
    assert subject.judgements is None
    assert len(subject.embeddings.query_ids) == 0


def test_bare_vectors_need_no_dataset_and_are_cosine_unless_told(files: Path) -> None:
    subject = load_subject(f"vectors:{files / 'docs.npy'}", None)
    assert subject.embeddings.similarity == "cosine"
    assert subject.dataset["name"] is None
    assert (subject.doc_texts, subject.judgements, subject.warnings) == (None, None, ())
    assert load_subject(f"vectors:{files / 'docs.npy'}", None, similarity="dot").embeddings.similarity == "dot"
    json.dumps([subject.model, subject.dataset])


def test_dimensions_that_differ_are_refused(files: Path) -> None:
    np.save(files / "wide.npy", np.ones((3, D + 1), np.float32))
    with pytest.raises(InputError, match="same dimension; got 12 and 13"):
        load_subject(f"vectors:{files / 'docs.npy'}", None, queries_vectors=files / "wide.npy")


def test_a_missing_vector_file_is_named() -> None:
    with pytest.raises(DataError, match=r"no vector file .*absent\.npy"):
        load_subject("vectors:/absent.npy", None)


def test_a_vector_file_without_its_prefix_is_recognised(files: Path) -> None:
    path = files / "docs.npy"
    for dataset in (None, "tiny"):
        with pytest.raises(InputError, match=f"is a file of vectors; use vectors:{path}"):
            load_subject(str(path), dataset)


@pytest.mark.parametrize(
    ("model", "more", "message"),
    [
        ("minilm", {}, "a text model needs a dataset"),
        ("minilm", {"dataset": "tiny", "similarity": "manhattan"}, "similarity must be auto, cosine, dot, euclidean"),
        ("minilm", {"dataset": "tiny", "queries_vectors": Path("q.npy")}, "--queries-vectors goes with vectors:PATH"),
    ],
)
def test_wrong_names_are_refused_before_a_model_is_loaded(
    model: str, more: dict, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embgeo.encoders.resolve.resolve_encoder", lambda *_: pytest.fail("a model was loaded"))
    with pytest.raises(EmbgeoError, match=message):
        load_subject(model, more.pop("dataset", None), encoder=EncoderOptions(), **more)


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
def test_a_swapped_pair_is_turned_round(
    model: str, dataset: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("corpus").mkdir()
    Path("corpus/corpus.jsonl").write_text("")
    Path("st-model").mkdir()
    Path("st-model/modules.json").write_text("[]")
    with pytest.raises(InputError, match=said):
        load_subject(model, dataset)


def test_documents_that_stand_in_for_queries_are_a_seeded_sample_that_keeps_its_ids() -> None:
    X = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    e = check_embeddings(X, doc_ids=[f"d{row}" for row in range(50)])
    one, two, other = (with_document_queries(e, seed, most=20) for seed in (0, 0, 1))
    assert list(one.query_ids) == list(two.query_ids) != list(other.query_ids)
    rows = [int(name[1:]) for name in one.query_ids]
    assert len(set(rows)) == 20
    np.testing.assert_array_equal(one.query_matrix(), e.rows(np.array(rows)))
    assert len(with_document_queries(e, 0).query_ids) == 50
