"""compare: several stored runs side by side. Nothing is encoded, and no measure that needs the texts is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from embgeo.comparison.conditions import check_conditions, parse_condition
from embgeo.comparison.model_similarity import DOCUMENTS, check_sample, compare_models
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
from embgeo.results import AnalyzeResult, CompareResult, Corpus, Named
from embgeo.run import RUNS_FOLDER, Run, save_run
from embgeo.threads import limited_threads
from embgeo.writable import check_writable_folder

PLANNED = "100M"


def compare(
    runs: Sequence[Run | Path | str],
    *,
    vectors: str | None = None,
    price_per_gb: float | None = None,
    documents: int = DOCUMENTS,
    seed: int = 0,
    threads: int | None = None,
    fail_if: Sequence[str] = (),
    out: Path = RUNS_FOLDER,
    config: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Run:
    """Put two or more analyze and compress runs side by side and store the comparison as a run.

    Signatures need analyze runs, trade-off fronts compress runs; retrieval is paired on shared judged queries; model
    similarity is measured on a seeded sample of at most `documents` documents where the vectors are still at hand (the
    vector file, or the embedding cache) and gets a typed reason where they are not. Runs may be given as Run, folder or
    the beginning of a run's name or id in `out`. `vectors` ("100M") is the number of vectors that costs are planned
    for, `price_per_gb` the price of 10⁹ bytes; without it no money is named. `config` is kept in the run as it is.
    `fail_if` are conditions such as "ndcg@10 < -1%" on each run against the first: what comes of them is stored under
    "conditions", and nothing is raised.

    Raises
    ------
    InputError
        Fewer than two runs, one given twice, a comparison among them, or runs that have nothing in common.
    RunFormatError, UnknownNameError, StorageError
        A run cannot be found or read, or the comparison not be written.
    """
    check_writable_folder(out, "--out")
    check_price(price_per_gb)
    check_sample(documents)
    planned = parse_vectors(vectors or PLANNED)
    conditions = [parse_condition(text) for text in fail_if]
    items = gather(runs, out, copies=bool(conditions))
    checked = check_conditions(items, conditions, seed)
    named = [item.result.identity or item.run.name for item in items]
    asked = {"runs": named, "vectors": vectors, "price_per_gb": price_per_gb, "documents": documents, "seed": seed}
    with limited_threads(threads) as used:
        retrieval, warnings = compare_retrieval(items, seed)
        similarity, more = compare_models(items, seed, documents, progress)
        result = CompareResult(
            command="compare",
            model=Named(name=" + ".join(_tails(item.model.name for item in subjects(items)))),
            dataset=Corpus(name=" + ".join(_tails(item.dataset.name for item in subjects(items))) or None),
            request={**asked, **({"fail_if": list(fail_if)} if fail_if else {})},
            config=None if config is None else dict(config),
            environment=environment(used),
            runs=[item.facts() for item in items],
            signatures=compare_signatures(items),
            model_similarity=similarity,
            retrieval=retrieval,
            stores=compare_stores(items, seed),
            fronts=overlay_fronts(items),
            cost=costs(items, planned, price_per_gb),
            conditions=checked if fail_if else None,
        )
    _refuse_strangers(items, result)
    return save_run(out, replace(result, warnings=[*_caveats(items, result), *warnings, *more]).to_json())


def _refuse_strangers(items: Sequence[ComparedRun], result: CompareResult) -> None:
    overlaid = any(len(group.fronts) > 1 for group in result.fronts)
    alike = any(pair.status == "ok" for pair in result.model_similarity)
    if result.signatures is None and not (result.retrieval and result.retrieval.pairs) and not overlaid and not alike:
        said = "; ".join(f"{item.label} is {item.run.command} of {item.dataset.name or 'vectors'}" for item in items)
        raise InputError(
            "runs must have something in common to be compared: signatures (two analyze runs), fronts of one "
            f"quality measure (two compress runs), judged queries, or documents whose vectors are available; {said}"
        )


def _caveats(items: Sequence[ComparedRun], result: CompareResult) -> list[str]:
    said = []
    analyzed = [item for item in items if isinstance(item.result, AnalyzeResult)]
    if result.signatures is not None and len({item.corpus or item.subject for item in analyzed}) > 1:
        said.append("the signatures are from different corpora: their differences mix model and corpus")
    if result.signatures is not None and len({item.result.similarity for item in analyzed}) > 1:
        said.append("the runs use different similarities, which affects measures of directions and norms")
    moved = [row.name for row in result.signatures.measures if not row.same_n] if result.signatures else []
    if moved:
        named = ", ".join(moved[:6]) + (f" and {len(moved) - 6} more" if len(moved) > 6 else "")
        said.append(f"measured on samples of different sizes, which affects some measures: {named}")
    if len(result.fronts) > 1:
        said.append("some stores were evaluated by nDCG@10, others by recall of exact neighbours: plotted separately")
    by_label = {item.label: item for item in items}
    for group in result.fronts:
        shown = [by_label[front.label] for front in group.fronts]
        # vectors without a dataset are known by the fingerprint of their file
        if len({item.corpus or item.model.fingerprint or item.label for item in shown}) > 1:
            said.append(
                f"the Pareto fronts of {group.measure} are from different corpora: compare them relative to float32"
            )
    return said


def _tails(names: Iterable[str | None]) -> list[str]:
    """The last part of each name, in order, each once: what a folder can be called."""
    tails = ((name or "").removeprefix(VECTORS).rstrip("/\\").replace("\\", "/").rpartition("/")[2] for name in names)
    return [name for name in dict.fromkeys(tails) if name]
