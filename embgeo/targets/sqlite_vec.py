"""sqlite-vec, vectors in SQLite: float32, int8 and bit columns, scanned exactly.

Run with sqlite-vec 0.1.9.
"""

from __future__ import annotations

from typing import Any

from embgeo.compression.choosing.account import Account
from embgeo.compression.choosing.native import APPROXIMATE, SAME, SIGNS, Native, NativeStore, Wanted, no_format, signs
from embgeo.targets import store_target
from embgeo.targets.engines.sqlite_vec import native

SCALE = (
    "the client multiplies by 127 / the largest absolute value of the documents and rounds: recall@10 .988 on SciFact "
    "× MiniLM, .991 with a range per coordinate, .951 with vec_quantize_int8(?, 'unit')"
)
CHUNKED = 8 + 1 / 8  # the id and the flag of a row in its chunk
PAGED = 4096 / 4092  # a long value is a list of pages
ROWID = 43  # an id of 8 characters in the table of ids and in its index, as measured
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
        config = _config(wanted, "float", "?")
        return Native(native(config), 4 * width, notes=(SQLITE,), config=config)
    if name == "int8unit":
        config = _config(wanted, "int8", "vec_quantize_int8(?, 'unit')")
        return Native(native(config), width, notes=(SQLITE,), config=config)
    if name in ("int8", "int8sym"):
        config = {**_config(wanted, "int8", "vec_int8(?)"), "scale": 0.0}
        if name == "int8":
            return Native(native(config), width, APPROXIMATE, (SCALE, SQLITE), quantizer="int8sym", config=config)
        return Native(native(config), width, SAME, (SQLITE,), config=config)
    return no_format("sqlite-vec", wanted)


def _signs(wanted: Wanted) -> Native | str:
    if wanted.width % 8:
        return f"sqlite-vec takes bits by whole bytes; {wanted.spec} has {wanted.width} of them"
    config = _config(wanted, "bit", "vec_quantize_binary(?)")
    if wanted.spec.rescorer is None:
        return signs(wanted, native(config), notes=(SQLITE,), config=config)
    return signs(wanted, native(config), notes=(RERANK, SQLITE), keeps_original=True, config=config)


def _config(wanted: Wanted, column: str, value: str) -> dict[str, Any]:
    """What `engines.sqlite_vec` makes of it."""
    config: dict[str, Any] = {
        "column": column,
        "width": wanted.width,
        "metric": "hamming" if column == "bit" else wanted.metric,
        "value": value,
        "rescore": wanted.spec.rescorer is not None,
    }
    more = {"rescored_by": wanted.metric, "factor": wanted.spec.factor}
    return {**config, **more} if config["rescore"] else config


ACCOUNT = Account(
    lambda kept: kept.code_bytes + CHUNKED,
    lambda kept: PAGED * (kept.code_bytes + kept.original_bytes) + CHUNKED + ROWID,
    "the columns, a number and a flag in chunks of 1,024 rows, and a table of ids (of 8 characters; each more takes 2 "
    "bytes); tests compare it with files. Space is taken for whole chunks. A scan reads the chunks of its column; "
    "originals are read for candidates alone",
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
    engine="embgeo.targets.engines.sqlite_vec",
    place="documents.db",
)
