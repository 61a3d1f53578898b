"""compress: evaluate ways to store the vectors, recommend one and build it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.compression.choosing.budget import Budget, parse_budget, parse_keep, parse_vectors
from embgeo.compression.choosing.decision import Decision, Limits, decide, recommend
from embgeo.compression.choosing.forecast import can_be_forecast, forecast, with_forecast
from embgeo.compression.choosing.grid import SpecList, default_grid, default_specs, metric_changes, with_neutral
from embgeo.compression.choosing.prediction import Prediction
from embgeo.compression.choosing.price import check_price, price_account, price_of
from embgeo.compression.choosing.protocol import bytes_rule, fit_budget, protocol, rules
from embgeo.compression.choosing.refusals import (
    refuse_changed_metric,
    refuse_constants,
    refuse_impossible,
    refuse_unmeetable,
)
from embgeo.compression.choosing.rows import rescoring_curves, tradeoff_rows
from embgeo.compression.choosing.storage_paper import float8_or_int8, storage_paper_specs
from embgeo.compression.codecs.spec import Spec, parse
from embgeo.compression.judging.checkpoint import open_checkpoints
from embgeo.compression.judging.effects import byte_account, delivered_recall, store_effects
from embgeo.compression.judging.finding import Outcome
from embgeo.compression.judging.sweep import Sweep, corpus_searcher
from embgeo.compression.judging.task import SweepInput
from embgeo.compression.racing.clock import parse_time
from embgeo.compression.search.searcher import Searcher
from embgeo.compression.search.store import write_store
from embgeo.embeddings import Embeddings
from embgeo.encoders.encoder import choose_device
from embgeo.errors import InputError
from embgeo.files.atomic import move
from embgeo.files.cache_folder import cache_directory
from embgeo.limits.query_performance import DEPTH, JudgedQueries, comparable, uncertain_queries
from embgeo.pipelines.built_store import STORE_FILE, STORE_FOLDER
from embgeo.pipelines.in_shards import remove_abandoned, shard_notes, write_in_shards
from embgeo.pipelines.judged import SIZES, Announced, Judged, announce, judge
from embgeo.pipelines.stores.deployable import deploy, with_stores
from embgeo.pipelines.stores.targeted import Targeted, named_targets, picked, targeted, with_holdings
from embgeo.pipelines.subject_run import facts, loader, texts
from embgeo.progress import Progress, silent
from embgeo.requests import STORAGE_PAPER, TIMINGS, CompressRequest
from embgeo.results.compress import Budget as StoredBudget
from embgeo.results.compress import CompressResult, Deploy, Float8OrInt8, Forecast, Price, Protocol, StoreEffects
from embgeo.results.limits import Confidence
from embgeo.results.rows import Row
from embgeo.retrieval.evaluate import Evaluator
from embgeo.retrieval.exact import own_rows, without_own
from embgeo.retrieval.significance import QueryBootstrap
from embgeo.run import Run, save_run
from embgeo.run_warnings import (
    budget_warnings,
    codebook_warnings,
    library_warnings,
    store_warnings,
    subject_warnings,
    task_warnings,
)
from embgeo.scale.engine import Engine, check_engine, open_engine
from embgeo.scale.reader import reader_of
from embgeo.scale.shards import is_sharded
from embgeo.scale.store import ShardedSearcher
from embgeo.sources.subject import Source, Subject, load_subject, with_document_queries
from embgeo.targets import Target
from embgeo.targets.mteb import write_results
from embgeo.threads import limited_threads
from embgeo.writable import check_writable_folder

NEIGHBOURS = 10  # the exact neighbours that recall@10 looks for
PRICED_VECTORS = 100_000_000  # without --vectors: a small test corpus costs next to nothing


def compress(request: CompressRequest, progress: Progress = silent) -> Run:
    """Load the vectors, plan the specs, evaluate them, choose one, and build its store into the run folder.

    Raises the errors of `embgeo.errors`: among them SpecError, and BudgetError with the smallest reachable size.
    """
    parsed = _Parsed.of(request)
    with limited_threads(request.threads) as threads, open_engine(request.engine, request.address, threads) as engine:
        corpus = _load(parsed, engine, progress)
        judged_by = corpus.embeddings, corpus.evaluator, corpus.drop_own
        reader = reader_of(corpus.embeddings, engine)
        given = SweepInput(*judged_by, request.seed, parsed.device, SIZES.fit_rows, reader, request.timing == "full")
        whole = bool(parsed.specs or request.exhaustive or request.grid)
        announced = announce(given, _listed(parsed, corpus).specs, progress, whole=whole, limit=parsed.time_limit)
        plan = _plan(parsed, corpus, progress)
        checkpoints = open_checkpoints(cache_directory(), given)
        rules = (plan.limits, [each.name for each in parsed.targets])
        judged = judge(given, plan.specs, announced, rules, checkpoints, progress)
        choice = _forecast(parsed, corpus, _choose(parsed, corpus, plan, judged, announced), progress)
        run = _ship(parsed, corpus, plan, choice, (threads, engine), progress)
    if checkpoints is not None:
        judged.forget(checkpoints)
    return run


def check(request: CompressRequest) -> None:
    """Refuse what can be refused before any data is read."""
    _Parsed.of(request)


@dataclass(frozen=True)
class _Parsed:
    """A parsed request.

    Attributes
    ----------
    specs : those that the user named.
    keep : share of the quality to keep, or None.
    vectors : number of vectors to plan for, or None.
    time_limit : of the sweep in seconds, or None.
    targets : the stores that are picked for; none: embgeo's own.
    """

    request: CompressRequest
    source: Source
    device: str
    specs: list[Spec]
    targets: list[Target]
    keep: float | None
    vectors: int | None
    time_limit: float | None

    @classmethod
    def of(cls, request: CompressRequest) -> _Parsed:
        """Parse the request; whatever can be refused before any data is read is refused here."""
        source = Source.of(request)
        check_writable_folder(request.out, "--out")
        device = choose_device(request.device)
        check_price(request.price_per_gb)
        check_engine(request.engine, request.address)
        keep = parse_keep(request.keep) if request.keep is not None else None
        vectors = parse_vectors(request.vectors) if request.vectors is not None else None
        time_limit = parse_time(request.time) if request.time is not None else None
        specs = [parse(text) for text in dict.fromkeys(request.specs or [])]
        targets = named_targets(request.targets)
        if request.timing not in TIMINGS:
            raise InputError(f"timing must be {' or '.join(TIMINGS)}; got {request.timing!r}")
        if request.grid not in (None, STORAGE_PAPER):
            raise InputError(f"grid must be {STORAGE_PAPER}; got {request.grid!r}")
        if sum([bool(specs), request.exhaustive, request.grid is not None]) > 1:
            raise InputError("specs, exhaustive and grid each say what is evaluated; give one of them")
        if request.grid is not None and targets:
            raise InputError(f"the grid {request.grid} is evaluated as published, for no store: drop --target")
        if request.budget is not None:
            parse_budget(request.budget, 1, 1)
        return cls(request, source, device, specs, targets, keep, vectors, time_limit)

    def check(self, dimension: int, documents: int) -> None:
        """Refuse a request that cannot be met, as soon as the size of the vectors is known."""
        budget, vectors = None if self.request.grid else self.request.budget, self.vectors or documents
        refuse_unmeetable(None if self.targets else budget, self.specs, dimension, documents, vectors)
        if self.targets:
            # a model's own similarity is not known yet; bytes do not depend on it
            similarity = "cosine" if self.request.similarity == "auto" else self.request.similarity
            limit = parse_budget(budget, dimension, vectors) if budget is not None else None
            listed = [*default_specs(dimension, limit, self.request.exhaustive), *_a_byte_less(dimension, limit)]
            held = targeted(self.targets, self.specs, listed, (dimension, similarity), limit, silent)
            if limit is not None:
                held.refuse_impossible(limit)


@dataclass(frozen=True)
class _Corpus:
    """What stores are evaluated on.

    Attributes
    ----------
    embeddings : with the queries that are used, which are documents if there are none.
    evaluator : None without judgements.
    drop_own : a query does not find the document that has its id.
    """

    subject: Subject
    embeddings: Embeddings
    evaluator: Evaluator | None
    drop_own: bool
    warnings: list[str]


def _load(parsed: _Parsed, engine: Engine, progress: Progress) -> _Corpus:
    """The vectors, with documents as queries if there are none."""
    subject = load_subject(parsed.source, parsed.request, progress, check=parsed.check, load=loader(engine))
    embeddings, judgements = subject.embeddings, subject.judgements
    drop_own = judgements is not None and judgements.drop_own_document
    stand_ins = not len(embeddings.query_ids)
    warnings = subject_warnings(subject)
    if stand_ins:
        embeddings, drop_own = with_document_queries(embeddings, parsed.request.seed), True
    warnings += task_warnings(embeddings, stand_ins=stand_ins, judged=judgements is not None, drop_own=drop_own)
    evaluator = Evaluator(judgements, embeddings.doc_ids, embeddings.query_ids) if judgements else None
    return _Corpus(subject, embeddings, evaluator, drop_own, warnings)


@dataclass(frozen=True)
class _Plan:
    """What is evaluated.

    Attributes
    ----------
    listed : the specs of the list, before predictions added some.
    limits : what the recommended one must meet.
    prediction : None if the user named specs: those are measured, so there is nothing to choose by prediction.
    targeted : with `--target`, how the named stores hold each of the specs.
    """

    listed: SpecList
    specs: list[Spec]
    limits: Limits
    prediction: Prediction | None
    warnings: list[str]
    targeted: Targeted | None = None


def _plan(parsed: _Parsed, corpus: _Corpus, progress: Progress) -> _Plan:
    """The specs to evaluate: those named, a published grid, or the default list and those predicted to be worth it."""
    if parsed.targets:
        return _plan_for_targets(parsed, corpus, progress)
    request, embeddings = parsed.request, corpus.embeddings
    dimension, documents = embeddings.dimension, len(embeddings)
    vectors = parsed.vectors or documents
    budget = parse_budget(request.budget, dimension, vectors) if request.budget is not None else None
    warnings = budget_warnings(budget, dimension)
    listed = _listed(parsed, corpus)
    if request.grid is None and not parsed.specs:
        warnings += library_warnings()
    if budget is not None:
        refuse_impossible(budget, listed.specs, dimension, vectors)
    specs, prediction = listed.specs, None
    if not parsed.specs:
        listed_only = request.grid is not None or request.exhaustive
        pool = [] if listed_only else default_specs(dimension, budget, exhaustive=True)
        prediction = Prediction.of(embeddings, specs, pool, request.seed, progress)
        specs = [*specs, *prediction.added]
    refuse_changed_metric(specs, judged=corpus.evaluator is not None, similarity=embeddings.similarity)
    if budget is not None:
        # float32 can be recommended too, unless other specs were named
        refuse_constants(budget, specs if parsed.specs else [*specs, parse("f32")], embeddings, request.seed)
    warnings += codebook_warnings(specs, documents, vectors)
    float32_named = not parsed.specs or any(str(spec) == "f32" for spec in parsed.specs)
    return _Plan(listed, specs, Limits(vectors, budget, parsed.keep, float32_named), prediction, warnings)


def _listed(parsed: _Parsed, corpus: _Corpus) -> SpecList:
    """The specs that the user named, of a published grid, or of the default list."""
    request, embeddings = parsed.request, corpus.embeddings
    dimension, documents = embeddings.dimension, len(embeddings)
    if request.grid is not None:
        return SpecList(storage_paper_specs(dimension))
    if parsed.specs:
        return SpecList(with_neutral(parsed.specs))
    budget = None
    if request.budget is not None:
        budget = parse_budget(request.budget, dimension, parsed.vectors or documents)
    listed = default_grid(dimension, documents, embeddings.similarity, budget, request.exhaustive)
    raced = SIZES.is_large(documents) and not request.exhaustive  # on samples, by recall of exact neighbours
    if corpus.evaluator is None or embeddings.similarity != "cosine" or parsed.targets or raced:
        return listed
    return replace(listed, specs=[*listed.specs, *metric_changes(dimension, budget, request.exhaustive)])


def _a_byte_less(dimension: int, budget: Budget | None) -> list[Spec]:
    """The default list for a budget of a byte less per vector: FAISS adds one to bits that it cannot renormalise."""
    if budget is None or budget.per_vector is None or budget.per_vector < 2:
        return []
    return default_specs(dimension, replace(budget, per_vector=budget.per_vector - 1))


def _plan_for_targets(parsed: _Parsed, corpus: _Corpus, progress: Progress) -> _Plan:
    """The specs that the named stores hold: of those named or listed, and the formats of their own."""
    request, embeddings = parsed.request, corpus.embeddings
    dimension, documents, similarity = embeddings.dimension, len(embeddings), embeddings.similarity
    vectors = parsed.vectors or documents
    judged = corpus.evaluator is not None
    refuse_changed_metric(parsed.specs, judged=judged, similarity=similarity, targets=True)
    budget = parse_budget(request.budget, dimension, vectors) if request.budget is not None else None
    listed = SpecList([]) if parsed.specs else _listed(parsed, corpus)
    candidates = [*listed.specs, *_a_byte_less(dimension, budget)]
    held = targeted(parsed.targets, parsed.specs, candidates, (dimension, similarity), budget, progress)
    if budget is not None:
        held.refuse_impossible(budget)
    specs, prediction = held.specs, None
    if not parsed.specs:
        prediction = Prediction.of(embeddings, specs, [], request.seed, progress)
    warnings = [*budget_warnings(budget, dimension), *held.notes(), *codebook_warnings(specs, documents, vectors)]
    limits = Limits(vectors, budget, parsed.keep, "f32" in held.plans, held.footprints)
    # what it leaves out may be nothing that these stores hold
    return _Plan(replace(listed, left_out={}, fit_budget_seconds=None), specs, limits, prediction, warnings, held)


@dataclass(frozen=True)
class _Choice:
    """What the sweep found, and which of its rows is recommended; `rows` has float32 first."""

    judged: Judged
    announced: Announced
    decision: Decision
    rows: list[Row]
    bootstrap: QueryBootstrap
    forecast: Forecast | None = None

    @property
    def sweep(self) -> Sweep:
        return self.judged.sweep

    @property
    def row(self) -> Row:
        return self.rows[self.decision.chosen]

    @property
    def outcome(self) -> Outcome:
        return self.sweep.all[self.decision.chosen]


def _choose(parsed: _Parsed, corpus: _Corpus, plan: _Plan, judged: Judged, announced: Announced) -> _Choice:
    """Which row is recommended, and the rows completed by that decision."""
    seed, swept = parsed.request.seed, judged.sweep
    bootstrap = QueryBootstrap.draw(len(swept.query_ids), seed, groups=swept.query_groups)
    decision = decide(swept, replace(plan.limits, earlier=judged.earlier), seed)
    predicted = plan.prediction.recall if plan.prediction is not None else None
    rows = tradeoff_rows(swept, bootstrap, parsed.vectors, predicted, decision)
    rows = (
        with_stores(rows, corpus.embeddings)
        if plan.targeted is None
        else with_holdings(rows, plan.targeted, plan.limits)
    )
    return _Choice(judged, announced, decision, rows, bootstrap)


def _forecast(parsed: _Parsed, corpus: _Corpus, choice: _Choice, progress: Progress) -> _Choice:
    """With the recall of every row among as many documents as --vectors plans for."""
    embeddings, vectors = corpus.embeddings, parsed.vectors
    if vectors is None or not can_be_forecast(len(embeddings), vectors):
        return choice
    asked = _query_rows(corpus), corpus.drop_own
    found = forecast(choice.sweep, embeddings, choice.bootstrap, vectors, asked, progress)
    return replace(choice, forecast=found, rows=with_forecast(choice.rows, found))


def _query_rows(corpus: _Corpus) -> np.ndarray:
    """The queries that rows are evaluated on."""
    evaluator = corpus.evaluator
    return np.arange(len(corpus.embeddings.query_ids)) if evaluator is None else evaluator.query_rows


def _ship(
    parsed: _Parsed, corpus: _Corpus, plan: _Plan, choice: _Choice, spread: tuple[int, Engine], progress: Progress
) -> Run:
    """Measure the side effects of the recommended store, write it, and store the run; threads and engine are given."""
    outcome, embeddings, (threads, engine) = choice.outcome, corpus.embeddings, spread
    codec, structure = choice.sweep.shipped(outcome.spec)
    codes, exact, drop_own = choice.sweep.codes.get(outcome.spec), choice.sweep.exact, corpus.drop_own
    origin = facts("compress", parsed.request, parsed.source.model, corpus.subject, threads)
    sharded = None
    if structure is None and is_sharded(embeddings):
        sharded = write_in_shards(parsed.request.out, origin, codec, embeddings, engine, progress)
    remove_abandoned(parsed.request.out)
    progress("side effects of the store", 0, 1)
    scan = None if (reader := reader_of(embeddings, engine)) is None else reader.scan
    searcher: Searcher
    if sharded is None:
        searcher = corpus_searcher(codec, embeddings, parsed.device, structure, codes)
    else:
        searcher = ShardedSearcher(sharded, engine, parsed.device)
    found = store_effects(embeddings, searcher, parsed.request.seed, drop_own, exact[1], scan)
    effects = StoreEffects.from_json(found)
    delivered = delivered_recall(embeddings, searcher, drop_own, exact)
    confidence = _confidence(corpus, searcher, outcome, parsed.request.seed)
    progress("side effects of the store", 1, 1)
    result = replace(
        CompressResult.from_json(origin),
        keys=None,
        **_found(
            parsed, corpus, plan, choice, delivered, shard_notes(sharded, codec, embeddings, parsed.request.engine)
        ),
        recommendation=recommend(choice.sweep, choice.decision, choice.rows, effects, byte_account(codec)),
        protocol=Protocol.from_json(
            protocol(choice.sweep, parsed.request.seed, threads, parsed.device)
            | rules(choice.sweep, parsed.keep, plan.limits.budget)
            | fit_budget(plan.listed)
            | choice.announced.protocol(choice.sweep)
            | ({} if plan.targeted is None else {"bytes": bytes_rule(plan.targeted.names)})
        ),
        confidence=confidence,
    )

    def build(folder: Path) -> None:
        progress("writing the store", 0, 1)
        if sharded is None:
            blocks = [codes] if codes is not None else (codec.encode(block) for _, block in embeddings.blocks())
            write_store(folder / STORE_FILE, codec, blocks, embeddings.doc_ids, structure)
        else:
            move(sharded.folder, folder / STORE_FOLDER)
        write_results(result, folder)
        progress("writing the store", 1, 1)

    shown = np.concatenate([one.ranked[:, :NEIGHBOURS] for one in (choice.sweep.baseline, outcome)], axis=None)
    kept = _arrays(corpus, choice.sweep, outcome)
    return save_run(parsed.request.out, result.to_json(), kept, *texts(corpus.subject, shown), write=build)


def _confidence(corpus: _Corpus, searcher: Searcher, outcome: Outcome, seed: int) -> Confidence | None:
    """Which queries the scores of the built store make uncertain; None where documents stand in for queries."""
    if corpus.embeddings is not corpus.subject.embeddings:
        return None
    asked, drop = corpus.embeddings, int(corpus.drop_own)
    Q = asked.query_matrix()
    scores, rows = searcher.search(Q, min(DEPTH + drop, len(asked)))
    if drop:
        scores, _ = without_own(scores, rows, own_rows(asked), DEPTH)
    judged = None
    if (evaluator := corpus.evaluator) is not None:
        judged = JudgedQueries(outcome.quality, evaluator.query_rows, evaluator.query_groups)
    return uncertain_queries(comparable(scores, Q, asked.similarity), asked.query_ids, judged, seed)


def _found(
    parsed: _Parsed, corpus: _Corpus, plan: _Plan, choice: _Choice, delivered: float, notes: list[str]
) -> dict[str, Any]:
    """The fields of the result that come from the sweep and the choice; `notes` are about the store as written."""
    swept, request, limits = choice.sweep, parsed.request, plan.limits
    found: dict[str, Any] = {
        "quality": swept.measure,
        "baseline": choice.rows[0],
        "tradeoffs": choice.rows[1:],
        "rescoring": rescoring_curves(choice.rows),
        "budget": None if limits.budget is None else StoredBudget(**asdict(limits.budget)),
        "keep": limits.keep,
        "deploy": _deploy(corpus, plan, choice),
        "warnings": [
            *corpus.warnings,
            *plan.warnings,
            *choice.judged.warnings(),
            *store_warnings(choice.row, choice.outcome, limits.vectors, delivered),
            *notes,
        ],
    }
    if choice.decision.change is not None:
        norm = None if plan.prediction is None else plan.prediction.summary.mean_norm
        found["metric_change"] = replace(choice.decision.change, mean_norm=norm)
    if choice.forecast is not None:
        found["forecast"] = choice.forecast
    if choice.judged.race is not None:
        found["race"] = choice.judged.race.account(request.seed)
    if plan.prediction is not None:
        found["prediction"] = plan.prediction.account({one.spec: float(one.recall.mean()) for one in swept.all})
    if request.grid is not None:
        compared = float8_or_int8(swept, corpus.embeddings.dimension, choice.bootstrap)
        found["float8_or_int8"] = Float8OrInt8.from_json(compared)
    if request.price_per_gb is not None:
        found["price"] = _price(parsed.vectors or PRICED_VECTORS, request.price_per_gb, plan, choice)
    return found


def _deploy(corpus: _Corpus, plan: _Plan, choice: _Choice) -> Deploy:
    """Where the recommended row can live: in any store, or in those that were named."""
    given = (choice.sweep, choice.rows, choice.decision.chosen, choice.bootstrap)
    if plan.targeted is None:
        return deploy(*given, corpus.embeddings, plan.limits.budget is not None)
    return picked(*given, plan.limits, plan.targeted)


def _price(vectors: int, per_gb: float, plan: _Plan, choice: _Choice) -> Price:
    """The price of the RAM of a search: embgeo's own as measured, or a store's by its account."""
    best, baseline = choice.outcome, choice.sweep.baseline
    if plan.targeted is None:
        return price_account(best, baseline, choice.sweep.documents, vectors, per_gb)
    ours, theirs = (vectors * plan.limits.size(one).each for one in (best, baseline))
    return price_of(ours, theirs, vectors, per_gb)


def _arrays(corpus: _Corpus, swept: Sweep, outcome: Outcome) -> dict[str, np.ndarray]:
    """Per query: quality and recall of every row, and what the report shows of single queries."""
    evaluator = corpus.evaluator
    return {
        "query_rows": _query_rows(corpus),
        "query_groups": swept.query_groups,
        **{f"quality/{one.spec}": one.quality.astype(np.float32) for one in swept.all},
        **{f"recall/{one.spec}": one.recall.astype(np.float32) for one in swept.outcomes},
        # the rankings before and after, and which documents are relevant
        **{f"ranked/{one.spec}": one.ranked for one in (swept.baseline, outcome)},
        **({} if evaluator is None else {"judged": evaluator.judged()}),
    }
