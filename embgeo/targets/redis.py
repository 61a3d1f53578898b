"""Redis vector sets (Redis 8 or later): float32, 8 bits or signs in memory, behind an HNSW graph, cosine only.

Run with Redis 8.0.2.
"""

from __future__ import annotations

from typing import Any

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
from embgeo.targets.engines.redis import native

OVERHEAD = "some 760 bytes of memory a vector beyond the codes (graph, ids), measured with Q8 on SciFact × MiniLM"
DEFAULT = "VADD without an option quantizes to Q8"
BEYOND_CODES = 758
REDUCE = "project on the client: REDUCE is a random projection (nDCG@10 .600 with 192 of 384, pca192 .640)"


def formats(wanted: Wanted) -> Native | str:
    """Options of VADD."""
    name, notes = wanted.quantizer, (OVERHEAD, DEFAULT, *((REDUCE,) if wanted.width < wanted.dimension else ()))
    if name == "f32":
        config = _config(wanted, "NOQUANT")
        return Native(native(config), 4 * wanted.width, SAME, notes, config=config)
    if name == "int8":
        config, notes = _config(wanted, "Q8"), ("a scale for each vector", *notes)
        return Native(native(config), wanted.width, APPROXIMATE, notes, config=config)
    if name in SIGNS:
        config = _config(wanted, "BIN")
        return signs(wanted, native(config), notes=notes, config=config)
    return no_format("Redis", wanted)


def _config(wanted: Wanted, option: str) -> dict[str, Any]:
    """What `engines.redis` makes of it."""
    links, effort = numbers_of(wanted.spec) or (0, 0)
    return {"option": option, "width": wanted.width, "links": links, "effort": effort}


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
    engine="embgeo.targets.engines.redis",
)
