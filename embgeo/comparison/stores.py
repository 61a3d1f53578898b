"""Trade-off fronts overlaid, and what each run's vectors cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from embgeo.comparison.runs import ComparedRun, entry, subjects
from embgeo.compression.choosing.front import pareto_front

MEASURES = ("ndcg@10", "recall@10_exact")
ROW = (
    "spec", "bytes_per_vector", "constant_bytes", "store_bytes", "ndcg@10", "ndcg@10_ci", "recall@10_exact",
    "recall@10_exact_ci", "difference", "difference_ci", "retained", "retained_ci", "encode_seconds",
)  # fmt: skip


def measure_of(item: ComparedRun) -> str:
    """What the stores of a compress run were judged by: nDCG@10 on judgements, or recall of the exact neighbours."""
    stored = item.result.get("quality")
    if stored in MEASURES:
        return str(stored)
    return MEASURES[0] if entry(item.result.get("baseline")).get(MEASURES[0]) is not None else MEASURES[1]


def overlay_fronts(runs: Sequence[ComparedRun]) -> list[dict[str, Any]]:
    """One group of fronts for each quality measure: nDCG@10 and recall never share an axis.

    Each front has the run's float32 `baseline`, all its `rows` by rising bytes, each with `quality`, its share of the
    baseline's (`relative_quality`) and of its bytes (`relative_bytes`) and whether no smaller row is as good (`front`).
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for item in runs:
        if item.run.command == "compress" and (front := _front(item)) is not None:
            groups.setdefault(measure_of(item), []).append(front)
    return [{"measure": name, "fronts": groups[name]} for name in MEASURES if name in groups]


def costs(runs: Sequence[ComparedRun], vectors: int, price_per_gb: float | None) -> list[dict[str, Any]]:
    """Bytes of float32 and of the recommended store, at `vectors` vectors, ids and index structure not counted.

    A money figure only with a price (per GB = 10⁹ bytes, per whatever period the price is for).
    """
    found = []
    for item in subjects(runs, "compress", "analyze"):
        dimension = item.dataset.get("dimension")
        base, best = entry(item.result.get("baseline")), entry(item.result.get("recommendation"))
        width = base.get("bytes_per_vector") or (4 * dimension if isinstance(dimension, int) else None)
        if width is not None:
            found.append(_cost(item.label, "f32", width, 0, None, vectors, price_per_gb))
        if best.get("bytes_per_vector") is not None and best.get("spec") != "f32":
            found.append(
                _cost(
                    item.label, str(best.get("spec")), best["bytes_per_vector"], best.get("constant_bytes") or 0,
                    best.get("encode_seconds"), vectors, price_per_gb,
                )
            )  # fmt: skip
    return found


def _cost(
    label: str, spec: str, width: float, constant: float, seconds: Any, vectors: int, price: float | None
) -> dict[str, Any]:
    total = vectors * width + constant
    return {
        "label": label,
        "spec": spec,
        "bytes_per_vector": width,
        "constant_bytes": constant,
        "vectors": vectors,
        "total_bytes": total,
        "codec_encode_seconds": seconds,
        "price": None if price is None else price * total / 1e9,
    }


def _front(item: ComparedRun) -> dict[str, Any] | None:
    measure = measure_of(item)
    base, stored = entry(item.result.get("baseline")), item.result.get("tradeoffs")
    rows = [row for row in stored if isinstance(row, Mapping)] if isinstance(stored, list) else []
    if base and all(row.get("spec") != base.get("spec") for row in rows):
        rows = [base, *rows]
    known = [row for row in rows if row.get(measure) is not None and row.get("bytes_per_vector")]
    if not known:
        return None
    known.sort(key=lambda row: (row["bytes_per_vector"], -row[measure]))
    quality = np.array([row[measure] for row in known])
    front = pareto_front(np.array([row["bytes_per_vector"] for row in known]), quality) & (quality > 0)
    return {
        "label": item.label,
        "baseline": _shown(base),
        "recommended": entry(item.result.get("recommendation")).get("spec"),
        "rows": [
            {**_shown(row), **_relative(row, base, measure), "front": bool(on)}
            for row, on in zip(known, front, strict=True)
        ],
    }


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in ROW if row.get(key) is not None}


def _relative(row: Mapping[str, Any], base: Mapping[str, Any], measure: str) -> dict[str, Any]:
    reference, width = base.get(measure), base.get("bytes_per_vector")
    return {
        "quality": row[measure],
        "relative_quality": row[measure] / reference if reference else None,
        "relative_bytes": row["bytes_per_vector"] / width if width else None,
    }
