"""Which stores hold the recommended spec, and the best row of the run that one other than FAISS holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from embgeo.compression.choosing.native import Plan
from embgeo.compression.codecs.spec import Spec, parse
from embgeo.compression.judging.sweep import Sweep
from embgeo.embeddings import Embeddings
from embgeo.errors import MissingExtraError
from embgeo.results.compress import Deploy, Deployable
from embgeo.results.rows import Holding, Row
from embgeo.retrieval.significance import QueryBootstrap
from embgeo.targets import Target, planning_targets

FILE = "faiss"  # searched in a process of the user's own; the others are stores


def deploy(
    swept: Sweep, rows: Sequence[Row], chosen: int, bootstrap: QueryBootstrap, embeddings: Embeddings, budgeted: bool
) -> Deploy:
    """Where row `chosen` of `rows` (in the order of `swept.all`) is held, and what else can be if no store holds it.

    The other row is the best by the run's quality, then by recall, among those within the budget; without a budget the
    smallest of those tied with the recommended one, if a store holds any. Signs that the store compares with signs do
    not count: the row of `binary` did not measure that.
    """
    dimension, similarity = embeddings.dimension, embeddings.similarity
    held = holdings(swept.all[chosen].spec, dimension, similarity)
    found = Deploy(spec=rows[chosen].spec, targets=held)
    if any(_as_measured(one, swept.all[chosen].spec) for one in held if one.target != FILE):
        return found
    for at in _by_preference(swept, rows, chosen, budgeted):
        spec = swept.all[at].spec
        stores = [one for one in holdings(spec, dimension, similarity, FILE) if _as_measured(one, spec)]
        if stores:
            best, other = swept.all[chosen].quality, swept.all[at].quality
            row = Deployable(
                spec=rows[at].spec,
                bytes_per_vector=rows[at].bytes_per_vector,
                targets=stores,
                difference=float(other.mean() - best.mean()),
                difference_ci=bootstrap.difference(other, best),
                recall=rows[at].recall,
            )
            return Deploy(spec=found.spec, targets=held, other=row)
    return found


def holdings(spec: Spec, dimension: int, similarity: str, *without: str) -> list[Holding]:
    """What every planning target says about `spec`, but those named; a target whose library is missing says nothing."""
    found = []
    for each in planning_targets():
        if each.name not in without and (one := _holding(each, spec, dimension, similarity)) is not None:
            found.append(one)
    return found


def with_stores(rows: Sequence[Row], embeddings: Embeddings) -> list[Row]:
    """The rows with the stores that do what each of them measured; FAISS is not asked, which takes a fit of each."""
    found = []
    for row in rows:
        spec = parse(row.spec)
        held = holdings(spec, embeddings.dimension, embeddings.similarity, FILE)
        stores = {one.target: one.fidelity for one in held if one.fidelity and _as_measured(one, spec)}
        found.append(replace(row, stores=stores))
    return found


def _as_measured(one: Holding, spec: Spec) -> bool:
    """Whether the row of `spec` says, about at least, what the store does."""
    return one.fidelity is not None and not (spec.quantizer.plain_signs and one.predicted)


def _holding(target: Target, spec: Spec, dimension: int, similarity: str) -> Holding | None:
    assert target.plan is not None
    try:
        plan = target.plan(spec, dimension, similarity)
    except MissingExtraError:
        return None
    if not isinstance(plan, Plan):
        return Holding(target=target.name, reason=plan.reason, nearest=plan.nearest)
    return Holding(
        target=target.name,
        fidelity=plan.fidelity,
        reason=". ".join(plan.notes),
        predicted=None if plan.predicted == str(spec) else plan.predicted,
        code_bytes=plan.code_bytes,
        original_bytes=plan.original_bytes,
    )


def _by_preference(swept: Sweep, rows: Sequence[Row], chosen: int, budgeted: bool) -> list[int]:
    """Places of the other rows that may stand in, the preferred first."""
    # float32, the first row, needs no advice
    others = [
        at
        for at, row in enumerate(rows)
        if at not in (0, chosen) and row.fits_budget is not False and not swept.all[at].spec.own_metric
    ]
    best = sorted(others, key=lambda at: (-float(swept.all[at].quality.mean()), -float(swept.all[at].recall.mean())))
    if budgeted:
        return best
    tied = sorted((at for at in others if rows[at].tied), key=lambda at: rows[at].bytes_per_vector or 0.0)
    return [*tied, *(at for at in best if at not in tied)]
