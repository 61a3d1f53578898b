"""A store as a FAISS file, for systems that search with FAISS alone: the same bytes of codes, the same scores.

The file holds our codes as they are, with FAISS's own constants (ranges, codebooks, the matrix of a linear reducer).
Only adaptive bits under cosine differ: FAISS cannot divide decoded vectors by their lengths; a byte per vector makes up
for most of that (`search/length_byte.py`), and a note has the rest as measured. FAISS numbers rows 0, 1, 2, … in the
order of the store: result row i is `store.doc_ids[i]`. The file is for searching; if vectors must not be added to it, a
note says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from embgeo.compression.choosing.account import Footprint
from embgeo.compression.choosing.native import APPROXIMATE, SAME, Plan, Refusal, numbers_of
from embgeo.compression.codecs.additive_code import AdditiveCode
from embgeo.compression.codecs.codec import Codec, Tier, fit_codec
from embgeo.compression.codecs.spec import Spec, parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.length_byte import LengthByte, length_byte
from embgeo.compression.search.on_faiss import add_codes, code_index, faiss_available, faiss_metric
from embgeo.compression.search.searcher import metric_of
from embgeo.compression.search.store import Store
from embgeo.embeddings import normalise
from embgeo.errors import InputError, MissingExtraError
from embgeo.files.atomic import replacing, storage_errors
from embgeo.targets import Exported, target
from embgeo.targets.engines.faiss import native

PROBES = 16
MAX_CODEBOOK_BYTES = 1_000_000_000
PLAN_ROWS = 320  # enough for a codebook of 256 centroids
ALIKE = 0.99  # share of the bytes of codes


class UnheldError(InputError):
    """FAISS has no format for a codec.

    Attributes
    ----------
    reason : why.
    nearest : the spec nearest to it that has one.
    """

    def __init__(self, reason: str, nearest: str, more: str = "") -> None:
        super().__init__(f"{reason} Nearest that FAISS can hold: {nearest}{more}")
        self.reason, self.nearest = reason.rstrip(".;"), nearest


@dataclass(frozen=True)
class FaissExport(Exported):
    """What was written.

    Attributes
    ----------
    faiss_type : the classes from the outside in, such as `IndexPreTransform(IndexHNSW(IndexScalarQuantizer))`.
    code_bytes, structure_bytes, state_bytes : codes, links or lists with ids, and everything else, as FAISS holds them.
    length_bytes : what makes up for lengths that FAISS cannot divide by, one byte per vector or none.
    kept : the share of our ten nearest that FAISS finds, measured on a sample of documents; None where it finds all.
    """

    faiss_type: str
    code_bytes: int
    structure_bytes: int
    state_bytes: int
    length_bytes: int = 0
    kept: float | None = None

    @property
    def format(self) -> str:
        return self.faiss_type

    @property
    def caveats(self) -> tuple[str, ...]:
        return self.notes[1:]  # the first says that rows are in the order of the store

    @property
    def parts(self) -> dict[str, int]:
        lengths = {"lengths": self.length_bytes} if self.length_bytes else {}
        rest = {"links or lists": self.structure_bytes, "constants": self.state_bytes}
        return {"codes": self.code_bytes, **lengths, **rest}


@dataclass(frozen=True)
class Held:
    """Codes in a format of FAISS.

    Attributes
    ----------
    empty : makes an empty trained flat index that takes the codes.
    codes : (n, b) uint8: ours, followed by the byte of `length` if there is one.
    notes : what this format costs.
    """

    empty: Callable[[], Any]
    codes: np.ndarray
    length: LengthByte | None = None
    notes: tuple[str, ...] = ()


def plan(spec: Spec, dimension: int, similarity: str) -> Plan | Refusal:
    """How a FAISS file holds `spec`: its parts are asked, fitted on random rows.

    Raises MissingExtraError without FAISS, SpecError if the spec cannot work on that dimension.
    """
    _check_faiss()
    rng = np.random.default_rng(0)
    rows = max(PLAN_ROWS, 2 * spec.quantizer.centroids, *(part.learned_width for part in spec.reducers))
    X, Q = (rng.standard_normal((n, dimension)).astype(np.float32) for n in (rows, PROBES))
    if similarity == "cosine":
        X, Q = normalise(X), normalise(Q)
    training = Training(X, similarity)
    codec = fit_codec(spec.flat, training.learning_from(Q) if spec.learns_from_queries else training)
    try:
        tier = _only_tier(codec)
        held = _held(tier, codec.encode(X))
        before, matrix, offset, notes = _query_map(tier, dimension)
    except UnheldError as error:
        return Refusal(error.reason, error.nearest)
    config = _config(spec, _wrapped(held.empty(), before + _turns(matrix, offset, held.length)), X, held)
    if held.length is not None:
        notes = ("one byte more per vector corrects for lengths that FAISS cannot divide by, to first order", *notes)
    if tier.quantizer.faiss_rounds_queries:
        notes = (_rounding(tier), *notes)
    same = held.length is None and not tier.quantizer.faiss_rounds_queries
    each = int(held.codes.shape[1]) + spec.structure_bytes_per_vector
    return Plan(
        native=native(config),
        predicted=str(spec),
        fidelity=SAME if same else APPROXIMATE,
        code_bytes=int(held.codes.shape[1]),
        original_bytes=0,
        footprint=Footprint(each, each, codec.state_bytes),
        client=(),
        notes=(*notes, "the file holds the projection; `embgeo export` writes it"),
        config=config,
    )


def _config(spec: Spec, index: Any, X: np.ndarray, held: Held) -> dict[str, Any]:
    """What `engines.faiss` makes of it; `index` is flat and empty, and `held` the codes of X (n, d)."""
    parts, effort = numbers_of(spec) or (0, 0)
    by_lists = spec.index is not None and spec.index.name.startswith("ivf")
    return {
        "width": X.shape[1],
        "metric": "ip" if index.metric_type == faiss_metric("inner_product") else "l2",
        "kind": _kind(index),
        "code_bytes": int(held.codes.shape[1]),
        "index": "" if spec.index is None else "ivf" if by_lists else "hnsw",
        **({"parts": parts, "effort": min(effort, parts) if by_lists else effort} if spec.index else {}),
        "adds": _encodes_alike(index, X, held.codes),
    }


def _encodes_alike(index: Any, X: np.ndarray, codes: np.ndarray) -> bool:
    """Whether FAISS makes the same codes of X (n, d), but for values that lie between two codes."""
    try:
        made = index.sa_encode(X)
    except RuntimeError:  # a transform or a quantizer that only reads
        return False
    same = np.mean(made == codes) if made.shape == codes.shape else 0.0
    return bool(same >= ALIKE)


@target(
    "faiss",
    file="store.faiss",
    summary="a FAISS index file: plain FAISS reads and searches it",
    plan=plan,
    holds="f32, f16, bf16, int8, int4, fp8, 4- and 8-bit alphabets, pq, opq, rq, binary, adaptive (+1 byte); hnsw, ivf",
    install="pip install 'embgeo[cpu]'",
    engine="embgeo.targets.engines.faiss",
    place="index.faiss",
    account="codes, a byte for lengths, links or lists; matrices and codebooks are the fixed part; checked in tests",
)
def export_faiss(store: Store, path: Path, dimension: int | None = None) -> FaissExport:
    """Write `store` as a FAISS index file to `path`, whole or not at all.

    `dimension` of the vectors is needed only if no reducer shows it. Raises InputError for a codec that FAISS cannot
    hold (the message says why and names the nearest that it can), StorageError if the file cannot be written.
    """
    _check_faiss()
    import faiss

    tier = _only_tier(store.codec)
    library: Any = faiss
    held = _held(tier, store.codes)
    before, matrix, offset, notes = _query_map(tier, dimension)
    turns = before + _turns(matrix, offset, held.length)
    # without rows: FAISS's own constants and headers
    bare_index = held.empty() if store.structure is None else store.structure.without_rows(held.empty())
    bare = len(library.serialize_index(_wrapped(bare_index, turns)))
    structure = 0 if store.structure is None else store.structure.faiss_file_bytes
    predicted = bare + int(held.codes.nbytes) + structure
    if store.structure is None:
        flat = held.empty()
        add_codes(flat, held.codes)
    else:
        flat = store.structure.on_faiss(held.empty(), held.codes)
    index = _wrapped(flat, turns)
    kind = _kind(index)
    written = _write(index, path)
    if tier.quantizer.faiss_rounds_queries:
        notes = (_rounding(tier), *notes)
    notes = ("row i of FAISS is document i of the store", *held.notes, *notes, _gpu_note(index))
    codes, lengths = int(store.codes.nbytes), int(held.codes.nbytes - store.codes.nbytes)
    kept = None if held.length is None or np.isnan(held.length.kept) else held.length.kept
    return FaissExport(path, len(store), predicted, written, notes, kind, codes, structure, bare, lengths, kept)


def _check_faiss() -> None:
    if not faiss_available():
        raise MissingExtraError("writing a FAISS file needs FAISS: pip install 'embgeo[cpu]'")


def _rounding(tier: Tier) -> str:
    return f"FAISS rounds queries to {tier.spec.quantizer} on processors that multiply in it"


def _only_tier(codec: Codec) -> Tier:
    """The codec, which FAISS could hold as far as its arithmetic goes."""
    if len(codec.tiers) > 1:
        first, second = codec.spec.tiers
        raise UnheldError(
            f"a FAISS file holds one code per document; {codec.spec} has two.", str(first), f" or {second} alone"
        )
    if codec.spec.centred:
        raise UnheldError(
            f"FAISS compares float queries with decoded documents; {codec.spec} compares codes with codes.",
            str(replace(codec.spec, centred=False)),
            ", the spec without its score= part",
        )
    return codec.tiers[0]


def _held(tier: Tier, codes: np.ndarray) -> Held:
    """The codes in a format of FAISS; raises InputError if it has none."""
    if code_index(tier) is not None:
        return Held(lambda: code_index(tier), codes)
    code = tier.quantizer.additive_code()
    if code is None:
        raise _unheld(
            tier,
            "FAISS holds codes whose coordinates (or parts) are decoded by tables of their own and added; those of "
            f"{tier.spec} are not (a factor for each vector, or levels that depend on each other).",
        )
    if code.codebook_bytes > MAX_CODEBOOK_BYTES:
        raise _unheld(
            tier,
            f"FAISS holds {tier.spec} as a sum of codewords of all coordinates, which would take "
            f"{code.codebook_bytes / 1e9:.1f} GB of codebooks.",
        )
    length = length_byte(tier, code, codes)
    return _summed(code if length is None else length.code, tier, codes, length)


def _summed(code: AdditiveCode, tier: Tier, codes: np.ndarray, length: LengthByte | None) -> Held:
    """Codes of which FAISS adds the codewords."""
    metric = faiss_metric(metric_of(tier.similarity))
    notes: tuple[str, ...] = () if length is None else (length.note,)
    if tier.similarity == "euclidean":
        notes = ("FAISS decodes every vector that it compares, which is slow: distances of sums have no shorter way",)
    held = codes if length is None else np.hstack([codes, length.byte])
    return Held(lambda: code.faiss_index(metric), held, length, notes)


def _unheld(tier: Tier, reason: str) -> UnheldError:
    """The refusal, with the spec of about the size of the codes that FAISS can hold."""
    size = tier.code_bytes
    width = tier.width
    if tier.spec.quantizer.before:
        # its own axes leave some out; another quantizer would see them all
        width = tier.reducers[0].input_width or width
    fitting = {"f16": 2 * width, "int8": width, "int4": (width + 1) // 2, "rot,tq2": (width + 3) // 4}
    fitting |= {"binary": (width + 7) // 8}
    if width % size == 0 and size < width:
        fitting = {f"pq{size}": size}
    if tier.spec.quantizer.before and tier.quantizer.additive_code() is None and size <= width // 2:
        fitting = {f"adaptive@{size}B": size + (tier.similarity == "cosine")}
    nearest = min(fitting, key=lambda name: abs(fitting[name] - size))
    text = nearest
    if all(part.one_matrix for part in tier.spec.reducers) and (not tier.spec.quantizer.before or tier.spec.own_metric):
        # its width is that behind the reducers
        text = ",".join([*(part.name for part in tier.spec.reducers), nearest]).replace("rot,rot", "rot")
    return UnheldError(reason, text, f" ({fitting[nearest]} bytes per vector instead of {size})")


def _query_map(tier: Tier, dimension: int | None) -> tuple[list[Any], np.ndarray | None, np.ndarray, tuple[str, ...]]:
    """The map from queries to the space of the codes: transforms that come first, a matrix (d, r) or None for the
    identity, offset (r,), and notes."""
    divided = tier.reducers[0].unit_matrix if tier.reducers else None
    if divided is None:
        return [], *_linear_map(tier, dimension)
    import faiss

    width = divided.shape[1]
    first = [_linear(divided, np.zeros(width)), faiss.NormalizationTransform(width, 2.0)]
    return first, *_linear_map(replace(tier, reducers=tier.reducers[1:]), width)


def _linear_map(tier: Tier, dimension: int | None) -> tuple[np.ndarray | None, np.ndarray, tuple[str, ...]]:
    """(matrix (d, r) or None for the identity, offset (r,), notes) of reducers that are linear."""
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
        raise UnheldError(
            f"a FAISS file holds only linear reducers; one of {tier.spec} is not linear.",
            str(parse(f"pca{min(tier.width, d)},{tier.spec.quantizer.name}")),
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


def _turns(matrix: np.ndarray | None, offset: np.ndarray, length: LengthByte | None) -> list[Any]:
    """FAISS's transforms of a query, the first first, to its coordinates."""
    import faiss

    if length is not None:
        r = len(length.mean)
        matrix = np.eye(r, dtype=np.float32) if matrix is None else matrix
        offset = offset if len(offset) else np.zeros(r, np.float32)
        matrix = np.column_stack([matrix, matrix @ length.mean])
        offset = np.append(offset, offset @ length.mean + length.weight)
    if matrix is None:
        return []
    turn = _linear(matrix, offset)
    # the weight of a length is one for queries of unit length
    return [turn] if length is None else [faiss.NormalizationTransform(len(matrix), 2.0), turn]


def _linear(matrix: np.ndarray, offset: np.ndarray) -> Any:
    """FAISS's transform of that matrix (d, r) and offset (r,)."""
    import faiss

    d, r = matrix.shape
    turn: Any = faiss.LinearTransform(d, r, bool(offset.any()))
    faiss.copy_array_to_vector(np.ascontiguousarray(matrix.T, np.float32).ravel(), turn.A)
    if offset.any():
        faiss.copy_array_to_vector(np.ascontiguousarray(offset, np.float32), turn.b)
    turn.is_trained = True
    return turn


def _wrapped(index: Any, turns: list[Any]) -> Any:
    """The index behind the transforms that map queries to its coordinates."""
    import faiss

    if not turns:
        return index
    whole: Any = faiss.IndexPreTransform(turns[-1], index)
    for turn in turns[-2::-1]:
        whole.prepend_transform(turn)
    whole.ntotal, whole.is_trained = index.ntotal, True
    return whole


def _gpu_note(index: Any) -> str:
    """Whether faiss-gpu accepts the index, according to the source of `index_cpu_to_gpu`; not tested on a GPU."""
    import faiss

    inner = faiss.downcast_index(index.index) if isinstance(index, faiss.IndexPreTransform) else index
    name = type(inner).__name__
    fits = isinstance(inner, faiss.IndexFlat | faiss.IndexIVFFlat)
    if isinstance(inner, faiss.IndexScalarQuantizer):
        fits = inner.sq.qtype == faiss.ScalarQuantizer.QT_fp16
    elif isinstance(inner, faiss.IndexIVFScalarQuantizer):
        kinds = faiss.ScalarQuantizer
        fits = inner.sq.qtype in (kinds.QT_fp16, kinds.QT_8bit, kinds.QT_4bit)
    says = "accepts this" if fits else "does not accept this"
    return f"index_cpu_to_gpu of faiss-gpu {says} {name}, according to its source code; not tested on a GPU"


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
