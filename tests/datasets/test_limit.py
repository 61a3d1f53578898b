"""`limit:N`: texts whose words answer the queries, in the pattern that was asked for."""

from __future__ import annotations

import pytest

from embgeo.datasets.registry import resolve_dataset
from embgeo.errors import DataError
from embgeo.limits.relevance_graph import relevance_graph


@pytest.mark.parametrize("name", ["limit:46", "limit:9,k=3", "limit:30,graph=random,queries=40", "limit:7,graph=cycle"])
def test_a_document_likes_what_a_query_asks_for_exactly_if_it_is_relevant(name: str) -> None:
    data = resolve_dataset(name)
    assert data.warnings == data.judgements.warnings == ()
    likes = {
        doc: set(text.removesuffix(".").split(" likes ")[1].split(", "))
        for doc, text in zip(data.doc_ids, data.doc_texts, strict=True)
    }
    for query, text in zip(data.query_ids, data.query_texts, strict=True):
        asked = text.removeprefix("Who likes ").removesuffix("?")
        assert {doc for doc, held in likes.items() if asked in held} == set(data.judgements.qrels[query])
    assert all(len(held) >= 50 for held in likes.values())
    assert resolve_dataset(name).fingerprint == data.fingerprint


@pytest.mark.parametrize(
    ("name", "documents", "queries", "density"),
    [
        ("limit:46", 46, 1000, 1000 / 1035),  # as LIMIT-small
        ("limit:200", 200, 1000, 1000 / 1035),  # 46 of them, the others distract
        ("limit:6,k=3", 6, 20, 1),
        ("limit:12,graph=cycle", 12, 12, 12 / 66),
        ("limit:13,k=4,graph=disjoint", 13, 3, 18 / 66),
    ],
)
def test_graphs_have_the_density_that_counting_gives(name: str, documents: int, queries: int, density: float) -> None:
    data = resolve_dataset(name)
    assert (len(data.doc_ids), len(data.query_ids)) == (documents, queries)
    assert relevance_graph(data.judgements.qrels).density == pytest.approx(density)


@pytest.mark.parametrize("name", ["limit:", "limit:2", "limit:9,k=9", "limit:9,graph=star", "limit:9,queries=0"])
def test_what_is_no_limit_dataset_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="limit:"):
        resolve_dataset(name)


def test_it_has_no_splits() -> None:
    with pytest.raises(DataError, match="no splits"):
        resolve_dataset("limit:46", split="dev")
