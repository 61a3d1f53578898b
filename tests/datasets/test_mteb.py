"""MTEB tasks: mteb's own loader on a local copy of the hub's layout, the conversion, the failure without network."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import mteb
import pytest

import datasets
from embgeo.datasets import mteb_task
from embgeo.datasets.mteb_task import convert, fetch, load_mteb_task, mteb_task_names, query_text
from embgeo.encoders.hub import hub_offline
from embgeo.errors import DataError, HubError, InputError, UnknownNameError

# the layout that every retrieval repository of mteb has on the hub
CARD = """---
configs:
- config_name: default
  data_files: [{split: test, path: qrels.jsonl}]
- config_name: corpus
  data_files: [{split: corpus, path: corpus.jsonl}]
- config_name: queries
  data_files: [{split: queries, path: queries.jsonl}]
---
"""


def split_data(**changes: Any) -> dict[str, Any]:
    data = {
        "corpus": datasets.Dataset.from_list(
            [{"id": "d1", "title": "Title", "text": "body "}, {"id": "d2", "title": "", "text": " bare "}]
        ),
        "queries": datasets.Dataset.from_list([{"id": f"q{i}", "text": f"query {i}"} for i in (1, 2, 3)]),
        "relevant_docs": {"q1": {"d1": 1, "d2": 0}, "q2": {"d2": 2}, "q3": {}},
        "top_ranked": None,
    }
    return data | changes


def task(**changes: Any) -> Any:
    """SciFact with texts of our own in the place of the hub's."""
    loaded = mteb.get_task("SciFact")
    loaded.dataset = {"default": {"test": split_data(**changes)}}
    loaded.data_loaded = True
    return loaded


def test_a_task_becomes_a_dataset() -> None:
    dataset = convert(task(), "SciFact", "test", "default")
    assert list(dataset.doc_texts) == ["Title body", "bare"]
    assert list(dataset.query_ids) == ["q1", "q2"]  # q3 has no judgement
    assert list(dataset.every_query) == ["q1", "q2", "q3"]
    assert dataset.judgements.qrels == {"q1": {"d1": 1, "d2": 0}, "q2": {"d2": 2}}
    assert not dataset.judgements.drop_own_document
    assert dataset.task.name == "SciFact"  # type: ignore[union-attr, attr-defined]
    assert dataset.facts["split"] == "test"
    assert dataset.facts["languages"] == "eng-Latn"


def test_a_split_without_judgements_is_refused() -> None:
    with pytest.raises(DataError, match="must have judgements; its split 'test' has none"):
        convert(task(relevant_docs={"q1": {}}), "SciFact", "test", "default")


def test_judgements_of_no_known_document_are_refused() -> None:
    with pytest.raises(InputError, match="no relevant document of the judgements is in the corpus"):
        convert(task(relevant_docs={"q1": {"x": 1}}), "SciFact", "test", "default")


def test_texts_are_those_that_mteb_gives_its_models() -> None:
    loaders = pytest.importorskip("mteb._create_dataloaders", reason="a private module of mteb 2.26")
    from mteb.types import PromptType

    if not hasattr(loaders, "_retrieval_texts"):
        pytest.skip("this mteb has no _retrieval_texts")
    queries = datasets.Dataset.from_list([{"id": "q1", "text": "a", "instruction": "b"}])
    data = split_data(queries=queries)
    dataset = convert(task(queries=queries), "SciFact", "test", "default")
    assert list(dataset.doc_texts) == list(loaders._retrieval_texts(data["corpus"], PromptType.document))
    assert list(dataset.query_texts) == list(loaders._retrieval_texts(queries, PromptType.query))


def test_conversations_are_flattened_with_the_instruction_in_front() -> None:
    assert query_text({"text": ["hi", "there"]}) == "hi; there"
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]
    assert query_text({"text": turns, "instruction": "answer"}) == "answer user: hi; assistant: yes"


def test_a_task_that_drops_own_documents_in_mteb_does_so_here() -> None:
    loaded = task()
    loaded.ignore_identical_ids = True
    assert convert(loaded, "SciFact", "test", "default").judgements.drop_own_document


def test_a_task_with_candidates_is_refused() -> None:
    with pytest.raises(DataError, match="reranks given candidates"):
        convert(task(top_ranked={"q1": ["d1"]}), "SciFact", "test", "default")


def test_old_style_tasks_are_converted() -> None:
    loaded = mteb.get_task("SciFact")
    loaded.queries = {"test": {"q1": "query"}}
    loaded.corpus = {"test": {"d1": {"title": "Title", "text": "body"}}}
    loaded.relevant_docs = {"test": {"q1": {"d1": 1}}}
    loaded.data_loaded = True
    assert convert(loaded, "SciFact", "test", "default").doc_texts == ["Title body"]


def test_mteb_reads_a_repository_of_the_hubs_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "README.md").write_text(CARD)
    (folder / "corpus.jsonl").write_text('{"_id":"d1","title":"T","text":"x"}\n{"_id":"d2","title":"","text":"z"}\n')
    (folder / "queries.jsonl").write_text('{"_id":"q1","text":"a"}\n{"_id":"q2","text":"b"}\n')
    (folder / "qrels.jsonl").write_text('{"query-id":"q1","corpus-id":"d2","score":1}\n')
    loaded = mteb.get_task("SciFact")
    local = {"path": str(folder), "revision": "local"}
    monkeypatch.setattr(loaded, "metadata", loaded.metadata.model_copy(update={"dataset": local}), raising=False)
    fetch(loaded)
    dataset = convert(loaded, "SciFact", "test", "default")
    assert (list(dataset.doc_texts), list(dataset.query_texts)) == (["T x", "z"], ["a"])
    assert dataset.judgements.qrels == {"q1": {"d2": 1}}


def test_without_a_network_the_hub_is_given_up_within_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    started = time.monotonic()
    with pytest.raises(HubError, match=r"SciFact must be fetched.* cannot be reached and the local cache") as caught:
        load_mteb_task("SciFact")
    assert time.monotonic() - started < 10  # the hub's own retries take 23 s
    assert "\n" not in str(caught.value)


def test_a_reachable_hub_that_refuses_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        metadata = mteb.get_task("SciFact").metadata

        def load_data(self) -> None:
            raise PermissionError("gated repository\nsecond line")

    monkeypatch.setattr(mteb_task, "hub_answers", lambda: True)
    with pytest.raises(HubError, match=r"the download failed: gated repository$"):
        fetch(Refusing())


def test_offline_mode_ends_with_the_block() -> None:
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    with contextlib.suppress(RuntimeError), hub_offline():
        assert constants.HF_HUB_OFFLINE
        assert datasets.config.HF_HUB_OFFLINE
        raise RuntimeError
    assert before == (constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE)


def test_only_whole_corpus_text_tasks_are_named() -> None:
    names = mteb_task_names()
    assert names == sorted(names)
    assert {"SciFact", "NFCorpus", "MIRACLRetrieval"} <= set(names)
    assert not {"STS22", "AskUbuntuDupQuestions", "VidoreDocVQARetrieval"} & set(names)


@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        ("MIRACLRetrieval", "dev", r"several subsets; name one as MIRACLRetrieval:ar"),
        ("MIRACLRetrieval:xx", "dev", r"no subset 'xx'; it has ar, bn"),
        ("SciFact", "train", r"no split 'train'; it has test"),
    ],
)
def test_absent_splits_and_subsets_are_listed(name: str, split: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_mteb_task(name, split=split)


def test_an_unknown_task_suggests_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="did you mean SciFact"):
        load_mteb_task("SciFacts")
