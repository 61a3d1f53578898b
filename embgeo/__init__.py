"""embgeo: what an embedding space looks like, and the smallest vector store that keeps its search quality."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# FAISS, torch, scikit-learn and NumPy bring a pool of threads each, which spins for a while after its work and so takes
# the cores from the next one: a sweep on two cores took 1.4 times as long. It counts for what is not loaded yet.
for _name, _value in (("OMP_WAIT_POLICY", "PASSIVE"), ("KMP_BLOCKTIME", "0"), ("OPENBLAS_THREAD_TIMEOUT", "4")):
    os.environ.setdefault(_name, _value)

__version__ = "0.1.0"
__all__ = [
    "Embeddings",
    "VectorCodec",
    "analyze",
    "check_embeddings",
    "compare",
    "compress",
    "deploy",
    "export",
    "fit_codec",
    "load_run",
    "measure_limits",
    "reproduce",
    "search",
]

_HOMES = {
    "Embeddings": "embgeo.embeddings",
    "VectorCodec": "embgeo.pipelines.codec",
    "analyze": "embgeo.api",
    "check_embeddings": "embgeo.embeddings",
    "compare": "embgeo.api",
    "compress": "embgeo.api",
    "deploy": "embgeo.api",
    "export": "embgeo.pipelines.built_store",
    "fit_codec": "embgeo.pipelines.codec",
    "load_run": "embgeo.run",
    "measure_limits": "embgeo.api",
    "reproduce": "embgeo.api",
    "search": "embgeo.api",
}

if TYPE_CHECKING:
    from embgeo.api import analyze, compare, compress, deploy, measure_limits, reproduce, search
    from embgeo.embeddings import Embeddings, check_embeddings
    from embgeo.pipelines.built_store import export
    from embgeo.pipelines.codec import VectorCodec, fit_codec
    from embgeo.run import load_run


def __dir__() -> list[str]:
    """The public names, without what this module imports."""
    return [*__all__, "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import embgeo` stays light."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'embgeo' has no attribute {name!r}")
