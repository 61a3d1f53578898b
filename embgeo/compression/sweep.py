"""The loop: every spec fitted, judged out of sample, built for real, and timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from embgeo.compression.codec import Codec, FittedCodec, TieredCodec, fit_codec
from embgeo.compression.folds import document_folds, fit_sample
from embgeo.compression.index import MatrixSearcher, Searcher, best_of, build_searcher, pair_scores
from embgeo.compression.spec import Spec
from embgeo.compression.store import predicted_file_bytes
from embgeo.compression.timing import Timing, time_searchers
from embgeo.compression.training import Training
from embgeo.embeddings import Embeddings
from embgeo.progress import Progress, silent
from embgeo.retrieval.evaluate import Evaluator, neighbour_recall, tie_band
from embgeo.retrieval.exact import exact_search, own_rows, score, without_own
from embgeo.retrieval.top_k import TopK

DEPTH = 32  # results kept a query: 10 are judged, the rest shows ties at the cut
KEEP_SEARCHERS_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Outcome:
    """What was measured of one spec; per-query arrays are (m,) over the queries that count.

    Attributes
    ----------
    quality : nDCG@10 out of sample, or recall against exact neighbours where there are no judgements.
    in_sample : the same from the built store, fitted on everything it holds.
    recall : share of the exact top 10 found, out of sample.
    codec : fitted on all (sampled) documents: what would be shipped.
    file_bytes : predicted size of the store's file.
    band : (worst, best) mean quality under other tie orders, or None without ties.
    """

    spec: Spec
    quality: np.ndarray
    in_sample: np.ndarray
    recall: np.ndarray
    codec: Codec
    file_bytes: int
    band: tuple[float, float] | None
    searcher: str
    ram_bytes: int
    timing: Timing
    fit_seconds: float
    encode_seconds: float


@dataclass(frozen=True)
class Sweep:
    """All outcomes of one sweep; `baseline` is float32."""

    measure: str
    baseline: Outcome
    outcomes: list[Outcome]
    query_ids: list[str]
    folds: int
    fit_rows: int
    interleaved: bool


@dataclass(frozen=True)
class Task:
    """What a ranking is judged by: the evaluator (or None), the exact neighbours, and self matches to remove."""

    embeddings: Embeddings
    evaluator: Evaluator | None
    exact_rows: np.ndarray
    own: np.ndarray | None

    @property
    def depth(self) -> int:
        return DEPTH + (self.own is not None)

    def candidates(self, spec: Spec) -> int:
        """How many documents the first search must return: those judged, or factor · 10 to be rescored."""
        return self.depth if spec.rescorer is None else 10 * spec.factor + (self.own is not None)

    def settle(self, best: TopK) -> tuple[np.ndarray, np.ndarray]:
        """Scores and rows with each query's own document removed."""
        if self.own is None:
            return best.scores, best.rows
        return without_own(best.scores, best.rows, self.own, DEPTH)

    def quality(self, scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if self.evaluator is None:
            return neighbour_recall(rows, self.exact_rows)
        return self.evaluator(scores, rows)["ndcg@10"]

    def band(self, scores: np.ndarray, rows: np.ndarray) -> tuple[float, float] | None:
        return tie_band(self.evaluator, scores, rows) if self.evaluator is not None else None

    def recall(self, rows: np.ndarray) -> np.ndarray:
        recall = neighbour_recall(rows, self.exact_rows)
        return recall if self.evaluator is None else recall[self.evaluator.query_rows]


def sweep(
    embeddings: Embeddings,
    evaluator: Evaluator | None,
    specs: Sequence[Spec],
    *,
    drop_own: bool = False,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = silent,
) -> Sweep:
    """Run every spec on `embeddings` (with queries), float32 first.

    Out of sample: documents form five folds, identical vectors together; each fold is encoded by a codec that was
    fitted on the other four, all folds are ranked together. In sample: the store as it would be shipped.
    Memory: one block of rows, the fit sample, and the codes of one spec (of all, while they stay under 512 MiB).
    """
    _, exact_rows = exact_search(embeddings, DEPTH, drop_own_document=drop_own, progress=progress)
    task = Task(embeddings, evaluator, exact_rows, own_rows(embeddings) if drop_own else None)
    baseline = next((spec for spec in specs if str(spec) == "f32"), None)
    ordered = [*([baseline] if baseline else []), *(spec for spec in specs if spec is not baseline)]
    if baseline is None:
        from embgeo.compression.spec import parse

        ordered.insert(0, parse("f32"))
    for spec in ordered:
        spec.code_bytes(embeddings.dimension)

    sample = fit_sample(embeddings, seed)
    rows = embeddings.rows(sample)
    fold_of = document_folds(embeddings, seed)
    folds = int(fold_of.max()) + 1
    done, total = 0, len(ordered) * (folds + 1)

    def tick(spec: Spec) -> None:
        nonlocal done
        done += 1
        progress(f"trade-offs: {spec}", done, total)

    best = _out_of_sample(task, ordered, rows, fold_of[sample], fold_of, seed, tick)
    shipped = Training(rows, embeddings.similarity, seed)
    ids = sum(len(doc_id.encode("utf-8", "surrogatepass")) for doc_id in embeddings.doc_ids)
    per_vector = sum(spec.code_bytes(embeddings.dimension) for spec in ordered)
    interleaved = per_vector * len(embeddings) <= KEEP_SEARCHERS_BYTES
    built: list[_Built] = []
    searchers: list[Searcher] = []
    timings: list[Timing] = []
    for spec in ordered:
        item, searcher = _build(task, spec, shipped, device)
        built.append(item)
        if interleaved:
            searchers.append(searcher)
        else:
            timings += time_searchers([searcher], embeddings.query_matrix())
        tick(spec)
    if interleaved:
        timings = time_searchers(searchers, embeddings.query_matrix(), progress)
    outcomes = [
        Outcome(
            spec=item.codec.spec,
            quality=task.quality(*found),
            in_sample=item.in_sample,
            recall=task.recall(found[1]),
            codec=item.codec,
            file_bytes=predicted_file_bytes(item.codec, len(embeddings), ids),
            band=task.band(*found),
            searcher=item.searcher,
            ram_bytes=item.ram_bytes,
            timing=timing,
            fit_seconds=item.fit_seconds,
            encode_seconds=item.encode_seconds,
        )
        for item, timing, found in zip(built, timings, map(task.settle, best), strict=True)
    ]
    query_ids = list(evaluator.query_ids if evaluator else embeddings.query_ids)
    measure = "ndcg@10" if evaluator else "recall@10_exact"
    return Sweep(measure, outcomes[0], outcomes[1:], query_ids, folds, len(sample), interleaved)


def _out_of_sample(
    task: Task,
    specs: Sequence[Spec],
    rows: np.ndarray,
    fold_of_row: np.ndarray,
    fold_of: np.ndarray,
    seed: int,
    tick: Callable[[Spec], None],
) -> list[TopK]:
    """The best documents of every query by spec, each document encoded by a codec that never saw it."""
    embeddings = task.embeddings
    Q = embeddings.query_matrix()
    best = [TopK.empty(len(Q), task.candidates(spec)) for spec in specs]
    folds = int(fold_of.max()) + 1
    rescorers: dict[int, list[FittedCodec]] = {}
    for fold in range(folds):
        # a corpus of one distinct document has nothing else to be fitted on
        others = rows[fold_of_row != fold] if folds > 1 else rows
        training = Training(others, embeddings.similarity, seed)
        codecs = []
        for place, spec in enumerate(specs):
            codec = fit_codec(spec, training)
            if isinstance(codec, TieredCodec):
                rescorers.setdefault(place, []).append(codec.rescore)
                codec = codec.search
            codecs.append((codec, *codec.queries(Q)))
            tick(spec)
        for start, block in embeddings.blocks():
            mine = np.flatnonzero(fold_of[start : start + len(block)] == fold)
            if not len(mine):
                continue
            held_out = block[mine]
            for top, (codec, Z, bias) in zip(best, codecs, strict=True):
                decoded = codec.decode(codec.encode(held_out))
                top.merge(score(Z, decoded, embeddings.similarity) + bias[:, None], start + mine)
    for place, by_fold in rescorers.items():
        best[place] = _rescored(embeddings, Q, best[place], by_fold, fold_of, task.depth)
    return best


def _rescored(
    embeddings: Embeddings, Q: np.ndarray, found: TopK, by_fold: list[FittedCodec], fold_of: np.ndarray, depth: int
) -> TopK:
    """The candidates ordered anew by the second tier, each document through the codec that never saw it."""
    scores = np.full(found.rows.shape, -np.inf, np.float32)
    for fold, codec in enumerate(by_fold):
        Z, bias = codec.queries(Q)
        for query, rows in enumerate(found.rows):
            mine = np.flatnonzero((rows >= 0) & (fold_of[rows] == fold))
            if len(mine):
                decoded = codec.decode(codec.encode(embeddings.rows(rows[mine])))
                pairs = pair_scores(Z[query : query + 1], decoded[None], embeddings.similarity)
                scores[query, mine] = pairs[0] + bias[query]
    return TopK(*best_of(scores, found.rows, depth))


@dataclass(frozen=True)
class _Built:
    codec: Codec
    in_sample: np.ndarray
    searcher: str
    ram_bytes: int
    fit_seconds: float
    encode_seconds: float


def _build(task: Task, spec: Spec, training: Training, device: str) -> tuple[_Built, Searcher]:
    """Fit on everything, encode everything, search the real index."""
    embeddings = task.embeddings
    started = time.perf_counter()
    codec = fit_codec(spec, training)
    fitted = time.perf_counter()
    codes = None if lies_searchable(codec, embeddings) else encode_all(codec, embeddings)
    encoded = time.perf_counter()
    searcher = MatrixSearcher(embeddings) if codes is None else build_searcher(codec, codes, device)
    # a tier that rescores gets factor · 10 candidates, as it would for ten results
    results = task.depth if spec.rescorer is None else 10 + (task.own is not None)
    scores, rows = searcher.search(embeddings.query_matrix(), min(results, len(embeddings)))
    quality = task.quality(*task.settle(TopK(scores, rows)))
    built = _Built(
        codec, quality, searcher.name, searcher.ram_bytes, fitted - started, encoded - fitted
    )  # fmt: skip
    return built, searcher


def lies_searchable(codec: Codec, embeddings: Embeddings) -> bool:
    """Whether float32 codes would be a copy of a whole large corpus: it is then searched where it lies."""
    return str(codec.spec) == "f32" and codec.code_bytes * len(embeddings) > KEEP_SEARCHERS_BYTES


def built_searcher(codec: Codec, embeddings: Embeddings, device: str) -> Searcher:
    """A searcher over the codes of the whole corpus."""
    if lies_searchable(codec, embeddings):
        return MatrixSearcher(embeddings)
    return build_searcher(codec, encode_all(codec, embeddings), device)


def encode_all(codec: Codec, embeddings: Embeddings) -> np.ndarray:
    """(n, code_bytes) uint8 codes of the corpus, block by block."""
    codes = np.empty((len(embeddings), codec.code_bytes), np.uint8)
    for start, block in embeddings.blocks():
        codes[start : start + len(block)] = codec.encode(block)
    return codes
