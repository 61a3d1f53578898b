"""Data and scripts inside the page: JSON that cannot end its element, and the policy that forbids everything else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

from embgeo.jsontext import to_plain

_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def island(data: Any) -> Markup:
    """JSON for a `<script type="application/json">`: ASCII only, without <, > and &, so no text can leave it."""
    text = json.dumps(to_plain(data), allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_ESCAPES))  # escaped on this line


def script_text(source: str) -> Markup:
    """JavaScript for an inline `<script>`, unchanged; refuses what would end the element or what HTML rewrites."""
    if any(mark in source.lower() for mark in ("</script", "<!--")) or "\r" in source or "\0" in source:
        raise ValueError("an inline script must hold no </script, <!--, CR or NUL")
    return Markup(source)  # our own files


def content_security_policy(scripts: Iterable[str]) -> str:
    """No network load of any kind; only these inline scripts run. Styles are free, because plotly sets them inline."""
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
