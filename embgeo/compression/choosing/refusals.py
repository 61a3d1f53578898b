"""What compress refuses up front: budgets and specs that the vectors cannot meet."""

from __future__ import annotations

import math
from collections.abc import Sequence

from embgeo.compression.choosing.budget import Budget, parse_budget
from embgeo.compression.choosing.costs import predicted_seconds
from embgeo.compression.choosing.grid import default_specs
from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import Spec
from embgeo.compression.codecs.training import Training
from embgeo.compression.judging.folds import fit_sample
from embgeo.embeddings import Embeddings
from embgeo.errors import BudgetError, SpecError

QUICK_SECONDS = 30.0  # estimated for the sweep's fits of these specs; fitting each once takes a fifth of that


def refuse_impossible(budget: Budget, specs: Sequence[Spec], dimension: int, vectors: int) -> None:
    """Raise BudgetError up front if the codes alone are too large; constants are known only after a fit."""
    sizes = [(spec.code_bytes(dimension) + spec.structure_bytes_per_vector, str(spec)) for spec in specs]
    size, spec = min(sizes, key=lambda pair: pair[0])
    if not budget.allows(size, 0):
        whole = "" if budget.per_vector is not None else f", {size * vectors:,} bytes for {vectors:,} vectors"
        raise BudgetError(
            f"no spec of this sweep fits {budget.text}; the smallest is {spec} with {size} bytes per vector{whole}. "
            "Raise --budget or name smaller ones with --spec"
        )


def refuse_changed_metric(specs: Sequence[Spec], *, judged: bool, similarity: str, targets: bool = False) -> None:
    """Raise SpecError for specs that change the metric where nothing can tell if that helps, or it has no sense."""
    changed = [str(spec) for spec in specs if spec.own_metric]
    if not changed:
        return
    if not judged:
        raise SpecError(
            f"{changed[0]} changes the metric, and only relevance judgements can tell whether that helps; there are "
            "none here. Give a dataset with judgements, or drop it"
        )
    if similarity != "cosine":
        raise SpecError(
            f"{changed[0]} compares by cosine, whatever the lengths; the similarity is {similarity}. Drop it"
        )
    if targets:
        raise SpecError(
            f"--target picks among codecs that keep the metric; {changed[0]} does not. Drop --target, and load the run "
            f"with `embgeo deploy RUN TARGET --spec {changed[0]}`"
        )


def refuse_unmeetable(budget: str | None, asked: Sequence[Spec], dimension: int, documents: int, vectors: int) -> None:
    """Raise SpecError or BudgetError for what `documents` vectors of `dimension` cannot meet, before they are encoded.

    `asked` are the specs that the user named; without them the budget is checked against all that a sweep may try.
    """
    for spec in asked:
        spec.code_bytes(dimension)
        spec.check_documents(documents)
    if budget is not None:
        limit = parse_budget(budget, dimension, vectors)
        refuse_impossible(limit, asked or default_specs(dimension, limit, exhaustive=True), dimension, vectors)


def refuse_constants(budget: Budget, specs: Sequence[Spec], embeddings: Embeddings, seed: int) -> None:
    """Raise BudgetError before anything is evaluated when fixed data (axes, ranges) makes every spec too large.

    Fixed data is known only after a fit, so specs are fitted as the sweep would ship them, smallest codes first, until
    one fits the budget, which is nearly always the first. A spec that learns from queries, or brings the estimated
    time above QUICK_SECONDS, is left to the sweep, whose findings stay in the cache.
    """
    if budget.per_vector is not None:
        return
    d, n = embeddings.dimension, len(embeddings)
    training = Training(embeddings.rows(fit_sample(embeddings, seed)), embeddings.similarity, seed)
    seconds, least, smallest = 0.0, math.inf, ""
    ordered = sorted(specs, key=lambda spec: spec.code_bytes(d) + spec.structure_bytes_per_vector)
    for spec in ordered:
        width = spec.code_bytes(d) + spec.structure_bytes_per_vector
        if budget.vectors * width >= least:
            break
        seconds += predicted_seconds(spec, n, d)
        if spec.learns_from_queries or seconds > QUICK_SECONDS:
            return
        constant = fit_codec(spec, training).state_bytes
        if budget.allows(width, constant):
            return
        if (size := budget.vectors * width + constant) < least:
            least, smallest = size, f"{spec} with {'at least ' if spec.index is not None else ''}{size:,} bytes"
    raise BudgetError(
        f"no spec of this sweep fits {budget.text} for {budget.vectors:,} vectors ({budget.store:,.0f} bytes) with its "
        f"fixed data (axes, ranges); the smallest is {smallest}. Raise --budget or --vectors, or name smaller ones "
        "with --spec"
    )
