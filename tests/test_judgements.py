"""Judgements: what counts as judged, and what does not match is said."""

from __future__ import annotations

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


def test_unknown_documents_stay_because_they_lower_recall() -> None:
    judgements = check_judgements({"q": {"d": 1, "gone": 1}}, ["d"], ["q"])
    assert judgements.qrels == {"q": {"d": 1, "gone": 1}}
    assert judgements.warnings[0].startswith("1 judgements name documents that are not in the corpus")


def test_queries_without_a_relevant_document_are_counted() -> None:
    judgements = check_judgements({"q": {"d": 1}, "r": {"d": 0}}, ["d"], ["q", "r", "s"])
    assert judgements.warnings == ("2 of 3 queries have no relevant document and are not averaged over",)


def test_ids_may_come_from_an_iterator_and_nothing_is_written_to() -> None:
    qrels = {"q": {"d": 1}, "x": {"d": 1}}
    judgements = check_judgements(qrels, iter(["d"]), iter(["q"]), drop_own_document=True)
    assert qrels == {"q": {"d": 1}, "x": {"d": 1}}
    assert judgements.drop_own_document
    assert judgements.qrels["q"] is not qrels["q"]
