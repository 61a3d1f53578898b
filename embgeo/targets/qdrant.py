"""Qdrant: float formats without, and quantizers beside, the original vectors.

Run as the engine embedded (qdrant-edge-py 0.9.0), not as a server; the configuration is that of both.
"""

from __future__ import annotations

from embgeo.compression.choosing.account import Account, Kept
from embgeo.compression.choosing.native import (
    APPROXIMATE,
    SAME,
    Native,
    NativeStore,
    Wanted,
    no_format,
    numbers_of,
)
from embgeo.targets import store_target

DATATYPES = {"f32": ("Float32", 4), "f16": ("Float16", 2)}
TURBO = {"int4": 4, "tq4": 4, "int8": 8, "tq8": 8}
COMPRESSIONS = (4, 8, 16, 32, 64)
FACTORS = 4  # bytes that int8 and Turbo add to each vector, as measured: 388 for 384 coordinates, 196 for Turbo4
ROTATES = "Turbo rotates vectors itself, keeps no original and has levels of its own"
IDS = 21  # of a point, on disk
EMPTY_SHARD = 137_000_000
PER_RANGE = "one range for all coordinates, embgeo's int8 has one for each: recall@10 .978 for .991 on SciFact × MiniLM"
BETTER = "datatype Turbo8 takes the same bytes without the original, recall@10 .993: spec rot,int8"
SIGNS = "query_encoding must be Scalar8Bits: by default the query is rounded to signs, .585 for .622 nDCG@10"
RESCORES = (
    "rescoring is on by default for some formats and off for others: pass rescore each time; exact=true and segments "
    "below indexing_threshold search the original vectors (seen with int8: recall@10 1.0 instead of .977)"
)
CODEBOOKS = "codebooks are fitted by Qdrant: recall@10 .859 for .848 with pq96 on SciFact × MiniLM"


def formats(wanted: Wanted) -> Native | str:
    """Datatypes and quantizations of Qdrant."""
    name, rescored = wanted.quantizer, wanted.spec.rescorer is not None
    if not rescored and name in DATATYPES:
        datatype, size = DATATYPES[name]
        return Native(_config(wanted, f"datatype={datatype}"), size * wanted.width)
    if name == "binary":
        inside = f"quantization=BinaryQuantization(query_encoding=Scalar8Bits, always_ram=true); {_search(wanted)}"
        notes = (SIGNS, RESCORES)
        return Native(_config(wanted, inside), wanted.signs_bytes, SAME, notes, keeps_original=True)
    if name in TURBO and (wanted.rotated or name != "int8"):
        return _turbo(wanted, rescored)
    if name in ("int8", "int7"):
        inside = f"quantization=ScalarQuantization(type=int8, always_ram=true); {_search(wanted)}"
        size = wanted.width + FACTORS
        if name == "int7":
            return Native(_config(wanted, inside), size, SAME, (BETTER, RESCORES), keeps_original=True)
        more = (PER_RANGE, BETTER, RESCORES)
        return Native(_config(wanted, inside), size, APPROXIMATE, more, quantizer="int7", keeps_original=True)
    if name.startswith("pq") and name[2:].isdigit():
        return _product(wanted, int(name[2:]))
    return no_format("Qdrant", wanted)


def _turbo(wanted: Wanted, rescored: bool) -> Native:
    bits = TURBO[wanted.quantizer]
    size = (wanted.width * bits + 7) // 8 + FACTORS
    inside = f"datatype=Turbo{bits}"
    notes: tuple[str, ...] = (ROTATES,)
    if rescored:
        inside = f"quantization=TurboQuantization(bits=bits{bits}, always_ram=true); {_search(wanted)}"
        notes = (RESCORES,)
    if bits == 4:
        notes += ("on SciFact × MiniLM recall@10 .950 for .939 with rot,int4",)
    return Native(
        _config(wanted, inside),
        size,
        APPROXIMATE,
        notes,
        quantizer=f"rot,{wanted.quantizer}",
        keeps_original=rescored,
        rotates=True,
    )


def _product(wanted: Wanted, parts: int) -> Native | str:
    ratio = 4 * wanted.width / parts
    if ratio not in COMPRESSIONS:
        sizes = ", ".join(f"pq{4 * wanted.width // each}" for each in COMPRESSIONS if 4 * wanted.width % each == 0)
        return f"Qdrant's product quantization divides float32 by 4, 8, 16, 32 or 64 ({sizes}); {wanted.spec} does not"
    inside = f"quantization=ProductQuantization(compression=x{ratio:.0f}, always_ram=true); {_search(wanted)}"
    return Native(_config(wanted, inside), parts, APPROXIMATE, (CODEBOOKS, RESCORES), keeps_original=True)


def _search(wanted: Wanted) -> str:
    if wanted.spec.rescorer is None:
        return "search with rescore=false"
    return f"search with rescore=true, oversampling={wanted.spec.factor}.0"


def _config(wanted: Wanted, inside: str) -> str:
    vectors, *search = inside.split("; ")
    numbers = numbers_of(wanted.spec)
    lines = [f"vectors: size={wanted.width}, distance={wanted.metric}, {vectors}", *search]
    if search:
        lines.append("optimizers: indexing_threshold=1")
    if not numbers:
        return "\n".join([*lines, "hnsw: m=0, a scan of all codes"])
    effort = f"search with hnsw_ef={numbers[1]}" if len(numbers) > 1 else "search with an hnsw_ef of at least the limit"
    return "\n".join([*lines, f"hnsw: m={numbers[0]}", effort])


def _hot(kept: Kept) -> float:
    return kept.code_bytes + 4 * 2 * kept.links


ACCOUNT = Account(
    _hot,
    lambda kept: _hot(kept) + kept.original_bytes + IDS,
    "files of the embedded engine: codes, originals, 21 bytes of id and version on disk (integer ids, no payload), and "
    "the log and payload pages of an empty shard as the fixed part, by file size; tests compare it. Links are counted "
    "at 4 bytes, a bound that files stay below (45 bytes a point with m 16, not 128). Originals beside codes are read "
    "for rescoring only: set on_disk for them, or they are in memory too",
    fixed_bytes=EMPTY_SHARD,
)


STORE = NativeStore(
    name="Qdrant",
    formats=formats,
    metrics={"cosine": "Dot", "dot": "Dot", "euclidean": "Euclid"},
    indices=("hnsw",),
    held=(
        *("f32", "f16", "rot,int8", "rot,int4", "int8", "binary", "pq96", "pq48"),
        *("binary+f32@4", "int8+f32@2", "rot,int4+f32@2"),
    ),
    cut=("rot,int4", 4),
    max_width=65_536,
    account=ACCOUNT,
)

store_target(
    "qdrant",
    STORE,
    summary="Qdrant, server or embedded",
    holds="f32, f16, 4 and 8 bits without the original (Turbo); int8, binary as embgeo scores it, pq beside it; hnsw",
    install="pip install 'embgeo[qdrant]'",
)
