"""Loading the registered families: every module of a package, and the plug-in modules of other packages.

A plug-in is a module that registers a measure, a part of a spec, a reader of vectors, a target or a report section with
the decorators that embgeo's own files use. It is found through an entry point of group `embgeo.plugins` or named in the
environment variable EMBGEO_PLUGINS (module names separated by commas).
"""

from __future__ import annotations

import os
import pkgutil
from functools import cache
from importlib import import_module, metadata

from embgeo.errors import InputError

GROUP = "embgeo.plugins"
VARIABLE = "EMBGEO_PLUGINS"


def import_modules(package: str) -> None:
    """Import every module of `package` in order of name, which registers what they declare."""
    folder = import_module(package)
    for name in sorted(module.name for module in pkgutil.iter_modules(folder.__path__)):
        import_module(f"{package}.{name}")


@cache
def load_plugins() -> None:
    """Import all plug-ins once; raises InputError that names the one that cannot be imported."""
    named = [name.strip() for name in os.environ.get(VARIABLE, "").split(",")]
    installed = [point.module for point in metadata.entry_points(group=GROUP)]
    for name in dict.fromkeys([*filter(None, named), *installed]):
        try:
            import_module(name)
        except Exception as error:
            raise InputError(
                f"the plug-in {name} must be importable; {type(error).__name__}: {error}. "
                f"Install it, or remove it from {VARIABLE}"
            ) from error
