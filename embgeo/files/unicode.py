"""Text that cannot be encoded."""

from __future__ import annotations


def readable(text: str) -> str:
    """The text with lone surrogates replaced by U+FFFD: tokenizers refuse them, and one of them must not stop a run."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
