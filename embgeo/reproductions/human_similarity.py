"""Does PCA keep what people call similar?"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.embeddings import normalise
from embgeo.encoders.cache import encode_texts
from embgeo.encoders.resolve import resolve_encoder
from embgeo.errors import DataError
from embgeo.files.cache_folder import cache_directory
from embgeo.reproductions.registry import at_most, reproduction
from embgeo.results.reproduce import Compared

FILE = "sts/test.tsv"
PAIRS = 100  # below, a rank correlation is too uncertain
LOST = {192: 0.01, 96: 0.03}  # of the rank correlation, by width


@reproduction(
    "human-similarity",
    title="Rank correlation of cosine with human scores that PCA of half and a quarter of the dimensions loses",
    source="claim of Khaledian et al. 2025, PCA-RAG; the limits are embgeo's",
    needs=(FILE,),
)
def human_similarity(data: Path) -> Iterator[Compared]:
    """all-MiniLM-L6-v2 on pairs of sentences with scores; PCA about the origin, fitted on the sentences."""
    scores, first, second = _pairs(data / FILE)
    encoder = resolve_encoder("minilm")
    A, B = (normalise(np.array(encode_texts(encoder, texts, "query", cache_directory()))) for texts in (first, second))
    full = _correlation(A, B, scores)
    training = Training(np.concatenate([A, B]), "cosine", 0)
    for width, lost in LOST.items():
        tier = fit_codec(parse(f"pca{width},f32"), training).tiers[0]
        kept = _correlation(normalise(tier.reduce(A)), normalise(tier.reduce(B)), scores)
        yield at_most(f"lost by {width} of {A.shape[1]} dimensions (all: {full:.4f})", lost, full - kept)


def _correlation(A: np.ndarray, B: np.ndarray, scores: np.ndarray) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(np.einsum("ij,ij->i", A, B), scores).statistic)


def _pairs(file: Path) -> tuple[np.ndarray, list[str], list[str]]:
    """Scores and the two sentences of each line `score, sentence, sentence` between tabs."""
    rows = list(csv.reader(file.read_text(encoding="utf-8").splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    for number, row in enumerate(rows, 1):
        if len(row) != 3 or not _is_number(row[0]):
            raise DataError(f"{file} line {number} must be a score and two sentences, between tabs")
    if len(rows) < PAIRS:
        raise DataError(f"{file} must hold at least {PAIRS} pairs; got {len(rows)}")
    return np.array([float(row[0]) for row in rows]), [row[1] for row in rows], [row[2] for row in rows]


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
