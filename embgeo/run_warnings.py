"""The warnings of a run: what a user should know before reading its numbers, all of which are still correct."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from embgeo.compression.choosing.budget import Budget
from embgeo.compression.choosing.decision import POOR
from embgeo.compression.codecs.spec import Spec
from embgeo.compression.judging.effects import DELIVERED
from embgeo.compression.judging.finding import Finding
from embgeo.compression.judging.folds import FIT_ROWS
from embgeo.compression.search.indices.ivf import POINTS_PER_LIST
from embgeo.copies import find_copies, tolerance
from embgeo.embeddings import Embeddings
from embgeo.environment import versions
from embgeo.files.ids import as_ids
from embgeo.judgements import Judgements
from embgeo.results.rows import Row
from embgeo.retrieval.evaluate import Evaluator
from embgeo.sources.subject import Subject

TIGHT = 8  # a whole-store limit in a small unit that needs more than 8x compression may have been meant per vector
MIN_QUERIES = 10
UNFAITHFUL = 0.1  # recall by which a search may fall short of the estimate of its codec
JUDGED = 10  # documents per query that the quality measures consider


def subject_warnings(subject: Subject, ranks: bool = False) -> list[str]:
    """Warnings about the vectors and judgements themselves; `ranks` if dimensions and ranks are measured."""
    return [
        *subject.warnings,
        *corpus_warnings(subject.embeddings),
        *copy_warnings(subject.embeddings, subject.judgements),
        *(rank_warnings(subject.embeddings) if ranks else ()),
        *query_warnings(subject.embeddings, subject.judgements),
    ]


def corpus_warnings(embeddings: Embeddings) -> list[str]:
    """All document vectors are equal: every search is a tie. Stops reading at the first block that differs."""
    first = embeddings.rows(slice(0, 1))
    limit = tolerance(embeddings.dimension) * float(np.linalg.norm(first))
    if len(embeddings) < 2 or any((np.linalg.norm(B - first, axis=1) > limit).any() for _, B in embeddings.blocks()):
        return []
    return [
        f"all {len(embeddings):,} document vectors are equal: every ranking is a tie, so recall of exact neighbours "
        "is uninformative and no spread or dimension can be measured. Check the file or the model"
    ]


def copy_warnings(embeddings: Embeddings, judgements: Judgements | None) -> list[str]:
    """Queries whose vector is a document's up to rounding, and judged documents whose copies are judged differently."""
    warnings: list[str] = []
    if not len(embeddings.query_ids):
        return warnings
    n = len(embeddings)
    group = find_copies(embeddings, embeddings.query_matrix()).group
    documents = np.bincount(group[:n], minlength=len(group))
    if copied := int((documents[group[n:]] > 0).sum()):
        warnings.append(
            f"{copied:,} of {len(embeddings.query_ids):,} queries have the same vector as a document and find it first "
            "in any store, so quality is overestimated. If their ids are equal, --drop-own-document removes it"
        )
    grades: dict[str, set[tuple[str, int]]] = {}
    for query, judged in judgements.qrels.items() if judgements else ():
        for doc, grade in judged.items():
            grades.setdefault(doc, set()).add((query, grade))
    alike: dict[int, list[frozenset[tuple[str, int]]]] = {}
    for name, row in zip(grades, as_ids(embeddings.doc_ids).index_of(grades).tolist(), strict=True):
        if row >= 0:
            alike.setdefault(int(group[row]), []).append(frozenset(grades[name]))
    # a copy that is not judged is judged differently from one that is
    unlike = sum(len(set(kinds)) > 1 or len(kinds) < documents[of] for of, kinds in alike.items())
    if unlike:
        warnings.append(
            f"{unlike:,} judged document{' has' if unlike == 1 else 's have'} copies that are judged differently: a "
            "ranking cannot distinguish them, so the order of their ids affects the quality (tie_band has the range)"
        )
    return warnings


def rank_warnings(embeddings: Embeddings) -> list[str]:
    """With no more documents than dimensions, the documents bound every rank."""
    n = len(embeddings)
    if n > embeddings.dimension:
        return []
    return [
        f"only {n:,} document{'' if n == 1 else 's'} in {embeddings.dimension} dimensions: dimensions and ranks "
        f"cannot exceed {n - 1:,}, even if the model could fill more"
    ]


def query_warnings(embeddings: Embeddings, judgements: Judgements | None) -> list[str]:
    """Too few queries, or too few independent ones (sharing no relevant document), for meaningful intervals."""
    count = len(judgements.judged_queries) if judgements else len(embeddings.query_ids)
    if 0 < count < MIN_QUERIES:
        queries = f"{'judged ' if judgements is not None else ''}{'query' if count == 1 else 'queries'}"
        return [f"only {count} {queries}: the intervals over queries are uninformative"]
    if judgements is None or not len(embeddings.query_ids):
        return []
    apart = Evaluator(judgements, embeddings.doc_ids, embeddings.query_ids).independent_queries
    if apart >= MIN_QUERIES:
        return []
    return [
        f"{count:,} queries have so many relevant documents in common that they count as {apart}: the intervals over "
        "queries are uninformative, or missing"
    ]


def task_warnings(embeddings: Embeddings, *, stand_ins: bool, judged: bool, drop_own: bool) -> list[str]:
    """Limits of the evaluation: documents used as queries, a corpus no larger than a result list, no judgements.

    `embeddings` has the queries that are used; `stand_ins` says that they are documents.
    """
    warnings = []
    if stand_ins:
        warnings.append(
            f"no queries: {len(embeddings.query_ids)} documents are used instead, self matches removed. "
            "Documents are not real queries, so recall on users' queries may differ"
        )
    if len(embeddings) <= JUDGED + int(drop_own):
        warnings.append(
            f"every search returns {JUDGED} documents and the corpus holds {len(embeddings)}: recall@10 is 1 "
            "for any store and uninformative"
        )
    if not judged:
        warnings.append(
            "no judgements: rows are ranked by agreement with exact search (recall of its ten nearest), which is "
            "weaker evidence than relevance judgements"
        )
    return warnings


def budget_warnings(budget: Budget | None, dimension: int) -> list[str]:
    """A limit like 96KB, which applies to the whole store although 96B per vector may have been meant."""
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


def codebook_warnings(specs: Sequence[Spec], documents: int, vectors: int) -> list[str]:
    """Specs whose k-means needs more rows than there are: 39 per centroid, as FAISS recommends."""
    needs = {str(spec): spec.quantizer.training_rows_needed for spec in specs}
    short = [name for name, rows in needs.items() if rows > min(max(documents, vectors), FIT_ROWS)]
    warnings = list_warnings(specs, documents)
    if short:
        warnings.append(
            f"too few documents for the codebooks of {', '.join(short)}: fewer than 39 training vectors per centroid, "
            "so they may overfit"
        )
    return warnings


def library_warnings() -> list[str]:
    """What the default sweep leaves out because a library is missing."""
    if "torch" in versions():
        return []
    return ["torch is not installed, so autoencoders (ae…) were left out: pip install torch -c constraints.txt"]


def list_warnings(specs: Sequence[Spec], documents: int) -> list[str]:
    """Inverted lists whose centroids overfit single documents; search still works, but its lists are poor."""
    rows = min(documents, FIT_ROWS)
    short = [str(spec) for spec in specs if spec.index is not None and rows < spec.index.training_rows_needed]
    if not short:
        return []
    return [
        f"too few documents for the lists of {', '.join(short)}: fewer than {POINTS_PER_LIST} training vectors per "
        f"list ({rows:,} in total); use fewer lists"
    ]


def store_warnings(row: Row, store: Finding, vectors: int, delivered: float) -> list[str]:
    """The best spec within the budget can still be bad, constants matter in a store of few vectors, and the search that
    ships may not follow the codec: `delivered` is its recall on the first queries."""
    warnings = []
    expected = float(store.recall[:DELIVERED].mean())
    if delivered < expected - UNFAITHFUL:
        warnings.append(
            f"the built store finds {delivered:.2f} of the exact top 10, its codec should find {expected:.2f}: its "
            "search does not follow its codec, so do not use it; please report this"
        )
    if row.retained is not None and row.retained < POOR:
        warnings.append(
            f"{row.spec} is the best that fits and keeps only {100 * row.retained:.0f} % of the quality: consider a "
            "larger budget"
        )
    share = store.constant_bytes / (vectors * store.bytes_per_vector + store.constant_bytes)
    # with --target, axes and ranges lie with the client, not in the store
    if share > 0.1 and row.targets is None:
        warnings.append(
            f"fixed data of {row.spec} (axes, ranges) is {100 * share:.0f} % of a store of {vectors:,} vectors, so "
            "bytes per vector understates its size; use --vectors N to plan for a larger corpus"
        )
    return warnings
