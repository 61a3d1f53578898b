"""Judgements: what counts as judged, and what does not match is reported."""

from __future__ import annotations

import unicodedata

import pytest

from embgeo.errors import InputError
from embgeo.judgements import Judgements, check_judgements


def test_a_query_is_judged_when_a_document_is_relevant() -> None:
    judgements = Judgements({"a": {"d": 1}, "b": {"d": 0}, "c": {}, "d": {"d": -1, "e": 2}})
    assert judgements.judged_queries == ["a", "d"]
    assert len(judgements) == 4


def test_matching_judgements_have_no_warning() -> None:
    assert check_judgements({"q": {"d": 1}}, ["d", "e"], ["q"]).warnings == ()


def test_unknown_queries_are_left_out_and_counted() -> None:
    judgements = check_judgements({"q": {"d": 1}, "x": {"d": 1}, "y": {"d": 1}}, ["d"], ["q"])
    assert judgements.qrels == {"q": {"d": 1}}
    assert judgements.warnings == ("2 judged queries are not among the queries and were left out",)
    judgements = check_judgements({"q": {"d": 1}, "x": {"d": 1}}, ["d"], ["q"])
    assert judgements.warnings == ("1 judged query is not among the queries and was left out",)


def test_unknown_documents_stay_because_they_lower_recall() -> None:
    judgements = check_judgements({"q": {"d": 1, "gone": 1}}, ["d"], ["q"])
    assert judgements.qrels == {"q": {"d": 1, "gone": 1}}
    assert judgements.warnings[0].startswith("1 of 2 judgements are of documents that are not in the corpus")


def test_queries_without_a_relevant_document_are_counted() -> None:
    judgements = check_judgements({"q": {"d": 1}, "r": {"d": 0}}, ["d"], ["q", "r", "s"])
    assert judgements.warnings == ("1 of 2 judged queries have no relevant document and are not averaged",)


def test_ids_may_come_from_an_iterator_and_nothing_is_written_to() -> None:
    qrels = {"q": {"d": 1}, "x": {"d": 1}}
    judgements = check_judgements(qrels, iter(["d"]), iter(["q"]), drop_own_document=True)
    assert qrels == {"q": {"d": 1}, "x": {"d": 1}}
    assert judgements.drop_own_document
    assert judgements.qrels["q"] is not qrels["q"]


@pytest.mark.parametrize(
    ("qrels", "message"),
    [
        ({"x": {"d": 1}}, "none of the queries is judged in the file; the first judged id is 'x'. Do judgements and"),
        ({"Q": {"d": 1}}, "1 of these ids differ from existing ones only in upper and lower case"),
        ({"q": {"d": 0, "e": -1}}, r"at least one judgement must be above 0 \(relevant\); the file judges 1 of the"),
        ({"q": {"gone": 1, "d": 0}}, r"no relevant document of the file is in the corpus \(0 of 1\); .* 'gone'\. Do"),
        ({"q": {" D ": 1}}, "differ from existing ones only in Unicode form, case and surrounding space"),
    ],
)
def test_judgements_under_which_nothing_can_be_measured_are_refused(qrels: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_judgements(qrels, ["d", "e"], ["q"], source="the file")


def test_ids_in_another_unicode_form_are_told_from_ids_of_another_corpus() -> None:
    qrels = {"q": {unicodedata.normalize("NFC", f"café-{i}"): 1 for i in range(3)}}
    documents = [unicodedata.normalize("NFD", f"café-{i}") for i in range(3)]
    with pytest.raises(
        InputError, match=r"3 of these ids differ from existing ones only in Unicode form \(NFC or NFD\)"
    ):
        check_judgements(qrels, documents, ["q"])
    [warning] = check_judgements({"q": {**qrels["q"], "d": 1}}, [*documents, "d"], ["q"]).warnings
    assert "3 of 4 judgements are of documents that are not in the corpus" in warning
    assert "only in Unicode form" in warning


@pytest.mark.parametrize("grade", [0.5, "1", None, float("nan"), float("inf"), 100_001])
def test_a_grade_that_is_not_an_integer_is_refused_with_its_pair(grade: object) -> None:
    with pytest.raises(InputError, match=r"a grade must be a whole number.* query 'q' and document 'd' have"):
        check_judgements({"q": {"d": grade}}, ["d"], ["q"])  # type: ignore[dict-item]


def test_ids_and_grades_are_compared_by_value() -> None:
    assert check_judgements({7: {1: 1.0, 2: True}}, ["1", "2"], ["7"]).qrels == {"7": {"1": 1, "2": 1}}  # type: ignore[dict-item]
