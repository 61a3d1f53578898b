"""A store as a FAISS file, for systems that search with FAISS alone: the same bytes of codes, the same scores.

The file holds our codes as they are, with FAISS's own constants (ranges, codebooks, the matrix of a linear reducer).
FAISS numbers rows 0, 1, 2, … in the order of the store: result row i is `store.doc_ids[i]`. The file is for searching;
if vectors must not be added to it, a note says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.compression.codecs.codec import Tier
from embgeo.compression.search.on_faiss import add_codes, code_index, faiss_available
from embgeo.compression.search.store import Store
from embgeo.errors import InputError, MissingExtraError
from embgeo.files.atomic import replacing, storage_errors
from embgeo.targets import Exported, target

PROBES = 16


@dataclass(frozen=True)
class FaissExport(Exported):
    """What was written.

    Attributes
    ----------
    faiss_type : the classes from the outside in, such as `IndexPreTransform(IndexHNSW(IndexScalarQuantizer))`.
    code_bytes, structure_bytes, state_bytes : codes, links or lists with ids, and everything else, as FAISS holds them.
    """

    faiss_type: str
    code_bytes: int
    structure_bytes: int
    state_bytes: int

    @property
    def format(self) -> str:
        return self.faiss_type

    @property
    def caveats(self) -> tuple[str, ...]:
        return self.notes[1:]  # the first says that rows are in the order of the store

    @property
    def parts(self) -> dict[str, int]:
        return {"codes": self.code_bytes, "links or lists": self.structure_bytes, "constants": self.state_bytes}


@target("faiss", file="store.faiss", summary="a FAISS index file: plain FAISS reads and searches it")
def export_faiss(store: Store, path: Path, dimension: int | None = None) -> FaissExport:
    """Write `store` as a FAISS index file to `path`, whole or not at all.

    `dimension` of the vectors is needed only if no reducer shows it. Raises InputError for a codec that FAISS cannot
    hold (the message says why and names the nearest that it can), StorageError if the file cannot be written.
    """
    if not faiss_available():
        raise MissingExtraError("writing a FAISS file needs FAISS: pip install 'embgeo[cpu]'")
    import faiss

    tier = _only_tier(store)
    library: Any = faiss
    flat, empty = code_index(tier), code_index(tier)
    if flat is None:
        raise InputError(_reason(tier))
    matrix, offset, notes = _query_map(tier, dimension)
    # without rows: FAISS's own constants and headers
    bare_index = empty if store.structure is None else store.structure.without_rows(empty)
    bare = len(library.serialize_index(_wrapped(bare_index, matrix, offset)))
    structure = 0 if store.structure is None else store.structure.faiss_file_bytes
    codes = int(store.codes.nbytes)
    predicted = bare + codes + structure
    if store.structure is None:
        add_codes(flat, store.codes)
    else:
        flat = store.structure.on_faiss(flat, store.codes)
    index = _wrapped(flat, matrix, offset)
    kind = _kind(index)
    written = _write(index, path)
    if tier.quantizer.faiss_rounds_queries:
        notes = (f"FAISS rounds queries to {tier.spec.quantizer} on processors that multiply in it", *notes)
    notes = ("row i of FAISS is document i of the store", *notes)
    return FaissExport(path, len(store), predicted, written, notes, kind, codes, structure, bare)


def _only_tier(store: Store) -> Tier:
    """The codec, which FAISS could hold as far as its arithmetic goes."""
    codec = store.codec
    if len(codec.tiers) > 1:
        raise InputError(
            f"a FAISS file holds one code per document; {codec.spec} has two. Nearest that FAISS can hold: "
            f"{codec.spec.tiers[0]} or {codec.spec.tiers[1]} alone"
        )
    if codec.spec.centred:
        raise InputError(
            f"FAISS compares float queries with decoded documents; {codec.spec} compares codes with codes. "
            "Nearest that FAISS can hold: the spec without its score= part"
        )
    return codec.tiers[0]


def _reason(tier: Tier) -> str:
    """Why FAISS has no format for the codes, and which spec of about their size it has."""
    size = tier.code_bytes
    width = tier.width
    if tier.spec.quantizer.before:
        # its own axes leave some out; another quantizer would see them all
        width = tier.reducers[0].input_width or width
    fitting = {"f16": 2 * width, "int8": width, "int4": (width + 1) // 2, "rot,tq2": (width + 3) // 4}
    fitting |= {"binary": (width + 7) // 8}
    if width % size == 0 and size < width:
        fitting = {f"pq{size}": size}
    nearest = min(fitting, key=lambda name: abs(fitting[name] - size))
    return (
        f"FAISS holds codes in which each coordinate (or part) is decoded by its own table; those of {tier.spec} are "
        f"not (bits that differ by coordinate, or a factor for each vector). Nearest that FAISS can hold: {nearest} "
        f"({fitting[nearest]} bytes per vector instead of {size})"
    )


def _query_map(tier: Tier, dimension: int | None) -> tuple[np.ndarray | None, np.ndarray, tuple[str, ...]]:
    """(matrix (d, r) or None for the identity, offset (r,), notes): the map from queries to the space of the codes."""
    if not tier.reducers:
        return None, np.zeros(0, np.float32), ()
    d = tier.dimension if dimension is None else dimension
    if d is None:
        raise InputError(f"export of {tier.spec} needs the dimension of the vectors; give dimension=")
    offset = tier.queries(np.zeros((1, d), np.float32))[0][0]
    matrix = tier.queries(np.eye(d, dtype=np.float32))[0] - offset
    Q = np.random.default_rng(0).standard_normal((PROBES, d)).astype(np.float32)
    Z = tier.queries(Q)[0]
    if not np.allclose(Q @ matrix + offset, Z, atol=1e-3 * float(np.abs(Z).max())):
        raise InputError(
            f"a FAISS file holds only linear reducers; one of {tier.spec} is not linear. Nearest that FAISS can hold: "
            f"pca{Z.shape[1]} in its place"
        )
    notes: tuple[str, ...] = ()
    X = Q / np.linalg.norm(Q, axis=1, keepdims=True)
    if not np.allclose(tier.reduce(X), X @ matrix + offset, atol=1e-4):
        notes = (
            "search only: documents are mapped to codes differently from queries (a mean, a scale, a length), "
            "which FAISS does not know; scores lack a constant per query",
        )
    if matrix.shape[0] == matrix.shape[1] and np.array_equal(matrix, np.eye(d)) and not offset.any():
        return None, offset, notes
    return np.ascontiguousarray(matrix, np.float32), offset.astype(np.float32), notes


def _wrapped(index: Any, matrix: np.ndarray | None, offset: np.ndarray) -> Any:
    """The index behind the matrix that maps queries to its coordinates."""
    if matrix is None:
        return index
    import faiss

    d, r = matrix.shape
    turn: Any = faiss.LinearTransform(d, r, bool(offset.any()))
    faiss.copy_array_to_vector(np.ascontiguousarray(matrix.T).ravel(), turn.A)
    if offset.any():
        faiss.copy_array_to_vector(np.ascontiguousarray(offset), turn.b)
    turn.is_trained = True
    whole: Any = faiss.IndexPreTransform(turn, index)
    whole.ntotal, whole.is_trained = index.ntotal, True
    return whole


def _kind(index: Any) -> str:
    import faiss

    name = type(index).__name__
    inner = None
    if isinstance(index, faiss.IndexPreTransform):
        inner = index.index
    elif isinstance(index, faiss.IndexHNSW):
        inner = index.storage
    return name if inner is None else f"{name}({_kind(faiss.downcast_index(inner))})"


def _write(index: Any, path: Path) -> int:
    import faiss

    library: Any = faiss
    with (
        storage_errors("the FAISS file", path, "Name a file in an existing folder with free space"),
        replacing(path) as file,
    ):
        try:
            library.write_index(index, file.name)
        except RuntimeError as error:
            raise OSError(str(error).splitlines()[0]) from error
    return path.stat().st_size
