"""MTEB retrieval tasks by name, through mteb: from its cache, else from the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from embgeo.datasets.checks import build_dataset
from embgeo.datasets.dataset import Dataset, Origin
from embgeo.encoders.hub import hub_answers, hub_offline
from embgeo.errors import DataError, HubError, unknown_name
from embgeo.progress import Progress, silent


def mteb_task_names() -> list[str]:
    """Names of the text retrieval tasks that mteb knows, sorted. Importing mteb takes seconds."""
    return sorted(_task_classes())


def load_mteb_task(
    name: str, *, split: str = "test", drop_own_document: bool = False, progress: Progress = silent
) -> Dataset:
    """An MTEB text retrieval task; `NAME:SUBSET` picks a subset (a language) of a task that has several.

    Texts are joined as mteb joins them: title before text, a query's instruction after it. Tasks that exclude a
    query's own document in MTEB (`ignore_identical_ids`) do so here. A task that reranks given candidates is refused.

    Raises
    ------
    UnknownNameError
        No such task; near matches are given.
    DataError
        The split or subset does not exist, or the task is not plain text retrieval.
    HubError
        The data is not cached and the hub cannot be reached (detected within seconds) or the download fails.
    """
    import mteb

    task_name, _, subset = name.partition(":")
    classes = _task_classes()
    if task_name not in classes:
        raise unknown_name("MTEB retrieval task", task_name, classes)
    task = mteb.get_task(task_name)
    asked, split = split, _choice("split", split, list(task.eval_splits), task_name, default="test")
    notes = [] if split == asked else [f"there is no split {asked}; {split} is used, the only split"]
    subset = _choice("subset", subset, list(task.hf_subsets), task_name, default="")
    task = mteb.get_task(task_name, eval_splits=[split], hf_subsets=[subset])
    progress(f"fetching {task_name}", 0, 1)
    fetch(task)
    progress(f"fetching {task_name}", 1, 1)
    return convert(task, name, split, subset, drop_own_document, notes)


def fetch(task: Any) -> None:
    """`task.load_data()` with a bounded wait: if the hub does not answer a probe, only the cache is used."""
    reachable = hub_answers()
    try:
        with hub_offline(not reachable):
            task.load_data()
    except Exception as error:  # the hub's libraries raise a dozen unrelated types
        if reachable:
            reason = f"the download failed: {_first_line(error)}"
        else:
            reason = (
                f"the hub cannot be reached and the local cache does not have it ({_first_line(error)}). "
                "Connect once to fetch it, or use a built-in dataset (pydocs, tiny) or a BEIR folder."
            )
        raise HubError(f"the MTEB task {task.metadata.name} must be fetched from the hub; {reason}") from error


def convert(
    task: Any, name: str, split: str, subset: str, drop_own_document: bool = False, notes: Sequence[str] = ()
) -> Dataset:
    """A loaded task as a `Dataset`."""
    task.convert_v1_dataset_format_to_v2(num_proc=None)
    try:
        data: Mapping[str, Any] = task.dataset[subset][split]
    except KeyError:
        raise DataError(f"the MTEB task {name} has no data for subset {subset!r}, split {split!r}") from None
    if data.get("top_ranked"):
        raise DataError(f"the MTEB task {name} reranks given candidates; embgeo searches whole corpora only")
    qrels = {
        str(query): {str(document): grade for document, grade in judged.items()}
        for query, judged in data["relevant_docs"].items()
        if judged
    }
    if not qrels:
        raise DataError(f"the MTEB task {name} must have judgements; its split {split!r} has none")
    documents = [(str(row["id"]), document_text(row)) for row in data["corpus"]]
    queries = [(str(row["id"]), query_text(row)) for row in data["queries"]]
    facts = {
        "source": f"MTEB task {task.metadata.name}",
        "revision": str(task.metadata.dataset.get("revision")),
        "split": split,
        "subset": subset,
        "languages": ", ".join(task.metadata.hf_subsets_to_langscripts.get(subset, ())),
    }
    return build_dataset(
        name,
        documents,
        queries,
        qrels,
        Origin(facts, notes, task.metadata),
        drop_own_document or bool(task.ignore_identical_ids),
    )


def document_text(row: Mapping[str, Any]) -> str:
    """Title before text, stripped."""
    title = row.get("title")
    return f"{title} {row['text']}".strip() if title else str(row["text"]).strip()


def query_text(row: Mapping[str, Any]) -> str:
    """A query followed by its instruction; a conversation is flattened and preceded by its instruction."""
    text, instruction = row["text"], row.get("instruction")
    if isinstance(text, list):
        turns = [turn if isinstance(turn, str) else f"{turn['role']}: {turn['content']}" for turn in text]
        return " ".join(filter(None, (instruction, "; ".join(turns))))
    return f"{text} {instruction}" if instruction is not None else str(text)


def _task_classes() -> dict[str, Any]:
    """Text retrieval tasks over a whole corpus, by name."""
    import mteb
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    tasks = mteb.get_tasks(
        task_types=["Retrieval"], modalities=["text"], exclusive_modality_filter=True, exclude_superseded=False
    )
    return {task.metadata.name: task for task in tasks if isinstance(task, AbsTaskRetrieval)}


def _choice(what: str, asked: str, known: list[str], task: str, default: str) -> str:
    """The requested split or subset; the only one there is if none was requested."""
    if asked in known:
        return asked
    if asked == default and len(known) == 1:
        return known[0]
    some = ", ".join(known[:30]) + (", …" if len(known) > 30 else "")
    if not asked:
        raise DataError(f"the MTEB task {task} has several {what}s; name one as {task}:{known[0]}. It has {some}")
    raise DataError(f"the MTEB task {task} has no {what} {asked!r}; it has {some}")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
