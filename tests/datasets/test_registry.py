"""From the DATASET that a user types to a dataset; `tiny`; and that the folder datasets/ hides nobody's package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from embgeo.datasets.registry import list_datasets, resolve_dataset, tiny_folder
from embgeo.errors import DataError, InputError, UnknownNameError


def test_tiny_is_clean_and_graded() -> None:
    dataset = resolve_dataset("tiny")
    assert dataset.name == "tiny"
    assert (len(dataset.doc_ids), len(dataset.query_ids), len(dataset.judgements)) == (65, 40, 51)
    assert dataset.warnings == dataset.judgements.warnings == ()
    assert {grade for judged in dataset.judgements.qrels.values() for grade in judged.values()} == {1, 2}
    assert len(dataset.judgements.judged_queries) == 40


def test_tiny_is_not_answered_by_shared_words_alone() -> None:
    """A query that repeats its document word for word would measure nothing."""
    dataset = resolve_dataset("tiny")
    texts = dict(zip(dataset.doc_ids, dataset.doc_texts, strict=True))
    for query, text in zip(dataset.query_ids, dataset.query_texts, strict=True):
        for doc in dataset.judgements.qrels[query]:
            assert text.casefold() not in texts[doc].casefold()


def test_every_listed_dataset_resolves() -> None:
    for name in list_datasets():
        if name != "pydocs:scientific":  # slow; the same loader
            assert resolve_dataset(name).name == name


def test_a_folder_is_read_and_the_flag_arrives() -> None:
    dataset = resolve_dataset(str(tiny_folder()), drop_own_document=True)
    assert len(dataset.doc_ids) == 65
    assert dataset.judgements.drop_own_document


@pytest.mark.parametrize("name", ["", "pydoc", "pydocs:all", "Tiny"])
def test_unknown_names_list_what_there_is(name: str) -> None:
    with pytest.raises(UnknownNameError, match="unknown dataset") as caught:
        resolve_dataset(name)
    if name:
        assert "did you mean" in str(caught.value)


def test_a_split_of_a_dataset_without_splits_is_refused() -> None:
    with pytest.raises(DataError, match="pydocs has no splits; got 'dev'"):
        resolve_dataset("pydocs", split="dev")


def test_a_name_that_is_like_none_gets_no_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="unknown dataset 'nosuchset'") as caught:
        resolve_dataset("nosuchset")
    assert "did you mean" not in str(caught.value)


def test_an_mteb_name_in_another_case_is_recognised() -> None:
    with pytest.raises(UnknownNameError, match="did you mean SciFact"):
        resolve_dataset("SCIFACT")


@pytest.mark.parametrize("name", ["./absent", "no/such/folder", "~nobody"])
def test_an_absent_folder_is_called_absent(name: str) -> None:
    with pytest.raises(DataError, match="does not exist"):
        resolve_dataset(name)


def test_a_file_and_a_bare_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must hold corpus\.jsonl"):
        resolve_dataset(str(tmp_path))
    file = tmp_path / "corpus.jsonl"
    file.write_text("{}")
    with pytest.raises(DataError, match="is a file"):
        resolve_dataset(str(file))


def test_a_built_in_name_that_is_a_folder_too_is_ambiguous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_folder().parent)
    with pytest.raises(InputError, match=r"write \./tiny for the folder"):
        resolve_dataset("tiny")
    assert len(resolve_dataset("./tiny").doc_ids) == 65
    (tmp_path / "tiny").mkdir()  # a folder of that name that is not a dataset does not matter
    monkeypatch.chdir(tmp_path)
    assert len(resolve_dataset("tiny").doc_ids) == 65


def test_listing_and_built_ins_import_nothing_heavy() -> None:
    script = (
        "import sys; from embgeo.datasets.registry import list_datasets, resolve_dataset; list_datasets();"
        "resolve_dataset('tiny');"
        "print([m for m in ('mteb', 'torch', 'datasets', 'numpy', 'sklearn') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "import mteb; mteb.get_task('SciFact')"],
        ["-c", "import datasets; datasets.Dataset.from_dict({'a': [1]})"],
        ["-m", "pytest", "--version"],
    ],
    ids=["mteb", "datasets", "pytest"],
)
def test_the_folder_datasets_hides_nothing_in_the_repository_root(repository: Path, arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, *arguments], cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_folder_datasets_is_no_package(repository: Path) -> None:
    assert not (repository / "datasets" / "__init__.py").exists()
