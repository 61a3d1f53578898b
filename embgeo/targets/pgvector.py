"""pgvector, vectors in PostgreSQL: float32, float16 (halfvec) and signs (bit), behind HNSW or inverted lists.

Run with pgvector 0.8.6 on PostgreSQL 18. There is no 8- or 4-bit type; `bit` is compared by Hamming distance.
"""

from __future__ import annotations

from typing import Any

from embgeo.compression.choosing.account import Account, Kept
from embgeo.compression.choosing.native import SIGNS, Native, NativeStore, Wanted, no_format, numbers_of, signs
from embgeo.targets import store_target
from embgeo.targets.engines.pgvector import native

OPERATORS = {"cosine": ("<=>", "cosine_ops"), "inner product": ("<#>", "ip_ops"), "l2": ("<->", "l2_ops")}
INDEXED_WIDTH = {"vector": 2_000, "halfvec": 4_000, "bit": 64_000}
MAX_LINKS = 100
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
    numbers = numbers_of(wanted.spec)
    if str(wanted.spec).startswith("hnsw") and numbers[0] > MAX_LINKS:
        return f"pgvector's hnsw has at most {MAX_LINKS} links; {wanted.spec} asks for {numbers[0]}"
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
        search = {"ivfflat.probes": numbers[1]}
    elif numbers:
        index, build = "hnsw", {"m": numbers[0], "ef_construction": max(64, 2 * numbers[0])}
        search = {"hnsw.ef_search": max(numbers[1], 10 * max(factor, 1))}
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


# pages of 8,192 bytes, their room in a table and in an index, the pointer to each row, and the header of a row
PAGE, ROOM, INDEX_ROOM, POINTER, HEADER = 8192, 8168, 8160, 4, 24
ID, MOVED, MOVED_POINTER, CHUNK, CHUNK_HEADER = 9, 2032, 18, 1996, 36  # an id of 8 characters has a byte of header
ENTRY = PAGE / (0.9 * (INDEX_ROOM - 8) // 20)  # of 16 bytes in a B-tree that grows at its end
KEY = PAGE / (0.65 * (INDEX_ROOM - 8) // 28)  # of 24 bytes in one that grows everywhere
SEQUENCE = 60  # vectors whose chunks are laid out to see how many pages they take


def _value(kept: Kept, coded: bool) -> int:
    """A vector, halfvec or bit with its header of 8 bytes; `coded`: what an index over it holds."""
    if kept.name in SIGNS and (coded or not kept.original_bytes):
        return 8 + kept.code_bytes
    return 8 + (kept.original_bytes or kept.code_bytes)


def _padded(size: float) -> int:
    return -(-int(size) // 8) * 8


def _share(room: int, row: float) -> float:
    """The bytes of a row of which so many as fit are on a page."""
    return PAGE / max(1, room // row)


def _table(kept: Kept) -> float:
    """Of a row, with what moves to the table of long values."""
    value = _value(kept, coded=False)
    # a value of up to 126 bytes has a header of one byte instead of four, and stands anywhere
    short, start = value - 3 <= 126, HEADER + ID
    before, held = (start, value - 3) if short else (-(-start // 4) * 4, value)
    if before + held <= MOVED:
        return _share(ROOM, _padded(before + held) + POINTER)
    chunks = [*[CHUNK] * ((value - 4) // CHUNK), (value - 4) % CHUNK]
    pages, left = 1, ROOM
    for chunk in [size for size in chunks if size] * SEQUENCE:
        row = _padded(CHUNK_HEADER + chunk) + POINTER
        pages, left = (pages, left - row) if row <= left else (pages + 1, ROOM - row)
    moved = PAGE * pages / SEQUENCE + len(chunks) * ENTRY
    return _share(ROOM, _padded(start + MOVED_POINTER) + POINTER) + moved


def _built(kept: Kept) -> float:
    """Of a vector in the index."""
    value = _value(kept, coded=True)
    if kept.lists:
        return _share(INDEX_ROOM, _padded(8 + value) + POINTER)
    if not kept.links:
        return 0
    element = _padded(72 + value) + POINTER
    # 6 bytes a link; some documents are on higher layers too
    links = _padded(4 + 12 * kept.links) + 6 * kept.links / max(1, kept.links - 1) + POINTER
    together = element + links
    return (
        _share(INDEX_ROOM, together)
        if together <= INDEX_ROOM
        else sum(_share(INDEX_ROOM, row) for row in (element, links))
    )


ACCOUNT = Account(
    lambda kept: _built(kept) or _table(kept),
    lambda kept: _built(kept) + _table(kept) + KEY,
    "PostgreSQL's pages: rows with headers, long values in a table of their own, the primary key (ids of 8 "
    "characters), entries of an index; tests compare it with the sizes that a server reports (4 %). A scan reads the "
    "whole table, originals included; up to 64 empty pages at the end of a table are not counted",
)


STORE = NativeStore(
    name="pgvector",
    formats=formats,
    metrics={"cosine": "inner product", "dot": "inner product", "euclidean": "l2"},
    indices=("hnsw", "ivf"),
    held=("f32", "f16", "binary+f32@10", "hamming", "binary"),
    cut=("f16", 16),
    max_width=16_000,
    account=ACCOUNT,
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
