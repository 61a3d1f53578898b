"""LanceDB: float columns, packed bits, and IVF indices with scalar, product or RaBitQ codes beside the float column.

Run with lancedb 0.40.0. The float column cannot be dropped once it is indexed. `optimize` of a small table makes one
list of all the lists of its index, so that the index is built last.
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
from embgeo.targets.engines.lancedb import native

ROW = 2.3
LINK = 9.7
COLUMNS = {"f32": ("float32", 4), "f16": ("float16", 2)}
RABITQ_BITS = (1, 2, 3, 4, 5, 8)
METRIC = "the metric is l2 unless it is given, in the index and in the search"
SCALAR = "recall@10 .991 for .994 with int8 on SciFact × MiniLM"
PRODUCT = "codebooks are fitted by LanceDB: recall@10 .862 for .861 with pq96 on SciFact × MiniLM"
FEWER_LISTS = "LanceDB makes at most one list for 256 documents of product codes"
RABITQ = "LanceDB rotates vectors itself; recall@10 .945 for .945 with rot,rabitq4 on SciFact × MiniLM"
ONE_BIT = "IVF_RQ with one bit (spec rot,rabitq1) keeps more, .612 nDCG@10, beside the float column"
FEW_BITS = 4  # with 5 both find as much after pca192, with 8 inner products find more
COSINE = (
    "codes of few bits find more by cosine than by inner product: with one bit recall@10 .710 for .677 on SciFact × "
    "MiniLM, after pca192 .630 for .564, with four .890 for .879, though cosine divides projected vectors by their "
    "lengths"
)
SPEC_BYTES = "the code's bytes are those of embgeo's format; index files took 216 a vector at 4 bits, ids included"


def formats(wanted: Wanted) -> Native | str:
    """Columns and indices of LanceDB."""
    name, index = wanted.quantizer, wanted.spec.index
    graph = index is not None and index.name.startswith("hnsw")
    if graph and name != "int8":
        return f"LanceDB's graph was run over 8-bit codes only (IVF_HNSW_SQ); {wanted.spec} asks for {name}"
    if name in SIGNS:
        return _bits(wanted)
    if name in COLUMNS:
        return _floats(wanted)
    if name == "int8":
        config = _config(wanted, "float32", "IVF_HNSW_SQ" if graph else "IVF_SQ")
        return Native(native(config), wanted.width, APPROXIMATE, (SCALAR, METRIC), keeps_original=True, config=config)
    if name.startswith("pq") and name[2:].isdigit():
        m = int(name[2:])
        config = _config(wanted, "float32", "IVF_PQ", num_sub_vectors=m)
        notes = (PRODUCT, METRIC) if index is None else (PRODUCT, METRIC, FEWER_LISTS)
        return Native(native(config), m, APPROXIMATE, notes, keeps_original=True, config=config)
    if name.startswith("rabitq") and int(name[6:]) in RABITQ_BITS:
        if wanted.width % 8:
            return f"LanceDB's IVF_RQ takes coordinates by eights; {wanted.spec} has {wanted.width}"
        config = _config(wanted, "float32", "IVF_RQ", num_bits=int(name[6:]))
        return Native(
            native(config),
            wanted.spec.quantizer.code_bytes(wanted.width),
            APPROXIMATE,
            (RABITQ, SPEC_BYTES, *((COSINE,) if config["metric"] == "cosine" else ()), METRIC),
            quantizer=f"rot,{name}",
            keeps_original=True,
            rotates=True,
            config=config,
        )
    return no_format("LanceDB", wanted)


def _floats(wanted: Wanted) -> Native | str:
    if wanted.spec.rescorer is not None:
        return f"{wanted.spec} rescores one copy of the vectors with another; LanceDB rescores codes of an index only"
    column, size = COLUMNS[wanted.quantizer]
    if wanted.spec.index is not None and column != "float32":
        return f"LanceDB's inverted lists were run over float32 columns only; {wanted.spec} asks for {column}"
    config = _config(wanted, column, "" if wanted.spec.index is None else "IVF_FLAT")
    return Native(native(config), size * wanted.width, SAME, (METRIC,), config=config)


def _bits(wanted: Wanted) -> Native | str:
    if wanted.spec.index is not None:
        return f"packed bits in LanceDB were run without an index; {wanted.spec} asks for {wanted.spec.index.name}"
    config = {**_config(wanted, "uint8", ""), "metric": "hamming"}
    return signs(wanted, native(config), notes=(ONE_BIT,), config=config)


def _config(wanted: Wanted, column: str, index: str, **build: int) -> dict[str, Any]:
    """What `engines.lancedb` makes of it; the effort of a graph must reach the limit of its search."""
    numbers, spec = numbers_of(wanted.spec), wanted.spec
    whole = wanted.width == wanted.dimension
    cosine = index == "IVF_RQ" and wanted.similarity == "cosine" and (whole or build["num_bits"] <= FEW_BITS)
    lists, search = 1, dict[str, int]()
    if index:
        search["nprobes"] = 1
    if spec.index is not None and spec.index.name.startswith("ivf"):
        lists, search["nprobes"] = numbers
    elif numbers:
        build["m"], search["ef"] = numbers
    if spec.rescorer is not None:
        search["refine_factor"] = spec.factor
    return {
        "column": column,
        "width": wanted.width,
        "metric": "cosine" if cosine else wanted.metric,
        "index": index,
        **({"lists": lists, "build": build} if index else {}),
        "search": search,
    }


def _index_bytes(kept: Kept) -> float:
    """Of a row in the index that is searched; 0 without one."""
    beside = kept.original_bytes or kept.lists
    if not beside:
        return 0
    factors = 0 if not kept.name.startswith("rabitq") else 4 if kept.name == "rabitq1" else 12
    return kept.code_bytes + factors + ROW + LINK * kept.links


def _column_bytes(kept: Kept) -> float:
    return (kept.original_bytes or kept.code_bytes) + ROW


ACCOUNT = Account(
    lambda kept: _index_bytes(kept) or _column_bytes(kept),
    lambda kept: _index_bytes(kept) + _column_bytes(kept),
    "files of the column and of the index: values and codes, 2 bytes a row more (ids from 0 upwards), 9.7 bytes a link "
    "of IVF_HNSW_SQ. Measured with lancedb 0.40 and m 16 and 32; codebooks of IVF_PQ are not counted",
)


STORE = NativeStore(
    name="LanceDB",
    formats=formats,
    metrics={"cosine": "dot", "dot": "dot", "euclidean": "l2"},
    indices=("hnsw", "ivf"),
    held=(
        "f32",
        "f16",
        "int8",
        "pq96",
        "pq48",
        "rot,rabitq4",
        "rot,rabitq1",
        "binary",
        "int8+f32@4",
        "rot,rabitq1+f32@4",
    ),
    cut=("int8", 8),
    max_width=65_535,
    account=ACCOUNT,
)

store_target(
    "lancedb",
    STORE,
    summary="LanceDB, in a folder",
    holds="f32, f16, signs compared by Hamming distance; int8, pq, rabitq (1-5, 8) beside the floats; ivf, hnsw,int8",
    install="pip install 'embgeo[lancedb]'",
    engine="embgeo.targets.engines.lancedb",
    place="data",
)
