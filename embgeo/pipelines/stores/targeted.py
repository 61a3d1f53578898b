"""What the stores that `--target` names hold: the specs that compete, each as the store would do it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from embgeo.compression.choosing.account import Footprint
from embgeo.compression.choosing.budget import Budget
from embgeo.compression.choosing.decision import Limits, choose_for, size_in
from embgeo.compression.choosing.grid import reduced_widths
from embgeo.compression.choosing.native import CUT_SHARE, Plan, Refusal
from embgeo.compression.codecs.spec import Spec, parse
from embgeo.compression.judging.sweep import Sweep
from embgeo.errors import BudgetError, InputError, SpecError
from embgeo.progress import Progress
from embgeo.results.compress import Deploy, Deployable
from embgeo.results.rows import Holding, Row
from embgeo.retrieval.significance import QueryBootstrap
from embgeo.targets import Target, find_target

Plans = dict[str, dict[str, Plan]]


@lru_cache(maxsize=4096)
def plan_of(target: str, spec: Spec, dimension: int, similarity: str) -> Plan | Refusal:
    """The plan of a registered target; raises MissingExtraError without its library."""
    ask = find_target(target).plan
    assert ask is not None
    return ask(spec, dimension, similarity)


def named_targets(names: Sequence[str] | None) -> list[Target]:
    """The targets of those names, once each; raises InputError for one that is unknown or holds no vectors."""
    found = [find_target(name) for name in dict.fromkeys(names or ())]
    for each in found:
        if each.plan is None:
            raise InputError(f"{each.name} holds no vectors; `embgeo targets` lists those that do")
        plan_of(each.name, parse("f32"), 8, "cosine")  # its library must be there
    return found


@dataclass(frozen=True)
class Targeted:
    """The specs that compete for some targets.

    Attributes
    ----------
    plans : by spec and target, how the target holds what that spec predicts.
    renamed : specs that the user named, and those that predict what a target does with them.
    """

    targets: list[Target]
    plans: Plans
    renamed: dict[str, list[str]]

    @property
    def specs(self) -> list[Spec]:
        return [parse(text) for text in self.plans]

    @property
    def footprints(self) -> dict[str, dict[str, Footprint]]:
        """By spec and target, what the target needs."""
        return {text: {name: plan.footprint for name, plan in held.items()} for text, held in self.plans.items()}

    @property
    def names(self) -> str:
        return " and ".join(each.name for each in self.targets)

    def notes(self) -> list[str]:
        """Which named specs are evaluated as others."""
        told = []
        for text, predicted in self.renamed.items():
            if predicted != [text]:
                told.append(f"{text} is evaluated as {' and '.join(predicted)}, which is what {self.names} would do")
        return told

    def refuse_impossible(self, budget: Budget) -> None:
        """Raise BudgetError if nothing fits, with the smallest size that these specs reach."""
        sizes = [
            (*size_in(footprint, budget), text, name)
            for text, held in self.footprints.items()
            for name, footprint in held.items()
        ]
        if any(budget.holds(each, whole) for each, whole, _, _ in sizes):
            return
        each, whole, text, name = min(sizes, key=lambda one: one[0 if budget.per_vector is not None else 1])
        size = f"{each:,.0f} bytes per vector" if budget.per_vector is not None else f"{whole:,.0f} bytes"
        many = "" if budget.per_vector is not None else f" for {budget.vectors:,} vectors"
        raise BudgetError(
            f"nothing of this sweep that {self.names} holds fits {budget.text}{many} by the store's own account; the "
            f"smallest is {text} in {name} with {size}{self._parts(text, name, budget)}. Raise --budget, or name "
            "smaller ones with --spec"
        )

    def _parts(self, text: str, name: str, budget: Budget) -> str:
        """What the size is made of."""
        plan = self.plans[text][name]
        if budget.per_vector is not None:
            return f" ({plan.code_bytes:,} of codes)"
        fixed = plan.footprint.fixed_bytes
        return f", {fixed:,} of them without any vectors" if fixed and not budget.is_share else ""


def targeted(
    targets: Sequence[Target],
    asked: Sequence[Spec],
    listed: Sequence[Spec],
    space: tuple[int, str],
    budget: Budget | None,
    progress: Progress,
) -> Targeted:
    """What `targets` hold of the specs that the user `asked` for, or else of those `listed` and of their own formats.

    `space` is the dimension and the similarity. Raises InputError for a similarity that a target cannot compare by,
    SpecError for a spec that no target holds, with the nearest that one does.
    """
    found = Targeted(list(targets), {}, {})
    renamed: dict[str, list[str]] = {}
    for spec in asked:
        refusals = []
        for each in targets:
            plan = plan_of(each.name, spec, *space)
            if isinstance(plan, Plan):
                renamed.setdefault(str(spec), []).append(plan.predicted)
                _add(found.plans, each, plan, space)
            else:
                near = f"; the nearest that it holds is {plan.nearest}" if plan.nearest else ""
                refusals.append(f"{each.name} cannot hold {spec}: {plan.reason}{near}")
        if len(refusals) == len(targets):
            raise SpecError(". ".join(refusals))
    if asked:
        return replace(found, renamed={text: list(dict.fromkeys(specs)) for text, specs in renamed.items()})
    for each in targets:
        specs = list(dict.fromkeys([*listed, *_offered(each, listed, space, budget)]))
        held = 0
        for done, spec in enumerate(specs, start=1):
            plan = plan_of(each.name, spec, *space)
            if isinstance(plan, Plan):
                held += 1
                _add(found.plans, each, plan, space)
            progress(f"what {each.name} holds", done, len(specs))
        if not held:
            refusal = plan_of(each.name, parse("f32"), *space)
            assert isinstance(refusal, Refusal)
            raise InputError(f"{each.name} holds none of these vectors: {refusal.reason}")
    return found


def _add(plans: Plans, each: Target, plan: Plan, space: tuple[int, str]) -> None:
    """Add the plan of what predicts `plan`, which says what the store does without what a user might have meant."""
    again = plan_of(each.name, parse(plan.predicted), *space)
    exact = isinstance(again, Plan) and again.predicted == plan.predicted
    plans.setdefault(plan.predicted, {}).setdefault(each.name, again if exact and isinstance(again, Plan) else plan)


def _offered(each: Target, listed: Sequence[Spec], space: tuple[int, str], budget: Budget | None) -> Iterator[Spec]:
    """The target's own formats: of whole vectors, of principal coordinates, and of as many as a budget leaves.

    Codebooks are left to the list, which counts the time of their training.
    """
    dimension = space[0]
    for text in each.offers:
        if parse(text).quantizer.centroids > 1 or not _possible(parse(text), dimension):
            continue
        widths: list[int] = [] if "+" in text else reduced_widths(dimension)
        if budget is not None and budget.per_vector is not None and "+" not in text and text != "f32":
            widths = [*widths, *_fitting(each, text, space, budget)]
        for spec in map(parse, (text, *(f"pca{width},{text}" for width in widths))):
            if spec not in listed and _possible(spec, dimension):
                yield spec


def _fitting(each: Target, text: str, space: tuple[int, str], budget: Budget) -> list[int]:
    """The most principal coordinates, in eights, whose format fits the budget; none if too few would, or all do."""
    dimension = space[0]
    for width in range(dimension, dimension // CUT_SHARE - 1, -8):
        whole = width == dimension
        plan = plan_of(each.name, parse(text if whole else f"pca{width},{text}"), *space)
        if isinstance(plan, Plan) and budget.holds(*size_in(plan.footprint, budget)):
            return [] if whole else [width]
    return []


def _possible(spec: Spec, dimension: int) -> bool:
    try:
        spec.code_bytes(dimension)
    except InputError:
        return False
    return True


def with_holdings(rows: Sequence[Row], targeted: Targeted, limits: Limits) -> list[Row]:
    """The rows with how the targets hold them, the one with the fewest hot bytes first; others are left out."""
    found = []
    for row in rows:
        held = [_holding(name, plan, limits) for name, plan in targeted.plans.get(row.spec, {}).items()]
        held.sort(key=lambda one: one.hot_bytes or 0)
        stores = {one.target: one.fidelity for one in held if one.fidelity}
        found.append(replace(row, targets=held, stores=stores))
    return found


def _holding(name: str, plan: Plan, limits: Limits) -> Holding:
    budget = limits.budget
    return Holding(
        target=name,
        fidelity=plan.fidelity,
        reason=". ".join(plan.notes),
        code_bytes=plan.code_bytes,
        original_bytes=plan.original_bytes,
        native=plan.native,
        client=list(plan.client),
        hot_bytes=plan.footprint.hot_bytes,
        disk_bytes=plan.footprint.disk_bytes,
        fixed_bytes=plan.footprint.fixed_bytes,
        fits_budget=None if budget is None else budget.holds(*size_in(plan.footprint, budget)),
    )


def picked(
    swept: Sweep, rows: Sequence[Row], chosen: int, bootstrap: QueryBootstrap, limits: Limits, targeted: Targeted
) -> Deploy:
    """Which targets hold the recommended row, and which row each of them would get by the same rule."""
    best, picks = swept.all[chosen], []
    for each in targeted.targets:
        place = choose_for(swept, limits, each.name)
        if place is None:
            judged = {str(one.spec) for one in swept.all}
            none = Holding(target=each.name, reason=_nothing(each.name, limits, targeted.footprints, judged))
            picks.append(Deployable(targets=[none]))
            continue
        other, row = swept.all[place], rows[place]
        held = next(one for one in row.targets or () if one.target == each.name)
        itself = place == chosen
        picks.append(
            Deployable(
                spec=row.spec,
                bytes_per_vector=held.hot_bytes,
                targets=[held],
                difference=0.0 if itself else float(other.quality.mean() - best.quality.mean()),
                difference_ci=None if itself else bootstrap.difference(other.quality, best.quality),
                recall=row.recall,
            )
        )
    return Deploy(
        spec=rows[chosen].spec,
        targets=[one for one in rows[chosen].targets or () if one.fits_budget is not False],
        picks=picks,
        accounts={each.name: each.account for each in targeted.targets},
    )


def _nothing(
    name: str, limits: Limits, footprints: Mapping[str, Mapping[str, Footprint]], judged: Collection[str]
) -> str:
    """Why a target has no row: its smallest is over the budget, or what fits was dropped on a sample."""
    budget = limits.budget
    fits = (
        budget is None or budget.holds(*size_in(held[name], budget)) for held in footprints.values() if name in held
    )
    if budget is None or (any(fits) and not any(name in footprints.get(text, ()) for text in judged)):
        return f"it holds none of the finalists of the race on samples; --target {name} alone finds its best"
    place = 0 if budget.per_vector is not None else 1
    sizes = {text: size_in(held[name], budget)[place] for text, held in footprints.items() if name in held}
    smallest = min(sizes, key=lambda text: sizes[text])
    each = " per vector" if budget.per_vector is not None else ""
    return f"nothing fits {budget.text}; the smallest is {smallest} with {sizes[smallest]:,.0f} bytes{each}"
