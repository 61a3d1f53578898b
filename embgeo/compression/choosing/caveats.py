"""What compress refuses before the work, and what it warns of after it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from embgeo.compression.choosing.budget import Budget, parse_budget
from embgeo.compression.choosing.costs import predicted_seconds
from embgeo.compression.choosing.grid import default_specs
from embgeo.compression.choosing.tradeoffs import POOR
from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import Spec
from embgeo.compression.codecs.training import Training
from embgeo.compression.judging.folds import FIT_ROWS, fit_sample
from embgeo.compression.search.indices.ivf import POINTS_PER_LIST
from embgeo.embeddings import Embeddings
from embgeo.environment import versions
from embgeo.errors import BudgetError

QUICK_SECONDS = 30.0  # predicted for the sweep's fits of the same specs: fitted once they take a fifth of it


def refuse_impossible(budget: Budget, specs: Sequence[Spec], dimension: int, vectors: int) -> None:
    """Raise BudgetError before the work when the codes alone are too large; constants are known only after a fit."""
    sizes = [(spec.code_bytes(dimension) + spec.structure_bytes_per_vector, str(spec)) for spec in specs]
    size, spec = min(sizes, key=lambda pair: pair[0])
    if not budget.allows(size, 0):
        whole = "" if budget.per_vector is not None else f", {size * vectors:,} bytes for {vectors:,} vectors"
        raise BudgetError(
            f"no spec of this sweep fits {budget.text}; the smallest is {spec} with {size} bytes per vector{whole}. "
            "Raise --budget or name smaller ones with --spec"
        )


def refuse_unmeetable(budget: str | None, asked: Sequence[Spec], dimension: int, documents: int, vectors: int) -> None:
    """Raise SpecError or BudgetError for what `documents` vectors of `dimension` cannot meet, before they are encoded.

    `asked` are the specs that were named; without them the budget is held against all that a sweep may try.
    """
    for spec in asked:
        spec.code_bytes(dimension)
        spec.check_documents(documents)
    if budget is not None:
        limit = parse_budget(budget, dimension, vectors)
        refuse_impossible(limit, asked or default_specs(dimension, limit, exhaustive=True), dimension, vectors)


def refuse_constants(budget: Budget, specs: Sequence[Spec], embeddings: Embeddings, seed: int) -> None:
    """Raise BudgetError before anything is evaluated when fixed data (axes, ranges) makes every spec too large.

    It is known only after a fit, so specs are fitted as the sweep would ship them, smallest codes first, until one
    fits the budget; with small codes first that is nearly always the first. One that learns from queries, or that
    brings the predicted time beyond QUICK_SECONDS, is left to the sweep, whose findings stay in the cache.
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


def codebook_warnings(specs: Sequence[Spec], documents: int, vectors: int) -> list[str]:
    """Specs whose k-means would want more rows than there are: 39 a centroid, FAISS's own recommendation."""
    needs = {str(spec): spec.quantizer.training_rows_needed for spec in specs}
    short = [name for name, rows in needs.items() if rows > min(max(documents, vectors), FIT_ROWS)]
    warnings = list_warnings(specs, documents)
    if short:
        warnings.append(
            f"too few documents for the codebooks of {', '.join(short)}: fewer than 39 training vectors per centroid, "
            "so they may overfit"
        )
    return warnings


def library_warnings() -> list[str]:
    """What the default sweep leaves out because a library is missing."""
    if "torch" in versions():
        return []
    return ["torch is not installed, so autoencoders (ae…) were left out: pip install torch -c constraints.txt"]


def list_warnings(specs: Sequence[Spec], documents: int) -> list[str]:
    """Inverted lists whose centroids follow single documents; the search is right, its lists are poor."""
    rows = min(documents, FIT_ROWS)
    short = [str(spec) for spec in specs if spec.index is not None and rows < spec.index.training_rows_needed]
    if not short:
        return []
    return [
        f"too few documents for the lists of {', '.join(short)}: fewer than {POINTS_PER_LIST} to fit each on "
        f"({rows:,} for all); use fewer lists"
    ]


def poor_warning(row: Mapping[str, Any]) -> list[str]:
    """The best that fits can still be bad."""
    if row["retained"] is None or row["retained"] >= POOR:
        return []
    return [
        f"{row['spec']} is the best that fits and keeps only {100 * row['retained']:.0f} % of the quality: consider a "
        "larger budget"
    ]


def constants_warning(row: Mapping[str, Any], vectors: int) -> list[str]:
    """Constants that matter at this many vectors."""
    whole = vectors * row["bytes_per_vector"] + row["constant_bytes"]
    share = row["constant_bytes"] / whole
    if share <= 0.1:
        return []
    return [
        f"fixed data of {row['spec']} (axes, ranges) is {100 * share:.0f} % of a store of {vectors:,} vectors, so "
        "bytes per vector understates its size; use --vectors N to plan for a larger corpus"
    ]
