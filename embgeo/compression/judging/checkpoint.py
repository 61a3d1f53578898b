"""The finished specs of a sweep, saved to disk one by one, so that a killed sweep can resume.

    CACHE/sweeps/KEY/about.json       a readable description of the sweep
    CACHE/sweeps/KEY/NAME.finding     32 bytes SHA-256 over KEY and the rest; 8 bytes header length, JSON header, arrays

KEY is the SHA-256 of canonical JSON over all that determines a finding besides the spec (vectors, ids, judgements,
seed, folds, device, code and library versions), NAME that of the spec. Files are written atomically; one whose checksum
fails is removed and its spec evaluated again. Threads are not in the key: they change no result. Codecs that were slow
to fit are saved with their findings; others are refitted.

Findings of a saved run are removed (`Checkpoints.forget`); those of killed sweeps are trimmed to 2 GiB and 30 days
whenever a sweep starts, and `embgeo cache` lists and clears them.
"""

from __future__ import annotations

import datetime
import json
import logging
import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import embgeo
from embgeo import __version__
from embgeo.compression.codecs.codec import Codec, restore_codec
from embgeo.compression.codecs.spec import Spec
from embgeo.compression.judging.finding import Finding
from embgeo.compression.judging.folds import FOLDS
from embgeo.compression.judging.task import DEPTH, SweepInput
from embgeo.compression.judging.timing import Timing
from embgeo.compression.search.on_faiss import faiss_available
from embgeo.embeddings import Embeddings
from embgeo.environment import versions
from embgeo.errors import StorageError
from embgeo.files.atomic import replacing, write_text
from embgeo.files.cache_folder import cache_errors, entry_extent, entry_folders, make_entry, remove_entry
from embgeo.files.digest import Digest
from embgeo.files.jsontext import canonical_json

FORMAT = 1
SUFFIX = ".finding"
KEEP_CODEC_SECONDS = 1.0
MAX_BYTES = 2 * 2**30
MAX_SECONDS = 30 * 86_400
_DAMAGE = (ValueError, LookupError, TypeError, ArithmeticError, AttributeError, RecursionError)

logger = logging.getLogger("embgeo")


@dataclass(frozen=True)
class Kept:
    """One finished spec as read back; `timing` if it was timed separately, `codec` if it was slow to fit."""

    finding: Finding
    timing: Timing | None
    codec: Codec | None


class Checkpoints:
    """The folder of one sweep. A failed write is warned of once, then writing stops: a sweep needs no disk.

    `sample` names what part of the corpus the findings are of; "" for all of it.
    """

    def __init__(self, folder: Path, sample: str = "") -> None:
        self.folder = folder
        self.sample = sample
        self._writable = True

    def of(self, sample: str) -> Checkpoints:
        """The findings of the same sweep on a sample of the corpus."""
        return Checkpoints(self.folder, sample)

    @property
    def key(self) -> str:
        return self.folder.name

    def write(self, finding: Finding, timing: Timing | None, codec: Codec) -> None:
        """Save one finding atomically."""
        if not self._writable:
            return
        kept = codec if finding.fit_seconds > KEEP_CODEC_SECONDS else None
        payload = _pack(finding, timing, kept)
        path = self._path(finding.spec)
        try:
            with cache_errors(path), replacing(path) as file:
                file.write(self._checksum(path.name, payload))
                file.write(payload)
        except StorageError as error:
            self._writable = False
            logger.warning("the sweep continues, but cannot be resumed if it is killed: %s", error)

    def read(self, spec: Spec) -> Kept | None:
        """What is saved of `spec`, every byte verified; None if absent, or if damaged (then removed with a warning)."""
        path = self._path(spec)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        try:
            if data[:32] != self._checksum(path.name, data[32:]):
                raise ValueError("its checksum does not match")
            return _unpack(spec, data[32:])
        except _DAMAGE as error:
            logger.warning("the checkpoint %s is damaged (%s); %s is evaluated again", path, error, spec)
            path.unlink(missing_ok=True)
            return None

    def forget(self, specs: Iterable[Spec]) -> None:
        """Remove the findings of these specs: their run is saved. Those of other runs on the same data stay."""
        for spec in specs:
            self._path(spec).unlink(missing_ok=True)
        if not any(self.folder.glob(f"*{SUFFIX}")):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, spec: Spec) -> Path:
        named = f"{self.sample}\n{spec}" if self.sample else str(spec)
        return self.folder / (Digest(named).hex()[:32] + SUFFIX)

    def _checksum(self, name: str, payload: bytes) -> bytes:
        return Digest(f"{self.key} {name}\n", payload).bytes()


def open_checkpoints(root: Path, given: SweepInput) -> Checkpoints | None:
    """The checkpoints of this sweep under the cache folder `root`; None, with a warning, if none can be written."""
    embeddings, evaluator = given.embeddings, given.evaluator
    facts = {
        "format": FORMAT,
        "embgeo": __version__,
        "code": _code_fingerprint(),
        "libraries": _libraries(),
        "vectors": _vectors_fingerprint(embeddings),
        "similarity": embeddings.similarity,
        "qrels": None if evaluator is None else Digest(canonical_json(evaluator.qrels)).hex(),
        "seed": given.seed,
        "folds": FOLDS,
        "fit_rows": given.fit_rows,
        "depth": DEPTH,
        "drop_own": given.drop_own,
        "device": given.device,
    }
    key = Digest(canonical_json(facts)).hex()
    folder = sweeps_folder(root) / key
    about = {"documents": len(embeddings), "queries": len(embeddings.query_ids), "dimension": embeddings.dimension}
    try:
        with cache_errors(folder):
            trim(root, spare=key)
            make_entry(folder)
            write_text(folder / "about.json", json.dumps({**about, **facts}, indent=1))
    except StorageError as error:
        logger.warning("the sweep cannot be resumed if it is killed: %s", error)
        return None
    return Checkpoints(folder)


@dataclass(frozen=True)
class UnfinishedSweep:
    """A line of `embgeo cache`: what a killed sweep left; `specs` counts the finished ones."""

    key: str
    documents: int
    dimension: int
    specs: int
    bytes: int
    modified: datetime.datetime


def unfinished_sweeps(root: Path) -> list[UnfinishedSweep]:
    """What killed sweeps left under the cache folder, newest first."""
    found = []
    for folder in entry_folders(sweeps_folder(root)):
        try:
            about = json.loads((folder / "about.json").read_text("utf-8"))
            documents, dimension = int(about["documents"]), int(about["dimension"])
        except (OSError, *_DAMAGE):
            documents, dimension = 0, 0
        modified, size = entry_extent(folder)
        specs = len(list(folder.glob(f"*{SUFFIX}")))
        found.append(UnfinishedSweep(folder.name, documents, dimension, specs, size, modified))
    return sorted(found, key=lambda sweep: sweep.modified, reverse=True)


def clear_sweeps(root: Path, keys: Iterable[str] | None = None) -> list[UnfinishedSweep]:
    """Remove what the sweeps of these keys left (all when None) and return it."""
    wanted = None if keys is None else set(keys)
    removed = [sweep for sweep in unfinished_sweeps(root) if wanted is None or sweep.key in wanted]
    for sweep in removed:
        remove_entry(sweeps_folder(root) / sweep.key)
    return removed


def sweeps_folder(root: Path) -> Path:
    return root / "sweeps"


def trim(root: Path, spare: str = "") -> None:
    """Remove sweeps not resumed for 30 days, and the oldest while the total exceeds 2 GiB."""
    now, held = time.time(), 0
    folders = [folder for folder in entry_folders(sweeps_folder(root)) if folder.name != spare]
    for changed, size, folder in sorted(((*entry_extent(folder), folder) for folder in folders), reverse=True):
        held += size
        if held > MAX_BYTES or now - changed.timestamp() > MAX_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def _pack(finding: Finding, timing: Timing | None, codec: Codec | None) -> bytes:
    """A JSON header and the bytes of the arrays it names; floats in JSON come back bit-identical."""
    values = {field.name: getattr(finding, field.name) for field in fields(finding) if field.name != "spec"}
    arrays = {f"finding.{name}": value for name, value in values.items() if isinstance(value, np.ndarray)}
    if codec is not None:
        arrays |= {f"codec.{name}": array for name, array in codec.state.items()}
    header = {
        "spec": str(finding.spec),
        "values": {name: value for name, value in values.items() if not isinstance(value, np.ndarray)},
        "timing": None if timing is None else asdict(timing),
        "codec": None if codec is None else codec.manifest(),
        "arrays": {name: [array.dtype.str, array.shape] for name, array in arrays.items()},
    }
    text = json.dumps(header).encode()
    raw = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays.values())
    return len(text).to_bytes(8, "little") + text + raw


def _unpack(spec: Spec, payload: bytes) -> Kept:
    """The inverse of `_pack`; raises if the bytes are not what it wrote."""
    at = 8 + int.from_bytes(payload[:8], "little")
    header = json.loads(payload[8:at])
    if header["spec"] != str(spec):
        raise ValueError(f"it belongs to {header['spec']}")
    found: dict[str, dict[str, Any]] = {"finding": {}, "codec": {}}
    for name, (dtype, shape) in header["arrays"].items():
        count = int(np.prod(shape, dtype=np.int64))
        array = np.frombuffer(payload, dtype, count, at).reshape(shape).copy()
        at += array.nbytes
        kind, _, rest = name.partition(".")
        found[kind][rest] = array
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in header["values"].items()}
    timing = header["timing"]
    if timing is not None:
        speeds: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in timing.items()}
        timing = Timing(**speeds)
    codec = None if header["codec"] is None else restore_codec(header["codec"], found["codec"])
    return Kept(Finding(spec=spec, **values, **found["finding"]), timing, codec)


def _vectors_fingerprint(embeddings: Embeddings) -> str:
    """SHA-256 of documents, queries and ids as stored, in one pass by block."""
    digest = Digest()
    for X in (embeddings.docs, embeddings.queries):
        digest.add(f"{None if X is None else (X.dtype.str, X.shape)}\n")
        if X is not None:
            digest.add_rows(X)
    return digest.add_texts(embeddings.doc_ids).add_texts(embeddings.query_ids).hex()


@cache
def _code_fingerprint() -> str:
    """SHA-256 of embgeo's code, so that findings from before an edit are not reused."""
    package = Path(embgeo.__file__).resolve().parent
    digest = Digest()
    for path in sorted(package.rglob("*.py")):
        digest.add(f"{path.relative_to(package).as_posix()}\n", path.read_bytes())
    return digest.hex()


def _libraries() -> dict[str, str]:
    """Versions of the installed numerical libraries; FAISS only if it is used."""
    names = ("numpy", "numba", "scipy", "torch", "ml_dtypes", "pytrec-eval-terrier")
    installed = versions()
    used = {"python": sys.version.split()[0], **{name: installed[name] for name in names if name in installed}}
    if faiss_available():
        import faiss

        used["faiss"] = faiss.__version__
    return used
