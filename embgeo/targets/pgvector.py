"""pgvector, vectors in PostgreSQL: float32, float16 (halfvec) and signs (bit), behind HNSW or inverted lists.

Run with pgvector 0.8.6 on PostgreSQL 18. There is no 8- or 4-bit type; `bit` is compared by Hamming distance.
"""

from __future__ import annotations

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
    operator, ops = _operator(wanted)
    lines = [
        f"create table documents (id bigint primary key, e {kind}({wanted.width}));",
        *_index(wanted, "e", f"{kind}_{ops}"),
        f"select id from documents order by e {operator} $1 limit 10;",
    ]
    size = FLOATS[wanted.quantizer][1] * wanted.width
    return Native("\n".join(lines), size, notes=(*_limit(wanted), *((TOAST,) if size > 2_000 else ())))


def _signs(wanted: Wanted) -> Native:
    bits = f"bit({wanted.width})"
    if wanted.spec.rescorer is None:
        lines = [
            f"create table documents (id bigint primary key, e {bits});",
            *_index(wanted, "e", "bit_hamming_ops"),
            f"select id from documents order by e <~> binary_quantize($1::vector)::{bits} limit 10;",
        ]
        return signs(wanted, "\n".join(lines), notes=_limit(wanted))
    inner = 10 * wanted.spec.factor
    code = f"binary_quantize(e)::{bits}"
    lines = [
        f"create table documents (id bigint primary key, e vector({wanted.width}));",
        *_index(wanted, f"({code})", "bit_hamming_ops", inner),
        f"select id from (select id, e from documents order by {code} <~> binary_quantize($1)::{bits} limit {inner}) s",
        f"  order by e {_operator(wanted)[0]} $1 limit 10;",
    ]
    measured = "measured on SciFact × MiniLM: recall@10 .860 with @4 (embgeo .957), .946 with @10 (embgeo .994)"
    return signs(wanted, "\n".join(lines), keeps_original=True, notes=(measured, *_limit(wanted, inner)))


def _operator(wanted: Wanted) -> tuple[str, str]:
    return OPERATORS[wanted.metric]


def _index(wanted: Wanted, column: str, ops: str, results: int = 10) -> list[str]:
    """The statements that build the index and set its effort, which must reach the LIMIT."""
    numbers = numbers_of(wanted.spec)
    if not numbers:
        return []
    if wanted.spec.index is not None and wanted.spec.index.name.startswith("ivf"):
        probes = numbers[1] if len(numbers) > 1 else 16
        made = f"create index on documents using ivfflat ({column} {ops}) with (lists = {numbers[0]});"
        return [made, f"set ivfflat.probes = {probes};"]
    effort = max(numbers[1] if len(numbers) > 1 else 100, results)
    made = f"create index on documents using hnsw ({column} {ops}) with (m = {numbers[0]});"
    return [made, f"set hnsw.ef_search = {effort};"]


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
)
