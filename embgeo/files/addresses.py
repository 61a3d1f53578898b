"""Addresses of servers without what must stay secret in them."""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(://[^:/?#@]*):.*@", re.DOTALL)  # up to the last @: one in the password hides nothing
_SECRET_FIELD = re.compile(r"(?i)([?&])[\w-]*(?:password|secret|token|api[_-]?key)=[^&/]*&?")


def without_secrets(name: str) -> str:
    """`name` without the password of a URL in it, and without fields such as `password=` or `api_key=`."""
    shown = _PASSWORD.sub(r"\1@", name)
    while (shorter := _SECRET_FIELD.sub(r"\1", shown)) != shown:
        shown = shorter
    return re.sub(r"[?&](?=$|/)", "", shown)
