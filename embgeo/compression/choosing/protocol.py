"""How a sweep was judged and its row chosen, in words: what the result and the report state."""

from __future__ import annotations

from typing import Any

from embgeo.compression.choosing.budget import Budget
from embgeo.compression.choosing.grid import SpecList
from embgeo.compression.judging.folds import FIT_ROWS
from embgeo.compression.judging.sweep import Sweep
from embgeo.retrieval.significance import LEVEL, RESAMPLES


def rules(result: Sweep, keep: float | None, budget: Budget | None) -> dict[str, str]:
    """How the row was chosen, and what its spec takes for granted."""
    limits = [name for name, given in (("budget", budget), ("keep", keep)) if given is not None]
    within = f" within {' and '.join(limits)}" if limits else ""
    best = (
        f"the rows{within} whose quality, counted up to float32's, lies within half a standard error of the highest "
        "(paired by query) compete by recall of the exact neighbours"
    )
    said = {
        "selection": (
            f"{best}: the highest is taken"
            if budget
            else f"{best}; of the rows tied with that one the smallest is taken"
        ),
        "tied_with": (
            "rows whose paired difference to the chosen row is not shown (95 % interval holds 0) and whose estimated "
            "loss against it is under 1 %, cheapest first"
        ),
    }
    if keep is not None:
        if budget is None:
            said["selection"] = f"the smallest store that is confirmed to keep enough; where none is, {best}"
        said["keep"] = (
            "one-sided tests of all rows, corrected by Holm (family-wise error 5 %); one more query is counted as "
            "lost, for losses that no query of the sample shows"
        )
    if any(outcome.spec.index is not None for outcome in result.outcomes):
        said["index"] = (
            "out of sample, a spec with an index has the ranking of its flat search, without the documents that the "
            "built index misses among the best of the built flat search; links and lists count in bytes per vector; "
            "recall and speed by effort are those of the built index against the flat search"
        )
    if any(part.name == "rot" for outcome in result.outcomes for part in outcome.spec.reducers):
        said["rotation"] = (
            "rot… is one random rotation of this seed; another seed moves such a row, by about as much as its interval "
            "where bits are few, and no interval holds that"
        )
    if any(outcome.spec.centred for outcome in result.outcomes):
        said["score=centred"] = (
            "raw codes of codecs with other ranges and axes do not compare, so these rows are in sample: one codec, "
            "fitted on all documents, as published"
        )
    if any(part.for_trained_models for outcome in result.outcomes for part in outcome.spec.reducers):
        said["truncation"] = (
            "trunc… is meant for models trained for it (Matryoshka); whether this one was is not checked"
        )
    return said


def protocol(result: Sweep, seed: int, threads: int, device: str) -> dict[str, Any]:
    """How the rows were judged and timed: folds, intervals, ties, speed; JSON values."""
    timing = result.baseline.timing
    return {
        "out_of_sample": (
            "the codec that ships ranks all documents, each error of a score scaled by how much larger errors are on "
            f"documents held out of the fit (two of {result.folds} folds, copies together); where it errs over three "
            "times as much there, each document is encoded by a codec fitted without its fold, all ranked together"
        ),
        "folds": result.folds,
        "fit_rows": result.fit_rows,
        "fit_rows_most": FIT_ROWS,
        "interval": f"{100 * LEVEL:g} % percentile bootstrap over queries, paired, {RESAMPLES} resamples",
        "ties": (
            "equal scores by descending document id (trec_eval); tie_band is the range over other orders of the 32 best"
        ),
        "speed": (
            f"top 10, {threads} threads, one warm-up round, {timing.repeats} repeats"
            f"{', interleaved over the specs' if result.interleaved else ''}; median; qps in batches of "
            f"{timing.batch}, single_query_ms one query at a time"
        ),
        "seed": seed,
        "threads": threads,
        "device": device,
        "queries": len(result.query_ids),
        "resumed": result.resumed,
    }


def fit_budget(grid: SpecList) -> dict[str, Any]:
    """Which costly codecs were not judged, and the time they were predicted to take; nothing where none was left out.

    Keys: `fit_budget_seconds`, `left_out` (spec → predicted processor seconds), `fit_budget`, the two in words.
    """
    if grid.fit_budget_seconds is None:
        return {}
    said = (
        f"codecs that are slow to train are run by default if their estimated training time (all folds, with encoding) "
        f"totals under {grid.fit_budget_seconds:g} CPU seconds"
    )
    if grid.left_out:
        listed = ", ".join(f"{spec} ({seconds:.0f} s)" for spec, seconds in grid.left_out.items())
        said += f"; left to --exhaustive: {listed}"
    return {
        "fit_budget_seconds": grid.fit_budget_seconds,
        "left_out": {spec: round(seconds, 1) for spec, seconds in grid.left_out.items()},
        "fit_budget": said,
    }
