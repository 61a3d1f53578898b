"""embgeo export: write the built store in the format of another search library."""

from __future__ import annotations

from pathlib import Path

import click

from embgeo.cli import completion
from embgeo.cli.configuration import config_option
from embgeo.cli.options import FILE, find_option, with_output
from embgeo.cli.output import Output
from embgeo.writable import check_writable_file


@click.command(short_help="Write the built store as a FAISS file.")
@click.argument("run", type=FILE, shell_complete=completion.runs)
@click.option("--faiss", "target", type=FILE, metavar="FILE", help="Output file.  [default: store.faiss in RUN]")
@click.option("--to", default="faiss", show_default=True, metavar="TARGET", help="Output format.")
@click.option("--file", type=FILE, metavar="FILE", help="Output file, in any format.")
@find_option
@config_option
@with_output
def command(run: Path, target: Path | None, to: str, file: Path | None, out: Path, output: Output) -> None:
    """Write the store of the run folder RUN as a file that plain FAISS reads and searches, or for another target.

    The file holds the same codes and gives the same scores (under cosine, for queries of unit length); row i of FAISS
    is document i of the store. Adaptive bits under cosine take one byte more per vector, and the share of results that
    FAISS keeps is measured and printed. A codec without a FAISS format (trellis, a factor for each vector, rescoring)
    is refused, and the message names the nearest one that has a format.

    --to mteb writes no store but its measured quality, as a task result that mteb reads: nDCG@10 out of sample.

    \b
    Examples:
      embgeo export embgeo-runs/compress-minilm-pydocs-1a2b3c4d
      embgeo export embgeo-runs/compress-minilm-pydocs-1a2b3c4d --faiss /data/index.faiss
      embgeo export embgeo-runs/compress-minilm-pydocs-1a2b3c4d --to mteb
    """
    if target is not None and (file is not None or to != "faiss"):
        raise click.UsageError("--faiss FILE is short for --to faiss --file FILE; give one or the other")
    for path, option in ((target, "--faiss"), (file, "--file")):
        if path is not None:
            check_writable_file(path, option)
    from embgeo import api
    from embgeo.cli.words import size
    from embgeo.run import path_text

    report = api.export(run, target or file, to=to, out=out)
    parts = ", ".join(f"{size(count)} {name}" for name, count in report.parts.items())
    output.sentence(f"{report.content}: {size(report.written_bytes)}" + (f" ({parts})" if parts else ""))
    for note in report.caveats:
        output.sentence(note)
    output.line(path_text(report.path))
    output.json(report.to_json())
