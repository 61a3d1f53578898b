"""What a user should know of the corpus and the budget before reading any number; every number is still right."""

from __future__ import annotations

import re

import numpy as np

from embgeo.compression.choosing.budget import Budget
from embgeo.copies import find_copies, tolerance
from embgeo.embeddings import Embeddings
from embgeo.judgements import Judgements

TIGHT = 8  # a whole-store limit of a small unit that asks for more than 8x may have been meant per vector


def corpus_warnings(embeddings: Embeddings) -> list[str]:
    """All documents one vector: every search is a tie. Reads on only while rows are equal."""
    first = embeddings.rows(slice(0, 1))
    limit = tolerance(embeddings.dimension) * float(np.linalg.norm(first))
    if len(embeddings) < 2 or any((np.linalg.norm(B - first, axis=1) > limit).any() for _, B in embeddings.blocks()):
        return []
    return [
        f"all {len(embeddings):,} document vectors are equal: every ranking is a tie, so recall of exact neighbours "
        "is uninformative and no spread or dimension can be measured. Check the file or the model"
    ]


def copy_warnings(embeddings: Embeddings, judgements: Judgements | None) -> list[str]:
    """Queries whose vector is a document's up to rounding, and judged documents with copies not judged alike."""
    said: list[str] = []
    if not len(embeddings.query_ids):
        return said
    n = len(embeddings)
    group = find_copies(embeddings, embeddings.query_matrix()).group
    documents = np.bincount(group[:n], minlength=len(group))
    if asked := int((documents[group[n:]] > 0).sum()):
        said.append(
            f"{asked:,} of {len(embeddings.query_ids):,} queries have the vector of a document and find it first: "
            "any store finds it, so quality is overestimated. Where ids are equal, --drop-own-document removes it"
        )
    grades: dict[str, set[tuple[str, int]]] = {}
    for query, judged in judgements.qrels.items() if judgements else ():
        for doc, grade in judged.items():
            grades.setdefault(doc, set()).add((query, grade))
    alike: dict[int, set[frozenset[tuple[str, int]]]] = {}
    for row in np.flatnonzero(documents[group[:n]] > 1).tolist():
        alike.setdefault(int(group[row]), set()).add(frozenset(grades.get(embeddings.doc_ids[row], ())))
    if unlike := sum(len(kinds) > 1 for kinds in alike.values()):
        said.append(
            f"{unlike:,} judged document{' has' if unlike == 1 else 's have'} copies that are not judged alike: a "
            "ranking cannot tell them apart, and the order of their ids decides the quality (tie_band has the range)"
        )
    return said


def rank_warnings(embeddings: Embeddings) -> list[str]:
    """Fewer documents than coordinates bound every rank."""
    n = len(embeddings)
    if n > embeddings.dimension:
        return []
    return [
        f"only {n:,} document{'' if n == 1 else 's'} in {embeddings.dimension} dimensions: dimensions and ranks "
        f"cannot exceed {n - 1:,}, whatever the model could fill"
    ]


def budget_warnings(budget: Budget | None, dimension: int) -> list[str]:
    """A limit like 96KB, which holds for the whole store, where 96B per vector may have been meant."""
    if budget is None or budget.store is None or re.search("[kKM]i?B", budget.text) is None:
        return []
    each = budget.store / budget.vectors
    if each * TIGHT > 4 * dimension:
        return []
    amount = re.sub("[kKM]i?B", "B", budget.text).strip()
    return [
        f"--budget {budget.text} limits the whole store to {each:.3g} bytes per vector for {budget.vectors:,} vectors; "
        f"a limit per vector is written {amount}"
    ]
