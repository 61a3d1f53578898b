"""Commands without their work: what the command line requests is passed to functions of the test."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from typing import Any

import pytest


def fake_pipelines(monkeypatch: pytest.MonkeyPatch, functions: Mapping[str, Any]) -> None:
    """Let `functions["analyze"]` and `["compress"]` be called with MODEL, DATASET and the other fields as keywords."""
    for name in ("analyze", "compress"):
        module = types.ModuleType(f"embgeo.pipelines.{name}")

        def call(request: Any, progress: Any, name: str = name) -> Any:
            options = dict(vars(request))
            return functions[name](options.pop("model"), options.pop("dataset"), **options, progress=progress)

        setattr(module, name, call)
        monkeypatch.setitem(sys.modules, module.__name__, module)
