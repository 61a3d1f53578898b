"""How a sweep was evaluated and its row chosen, in words, for the result and the report."""

from __future__ import annotations

from typing import Any

from embgeo.compression.choosing.budget import Budget
from embgeo.compression.choosing.grid import SpecList
from embgeo.compression.judging.folds import FIT_ROWS, FOLDS
from embgeo.compression.judging.sweep import TIMED_BYTES, Sweep
from embgeo.compression.judging.timing import REPEATS
from embgeo.retrieval.significance import LEVEL, RESAMPLES


def rules(result: Sweep, keep: float | None, budget: Budget | None) -> dict[str, str]:
    """How the row was chosen, and what its spec assumes."""
    within = " within the budget" if budget else ""
    if budget and keep is not None:
        within += " and confirmed to keep enough, where there are any,"
    best = (
        f"of the rows{within} whose quality (capped at float32's) is within half a standard error of the highest, "
        "paired by query, the one with the highest recall of exact neighbours"
    )
    smallest = f"the smallest of the rows tied with the best; the best is, {best}"
    said = {
        "selection": best if budget else smallest,
        "tied_with": (
            "rows whose paired difference to the chosen row is not significant (95 % interval contains 0) and whose "
            "estimated loss against it is under 1 %, cheapest first"
        ),
    }
    if keep is not None:
        if budget is None:
            said["selection"] = f"the smallest store confirmed to keep enough; if there is none, {smallest}"
        said["keep"] = (
            "one-sided tests of all rows, Holm-corrected (family-wise error 5 %); one extra query is counted as lost, "
            "to allow for losses that no query in the sample shows"
        )
    if any(outcome.spec.index is not None for outcome in result.outcomes):
        said["index"] = (
            "out of sample, a spec with an index gets the ranking of its flat search, minus the documents that the "
            "built index misses among the best of the built flat search; links and lists count in bytes per vector; "
            "recall and speed by effort compare the built index with the flat search"
        )
    if any(part.name == "rot" for outcome in result.outcomes for part in outcome.spec.reducers):
        said["rotation"] = (
            "rot… is one random rotation drawn from this seed; another seed shifts such a row, by about the width of "
            "its interval when bits are few, and no interval accounts for that"
        )
    if any(outcome.spec.own_metric for outcome in result.outcomes):
        said["metric"] = (
            "white… compares by another metric: it competes with no other row, is not on the front, and replaces the "
            "chosen one only if, chosen on half of the groups of queries and evaluated on the other half, it gains "
            "both over the same codec without it (white0…, judged alike, by document folds) and over the row chosen "
            "otherwise, each with a 95 % interval above zero"
        )
    if any(outcome.spec.centred for outcome in result.outcomes):
        said["score=centred"] = (
            "raw codes of codecs with different ranges and axes are not comparable, so these rows are in sample: one "
            "codec, fitted on all documents, as published"
        )
    if any(part.for_trained_models for outcome in result.outcomes for part in outcome.spec.reducers):
        said["truncation"] = (
            "trunc… is meant for models trained for it (Matryoshka); whether this one was is not checked"
        )
    return said


def bytes_rule(names: str) -> str:
    """What bytes per vector are with `--target`."""
    return (
        f"bytes per vector are what a search in {names} reads or keeps in memory for each, by the store's own account; "
        "a budget per vector limits them. Budgets for the whole store limit the bytes on disk: a share (8x, 25%) those "
        "of the vectors, a size (4GB) those of an empty store too. The ratio is float32 vectors / vectors on disk. "
        "Speed is that of embgeo's search, not of the store's"
    )


def protocol(result: Sweep, seed: int, threads: int, device: str) -> dict[str, Any]:
    """How the rows were evaluated and timed: folds, intervals, ties, speed; JSON values."""
    timing = result.baseline.timing
    assert timing is not None
    held_out = (
        "the shipped codec ranks all documents, each score's error scaled by how much larger errors are on "
        f"documents held out of the fit (two of {result.folds or FOLDS} folds, copies together); if they are over "
        "three times as large there, each document is encoded by a codec fitted without its fold, and all are ranked "
        "together"
    )
    unseen = (
        f"the shipped codec ranks all documents as it is: it was fitted on {result.fit_rows:,} of "
        f"{result.documents:,}, and its errors on the others are not so much larger that the few seen ones matter "
        f"(under 1 % of the mean error); otherwise {held_out}"
    )
    return {
        "out_of_sample": held_out if result.folds else unseen,
        "folds": result.folds,
        "fit_rows": result.fit_rows,
        "fit_rows_most": FIT_ROWS,
        "interval": f"{100 * LEVEL:g} % percentile bootstrap over queries, paired, {RESAMPLES} resamples",
        "ties": (
            "equal scores in descending order of document id (trec_eval); tie_band is the range over other orders of "
            "the 32 best"
        ),
        "speed": (
            f"top 10, after a warm-up, in up to {REPEATS} rounds: fewer where they agree"
            f"{'' if result.full_timing else ', or after a tenth of the time of the sweep'}"
            f"{', interleaved across specs' if result.interleaved else ''}; median; qps in batches of "
            f"{timing.batch} on {threads} threads, single_query_ms one query at a time on one{_timed(result)}"
        ),
        "seed": seed,
        "threads": threads,
        "device": device,
        "queries": len(result.query_ids),
        "resumed": result.resumed,
    }


def _timed(result: Sweep) -> str:
    """Which rows were timed on a part of the documents."""
    parts = {str(one.spec): one.timing.timed for one in result.all if one.timing is not None and one.timing.timed}
    if not parts:
        return ""
    listed = ", ".join(f"{spec} on {count:,}" for spec, count in parts.items())
    return f"; codes of over {TIMED_BYTES / 2**20:g} MiB are timed on the first documents and scaled to all: {listed}"


def fit_budget(grid: SpecList) -> dict[str, Any]:
    """Which costly codecs were skipped, and their estimated training time; empty if none was skipped.

    Keys: `fit_budget_seconds`, `left_out` (spec → estimated CPU seconds), `fit_budget` (both in words).
    """
    if grid.fit_budget_seconds is None:
        return {}
    said = (
        f"codecs that are slow to train are run by default if their estimated training time (all folds, with encoding) "
        f"totals under {grid.fit_budget_seconds:g} CPU seconds"
    )
    if grid.left_out:
        listed = ", ".join(f"{spec} ({seconds:.0f} s)" for spec, seconds in grid.left_out.items())
        said += f"; run only with --exhaustive: {listed}"
    return {
        "fit_budget_seconds": grid.fit_budget_seconds,
        "left_out": {spec: round(seconds, 1) for spec, seconds in grid.left_out.items()},
        "fit_budget": said,
    }
