"""How numbers are written in a report: as many digits as the interval supports, with units, "—" for missing ones.

Every number of a report passes through here. Arguments come from JSON, so anything that is not a finite number (None,
NaN, text) counts as missing and is never an error.
"""

from __future__ import annotations

import math
from typing import Any

from embgeo.results.stored import Shown, finite
from embgeo.results.stored import interval as stored_interval

MISSING = "—"
MINUS = "\u2212"
NARROW = "\u202f"  # narrow no-break space before a unit
PLAIN = str.maketrans({MINUS: "-", NARROW: " "})  # for output that is parsed
_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def bounds(ci: Any) -> tuple[float, float] | None:
    """A stored interval [lo, hi] as floats, or None when it is not one."""
    ends = stored_interval(ci)
    return None if ends is None else (float(ends[0]), float(ends[1]))


def decimals(value: Any, ci: Any = None) -> int:
    """Decimals to show: the interval's width keeps two significant digits; without an interval the value keeps four.

    At most 6. 0.64508 with (0.600, 0.690) gets 3; 1388.67 with (1350, 1420) gets 0.
    """
    ends = bounds(ci)
    width = ends[1] - ends[0] if ends else 0.0
    if width > 0:
        return min(6, max(0, 1 - math.floor(math.log10(width))))
    number = finite(value)
    if number is None or number == 0 or number == int(number):
        return 0
    return min(6, max(0, 3 - math.floor(math.log10(abs(number)))))


def number(value: Any, ci: Any = None, places: int | None = None, signed: bool = False) -> str:
    """`value` with grouped thousands and a true minus; `places` overrides the digits taken from `ci`.

    Beyond 10⁹, or below 10⁻⁴ without an interval, in powers of ten.
    """
    x = finite(value)
    if x is None:
        return MISSING
    if places is None and (abs(x) >= 1e9 or (0 < abs(x) < 1e-4 and bounds(ci) is None)):
        return _power(x, signed)
    text = f"{x:{'+' if signed else ''},.{decimals(x, ci) if places is None else places}f}"
    if not any(digit in text for digit in "123456789"):
        if x and places is None and decimals(x, ci) == 6:
            return _power(x, signed)
        text = text.lstrip("+-")  # no sign on what rounds to zero
    return text.replace("-", MINUS)


def bare(value: Any) -> str:
    """`value` without zeros at its end, as a setting reads: `0.25`, `0.7`, `100`."""
    text = number(value)
    return text.rstrip("0").rstrip(".") if "." in text and text[-1].isdigit() else text


def interval(ci: Any, places: int | None = None, signed: bool = False, scale: float = 1.0) -> str:
    """`(0.600–0.690)`; `to` instead of the dash next to a sign. "" without an interval."""
    ends = bounds(ci)
    if ends is None:
        return ""
    low, high = (number(end * scale, [e * scale for e in ends], places, signed) for end in ends)
    signs = any(sign in low + high for sign in ("+", MINUS, "⁻"))
    return f"({low}{' to ' if signs else '–'}{high})"


def estimate(value: Any, ci: Any = None, places: int | None = None, signed: bool = False) -> str:
    """`0.645 (0.600–0.690)`, both with the digits that the interval supports."""
    return f"{number(value, ci, places, signed)} {interval(ci, places, signed)}".rstrip()


def figure(value: Any, ci: Any = None, places: int | None = None, signed: bool = False) -> str:
    """A number as reports show it, with an ASCII minus so that piped output can be parsed."""
    return number(value, ci, places, signed).translate(PLAIN)


def dotted(ci: Any, places: int | None = None, signed: bool = False) -> str:
    """An interval as the terminal shows it: `low…high`, "" if there is none."""
    ends = bounds(ci)
    return "…".join(figure(end, ends, places, signed) for end in ends) if ends else ""


def three_digits(value: Any) -> str:
    """A measured speed with at most three significant digits: 12,345 reads 12,300."""
    x = finite(value)
    if x is None or x == 0:
        return figure(value)
    places = 2 - math.floor(math.log10(abs(x)))
    return figure(round(x, places), places=max(places, 0))


def percent(value: Any, ci: Any = None, places: int = 1) -> str:
    """A share as `99.4 % (98.6–100.2)`."""
    x = finite(value)
    if x is None:
        return MISSING
    return f"{number(100 * x, places=places)}{NARROW}% {interval(ci, places, scale=100)}".rstrip()


def byte_size(value: Any) -> str:
    """Bytes in decimal units as storage is sold: `1,536 B`, `7.96 MB`, `154 GB`. Below 10,000 exactly."""
    x = finite(value)
    if x is None:
        return MISSING
    if abs(x) < 10_000:
        return f"{number(x, places=0 if x == int(x) else 2)}{NARROW}B"
    power = min(len(_BYTE_UNITS) - 1, int(math.log10(abs(x)) // 3))
    if float(f"{abs(x) / 1000**power:.3g}") == 1000 and power < len(_BYTE_UNITS) - 1:
        power += 1
    scaled = x / 1000**power
    places = _three(abs(scaled))
    return f"{number(scaled, places=places)}{NARROW}{_BYTE_UNITS[power]}"


def duration(seconds: Any) -> str:
    """Seconds as `3.40 ms`, `12.3 s`, `2 min 05 s`."""
    x = finite(seconds)
    if x is None or x < 0:
        return MISSING
    if x < 1:
        return f"{number(1000 * x, places=_three(1000 * x))}{NARROW}ms"
    if x < 99.95:
        return f"{number(x, places=_three(x))}{NARROW}s"
    minutes, rest = divmod(round(x), 60)
    if minutes < 60:
        return f"{minutes}{NARROW}min {rest:02d}{NARROW}s"
    return f"{minutes // 60}{NARROW}h {minutes % 60:02d}{NARROW}min"


def milliseconds(value: Any) -> str:
    """Milliseconds as `duration` writes them."""
    x = finite(value)
    return MISSING if x is None else duration(x / 1e3)


def times(ratio: Any) -> str:
    """A factor as `7.7×`."""
    x = finite(ratio)
    return MISSING if x is None else f"{number(x, places=0 if abs(x) >= 100 else 1)}×"


def count(value: Any) -> str:
    """A whole number with grouped thousands: `5,183`."""
    return number(value, places=0)


def counted(value: Any, one: str, many: str) -> str:
    """`1 query`, `5,183 documents`."""
    return f"{count(value)} {one if value == 1 else many}"


def _three(x: float) -> int:
    return 2 if x < 9.995 else 1 if x < 99.95 else 0


def _power(x: float, signed: bool) -> str:
    mantissa, _, exponent = f"{x:.3g}".partition("e")
    if not exponent:
        mantissa, _, exponent = f"{x:.2e}".partition("e")
    digits = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    sign = "+" if signed and x > 0 else ""
    return f"{sign}{mantissa.replace('-', MINUS)}{NARROW}×{NARROW}10{digits}"


_BY_UNIT = {
    "bytes": byte_size,
    "seconds": duration,
    "ms": milliseconds,
    "float32 store / this store": times,
    "share of float32": percent,
}


def shown(value: Any, how: Shown) -> str:
    """The value of a declared field as reports show it."""
    if isinstance(value, tuple):
        return interval(value, 4).strip("()")
    if how.unit in _BY_UNIT:
        return _BY_UNIT[how.unit](value)
    return number(value, places=how.digits, signed=how.signed)
