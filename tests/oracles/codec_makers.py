"""Specs of every registered part for a small dimension, and codecs fitted on small clouds, once each."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from functools import cache

import numpy as np

from embgeo.compression.codecs.codec import Codec, Tier, fit_codec
from embgeo.compression.codecs.part import Entry, load_parts
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.build import build_searcher
from embgeo.compression.search.searcher import Searcher
from embgeo.embeddings import normalise
from embgeo.errors import InputError

load_parts()
Make = Callable[[np.ndarray, str, int], Tier]
D = 24
EXAMPLES_FOR = 384  # registered examples are written for embeddings of 384 dimensions


def written(entry: Entry, dimension: int) -> list[str]:
    """How an example may be written for `dimension`: as registered, or with some of its numbers scaled down."""
    if not entry.pattern.groups:
        return [entry.example]
    choices = [
        (word, str(max(1, round(int(word) * dimension / EXAMPLES_FOR)))) if word.isdigit() else (word,)
        for word in re.split(r"(\d+)", entry.example)
    ]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


@cache
def cloud(n: int = 400, d: int = D, seed: int = 0, similarity: str = "cosine") -> np.ndarray:
    """Gaussian rows a little off the origin, unit under cosine."""
    X = np.random.default_rng([seed, n, d]).standard_normal((n, d)).astype(np.float32) + np.float32(0.1)
    X = normalise(X) if similarity == "cosine" else X
    X.flags.writeable = False
    return X


FITTED: dict[tuple[str, str, int, int], tuple[np.ndarray, Tier]] = {}


def maker(text: str) -> Make:
    """Fits once for the same array (by identity: a copy is fitted anew), since the laws share their clouds."""

    def make(X: np.ndarray, similarity: str = "cosine", seed: int = 0) -> Tier:
        key = (text, similarity, seed, id(X))
        if key not in FITTED:
            codec = fit_codec(parse(text), Training(X, similarity, seed).learning_from(X[:100])).tiers[0]
            FITTED[key] = X, codec  # the array is held, so that its id stays its own
        return FITTED[key][1]

    return make


def alike(choices: list[str]) -> str:
    """Of the ways to write a spec, one that can be fitted on D dimensions and has as many bits per coordinate."""
    wanted = parse(choices[0]).code_bytes(EXAMPLES_FOR) / EXAMPLES_FOR
    fits = {}
    for text in dict.fromkeys(choices):
        try:
            fits[text] = abs(parse(text).code_bytes(D) / D - wanted)
        except InputError:
            continue
    assert fits, f"none of {choices} can be fitted on {D} dimensions: give it an example that scales"
    return min(fits, key=lambda text: fits[text])


def searcher_of(tier: Tier, codes: np.ndarray) -> Searcher:
    """The searcher of a store with this one code."""
    return build_searcher(Codec(tier.spec, (tier,)), codes)
