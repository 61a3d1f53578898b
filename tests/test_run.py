"""Laws of run folders: what is saved is what is read, whole or not at all."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
from pathlib import Path

import numpy as np
import pytest

from embgeo.environment import environment
from embgeo.errors import InputError, RunFormatError, StorageError
from embgeo.files.jsontext import canonical_json, to_json_text
from embgeo.run import FORMAT_VERSION, Run, identity, load_run, save_run

RESULT = {
    "command": "analyze",
    "model": "sentence-transformers/all-MiniLM-L6-v2",
    "dataset": {"name": "scifact", "documents": 5183, "queries": 300, "qrels": 339, "fingerprint": "f" * 64},
    "request": {"seed": 0, "similarity": "auto"},
    "signature": {"twonn_dim": {"value": np.float32(15.25), "ci": (float("nan"), math.inf), "n": np.int64(5183)}},
}


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_a_loaded_run_equals_the_saved_one(tmp_path):
    saved = save_run(
        tmp_path,
        RESULT,
        {"file": np.arange(6).reshape(2, 3), "top/ids": np.array(["a", "bé"])},
        documents=[("d1", "x" * 500), ("d\u2028 2", "line\u2028sep\nnew\ud800")],
        queries=[("q1", "why?")],
    )
    loaded = load_run(saved.folder)
    assert loaded.result == saved.result
    assert loaded.folder == saved.folder
    assert loaded.result["signature"]["twonn_dim"] == {"value": 15.25, "ci": [None, None], "n": 5183}
    assert sorted(loaded.arrays) == ["file", "top/ids"]
    np.testing.assert_array_equal(loaded.arrays["file"], [[0, 1, 2], [3, 4, 5]])
    assert list(loaded.arrays["top/ids"]) == ["a", "bé"]
    assert loaded.documents == {"d1": "x" * 200, "d\u2028 2": "line\u2028sep\nnew\ud800"}
    assert loaded.queries == {"q1": "why?"}
    assert load_run(saved.folder / "run.json").result == saved.result
    assert hidden(tmp_path) == []


def test_a_run_without_arrays_or_texts_reads_as_empty(tmp_path):
    run = save_run(tmp_path, RESULT)
    assert (dict(run.arrays), run.documents, run.queries) == ({}, {}, {})
    with pytest.raises(KeyError):
        run.arrays["absent"]


def test_the_folder_name_is_readable_and_carries_the_identity(tmp_path):
    run = save_run(tmp_path, RESULT)
    assert run.name == f"analyze-all-minilm-l6-v2-scifact-{identity(RESULT)[:8]}"
    assert run.result["identity"] == identity(RESULT)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"model": "org/m-1"}, {"model": "org/m_1"}),
        ({"model": "a/m"}, {"model": "b/m"}),
        ({"request": {"seed": 1}}, {"request": {"seed": "1"}}),
        ({"dataset": {"name": "x", "fingerprint": "1"}}, {"dataset": {"name": "x", "fingerprint": "2"}}),
        ({"command": "analyze"}, {"command": "compress"}),
        ({"model": "模型"}, {"model": "数据"}),
    ],
)
def test_runs_whose_slugs_collide_keep_apart(tmp_path, first, second):
    one, two = (save_run(tmp_path, {**RESULT, **change}) for change in (first, second))
    assert one.folder != two.folder
    assert load_run(one.folder).result["model"] == one.result["model"]


def test_identity_ignores_results_and_key_order():
    turned = dict(reversed(RESULT.items()))
    assert identity(RESULT) == identity({**turned, "signature": {}, "created": "never"})


def test_a_repeat_replaces_the_old_run(tmp_path):
    save_run(tmp_path, {**RESULT, "note": 1}, {"old": np.zeros(1)})
    run = save_run(tmp_path, {**RESULT, "note": 2})
    assert [path.name for path in tmp_path.iterdir()] == [run.name]
    assert load_run(run.folder).result["note"] == 2
    assert not (run.folder / "arrays.npz").exists()


def test_a_repeat_keeps_the_report_of_the_same_run_but_not_one_of_another_machine(tmp_path):
    asked = {"command": "analyze", "model": "m", "environment": {"cpu": "one"}}
    page = save_run(tmp_path, asked).folder / "report.html"
    page.write_text("page")
    assert save_run(tmp_path, asked).folder == page.parent
    assert page.read_text() == "page"
    save_run(tmp_path, {**asked, "environment": {"cpu": "two"}})
    assert not page.exists()


def test_a_failure_while_writing_keeps_the_old_run_and_leaves_nothing(tmp_path):
    old = save_run(tmp_path, {**RESULT, "note": 1})

    def full_disk(folder: Path) -> None:
        (folder / "store.bin").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match=r"No space left on device.*--out"):
        save_run(tmp_path, {**RESULT, "note": 2}, write=full_disk)
    assert load_run(old.folder).result["note"] == 1
    assert [path.name for path in tmp_path.iterdir()] == [old.name]


def test_an_interrupt_leaves_nothing(tmp_path):
    def interrupt(folder: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_run(tmp_path, RESULT, write=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_rename_puts_the_old_run_back(tmp_path, monkeypatch):
    old = save_run(tmp_path, {**RESULT, "note": 1})
    rename = Path.rename

    def refuse_new(self: Path, target: Path) -> Path:
        if self.name.endswith(".tmp"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_new)
    with pytest.raises(StorageError, match="Permission denied"):
        save_run(tmp_path, {**RESULT, "note": 2})
    assert load_run(old.folder).result["note"] == 1
    assert hidden(tmp_path) == []


def test_a_run_killed_between_the_renames_is_recovered(tmp_path):
    run = save_run(tmp_path, {**RESULT, "note": 1})
    run.folder.rename(tmp_path / f".{run.name}.old")  # the state a kill leaves

    def broken(folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(StorageError):
        save_run(tmp_path, {**RESULT, "note": 2}, write=broken)
    assert load_run(run.folder).result["note"] == 1


def test_a_file_in_the_way_is_a_storage_error(tmp_path):
    (tmp_path / "runs").write_text("not a folder")
    with pytest.raises(StorageError, match="runs"):
        save_run(tmp_path / "runs", RESULT)


def test_added_files_arrive_with_the_run(tmp_path):
    run = save_run(tmp_path, RESULT, write=lambda folder: (folder / "store.bin").write_bytes(b"abc") and None)
    assert (run.folder / "store.bin").read_bytes() == b"abc"


def test_objects_are_never_pickled(tmp_path):
    with pytest.raises(InputError, match="'bad' must hold numbers"):
        save_run(tmp_path, RESULT, {"bad": np.array([{}, None])})
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_command_is_refused(tmp_path):
    with pytest.raises(InputError, match="analyze, compress"):
        save_run(tmp_path, {**RESULT, "command": "dance"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "must be JSON"),
        ("[]", "must hold a JSON object"),
        ("{}", "format_version"),
        ('{"format_version": true}', "format_version"),
        ('{"format_version": "1"}', "format_version"),
        (f'{{"format_version": {FORMAT_VERSION}, "command": "dance"}}', "command"),
        ("[" * 100_000, "must be JSON"),
        (b"\xff\xfe\x00", "must be JSON"),
    ],
)
def test_a_damaged_run_says_so(tmp_path, text, message):
    (tmp_path / "run.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RunFormatError, match=message):
        load_run(tmp_path)


def test_a_newer_format_says_who_wrote_it_and_what_to_do(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"format_version": 2, "embgeo": "9.1", "command": "analyze"}))
    with pytest.raises(RunFormatError, match=r"format 2, written by embgeo 9\.1.*pip install -U embgeo"):
        load_run(tmp_path)


@pytest.mark.parametrize("name", [".", "absent"])
def test_a_folder_that_is_not_a_run_is_refused(tmp_path, name):
    with pytest.raises(RunFormatError, match=r"must hold run\.json"):
        load_run(tmp_path / name)


def test_damaged_arrays_and_texts_name_the_place(tmp_path):
    run = save_run(tmp_path, RESULT, {"a": np.zeros(3)}, documents=[("d", "t")])
    (run.folder / "arrays.npz").write_bytes(b"PK not a zip")
    (run.folder / "documents.jsonl").write_text('{"id": "d", "text": "t"}\n{"id": 3}\n')
    with pytest.raises(RunFormatError, match=r"arrays\.npz"):
        list(load_run(run.folder).arrays)
    with pytest.raises(RunFormatError, match=r"documents\.jsonl line 2"):
        _ = load_run(run.folder).documents


def test_a_run_is_frozen(tmp_path):
    run = save_run(tmp_path, RESULT)
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.folder = tmp_path  # type: ignore[misc]


def test_json_has_no_nan_and_survives_any_text():
    text = to_json_text({"a": [math.nan, -math.inf, np.float64("nan")], np.int64(3): {"b", "a"}, "s": "\ud800é\u2028"})
    assert json.loads(text) == {"a": [None, None, None], "3": ["a", "b"], "s": "\ud800é\u2028"}
    text.encode("utf-8")


def test_json_keeps_order_and_canonical_json_sorts():
    assert to_json_text({"b": 1, "a": 2}, indent=None) == '{"b": 1, "a": 2}'
    assert canonical_json({"b": np.arange(2), "a": True}) == '{"a":true,"b":[0,1]}'


@pytest.mark.parametrize("value", [b"x", object(), np.array([object()])])
def test_json_refuses_values_that_are_not_json(value):
    with pytest.raises(TypeError, match=r"at a\[0\]|at a"):
        to_json_text({"a": value})


def test_environment_is_json_and_imports_nothing_heavy():
    facts = environment(threads=2, device="cpu")
    assert facts["threads"] == 2
    assert facts["versions"]["numpy"] == np.__version__
    assert json.loads(to_json_text(facts)) == facts
    assert environment()["threads"] >= 1


def test_a_run_prints_as_one_line(tmp_path: Path, repository: Path) -> None:
    made = save_run(tmp_path, {"command": "analyze", "model": "vectors:/data/docs.npy", "signature": {"lid": {}}})
    assert repr(made) == f"<Run analyze docs.npy, 1 measures, {made.folder}>"
    for command, headline in {
        "analyze": "nDCG",
        "compress": "adaptive@96B at 96 bytes per vector, ndcg@10 0.6452",
        "compare": "6 runs",
    }.items():
        run = load_run(repository / "tests" / "data" / "runs" / command)
        text = repr(run)
        assert headline.lower() in text.lower()
        assert text.startswith(f"<Run {command} ")
        assert text.endswith(f"/runs/{command}>")
        assert len(text) < 200
        assert "\n" not in text


def test_a_damaged_result_still_prints(tmp_path: Path) -> None:
    for command in ("analyze", "compress", "compare"):
        assert repr(Run(tmp_path, {"command": command})).startswith(f"<Run {command}, ")


def test_the_package_shows_its_public_names_alone() -> None:
    import embgeo

    assert set(dir(embgeo)) == {*embgeo.__all__, "__version__"}
    for name in dir(embgeo):
        assert getattr(embgeo, name) is not None
