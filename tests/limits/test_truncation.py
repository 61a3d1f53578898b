"""Whether a model is trained for truncation, told by its vectors."""

from __future__ import annotations

import numpy as np
import pytest

from embgeo.embeddings import check_embeddings, normalise
from embgeo.judgements import check_judgements
from embgeo.limits.truncation import truncation_check
from embgeo.reports.sections.limits_truncation import sentence
from embgeo.results.limits import Limits, TruncationCheck
from embgeo.retrieval.evaluate import Evaluator
from embgeo.retrieval.exact import exact_search

D = 64


def checked(X: np.ndarray, Q: np.ndarray, similarity: str = "cosine", drop: bool = False) -> TruncationCheck | None:
    """The check of queries whose relevant document is that of the same row."""
    held = check_embeddings(X, Q, similarity=similarity)
    qrels = {str(row): {str(row): 1} for row in range(len(Q))}
    evaluator = Evaluator(check_judgements(qrels, held.doc_ids, held.query_ids), held.doc_ids, held.query_ids)
    quality = evaluator(*exact_search(held, 100, drop_own_document=drop))["ndcg@10"]
    return truncation_check(held, evaluator, quality, drop_own_document=drop)


def nested(n: int = 500, m: int = 250) -> tuple[np.ndarray, np.ndarray]:
    """Vectors whose coordinates fall in size, as truncation wants them."""
    rng = np.random.default_rng(0)
    scale = np.arange(1, D + 1) ** -0.8
    X = rng.standard_normal((n, D)) * scale
    return X.astype(np.float32), (X[:m] + 0.3 * rng.standard_normal((m, D))).astype(np.float32)


def turned(X: np.ndarray) -> np.ndarray:
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((D, D)))[0]
    return (X @ rotation).astype(np.float32)


def test_truncation_keeps_what_a_pca_keeps_if_coordinates_are_in_order_and_loses_more_if_they_are_turned() -> None:
    X, Q = nested()
    kept, lost = checked(X, Q), checked(turned(X), turned(Q))
    assert kept is not None
    assert lost is not None
    assert [each.dimensions for each in kept.widths] == [32, 16, 8, 4]
    assert "Truncation keeps" in sentence(Limits(truncation=kept))
    assert "not trained for truncation" in sentence(Limits(truncation=lost))
    # a rotation moves nothing that the PCA sees
    assert [each.pca for each in lost.widths] == pytest.approx([each.pca for each in kept.widths], abs=0.01)


def test_the_truncated_arm_is_exact_search_of_the_first_dimensions() -> None:
    X, Q = nested()
    for similarity in ("cosine", "dot"):
        found = checked(X, Q, similarity)
        assert found is not None
        held = check_embeddings(X[:, :16], Q[:, :16], similarity=similarity)
        rows = exact_search(held, 26)[1]
        gain = (rows[:, :10] == np.arange(len(Q))[:, None]) / np.log2(np.arange(2, 12))
        assert found.widths[1].truncated == pytest.approx(gain.sum(axis=1).mean(), abs=1e-6)


def test_no_document_helps_to_choose_the_axes_it_is_projected_on() -> None:
    # documents of white noise: axes fitted on them keep some of their own noise, those of other documents keep none
    rng = np.random.default_rng(2)
    X = rng.standard_normal((100, D)).astype(np.float32)
    Q = (X + 0.5 * rng.standard_normal(X.shape)).astype(np.float32)
    found = checked(X, Q)
    assert found is not None
    units = normalise(X)
    own = np.linalg.eigh(units.T @ units)[1][:, ::-1][:, :8]
    flattered = exact_search(check_embeddings(X @ own, Q @ own), 10)[1]
    gain = ((flattered == np.arange(len(Q))[:, None]) / np.log2(np.arange(2, 12))).sum(axis=1).mean()
    assert found.widths[2].pca is not None
    assert found.widths[2].pca < gain - 0.03


def test_own_documents_are_left_out_of_both() -> None:
    X, _ = nested()
    found = checked(X, X[:50], drop=True)
    assert found is not None
    assert all(each.truncated == each.pca == 0 for each in found.widths)  # nothing else is relevant


def test_few_dimensions_and_euclidean_distance_are_not_asked() -> None:
    X, Q = nested()
    assert checked(X[:, :4], Q[:, :4]) is None
    assert checked(X, Q, "euclidean") is None
    assert sentence(Limits()) == ""
