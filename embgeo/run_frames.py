"""The tables of a stored run as pandas frames; what `Run.frame` returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from embgeo.errors import InputError, MissingExtraError, unknown_name
from embgeo.results.limits import FunnelStep, LimitsResult
from embgeo.results.reproduce import ReproduceResult
from embgeo.results.shared import NDCG

if TYPE_CHECKING:
    import pandas

Record = dict[str, Any]


def run_frame(result: Mapping[str, Any], part: str | None = None) -> pandas.DataFrame:
    """One table of `result`, by default its main one; see `Run.frame`."""
    known = PARTS[str(result.get("command"))]
    if part is not None and part not in known:
        raise unknown_name("part of this run", part, known)
    index, records = known[part or next(iter(known))]
    try:
        import pandas
    except ImportError:
        raise MissingExtraError("frames need pandas: pip install 'embgeo[notebook]'") from None
    rows = [_flat(record) for record in records(result)]
    if not rows and records is _funnel:
        return pandas.DataFrame(columns=[*_flat(_step(FunnelStep()))]).set_index(index)
    if not rows:
        raise InputError(f"this run has no {part or next(iter(known))}: it was not measured")
    return pandas.DataFrame.from_records(rows, index=index)


def _flat(record: Mapping[str, Any], before: str = "") -> Record:
    """Flatten to one level: `x_ci` or `x_range` becomes `x_low` and `x_high`, an object its entries as `name.key`."""
    flat: Record = {}
    for name, value in record.items():
        stem = next((name.removesuffix(end) for end in ("_ci", "_range") if name.endswith(end)), None)
        if name == "ci":
            stem = "ci"
        if stem is not None and (value is None or (isinstance(value, list | tuple) and len(value) == 2)):
            flat[f"{before}{stem}_low"], flat[f"{before}{stem}_high"] = value if value is not None else (None, None)
        elif isinstance(value, Mapping):
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[before + name] = value
    return flat


def _named(key: str, first: str) -> Callable[[Mapping[str, Any]], Iterator[Record]]:
    """Records of {name: entry} under `key`, the name as column `first`."""

    def records(result: Mapping[str, Any]) -> Iterator[Record]:
        for name, entry in (result.get(key) or {}).items():
            yield {first: name, **entry}

    return records


def _tradeoffs(result: Mapping[str, Any]) -> Iterator[Record]:
    chosen = (result.get("recommendation") or {}).get("spec")
    for row in [result["baseline"], *result["tradeoffs"]]:
        yield {**row, "recommended": row["spec"] == chosen}


def _compared_signatures(result: Mapping[str, Any]) -> Iterator[Record]:
    stored = result.get("signatures") or {"measures": [], "runs": []}
    for measure in stored["measures"]:
        for label, entry in zip(stored["runs"], measure["values"], strict=True):
            yield {"measure": measure["name"], "run": label, **(entry or {})}


def _compared_retrieval(result: Mapping[str, Any]) -> Iterator[Record]:
    for run in (result.get("retrieval") or {"runs": []})["runs"]:
        for name, entry in run["measures"].items():
            yield {"measure": name, "run": run["label"], **entry}


def _funnel(result: Mapping[str, Any]) -> Iterator[Record]:
    found = LimitsResult.from_json(result).limits.funnel
    return map(_step, found.steps if found else ())


def _step(step: FunnelStep) -> Record:
    quality = {NDCG: step.value, f"{NDCG}_ci": step.ci}
    change = {"difference": step.difference, "difference_ci": step.difference_ci}
    return {"kind": step.kind, "name": step.name, **quality, **change}


def _reproductions(result: Mapping[str, Any]) -> Iterator[Record]:
    for each in ReproduceResult.from_json(result).reproductions:
        yield {name: value for name, value in each.to_json().items() if name != "numbers"}


def _numbers(result: Mapping[str, Any]) -> Iterator[Record]:
    for each in ReproduceResult.from_json(result).reproductions:
        yield from ({"entry": each.name, **number.to_json()} for number in each.numbers)


def _listed(key: str) -> Callable[[Mapping[str, Any]], Iterator[Record]]:
    return lambda result: iter(result.get(key) or [])


# by command, the main table first: name of the index, and where the records are
PARTS: dict[str, dict[str, tuple[Any, Callable[[Mapping[str, Any]], Iterator[Record]]]]] = {
    "analyze": {
        "signature": ("measure", _named("signature", "measure")),
        "retrieval": ("measure", _named("retrieval", "measure")),
    },
    "compress": {"tradeoffs": ("spec", _tradeoffs)},
    "compare": {
        "signatures": (["measure", "run"], _compared_signatures),
        "retrieval": (["measure", "run"], _compared_retrieval),
        "model_similarity": (["a", "b"], _listed("model_similarity")),
        "cost": (["label", "spec"], _listed("cost")),
        "runs": ("label", _listed("runs")),
    },
    "limits": {"funnel": (["kind", "name"], _funnel), "retrieval": ("measure", _named("retrieval", "measure"))},
    "reproduce": {"reproductions": ("name", _reproductions), "numbers": (["entry", "name"], _numbers)},
}
