"""Addresses of servers without what must stay secret in them."""

from __future__ import annotations

import re
from urllib.parse import unquote

SHORTEST_SECRET = 3  # of a piece that is looked for in a message
_PASSWORD = re.compile(r"(://[^:/?#@]*):.*@", re.DOTALL)  # up to the last @: one in the password hides nothing
_SECRET_FIELD = re.compile(r"(?i)([?&])[\w-]*(?:password|secret|token|api[_-]?key)=[^&/]*&?")


def without_secrets(name: str) -> str:
    """`name` without the password of a URL in it, and without fields such as `password=` or `api_key=`."""
    shown = _PASSWORD.sub(r"\1@", name)
    while (shorter := _SECRET_FIELD.sub(r"\1", shown)) != shown:
        shown = shorter
    return re.sub(r"[?&](?=$|/)", "", shown)


def without_key(address: str) -> str:
    """`without_secrets`, and without the user of an address that is no database's: there it may be a key."""
    shown = without_secrets(address)
    return shown if shown.startswith("postgres") else re.sub(r"://[^/?#]*@", "://", shown)


def redacted(text: str, address: str) -> str:
    """`text` of an error about `address`, in which parts of its password or key may stand, without them."""
    for secret in _secrets(address):
        text = text.replace(secret, "…")
    return without_secrets(text)


def _secrets(address: str) -> list[str]:
    """The password or key, as it stands and decoded, and the pieces a parser may have made of it; longest first."""
    user = re.search(r"://(.*)@", address, re.DOTALL)
    name, _, password = (user[1] if user else "").partition(":")
    whole = [password or ("" if address.startswith("postgres") else name)]
    whole += re.findall(r"(?i)(?:password|secret|token|api[_-]?key)=([^&\s]*)", address)
    pieces = {piece for each in whole for piece in (each, unquote(each), *re.split(r"[/?#@:%\s]", each))}
    return sorted((piece for piece in pieces if len(piece) >= SHORTEST_SECRET), key=len, reverse=True)
