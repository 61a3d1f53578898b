"""Run: one stored result, in a folder that is written atomically; reports are made from it alone.

    run.json          the result (`embgeo schema`): command, request, environment, created, identity, what was found
    arrays.npz        raw arrays by name (ids, distances, …), never pickled; optional
    documents.jsonl   {"id", "text"}: the first 200 characters of each document; optional
    queries.jsonl     the same for queries; optional

plus whatever the command adds through `write` (the built store).
"""

from __future__ import annotations

import difflib
import json
import os
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embgeo import __version__
from embgeo.environment import environment
from embgeo.errors import EmbgeoError, InputError, RunFormatError, StorageError, UnknownNameError
from embgeo.files.atomic import replacing_folder, storage_errors
from embgeo.files.digest import Digest
from embgeo.files.jsontext import canonical_json, to_json_text, to_plain
from embgeo.results import KINDS, AnalyzeResult, AnyResult, LimitsResult, Named, ReproduceResult, read_result
from embgeo.results.deployment import Deployment
from embgeo.run_frames import run_frame

if TYPE_CHECKING:
    import pandas

FORMAT_VERSION = 1
SNIPPET_CHARACTERS = 200
COMMANDS = tuple(KINDS)
RUNS_FOLDER = Path("embgeo-runs")
REPORT = "report.html"
DEPLOYMENTS, DEPLOYMENT = "deploy", "deployment.json"  # a folder for each collection, and what was measured of it


@dataclass(frozen=True)
class Run:
    """A stored result: `folder` and the `result` read from its run.json. Arrays and texts are read on first use."""

    folder: Path
    result: dict[str, Any]

    @property
    def command(self) -> str:
        return str(self.result["command"])

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def findings(self) -> AnyResult:
        """The result as a typed object: what is missing or damaged in the file reads as None or empty."""
        return read_result(self.result)

    @cached_property
    def arrays(self) -> Mapping[str, np.ndarray]:
        """Raw arrays by name; each is read from disk when first used. Empty when none were stored."""
        return _StoredArrays(self.folder / "arrays.npz")

    def array(self, name: str) -> np.ndarray | None:
        """A raw array; None if the run, perhaps an older one, has none of that name."""
        return self.arrays.get(name)

    @cached_property
    def documents(self) -> dict[str, str]:
        """First 200 characters of each document by id; empty when the run has no texts."""
        return _read_snippets(self.folder / "documents.jsonl")

    @cached_property
    def queries(self) -> dict[str, str]:
        """First 200 characters of each query by id; empty when the run has no texts."""
        return _read_snippets(self.folder / "queries.jsonl")

    @property
    def deployments(self) -> list[Deployment]:
        """What `embgeo deploy` measured of each collection, the latest first."""
        files = sorted((self.folder / DEPLOYMENTS).glob(f"*/{DEPLOYMENT}"))
        found = [Deployment.from_json(_read_json(file)) for file in files]
        return sorted(found, key=lambda one: one.created, reverse=True)

    def frame(self, part: str | None = None) -> pandas.DataFrame:
        """A table of the run as a new pandas frame, its main one unless `part` names another.

        analyze: "signature" (index: measure), "retrieval". compress: "tradeoffs" (index: spec), float32 first. compare:
        "signatures" and "retrieval" (index: measure, run), "model_similarity", "cost", "runs". limits: "funnel" (index:
        kind, name), empty without judgements, "retrieval". reproduce: "reproductions" (index: name), "numbers" (index:
        entry, name). An interval becomes two columns, `ndcg@10_low` and `ndcg@10_high`; an object its entries,
        `planned.store_bytes`.

        Raises MissingExtraError without pandas, UnknownNameError, and InputError for a part that was not measured.
        """
        return run_frame(self.result, part)

    def __repr__(self) -> str:
        """One line: command, model × dataset, headline, folder."""
        named = " × ".join(_tail(each.name) for each in (self.findings.model, self.findings.dataset) if each.name)
        facts = (f"{self.command} {named}".strip(), _headline(self.result), path_text(self.folder))
        return f"<Run {', '.join(filter(None, facts))}>"

    def _repr_html_(self) -> str:
        """The run in a notebook."""
        # the card belongs to the reports, a layer above runs, so it is imported by name when a run is shown
        return import_module("embgeo.reports.drawing.card").card(self)


def identity(result: Mapping[str, Any]) -> str:
    """SHA-256 of request, model and data: equal exactly for repeats of one run.

    Canonical JSON of format version, command, request, `model` (a name, or a dict of name, revision, weights) and
    the dataset's fingerprint (its whole entry if it has none). Slugs of names collide; this does not.
    """
    dataset = result.get("dataset")
    fingerprint = dataset.get("fingerprint") if isinstance(dataset, Mapping) else None
    asked = {
        "format_version": FORMAT_VERSION,
        "command": result.get("command"),
        "request": result.get("request", {}),
        "model": result.get("model"),
        "dataset": dataset if fingerprint is None else fingerprint,
    }
    return Digest(canonical_json(asked)).hex()


def save_run(
    out: Path,
    result: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray] | None = None,
    documents: Iterable[tuple[str, str]] | None = None,
    queries: Iterable[tuple[str, str]] | None = None,
    write: Callable[[Path], None] | None = None,
) -> Run:
    """Store a result as `out/COMMAND-MODEL-DATASET-HASH` and return it as `load_run` would.

    Everything is written into a hidden sibling first and then renamed. A run of the same identity is replaced; the
    old one stays until the new one is complete. What was deployed from it stays, and its report too if it is the same
    run by the same versions on the same machine; after another the report would show other numbers. `documents` and
    `queries` are (id, text) pairs. `write(folder)` may add more files; if it raises, nothing is stored.

    Raises
    ------
    InputError
        `result` lacks a known command, or an array would need pickling.
    StorageError
        The disk is full or the folder is not writable; nothing is left behind.
    """
    if result.get("command") not in COMMANDS:
        raise InputError(f"a run's command must be one of {', '.join(COMMANDS)}; got {result.get('command')!r}")
    full = {
        "embgeo": __version__,
        "format_version": FORMAT_VERSION,
        "command": result["command"],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "identity": identity(result),
        "request": {},
        **{key: value for key, value in result.items() if key not in ("format_version", "identity")},
    }
    full.setdefault("environment", environment())
    plain = to_plain(full)
    target = Path(out) / folder_name(plain)
    advice = "Nothing was saved: free some space, or choose a writable folder with --out"
    keep = [DEPLOYMENTS, *([REPORT] if _is_repeat(target, plain) else [])]
    with storage_errors("the run", target, advice), replacing_folder(target, keep=keep) as folder:
        if arrays:
            _write_arrays(folder / "arrays.npz", arrays)
        if documents is not None:
            _write_snippets(folder / "documents.jsonl", documents)
        if queries is not None:
            _write_snippets(folder / "queries.jsonl", queries)
        if write is not None:
            write(folder)
        (folder / "run.json").write_text(to_json_text(plain) + "\n", encoding="utf-8")
    return Run(target, plain)


def _is_repeat(folder: Path, result: Mapping[str, Any]) -> bool:
    """Whether `folder` holds a run of the identity and environment of `result`."""
    try:
        stored = load_run(folder).result
    except EmbgeoError:
        return False
    return all(stored.get(key) == result[key] for key in ("embgeo", "identity", "environment"))


def path_text(path: Path) -> str:
    """`path` relative to the working directory if it is inside it, otherwise absolute."""
    absolute = Path(os.path.abspath(path))
    here = Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)


def load_run(path: str | Path) -> Run:
    """Read a run folder (or its run.json).

    Raises `RunFormatError` for a folder that is not a run, damaged JSON, or a format newer than this embgeo reads.
    """
    folder = Path(path)
    if folder.name == "run.json":
        folder = folder.parent
    file = folder / "run.json"
    try:
        result = _read_json(file)
    except (FileNotFoundError, NotADirectoryError):
        raise RunFormatError(
            f"a run folder must hold run.json; {folder} {'does not' if folder.exists() else 'does not exist'}. "
            "Give a folder that `embgeo analyze` or `embgeo compress` wrote."
        ) from None
    _check_format(file, result)
    return Run(folder, result)


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise StorageError(f"{file} must be readable; {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise RunFormatError(f"{file} must be JSON; {error}. Run the command again to replace it.") from None


def find_run(name: str | Path, out: Path | None = None) -> Run:
    """The run in the folder `name`, or the one in `out` whose folder name or eight-character id starts with `name`.

    `out` defaults to EMBGEO_OUT, else embgeo-runs.
    Raises `UnknownNameError` if several or none match, and the errors of `load_run`.
    """
    path = Path(name)
    text = str(name)
    out = out or Path(os.environ.get("EMBGEO_OUT") or RUNS_FOLDER)
    if path.exists() or len(path.parts) != 1 or not text.strip("."):
        return load_run(path)
    folders = sorted(file.parent for file in Path(out).glob("*/run.json")) if Path(out).is_dir() else []
    found = [f for f in folders if f.name == text] or [
        f for f in folders if f.name.startswith(text) or f.name.rpartition("-")[2].startswith(text)
    ]
    if len(found) == 1:
        return load_run(found[0])
    if found:
        listed = ", ".join(f.name for f in found[:6]) + (" …" if len(found) > 6 else "")
        raise UnknownNameError(f"{text!r} must match one run; {len(found)} in {out} match: {listed}. Use a longer name")
    near = difflib.get_close_matches(text, [f.name for f in folders], n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    count = f"{len(folders)} run{'' if len(folders) == 1 else 's'}"
    raise UnknownNameError(f"no run matches {text!r} in {out} ({count} there; set --out or EMBGEO_OUT){hint}")


def folder_name(result: Mapping[str, Any]) -> str:
    """`analyze-minilm-pydocs-1a2b3c4d`: readable, and unique by the first 8 digits of the identity."""
    named = (Named.from_json(result.get(key)).name or "" for key in ("model", "dataset"))
    parts = [str(result["command"]), *map(_slug, named)]
    return "-".join([part for part in parts if part] + [str(result["identity"])[:8]])


def _check_format(file: Path, result: Any) -> None:
    if not isinstance(result, dict):
        raise RunFormatError(f"{file} must hold a JSON object; got {type(result).__name__}")
    version = result.get("format_version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise RunFormatError(f"{file} must state its format_version, a whole number from 1; got {version!r}")
    if version > FORMAT_VERSION:
        raise RunFormatError(
            f"{file} has format {version}, written by embgeo {result.get('embgeo', 'unknown')}; embgeo {__version__} "
            f"reads formats up to {FORMAT_VERSION}. Upgrade with: pip install -U embgeo"
        )
    if result.get("command") not in COMMANDS:
        raise RunFormatError(
            f"{file} must state its command, one of {', '.join(COMMANDS)}; got {result.get('command')!r}"
        )


def _headline(result: Mapping[str, Any]) -> str:
    """What the run found, in a few words; "" if the result lacks it."""
    if result.get("command") == "compare":
        return f"{len(result.get('runs') or [])} runs"
    if result.get("command") == "compress":
        best = result.get("recommendation") or {}
        found = [f"{best.get('spec')} at {best.get('bytes_per_vector')} bytes per vector"] if best.get("spec") else []
        quality: Any = {name: best.get(name) for name in ("ndcg@10", "recall@10_exact")}
    else:
        found = [_counted(read_result(result))]
        quality = {"ndcg@10": ((result.get("retrieval") or {}).get("ndcg@10") or {}).get("value")}
    found += [f"{name} {value:.4f}" for name, value in quality.items() if isinstance(value, int | float)][:1]
    return ", ".join(found)


def _counted(found: AnyResult) -> str:
    """How much a result holds: measures, findings, or entries by what became of them."""
    if isinstance(found, LimitsResult):
        known = sum(value not in (None, []) for value in found.limits.to_json().values())
        return f"{known} finding{'' if known == 1 else 's'}"
    if isinstance(found, ReproduceResult):
        became = Counter(each.status for each in found.reproductions)
        return ", ".join(f"{count} {status}" for status, count in became.items()) or "0 entries"
    measures = len(found.signature or {}) if isinstance(found, AnalyzeResult) else 0
    return f"{measures} measures"


def _tail(text: str) -> str:
    """The last part of a path or hub name."""
    return text.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or text


def _slug(text: str) -> str:
    """At most 40 characters of a name that every file system accepts; the last part of a path or hub name."""
    plain = unicodedata.normalize("NFKD", _tail(text)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].rstrip("-")


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    # np.savez cannot hold an array called "file", and its keywords pickle objects unless told not to
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, values in arrays.items():
            array = np.asarray(values)
            if array.dtype.hasobject:
                raise InputError(f"array {name!r} must hold numbers or fixed-length text; got dtype {array.dtype}")
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


class _StoredArrays(Mapping[str, np.ndarray]):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: dict[str, np.ndarray] = {}

    @cached_property
    def _names(self) -> list[str]:
        if not self._path.exists():
            return []
        try:
            with zipfile.ZipFile(self._path) as archive:
                return [name.removesuffix(".npy") for name in archive.namelist()]
        except (OSError, zipfile.BadZipFile) as error:
            raise RunFormatError(f"{self._path} must be a zip of arrays; {error}") from error

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._read:
            try:
                with zipfile.ZipFile(self._path) as archive, archive.open(f"{name}.npy") as member:
                    self._read[name] = np.lib.format.read_array(member, allow_pickle=False)
            except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
                raise RunFormatError(f"array {name!r} of {self._path} cannot be read; {error}") from error
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _write_snippets(path: Path, texts: Iterable[tuple[str, str]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for name, text in texts:
            file.write(to_json_text({"id": name, "text": text[:SNIPPET_CHARACTERS]}, indent=None) + "\n")


def _read_snippets(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        # split on \n alone: str.splitlines would also break at U+2028 and other characters that texts hold
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RunFormatError(f"{path} must be readable UTF-8; {error}") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if line:
            try:
                entry = json.loads(line)
                found[str(entry["id"])] = str(entry["text"])
            except (ValueError, KeyError, TypeError) as error:
                raise RunFormatError(f"{path} line {number} must be an object with id and text; {error!r}") from error
    return found
