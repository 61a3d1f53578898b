"""limits: what a space cannot hold, which queries will fail, and where quality is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from embgeo.compression.codecs.spec import parse
from embgeo.embeddings import Embeddings
from embgeo.encoders.encoder import choose_device
from embgeo.errors import InputError
from embgeo.limits.judgement_margin import judgement_margin, own_gap
from embgeo.limits.query_performance import JudgedQueries, comparable, uncertain_queries
from embgeo.limits.relevance_graph import relevance_graph
from embgeo.limits.similarity_check import similarity_check
from embgeo.limits.truncation import truncation_check
from embgeo.limits.unreachable import unreachable
from embgeo.limits.widths import by_width
from embgeo.pipelines.funnel import default_specs, funnel
from embgeo.pipelines.retrieved import Retrieved, retrieved
from embgeo.pipelines.subject_run import facts, loader, texts
from embgeo.progress import Progress, silent
from embgeo.requests import LimitsRequest
from embgeo.results.limits import Limits
from embgeo.results.shared import NDCG
from embgeo.retrieval.exact import own_rows
from embgeo.run import Run, save_run
from embgeo.run_warnings import subject_warnings
from embgeo.scale.engine import check_engine, open_engine
from embgeo.sources.subject import Source, load_subject
from embgeo.threads import limited_threads
from embgeo.writable import check_writable_folder

OWN_QUERIES = 0.5  # share of queries that have the id of a document, from which on they are documents
DEPTH = 1000  # results per query of exact search: as many as a reranker may be given


def limits(request: LimitsRequest, progress: Progress = silent) -> Run:
    """Load the subject, search it exactly, measure what limits the search, and store the run.

    Raises the errors of `embgeo.errors`, before anything is encoded whenever that is possible.
    """
    check_writable_folder(request.out, "--out")
    check_engine(request.engine, request.address)
    choose_device(request.device)
    named = [parse(text) for text in request.specs or ()]
    source = Source.of(request)
    with limited_threads(request.threads) as threads, open_engine(request.engine, request.address, threads) as engine:
        subject = load_subject(source, request, progress, load=loader(engine))
        if not len(subject.embeddings.query_ids):
            raise InputError(
                "limits needs queries; give a dataset that has some, or --queries-vectors with vectors:PATH"
            )
        found = retrieved(subject, DEPTH, request.seed, engine, progress)
        drop_own = subject.judgements is not None and subject.judgements.drop_own_document
        embeddings, evaluator = subject.embeddings, found.evaluator
        others = from_other_searches(embeddings, found, drop_own, progress)
        specs = named or default_specs(embeddings.dimension)
        steps, effort = funnel(embeddings, found, specs, drop_own, others.get("similarity"), progress)
        measured = replace(
            from_results(embeddings, found, progress),
            margin=judgement_margin(embeddings, evaluator, request.seed, progress, threads),
            own_gap=own_gap(embeddings, evaluator, found.scores, found.rows),
            graph=None if evaluator is None else relevance_graph(evaluator.qrels),
            widths=by_width(embeddings, evaluator, drop_own_document=drop_own, seed=request.seed, progress=progress),
            funnel=steps,
            effort=effort,
            **others,
        )
        result = {
            **facts("limits", request, source.model, subject, threads),
            "limits": measured.to_json(),
            "retrieval": found.quality,
            "warnings": subject_warnings(subject),
        }
    return save_run(request.out, result, found.arrays, *texts(subject, found.listed))


def from_results(embeddings: Embeddings, found: Retrieved, progress: Progress = silent) -> Limits:
    """What the results of exact search tell at once: uncertain queries and unreachable documents."""
    confidence = judged = None
    if (evaluator := found.evaluator) is not None:
        judged = JudgedQueries(found.per_query[NDCG], evaluator.query_rows, evaluator.query_groups)
    if found.scores is not None:
        scores = comparable(found.scores, embeddings.query_matrix(), embeddings.similarity)
        confidence = uncertain_queries(scores, embeddings.query_ids, judged, found.seed)
    own = own_rows(embeddings)
    are_documents = len(own) > 0 and float((own >= 0).mean()) > OWN_QUERIES
    missed = unreachable(embeddings, found.rows, found.seed, progress, own_queries=are_documents)
    return Limits(confidence=confidence, unreachable=missed)


def from_other_searches(
    embeddings: Embeddings, found: Retrieved, drop_own: bool, progress: Progress = silent
) -> dict[str, Any]:
    """What the same vectors find when they are searched otherwise, each a field of `Limits`; {} without judgements."""
    if found.evaluator is None:
        return {}
    given = embeddings, found.evaluator, found.per_query[NDCG], found.seed, drop_own, progress
    return {"similarity": similarity_check(*given), "truncation": truncation_check(*given)}
