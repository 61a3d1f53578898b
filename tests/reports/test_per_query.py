"""What the report says of single queries: who loses, which documents left and entered, and how relevant they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from embgeo.reports import report_html
from embgeo.reports.sections.queries import MovedDocument, per_query
from embgeo.run import Run, save_run

RESULT = {
    "command": "compress",
    "model": "m",
    "dataset": {"name": "d", "documents": 20},
    "quality": "ndcg@10",
    "recommendation": {"spec": "int4"},
}
QUERIES = [("a", "first"), ("b", "second"), ("c", "third"), ("d", "x" * 500)]


def run_with(
    folder: Path, before: list[float], after: list[float], rows: list[int], documents: int = 20, **arrays: np.ndarray
) -> Run:
    stored = {
        "query_rows": np.array(rows),
        "quality/f32": np.array(before, np.float32),
        "quality/int4": np.array(after, np.float32),
        **{name.replace("_", "/", 1): values for name, values in arrays.items()},
    }
    texts = [(f"doc{row}", f"text of {row}") for row in range(documents)]
    return save_run(folder, RESULT, stored, documents=texts, queries=QUERIES)


def ranked(*rankings: list[int]) -> np.ndarray:
    return np.array(rankings, np.int32)


def test_the_queries_that_lose_come_worst_first_with_their_text(tmp_path: Path) -> None:
    # queries b, c, d are judged; b loses .2, c gains .1, d loses .5
    found = per_query(run_with(tmp_path, [0.5, 0.5, 0.9], [0.3, 0.6, 0.4], [1, 2, 3]), "int4", "ndcg@10")
    assert found is not None
    assert [loss.id for loss in found.losses] == ["d", "b"]
    assert (found.losses[1].text, found.losses[1].before, found.losses[1].after) == ("second", "0.500", "0.300")
    assert found.losses[1].change == "−0.200"
    assert len(found.losses[0].text) == 160
    assert found.summary == "2 of 3 queries get worse, 1 get better, 0 stay the same"
    assert found.losses[0].documents == []  # a run of an older embgeo holds no rankings


def test_documents_that_left_entered_and_moved_are_named_with_their_relevance(tmp_path: Path) -> None:
    # query b (row 1): document 2, relevant, falls from 1 to 3; 9 leaves (10 → 11), 15 enters (12 → 10)
    before = [2, 0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 15]
    after = [0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 9, 11]
    run = run_with(
        tmp_path, [0.5], [0.3], [1], ranked_f32=ranked(before), ranked_int4=ranked(after),
        judged=np.array([[1, 2, 2], [1, 15, 0], [0, 9, 1]], np.int32),
    )  # fmt: skip
    found = per_query(run, "int4", "ndcg@10")
    assert found is not None
    assert found.losses[0].documents == [
        MovedDocument("moved", "doc2", "text of 2", "relevant (2)", "1", "3"),
        MovedDocument("left", "doc9", "text of 9", "not judged", "10", "11"),
        MovedDocument("entered", "doc15", "text of 15", "irrelevant (0)", "12", "10"),
    ]


def test_a_document_that_falls_out_of_what_was_stored_is_beyond_it(tmp_path: Path) -> None:
    run = run_with(tmp_path, [0.5], [0.3], [0], ranked_f32=ranked([1, 2, -1]), ranked_int4=ranked([2, 3, -1]))
    documents = per_query(run, "int4", "ndcg@10").losses[0].documents  # type: ignore[union-attr]
    assert [(d.what, d.id, d.before, d.after) for d in documents] == [
        ("left", "doc1", "1", "beyond 2"),
        ("entered", "doc3", "beyond 2", "2"),
    ]


def test_a_large_corpus_keeps_only_the_texts_that_are_shown(tmp_path: Path) -> None:
    # 4 texts, for rows 3, 5, 7 and 19 of the 20 documents
    texts = [(f"doc{row}", f"text of {row}") for row in (3, 5, 7, 19)]
    arrays = {
        "query_rows": np.array([0]), "quality/f32": np.array([1.0]), "quality/int4": np.array([0.5]),
        "ranked/f32": ranked([3, 5, 7]), "ranked/int4": ranked([19, 5, 7]),
    }  # fmt: skip
    run = save_run(tmp_path, RESULT, arrays, documents=texts, queries=QUERIES)
    documents = per_query(run, "int4", "ndcg@10").losses[0].documents  # type: ignore[union-attr]
    assert {d.id: d.text for d in documents} == {"doc3": "text of 3", "doc19": "text of 19"}


def test_without_losses_the_counts_remain_and_without_values_nothing(tmp_path: Path) -> None:
    run = run_with(tmp_path, [0.5, 0.5], [0.5, 0.6], [0, 1])
    found = per_query(run, "int4", "ndcg@10")
    assert found is not None
    assert found.losses == []
    assert found.summary == "0 of 2 queries get worse, 1 get better, 1 stay the same"
    assert per_query(run, "int8", "ndcg@10") is None


def test_the_page_shows_query_and_documents(tmp_path: Path) -> None:
    run = run_with(tmp_path, [0.5], [0.3], [1], ranked_f32=ranked([1, 2]), ranked_int4=ranked([2, 3]))
    page = report_html([run])
    assert "1 of 1 queries get worse" in page
    assert "second" in page
    assert "text of 3" in page
