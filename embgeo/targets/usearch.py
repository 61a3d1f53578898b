"""usearch: float, 8-bit and bit formats in one file, without the original vectors.

Run with usearch 2.26.6.
"""

from __future__ import annotations

from typing import Any

from embgeo.compression.choosing.account import Account, Kept
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
from embgeo.targets.engines.usearch import native

GRAPH = "the file holds an HNSW graph too (532 bytes a vector for 384 of int8 on SciFact × MiniLM)"
LINKS = 16  # its default
NO_SCALE = "values are cast as they are, without a scale"
I8 = "usearch divides by the length and multiplies by 127: recall@10 .954 for .991 on SciFact × MiniLM"
# spec: dtype, bytes per coordinate, fidelity, what predicts it, notes
FLOATS: dict[str, tuple[str, int, str, str, tuple[str, ...]]] = {
    "f32": ("f32", 4, SAME, "f32", ()),
    "f16": ("f16", 2, SAME, "f16", ()),
    "bf16": ("bf16", 2, APPROXIMATE, "bf16", ("not measured against embgeo's bf16",)),
    "fp8": ("e4m3", 1, APPROXIMATE, "fp8raw", (NO_SCALE, "recall@10 .976 for .981 with fp8 on SciFact × MiniLM")),
    "fp8raw": ("e4m3", 1, APPROXIMATE, "fp8raw", (NO_SCALE,)),
    "fp8e5m2": ("e5m2", 1, APPROXIMATE, "fp8e5m2raw", (NO_SCALE, "recall@10 .962 for .960 on SciFact × MiniLM")),
    "fp8e5m2raw": ("e5m2", 1, APPROXIMATE, "fp8e5m2raw", (NO_SCALE,)),
}


def formats(wanted: Wanted) -> Native | str:
    """Scalar types of usearch."""
    name = wanted.quantizer
    if name in SIGNS:
        config = _config(wanted, "b1", "hamming")
        return signs(wanted, native(config), notes=(GRAPH,), config=config)
    if name in ("int8", "int8unit"):
        if wanted.similarity != "cosine":
            return f"usearch's i8 is for vectors within the unit ball and was run with cosine; got {wanted.similarity}"
        config = _config(wanted, "i8", "cos")
        made = native(config)
        return Native(made, wanted.width, APPROXIMATE, (I8, GRAPH), quantizer="int8unit", config=config)
    if name in FLOATS:
        dtype, size, fidelity, predicted, notes = FLOATS[name]
        config = _config(wanted, dtype, wanted.metric)
        made = native(config)
        return Native(made, size * wanted.width, fidelity, (*notes, GRAPH), quantizer=predicted, config=config)
    return no_format("usearch", wanted)


def _config(wanted: Wanted, dtype: str, metric: str) -> dict[str, Any]:
    """What `engines.usearch` makes of it."""
    links, effort = numbers_of(wanted.spec) or (0, 0)
    return {"dtype": dtype, "width": wanted.width, "metric": metric, "links": links, "expansion_search": effort}


def _with_graph(kept: Kept) -> float:
    """A node: key, level, links of the lowest layer and their number; a share of the nodes is on higher layers."""
    links = kept.links or LINKS
    return kept.code_bytes + 12 + 4 * (2 * links + 1) + 4 * (links + 1) / (links - 1)


ACCOUNT = Account(
    _with_graph,
    _with_graph,
    "codes, key, and links of 4 bytes; tests compare it with saved files. All of it is in memory, and the graph is "
    "there for exact search too",
)


STORE = NativeStore(
    name="usearch",
    formats=formats,
    metrics={"cosine": "ip", "dot": "ip", "euclidean": "l2sq"},
    indices=("hnsw",),
    held=("f32", "f16", "fp8", "fp8e5m2", "int8", "binary"),
    cut=("f16", 16),
    max_width=65_535,
    account=ACCOUNT,
)

store_target(
    "usearch",
    STORE,
    summary="usearch, in one file",
    holds="f32, f16, bf16, fp8 without a scale, int8 (cosine), signs compared by Hamming distance; hnsw; no original",
    install="pip install 'embgeo[usearch]'",
    engine="embgeo.targets.engines.usearch",
    place="documents.usearch",
)
