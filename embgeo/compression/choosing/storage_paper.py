"""The grid of the published storage study, under its own arithmetic and under ours: is float8 better than int8?

The study compares eight formats without reduction and after PCA. It centres queries and documents with scikit-learn's
PCA, casts floats without a scale, and compares raw uint8 codes by cosine. Its int8 therefore differs from its float8
in two ways at once, format and arithmetic; running both side by side separates them.

Source: Huerga-Pérez et al. 2025, "Optimization of embeddings storage for RAG systems using quantization and
dimensionality reduction techniques", arXiv 2505.00105. Its PCA and ranges come from another collection; here both come
from the documents: out of sample under our arithmetic, in sample under the published one, whose raw codes are not
comparable between fits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from embgeo.compression.codecs.spec import CENTRED, Spec, parse
from embgeo.compression.judging.sweep import Sweep
from embgeo.retrieval.significance import QueryBootstrap

SHARES = (1.0, 0.9, 0.75, 0.5, 0.25)  # of the dimensions, kept
_PUBLISHED = ("f32", "f16", "bf16", "fp8raw", "fp8e5m2raw", "fp4raw", "int8", "binary")
_CORRECT = ("f32", "f16", "bf16", "fp8", "fp8e5m2", "fp4", "int8", "binary")


def storage_paper_specs(dimension: int) -> list[Spec]:
    """80 specs for vectors of `dimension`: eight formats × five widths × two kinds of arithmetic."""
    texts = [_text(dimension, share, name, False) for share in SHARES for name in _CORRECT]
    texts += [_text(dimension, share, name, True) for share in SHARES for name in _PUBLISHED]
    return [parse(text) for text in dict.fromkeys(texts)]


def float8_or_int8(sweep: Sweep, dimension: int, bootstrap: QueryBootstrap) -> dict[str, Any]:
    """Paired differences float8 − int8 at each width and over all, under both kinds of arithmetic, and one sentence.

    `sweep` must hold the outcomes of `storage_paper_specs(dimension)`. The intervals of single widths are nominal; the
    mean over the widths is one comparison for each arithmetic.
    """
    quality = {str(outcome.spec): outcome.quality for outcome in sweep.all}
    published = _compared(quality, dimension, "fp8raw", True, bootstrap)
    correct = _compared(quality, dimension, "fp8", False, bootstrap)
    name = "nDCG@10" if sweep.judged else "recall@10"
    sentence = (
        f"float8 or int8? With the published arithmetic (raw codes, both sides centred) {_lead(published, name)}. "
        f"With decoded values {_lead(correct, name)}. {_conclusion(published, correct)}"
    )
    return {"published": published, "correct": correct, "sentence": sentence}


def _text(dimension: int, share: float, quantizer: str, published: bool) -> str:
    width = max(1, round(dimension * share))
    reducer = [] if share == 1 else [f"{'pcac' if published else 'pca'}{width}"]
    return ",".join([*reducer, quantizer, *([CENTRED] if published else [])])


def _compared(
    quality: dict[str, np.ndarray], dimension: int, float8: str, published: bool, bootstrap: QueryBootstrap
) -> dict[str, Any]:
    widths, gaps = [], []
    for share in SHARES:
        pair = [_text(dimension, share, quantizer, published) for quantizer in (float8, "int8")]
        ours, theirs = (quality[text].astype(np.float64) for text in pair)
        gaps.append(ours - theirs)
        widths.append(
            {
                "float8": pair[0],
                "int8": pair[1],
                "float8_value": float(ours.mean()),
                "int8_value": float(theirs.mean()),
                "difference": float(gaps[-1].mean()),
                "difference_ci": bootstrap.difference(ours, theirs),
            }
        )
    mean = np.mean(gaps, axis=0)
    return {
        "widths": widths,
        "difference": float(mean.mean()),
        "difference_ci": bootstrap.difference(mean, np.zeros_like(mean)),
    }


def _leader(compared: dict[str, Any]) -> str | None:
    """The leader over all widths, if the interval excludes zero."""
    interval = compared["difference_ci"]
    if interval is None or interval[0] <= 0 <= interval[1]:
        return None
    return "float8" if interval[0] > 0 else "int8"


def _lead(compared: dict[str, Any], measure: str) -> str:
    if compared["difference_ci"] is None:
        return "too few queries differ between them for an interval"
    low, high = compared["difference_ci"]
    size = f"{compared['difference']:+.4f} {measure} ({low:+.4f} to {high:+.4f}), averaged over {len(SHARES)} widths"
    leader = _leader(compared)
    return f"{leader or 'neither'} leads{'' if leader else ' significantly'}, float8 − int8 = {size}"


def _conclusion(published: dict[str, Any], correct: dict[str, Any]) -> str:
    before, after = _leader(published), _leader(correct)
    if before == after:
        return f"Both agree: {after} is better here." if after else "With this many queries, either will do."
    if after is None:
        return f"The lead of {before} comes from the arithmetic, not from the format: choose by speed and support."
    return f"With decoded values {after} is better here: the published order comes from the arithmetic."
