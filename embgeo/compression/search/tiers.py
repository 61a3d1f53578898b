"""Two codes per document: the first is searched, the second rescores its candidates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from embgeo.compression.codecs.codec import Tier
from embgeo.compression.search.searcher import Found, Searcher, any_norm, best_of, pair_scores


@dataclass
class TieredSearcher:
    """Search the first tier, rescore factor · k candidates with the second; both are held in memory.

    Attributes
    ----------
    tier : the second one, which rescores.
    """

    first: Searcher
    tier: Tier
    codes: np.ndarray
    factor: int

    @property
    def name(self) -> str:
        return f"{self.first.name}, rescored"

    @property
    def ram_bytes(self) -> int:
        """Both tiers and both codecs: the copy kept for rescoring is searched, and timed, from memory too."""
        return self.first.ram_bytes + int(self.codes.nbytes) + self.tier.state_bytes

    def with_effort(self, effort: int) -> TieredSearcher:
        """The same with another effort of the index under the first tier."""
        return replace(self, first=cast(Any, self.first).with_effort(effort))

    @any_norm
    def search(self, Q: np.ndarray, k: int) -> Found:
        _, rows = self.first.search(Q, min(k * self.factor, len(self.codes)))
        Z, bias = self.tier.queries(Q)
        wanted, at = np.unique(np.maximum(rows, 0).ravel(), return_inverse=True)
        of_query = np.repeat(np.arange(len(rows)), rows.shape[1])
        scores = pair_scores(Z, of_query, self.tier.decode(self.codes[wanted]), at, self.tier.similarity)
        scores = scores.reshape(rows.shape) + bias[:, None]
        return best_of(np.where(rows >= 0, scores, -np.inf).astype(np.float32), rows, k)


def first_search(searcher: Searcher) -> Searcher:
    """The search of the first tier, whose ranking an index and a rescoring tier change."""
    return searcher.first if isinstance(searcher, TieredSearcher) else searcher
