"""How fast is search over codes, compared with FAISS's own quantizers and with turbovec?

Decides what `build_searcher` takes for each codec. Synthetic unit rows with a decaying spectrum; ours and theirs take
turns in every round, for one query and for a batch of 200, and the median of the rounds and ours ÷ theirs are printed
beside the mark. turbovec is left out unless it is installed; nothing else of the benchmark needs it.

Lower bound of one query: every byte of the codes is read once, printed as the time of one copy of them; the rest is
arithmetic: a table look-up for each byte and row (`search/cells.py`), a product for each coordinate in a batch, 2 · n ·
r · queries operations, printed as the time of that product alone.

    python benchmarks/code_search.py [--rows 100000] [--dimension 384] [--threads 1] [--rounds 7]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from embgeo.compression.codecs.codec import Codec, fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.build import build_searcher, build_structure
from embgeo.compression.search.indices.hnsw import BeamSearcher, Graph
from embgeo.compression.search.indices.ivf import Lists, ListSearcher
from embgeo.compression.search.on_faiss import FaissSearcher, code_index
from embgeo.embeddings import normalise
from embgeo.threads import limited_threads

K = 10
BATCH = 200
FIT_ROWS = 20_000
INDEXED_ROWS = 20_000
Search = Callable[[np.ndarray], Any]


@dataclass(frozen=True)
class Pair:
    """Two searches of the same vectors, and the marks for ours ÷ theirs: one query, a batch; None where none is set."""

    name: str
    against: str
    ours: Search
    theirs: Search
    one: float | None = None
    batch: float | None = None
    codes: np.ndarray | None = None
    width: int = 0


class Peers:
    """The other side, built once each."""

    def __init__(self, X: np.ndarray) -> None:
        self.X, self.built = X, dict[str, Search | None]()

    def get(self, name: str) -> Search | None:
        if name not in self.built:
            kind, _, bits = name.partition(" ")
            self.built[name] = {"SQ8": self.sq8, "RaBitQ": self.rabitq, "turbovec": self.turbovec, "flat": self.flat}[
                kind
            ](int(bits or 8))
        return self.built[name]

    def sq8(self, bits: int) -> Search:
        codec, codes = fitted("int8", self.X)
        return on_faiss(FaissSearcher(codec.tiers[0], codes, code_index(codec.tiers[0])).index)

    def flat(self, bits: int) -> Search:
        index = faiss.IndexFlatIP(self.X.shape[1])
        index.add(self.X)
        return on_faiss(index)

    def rabitq(self, bits: int) -> Search | None:
        try:
            index: Any = faiss.IndexRaBitQ(self.X.shape[1], faiss.METRIC_INNER_PRODUCT, bits)
        except (TypeError, NotImplementedError):
            if bits > 1:
                return None
            index = faiss.IndexRaBitQ(self.X.shape[1], faiss.METRIC_INNER_PRODUCT)
        index.train(self.X[:FIT_ROWS])
        index.add(self.X)
        return on_faiss(index)

    def turbovec(self, bits: int) -> Search | None:
        try:
            from turbovec import TurboQuantIndex
        except ImportError:
            return None
        index = TurboQuantIndex(self.X.shape[1], bits)
        index.add(self.X)
        return lambda Q: index.search(Q, K)


def on_faiss(index: Any) -> Search:
    return lambda Q: index.search(Q, K)


def fitted(text: str, X: np.ndarray) -> tuple[Codec, np.ndarray]:
    codec = fit_codec(parse(text), Training(X[:FIT_ROWS], "cosine"))
    return codec, codec.encode(X)


def flat_pairs(X: np.ndarray) -> list[Pair]:
    """The codecs searched flat, each beside its peer."""
    peers = Peers(X)
    wanted = [
        *((text, "SQ8", 1.0, 0.15) for text in ("adaptive@48B", "trellis@48B")),
        *((f"rot,{text}1", "RaBitQ 1", 1.0, None) for text in ("rabitq", "eden", "tq")),
        *((f"rot,{text}2", "RaBitQ 2", 1.0, None) for text in ("rabitq", "eden", "tq")),
        *((text, "RaBitQ 4", 1.0, None) for text in ("rot,rabitq4", "rot,eden4", "lvq4")),
        *((text, "RaBitQ 8", 1.0, None) for text in ("rot,rabitq8", "lvq8")),
        *((text, "turbovec 4", 0.8, 1.5) for text in ("rot,int4", "rot,tq4", "dp4", "fp4")),
        ("fp8", "SQ8", 0.8, 0.25),
        ("int8", "SQ8", None, 1.0),
        ("f32", "flat", None, 1.0),
        ("binary", "SQ8", None, None),
    ]
    found = []
    for text, against, one, batch in wanted:
        if (theirs := peers.get(against)) is None:
            print(f"{text}: no {against} here")
            continue
        codec, codes = fitted(text, X)
        searcher = build_searcher(codec, codes)
        width = codec.tiers[0].width
        found.append(
            Pair(
                f"{text} ({codec.code_bytes} B)",
                against,
                lambda Q, s=searcher: s.search(Q, K),
                theirs,
                one,
                batch,
                codes,
                width,
            )
        )
    return found


def indexed_pairs(X: np.ndarray) -> list[Pair]:
    """Links and lists over codecs that FAISS cannot hold, beside our loops that decode what they visit."""
    found = []
    for text in ("hnsw16,adaptive@48B", "hnsw16,rot,rabitq1", "hnsw16,trellis@48B", "ivf128,adaptive@48B"):
        codec, codes = fitted(text, X)
        assert codec.spec.index is not None
        structure = build_structure(codec.spec.index, codec, codes, Training(X[:FIT_ROWS], "cosine"))
        ours = build_searcher(codec, codes, structure=structure)
        theirs: BeamSearcher | ListSearcher
        if isinstance(structure, Graph):
            theirs = BeamSearcher(codec.tiers[0], structure, codes, structure.effort)
        else:
            assert isinstance(structure, Lists)
            theirs = ListSearcher(codec.tiers[0], structure, codes, structure.effort)
        found.append(
            Pair(
                text,
                "decoding loops",
                lambda Q, s=ours: s.search(Q, K),
                lambda Q, s=theirs: s.search(Q, K),
                0.2,
                0.2,
            )
        )
    return found


def timed(pair: Pair, Q: np.ndarray, rounds: int) -> tuple[float, float]:
    """Median milliseconds of ours and of theirs, in turn; the first round is not counted."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for side, search in zip(taken, (pair.ours, pair.theirs), strict=True):
            started = time.perf_counter()
            search(Q)
            if number:
                side.append(1e3 * (time.perf_counter() - started))
    return float(np.median(taken[0])), float(np.median(taken[1]))


def seconds(work: Callable[[], object]) -> float:
    work()
    started = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - started)


def show(pair: Pair, Q: np.ndarray, rounds: int) -> None:
    cells = []
    for queries, mark in ((1, pair.one), (BATCH, pair.batch)):
        ours, theirs = timed(pair, Q[:queries], rounds)
        verdict = "" if mark is None else f" (mark {mark:g}{'' if ours <= mark * theirs else ', MISSED'})"
        cells.append(f"{ours:8.2f} {theirs:9.2f} {ours / theirs:6.3f}{verdict}")
    floor = ""
    if pair.codes is not None:
        copy = np.empty_like(pair.codes)
        read = seconds(lambda: np.copyto(copy, pair.codes))
        block = np.random.default_rng(0).standard_normal((2048, pair.width), np.float32)
        asked = np.ascontiguousarray(Q[:, : pair.width])
        product = seconds(lambda: [asked @ block.T for _ in range(-(-len(pair.codes) // 2048))])
        floor = f"   floor {read:.2f} / {product:.0f}"
    print(f"{pair.name:26s} {pair.against:14s} {cells[0]:40s} {cells[1]}{floor}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    spread = ((1 + np.arange(asked.dimension)) ** -0.4).astype(np.float32)
    make = lambda n: normalise(rng.standard_normal((n, asked.dimension), np.float32) * spread)  # noqa: E731
    X, Q = make(asked.rows), make(BATCH)
    print(
        f"{asked.rows:,} × {asked.dimension}, {asked.threads} threads, {asked.rounds} rounds; milliseconds of ours and"
    )
    print(f"theirs and ours ÷ theirs for one query, then for {BATCH}; floor: codes copied once / the product alone")
    with limited_threads(asked.threads):
        for pair in flat_pairs(X):
            show(pair, Q, asked.rounds)
        for pair in indexed_pairs(X[:INDEXED_ROWS]):
            show(pair, Q, asked.rounds)


if __name__ == "__main__":
    main()
