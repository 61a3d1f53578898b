"""Data and scripts inside the page: JSON that cannot end its element, and the policy that forbids everything else."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

from embgeo.files.digest import Digest
from embgeo.files.jsontext import to_plain

_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def inline_json(data: Any, compact: bool = False) -> Markup:
    """JSON for a `<script type="application/json">`: without <, > and &, so no text can close the element.

    ASCII only; `compact` writes other characters as they are, a half or third of the bytes.
    """
    text = json.dumps(to_plain(data), allow_nan=False, separators=(",", ":"), ensure_ascii=not compact)
    return Markup(text.translate(_ESCAPES))  # escaped on this line


def script_text(source: str) -> Markup:
    """JavaScript for an inline `<script>`, unchanged; refuses what would end the element or what HTML rewrites."""
    if any(mark in source.lower() for mark in ("</script", "<!--")) or "\r" in source or "\0" in source:
        raise ValueError("an inline script must hold no </script, <!--, CR or NUL")
    return Markup(source)  # our own files


def content_security_policy(scripts: Iterable[str]) -> str:
    """Nothing is loaded from the network; only these inline scripts run. Inline styles are allowed for plotly."""
    hashes = " ".join(f"'sha256-{base64.b64encode(Digest(s).bytes()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
