"""analyze, compress, search: what the command line calls and a notebook can call too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.compression.budget import Budget, parse_budget, parse_keep, parse_vectors
from embgeo.compression.effects import byte_account, store_effects
from embgeo.compression.folds import FIT_ROWS
from embgeo.compression.grid import default_specs
from embgeo.compression.index import build_searcher
from embgeo.compression.reducers.truncation import Truncation
from embgeo.compression.spec import Spec, parse
from embgeo.compression.store import load_store, write_store
from embgeo.compression.sweep import Sweep, built_searcher, sweep
from embgeo.compression.tradeoffs import FEW_QUERIES, POOR, recommend, tradeoff_rows
from embgeo.encoders.encoder import EncoderOptions, choose_device
from embgeo.environment import environment
from embgeo.errors import BudgetError, InputError, RunFormatError
from embgeo.metrics.registry import select
from embgeo.metrics.signature import compute_signature
from embgeo.progress import Progress, silent
from embgeo.retrieval.evaluate import QUALITY_MEASURES, Evaluator
from embgeo.retrieval.exact import exact_search
from embgeo.retrieval.retrievability import retrievability_summary
from embgeo.retrieval.significance import LEVEL, RESAMPLES, QueryBootstrap
from embgeo.runs import Run, load_run, save_run
from embgeo.subject import VECTORS, Subject, load_subject, with_document_queries
from embgeo.threads import limited_threads

DEFAULT_OUT = Path("embgeo-runs")
STORE_FILE = "store.safetensors"
SNIPPETS_MOST = 50_000
NEIGHBOURS = 10  # the exact neighbours that recall@10 looks for
REACH = 100  # how deep the baseline is searched and retrievability is counted


def analyze(
    model: str,
    dataset: str | None = None,
    *,
    measures: list[str] | None = None,
    quick: bool = False,
    similarity: str = "auto",
    queries_vectors: Path | None = None,
    split: str = "test",
    drop_own_document: bool = False,
    encoder: EncoderOptions | None = None,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    out: Path = DEFAULT_OUT,
    progress: Progress = silent,
) -> Run:
    """What the embedding space of `model` on `dataset` looks like, and how well exact search retrieves in it.

    Parameters follow the command line (`embgeo analyze --help`); `encoder` holds the encoder's options, `progress` is
    called while work goes on. Returns the stored run. Raises the errors of `embgeo.errors`.
    """
    encoder = encoder or EncoderOptions(device=device)
    with limited_threads(threads) as used:
        chosen = select(measures, quick)
        subject = load_subject(
            model, dataset, similarity=similarity, queries_vectors=queries_vectors, split=split,
            drop_own_document=drop_own_document, encoder=encoder, progress=progress,
            tokens=any("tokens" in m.needs for m in chosen),
        )  # fmt: skip
        retrieval, retrieved, arrays = _baseline(subject, seed, progress)
        signature = compute_signature(
            subject.embeddings, judgements=subject.judgements, retrieved=retrieved, names=measures, quick=quick,
            seed=seed, device=choose_device(device), progress=progress,
        )  # fmt: skip
        for name, rows in signature.rows.items():
            arrays[f"rows/{name}/sample"] = signature.samples[name]
            arrays |= {f"rows/{name}/{key}": np.asarray(values) for key, values in rows.items()}
        request = {
            "model": model, "dataset": dataset, "measures": measures, "quick": quick, "seed": seed, "device": device,
            "similarity": similarity, "queries_vectors": queries_vectors, "split": split,
            "drop_own_document": drop_own_document, "encoder": asdict(encoder),
        }  # fmt: skip
        result = {
            "command": "analyze",
            **_facts(subject, request, used),
            **signature.to_json(),
            "retrieval": retrieval,
            "retrievability": (
                None if retrieved is None else retrievability_summary(retrieved, subject.embeddings.doc_ids, REACH)
            ),
            "warnings": [*subject.warnings, *_query_warnings(subject)],
        }
    return save_run(out, result, arrays, *_snippets(subject))


def compress(
    model: str,
    dataset: str | None = None,
    *,
    budget: str | None = None,
    keep: str | None = None,
    specs: list[str] | None = None,
    vectors: str | None = None,
    exhaustive: bool = False,
    similarity: str = "auto",
    queries_vectors: Path | None = None,
    split: str = "test",
    drop_own_document: bool = False,
    encoder: EncoderOptions | None = None,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    out: Path = DEFAULT_OUT,
    progress: Progress = silent,
) -> Run:
    """Judge ways to store the vectors, recommend one within `budget` and `keep`, and build it into the run folder.

    Parameters follow the command line (`embgeo compress --help`). Without judgements the rows are compared by recall
    against exact neighbours; without queries, documents stand in for them and do not find themselves.
    Raises the errors of `embgeo.errors`: among them SpecError, and BudgetError with the smallest reachable size.
    """
    encoder = encoder or EncoderOptions(device=device)
    # whatever can be refused is refused before anything is encoded
    share = parse_keep(keep) if keep is not None else None
    planned = parse_vectors(vectors) if vectors is not None else None
    asked = [parse(text) for text in dict.fromkeys(specs or [])]
    if budget is not None:
        parse_budget(budget, 1, 1)
    with limited_threads(threads) as used:
        subject = load_subject(
            model, dataset, similarity=similarity, queries_vectors=queries_vectors, split=split,
            drop_own_document=drop_own_document, encoder=encoder, progress=progress,
        )  # fmt: skip
        embeddings = subject.embeddings
        warnings = [*subject.warnings, *_query_warnings(subject)]
        drop_own = subject.judgements is not None and subject.judgements.drop_own_document
        if not len(embeddings.query_ids):
            embeddings, drop_own = with_document_queries(embeddings, seed), True
            warnings.append(
                f"no queries: {len(embeddings.query_ids)} documents stand in for them, self matches removed. "
                "Documents are not queries: take the quality as weaker evidence"
            )
        if len(embeddings) <= NEIGHBOURS + int(drop_own):
            warnings.append(
                f"the corpus holds {len(embeddings)} documents and every search returns {NEIGHBOURS}: recall@10 is 1 "
                "for any store and tells nothing"
            )
        evaluator = (
            Evaluator(subject.judgements, embeddings.doc_ids, embeddings.query_ids) if subject.judgements else None
        )
        if evaluator is None:
            warnings.append("no judgements: rows are compared by recall of the exact neighbours, weaker evidence")
        count = planned or len(embeddings)
        limit = parse_budget(budget, embeddings.dimension, count) if budget is not None else None
        chosen = asked or default_specs(embeddings.dimension, limit, exhaustive)
        if limit is not None:
            _refuse_impossible(limit, chosen, embeddings.dimension, count)
        warnings += _codebook_warnings(chosen, len(embeddings), count)
        place = choose_device(device)
        result = sweep(embeddings, evaluator, chosen, drop_own=drop_own, seed=seed, device=place, progress=progress)
        bootstrap = QueryBootstrap.draw(len(result.query_ids), seed)
        rows = tradeoff_rows(result, len(embeddings), bootstrap, planned)
        named = not asked or any(str(spec) == "f32" for spec in asked)
        best = recommend(result, rows, limit, share, count, seed, baseline_competes=named)
        outcome = next(o for o in [result.baseline, *result.outcomes] if str(o.spec) == best["spec"])
        progress("effects of the store", 0, 1)
        effects = store_effects(embeddings, built_searcher(outcome.codec, embeddings, place), seed, drop_own)
        progress("effects of the store", 1, 1)
        warnings += [*_poor_warning(best), *_constants_warning(best, count)]
        request = {
            "model": model, "dataset": dataset, "budget": budget, "keep": keep, "specs": specs, "vectors": vectors,
            "exhaustive": exhaustive, "seed": seed, "device": device, "similarity": similarity,
            "queries_vectors": queries_vectors, "split": split, "drop_own_document": drop_own_document,
            "encoder": asdict(encoder),
        }  # fmt: skip
        full = {
            "command": "compress",
            **_facts(subject, request, used),
            "quality": result.measure,
            "baseline": rows[0],
            "tradeoffs": rows[1:],
            "recommendation": {**best, "effects": effects, "state": byte_account(outcome.codec)},
            "budget": None if limit is None else asdict(limit),
            "keep": share,
            "protocol": _protocol(result, seed, used, place) | _rules(result, share, limit),
            "warnings": warnings,
        }

        def build(folder: Path) -> None:
            progress("writing the store", 0, 1)
            blocks = (outcome.codec.encode(block) for _, block in embeddings.blocks())
            write_store(folder / STORE_FILE, outcome.codec, blocks, embeddings.doc_ids)
            progress("writing the store", 1, 1)

        arrays: dict[str, np.ndarray] = {
            "query_rows": np.arange(len(embeddings.query_ids)) if evaluator is None else evaluator.query_rows,
            **{f"quality/{o.spec}": o.quality.astype(np.float32) for o in [result.baseline, *result.outcomes]},
            **{f"recall/{o.spec}": o.recall.astype(np.float32) for o in result.outcomes},
        }
        return save_run(out, full, arrays, *_snippets(subject), write=build)


@dataclass(frozen=True)
class Hit:
    """One found document; `text` is its beginning when the run kept texts."""

    rank: int
    id: str
    score: float
    text: str | None


def search(
    run: Path | Run,
    query: str | None = None,
    *,
    vector: Path | None = None,
    k: int = 10,
    device: str = "auto",
    threads: int | None = None,
) -> list[Hit]:
    """Ask the store that `compress` built with a text (the run's own model encodes it) or the first row of a file.

    Raises RunFormatError where the run holds no store, InputError where the query does not fit it.
    """
    if (query is None) == (vector is None):
        raise InputError("search needs either a query text or a vector file")
    if k < 1:
        raise InputError(f"k must be at least 1; got {k}")
    run = run if isinstance(run, Run) else load_run(run)
    if run.command != "compress" or not (run.folder / STORE_FILE).exists():
        raise RunFormatError(f"{run.folder} holds no store; name a run of `embgeo compress`")
    with limited_threads(threads):
        store = load_store(run.folder / STORE_FILE)
        Q = _query_from_file(vector) if vector is not None else _query_from_text(run, query or "", device)
        dimension = int(run.result["dataset"]["dimension"])
        if Q.shape[1] != dimension:
            raise InputError(f"the query must have the store's dimension {dimension}; got {Q.shape[1]}")
        from embgeo.embeddings import check_embeddings

        checked = check_embeddings(Q, Q, similarity=store.codec.similarity)
        searcher = build_searcher(store.codec, store.codes, choose_device(device))
        scores, rows = searcher.search(checked.query_matrix(), min(k, len(store)))
    texts = run.documents
    return [
        Hit(rank, store.doc_ids[row], float(value), texts.get(store.doc_ids[row]))
        for rank, (value, row) in enumerate(zip(scores[0], rows[0], strict=True), start=1)
        if row >= 0
    ]


def _query_from_file(path: Path) -> np.ndarray:
    from embgeo.encoders.precomputed import load_vectors

    return np.array(load_vectors(Path(path)).docs[:1], dtype=np.float32)


def _query_from_text(run: Run, query: str, device: str) -> np.ndarray:
    from embgeo.encoders.resolve import resolve_encoder

    asked = run.result["request"]
    name = str(asked["model"])
    if name.startswith(VECTORS):
        raise InputError(f"this store was built from {name}, which cannot encode a text; give --vector FILE")
    if not query.strip():
        raise InputError("a query must hold text; got an empty one")
    options = EncoderOptions(**{**asked["encoder"], "device": device})
    encoder = resolve_encoder(name, options)
    fingerprints = run.result["model"].get("weights"), encoder.identity.get("weights")
    if fingerprints[0] != fingerprints[1]:
        raise InputError(f"the store was built with other weights of {name} than are installed now; run compress again")
    return encoder.encode_batch([query], "query")


def _facts(subject: Subject, request: Mapping[str, Any], threads: int) -> dict[str, Any]:
    return {
        "model": subject.model,
        "dataset": subject.dataset,
        "similarity": subject.embeddings.similarity,
        "request": request,
        "environment": environment(threads),
    }


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
    bootstrap = QueryBootstrap.draw(len(evaluator.query_ids), seed)
    retrieval = {
        name: {"value": float(per_query.mean()), "ci": bootstrap.mean_interval(per_query)}
        for name, per_query in values.items()
    }
    arrays["query_rows"] = evaluator.query_rows
    arrays |= {f"quality/{name}": per_query.astype(np.float32) for name, per_query in values.items()}
    return retrieval, rows, arrays


def _query_warnings(subject: Subject) -> list[str]:
    judged = subject.judgements is not None
    count = len(subject.judgements.judged_queries) if subject.judgements else len(subject.embeddings.query_ids)
    if 0 < count < FEW_QUERIES:
        return [f"only {count} {'judged ' if judged else ''}queries: the intervals over queries say little"]
    return []


def _refuse_impossible(budget: Budget, specs: Sequence[Spec], dimension: int, vectors: int) -> None:
    """Raise BudgetError before the work when the codes alone are too large; constants are known only after a fit."""
    size, spec = min(((spec.code_bytes(dimension), str(spec)) for spec in specs), key=lambda pair: pair[0])
    if not budget.allows(size, 0):
        whole = "" if budget.per_vector is not None else f", {size * vectors:,} bytes for {vectors:,} vectors"
        raise BudgetError(
            f"no spec of this sweep fits {budget.text}; the smallest is {spec} with {size} bytes per vector{whole}. "
            "Raise --budget or name smaller ones with --spec"
        )


def _codebook_warnings(specs: Sequence[Spec], documents: int, vectors: int) -> list[str]:
    """Specs whose k-means would want more rows than there are: 39 a centroid, FAISS's own recommendation."""
    # only quantizers with centroids state a need
    needs = {str(spec): getattr(spec.quantizer, "training_rows_needed", 0) for spec in specs}
    short = [name for name, rows in needs.items() if rows > min(max(documents, vectors), FIT_ROWS)]
    if not short:
        return []
    return [f"too few documents for the codebooks of {', '.join(short)}: fewer than 39 a centroid; they may memorise"]


def _poor_warning(row: Mapping[str, Any]) -> list[str]:
    """The best that fits can still be bad."""
    if row["retained"] is None or row["retained"] >= POOR:
        return []
    return [
        f"{row['spec']} is the best that fits and keeps only {100 * row['retained']:.0f} % of the quality: a larger "
        "budget is worth its bytes"
    ]


def _constants_warning(row: Mapping[str, Any], vectors: int) -> list[str]:
    """Constants that matter at this many vectors."""
    whole = vectors * row["bytes_per_vector"] + row["constant_bytes"]
    share = row["constant_bytes"] / whole
    if share <= 0.1:
        return []
    return [
        f"the constants of {row['spec']} (axes, ranges) take {100 * share:.0f} % of the store of {vectors:,} vectors; "
        "the bytes per vector alone flatter it at this size (--vectors plans for another)"
    ]


def _snippets(subject: Subject) -> tuple[Any, Any]:
    """(id, text) pairs for the run; a large corpus keeps no texts."""
    e = subject.embeddings
    if subject.doc_texts is None or len(e) > SNIPPETS_MOST:
        return None, None
    return zip(e.doc_ids, subject.doc_texts, strict=True), zip(e.query_ids, subject.query_texts or (), strict=True)


def _rules(result: Sweep, keep: float | None, budget: Budget | None) -> dict[str, str]:
    """How the row was chosen, and what its spec takes for granted."""
    said = {
        "selection": (
            "highest quality within budget and keep; among rows tied with it (95 % interval of the paired difference "
            "holds 0 and the estimated loss is under 1 %) the smallest"
        )
    }
    if keep is not None:
        if budget is None:
            said["selection"] = "the smallest store that is shown to keep enough"
        said["keep"] = (
            "one-sided tests, 5 % shared by the families of codecs, in each from the largest store down to the first "
            "failure; one query more is counted as lost, for losses that no query of the sample shows"
        )
    if any(type(part) is Truncation for outcome in result.outcomes for part in outcome.spec.reducers):
        said["truncation"] = (
            "trunc… is meant for models trained for it (Matryoshka); whether this one was is not checked"
        )
    return said


def _protocol(result: Sweep, seed: int, threads: int, device: str) -> dict[str, Any]:
    timing = result.baseline.timing
    return {
        "out_of_sample": (
            f"{result.folds} document folds (identical vectors together), each encoded by a codec fitted on the "
            "others, all ranked together"
        ),
        "folds": result.folds,
        "fit_rows": result.fit_rows,
        "fit_rows_most": FIT_ROWS,
        "interval": f"{100 * LEVEL:g} % percentile bootstrap over queries, paired, {RESAMPLES} resamples",
        "ties": (
            "equal scores by descending document id (trec_eval); tie_band is the range over other orders of the 32 best"
        ),
        "speed": (
            f"top 10, {threads} threads, one warm-up round, {timing.repeats} repeats"
            f"{', interleaved over the specs' if result.interleaved else ''}; median; qps in batches of "
            f"{timing.batch}, single_query_ms one query at a time"
        ),
        "seed": seed,
        "threads": threads,
        "device": device,
        "queries": len(result.query_ids),
    }
