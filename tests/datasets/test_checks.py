"""What `build_dataset` counts and refuses, whichever loader the texts come from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embgeo.datasets.checks import build_dataset
from embgeo.datasets.dataset import Origin
from embgeo.errors import DataError

Rows = list[tuple[str, str]]
QUERIES = [("q1", "one"), ("q2", "two")]


def test_a_clean_dataset_has_no_warning() -> None:
    dataset = build_dataset("x", [("a", "A"), ("b", "B")], QUERIES, {"q1": {"a": 1}, "q2": {"b": 2}})
    assert dataset.warnings == dataset.judgements.warnings == ()


def test_duplicates_are_counted_with_how_many_are_judged() -> None:
    documents = [("a", "same"), ("b", "same"), ("c", "same"), ("d", "else")]
    dataset = build_dataset("x", documents, QUERIES, {"q1": {"b": 1, "c": 0}, "q2": {"d": 1}})
    assert dataset.warnings == (
        "3 documents share their text with another, 1 of them are judged relevant; a copy that is not judged counts "
        "as a wrong answer",
    )
    assert list(dataset.doc_ids) == ["a", "b", "c", "d"]  # nothing is dropped


def test_empty_texts_are_kept_and_counted_but_are_no_duplicates() -> None:
    dataset = build_dataset("x", [("a", "A"), ("b", " \n"), ("c", " \n")], QUERIES, {"q1": {"a": 1}, "q2": {"a": 1}})
    assert dataset.warnings == ("2 of 3 documents have no text, the first is 'b'; they are kept",)
    assert len(dataset.doc_texts) == 3


def test_empty_and_repeated_queries_are_counted() -> None:
    queries = [("q1", "same"), ("q2", "same"), ("q3", "")]
    dataset = build_dataset("x", [("a", "A")], queries, {q: {"a": 1} for q, _ in queries})
    assert dataset.warnings == (
        "1 of 3 queries have no text, the first is 'q3'; they are kept",
        "2 queries share their text with another",
    )


@pytest.mark.parametrize(("drop", "said"), [(False, "stays in its results, as in MTEB"), (True, "is dropped")])
def test_shared_ids_are_counted_and_the_flag_is_named(drop: bool, said: str) -> None:
    documents, queries = [("a", "A"), ("b", "B")], [("b", "one"), ("c", "two")]
    dataset = build_dataset("x", documents, queries, {"b": {"a": 1}, "c": {"a": 1}}, drop_own_document=drop)
    assert dataset.warnings[0].startswith("1 ids name both a query and a document, the first is 'b'")
    assert said in dataset.warnings[0]
    assert dataset.judgements.drop_own_document is drop


@pytest.mark.parametrize("name", ["", "a\0", "\ud800"])
def test_an_id_that_no_file_can_hold_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="document ids must be plain unique strings"):
        build_dataset("x", [(name, "A")], QUERIES, {})


@pytest.mark.parametrize(
    ("documents", "queries", "message"),
    [
        ([], QUERIES, "at least one document"),
        ([("a", "A"), ("a", "B")], QUERIES, "document ids must be unique; 'a'"),
        ([("a", "A")], [("q", "A"), ("q", "B")], "query ids must be unique; 'q'"),
    ],
)
def test_an_empty_corpus_and_repeated_ids_are_refused(documents: Rows, queries: Rows, message: str) -> None:
    with pytest.raises(DataError, match=message):
        build_dataset("x", documents, queries, {})


@given(texts=st.lists(st.text(st.characters(exclude_categories=[])), min_size=1, max_size=5))
def test_any_string_becomes_a_text_that_can_be_written(texts: list[str]) -> None:
    dataset = build_dataset("x", [(str(i), text) for i, text in enumerate(texts)], [], {})
    assert len(dataset.doc_texts) == len(texts)
    for before, after in zip(texts, dataset.doc_texts, strict=True):
        assert after.encode().decode() == after
        assert before == after or "\ufffd" in after
    assert len(dataset.fingerprint) == 64


def test_the_fingerprint_sees_every_part_but_not_the_name() -> None:
    rows = [("a", "A"), ("b", "B")]
    base = build_dataset("x", rows, QUERIES, {"q1": {"a": 1}})
    same = build_dataset("y", rows, QUERIES[:1], {"q1": {"a": 1}}, Origin({"split": "test"}))  # q2 is not judged
    others = [
        build_dataset("x", rows[::-1], QUERIES, {"q1": {"a": 1}}),
        build_dataset("x", [("a", "A"), ("b", "C")], QUERIES, {"q1": {"a": 1}}),
        build_dataset("x", [("a", "AB"), ("b", "")], QUERIES, {"q1": {"a": 1}}),
        build_dataset("x", rows, [("q1", "two")], {"q1": {"a": 1}}),
        build_dataset("x", rows, QUERIES, {"q1": {"a": 2}}),
        build_dataset("x", rows, QUERIES, {}),
    ]
    assert same.fingerprint == base.fingerprint
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == 7
