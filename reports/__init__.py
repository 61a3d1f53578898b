"""Reports: stored runs drawn as one self-contained HTML file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["report_html", "write_report"]

if TYPE_CHECKING:
    from embgeo.reports.drawing.page import report_html, write_report


def __getattr__(name: str) -> Any:
    """Import the page when it is first asked for: the terminal uses `numbers` alone and must start fast."""
    if name in __all__:
        from embgeo.reports.drawing import page

        return getattr(page, name)
    raise AttributeError(f"module 'embgeo.reports' has no attribute {name!r}")
