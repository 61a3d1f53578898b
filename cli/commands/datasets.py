"""embgeo datasets: list the available datasets, or check one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embgeo.cli import completion
from embgeo.cli.options import with_output
from embgeo.cli.output import Output

if TYPE_CHECKING:
    from embgeo.datasets.dataset import Dataset


@click.command(short_help="List the available datasets, or check one.")
@click.argument("name", required=False, shell_complete=completion.datasets)
@click.option("--split", default="test", show_default=True, help="Split of NAME whose judgements are counted.")
@with_output
def command(name: str | None, split: str, output: Output) -> None:
    """List the built-in datasets; with NAME, read one and print its counts, or find MTEB tasks by part of a name.

    A folder in BEIR format is checked line by line, so use this to check your own corpus.

    \b
    Examples:
      embgeo datasets
      embgeo datasets my-corpus/
      embgeo datasets nfcorpus
    """
    from embgeo.datasets.registry import is_built_in, list_datasets, resolve_dataset
    from embgeo.reports.drawing.terminal import table

    built_in = list_datasets()
    if name is None:
        rows = [[known, meaning] for known, meaning in built_in.items()]
        rows.append(["FOLDER", "corpus.jsonl, queries.jsonl and qrels/*.tsv (BEIR format; .jsonl.gz as well)"])
        rows.append(["MTEB task", "any retrieval task of mteb; needs the hub unless cached"])
        output.show(table("", [("DATASET", "left"), ("what it is", "text")], rows))
        output.json([{"name": known, "summary": meaning} for known, meaning in built_in.items()])
        return
    path_like = os.sep in name or name.startswith((".", "~"))
    if is_built_in(name) or path_like or Path(name).exists():
        with output.progress() as progress:
            dataset = resolve_dataset(name, split=split, progress=progress)
        describe(dataset, output)
        return
    from embgeo.datasets.mteb_task import mteb_task_names
    from embgeo.errors import unknown_name

    tasks = mteb_task_names()
    found = [task for task in tasks if name.casefold() in task.casefold()]
    if not found:
        raise unknown_name("dataset", name, [*built_in, *tasks], "A folder in BEIR format works too.")
    for task in found:
        output.line(f"{task}  (MTEB; needs the hub unless cached)")
    output.json(found)


def describe(dataset: Dataset, output: Output) -> None:
    """Print the counts and warnings of a dataset."""
    from embgeo.reports.numbers import figure
    from embgeo.reports.plaintext import plain

    judgements = dataset.judgements
    facts: dict[str, Any] = {
        "documents": len(dataset.doc_ids),
        "queries": len(dataset.query_ids),
        "judgements": len(judgements),
        "judged queries": len(judgements.judged_queries),
    }
    warnings = [*dataset.warnings, *judgements.warnings]
    output.line(plain(dataset.name))
    for label, value in facts.items():
        output.line(f"  {label:15} {figure(value):>10}")
    for warning in warnings:
        output.sentence(f"warning: {plain(warning)}")
    output.json({"name": dataset.name, **facts, "fingerprint": dataset.fingerprint, "warnings": warnings})
