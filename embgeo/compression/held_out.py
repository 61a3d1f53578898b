"""Out of sample: every document is ranked through a codec that never saw it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from embgeo.compression.codec import FittedCodec, fit_codec
from embgeo.compression.folds import document_folds, fit_sample
from embgeo.compression.index import Searcher, TieredSearcher, best_of, pair_scores
from embgeo.compression.parts import Reducer
from embgeo.compression.spec import Spec
from embgeo.compression.training import Training
from embgeo.embeddings import Embeddings
from embgeo.retrieval.evaluate import Evaluator, neighbour_recall, tie_band
from embgeo.retrieval.exact import score, without_own
from embgeo.retrieval.top_k import TopK, tie_order

DEPTH = 32  # results kept a query: 10 are judged, the rest shows ties at the cut
GROUP_SPECS = 6
GROUP_BYTES = 256 * 2**20  # codecs of all folds and rankings that one pass over the corpus may hold
LONG_BYTES = 256 * 2**20  # a corpus of which a pass is not to be had for nothing
KEEP_FOLDS_BYTES = 256 * 2**20  # fit rows of the folds that are kept between groups
CANDIDATE_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Task:
    """What a ranking is judged by: the evaluator (or None), the exact neighbours, and self matches to remove."""

    embeddings: Embeddings
    evaluator: Evaluator | None
    exact_rows: np.ndarray
    own: np.ndarray | None
    exact_scores: np.ndarray | None = None  # by which documents that tie with the tenth neighbour are known

    @property
    def depth(self) -> int:
        return DEPTH + (self.own is not None)

    def candidates(self, spec: Spec) -> int:
        """How many documents the first search must return: those judged, or factor · 10 to be rescored."""
        return self.depth if spec.rescorer is None else 10 * spec.factor + (self.own is not None)

    def results(self, spec: Spec) -> int:
        """How many to ask the built store for: over ten would give rescoring and indices more effort than named."""
        return self.depth if spec.rescorer is None and spec.index is None else 10 + (self.own is not None)

    def missed(self, spec: Spec, searcher: Searcher, flat: Searcher) -> np.ndarray:
        """(m, c) rows that the flat search of the same codes finds and the built index does not, −1 elsewhere.

        Both are asked for what the index looks at without more effort than the spec names.
        """
        assert spec.index is not None
        wanted = self.results(spec) if spec.rescorer is None else self.candidates(spec)
        pool = min(spec.index.pool(wanted), len(self.embeddings))
        firsts = [s.first if isinstance(s, TieredSearcher) else s for s in (searcher, flat)]
        found, all_rows = (first.search(self.embeddings.query_matrix(), pool)[1] for first in firsts)
        return np.stack([np.where(np.isin(rows, mine), -1, rows) for rows, mine in zip(all_rows, found, strict=True)])

    def settle(self, best: TopK) -> tuple[np.ndarray, np.ndarray]:
        """Scores and rows with each query's own document removed."""
        if self.own is None:
            return best.scores, best.rows
        return without_own(best.scores, best.rows, self.own, DEPTH)

    def quality(self, scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if self.evaluator is None:
            return neighbour_recall(rows, self.exact_rows, exact_scores=self.exact_scores)
        return self.evaluator(scores, rows)["ndcg@10"]

    def ranked(self, scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(m, ≤ DEPTH) int32 rows of the queries that count, equal scores in the order of the evaluator."""
        if self.evaluator is None:
            return rows[:, :DEPTH].astype(np.int32)
        return self.evaluator.ordered(scores[:, :DEPTH], rows[:, :DEPTH])

    def band(self, scores: np.ndarray, rows: np.ndarray) -> tuple[float, float] | None:
        return tie_band(self.evaluator, scores, rows) if self.evaluator is not None else None

    def recall(self, rows: np.ndarray) -> np.ndarray:
        recall = neighbour_recall(rows, self.exact_rows, exact_scores=self.exact_scores)
        return recall if self.evaluator is None else recall[self.evaluator.query_rows]


class Folds:
    """The training sets of one sweep: all sampled documents, and by fold those of the other folds.

    What fits share (moments, axes) is computed once a training set and kept; the rows of the folds are kept only where
    they are small, and cut out of the sample again for each group where they are not.
    """

    def __init__(self, embeddings: Embeddings, seed: int) -> None:
        sample = fit_sample(embeddings, seed)
        rows = embeddings.rows(sample)
        self.of = document_folds(embeddings, seed)
        self.count = int(self.of.max()) + 1
        self.fit_rows = len(sample)
        self.shipped = Training(rows, embeddings.similarity, seed)
        of_row = self.of[sample]
        # a corpus of one distinct document has nothing else to be fitted on
        keeps = [of_row != fold for fold in range(self.count)] if self.count > 1 else [None]
        self.trainings = [Training(rows, embeddings.similarity, seed, keep) for keep in keeps]
        self._small = (self.count - 1) * rows.nbytes <= KEEP_FOLDS_BYTES

    def learning_from(self, queries: np.ndarray) -> Folds:
        """The same folds, whose fits may learn from these queries too."""
        other = copy.copy(self)
        other.trainings = [training.learning_from(queries) for training in self.trainings]
        return other

    def let_go(self, fold: int) -> None:
        """Called when the fits of a group on this fold are done."""
        if not self._small:
            self.trainings[fold].let_go()


def groups(specs: Sequence[Spec], embeddings: Embeddings, folds: int) -> Iterator[list[Spec]]:
    """Specs that share a pass over the corpus, a few at a time: those with equal reducers, whose fits, queries and
    reduced rows are then shared too, and of a corpus that takes long to read any six."""
    d, m = embeddings.dimension, len(embeddings.query_ids)
    each = folds * 4 * d * (d + m) + 12 * m * DEPTH
    most = max(1, min(GROUP_SPECS, GROUP_BYTES // each))
    long_to_read = 4 * len(embeddings) * d > LONG_BYTES
    firsts: dict[object, int] = {}
    for spec in specs:
        # equal reducers stand together, and within them equal first tiers
        for key in (_reducers(spec), str(spec.tiers[0])):
            firsts.setdefault(key, len(firsts))
    ordered = sorted(specs, key=lambda spec: (firsts[_reducers(spec)], firsts[str(spec.tiers[0])]))
    group: list[Spec] = []
    for _, unit in groupby(ordered, key=lambda spec: str(spec.tiers[0])):
        members = list(unit)
        shared = bool(group) and bool(_reducers(members[0])) and _reducers(group[-1]) == _reducers(members[0])
        if group and (not (shared or long_to_read) or len(group) + len(members) > most):
            yield group
            group = []
        group += members
    if group:
        yield group


def _reducers(spec: Spec) -> tuple[Reducer, ...]:
    """All reducers of the first tier, those that belong to its quantizer included."""
    return (*spec.reducers, *spec.quantizer.before)


def out_of_sample(
    task: Task,
    specs: Sequence[Spec],
    folds: Folds,
    tick: Callable[[Spec], None],
    missed: Mapping[Spec, np.ndarray] | None = None,
) -> list[TopK]:
    """The best documents of every query by spec, each document encoded by a codec that was fitted without its fold.

    Specs that search the same codes share their fits, the pass and the ranking: `binary+int8@2` reads the first 20
    results of `binary+int8@10`. The ranking of a spec does not depend on its company.
    An indexed spec has the ranking of its flat search without what its built index misses, `missed[spec]` (m, c): were
    only ranked what the index brings, the codec that saw all documents would have chosen for the others.
    """
    embeddings, Q = task.embeddings, task.embeddings.query_matrix()
    depths: dict[str, int] = {}
    for spec in specs:
        name = str(spec.tiers[0])
        lost = missed[spec].shape[1] if missed is not None and spec in missed else 0
        depths[name] = max(depths.get(name, 0), task.candidates(spec) + lost)
    fitted: dict[str, list[FittedCodec]] = {}
    for fold, training in enumerate(folds.trainings):
        for spec in specs:
            for tier in spec.tiers:
                codecs = fitted.setdefault(str(tier), [])
                if len(codecs) == fold:
                    codec = fit_codec(tier, training)
                    assert isinstance(codec, FittedCodec)
                    codecs.append(codec)
            tick(spec)
        folds.let_go(fold)
    precedence = tie_order(embeddings.doc_ids)
    best = {name: TopK.empty(len(Q), depth, precedence) for name, depth in depths.items()}
    asked = _asked({name: fitted[name] for name in depths}, Q)
    for start, block in embeddings.blocks():
        of_block = folds.of[start : start + len(block)]
        for fold in range(folds.count):
            mine = np.flatnonzero(of_block == fold)
            if not len(mine):
                continue
            held_out = block[mine]
            reduced: dict[int, np.ndarray] = {}
            for name, top in best.items():
                Z, bias = asked[name][fold]
                codec = fitted[name][fold]
                # equal reducers of one training set are one tuple
                rows = reduced.get(id(codec.reducers))
                if rows is None:
                    rows = reduced[id(codec.reducers)] = codec.reduce(held_out)
                decoded = codec.decode(codec.quantizer.encode(rows))
                top.merge(score(Z, decoded, embeddings.similarity) + bias[:, None], start + mine)
    rankings = []
    for spec in specs:
        top = best[str(spec.tiers[0])]
        if missed is not None and spec in missed:
            top = _without(top, missed[spec])
        top = TopK(top.scores[:, : task.candidates(spec)], top.rows[:, : task.candidates(spec)])
        if spec.rescorer is not None:
            top = _rescored(embeddings, Q, top, fitted[str(spec.tiers[1])], folds.of, task.depth)
        rankings.append(top)
    return rankings


def out_of_queries(
    task: Task,
    specs: Sequence[Spec],
    folds: Folds,
    seed: int,
    tick: Callable[[Spec], None],
    missed: Mapping[Spec, np.ndarray] | None = None,
) -> list[TopK]:
    """`out_of_sample` for specs that learn from queries: each half of them through what the other half taught."""
    Q = task.embeddings.query_matrix()
    # equal queries stand in one half
    groups = np.unique(Q, axis=0, return_inverse=True)[1].reshape(-1)
    half = (np.random.default_rng([seed, 0x1EA7]).permutation(int(groups.max()) + 1) % 2)[groups]
    rankings = out_of_sample(task, specs, folds.learning_from(Q[half == 1]), tick, missed)
    others = out_of_sample(task, specs, folds.learning_from(Q[half == 0]), lambda spec: None, missed)
    for ranking, other in zip(rankings, others, strict=True):
        ranking.scores[half == 1], ranking.rows[half == 1] = other.scores[half == 1], other.rows[half == 1]
    return rankings


def _without(top: TopK, missed: np.ndarray) -> TopK:
    """The ranking without the rows of `missed` (m, c), the rest moved up."""
    gone = np.stack([np.isin(rows, lost) for rows, lost in zip(top.rows, missed, strict=True)])
    scores, rows = np.where(gone, -np.inf, top.scores).astype(np.float32), np.where(gone, -1, top.rows)
    order = np.argsort(gone, axis=1, kind="stable")
    return TopK(np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1))


def _asked(fitted: dict[str, list[FittedCodec]], Q: np.ndarray) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Queries as the codec of each fold asks them, (m, r) and biases (m,); once for equal reducers."""
    known: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    asked: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for name, codecs in fitted.items():
        for codec in codecs:
            # the arithmetic of published studies quantizes queries too, each codec in its way
            key = id(codec) if codec.spec.centred else id(codec.reducers)
            if key not in known:
                known[key] = codec.queries(Q)
            asked.setdefault(name, []).append(known[key])
    return asked


def _rescored(
    embeddings: Embeddings, Q: np.ndarray, found: TopK, by_fold: list[FittedCodec], fold_of: np.ndarray, depth: int
) -> TopK:
    """The candidates ordered anew by the second tier, each document through the codec that never saw it."""
    scores = np.full(found.rows.shape, -np.inf, np.float32)
    asked = [codec.queries(Q) for codec in by_fold]
    step = max(1, CANDIDATE_BYTES // (4 * embeddings.dimension * max(1, found.rows.shape[1])))
    for start in range(0, len(Q), step):
        rows = found.rows[start : start + step]
        for fold, (codec, (Z, bias)) in enumerate(zip(by_fold, asked, strict=True)):
            query, place = np.nonzero((rows >= 0) & (fold_of[rows] == fold))
            if not len(query):
                continue
            wanted, at = np.unique(rows[query, place], return_inverse=True)
            decoded = codec.decode(codec.encode(embeddings.rows(wanted)))
            pairs = pair_scores(Z[start + query], decoded[at][:, None], embeddings.similarity)[:, 0]
            scores[start + query, place] = pairs + bias[start + query]
    return TopK(*best_of(scores, found.rows, depth))
