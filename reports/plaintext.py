"""Untrusted text made safe to show: invisible characters become visible, nothing is dropped silently."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from markupsafe import Markup

LONGEST = 2000
# bidirectional controls, which change the reading direction
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f]")
_OTHER = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
# plotly interprets some tags and entities, and renders text between dollars as mathematics
_PLOT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;", "\n": " "})


def visible(text: str, longest: int = LONGEST) -> str:
    """`text` with control and bidirectional characters replaced by visible signs, cut at `longest` characters.

    NUL becomes ␀, U+202E becomes [U+202E], an unpaired surrogate becomes �. HTML is escaped later.
    """
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    text = _BIDI.sub(lambda match: f"[U+{ord(match.group()):04X}]", text)
    text = _CONTROL.sub(lambda match: chr(0x2400 + ord(match.group())), text)
    return _OTHER.sub("\ufffd", text)


def plain(text: str, limit: int | None = None) -> str:
    """Text for a terminal, on one line: control and bidirectional characters become spaces, at most `limit` long."""
    # Cc, Cf: escape sequences and bidi overrides would act on the terminal; Cs cannot be written at all
    harmless = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in text)
    line = " ".join(harmless.split())
    return line if limit is None or len(line) <= limit else line[: limit - 1] + "…"


def shown(value: Any) -> Any:
    """What Jinja prints: strings made visible, our own markup unchanged, None as nothing."""
    if value is None:
        return ""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return visible(value)


def plot_text(text: str, longest: int = 120) -> str:
    """`text` for a plotly label, which accepts a subset of HTML: escaped, on one line."""
    return visible(text, longest).translate(_PLOT_ESCAPES)
