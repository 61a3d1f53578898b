"""JSON as embgeo writes it: NaN and infinities become null, NumPy values become plain ones, any text survives."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, is_dataclass
from datetime import date
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np

_SURROGATE = re.compile("[\ud800-\udfff]")


def to_plain(obj: Any) -> Any:
    """`obj` as None, bool, int, float, str, list and dict only; a new object, in the order of the old one.

    NaN and infinities become None, sets become sorted lists, keys become strings, dataclasses become dicts.
    Anything else (bytes, functions) is a TypeError that names the place.
    """
    return _plain(obj, "")


def _plain(obj: Any, where: str) -> Any:
    if isinstance(obj, Enum):
        return _plain(obj.value, where)
    if obj is None or isinstance(obj, bool | str | int):
        # a subclass of str or int (np.str_, IntEnum) must not leak its repr into the text
        return obj if obj is None or isinstance(obj, bool) else str(obj) if isinstance(obj, str) else int(obj)
    if isinstance(obj, np.ndarray | np.generic):
        return _plain(obj.tolist(), where) if not isinstance(obj, np.void) else _refuse(obj, where)
    if isinstance(obj, float):
        return float(obj) if math.isfinite(obj) else None
    if isinstance(obj, Mapping):
        return {_key(key): _plain(value, f"{where}.{key}") for key, value in obj.items()}
    if is_dataclass(obj) and not isinstance(obj, type):
        return _plain(asdict(obj), where)
    if isinstance(obj, AbstractSet):
        return sorted((_plain(item, where) for item in obj), key=lambda item: (str(type(item)), item))
    if isinstance(obj, Sequence) and not isinstance(obj, bytes | bytearray | memoryview):
        return [_plain(item, f"{where}[{i}]") for i, item in enumerate(obj)]
    if isinstance(obj, PurePath | date):
        return obj.as_posix() if isinstance(obj, PurePath) else obj.isoformat()
    return _refuse(obj, where)


def _key(key: Any) -> str:
    return key if type(key) is str else str(_plain(key, ""))


def _refuse(obj: Any, where: str) -> Any:
    raise TypeError(f"a result must hold JSON values; got {type(obj).__name__} at {where.lstrip('.') or 'the top'}")


def to_json_text(obj: Any, indent: int | None = 2) -> str:
    """`obj` as JSON text that any parser reads: no NaN, no lone surrogate, keys in insertion order."""
    return _text(to_plain(obj), indent=indent)


def canonical_json(obj: Any) -> str:
    """`obj` as one line with sorted keys: equal text exactly when the values are equal; identities hash this text."""
    return _text(to_plain(obj), sort_keys=True, separators=(",", ":"))


def _text(plain: Any, **options: Any) -> str:
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False, **options)
    # a lone surrogate, as in broken corpora, cannot be encoded in UTF-8; its JSON escape can
    return _SURROGATE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
