"""What the page shows of a comparison: everything as text, ready for its template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from embgeo.reports.blocks import Data as Table
from embgeo.reports.blocks import Plot
from embgeo.reports.compare_decision import decision, few_differ, names, p_text, planned
from embgeo.reports.compare_fronts import front_figures
from embgeo.reports.heading import title_of
from embgeo.reports.numbers import MISSING, byte_size, count, duration, finite, interval, number, percent
from embgeo.reports.page import RunView
from embgeo.reports.sections.retrieval import NAMES
from embgeo.reports.stored import Entry, entries, entry
from embgeo.results.measures import measure_facts
from embgeo.run import Run

LIKENESS = {
    "linear_cka": ("Linear CKA", "1: the same similarities between documents; dominated by the strongest directions"),
    "svcca": ("SVCCA", "1: the leading directions span the same subspace, weighted equally"),
    "neighbourhood_overlap@10": (
        "Overlap@10",
        "Share of a document's ten nearest neighbours in the sample that both models agree on",
    ),
    "procrustes_error": (
        "Procrustes error",
        "Share of squared length that the best rotation leaves unexplained; 0: the same",
    ),
    "information_imbalance_a_to_b": (
        "First predicts second",
        "0: the nearest neighbour in the first model is also nearest in the second; 1: unrelated",
    ),
    "information_imbalance_b_to_a": ("Second predicts first", "The same in the other direction"),
}
INTERVALS = {"True": "overlap", "False": "apart"}
STEPS = 4  # colours on each side of the heat map's middle, half a standard deviation each


@dataclass(frozen=True)
class HeatCell:
    """`step` −4 … 4 colours the cell; 0 is the mean of the runs or unknown."""

    text: str
    note: str
    step: int


@dataclass(frozen=True)
class HeatRow:
    name: str
    meaning: str
    cells: list[HeatCell]
    difference: str
    relative: str
    intervals: str
    n: str


@dataclass(frozen=True)
class Heat:
    labels: list[str]
    two: bool
    rows: list[HeatRow]
    normalisation: str
    order: str


@dataclass(frozen=True)
class Group:
    """Rows of one table body under its own heading."""

    name: str
    rows: list[list[str]]


@dataclass(frozen=True)
class CompareSection(RunView):
    sentences: list[str]
    runs: list[list[str]]
    heat: Heat | None
    likeness_header: list[tuple[str, str]]
    likeness: list[list[str]]
    quality_header: list[str]
    quality: list[list[str]]
    pairs: list[Group]
    more_pairs: list[Group]
    cost: list[list[str]]
    priced: bool
    planned: str
    method: list[str]


def compare_section(run: Run, shared: RunView) -> CompareSection:
    """The section of a comparison; missing or damaged parts of the result become empty, never an error."""
    result = run.result
    listed = entries(result.get("runs"))
    named = names(result)
    models = list(dict.fromkeys(_model(item) for item in listed))
    datasets = list(dict.fromkeys(title_of(item.get("dataset")) or "unnamed vectors" for item in listed))
    cost = entries(result.get("cost"))
    retrieval, stores = entry(result.get("retrieval")), entry(result.get("stores"))
    tests = _pairs(retrieval, "Exact float32 search")
    return CompareSection(
        **{
            **vars(shared),
            "model": " and ".join([", ".join(models[:-1]), models[-1]]) if len(models) > 1 else "".join(models),
            "dataset": ", ".join(datasets),
            "corpus": f"{len(listed)} runs side by side, from stored results",
            "tables": _tables(result),
            "plots": _plots(result, named),
        },
        sentences=decision(result),
        runs=[_run(item) for item in listed],
        heat=_heat(entry(result.get("signatures"))),
        likeness_header=list(LIKENESS.values()),
        likeness=[_alike(pair) for pair in entries(result.get("model_similarity"))],
        quality_header=_quality_names(retrieval),
        quality=_quality(retrieval, named),
        pairs=[*tests[:1], *_pairs(stores, "Recommended stores", _specs(stores))],
        more_pairs=tests[1:],
        cost=[_cost(row) for row in cost],
        priced=any(finite(row.get("price")) is not None for row in cost),
        planned=planned(cost[0].get("vectors")) if cost else "",
        method=_method(result),
    )


def _model(item: Entry) -> str:
    name = title_of(item.get("model")).removeprefix("vectors:") or "vectors"
    return f"{name} ({item['variant']})" if item.get("variant") else name


def _run(item: Entry) -> list[str]:
    return [
        str(item.get("label") or ""),
        _model(item),
        title_of(item.get("dataset")) or MISSING,
        str(item.get("command") or ""),
        count(item.get("documents")),
        count(item.get("dimension")),
        str(item.get("similarity") or MISSING),
        str(item.get("folder") or ""),
    ]


def _plots(result: Entry, named: Mapping[str, str]) -> dict[str, Plot]:
    plots = {}
    for group in entries(result.get("fronts")):
        drawn = front_figures(group, named)
        points = sum(len(entries(front.get("rows"))) for front in entries(group.get("fronts")))
        judged = group.get("measure") == "ndcg@10"
        title = f"Size against {'nDCG@10 on the judgements' if judged else 'recall of the exact neighbours'}"
        described = (
            f"Bytes per vector against quality, the fronts of the runs overlaid, {points} stores; each run's own "
            "report holds the same numbers as a table."
        )
        if drawn:
            name = "fronts-ndcg" if judged else "fronts-recall"
            plots[name] = Plot(name, title, described, drawn)
    return plots


def _heat(stored: Entry) -> Heat | None:
    by_name = {str(row.get("name")): row for row in entries(stored.get("measures"))}
    labels = [str(label) for label in stored.get("runs") or []]
    order = [str(label) for label in stored.get("run_order") or labels]
    if not by_name or len(labels) < 2 or sorted(order) != sorted(labels):
        return None
    places = [labels.index(label) for label in order]
    known = measure_facts()
    rows = []
    for name in (str(name) for name in stored.get("measure_order") or by_name):
        if (row := by_name.get(name)) is None:
            continue
        values = [entry(value) for value in row.get("values") or []]
        # differences that the intervals do not show are not painted
        z = row.get("z") if row.get("intervals_overlap") is not True else None
        z = z or [None] * len(values)
        if len(values) != len(labels):
            continue
        counted = [count(value.get("n")) for value in values]
        rows.append(
            HeatRow(
                name=name,
                meaning=known[name].summary if name in known else "",
                cells=[_cell(values[at], z[at]) for at in places],
                difference=number(row.get("difference"), values[0].get("ci"), signed=True)
                if row.get("difference") is not None
                else "",
                relative=_signed_percent(row.get("relative_difference")),
                intervals=INTERVALS.get(str(row.get("intervals_overlap")), MISSING),
                n=counted[0] if row.get("same_n") is True else ", ".join(counted[at] for at in places),
            )
        )
    return Heat(order, len(labels) == 2, rows, str(stored.get("normalisation") or ""), str(stored.get("order") or ""))


def _cell(value: Entry, z: Any) -> HeatCell:
    x = finite(z)
    step = 0 if x is None else max(-STEPS, min(STEPS, round(2 * x)))
    reason = str(value.get("reason") or "") if finite(value.get("value")) is None else ""
    return HeatCell(number(value.get("value"), value.get("ci")), reason or interval(value.get("ci")), step)


def _alike(pair: Entry) -> list[str]:
    """First, second, then why there is nothing; or six numbers with their chance values, n, how rows were matched."""
    ends = [str(pair.get("a")), str(pair.get("b"))]
    if pair.get("status") != "ok":
        return [*ends, f"{pair.get('reason')}: {pair.get('detail')}"]
    values, chance = entry(pair.get("values")), entry(pair.get("chance"))
    shown = [f"{_three(values.get(k))} ({_three(chance.get(k))})" for k in LIKENESS]
    sample = f"{count(pair.get('n'))} of {count(pair.get('shared'))}"
    return [*ends, *shown, sample, str(pair.get("detail") or "")]


def _three(value: Any) -> str:
    """Three decimals; the four digits of a number too small for them."""
    x = finite(value)
    return number(x, places=3 if x is None or abs(x) >= 0.01 or x == 0 else 5)


def _quality_names(stored: Entry) -> list[str]:
    found = [str(name) for run in entries(stored.get("runs")) for name in entry(run.get("measures"))]
    return [*(n for n in NAMES if n in found), *dict.fromkeys(n for n in found if n not in NAMES)]


def _quality(stored: Entry, named: Mapping[str, str]) -> list[list[str]]:
    order = _quality_names(stored)
    table = []
    for run in entries(stored.get("runs")):
        label, measured = str(run.get("label")), entry(run.get("measures"))
        cells = [entry(measured.get(name)) for name in order]
        values = [f"{number(c.get('value'), places=4)} {interval(c.get('ci'), 3)}".strip() for c in cells]
        table.append([label, named.get(label, ""), *values])
    return table


def _specs(stored: Entry) -> dict[str, str]:
    return {str(store.get("label")): str(store.get("spec")) for store in entries(stored.get("stores"))}


def _pairs(stored: Entry, title: str, specs: Mapping[str, str] | None = None) -> list[Group]:
    pairs = entries(stored.get("pairs"))
    groups = []
    for name in dict.fromkeys(str(name) for pair in pairs for name in entry(pair.get("measures"))):
        rows = []
        for pair in pairs:
            test = entry(entry(pair.get("measures")).get(name))
            if not test:
                continue
            ends = [str(pair.get(end)) + (f" ({specs.get(str(pair.get(end)))})" if specs else "") for end in ("a", "b")]
            bound = test.get("changed_bound")
            few = few_differ(test) + (f" (under {percent(bound)} would)" if finite(bound) is not None else "")
            rows.append([
                f"{ends[0]} − {ends[1]}",
                number(test.get("difference"), places=4, signed=True),
                interval(test.get("difference_ci"), 4, signed=True) or few,
                p_text(test.get("p")), p_text(test.get("p_holm")),
                f"{count(test.get('wins'))} / {count(test.get('ties'))} / {count(test.get('losses'))}",
                count(pair.get("n")),
            ])  # fmt: skip
        groups.append(Group(f"{title}, {NAMES.get(name, name)}", rows))
    unpaired = [
        [f"{pair.get('a')} − {pair.get('b')}", MISSING, str(pair.get("reason") or ""), MISSING, MISSING, MISSING, "0"]
        for pair in pairs
        if pair.get("status") != "ok"
    ]
    return [*groups, *([Group(f"{title}: not paired", unpaired)] if unpaired else [])]


def _cost(row: Entry) -> list[str]:
    price = finite(row.get("price"))
    return [
        str(row.get("label") or ""),
        str(row.get("spec") or ""),
        byte_size(row.get("bytes_per_vector")),
        byte_size(row.get("constant_bytes")),
        byte_size(row.get("total_bytes")),
        duration(row.get("codec_encode_seconds")),
        number(price, places=2),
    ]


def _method(result: Entry) -> list[str]:
    signatures, request = entry(result.get("signatures")), entry(result.get("request"))
    said = []
    if signatures:
        scale = str(signatures.get("normalisation"))
        known = "not normalised" if scale == "none" else f"normalised by {scale}"
        said.append(f"Signatures are {known}.")
        said.append(f"Order of measures and runs: {signatures.get('order')}.")
        said.append(
            "Intervals that do not overlap indicate a difference; overlapping ones do not rule one out. They describe "
            "these documents and do not generalise to other corpora."
        )
    if retrieval := entry(result.get("retrieval")) or entry(result.get("stores")):
        said.append(
            f"Retrieval: {retrieval.get('method')}. The words better and worse follow the p value, not the interval."
        )
    if entries(result.get("model_similarity")):
        said.append(
            f"Model similarity is measured on one seeded sample of at most {count(request.get('documents'))} documents "
            f"that both runs hold (seed {request.get('seed')}); neighbours are those within the sample. In brackets, "
            "the value when one side is shuffled: a value close to it is uninformative. Vectors come from the vector "
            "file or the embedding cache and are checked to be those that were measured; nothing is encoded."
        )
    if entries(result.get("fronts")):
        said.append("Fronts are out of sample; nDCG@10 and recall of exact neighbours are never drawn on one axis.")
    return said


def _tables(result: Entry) -> dict[str, Table]:
    """The tables of the comparison as raw values, and the stores that its plots show."""
    retrieval, stores, signatures = (entry(result.get(name)) for name in ("retrieval", "stores", "signatures"))
    return {
        "runs": Table("runs", "What is compared", entries(result.get("runs"))),
        "retrieval": Table(
            "retrieval",
            "Retrieval",
            [
                {"run": run.get("label"), "measure": name, **entry(value)}
                for run in entries(retrieval.get("runs"))
                for name, value in entry(run.get("measures")).items()
            ],
        ),
        "differences": Table(
            "differences",
            "Differences, paired by query",
            [*_tests(retrieval, "exact search"), *_tests(stores, "recommended store")],
        ),
        "model-similarity": Table(
            "model-similarity",
            "Model similarity",
            [
                {
                    **{key: pair.get(key) for key in ("a", "b", "status", "reason", "n", "shared", "detail")},
                    **entry(pair.get("values")),
                    **{f"{key}_by_chance": value for key, value in entry(pair.get("chance")).items()},
                }
                for pair in entries(result.get("model_similarity"))
            ],
        ),
        "signatures": Table(
            "signatures",
            "Signatures",
            [
                {"measure": row.get("name"), "run": label, **entry(value)}
                for row in entries(signatures.get("measures"))
                for label, value in zip(signatures.get("runs") or [], row.get("values") or [], strict=False)
            ],
        ),
        "stores": Table(
            "stores",
            "Stores",
            [
                {"run": front.get("label"), **row}
                for group in entries(result.get("fronts"))
                for front in entries(group.get("fronts"))
                for row in entries(front.get("rows"))
            ],
        ),
        "cost": Table("cost", "Cost", entries(result.get("cost"))),
    }


def _tests(stored: Entry, of: str) -> list[Entry]:
    return [
        {"of": of, "measure": name, "a": pair.get("a"), "b": pair.get("b"), "queries": pair.get("n"), **entry(test)}
        for pair in entries(stored.get("pairs"))
        for name, test in entry(pair.get("measures")).items()
    ]


def _signed_percent(share: Any) -> str:
    x = finite(share)
    return "" if x is None else f"{number(100 * x, places=1, signed=True)}\u202f%"
