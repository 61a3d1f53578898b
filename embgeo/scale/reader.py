"""What reads a corpus shard by shard, by an engine, and merges what each finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from embgeo.compression.codecs.codec import Codec, Tier
from embgeo.compression.judging.held_out import RANKING
from embgeo.embeddings import Embeddings
from embgeo.progress import Progress, silent
from embgeo.retrieval.top_k import TopK, tie_order
from embgeo.scale.engine import Engine
from embgeo.scale.passes import nearest, rank
from embgeo.scale.shards import Shard, is_sharded, shards_of

Found = TypeVar("Found")


@dataclass(frozen=True)
class ShardedReader:
    """A `judging.task.Reader` of corpora that are worked on by shards (`is_sharded`)."""

    engine: Engine

    def scan(self, embeddings: Embeddings, asked: np.ndarray, best: TopK, progress: Progress = silent) -> None:
        """Merge the scores of all documents for the queries `asked` (m, d), float32 or float64, into `best`."""
        assert best.precedence is not None
        items = _with_precedence(embeddings, best.precedence)
        for end, found in _ends(embeddings, self.engine.map(nearest, items, asked, best.scores.shape[1])):
            best.join(*found)
            progress("exact search", end, len(embeddings))

    def rank(
        self, embeddings: Embeddings, Q: np.ndarray, tiers: Mapping[str, tuple[Tier, int]], progress: Progress = silent
    ) -> dict[str, TopK]:
        """The best documents of every query by each codec, to a depth, by name; each shard is read once for all."""
        precedence = tie_order(embeddings.doc_ids)
        best = {name: TopK.empty(len(Q), depth, precedence) for name, (_, depth) in tiers.items()}
        codecs = [Codec(tier.spec, (tier,)) for tier, _ in tiers.values()]
        facts = [(codec.manifest(), codec.state) for codec in codecs]
        depths = [depth for _, depth in tiers.values()]
        items = _with_precedence(embeddings, precedence)
        for end, found in _ends(embeddings, self.engine.map(rank, items, Q, facts, depths)):
            for top, one in zip(best.values(), found, strict=True):
                top.join(*one)
            progress(RANKING, end, len(embeddings))
        return best


def reader_of(embeddings: Embeddings, engine: Engine) -> ShardedReader | None:
    """What reads this corpus by shards; None if it is not worked on by shards."""
    return ShardedReader(engine) if is_sharded(embeddings) else None


def _with_precedence(embeddings: Embeddings, precedence: np.ndarray) -> Iterator[tuple[Shard, np.ndarray]]:
    return ((one, precedence[one.first : one.first + one.rows]) for one in shards_of(embeddings))


def _ends(embeddings: Embeddings, results: Iterator[Found]) -> Iterator[tuple[int, Found]]:
    """The results of the shards, each with how many documents are then done."""
    for shard, found in zip(shards_of(embeddings), results, strict=True):
        yield shard.first + shard.rows, found
