"""Qdrant: float formats without, and quantizers beside, the original vectors.

Run as the engine embedded (qdrant-edge-py 0.9.0), not as a server; the configuration is that of both.
"""

from __future__ import annotations

from typing import Any

from embgeo.compression.choosing.account import Account, Kept
from embgeo.compression.choosing.native import APPROXIMATE, Native, NativeStore, Wanted, no_format, numbers_of
from embgeo.targets import store_target
from embgeo.targets.engines.qdrant import native

DATATYPES = {"f32": ("float32", 4), "f16": ("float16", 2)}
TURBO = {"int4": 4, "tq4": 4, "eden4": 4, "edenc4": 4, "int8": 8, "tq8": 8, "lvq8": 8}
# what predicts Turbo, which has a factor for each vector; beside the original, 4 bits are calibrated too
LEVELS = {(4, False): "rot,eden4", (4, True): "rot,edenc4", (8, False): "rot,lvq8", (8, True): "rot,lvq8"}
COMPRESSIONS = (4, 8, 16, 32, 64)
QUERIES = {"binary": "scalar8bits", "hamming": "binary"}  # how queries are encoded for signs
SCANNED = 10  # kB; larger segments are searched by their graph
PADDED = 16  # signs and int8 are padded to a multiple of so many bytes
FACTORS = 4  # bytes that int8 and Turbo add to each vector, as measured: 388 for 384 coordinates, 196 for Turbo4
BESIDE = 4  # that 4 bits of Turbo add beside the original
LENGTH = 4  # that Turbo adds for squared distances
ROTATES = "Turbo rotates vectors itself, keeps no original and has levels of its own"
IDS = 29  # of a point, on disk
EMPTY_SHARD = 137_000_000
PER_RANGE = "one range for all coordinates, embgeo's int8 has one for each: recall@10 .978 for .991 on SciFact × MiniLM"
BETTER = "datatype turbo8 takes the same bytes without the original, recall@10 .993: spec rot,int8"
SIGNS = "query_encoding must be scalar8bits: by default the query is rounded to signs, .585 for .622 nDCG@10"
ROUNDED = "query_encoding binary rounds the query to signs, as Qdrant does by default"
RESCORES = (
    "rescoring is on by default for some formats and off for others: pass rescore each time; exact=true and segments "
    "below indexing_threshold search the original vectors (seen with int8: recall@10 1.0 instead of .977)"
)
NOT_RUN = (
    "run as the engine embedded (qdrant-edge-py 0.9.0), which has the same configuration; not run against a server"
)
CODEBOOKS = "codebooks are fitted by Qdrant: recall@10 .857 and .859 in two runs for .861 with pq96 on SciFact × MiniLM"


def formats(wanted: Wanted) -> Native | str:
    """Datatypes and quantizations of Qdrant."""
    name, rescored = wanted.quantizer, wanted.spec.rescorer is not None
    if not rescored and name in DATATYPES:
        datatype, size = DATATYPES[name]
        return _native(wanted, size * wanted.width, datatype=datatype)
    if name in QUERIES:
        notes = (SIGNS if name == "binary" else ROUNDED, RESCORES)
        inside = {"binary": {"always_ram": True, "query_encoding": QUERIES[name]}}
        return _native(wanted, _padded(wanted.signs_bytes), inside, notes=notes)
    if name in TURBO and (wanted.rotated or name != "int8"):
        return _turbo(wanted, rescored)
    if name in ("int8", "int7"):
        inside = {"scalar": {"type": "int8", "always_ram": True}}
        size = _padded(wanted.width) + FACTORS
        if name == "int7":
            return _native(wanted, size, inside, notes=(BETTER, RESCORES))
        more = (PER_RANGE, BETTER, RESCORES)
        return _native(wanted, size, inside, fidelity=APPROXIMATE, notes=more, quantizer="int7")
    if name.startswith("pq") and name[2:].isdigit():
        return _product(wanted, int(name[2:]))
    return no_format("Qdrant", wanted)


def _padded(size: int) -> int:
    return -(-size // PADDED) * PADDED


def _turbo(wanted: Wanted, rescored: bool) -> Native:
    bits = TURBO[wanted.quantizer]
    size = (wanted.width * bits + 7) // 8 + FACTORS + (BESIDE if rescored and bits == 4 else 0)
    size += LENGTH if wanted.similarity == "euclidean" else 0
    inside = {"turbo": {"bits": f"bits{bits}", "always_ram": True}} if rescored else {}
    notes: tuple[str, ...] = (RESCORES if rescored else ROTATES,)
    if bits == 4:
        notes += ("on SciFact × MiniLM recall@10 .950 (beside the original .952), for .935 with embgeo's rot,int4",)
    more: dict[str, Any] = {"fidelity": APPROXIMATE, "notes": notes, "quantizer": LEVELS[bits, rescored]}
    datatype = "float32" if rescored else f"turbo{bits}"
    return _native(wanted, size, inside, datatype, rotates=True, **more)


def _product(wanted: Wanted, parts: int) -> Native | str:
    ratio = 4 * wanted.width / parts
    if ratio not in COMPRESSIONS:
        sizes = ", ".join(f"pq{4 * wanted.width // each}" for each in COMPRESSIONS if 4 * wanted.width % each == 0)
        return f"Qdrant's product quantization divides float32 by 4, 8, 16, 32 or 64 ({sizes}); {wanted.spec} does not"
    inside = {"product": {"compression": f"x{ratio:.0f}", "always_ram": True}}
    return _native(wanted, parts, inside, fidelity=APPROXIMATE, notes=(CODEBOOKS, RESCORES))


def _native(
    wanted: Wanted, size: int, quantization: dict[str, Any] | None = None, datatype: str = "float32", **more: Any
) -> Native:
    """A format of `size` bytes; `more` as `Native` has it."""
    config = _config(wanted, quantization or {}, datatype)
    notes = (*more.pop("notes", ()), NOT_RUN)
    return Native(native(config), size, notes=notes, keeps_original=bool(quantization), config=config, **more)


def _config(wanted: Wanted, quantization: dict[str, Any], datatype: str) -> dict[str, Any]:
    """What `engines.qdrant` makes of it."""
    numbers, params = numbers_of(wanted.spec), dict[str, Any]()
    hnsw = {"m": numbers[0], "full_scan_threshold": SCANNED} if numbers else {"m": 0}
    if numbers:
        params["hnsw_ef"] = numbers[1]
    if quantization:
        rescored = wanted.spec.rescorer is not None
        more = {"oversampling": float(wanted.spec.factor)} if rescored else {}
        params["quantization"] = {"rescore": rescored, **more}
    return {
        "width": wanted.width,
        "distance": wanted.metric,
        "datatype": datatype,
        "quantization": quantization,
        "hnsw": hnsw,
        "indexing_threshold": 1,
        "params": params,
    }


def _hot(kept: Kept) -> float:
    return kept.code_bytes + 4 * 2 * kept.links


ACCOUNT = Account(
    _hot,
    lambda kept: _hot(kept) + kept.original_bytes + IDS,
    "files of the embedded engine: codes, originals, 29 bytes of id and version on disk (UUIDs, no payload), and "
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
        *("hamming", "binary+f32@4", "hamming+f32@4", "int8+f32@2", "rot,int4+f32@2"),
    ),
    cut=("rot,int4", 4),
    max_width=65_536,
    account=ACCOUNT,
)

store_target(
    "qdrant",
    STORE,
    summary="Qdrant, server or embedded",
    holds="f32, f16, 4 and 8 bits without the original (Turbo); int8, binary or Hamming, pq beside it; rescoring; hnsw",
    install="pip install 'embgeo[qdrant]'",
    engine="embgeo.targets.engines.qdrant",
    place="data",
)
