"""sqlite-vec, vectors in SQLite: float32, int8 and bit columns, scanned exactly.

Run with sqlite-vec 0.1.9.
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
    signs,
)
from embgeo.targets import store_target

SCALE = (
    "the client multiplies by 127 / the largest absolute value of the documents and rounds: recall@10 .988 on SciFact "
    "× MiniLM, .991 with a range per coordinate, .951 with vec_quantize_int8(?, 'unit')"
)
CHUNKED = 8 + 1 / 8  # the id and the flag of a row in its chunk
PAGED = 4096 / 4092  # a long value is a list of pages
ROWID = 19  # a row of the table of rowids, as measured
SQLITE = "needs a sqlite3 that loads extensions; pysqlite3-binary brings one"
RERANK = "recall@10 .859 for .957 with @4 on SciFact × MiniLM"


def formats(wanted: Wanted) -> Native | str:
    """Columns of a vec0 table."""
    name, width = wanted.quantizer, wanted.width
    if name in SIGNS:
        return _signs(wanted)
    if wanted.spec.rescorer is not None:
        return f"sqlite-vec was run with signs alone as the first of two searches; {wanted.spec} asks for {name}"
    if name == "f32":
        return Native(_table(f"e float[{width}] distance_metric={wanted.metric}", "?"), 4 * width, notes=(SQLITE,))
    if name in ("int8", "int8sym", "int8unit"):
        value = "vec_quantize_int8(?, 'unit')" if name == "int8unit" else "vec_int8(?)"
        table = _table(f"e int8[{width}] distance_metric={wanted.metric}", value)
        if name == "int8":
            return Native(table, width, APPROXIMATE, (SCALE, SQLITE), quantizer="int8sym")
        return Native(table, width, SAME, (SQLITE,))
    return no_format("sqlite-vec", wanted)


def _signs(wanted: Wanted) -> Native | str:
    width = wanted.width
    if width % 8:
        return f"sqlite-vec takes bits by whole bytes; {wanted.spec} has {width} of them"
    if wanted.spec.rescorer is None:
        return signs(wanted, _table(f"b bit[{width}]", "vec_quantize_binary(?)"), notes=(SQLITE,))
    inner = 10 * wanted.spec.factor
    lines = [
        f"create virtual table documents using vec0(b bit[{width}], e float[{width}] distance_metric={wanted.metric});",
        "insert into documents(rowid, b, e) values (?, vec_quantize_binary(?), ?);",
        f"with s as (select rowid, e from documents where b match vec_quantize_binary(?) and k = {inner})",
        f"  select rowid from s order by vec_distance_{wanted.metric}(e, ?) limit 10;",
    ]
    return signs(wanted, "\n".join(lines), notes=(RERANK, SQLITE), keeps_original=True)


def _table(column: str, value: str) -> str:
    name = column.split()[0]
    return (
        f"create virtual table documents using vec0({column});\n"
        f"insert into documents(rowid, {name}) values (?, {value});\n"
        f"select rowid from documents where {name} match {value} and k = 10;"
    )


ACCOUNT = Account(
    lambda kept: kept.code_bytes + CHUNKED,
    lambda kept: PAGED * (kept.code_bytes + kept.original_bytes) + CHUNKED + ROWID,
    "the columns, an id and a flag in chunks of 1,024 rows, and a table of rowids; tests compare it with files. Space "
    "is taken for whole chunks. A scan reads the chunks of its column; originals are read for candidates alone",
    rows_at_once=1024,
)


STORE = NativeStore(
    name="sqlite-vec",
    formats=formats,
    metrics={"cosine": "cosine", "euclidean": "l2"},
    indices=(),
    held=("f32", "int8sym", "int8", "hamming", "binary", "binary+f32@10"),
    cut=("int8", 8),
    max_width=8_192,
    account=ACCOUNT,
)

store_target(
    "sqlite-vec",
    STORE,
    summary="SQLite with the extension sqlite-vec, in one file",
    holds="f32, int8 in one scale, signs compared by Hamming distance; no index; cosine and euclidean",
    install="pip install 'embgeo[sqlite-vec]'",
)
