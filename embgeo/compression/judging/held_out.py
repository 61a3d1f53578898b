"""Out-of-sample rankings: documents are ranked as by a codec that was fitted on other documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, repeat
from typing import Any

import numpy as np

from embgeo.compression.codecs.codec import Codec, Tier, encode_all, fit_codec
from embgeo.compression.codecs.part import Reducer
from embgeo.compression.codecs.spec import Spec
from embgeo.compression.judging.error_growth import NO_GROWTH, UNSCALED, ErrorGrowth
from embgeo.compression.judging.folds import Folds
from embgeo.compression.judging.shared_codes import SharedCodes
from embgeo.compression.judging.task import DEPTH, JudgingTask
from embgeo.compression.search.searcher import best_of, pair_scores
from embgeo.copies import find_copies
from embgeo.embeddings import Embeddings
from embgeo.progress import Progress, silent
from embgeo.retrieval.exact import score
from embgeo.retrieval.top_k import TopK, tie_order

RANKING = "ranking by codes"  # a stage of progress
MEASURED_FOLDS = 2  # error growth is measured on these folds: five give the same ratio within .01
MEASURED_QUERIES = 300
OVERFITTED = 3.0  # error ratio beyond which in-sample errors do not predict others (benchmarks/decisions.py)
GROUP_SPECS = 6
GROUP_BYTES = 256 * 2**20  # codecs of all folds and rankings that one pass over the corpus may hold
LONG_BYTES = 256 * 2**20  # of a corpus: above this size, up to six specs share one pass
CANDIDATE_BYTES = 64 * 2**20
KEEP_CODES_BYTES = 64 * 2**20  # codes of one spec that are kept between two passes instead of computed twice


def groups(specs: Sequence[Spec], embeddings: Embeddings, folds: int) -> Iterator[list[Spec]]:
    """Specs that share a pass over the corpus, a few at a time: those with equal reducers, whose fits, queries and
    reduced rows are then shared too, and above LONG_BYTES any six."""
    d, m = embeddings.dimension, len(embeddings.query_ids)
    each = folds * 4 * d * (d + m) + 12 * m * DEPTH
    most = max(1, min(GROUP_SPECS, GROUP_BYTES // each))
    long_to_read = 4 * len(embeddings) * d > LONG_BYTES
    firsts: dict[object, int] = {}
    for spec in specs:
        # equal reducers come together, and within them equal first tiers
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
    """All reducers of the first tier, including those that belong to its quantizer."""
    return (*spec.reducers, *spec.quantizer.before)


@dataclass(frozen=True)
class Built:
    """A codec as it would be shipped.

    Attributes
    ----------
    missed : (m, c) rows that its index misses, −1 elsewhere (`JudgingTask.missed`); None without an index.
    codes : (n, code_bytes) uint8 of the judged documents; None where they are computed block by block.
    """

    codec: Codec
    missed: np.ndarray | None = None
    codes: np.ndarray | None = None


@dataclass(frozen=True)
class Judged:
    """A ranking that evaluates a codec, and how it was made: `estimator` is what the row prints, JSON values.

    `as_shipped`: it is the ranking of the shipped codec itself, with scores as they are.
    """

    ranking: TopK
    estimator: dict[str, Any]
    as_shipped: bool = False


@dataclass(frozen=True)
class _Tier:
    """How documents are scored for one tier of a spec.

    Attributes
    ----------
    codecs : one for all documents, or one by fold.
    of : (n,) which of them encodes a document; None if there is only one.
    error : the growth of score errors on documents that the codec has not seen, applied to the scores.
    shared : the codes that several documents share, if errors are scaled.
    unseen : share of the documents near queries that the one codec was not fitted on, if it is evaluated on those.
    codes : (n, b) codes of all documents, if they were needed to find those and are small.
    """

    codecs: Sequence[Tier]
    of: np.ndarray | None
    error: ErrorGrowth
    shared: SharedCodes | None = None
    codes: np.ndarray | None = None
    unseen: float | None = None

    @property
    def is_shipped(self) -> bool:
        """Whether documents are scored as the one codec does it, which encodes them for that."""
        return self.of is None and self.shared is None and self.codes is None

    def parts(self, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Each codec's number with the places in `rows` (k,) of the documents that it encodes."""
        if self.of is None:
            yield 0, np.arange(len(rows))
            return
        of_rows = self.of[rows]
        for number in range(len(self.codecs)):
            if len(mine := np.flatnonzero(of_rows == number)):
                yield number, mine


def out_of_sample(
    task: JudgingTask,
    specs: Sequence[Spec],
    folds: Folds,
    built: Mapping[Spec, Built],
    tick: Callable[[Spec], None],
    progress: Progress = silent,
) -> list[Judged]:
    """The best documents of every query by spec, as found by a codec fitted on other documents.

    The shipped codec, that of `built[spec]`, ranks all documents. If its scores are more accurate on the documents it
    was fitted on than on others (`ErrorGrowth`, measured on held-out folds), each score is moved away from the exact
    one by that ratio. Errors that near neighbours share then cancel, as they do in a store; they would not if the
    scores of several codecs were merged. Beyond a ratio of OVERFITTED, in-sample errors say nothing about unseen
    documents: each document is then encoded by a codec fitted without its fold, and all folds are ranked together.

    In a corpus much larger than the fit sample nearly all documents are unseen already: the shipped codec ranks them as
    it is, unless errors on the few seen ones are so much smaller that this would matter.

    Specs that search the same codes share their fits, the pass and the ranking: `binary+int8@2` reads the first 20
    results of `binary+int8@10`. The ranking of a spec does not depend on the other specs.
    An indexed spec gets the ranking of its flat search minus what its built index misses: ranking only the index's
    candidates would leak the in-sample choice.
    """
    tiers: dict[str, _Tier] = {}
    for spec in specs:
        codes = built[spec].codes
        held = built[spec].codec.by_tier(codes) if codes is not None else repeat(None)
        for tier, codec, mine in zip(spec.tiers, built[spec].codec.tiers, held, strict=False):
            if str(tier) not in tiers:
                tiers[str(tier)] = _judging_tier(task, tier, codec, folds, mine)
        tick(spec)
    judged = []
    for spec, top in zip(specs, _rankings(task, specs, built, tiers, progress), strict=True):
        used = [tiers[str(tier)] for tier in spec.tiers]
        as_shipped = spec.index is None and all(tier.of is None and tier.shared is None for tier in used)
        judged.append(Judged(top, _estimator(used), as_shipped))
    return judged


def as_built(task: JudgingTask, spec: Spec, codec: Codec) -> TopK:
    """The best documents of every query as the flat store of this codec finds them; memory stays at one block."""
    tiers = {str(tier): _Tier([one], None, UNSCALED) for tier, one in zip(spec.tiers, codec.tiers, strict=False)}
    return _rankings(task, [spec], {spec: Built(codec)}, tiers)[0]


def _rankings(
    task: JudgingTask,
    specs: Sequence[Spec],
    built: Mapping[Spec, Built],
    tiers: Mapping[str, _Tier],
    progress: Progress = silent,
) -> list[TopK]:
    """The best documents of every query by spec, with documents scored as `tiers` say; one pass over the corpus."""
    Q = task.embeddings.query_matrix()
    depths: dict[str, int] = {}
    for spec in specs:
        name = str(spec.tiers[0])
        missed = built[spec].missed
        lost = 0 if missed is None else missed.shape[1]
        depths[name] = max(depths.get(name, 0), task.candidates(spec) + lost)
    best = _ranked(task, Q, {name: (tiers[name], depth) for name, depth in depths.items()}, progress)
    found = []
    for spec in specs:
        top = best[str(spec.tiers[0])]
        if (missed := built[spec].missed) is not None:
            top = _without(top, missed)
        top = TopK(top.scores[:, : task.candidates(spec)], top.rows[:, : task.candidates(spec)])
        if spec.rescorer is not None:
            scores = _candidate_scores(task.embeddings, Q, top.rows, tiers[str(spec.tiers[1])])
            top = TopK(*best_of(scores, top.rows, task.depth))
        found.append(top)
    return found


def _judging_tier(task: JudgingTask, spec: Spec, codec: Tier, folds: Folds, codes: np.ndarray | None) -> _Tier:
    """The shipped codec with the growth of its errors, or one codec per fold if it overfits."""
    if folds.direct:
        growth, unseen = _growth_outside_fit(task, codec, codes, folds)
        if (1 - unseen) * (growth.ratio - 1) <= NO_GROWTH - 1:
            return _Tier([codec], None, growth, codes=codes, unseen=unseen)
    if spec.own_metric:  # its scores are not meant to be near the exact ones, so that errors say nothing
        return _Tier([folds.fit(spec, fold) for fold in range(folds.count)], folds.of, UNSCALED)
    held_out = [folds.fit(spec, fold) for fold in range(min(MEASURED_FOLDS, folds.count))]
    growth = _error_growth(task, codec, codes, held_out, folds.of)
    if growth.ratio <= OVERFITTED:
        if growth.applied == 1:
            return _Tier([codec], None, growth, codes=codes)
        codes = encode_all(codec, task.embeddings) if codes is None else codes
        shared = SharedCodes.among(codes, task.embeddings)
        return _Tier([codec], None, growth, shared, codes if codes.nbytes <= KEEP_CODES_BYTES else None)
    others = [folds.fit(spec, fold) for fold in range(len(held_out), folds.count)]
    return _Tier([*held_out, *others], folds.of, replace(growth, applied=1.0))


def _error_growth(
    task: JudgingTask, codec: Tier, codes: np.ndarray | None, held_out: Sequence[Tier], of: np.ndarray
) -> ErrorGrowth:
    """Score errors on the nearest documents of queries: of codecs that never saw them, and of the shipped one."""
    Q, rows, exact = _measured_pairs(task)
    group = np.where((rows >= 0) & (of[rows] < len(held_out)), of[rows], -1)
    rows = np.where(group >= 0, rows, -1)
    outside = _candidate_scores(task.embeddings, Q, rows, _Tier(held_out, of, UNSCALED))
    inside = _candidate_scores(task.embeddings, Q, rows, _Tier([codec], None, UNSCALED, codes=codes))
    return ErrorGrowth.between(inside, outside, exact, group)


def _growth_outside_fit(
    task: JudgingTask, codec: Tier, codes: np.ndarray | None, folds: Folds
) -> tuple[ErrorGrowth, float]:
    """Errors of the shipped codec on unseen documents over those on seen ones, and the share of unseen ones, among the
    nearest documents of queries."""
    Q, rows, exact = _measured_pairs(task)
    held = np.unique(rows[rows >= 0])
    seen = np.isin(rows, held[folds.seen(held)])
    scores = _candidate_scores(task.embeddings, Q, rows, _Tier([codec], None, UNSCALED, codes=codes))
    unseen = 1 - float(seen[rows >= 0].mean()) if len(held) else 1.0
    return ErrorGrowth.outside_fit(scores, exact, seen, rows >= 0), unseen


def _measured_pairs(task: JudgingTask) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Queries (k, d) on which errors are measured, with the rows and exact scores of their nearest documents."""
    sampled = np.linspace(0, len(task.exact_rows) - 1, min(MEASURED_QUERIES, len(task.exact_rows))).astype(np.int64)
    return task.embeddings.query_matrix()[sampled], task.exact_rows[sampled], task.exact_scores[sampled]


def _estimator(tiers: Sequence[_Tier]) -> dict[str, Any]:
    """How the row was evaluated: the estimator, the ratio it is based on, and a sentence."""
    worst = max(tiers, key=lambda tier: tier.error.ratio).error
    ratio = worst.ratio if np.isfinite(worst.ratio) else None
    if any(tier.of is not None for tier in tiers):
        why = (
            "it compares by a metric of its own, in which each fold maps queries too"
            if any(tier.codecs[0].spec.own_metric for tier in tiers)
            else "too few documents to compare errors in and out of sample"
            if ratio is None
            else f"score errors are {ratio:.1f} times as large on unseen documents: the codec overfits"
        )
        return {
            "name": "document folds",
            "error_ratio": ratio,
            "reason": f"{why}, so each document is encoded by a codec fitted without its fold",
        }
    if all(tier.unseen is not None for tier in tiers):
        share = min(tier.unseen for tier in tiers if tier.unseen is not None)
        return {
            "name": "shipped codec, unseen documents",
            "error_ratio": ratio,
            "reason": (
                f"{100 * share:.0f} % of the documents near queries are not in the fit sample (nor copies of one that "
                f"is), and errors on them are {worst.ratio:.2f} times as large as on the rest"
            ),
        }
    if worst.applied == 1:
        return {
            "name": "one codec",
            "error_ratio": ratio,
            "reason": "score errors are no larger on unseen documents than on those the codec was fitted on",
        }
    return {
        "name": "one codec, errors scaled",
        "error_ratio": ratio,
        "reason": f"score errors are {worst.ratio:.2f} times as large on unseen documents, so each is scaled by that",
    }


def out_of_queries(
    task: JudgingTask,
    specs: Sequence[Spec],
    folds: Folds,
    seed: int,
    tick: Callable[[Spec], None],
    built: Mapping[Spec, Built],
) -> list[Judged]:
    """`out_of_sample` for specs that learn from queries: each half is evaluated by codecs fitted on the other half."""
    Q = task.embeddings.query_matrix()
    # a query and its copies are in one half
    groups = find_copies(Embeddings(Q, None, (), (), "dot")).group
    half = (np.random.default_rng([seed, 0x1EA7]).permutation(int(groups.max()) + 1) % 2)[groups]

    def learned_from(queries: np.ndarray, tick: Callable[[Spec], None]) -> list[Judged]:
        trained = folds.learning_from(queries)
        fits = {spec: Built(fit_codec(spec, trained.shipped), built[spec].missed) for spec in specs}
        return out_of_sample(task, specs, trained, fits, tick)

    judged = learned_from(Q[half == 1], tick)
    for one, other in zip(judged, learned_from(Q[half == 0], lambda spec: None), strict=True):
        one.ranking.scores[half == 1] = other.ranking.scores[half == 1]
        one.ranking.rows[half == 1] = other.ranking.rows[half == 1]
    return [replace(one, as_shipped=False) for one in judged]


def rank_blocks(
    embeddings: Embeddings,
    Q: np.ndarray,
    tiers: Mapping[str, tuple[Tier, int]],
    precedence: np.ndarray,
    progress: Progress = silent,
) -> dict[str, TopK]:
    """The best documents of every query by each codec, to a depth, by name; documents are encoded block by block.

    `precedence` is that of `tie_order`.
    """
    wanted = {name: (_Tier([codec], None, UNSCALED), depth) for name, (codec, depth) in tiers.items()}
    return _rank_here(embeddings, Q, wanted, precedence, progress)


def _ranked(
    task: JudgingTask, Q: np.ndarray, wanted: Mapping[str, tuple[_Tier, int]], progress: Progress = silent
) -> dict[str, TopK]:
    """The best documents of every query by tier, to the depth wanted; one pass over the corpus."""
    best: dict[str, TopK] = {}
    if task.reader is not None:
        shipped = {name: (tier.codecs[0], depth) for name, (tier, depth) in wanted.items() if tier.is_shipped}
        best = task.reader.rank(task.embeddings, Q, shipped, progress) if shipped else {}
    if rest := {name: what for name, what in wanted.items() if name not in best}:
        best |= _rank_here(task.embeddings, Q, rest, tie_order(task.embeddings.doc_ids), progress)
    return best


def _rank_here(
    embeddings: Embeddings,
    Q: np.ndarray,
    wanted: Mapping[str, tuple[_Tier, int]],
    precedence: np.ndarray,
    progress: Progress,
) -> dict[str, TopK]:
    best = {name: TopK.empty(len(Q), depth, precedence) for name, (_, depth) in wanted.items()}
    mapped = _mapped({name: tier.codecs for name, (tier, _) in wanted.items()}, Q)
    for start, block in embeddings.blocks():
        rows = np.arange(start, start + len(block))
        exact: np.ndarray | None = None
        reduced: dict[tuple[int, int], np.ndarray] = {}
        for name, top in best.items():
            tier = wanted[name][0]
            for number, mine in tier.parts(rows):
                codec = tier.codecs[number]
                Z, bias = mapped[name][number]
                # equal reducers of one training set are the same tuple
                key = (id(codec.reducers), -1 if tier.of is None else number)
                if tier.codes is None and key not in reduced:
                    reduced[key] = codec.reduce(block[mine])
                codes = codec.quantizer.encode(reduced[key]) if tier.codes is None else tier.codes[rows[mine]]
                scores = score(Z, codec.decode(codes), embeddings.similarity) + bias[:, None]
                if tier.shared is not None:
                    exact = score(Q, block, embeddings.similarity) if exact is None else exact
                    scores = tier.error.scale(scores, tier.shared.level_scores(exact, Q, rows, embeddings.similarity))
                top.merge(scores, rows[mine])
        progress(RANKING, start + len(block), len(embeddings))
    return best


def _candidate_scores(embeddings: Embeddings, Q: np.ndarray, rows: np.ndarray, tier: _Tier) -> np.ndarray:
    """(m, c) float32 scores of the candidates `rows` (m, c) of each query, −inf where a row is −1."""
    scores = np.full(rows.shape, -np.inf, np.float32)
    mapped = [codec.queries(Q) for codec in tier.codecs]
    step = max(1, CANDIDATE_BYTES // (4 * embeddings.dimension * max(1, rows.shape[1])))
    for start in range(0, len(Q), step):
        query, place = np.nonzero(rows[start : start + step] >= 0)
        wanted, at = np.unique(rows[start + query, place], return_inverse=True)
        X = embeddings.rows(wanted)
        for number, mine in tier.parts(wanted):
            codec, (Z, bias) = tier.codecs[number], mapped[number]
            place_of = np.full(len(wanted), -1)
            place_of[mine] = np.arange(len(mine))
            here = np.flatnonzero(place_of[at] >= 0)
            of_query = start + query[here]
            codes = codec.encode(X[mine]) if tier.codes is None else tier.codes[wanted[mine]]
            pairs = pair_scores(Z, of_query, codec.decode(codes), place_of[at[here]], embeddings.similarity)
            pairs += bias[of_query]
            if tier.shared is not None:
                level, offset = tier.shared.level(X, wanted, embeddings.similarity)
                exact = pair_scores(Q, of_query, level, at[here], embeddings.similarity) + offset[at[here]]
                pairs = tier.error.scale(pairs, exact)
            scores[of_query, place[here]] = pairs
    return scores


def _without(top: TopK, missed: np.ndarray) -> TopK:
    """The ranking without the rows of `missed` (m, c), the rest moved up."""
    gone = np.stack([np.isin(rows, lost) for rows, lost in zip(top.rows, missed, strict=True)])
    scores, rows = np.where(gone, -np.inf, top.scores).astype(np.float32), np.where(gone, -1, top.rows)
    order = np.argsort(gone, axis=1, kind="stable")
    return TopK(np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1))


def _mapped(fitted: Mapping[str, Sequence[Tier]], Q: np.ndarray) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Queries mapped by the codec of each fold, (m, r), and biases (m,); reduced once for equal reducers."""
    known: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    mapped: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for name, codecs in fitted.items():
        for codec in codecs:
            key = id(codec.reducers)
            if codec.spec.centred:
                # the arithmetic of published studies quantizes queries too
                mapped.setdefault(name, []).append(codec.queries(Q))
                continue
            if key not in known:
                known[key] = codec.reduced_queries(Q)
            Z, bias = known[key]
            # queries may be rounded, differently for each quantizer
            mapped.setdefault(name, []).append((codec.quantizer.query_side(Z), bias))
    return mapped
