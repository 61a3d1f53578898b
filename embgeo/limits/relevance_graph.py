"""How densely judgements combine documents: what makes a dataset such as LIMIT hard for single vectors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from embgeo.results.limits_margin import RelevanceGraph

PAIRS = 20_000_000  # of documents of a query, or of queries of a document, that are looked at


def relevance_graph(qrels: Mapping[str, Mapping[str, int]]) -> RelevanceGraph | None:
    """Graph density and average query strength of judgements; None without a relevant document.

    Density: the share of all pairs of relevant documents that are relevant to one query together (the published
    density is that of pairs of queries that share a document: .085 of LIMIT-small). Strength of a query:
    the sum over the other queries of |common| / |either| relevant documents (Jaccard). LIMIT-small has .966 and 28.5,
    most datasets below .01 and 1. Either is None where counting it would look at more than 2·10⁷ pairs.
    Source: Weller et al. 2025, "On the theoretical limitations of embedding-based retrieval", table of datasets.
    """
    from scipy.sparse import csr_matrix

    number: dict[str, int] = {}
    sets = [[number.setdefault(doc, len(number)) for doc, grade in of.items() if grade > 0] for of in qrels.values()]
    sizes = np.array([len(each) for each in sets], np.int64)
    if not number:
        return None
    columns = np.concatenate([np.array(each, np.int64) for each in sets])
    shape = (len(sets), len(number))
    held = csr_matrix((np.ones(len(columns), np.int64), columns, np.concatenate([[0], np.cumsum(sizes)])), shape=shape)
    popular = np.bincount(columns).astype(np.int64)
    density = strength = None
    if len(number) > 1 and int((sizes**2).sum()) <= PAIRS:
        together = held.T @ held
        density = (together.nnz - len(number)) / (len(number) * (len(number) - 1))
    if int((popular**2).sum()) <= PAIRS:
        common = (held @ held.T).tocoo()
        either = sizes[common.row] + sizes[common.col] - common.data
        asked = int((sizes > 0).sum())
        strength = (float((common.data / either).sum()) - asked) / asked
    return RelevanceGraph(density=density, strength=strength)
