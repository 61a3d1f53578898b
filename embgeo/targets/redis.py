"""Redis vector sets (Redis 8 or later): float32, 8 bits or signs in memory, behind an HNSW graph, cosine only.

Run with Redis 8.0.2.
"""

from __future__ import annotations

from embgeo.compression.choosing.account import Account
from embgeo.compression.choosing.native import (
    APPROXIMATE,
    SAME,
    SIGNS,
    Native,
    NativeStore,
    Wanted,
    no_format,
    numbers_of,
    signs,
)
from embgeo.targets import store_target

OVERHEAD = "some 760 bytes of memory a vector beyond the codes (graph, ids), measured with Q8 on SciFact × MiniLM"
DEFAULT = "VADD without an option quantizes to Q8"
BEYOND_CODES = 758
REDUCE = "project on the client: REDUCE is a random projection (nDCG@10 .600 with 192 of 384, pca192 .640)"


def formats(wanted: Wanted) -> Native | str:
    """Options of VADD."""
    name, notes = wanted.quantizer, (OVERHEAD, DEFAULT, *((REDUCE,) if wanted.width < wanted.dimension else ()))
    if name == "f32":
        return Native(_commands(wanted, "NOQUANT"), 4 * wanted.width, SAME, notes)
    if name == "int8":
        return Native(_commands(wanted, "Q8"), wanted.width, APPROXIMATE, ("a scale for each vector", *notes))
    if name in SIGNS:
        return signs(wanted, _commands(wanted, "BIN"), notes=notes)
    return no_format("Redis", wanted)


def _commands(wanted: Wanted, option: str) -> str:
    numbers = numbers_of(wanted.spec)
    links = f" M {numbers[0]}" if numbers else ""
    effort = f"EF {numbers[1] if len(numbers) > 1 else 500}" if numbers else "TRUTH"
    return f"VADD documents FP32 <vector> <id> {option}{links}\nVSIM documents FP32 <query> COUNT 10 {effort}"


ACCOUNT = Account(
    lambda kept: kept.code_bytes + BEYOND_CODES,
    lambda kept: kept.code_bytes + BEYOND_CODES,
    "codes, and 758 bytes of memory for graph and id as measured with Q8 and BIN at the default M 16 (no other M, not "
    "NOQUANT). All of it is memory; what a snapshot takes on disk was not measured",
)


STORE = NativeStore(
    name="Redis",
    formats=formats,
    metrics={"cosine": "cosine"},
    indices=("hnsw",),
    held=("f32", "int8", "binary"),
    cut=("int8", 8),
    max_width=65_535,
    account=ACCOUNT,
)

store_target(
    "redis",
    STORE,
    summary="Redis 8 vector sets, in memory",
    holds="f32 (NOQUANT), int8 (Q8), signs compared by Hamming distance (BIN); always hnsw; cosine only; no original",
    install="pip install 'embgeo[redis]'  (and a server of version 8 or later)",
)
