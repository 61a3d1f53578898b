"""pgvector, vectors in PostgreSQL: float32, float16 (halfvec) and signs (bit), behind HNSW or inverted lists.

Run with pgvector 0.8.6 on PostgreSQL 18. There is no 8- or 4-bit type; `bit` is compared by Hamming distance.
"""

from __future__ import annotations

from typing import Any

from embgeo.compression.choosing.native import (
    SIGNS,
    Native,
    NativeStore,
    Wanted,
    no_format,
    numbers_of,
    signs,
)
from embgeo.targets import store_target
from embgeo.targets.engines.pgvector import native

OPERATORS = {"cosine": ("<=>", "cosine_ops"), "inner product": ("<#>", "ip_ops"), "l2": ("<->", "l2_ops")}
INDEXED_WIDTH = {"vector": 2_000, "halfvec": 4_000, "bit": 64_000}
TOAST = "rows beyond some 2 kB move to another table (4.2 kB for the 3 kB of a vector(768)); measure by pg_table_size"
FLOATS = {"f32": ("vector", 4), "f16": ("halfvec", 2)}


def formats(wanted: Wanted) -> Native | str:
    """Columns of pgvector."""
    kind = "bit" if wanted.quantizer in SIGNS else FLOATS.get(wanted.quantizer, ("", 0))[0]
    if not kind:
        return no_format("pgvector", wanted)
    if wanted.spec.index is not None and wanted.width > INDEXED_WIDTH[kind]:
        limit = INDEXED_WIDTH[kind]
        return f"pgvector indexes at most {limit:,} coordinates of {kind}; {wanted.spec} has {wanted.width:,}"
    return _signs(wanted) if kind == "bit" else _floats(wanted, kind)


def _floats(wanted: Wanted, kind: str) -> Native | str:
    if wanted.spec.rescorer is not None:
        return f"{wanted.spec} rescores one copy of the vectors with another; pgvector was run with signs first only"
    operator, ops = OPERATORS[wanted.metric]
    config = _config(wanted, kind, operator, f"{kind}_{ops}")
    size = FLOATS[wanted.quantizer][1] * wanted.width
    return Native(native(config), size, notes=(*_limit(wanted), *((TOAST,) if size > 2_000 else ())), config=config)


def _signs(wanted: Wanted) -> Native:
    operator = OPERATORS[wanted.metric][0]
    if wanted.spec.rescorer is None:
        config = _config(wanted, "bit", operator, "bit_hamming_ops", signs=True)
        return signs(wanted, native(config), notes=_limit(wanted), config=config)
    inner = 10 * wanted.spec.factor
    config = _config(wanted, "vector", operator, "bit_hamming_ops", signs=True, factor=wanted.spec.factor)
    measured = "measured on SciFact × MiniLM: recall@10 .860 with @4 (embgeo .957), .946 with @10 (embgeo .994)"
    notes = (measured, *_limit(wanted, inner))
    return signs(wanted, native(config), keeps_original=True, notes=notes, config=config)


def _config(
    wanted: Wanted, column: str, operator: str, ops: str, signs: bool = False, factor: int = 0
) -> dict[str, Any]:
    """What `engines.pgvector` makes of it; the effort of an index must reach the LIMIT of its search."""
    index, build, search = "", dict[str, int](), dict[str, int]()
    numbers = numbers_of(wanted.spec)
    if numbers and wanted.spec.index is not None and wanted.spec.index.name.startswith("ivf"):
        index, build = "ivfflat", {"lists": numbers[0]}
        search = {"ivfflat.probes": numbers[1] if len(numbers) > 1 else 16}
    elif numbers:
        index, build = "hnsw", {"m": numbers[0]}
        search = {"hnsw.ef_search": max(numbers[1] if len(numbers) > 1 else 100, 10 * max(factor, 1))}
    return {
        "column": column,
        "width": wanted.width,
        "operator": operator,
        "signs": signs,
        "rescore": factor > 0,
        "factor": factor,
        "index": index,
        **({"ops": ops, "build": build} if index else {}),
        "search": search,
    }


def _limit(wanted: Wanted, results: int = 10) -> tuple[str, ...]:
    if wanted.spec.index is None or not wanted.spec.index.name.startswith("hnsw"):
        return ()
    return (f"an index scan returns at most hnsw.ef_search rows (40 by default): keep it at least at {results}",)


STORE = NativeStore(
    name="pgvector",
    formats=formats,
    metrics={"cosine": "inner product", "dot": "inner product", "euclidean": "l2"},
    indices=("hnsw", "ivf"),
    held=("f32", "f16", "binary+f32@10", "hamming", "binary"),
    cut=("f16", 16),
    max_width=16_000,
)

store_target(
    "pgvector",
    STORE,
    summary="PostgreSQL with the extension pgvector",
    holds="f32 (vector), f16 (halfvec), signs compared by Hamming distance (bit); hnsw, ivf; rescoring signs by SQL",
    install="pip install 'embgeo[pgvector]'",
    engine="embgeo.targets.engines.pgvector",
    place="data",
)
