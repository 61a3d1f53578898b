"""The sweep: every spec is fitted, evaluated out of sample, built, and timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np

from embgeo.compression.codecs.codec import Codec, encode_all, fit_codec
from embgeo.compression.codecs.part import Structure
from embgeo.compression.codecs.spec import Spec, parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.judging.checkpoint import Checkpoints
from embgeo.compression.judging.effort import index_facts
from embgeo.compression.judging.finding import Finding, Outcome
from embgeo.compression.judging.folds import Folds
from embgeo.compression.judging.held_out import Built, Judged, as_built, groups, out_of_queries, out_of_sample
from embgeo.compression.judging.task import CONTENDERS, JudgingTask, SweepInput
from embgeo.compression.judging.timing import Timing, time_searchers
from embgeo.compression.search.build import build_searcher, build_structure
from embgeo.compression.search.flat import MatrixSearcher
from embgeo.compression.search.searcher import Searcher
from embgeo.compression.search.store import predicted_file_bytes
from embgeo.embeddings import Embeddings
from embgeo.files.ids import as_ids
from embgeo.progress import NOTE, Progress, silent
from embgeo.results.shared import NDCG, RECALL
from embgeo.retrieval.exact import exact_search, own_rows
from embgeo.retrieval.top_k import TopK

KEEP_SEARCHERS_BYTES = 512 * 2**20
KEEP_CODES_BYTES = 512 * 2**20
TIMING_SHARE = 0.1  # of the time of a sweep so far, after which no further rounds are timed
TIMING_LEAST = 1.0  # seconds
TIMED_BYTES = 128 * 2**20  # of codes, more than caches hold: a flat store of more is timed on its first documents
STEPS = 2  # of progress per spec: evaluated out of sample, built
IN_SAMPLE = {
    "name": "in sample",
    "error_ratio": None,
    "reason": "raw codes from different ranges and axes are not comparable: one codec, fitted on all, as published",
}


@dataclass(frozen=True)
class Sweep:
    """All outcomes of one sweep, in the requested order; `baseline` is float32.

    Attributes
    ----------
    judged : rows are compared by nDCG@10; without judgements by recall of the exact neighbours.
    query_groups : (m,) int; queries with the same number share relevant documents.
    shipped : the codec of a spec, fitted on all (sampled) documents, and its links or lists: what would be shipped. A
        sweep does not keep one for every spec: the others are refitted, bit-identical.
    exact : scores and rows (m, ≤ CONTENDERS) of the exact neighbours, self matches removed.
    resumed : specs whose findings an earlier sweep had left in the cache.
    unjudged : specs for which the time did not suffice.
    codes : by spec, (n, code_bytes) codes that were kept, since they are small.
    timing_seconds : spent on measuring speeds.
    full_timing : however long that took.
    """

    documents: int
    judged: bool
    baseline: Outcome
    outcomes: list[Outcome]
    query_ids: list[str]
    query_groups: np.ndarray
    folds: int
    fit_rows: int
    interleaved: bool
    shipped: Callable[[Spec], tuple[Codec, Structure | None]] = field(repr=False, compare=False)
    exact: tuple[np.ndarray, np.ndarray] = field(repr=False, compare=False)
    resumed: list[str] = field(default_factory=list)
    unjudged: list[Spec] = field(default_factory=list)
    codes: Mapping[Spec, np.ndarray] = field(default_factory=dict, repr=False, compare=False)
    timing_seconds: float = 0.0
    full_timing: bool = False

    @property
    def measure(self) -> str:
        """The measure that rows are compared by."""
        return NDCG if self.judged else RECALL

    @property
    def all(self) -> list[Outcome]:
        """Every outcome, float32 first."""
        return [self.baseline, *self.outcomes]


@dataclass(frozen=True)
class Setting:
    """What a sweep that is one of several takes from the others.

    Attributes
    ----------
    exact : scores and rows (m, ≤ CONTENDERS) of the exact neighbours, self matches removed; None: to be found.
    folds : the training sets, for these documents; None: to be drawn.
    is_sample : the documents are a sample, on which specs are ranked but nothing is built or timed.
    label : of the progress.
    deadline : of `time.monotonic`; specs that have not begun by then are not judged, but float32 and another are.
    early : specs that are judged before the others.
    """

    exact: tuple[np.ndarray, np.ndarray] | None = None
    folds: Folds | None = None
    is_sample: bool = False
    label: str = "trade-offs"
    deadline: float = np.inf
    early: Sequence[Spec] = ()


def sweep(
    given: SweepInput,
    specs: Sequence[Spec],
    *,
    progress: Progress = silent,
    checkpoints: Checkpoints | None = None,
    summarise: Callable[[Iterable[Finding]], str] | None = None,
    setting: Setting | None = None,
) -> Sweep:
    """Run every spec, float32 first.

    Out of sample: the shipped codec, with errors scaled to those on unseen documents, or one codec per fold if it
    overfits (`held_out.out_of_sample`). In sample: the store as it would be shipped.
    Specs are finished in small groups and saved in `checkpoints` one by one; specs found there are not run again.
    `summarise` gives a progress note, one line, of what was found so far.
    Memory: one block of rows, the fit sample, the codecs of one group, and searchers of all specs while they stay
    under 512 MiB; it does not grow with the number of specs.
    """
    embeddings, evaluator, setting = given.embeddings, given.evaluator, setting or Setting()
    ordered, exact = _ordered(specs, embeddings, setting), setting.exact or nearest(given, progress)
    work = _Work(
        task=JudgingTask(embeddings, evaluator, *exact, own_rows(embeddings) if given.drop_own else None, given.reader),
        folds=setting.folds or Folds(embeddings, given.seed, given.fit_rows),
        seed=given.seed,
        device=given.device,
        setting=setting,
        interleaved=setting.is_sample or _searchers_bytes(ordered, embeddings) <= KEEP_SEARCHERS_BYTES,
        checkpoints=checkpoints,
        progress=progress,
        summarise=summarise,
        total=len(ordered),
        full_timing=given.full_timing,
    )
    for spec in ordered:
        work.resume(spec)
    resumed = [str(spec) for spec in work.findings]
    work.judge_all([spec for spec in ordered if spec not in work.findings])
    unjudged = [spec for spec in ordered if spec not in work.findings]
    ordered = [spec for spec in ordered if spec in work.findings]
    timings = work.time(ordered)
    outcomes = [Outcome(**vars(work.findings[spec]), timing=timings.get(spec)) for spec in ordered]
    return Sweep(
        documents=len(embeddings),
        judged=evaluator is not None,
        baseline=outcomes[0],
        outcomes=outcomes[1:],
        **_queries(given),
        folds=0 if work.folds.direct else work.folds.count,
        fit_rows=work.folds.fit_rows,
        interleaved=work.interleaved,
        shipped=work.shipped,
        exact=exact,
        resumed=resumed,
        unjudged=unjudged,
        codes=work.codes,
        timing_seconds=work.timing_seconds,
        full_timing=given.full_timing,
    )


def _queries(given: SweepInput) -> dict[str, Any]:
    """The judged queries and their groups, as fields of a sweep."""
    names, evaluator = given.embeddings.query_ids, given.evaluator
    if evaluator is None:
        return {"query_ids": list(names), "query_groups": np.arange(len(names))}
    return {"query_ids": list(evaluator.query_ids), "query_groups": evaluator.query_groups}


def _ordered(specs: Sequence[Spec], embeddings: Embeddings, setting: Setting) -> list[Spec]:
    """The specs with float32 first; raises the errors of those that cannot work on these vectors."""
    ordered = [*(spec for spec in specs if str(spec) == "f32"), *(spec for spec in specs if str(spec) != "f32")]
    if not ordered or str(ordered[0]) != "f32":
        ordered.insert(0, parse("f32"))
    for spec in ordered:
        spec.code_bytes(embeddings.dimension)
        if not setting.is_sample:  # builds no lists
            spec.check_documents(len(embeddings))
    return ordered


def nearest(given: SweepInput, progress: Progress = silent) -> tuple[np.ndarray, np.ndarray]:
    """Scores and rows (m, ≤ CONTENDERS) of the exact neighbours of every query; one pass over the corpus."""
    depth = min(CONTENDERS, len(given.embeddings))
    scan = None if given.reader is None else given.reader.scan
    return exact_search(given.embeddings, depth, drop_own_document=given.drop_own, progress=progress, scan=scan)


@dataclass(frozen=True)
class _Shipped:
    """A codec as it would be shipped; `searcher` holds the first `documents` alone where the codes of all are large."""

    codec: Codec
    structure: Structure | None
    searcher: Searcher | None
    flat: Searcher | None
    index: dict[str, Any] | None
    fit_seconds: float
    encode_seconds: float
    documents: int = 0


@dataclass
class _Work:
    """A sweep in progress: what all groups share, and what is finished."""

    task: JudgingTask
    folds: Folds
    seed: int
    device: str
    setting: Setting
    interleaved: bool
    checkpoints: Checkpoints | None
    progress: Progress
    summarise: Callable[[Iterable[Finding]], str] | None
    total: int
    done: int = 0
    note: str = ""
    findings: dict[Spec, Finding] = field(default_factory=dict)
    timings: dict[Spec, Timing] = field(default_factory=dict)
    searchers: dict[Spec, Searcher] = field(default_factory=dict)
    codecs: dict[Spec, Codec] = field(default_factory=dict)
    structures: dict[Spec, Structure] = field(default_factory=dict)
    codes: dict[Spec, np.ndarray] = field(default_factory=dict)
    encode_seconds: dict[Spec, float] = field(default_factory=dict)
    timing_seconds: float = 0.0
    full_timing: bool = False
    started: float = field(default_factory=time.monotonic)

    def resume(self, spec: Spec) -> None:
        """Reuse what an earlier sweep saved; a spec timed separately needs its timing too."""
        kept = self.checkpoints.read(spec) if self.checkpoints else None
        if kept is None or (kept.timing is None and not self.interleaved):
            return
        if kept.timing is not None and not self.interleaved:
            self.timings[spec] = kept.timing
        self._finish(spec, kept.finding)
        self._tick(spec, STEPS)

    def judge_all(self, specs: Sequence[Spec]) -> None:
        """Finish these specs, those of `setting.early` first, until the deadline."""
        early = (
            [spec for spec in specs if spec in self.setting.early or str(spec) == "f32"] if self.setting.early else []
        )
        rest = [spec for spec in specs if spec not in early]
        for group in chain(*(groups(some, self.task.embeddings, self.folds.codecs) for some in (early, rest))):
            if len(self.findings) > 1 and time.monotonic() > self.setting.deadline:
                return
            self.judge(group)

    def judge(self, group: Sequence[Spec]) -> None:
        """Finish a few specs: out of sample with one pass over the corpus, then each as it would be shipped."""
        fits = {spec: self._fit(spec) for spec in group}
        if not self.setting.is_sample:
            self._encode({spec: codec for spec, (codec, _) in fits.items()})
        built = {spec: Built(fits[spec][0], codes=self.codes.get(spec)) for spec in group}
        indexed = {}
        if not self.setting.is_sample:
            indexed = {spec: self._ship(spec, *fits[spec]) for spec in group if spec.index is not None}
        for spec, shipped in indexed.items():
            if shipped.searcher is not None and shipped.flat is not None:
                built[spec] = replace(built[spec], missed=self.task.missed(spec, shipped.searcher, shipped.flat))
        # raw codes of different fits are not comparable: these use one codec for all documents, as published
        raw = [spec for spec in group if spec.centred]
        group = [spec for spec in group if not spec.centred]
        for spec in raw:
            shipped = self._ship(spec, *fits[spec])
            self._keep(spec, Judged(self._ranking(spec, shipped), IN_SAMPLE), shipped)
        if not group:
            return
        if any(spec.learns_from_queries for spec in group):
            judged = out_of_queries(self.task, group, self.folds, self.seed, self._tick, built)
        else:
            told = self.progress if self.folds.direct and not self.setting.is_sample else silent
            judged = out_of_sample(self.task, group, self.folds, built, self._tick, told)
        for spec, one in zip(group, judged, strict=True):
            if self.setting.is_sample:
                self._note(spec, one, *fits[spec])
            else:
                self._keep(spec, one, indexed.pop(spec) if spec in indexed else self._ship(spec, *fits[spec]))

    def _encode(self, codecs: Mapping[Spec, Codec]) -> None:
        """Encode the corpus for all of a group in one pass, and keep the codes, if they are small."""
        embeddings = self.task.embeddings
        small = {spec: codec for spec, codec in codecs.items() if not is_memory_mapped(codec, embeddings)}
        held = sum(codes.nbytes for codes in self.codes.values())
        if not small or held + len(embeddings) * sum(codec.code_bytes for codec in small.values()) > KEEP_CODES_BYTES:
            return
        self.codes |= {spec: np.empty((len(embeddings), codec.code_bytes), np.uint8) for spec, codec in small.items()}
        for start, block in embeddings.blocks():
            for spec, codec in small.items():
                started = time.perf_counter()
                self.codes[spec][start : start + len(block)] = codec.encode(block)
                self.encode_seconds[spec] = self.encode_seconds.get(spec, 0.0) + time.perf_counter() - started

    def _note(self, spec: Spec, judged: Judged, codec: Codec, fit_seconds: float) -> None:
        """Keep and save what was found of a spec on a sample."""
        finding = self._find(spec, judged, _Shipped(codec, None, None, None, None, fit_seconds, 0.0))
        if self.checkpoints is not None:
            self.checkpoints.write(finding, None, codec)
        self._finish(spec, finding)
        self._tick(spec)

    def _keep(self, spec: Spec, judged: Judged, shipped: _Shipped) -> None:
        """Keep and save the finding of one spec."""
        finding = self._find(spec, judged, shipped)
        if self.interleaved and shipped.searcher is not None:
            self.searchers[spec], self.codecs[spec] = shipped.searcher, shipped.codec
            if shipped.structure is not None:
                self.structures[spec] = shipped.structure
        else:
            started = time.monotonic()
            assert shipped.searcher is not None
            self.timings[spec] = time_searchers([shipped.searcher], self.task.embeddings.query_matrix())[0].of(
                shipped.documents, len(self.task.embeddings)
            )
            self.timing_seconds += time.monotonic() - started
        if self.checkpoints is not None:
            self.checkpoints.write(finding, self.timings.get(spec), shipped.codec)
        self._finish(spec, finding)
        self._tick(spec)

    def _ranking(self, spec: Spec, shipped: _Shipped) -> TopK:
        """What the built store finds."""
        if shipped.documents < len(self.task.embeddings):
            return as_built(self.task, spec, shipped.codec)
        queries = self.task.embeddings.query_matrix()
        assert shipped.searcher is not None
        return TopK(*shipped.searcher.search(queries, min(self.task.results(spec), len(self.task.embeddings))))

    def time(self, specs: Sequence[Spec]) -> dict[Spec, Timing]:
        """Speeds of all specs: measured together, in rounds, if all searchers fit in memory."""
        if not self.interleaved or self.setting.is_sample:
            return self.timings
        again = [spec for spec in specs if spec not in self.searchers]
        for done, spec in enumerate(again, start=1):
            codec, structure = self.shipped(spec)
            self.codecs[spec] = codec
            codes = self._codes(spec, codec)
            self.searchers[spec] = build_searcher(codec, codes, self.device, structure)
            self.progress(f"rebuilding: {spec}", done, len(again))
        searchers, started = [self.searchers[spec] for spec in specs], time.monotonic()
        limit = None if self.full_timing else max(TIMING_LEAST, TIMING_SHARE * (started - self.started))
        timings = time_searchers(searchers, self.task.embeddings.query_matrix(), self.progress, seconds=limit)
        self.timing_seconds += time.monotonic() - started
        self.searchers.clear()
        return dict(zip(specs, timings, strict=True))

    def shipped(self, spec: Spec) -> tuple[Codec, Structure | None]:
        """The codec and index as shipped: from memory, from disk (codecs slow to fit), or rebuilt."""
        codec, structure = self.codecs.get(spec), self.structures.get(spec)
        if codec is None:
            kept = self.checkpoints.read(spec) if self.checkpoints else None
            codec = kept.codec if kept is not None else None
        if codec is None:
            codec = fit_codec(spec, self._training(spec))
        if spec.index is not None and structure is None:
            codes = self._codes(spec, codec)
            structure = build_structure(spec.index, codec, codes, self.folds.shipped)
        return codec, structure

    def _codes(self, spec: Spec, codec: Codec) -> np.ndarray:
        return self.codes[spec] if spec in self.codes else encode_all(codec, self.task.embeddings)

    def _training(self, spec: Spec) -> Training:
        """What the shipped codec is fitted on: all sampled documents, and all queries if it learns from them."""
        shipped = self.folds.shipped
        return shipped.learning_from(self.task.embeddings.query_matrix()) if spec.learns_from_queries else shipped

    def _fit(self, spec: Spec) -> tuple[Codec, float]:
        """The shipped codec, fitted on everything, and the seconds that took."""
        started = time.perf_counter()
        codec = fit_codec(spec, self._training(spec))
        return codec, time.perf_counter() - started

    def _ship(self, spec: Spec, codec: Codec, fit_seconds: float) -> _Shipped:
        """Encode everything, build the real index and measure its efforts."""
        embeddings, documents = self.task.embeddings, self._timed(spec, codec)
        started = time.perf_counter()
        codes = None
        if not is_memory_mapped(codec, embeddings):
            whole = documents == len(embeddings)
            codes = self._codes(spec, codec) if whole else encode_all(codec, embeddings, documents)
        encoded = time.perf_counter()
        searcher = MatrixSearcher(embeddings, documents) if codes is None else build_searcher(codec, codes, self.device)
        structure = facts = flat = None
        if spec.index is not None and codes is not None:
            structure = build_structure(spec.index, codec, codes, self.folds.shipped)
            built = time.perf_counter() - encoded
            flat, searcher = searcher, build_searcher(codec, codes, self.device, structure)
            facts = index_facts(spec.index, structure, searcher, flat, embeddings, built)
        seconds = self.encode_seconds.get(spec, (encoded - started) * len(embeddings) / documents)
        return _Shipped(codec, structure, searcher, flat, facts, fit_seconds, seconds, documents)

    def _timed(self, spec: Spec, codec: Codec) -> int:
        """How many documents the searcher holds that is timed: all, unless their codes are large and not indexed."""
        n = len(self.task.embeddings)
        if spec.index is not None or self.interleaved:
            return n
        return min(n, max(1, TIMED_BYTES // codec.code_bytes))

    def _find(self, spec: Spec, judged: Judged, shipped: _Shipped) -> Finding:
        """The finding of a spec that has been ranked out of sample and built."""
        task, embeddings, codec, searcher = self.task, self.task.embeddings, shipped.codec, shipped.searcher
        ids = as_ids(embeddings.doc_ids).encoded_bytes
        held_out = task.without_own(judged.ranking)
        quality = task.quality(*held_out)
        # the ranking of the shipped codec itself is what its store finds
        same = judged.as_shipped or searcher is None
        return Finding(
            spec=spec,
            quality=quality,
            in_sample=quality if same else task.quality(*task.without_own(self._ranking(spec, shipped))),
            recall=task.recall(held_out[1]),
            ranked=task.ranked(*held_out),
            tier_bytes=tuple(tier.code_bytes for tier in codec.tiers),
            state_bytes=codec.state_bytes,
            file_bytes=predicted_file_bytes(codec, len(embeddings), ids, shipped.structure),
            band=task.band(*held_out),
            searcher="" if searcher is None else searcher.name,
            ram_bytes=0 if searcher is None else _whole_bytes(searcher, shipped, len(embeddings)),
            fit_seconds=shipped.fit_seconds,
            encode_seconds=shipped.encode_seconds,
            estimator=judged.estimator,
            index=shipped.index,
        )

    def _finish(self, spec: Spec, finding: Finding) -> None:
        self.findings[spec] = finding
        self.note = self.summarise(self.findings.values()) if self.summarise else ""

    def _tick(self, spec: Spec, steps: int = 1) -> None:
        self.done += steps
        note = f"{NOTE}{self.note}" if self.note else ""
        self.progress(f"{self.setting.label}: {spec}{note}", self.done, self.total * STEPS)


def _whole_bytes(searcher: Searcher, shipped: _Shipped, documents: int) -> int:
    """Memory that a searcher of all documents takes, by what that of the first ones holds for each."""
    if shipped.documents == documents:
        return searcher.ram_bytes
    constant = shipped.codec.state_bytes
    return constant + round((searcher.ram_bytes - constant) * documents / shipped.documents)


def _searchers_bytes(specs: Sequence[Spec], embeddings: Embeddings) -> int:
    """Approximate memory of the searchers of all specs: codes, and a matrix for those that transform the vectors."""
    n, d = len(embeddings), embeddings.dimension
    turned = sum(bool(spec.reducers or spec.quantizer.before) for spec in specs)
    return n * sum(spec.code_bytes(d) + spec.structure_bytes_per_vector for spec in specs) + 4 * d * d * turned


def is_memory_mapped(codec: Codec, embeddings: Embeddings) -> bool:
    """Whether float32 codes would be a copy of a whole large corpus: it is then searched in place."""
    return str(codec.spec) == "f32" and codec.code_bytes * len(embeddings) > KEEP_SEARCHERS_BYTES


def corpus_searcher(
    codec: Codec,
    embeddings: Embeddings,
    device: str,
    structure: Structure | None = None,
    codes: np.ndarray | None = None,
) -> Searcher:
    """A searcher over the codes of the whole corpus, computed unless given, through links or lists if there are any."""
    if is_memory_mapped(codec, embeddings):
        return MatrixSearcher(embeddings)
    return build_searcher(codec, encode_all(codec, embeddings) if codes is None else codes, device, structure)
