"""Reports: stored runs drawn as one self-contained HTML file."""

from embgeo.reports.page import report_html, write_report

__all__ = ["report_html", "write_report"]
