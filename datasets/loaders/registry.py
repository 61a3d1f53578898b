"""Resolving the DATASET that a user names to a `Dataset`."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from embgeo.datasets.beir import is_beir_folder, load_beir
from embgeo.datasets.dataset import Dataset
from embgeo.datasets.limit import PREFIX, load_limit
from embgeo.datasets.pydocs import load_pydocs
from embgeo.errors import DataError, InputError, UnknownNameError, unknown_name
from embgeo.progress import Progress, silent

BUILT_IN = {
    "pydocs": "docstrings of the running Python's standard library: first paragraph → rest, about 1,850 pairs",
    "pydocs:scientific": "the same with NumPy, SciPy and scikit-learn, about 6,200 pairs",
    "limit:46": "LIMIT-small's pattern, all pairs of 46 documents; limit:N,k=K,graph=cycle,queries=Q for others",
    "tiny": "65 short everyday texts and 40 graded questions, written for this project",
}


def list_datasets() -> Mapping[str, str]:
    """Built-in names with one line each; reads and imports nothing heavy. For tasks see `mteb_task_names`."""
    return dict(BUILT_IN)


def is_built_in(name: str) -> bool:
    """Whether it names a built-in dataset, of `limit:` at any size."""
    return name in BUILT_IN or name.startswith(PREFIX)


def resolve_dataset(
    name: str,
    *,
    split: str = "test",
    drop_own_document: bool = False,
    doc_ids: Sequence[str] | None = None,
    query_ids: Sequence[str] | None = None,
    progress: Progress = silent,
) -> Dataset:
    """Load a dataset by built-in name, by folder in BEIR format, or by the name of an MTEB retrieval task.

    Names are tried in that order; a built-in name that is also a BEIR folder in the working directory is refused as
    ambiguous.

    Parameters
    ----------
    split : which judgements (BEIR folders and MTEB tasks).
    drop_own_document : leave the document with a query's own id out of its results (off, as in MTEB).
    doc_ids, query_ids : ids of precomputed vectors; with them a folder of judgements only is a dataset (`load_beir`).

    Raises
    ------
    UnknownNameError
        With near matches among the built-in names and the MTEB tasks.
    DataError, HubError
        From the loader.
    """
    check_dataset(name)
    folder = Path(name)
    if is_built_in(name):
        if name == "tiny":
            return load_beir(tiny_folder(), split=split, drop_own_document=drop_own_document, progress=progress)
        if split != "test":
            raise DataError(f"{name} has no splits; got {split!r}. Omit --split")
        if name.startswith(PREFIX):
            return load_limit(name, drop_own_document)
        return load_pydocs(name == "pydocs:scientific", drop_own_document, progress)
    if folder.is_dir() and name:
        ids = {"doc_ids": doc_ids, "query_ids": query_ids}
        return load_beir(folder, split=split, drop_own_document=drop_own_document, **ids, progress=progress)
    from embgeo.datasets.mteb_task import load_mteb_task

    return load_mteb_task(name, split=split, drop_own_document=drop_own_document, progress=progress)


def check_dataset(name: str) -> None:
    """Raise the error of `resolve_dataset` if no dataset has this name; nothing is read and no hub is asked."""
    folder = Path(name)
    if is_built_in(name):
        if is_beir_folder(folder):
            raise InputError(f"{name!r} is both a built-in dataset and a folder here; write ./{name} for the folder")
        return
    if folder.is_dir() and name:
        return
    if folder.exists() and name:
        raise DataError(
            f"a dataset must be a folder with corpus.jsonl, queries.jsonl and qrels/; {name} is a file. With vectors "
            "that hold ids, a folder with judgements only (qrels.tsv) is enough"
        )
    if os.sep in name or name.startswith(("~", ".")):
        raise DataError(f"the dataset folder {name} does not exist. Built-in: {', '.join(BUILT_IN)}.")
    if near := _built_in_meant(name):
        raise UnknownNameError(f"unknown dataset {name!r}; did you mean {near}? Built-in: {', '.join(BUILT_IN)}.")
    from embgeo.datasets.mteb_task import mteb_task_names

    tasks = mteb_task_names()
    if name.partition(":")[0] not in tasks:
        raise _unknown(name, tasks)


def _built_in_meant(name: str) -> str:
    """The built-in name that `name` misspells, "" otherwise; no MTEB task is that similar to one (a test checks).

    Saves the seconds that importing mteb takes.
    """
    near = difflib.get_close_matches(name.casefold(), BUILT_IN, n=1, cutoff=0.8)
    return near[0] if near else ""


def tiny_folder() -> Path:
    """The folder of `tiny`: inside the installed package, or beside the loaders in a checkout."""
    here = Path(__file__).resolve().parent
    installed = here / "tiny"
    return installed if installed.is_dir() else here.parent / "tiny"


def _unknown(name: str, tasks: list[str]) -> UnknownNameError:
    same = [task for task in (*BUILT_IN, *tasks) if task.casefold() == name.casefold()]
    hint = f"Built-in: {', '.join(BUILT_IN)}; or a folder in BEIR format, or one of {len(tasks)} MTEB retrieval tasks."
    if same:
        return UnknownNameError(f"unknown dataset {name!r}; did you mean {same[0]}? Names are case-sensitive.")
    return unknown_name("dataset", name, (*BUILT_IN, *tasks), hint)
