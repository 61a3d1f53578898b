"""compare: several stored runs side by side. Nothing is encoded, and no measure that needs the texts is computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from embgeo.comparison.conditions import check_conditions, parse_condition
from embgeo.comparison.model_similarity import check_sample, compare_models
from embgeo.comparison.redundancy import redundant_measures
from embgeo.comparison.retrieval import compare_retrieval
from embgeo.comparison.runs import ComparedRun, gather, subjects
from embgeo.comparison.signatures import compare_signatures
from embgeo.comparison.stores import compare_stores, costs, overlay_fronts
from embgeo.compression.choosing.budget import parse_vectors
from embgeo.compression.choosing.price import check_price
from embgeo.encoders.resolve import VECTORS
from embgeo.environment import environment
from embgeo.errors import InputError
from embgeo.progress import Progress, silent
from embgeo.requests import CompareRequest
from embgeo.results import AnalyzeResult, CompareResult, Corpus, Named
from embgeo.run import Run, save_run
from embgeo.threads import limited_threads
from embgeo.writable import check_writable_folder

PLANNED = "100M"


def compare(request: CompareRequest, progress: Progress = silent) -> Run:
    """Put the runs of the request side by side and store the comparison as a run; see `embgeo.compare`."""
    check_writable_folder(request.out, "--out")
    check_price(request.price_per_gb)
    check_sample(request.documents)
    planned = parse_vectors(request.vectors or PLANNED)
    conditions = [parse_condition(text) for text in request.fail_if or ()]
    items = gather(request.runs, request.out, copies=bool(conditions))
    checked = check_conditions(items, conditions, request.seed)
    named = [item.result.identity or item.run.name for item in items]
    kept = ("vectors", "price_per_gb", "documents", "seed", *(("fail_if",) if conditions else ()))
    with limited_threads(request.threads) as used:
        retrieval, warnings = compare_retrieval(items, request.seed)
        signatures = compare_signatures(items)
        similarity, more = compare_models(items, request.seed, request.documents, progress)
        result = CompareResult(
            command="compare",
            model=Named(name=" + ".join(_tails(item.model.name for item in subjects(items)))),
            dataset=Corpus(name=" + ".join(_tails(item.dataset.name for item in subjects(items))) or None),
            request={"runs": named, **{name: getattr(request, name) for name in kept}},
            config=None if request.config is None else dict(request.config),
            environment=environment(used),
            runs=[item.facts() for item in items],
            signatures=signatures,
            redundancy=redundant_measures(signatures),
            model_similarity=similarity,
            retrieval=retrieval,
            stores=compare_stores(items, request.seed),
            fronts=overlay_fronts(items),
            cost=costs(items, planned, request.price_per_gb),
            conditions=checked if conditions else None,
        )
    _refuse_unrelated(items, result)
    return save_run(request.out, replace(result, warnings=[*_caveats(items, result), *warnings, *more]).to_json())


def _refuse_unrelated(items: Sequence[ComparedRun], result: CompareResult) -> None:
    overlaid = any(len(group.fronts) > 1 for group in result.fronts)
    alike = any(pair.status == "ok" for pair in result.model_similarity)
    if result.signatures is None and not (result.retrieval and result.retrieval.pairs) and not overlaid and not alike:
        listed = "; ".join(f"{item.label} is {item.run.command} of {item.dataset.name or 'vectors'}" for item in items)
        if len({item.subject for item in items}) == 1:
            listed += ". All are of the same vectors, whose search and similarity are the same by definition"
        raise InputError(
            "runs must have something in common to be compared: signatures (two analyze runs), fronts of one "
            f"quality measure (two compress runs), judged queries, or documents whose vectors are available; {listed}"
        )


def _caveats(items: Sequence[ComparedRun], result: CompareResult) -> list[str]:
    notes = []
    analyzed = [item for item in items if isinstance(item.result, AnalyzeResult)]
    if result.signatures is not None and len({item.corpus or item.subject for item in analyzed}) > 1:
        notes.append("the signatures are from different corpora: their differences mix model and corpus")
    if result.signatures is not None and len({item.result.similarity for item in analyzed}) > 1:
        notes.append("the runs use different similarities, which affects measures of directions and norms")
    moved = [row.name for row in result.signatures.measures if not row.same_n] if result.signatures else []
    if moved:
        named = ", ".join(moved[:6]) + (f" and {len(moved) - 6} more" if len(moved) > 6 else "")
        notes.append(f"measured on samples of different sizes, which affects some measures: {named}")
    if len(result.fronts) > 1:
        notes.append("some stores were evaluated by nDCG@10, others by recall of exact neighbours: plotted separately")
    by_label = {item.label: item for item in items}
    for group in result.fronts:
        shown = [by_label[front.label] for front in group.fronts]
        # vectors without a dataset are known by the fingerprint of their file
        if len({item.corpus or item.model.fingerprint or item.label for item in shown}) > 1:
            notes.append(
                f"the Pareto fronts of {group.measure} are from different corpora: compare them relative to float32"
            )
    return notes


def _tails(names: Iterable[str | None]) -> list[str]:
    """The last part of each name, in order and without repeats, for the name of a folder."""
    tails = ((name or "").removeprefix(VECTORS).rstrip("/\\").replace("\\", "/").rpartition("/")[2] for name in names)
    return [name for name in dict.fromkeys(tails) if name]
