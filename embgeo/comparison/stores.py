"""Stores side by side: the recommended ones paired on their queries, all of them as fronts, what they cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embgeo.comparison.judged_queries import METHOD, paired_tests, store_queries
from embgeo.comparison.runs import ComparedRun, subjects
from embgeo.compression.choosing.front import pareto_front
from embgeo.results import NDCG, RECALL, CompressResult, Row
from embgeo.results.compare import ComparedStores, Front, FrontGroup, FrontRow, JudgedStore, StoreCost


def compare_stores(runs: Sequence[ComparedRun], seed: int) -> ComparedStores | None:
    """The recommended stores of the compress runs paired on their queries, by out-of-sample nDCG@10."""
    found = [queries for item in runs if (queries := store_queries(item)) is not None]
    pairs = paired_tests(found, seed)
    if not any(pair.status == "ok" for pair in pairs):
        return None
    stores = [
        JudgedStore(label=each.label, spec=each.name, value=float(each.values[NDCG].mean(dtype=np.float64)))
        for each in found
    ]
    return ComparedStores(stores=stores, method=METHOD, pairs=pairs)


def measure_of(result: CompressResult) -> str:
    """The quality measure of a compress run's stores: nDCG@10 on judgements, or recall of the exact neighbours."""
    if result.quality in (NDCG, RECALL):
        return result.quality
    return NDCG if result.baseline.ndcg is not None else RECALL


def overlay_fronts(runs: Sequence[ComparedRun]) -> list[FrontGroup]:
    """One group of fronts for each quality measure: nDCG@10 and recall never share an axis.

    Each front has the run's float32 `baseline`, all its `rows` by rising bytes, each with `quality`, its share of the
    baseline's (`relative_quality`) and of its bytes (`relative_bytes`) and whether no smaller row is as good (`front`).
    """
    groups: dict[str, list[Front]] = {NDCG: [], RECALL: []}
    for item in runs:
        if isinstance(item.result, CompressResult):
            groups[measure_of(item.result)] += _front(item.label, item.result)
    return [FrontGroup(measure=name, fronts=fronts) for name, fronts in groups.items() if fronts]


def costs(runs: Sequence[ComparedRun], vectors: int, price_per_gb: float | None) -> list[StoreCost]:
    """Bytes of float32 and of the recommended store at `vectors` vectors, without ids and index structure.

    A cost only with a price (per GB = 10⁹ bytes, for whatever period the price is for).
    """
    found: list[tuple[ComparedRun, Row]] = []
    for first in subjects(runs, "compress", "analyze"):
        stated = first.result.baseline.bytes_per_vector if isinstance(first.result, CompressResult) else None
        width = stated or (None if first.dataset.dimension is None else 4 * first.dataset.dimension)
        found.append((first, Row(spec="f32", bytes_per_vector=width)))
        found += [
            (item, item.result.recommendation)
            for item in runs
            if item.subject == first.subject
            and isinstance(item.result, CompressResult)
            and item.result.recommendation.spec != "f32"
        ]
    return [_cost(one.label, row, vectors, price_per_gb) for one, row in found if row.bytes_per_vector is not None]


def _cost(label: str, row: Row, vectors: int, price: float | None) -> StoreCost:
    width, constant = row.bytes_per_vector or 0, row.constant_bytes or 0
    total = vectors * width + constant
    return StoreCost(
        label=label,
        spec=row.spec,
        bytes_per_vector=width,
        constant_bytes=constant,
        vectors=vectors,
        total_bytes=total,
        codec_encode_seconds=row.encode_seconds,
        price=None if price is None else price * total / 1e9,
    )


def _front(label: str, result: CompressResult) -> list[Front]:
    """The front of one run; empty if no row has a value."""
    measure, base = measure_of(result), result.baseline
    known = [
        row for row in result.rows if row.at(measure) is not None and row.bytes_per_vector and row.reference is None
    ]
    if not known:
        return []
    known.sort(key=lambda row: (row.bytes_per_vector, -row.at(measure)))
    sizes, quality = np.array([(row.bytes_per_vector, row.at(measure)) for row in known]).T
    front = pareto_front(sizes, quality) & (quality > 0)
    reference, width = base.at(measure), base.bytes_per_vector
    rows = [
        FrontRow.from_json(
            {
                **row.compared(),
                "quality": row.at(measure),
                "relative_quality": row.at(measure) / reference if reference else None,
                "relative_bytes": (row.bytes_per_vector or 0) / width if width else None,
                "front": bool(on),
            }
        )
        for row, on in zip(known, front, strict=True)
    ]
    recommended = result.recommendation.spec or None
    return [Front(label=label, baseline=Row.from_json(base.compared()), recommended=recommended, rows=rows)]
