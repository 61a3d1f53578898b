"""analyze: what an embedding space looks like, and how well exact search retrieves in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from embgeo.comparison.groups import Answers, compare_groups
from embgeo.datasets.near_copies import near_copy_warnings
from embgeo.encoders.encoder import choose_device
from embgeo.metrics.registry import select
from embgeo.metrics.signature import Signature, SignatureRequest, compute_signature
from embgeo.pipelines.limits import from_results
from embgeo.pipelines.retrieved import retrieved
from embgeo.pipelines.subject_run import facts, loader, texts
from embgeo.progress import Progress, silent
from embgeo.requests import AnalyzeRequest
from embgeo.results.shared import NDCG
from embgeo.retrieval.retrievability import retrievability_summary
from embgeo.run import Run, save_run
from embgeo.run_warnings import subject_warnings
from embgeo.scale.engine import check_engine, open_engine
from embgeo.sources.group_keys import read_group_key
from embgeo.sources.subject import Source, Subject, load_subject
from embgeo.space.pair_histogram import pair_histogram
from embgeo.space.space_map import require_umap, space_map
from embgeo.threads import limited_threads
from embgeo.writable import check_writable_folder

DEPTH = 100  # results per query of exact search, also for retrievability


def analyze(request: AnalyzeRequest, progress: Progress = silent) -> Run:
    """Load the subject, search it exactly, measure its space, lay out its map, and store the run.

    Raises the errors of `embgeo.errors`, before anything is encoded whenever that is possible.
    """
    source, device = check(request)
    key = None
    if request.group_by is not None:
        key = read_group_key(source.address or source.model, request.dataset, request.group_by, progress)
    with limited_threads(request.threads) as threads, open_engine(request.engine, request.address, threads) as engine:
        chosen = select(request.measures, request.quick)
        tokens = any("tokens" in m.needs for m in chosen)
        subject = load_subject(source, request, progress, tokens=tokens, load=loader(engine))
        qrels = {} if subject.judgements is None else subject.judgements.qrels
        near_copies = near_copy_warnings(subject.embeddings.doc_ids, subject.doc_texts, qrels)
        found = retrieved(subject, DEPTH, request.seed, engine, progress)
        asked = SignatureRequest(names=request.measures, quick=request.quick, seed=request.seed, device=device)
        signature = compute_signature(
            subject.embeddings, asked, judgements=subject.judgements, retrieved=found.rows, progress=progress
        )
        laid_out = space_map(subject.embeddings, signature.colours(), found.rows, request.seed, request.umap, progress)
        result = {
            **facts("analyze", request, source.model, subject, threads),
            **_signature(signature, subject, request.seed),
            "map": laid_out.to_json(),
            "retrieval": found.quality,
            "retrievability": (
                None if found.rows is None else retrievability_summary(found.rows, subject.embeddings.doc_ids, DEPTH)
            ),
            "warnings": [*subject_warnings(subject, ranks=True), *near_copies],
        }
        if request.measures is None and not request.quick:
            result["limits"] = from_results(subject.embeddings, found, progress).to_json()
        if key is not None:
            values, answers = key.of(subject.embeddings.doc_ids), None
            if found.evaluator is not None and found.rows is not None:
                answers = Answers(found.evaluator, found.per_query[NDCG], found.rows)
            grouped = compare_groups(subject.embeddings, key.name, values, answers, request.seed, progress)
            result["groups"] = grouped.to_json()
        arrays = found.arrays | _per_document(signature) | laid_out.arrays()
    return save_run(request.out, result, arrays, *texts(subject, laid_out.rows))


def check(request: AnalyzeRequest) -> tuple[Source, str]:
    """Refuse what can be refused before any data is read; the source of the documents, and the device."""
    check_writable_folder(request.out, "--out")
    check_engine(request.engine, request.address)
    device = choose_device(request.device)
    source = Source.of(request)
    if request.umap:
        require_umap()
    select(request.measures, request.quick)
    return source, device


def _signature(signature: Signature, subject: Subject, seed: int) -> dict[str, Any]:
    """The signature as JSON, with its outstanding documents and the histogram of pairs beside ε."""
    result = signature.to_json(subject.embeddings.doc_ids)
    # the curve uses the mean and ε of the signature if it measured them
    value = signature.values.get("epsilon_corpus")
    mean = signature.details.get("epsilon_corpus", {}).get("mean")
    curve = pair_histogram(subject.embeddings, seed, mean, value.value if value else None)
    if curve is not None:
        result["curves"]["epsilon_corpus"] = {**result["curves"].get("epsilon_corpus", {}), "pair_histogram": curve}
    return result


def _per_document(signature: Signature) -> dict[str, np.ndarray]:
    """Per-document values, with the rows that were measured."""
    arrays: dict[str, np.ndarray] = {}
    for name, rows in signature.rows.items():
        arrays[f"rows/{name}/sample"] = signature.samples[name]
        arrays |= {f"rows/{name}/{key}": np.asarray(values) for key, values in rows.items()}
    return arrays
