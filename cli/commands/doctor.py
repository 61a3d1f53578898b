"""embgeo doctor: what is installed, what is missing, and the commands that fix it."""

from __future__ import annotations

import textwrap
from dataclasses import asdict

import click

from embgeo.cli.options import with_output
from embgeo.cli.output import Output


@click.command(short_help="Check the installation and print the commands that fix it.")
@with_output
@click.pass_context
def command(ctx: click.Context, output: Output) -> None:
    """Check Python, torch, faiss, the packaged model and the cache; exit 2 if something required does not work."""
    from embgeo.cli.checkup import examine

    findings = []
    for finding in examine():
        findings.append(finding)
        output.line(hanging(f"{finding.status:5}  {finding.check:21}  {finding.found}"))
        if finding.fix:
            output.line(f"{'':5}  {'':21}  → {finding.fix}")
    wrong = [finding.check for finding in findings if finding.status == "error"]
    output.line()
    output.line(f"not working: {', '.join(wrong)}" if wrong else "everything required works")
    output.json({"ok": not wrong, "findings": [asdict(finding) for finding in findings]})
    if wrong:
        ctx.exit(2)


def hanging(line: str) -> str:
    """Wrapped at 80 columns, indented to the third column; paths and pip commands are never broken."""
    return textwrap.fill(line, 80, subsequent_indent=" " * 30, break_long_words=False, break_on_hyphens=False)
