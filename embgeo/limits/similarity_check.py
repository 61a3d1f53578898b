"""Whether it matters by which similarity these vectors are searched: the lengths of documents, and their mean."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from embgeo.embeddings import SIMILARITIES, Embeddings, check_embeddings, normalise
from embgeo.errors import InputError
from embgeo.files.mapped import release_pages
from embgeo.files.rows import Rows
from embgeo.progress import Progress, silent
from embgeo.results.limits import SimilarityCheck, SimilarityChoice
from embgeo.retrieval.evaluate import Evaluator
from embgeo.retrieval.exact import exact_search
from embgeo.retrieval.significance import QueryBootstrap

PAIRS = 2 * 10**9  # of query and document, at most, for each search
DEPTH = 100
EQUAL = 1e-3  # relative spread of the lengths: less is the rounding of float16
CENTRED = "cosine about the mean"


def similarity_check(
    embeddings: Embeddings,
    evaluator: Evaluator,
    quality: np.ndarray,
    seed: int = 0,
    drop_own_document: bool = False,
    progress: Progress = silent,
) -> SimilarityCheck | None:
    """nDCG@10 of the same vectors by the other similarities, each paired by query with that of the run.

    Cosine, dot product and Euclidean distance differ by the lengths of the documents alone: where these are equal, they
    are one search, and none is run. Cosine about the mean is that of unit vectors less the mean of the documents. Cost:
    at most three exact searches. Source: Steck et al. 2024 (training leaves a scaling free that cosine depends on);
    Mu & Viswanath 2018 (centring).

    Parameters
    ----------
    quality : (judged queries,) nDCG@10 of the run. Beyond 2·10⁹ pairs of query and document None is returned.
    """
    if len(embeddings) * len(embeddings.query_ids) > PAIRS:
        return None
    bootstrap = QueryBootstrap.draw(len(quality), seed, groups=evaluator.query_groups)
    spread, centre = _lengths(embeddings)
    others = []
    for name, other in _others(embeddings, spread < EQUAL, centre):
        try:
            found = exact_search(other, DEPTH, drop_own_document=drop_own_document)
        except InputError:  # distances beyond float32: products are scaled, distances are not
            continue
        values = evaluator(*found)["ndcg@10"]
        others.append(
            SimilarityChoice(
                name=name,
                value=float(values.mean()),
                ci=bootstrap.mean_interval(values),
                difference=float((values - quality).mean()),
                difference_ci=bootstrap.difference(values, quality),
            )
        )
        progress("other similarities", len(others), len(SIMILARITIES))
    value, ci = float(quality.mean()), bootstrap.mean_interval(quality)
    return SimilarityCheck(used=embeddings.similarity, value=value, ci=ci, length_spread=spread, others=others)


def _others(embeddings: Embeddings, equal: bool, centre: np.ndarray) -> Iterator[tuple[str, Embeddings]]:
    """The vectors under every other similarity that is defined for them: none has a direction if it is zero."""
    e = embeddings
    assert e.queries is not None
    given = [(name, name, e.docs, e.queries) for name in SIMILARITIES if name != e.similarity and not equal]
    asked = normalise(np.array(e.queries, np.float32)) - centre
    for name, similarity, docs, queries in [*given, (CENTRED, "cosine", CentredRows(e, centre), asked)]:
        try:
            yield name, check_embeddings(docs, queries, e.doc_ids, e.query_ids, similarity)
        except InputError:
            continue


def _lengths(embeddings: Embeddings) -> tuple[float, np.ndarray]:
    """The spread of the lengths of the documents (standard deviation / mean), and the mean (d,) of their directions."""
    total, lengths = np.zeros(embeddings.dimension), []
    for start in range(0, len(embeddings), CentredRows.SIZE):
        block = np.array(embeddings.docs[start : start + CentredRows.SIZE], np.float32)
        lengths.append(np.sqrt(np.einsum("ij,ij->i", block, block, dtype=np.float64)))
        total += normalise(block).sum(axis=0, dtype=np.float64)
        release_pages(embeddings.docs)
    every = np.concatenate(lengths)
    mean = float(every.mean())
    return float(every.std()) / mean if mean else 0.0, (total / len(embeddings)).astype(np.float32)


class CentredRows(Rows):
    """The directions of the documents less `centre` (d,), made when they are read."""

    SIZE = 16384

    def __init__(self, embeddings: Embeddings, centre: np.ndarray) -> None:
        self._docs, self._centre = embeddings.docs, centre
        self.shape, self.dtype = (len(embeddings), embeddings.dimension), np.dtype(np.float32)

    def between(self, start: int, stop: int) -> np.ndarray:
        return normalise(np.array(self._docs[start:stop], np.float32)) - self._centre

    def at(self, rows: np.ndarray) -> np.ndarray:
        return normalise(np.array(self._docs[rows], np.float32)) - self._centre

    def release(self) -> None:
        release_pages(self._docs)
