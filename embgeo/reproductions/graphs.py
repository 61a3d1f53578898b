"""What neighbour graphs tell: documents that no query reaches, and the order in which documents enter HNSW."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from embgeo.compression.codecs.codec import encode_all, fit_codec
from embgeo.compression.codecs.part import Index
from embgeo.compression.codecs.spec import Spec, parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.build import build_structure
from embgeo.embeddings import Embeddings, check_embeddings
from embgeo.limits.unreachable import unreachable
from embgeo.metrics.lid import lid
from embgeo.metrics.registry import Reading
from embgeo.reproductions.mteb_scifact import SCIFACT, SciFact
from embgeo.reproductions.registry import at_most, near, reproduction
from embgeo.results.reproduce import Compared
from embgeo.retrieval.evaluate import neighbour_recall
from embgeo.retrieval.exact import exact_search
from embgeo.space.space import Space


@reproduction(
    "unreachable-documents",
    title="Documents of SciFact in no top 100, told by how often other documents have one as a neighbour",
    source="idea of Rottach et al. 2025, a classifier of retrievability; numbers by embgeo",
    needs=SCIFACT,
    verdict="One feature, the k-occurrence among documents, tells as much as a classifier of eleven did (AUC .873): no "
    "classifier is needed.",
)
def unreachable_documents(data: Path) -> Iterator[Compared]:
    scifact = SciFact.stored(data)
    found = unreachable(scifact.embeddings, exact_search(scifact.embeddings, 100)[1])
    assert found is not None
    for name, published, measured, within in (
        ("share of documents never retrieved", 0.0268, found.share, 0.0005),
        ("the same for random retrieval", 0.0029, found.random_share, 0.0001),
        ("AUC of the k-occurrence", 0.874, found.auc, 0.003),
    ):
        assert measured is not None
        yield near(name, published, measured, within)


SPECS = ("hnsw16,f32", "hnsw8,f32")
RANDOM = 3  # orders
EFFORT = 16  # width of the beam: a narrow one misses most


@reproduction(
    "insertion-order",
    title="Recall@10 of HNSW built by ascending, by descending local dimension and at random, SciFact × MiniLM",
    source="Elliott & Clark 2024, The Impacts of Data, Ordering, and Intrinsic Dimensionality on Recall in HNSW, "
    "which has up to 12 points; numbers by embgeo",
    needs=SCIFACT,
    verdict="At this size the order of insertion moves recall by little more than chance does: no rule to follow. What "
    "does predict misses is the local dimension at the query.",
)
def insertion_order(data: Path) -> Iterator[Compared]:
    held = SciFact.stored(data).embeddings
    dimension = lid(Space(held.matrix()))
    assert isinstance(dimension, Reading)
    local = np.argsort(dimension.rows["local_dimension"], kind="stable")
    orders = [np.random.default_rng(seed).permutation(len(held)) for seed in range(RANDOM)]
    for text in SPECS:
        chance = np.mean([_recall(held, order, parse(text)) for order in orders])
        for name, order in (("ascending", local), ("descending", local[::-1])):
            moved = abs(_recall(held, order, parse(text)) - float(chance))
            yield at_most(f"{text}, {name} against random", 0.022, moved)


def _recall(held: Embeddings, order: np.ndarray, spec: Spec) -> float:
    """Mean recall@10 against exact search of a graph into which documents are inserted in this order."""
    ids = [held.doc_ids[row] for row in order.tolist()]
    inserted = check_embeddings(held.rows(order), held.query_matrix(), ids, held.query_ids, similarity="cosine")
    training = Training(inserted.matrix(), "cosine", 0)
    codec = fit_codec(spec, training)
    codes = encode_all(codec, inserted)
    assert isinstance(spec.index, Index)
    graph = build_structure(spec.index, codec, codes, training)
    rows = graph.searcher(codec.tiers[0], codes).with_effort(EFFORT).search(inserted.query_matrix(), 10)[1]
    return float(neighbour_recall(rows, exact_search(inserted, 10)[1]).mean())
