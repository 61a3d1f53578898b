"""analyze, compress, compare, search, export: what the command line calls and a notebook can call too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.built_store import STORE_FILE, Hit, export, search  # offered here beside their sisters
from embgeo.compression.choosing.budget import parse_budget, parse_keep, parse_vectors
from embgeo.compression.choosing.caveats import (
    codebook_warnings,
    constants_warning,
    library_warnings,
    poor_warning,
    refuse_constants,
    refuse_impossible,
    refuse_unmeetable,
)
from embgeo.compression.choosing.front import front_note
from embgeo.compression.choosing.grid import Grid, default_grid, default_specs
from embgeo.compression.choosing.prediction import Shape, beyond_the_list, predict_recall, prediction_account
from embgeo.compression.choosing.price import check_price, price_account
from embgeo.compression.choosing.protocol import fit_budget, protocol, rules
from embgeo.compression.choosing.storage_paper import float8_or_int8, storage_paper_specs
from embgeo.compression.choosing.tradeoffs import FEW_QUERIES, recommend, rescoring_curves, tradeoff_rows
from embgeo.compression.codecs.spec import parse
from embgeo.compression.judging.checkpoint import open_checkpoints
from embgeo.compression.judging.effects import byte_account, store_effects
from embgeo.compression.judging.sweep import built_searcher, sweep
from embgeo.compression.search.store import write_store
from embgeo.corpus_warnings import budget_warnings, copy_warnings, corpus_warnings, rank_warnings
from embgeo.encoders.encoder import EncoderOptions, choose_device
from embgeo.environment import environment
from embgeo.errors import InputError
from embgeo.files.cache_folder import cache_directory
from embgeo.metrics.registry import select
from embgeo.metrics.signature import Signature, SignatureRequest, compute_signature
from embgeo.pipelines.compare import compare
from embgeo.progress import Progress, silent
from embgeo.retrieval.evaluate import QUALITY_MEASURES, Evaluator
from embgeo.retrieval.exact import exact_search
from embgeo.retrieval.retrievability import retrievability_summary
from embgeo.retrieval.significance import QueryBootstrap
from embgeo.run import Run, save_run
from embgeo.sources.subject import Subject, load_subject, named_or_arrays, with_document_queries
from embgeo.space.pair_histogram import pair_histogram
from embgeo.space.space_map import require_umap, space_map
from embgeo.threads import limited_threads
from embgeo.writable import check_writable_folder

__all__ = ["Hit", "analyze", "compare", "compress", "export", "search"]

DEFAULT_OUT = Path("embgeo-runs")
STORAGE_PAPER = "storage-paper"
SNIPPETS_MOST = 50_000
NEIGHBOURS = 10  # the exact neighbours that recall@10 looks for
PRICED_VECTORS = 100_000_000  # where the user plans for no number
REACH = 100  # how deep the baseline is searched and retrievability is counted


def analyze(
    model: str | PathLike[str] | np.ndarray | None = None,
    dataset: str | None = None,
    *,
    docs: np.ndarray | None = None,
    queries: np.ndarray | None = None,
    doc_ids: Sequence[str] | None = None,
    query_ids: Sequence[str] | None = None,
    qrels: Mapping[str, Mapping[str, int]] | None = None,
    measures: list[str] | None = None,
    quick: bool = False,
    umap: bool = False,
    similarity: str = "auto",
    queries_vectors: Path | None = None,
    split: str = "test",
    drop_own_document: bool = False,
    encoder: EncoderOptions | None = None,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    out: Path = DEFAULT_OUT,
    config: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Run:
    """What the embedding space of `model` on `dataset` looks like, and how well exact search retrieves in it.

    In the place of a model, vectors: `analyze(docs=X, queries=Q, qrels={"q1": {"d7": 1}}, doc_ids=…, query_ids=…)`, or
    `analyze(X)`, with float arrays (n, d) and (m, d); ids are row numbers unless given, and so are those in `qrels`.
    Parameters follow the command line (`embgeo analyze --help`); `encoder` holds the encoder's options, `config` (where
    the options came from) is kept in the run as it is, `progress` is called while work goes on. Returns the stored run.
    Raises the errors of `embgeo.errors`.
    """
    encoder = encoder or EncoderOptions(device=device)
    check_writable_folder(out, "--out")
    place = choose_device(device)
    model, given = named_or_arrays(model, docs, queries, doc_ids, query_ids, qrels)
    if umap:
        require_umap()
    with limited_threads(threads) as used:
        chosen = select(measures, quick)
        subject = load_subject(
            model, dataset, similarity=similarity, queries_vectors=queries_vectors, split=split,
            drop_own_document=drop_own_document, encoder=encoder, arrays=given, progress=progress,
            tokens=any("tokens" in m.needs for m in chosen),
        )  # fmt: skip
        retrieval, retrieved, arrays = _baseline(subject, seed, progress)
        asked = SignatureRequest(names=measures, quick=quick, seed=seed, device=place)
        signature = compute_signature(
            subject.embeddings, asked, judgements=subject.judgements, retrieved=retrieved, progress=progress
        )
        for name, rows in signature.rows.items():
            arrays[f"rows/{name}/sample"] = signature.samples[name]
            arrays |= {f"rows/{name}/{key}": np.asarray(values) for key, values in rows.items()}
        laid_out = space_map(subject.embeddings, signature.colours(), retrieved, seed, umap, progress)
        arrays |= laid_out.arrays()
        request = {
            "model": model, "dataset": dataset, "measures": measures, "quick": quick, "seed": seed, "device": device,
            "similarity": similarity, "queries_vectors": queries_vectors, "split": split,
            "drop_own_document": drop_own_document, "umap": umap, "encoder": asdict(encoder),
        }  # fmt: skip
        result = {
            "command": "analyze",
            **_facts(subject, request, used, config),
            **signature.to_json(subject.embeddings.doc_ids),
            "map": laid_out.to_json(),
            "retrieval": retrieval,
            "retrievability": (
                None if retrieved is None else retrievability_summary(retrieved, subject.embeddings.doc_ids, REACH)
            ),
            "warnings": [
                *subject.warnings,
                *corpus_warnings(subject.embeddings),
                *copy_warnings(subject.embeddings, subject.judgements),
                *rank_warnings(subject.embeddings),
                *_query_warnings(subject),
            ],
        }
        _add_pair_histogram(result["curves"], subject, signature, seed)
    return save_run(out, result, arrays, *_snippets(subject, laid_out.rows))


def compress(
    model: str | PathLike[str] | np.ndarray | None = None,
    dataset: str | None = None,
    *,
    docs: np.ndarray | None = None,
    queries: np.ndarray | None = None,
    doc_ids: Sequence[str] | None = None,
    query_ids: Sequence[str] | None = None,
    qrels: Mapping[str, Mapping[str, int]] | None = None,
    budget: str | None = None,
    keep: str | None = None,
    specs: list[str] | None = None,
    vectors: str | None = None,
    price_per_gb: float | None = None,
    exhaustive: bool = False,
    grid: str | None = None,
    similarity: str = "auto",
    queries_vectors: Path | None = None,
    split: str = "test",
    drop_own_document: bool = False,
    encoder: EncoderOptions | None = None,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    out: Path = DEFAULT_OUT,
    config: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Run:
    """Judge ways to store the vectors, recommend one within `budget` and `keep`, and build it into the run folder.

    Vectors may stand in the place of a model, as in `analyze`: `compress(docs=X, queries=Q, qrels=…, budget="96B")`.
    Parameters follow the command line (`embgeo compress --help`). Without judgements the rows are compared by recall
    against exact neighbours; without queries, documents stand in for them and do not find themselves.
    `grid="storage-paper"` judges the specs of the published storage study, by its arithmetic and by ours.
    `price_per_gb` is the price of 10⁹ bytes of RAM; without it no money is named.
    Raises the errors of `embgeo.errors`: among them SpecError, and BudgetError with the smallest reachable size.
    """
    encoder = encoder or EncoderOptions(device=device)
    model, given = named_or_arrays(model, docs, queries, doc_ids, query_ids, qrels)
    # whatever can be refused is refused before anything is encoded
    check_writable_folder(out, "--out")
    place = choose_device(device)
    check_price(price_per_gb)
    share = parse_keep(keep) if keep is not None else None
    planned = parse_vectors(vectors) if vectors is not None else None
    asked = [parse(text) for text in dict.fromkeys(specs or [])]
    if grid not in (None, STORAGE_PAPER):
        raise InputError(f"grid must be {STORAGE_PAPER}; got {grid!r}")
    if sum([bool(asked), exhaustive, grid is not None]) > 1:
        raise InputError("specs, exhaustive and grid each say what is judged; give one of them")
    if budget is not None:
        parse_budget(budget, 1, 1)
    with limited_threads(threads) as used:
        subject = load_subject(
            model, dataset, similarity=similarity, queries_vectors=queries_vectors, split=split,
            drop_own_document=drop_own_document, encoder=encoder, arrays=given, progress=progress,
            check=lambda dimension, documents: refuse_unmeetable(
                None if grid else budget, asked, dimension, documents, planned or documents
            ),
        )  # fmt: skip
        embeddings = subject.embeddings
        warnings = [
            *subject.warnings, *corpus_warnings(embeddings), *copy_warnings(embeddings, subject.judgements),
            *_query_warnings(subject),
        ]  # fmt: skip
        drop_own = subject.judgements is not None and subject.judgements.drop_own_document
        if not len(embeddings.query_ids):
            embeddings, drop_own = with_document_queries(embeddings, seed), True
            warnings.append(
                f"no queries: {len(embeddings.query_ids)} documents stand in for them, self matches removed. "
                "Documents are no real queries, so recall on users' queries may differ"
            )
        if len(embeddings) <= NEIGHBOURS + int(drop_own):
            warnings.append(
                f"every search returns {NEIGHBOURS} documents and the corpus holds {len(embeddings)}: recall@10 is 1 "
                "for any store and uninformative"
            )
        evaluator = (
            Evaluator(subject.judgements, embeddings.doc_ids, embeddings.query_ids) if subject.judgements else None
        )
        if evaluator is None:
            warnings.append(
                "no judgements: rows are ranked by agreement with exact search (recall of its ten nearest), which is "
                "weaker evidence than relevance judgements"
            )
        count = planned or len(embeddings)
        limit = parse_budget(budget, embeddings.dimension, count) if budget is not None else None
        warnings += budget_warnings(limit, embeddings.dimension)
        if grid is not None:
            listed = Grid(storage_paper_specs(embeddings.dimension))
        elif asked:
            listed = Grid(asked)
        else:
            listed = default_grid(embeddings.dimension, len(embeddings), embeddings.similarity, limit, exhaustive)
            warnings += library_warnings()
        chosen = listed.specs
        if limit is not None:
            refuse_impossible(limit, chosen, embeddings.dimension, count)
        account: dict[str, Any] | None = None
        shape: Shape | None = None
        predicted: dict[str, float] = {}
        passed_over: dict[str, float] = {}
        if not asked:  # what is named is measured: a prediction chooses nothing there
            shape = Shape.of_corpus(embeddings, seed)
            pool = [] if grid or exhaustive else default_specs(embeddings.dimension, limit, exhaustive=True)
            predicted = predict_recall(shape, list(dict.fromkeys([*chosen, *pool])), NEIGHBOURS, seed, progress)
            joining, passed_over = beyond_the_list(predicted, chosen, pool, embeddings.dimension, len(embeddings))
            chosen = [*chosen, *joining]
        if limit is not None:
            # float32 is an answer too, unless other specs were named
            refuse_constants(limit, chosen if asked else [*chosen, parse("f32")], embeddings, seed)
        warnings += codebook_warnings(chosen, len(embeddings), count)
        checkpoints = open_checkpoints(
            cache_directory(), embeddings, evaluator, seed=seed, drop_own=drop_own, device=place
        )  # fmt: skip
        result = sweep(
            embeddings, evaluator, chosen, drop_own=drop_own, seed=seed, device=place, progress=progress,
            checkpoints=checkpoints, summarise=front_note,
        )  # fmt: skip
        bootstrap = QueryBootstrap.draw(len(result.query_ids), seed, groups=result.query_groups)
        rows = tradeoff_rows(result, len(embeddings), bootstrap, planned)
        named = not asked or any(str(spec) == "f32" for spec in asked)
        if shape is not None:
            account = prediction_account(shape, predicted, rows, passed_over)
        best = recommend(result, rows, limit, share, count, seed, baseline_competes=named)
        outcome = next(o for o in [result.baseline, *result.outcomes] if str(o.spec) == best["spec"])
        progress("effects of the store", 0, 1)
        effects = store_effects(
            embeddings, built_searcher(outcome.codec, embeddings, place, outcome.structure), seed, drop_own
        )
        progress("effects of the store", 1, 1)
        warnings += [*poor_warning(best), *constants_warning(best, count)]
        request = {
            "model": model, "dataset": dataset, "budget": budget, "keep": keep, "specs": specs, "vectors": vectors,
            "price_per_gb": price_per_gb, "exhaustive": exhaustive, "grid": grid, "seed": seed, "device": device,
            "similarity": similarity, "queries_vectors": queries_vectors, "split": split,
            "drop_own_document": drop_own_document, "encoder": asdict(encoder),
        }  # fmt: skip
        full = {
            "command": "compress",
            **_facts(subject, request, used, config),
            "quality": result.measure,
            "baseline": rows[0],
            "tradeoffs": rows[1:],
            "rescoring": rescoring_curves(rows),
            "prediction": account,
            "recommendation": {**best, "effects": effects, "state": byte_account(outcome.codec)},
            "budget": None if limit is None else asdict(limit),
            "keep": share,
            "protocol": protocol(result, seed, used, place) | rules(result, share, limit) | fit_budget(listed),
            "warnings": warnings,
        }
        if grid is not None:
            full["float8_or_int8"] = float8_or_int8(result, embeddings.dimension, bootstrap)
        if price_per_gb is not None:
            # without --vectors the planned size of the report: a corpus to try things on costs nothing
            sized = planned or PRICED_VECTORS
            full["price"] = price_account(best, rows[0], len(embeddings), sized, price_per_gb)

        def build(folder: Path) -> None:
            progress("writing the store", 0, 1)
            blocks = (outcome.codec.encode(block) for _, block in embeddings.blocks())
            write_store(folder / STORE_FILE, outcome.codec, blocks, embeddings.doc_ids, outcome.structure)
            progress("writing the store", 1, 1)

        arrays: dict[str, np.ndarray] = {
            "query_rows": np.arange(len(embeddings.query_ids)) if evaluator is None else evaluator.query_rows,
            "query_groups": result.query_groups,
            **{f"quality/{o.spec}": o.quality.astype(np.float32) for o in [result.baseline, *result.outcomes]},
            **{f"recall/{o.spec}": o.recall.astype(np.float32) for o in result.outcomes},
            # what the report says of single queries: the rankings before and after, and which documents are relevant
            **{f"ranked/{o.spec}": o.ranked for o in (result.baseline, outcome)},
            **({} if evaluator is None else {"judged": evaluator.judged()}),
        }
        shown = np.concatenate([result.baseline.ranked[:, :NEIGHBOURS], outcome.ranked[:, :NEIGHBOURS]], axis=None)
        run = save_run(out, full, arrays, *_snippets(subject, shown), write=build)
        if checkpoints is not None:
            checkpoints.forget([result.baseline.spec, *(o.spec for o in result.outcomes)])
        return run


def _facts(
    subject: Subject, request: Mapping[str, Any], threads: int, config: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        **({} if config is None else {"config": dict(config)}),
        "model": subject.model,
        "dataset": subject.dataset,
        "similarity": subject.embeddings.similarity,
        "request": request,
        "environment": environment(threads),
    }


def _add_pair_histogram(curves: dict[str, Any], subject: Subject, signature: Signature, seed: int) -> None:
    """The curve beside ε, with the mean and ε of the signature where it measured them."""
    value = signature.values.get("epsilon_corpus")
    mean = signature.details.get("epsilon_corpus", {}).get("mean")
    curve = pair_histogram(subject.embeddings, seed, mean, value.value if value else None)
    if curve is not None:
        curves["epsilon_corpus"] = {**curves.get("epsilon_corpus", {}), "pair_histogram": curve}


def _baseline(
    subject: Subject, seed: int, progress: Progress
) -> tuple[dict[str, Any] | None, np.ndarray | None, dict[str, np.ndarray]]:
    """Exact retrieval: the measures with intervals, the rows found, and the raw arrays of the run."""
    embeddings, judgements = subject.embeddings, subject.judgements
    if not len(embeddings.query_ids):
        return None, None, {}
    drop = judgements is not None and judgements.drop_own_document
    scores, rows = exact_search(embeddings, min(REACH, len(embeddings)), drop_own_document=drop, progress=progress)
    arrays = {"retrieved/rows": rows.astype(np.int32), "retrieved/scores": scores}
    if judgements is None:
        return None, rows, arrays
    evaluator = Evaluator(judgements, embeddings.doc_ids, embeddings.query_ids)
    values = evaluator(scores, rows, QUALITY_MEASURES)
    bootstrap = QueryBootstrap.draw(len(evaluator.query_ids), seed, groups=evaluator.query_groups)
    retrieval = {
        name: {"value": float(per_query.mean()), "ci": bootstrap.mean_interval(per_query)}
        for name, per_query in values.items()
    }
    arrays["query_rows"], arrays["query_groups"] = evaluator.query_rows, evaluator.query_groups
    arrays |= {f"quality/{name}": per_query.astype(np.float32) for name, per_query in values.items()}
    return retrieval, rows, arrays


def _query_warnings(subject: Subject) -> list[str]:
    judged = subject.judgements is not None
    count = len(subject.judgements.judged_queries) if subject.judgements else len(subject.embeddings.query_ids)
    if 0 < count < FEW_QUERIES:
        queries = f"{'judged ' if judged else ''}{'query' if count == 1 else 'queries'}"
        return [f"only {count} {queries}: the intervals over queries are uninformative"]
    e = subject.embeddings
    if subject.judgements is not None and len(e.query_ids):
        apart = Evaluator(subject.judgements, e.doc_ids, e.query_ids).independent_queries
        if apart < FEW_QUERIES:
            return [
                f"{count:,} queries share so few relevant documents that they count as {apart}: the intervals over "
                "queries are uninformative, or missing"
            ]
    return []


def _snippets(subject: Subject, shown: np.ndarray) -> tuple[Any, Any]:
    """(id, text) pairs for the run; of a large corpus only the texts of the rows that its report shows."""
    e = subject.embeddings
    queries = None if subject.query_texts is None else zip(e.query_ids, subject.query_texts, strict=True)
    if subject.doc_texts is None:
        return None, queries
    rows = range(len(e)) if len(e) <= SNIPPETS_MOST else np.unique(shown[shown >= 0]).tolist()
    documents = ((e.doc_ids[row], subject.doc_texts[row]) for row in rows)
    return documents, queries
