"""Budgets as people write them: `96B`, `8x`, `25%`, `4GB`, `512MiB`; and `--keep 99%`, `--vectors 100M`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from embgeo.errors import InputError

_UNITS = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_COUNTS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9}
_FORMS = "96B (per vector), 8x, 25%, 4GB, 512MiB (whole store)"


@dataclass(frozen=True)
class Budget:
    """A limit on bytes: codes, plus the links or list entry of each vector if there is an index.

    Attributes
    ----------
    text : as written.
    per_vector : limit on the marginal bytes per vector, or None.
    store : limit on the whole store, constants included, in bytes for `vectors` vectors, or None.
    vectors : how many vectors the store is planned for.
    """

    text: str
    per_vector: float | None
    store: float | None
    vectors: int

    @property
    def is_share(self) -> bool:
        """Whether it is written as a share of the float32 vectors: `8x`, `25%`."""
        return self.text.strip()[-1:] in "xX%"

    def allows(self, bytes_per_vector: float, constant_bytes: float) -> bool:
        """Whether a codec of that size fits."""
        return self.holds(bytes_per_vector, self.vectors * bytes_per_vector + constant_bytes)

    def holds(self, bytes_per_vector: float, whole_bytes: float) -> bool:
        """Whether a store fits that adds so many bytes for each vector and takes so many as a whole."""
        if self.per_vector is not None:
            return bytes_per_vector <= self.per_vector
        assert self.store is not None
        return whole_bytes <= self.store


def parse_budget(text: str, dimension: int, vectors: int) -> Budget:
    """Read a budget. `8x` and `25%` are shares of the float32 store of `vectors` × `dimension`.

    `B` limits the marginal bytes per vector; larger units limit the whole store. Raises InputError.
    """
    whole = 4.0 * dimension * vectors
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z%]+)\s*", text)
    if match:
        amount, unit = float(match[1]), match[2]
        if 0 < amount < math.inf:
            if unit == "B":
                return Budget(text, amount, None, vectors)
            if unit in ("x", "X"):
                return Budget(text, None, whole / amount, vectors)
            if unit == "%":
                return Budget(text, None, whole * amount / 100, vectors)
            if unit in _UNITS:
                return Budget(text, None, amount * _UNITS[unit], vectors)
    raise InputError(f"a budget must be a positive size such as {_FORMS}; got {text!r}" + _hint(text, "B"))


def parse_keep(text: str) -> float:
    """`99%` or `0.99` → 0.99. Raises InputError outside (0, 1]."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(%?)\s*", text)
    share = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 < share <= 1:
        raise InputError(
            f"--keep must be a share of the baseline's quality such as 99% or 0.99; got {text!r}" + _hint(text, "%")
        )
    return share


def parse_vectors(text: str) -> int:
    """`100M`, `5k`, `250000` → a number of vectors. Raises InputError."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([kKMGB]?)\s*", text)
    count = float(match[1]) * _COUNTS[match[2]] if match else 0.0
    if not 0.5 < count < 2**63:
        hint = _count_hint(text)
        raise InputError(f"--vectors must be a positive number such as 250000, 5k or 100M; got {text!r}{hint}")
    return round(count)


def _hint(text: str, unit: str) -> str:
    """A hint for a number with a missing or misspelled unit (96b, 4gb, 96 bytes)."""
    written = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]+)\s*", text)
    if unit == "B" and written:
        spelled = {"bytes": "B", "byte": "B"} | {name.lower(): name for name in _UNITS}
        known = spelled.get(written[2].lower())
        return f". Did you mean {written[1]}{known}?" if known and float(written[1]) else ""
    more = 3 if unit == "B" else 1  # a three-digit share is a different mistake
    return f". Did you mean {text.strip()}{unit}?" if re.fullmatch(rf"\s*[1-9][0-9]{{0,{more}}}\s*", text) else ""


def _count_hint(text: str) -> str:
    """A hint for 1e6, 1,000,000, 1_000_000 and 100m."""
    scaled = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([a-z])\s*", text)
    if scaled and scaled[2].upper() in _COUNTS:
        return f". Did you mean {scaled[1]}{scaled[2].upper()}?"
    if not re.fullmatch(r"\s*[0-9][0-9,_]*(\.[0-9]+)?([eE]\+?[0-9]{1,2})?\s*", text):
        return ""
    count = float(text.replace(",", "").replace("_", ""))
    return f". Did you mean {count:.0f}?" if count >= 1 else ""
