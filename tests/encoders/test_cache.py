"""The laws of the encoding cache, with an encoder small enough to compute by head."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embgeo.encoders import cache_entry
from embgeo.encoders.batch_plan import plan_batches
from embgeo.encoders.cache import cache_entries, cache_key, clear_cache, encode_texts
from embgeo.errors import InputError, StorageError
from embgeo.files.cache_folder import cache_directory


@dataclass
class LetterEncoder:
    """Row = (length, code of the first letter, batch mates, role); counts the texts it was asked for."""

    batch_size: int = 3
    extra: Mapping[str, Any] = field(default_factory=dict)
    fail_at: int | None = None
    name: str = "letters"
    similarity: str | None = "cosine"
    dimension: int = 4
    max_length: int | None = None
    asked: list[str] = field(default_factory=list)

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"model": self.name, "batch_size": self.batch_size, **self.extra}

    def encode_batch(self, texts: Sequence[str], role: str) -> np.ndarray:
        if self.fail_at is not None and len(self.asked) + len(texts) > self.fail_at:
            raise KeyboardInterrupt
        self.asked += texts
        first = [ord(text[0]) if text else 0 for text in texts]
        # the batch mates stand for the last bits that padding changes: another batch gives another row
        mates = sum(map(len, texts)) / 7
        return np.array([(len(t), c, mates, len(role)) for t, c in zip(texts, first, strict=True)], np.float32)

    def encode_batches(self, batches: Iterable[Sequence[str]], role: str) -> Iterator[np.ndarray]:
        return (self.encode_batch(batch, role) for batch in batches)

    def token_lengths(self, texts: Sequence[str], role: str = "document") -> None:
        return None

    def token_embeddings(self) -> None:
        return None


TEXTS = ["pear", "fig", "", "banana", "apple", "kiwi", "date", "plum", "cherry", "fig"]


def folder_of(root: Path) -> Path:
    (folder,) = (root / "encodings").iterdir()
    return folder


@given(st.lists(st.text(max_size=9), max_size=40), st.integers(1, 7))
def test_plan_covers_each_row_once_longest_first(texts: list[str], batch_size: int) -> None:
    plan = plan_batches(texts, batch_size)
    rows = [int(row) for batch in range(plan.batches) for row in plan.rows(batch)]
    assert sorted(rows) == list(range(len(texts)))
    assert rows == sorted(rows, key=lambda row: (-len(texts[row]), row))
    assert all(len(plan.rows(batch)) == batch_size for batch in range(plan.batches - 1))
    assert rows == list(plan.rows(0, plan.batches))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=6), min_size=1, max_size=20), st.integers(1, 5), st.integers(0, 20))
def test_interrupted_run_resumes_and_ends_bit_identical(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], batch_size: int, stop: int
) -> None:
    whole = encode_texts(LetterEncoder(batch_size), texts, "document", None)
    root = tmp_path_factory.mktemp("cache")
    broken = LetterEncoder(batch_size, fail_at=stop)
    try:
        encode_texts(broken, texts, "document", root)
    except KeyboardInterrupt:
        assert len(broken.asked) < len(texts)
    rest = LetterEncoder(batch_size)
    resumed = encode_texts(rest, texts, "document", root)
    assert resumed.tobytes() == whole.tobytes()
    assert len(broken.asked) + len(rest.asked) == len(texts)


def test_rows_come_back_in_the_order_of_the_texts_read_only(tmp_path: Path) -> None:
    vectors = encode_texts(LetterEncoder(), TEXTS, "query", tmp_path)
    assert vectors[:, 0].tolist() == [len(text) for text in TEXTS]
    assert isinstance(vectors, np.memmap)
    assert not vectors.flags.writeable
    assert vectors.dtype == np.float32


def test_second_call_encodes_nothing_and_leaves_one_matrix(tmp_path: Path) -> None:
    encode_texts(LetterEncoder(), TEXTS, "document", tmp_path, shard_seconds=0)
    again = LetterEncoder()
    encode_texts(again, TEXTS, "document", tmp_path)
    assert again.asked == []
    names = sorted(path.name.split("-")[0] for path in folder_of(tmp_path).iterdir())
    assert names == ["entry.json", "finished.json", "vectors"]


def test_progress_counts_texts_and_starts_where_a_run_stopped(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    with pytest.raises(KeyboardInterrupt):
        encode_texts(LetterEncoder(fail_at=6), TEXTS, "document", tmp_path)
    encode_texts(LetterEncoder(), TEXTS, "document", tmp_path, lambda *step: seen.append(step))
    assert seen == [("encoding documents", done, 10) for done in (6, 9, 10)]


def test_no_texts_give_an_empty_matrix_and_no_entry(tmp_path: Path) -> None:
    assert encode_texts(LetterEncoder(), [], "document", tmp_path).shape == (0, 4)
    assert cache_entries(tmp_path) == []


IDENTITY = {
    "model": "m", "revision": "r", "weights": "w", "prompts": {"query": "q: ", "document": ""}, "max_length": 256,
    "normalised": True, "truncate_dim": None, "dtype": "float32", "device": "cpu", "torch": "2", "batch_size": 3,
}  # fmt: skip


@pytest.mark.parametrize("changed", sorted(IDENTITY))
def test_key_changes_with_every_field_of_the_identity(changed: str) -> None:
    other = {**IDENTITY, changed: {"query": "other"} if changed == "prompts" else 999}
    keys = {cache_key(LetterEncoder(extra=extra), TEXTS, "document") for extra in (IDENTITY, other)}
    assert len(keys) == 2


def test_key_changes_with_role_order_and_boundaries_of_texts() -> None:
    encoder = LetterEncoder()
    keys = {
        cache_key(encoder, texts, role)
        for texts, role in [
            (["ab", "c"], "document"), (["ab", "c"], "query"), (["c", "ab"], "document"), (["a", "bc"], "document"),
            (["ab", "c", ""], "document"), (["abc"], "document"), (["ab", "\ud800"], "document"),
        ]
    }  # fmt: skip
    assert len(keys) == 7


def interrupted(root: Path) -> list[Path]:
    """Three one-batch shards of `TEXTS`, the fourth batch still missing."""
    with pytest.raises(KeyboardInterrupt):
        encode_texts(LetterEncoder(fail_at=9), TEXTS, "document", root, shard_seconds=0)
    shards = sorted(folder_of(root).glob("*.shard"))
    assert len(shards) == 3
    return shards


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "extend", "swap"])
def test_damaged_shard_is_encoded_again_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    shards = interrupted(tmp_path)
    data = bytearray(shards[1].read_bytes())
    data[40] ^= 1
    other = shards[0].read_bytes()
    damaged = {"flip": data, "truncate": data[:50], "empty": b"", "extend": data + b"\0", "swap": other}
    shards[1].write_bytes(damaged[damage])
    rest = LetterEncoder()
    with caplog.at_level(logging.WARNING, "embgeo"):
        vectors = encode_texts(rest, TEXTS, "document", tmp_path)
    assert "is damaged" in caplog.text
    assert len(rest.asked) == 4  # the fourth batch, one text, and the three of the damaged shard
    assert vectors.tobytes() == encode_texts(LetterEncoder(), TEXTS, "document", None).tobytes()


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "note", "other note"])
def test_damaged_matrix_is_never_served(tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str) -> None:
    whole = encode_texts(LetterEncoder(), TEXTS, "document", tmp_path).tobytes()
    (matrix,) = folder_of(tmp_path).glob("vectors-*.npy")
    note = folder_of(tmp_path) / "finished.json"
    data = bytearray(matrix.read_bytes())
    if damage == "flip":
        data[-1] ^= 1
        matrix.write_bytes(data)
    elif damage == "truncate":
        matrix.write_bytes(data[:-4])
    elif damage == "remove":
        matrix.unlink()
    else:
        note.write_text("{" if damage == "note" else json.dumps(["no", "facts"]))
    again = LetterEncoder()
    with caplog.at_level(logging.WARNING, "embgeo"):
        vectors = encode_texts(again, TEXTS, "document", tmp_path)
    assert "is damaged" in caplog.text
    assert len(again.asked) == len(TEXTS)
    assert vectors.tobytes() == whole


def test_matrix_of_another_entry_is_refused(tmp_path: Path) -> None:
    encode_texts(LetterEncoder(), TEXTS, "document", tmp_path)
    first = folder_of(tmp_path)
    encode_texts(LetterEncoder(), TEXTS, "query", tmp_path)
    (second,) = (folder for folder in (tmp_path / "encodings").iterdir() if folder != first)
    for path in second.iterdir():
        path.unlink()
    for path in first.iterdir():
        (second / path.name).write_bytes(path.read_bytes())
    vectors = encode_texts(LetterEncoder(), TEXTS, "query", tmp_path)
    assert set(vectors[:, 3]) == {len("query")}


def test_full_disk_is_one_line_and_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = {path.name for path in interrupted(tmp_path)}

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match=r"No space left.*EMBGEO_CACHE_DIR"):
            encode_texts(LetterEncoder(), TEXTS, "document", tmp_path)
    left = {path.name for path in folder_of(tmp_path).iterdir()}
    assert left == shards | {"entry.json"}
    rest = LetterEncoder()
    encode_texts(rest, TEXTS, "document", tmp_path)
    assert len(rest.asked) == 1


def test_place_that_cannot_be_written_to_is_found_out_before_encoding(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    encoder = LetterEncoder()
    with pytest.raises(StorageError, match="EMBGEO_CACHE_DIR"):
        encode_texts(encoder, TEXTS, "document", tmp_path / "file")
    assert encoder.asked == []


def test_storage_that_never_reads_back_what_it_wrote_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_entry.CacheEntry, "read_shard", lambda self, path, *_: path.unlink())
    with pytest.raises(StorageError, match="times in a row"):
        encode_texts(LetterEncoder(), TEXTS, "document", tmp_path)


@pytest.mark.parametrize("shape", [(3, 5), (2, 4), (12,)])
def test_encoder_that_breaks_its_promise_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    encoder = LetterEncoder()
    encoder.encode_batch = lambda texts, role: np.zeros(shape, np.float32)  # type: ignore[method-assign]
    with pytest.raises(InputError, match="must return float rows"):
        encode_texts(encoder, TEXTS[:3], "document", tmp_path)


def test_entries_are_listed_and_cleared(tmp_path: Path) -> None:
    encode_texts(LetterEncoder(), TEXTS, "document", tmp_path)
    with pytest.raises(KeyboardInterrupt):
        encode_texts(LetterEncoder(fail_at=3), TEXTS, "query", tmp_path)
    entries = {entry.role: entry for entry in cache_entries(tmp_path)}
    assert entries["document"].finished
    assert not entries["query"].finished
    assert (entries["document"].model, entries["document"].texts, entries["document"].dimension) == ("letters", 10, 4)
    assert entries["document"].bytes > 10 * 4 * 4
    assert [entry.role for entry in clear_cache(tmp_path, [entries["query"].key, "unknown"])] == ["query"]
    assert len(clear_cache(tmp_path)) == 1
    assert cache_entries(tmp_path) == []


def test_cache_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EMBGEO_CACHE_DIR", str(tmp_path / "here"))
    assert cache_directory() == tmp_path / "here"
    monkeypatch.delenv("EMBGEO_CACHE_DIR")
    assert cache_directory().name == "embgeo"


CHILD = textwrap.dedent(
    """
    import importlib.util, os, pathlib, signal, sys, time
    spec = importlib.util.spec_from_file_location("laws", sys.argv[1])
    laws = importlib.util.module_from_spec(spec)
    sys.modules["laws"] = laws
    spec.loader.exec_module(laws)

    class Slow(laws.LetterEncoder):
        def encode_batch(self, texts, role):
            time.sleep(float(sys.argv[3]))
            return super().encode_batch(texts, role)

    replace, calls = os.replace, 0

    def replace_or_die(*paths):
        global calls
        calls += 1
        if calls == int(sys.argv[4]):
            os.kill(os.getpid(), signal.SIGKILL)
        replace(*paths)

    os.replace = replace_or_die
    encoder = Slow()
    texts, root = laws.TEXTS * int(sys.argv[5]), pathlib.Path(sys.argv[2])
    vectors = laws.encode_texts(encoder, texts, "document", root, shard_seconds=0)
    print(len(encoder.asked), laws.sha256(vectors))
    """
)


def sha256(vectors: np.ndarray) -> str:
    return hashlib.sha256(vectors.tobytes()).hexdigest()


def start(root: Path, seconds: float, die_at: int = 0, times: int = 20) -> subprocess.Popen[str]:
    """Encode `TEXTS * times` in another process; it kills itself before moving its `die_at`-th file into place."""
    command = [sys.executable, "-c", CHILD, __file__, str(root), str(seconds), str(die_at), str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_kill_9_at_any_moment_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    whole = encode_texts(LetterEncoder(), TEXTS * 20, "document", None)
    kept = 0
    for shards in (2, 11, 30):  # each process dies once this many shards are on disk
        process = start(tmp_path, 0.02)
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("encodings/*/*.shard"))) < shards and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        now = len(list(tmp_path.glob("encodings/*/*.shard")))
        assert now >= shards > kept
        kept = now
    process = start(tmp_path, 0)
    asked, checksum = process.communicate(timeout=60)[0].split()
    assert int(asked) <= len(whole) - 3 * kept + 2
    assert checksum == sha256(whole)
    assert not list(tmp_path.glob("encodings/*/.*")), "temporaries of killed processes must go"


@pytest.mark.parametrize("die_at", range(1, 8))
def test_kill_9_before_any_file_is_in_place_loses_only_that_file(tmp_path: Path, die_at: int) -> None:
    # entry.json, four shards, the matrix, finished.json: seven files, the process dies before each in turn
    process = start(tmp_path, 0, die_at, times=1)
    assert process.wait(timeout=60) == -signal.SIGKILL
    rest = LetterEncoder()
    vectors = encode_texts(rest, TEXTS, "document", tmp_path)
    assert len(rest.asked) == [10, 10, 7, 4, 1, 0, 0][die_at - 1]
    assert sha256(vectors) == sha256(encode_texts(LetterEncoder(), TEXTS, "document", None))
    assert not list(tmp_path.glob("encodings/*/.*"))


def test_two_processes_at_once_agree(tmp_path: Path) -> None:
    whole = sha256(encode_texts(LetterEncoder(), TEXTS * 20, "document", None))
    processes = [start(tmp_path, 0.005) for _ in range(2)]
    assert {process.communicate(timeout=60)[0].split()[1] for process in processes} == {whole}


def test_temporary_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    from embgeo.files import atomic

    interrupted(tmp_path)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    folder = folder_of(tmp_path)
    orphan = folder / f".~{atomic._host()}~{dead.pid}~00000000.tmp"
    living = folder / f".~{atomic._host()}~{os.getpid()}~00000000.tmp"
    for path in (orphan, living):
        path.write_bytes(b"half")
    encode_texts(LetterEncoder(), TEXTS, "document", tmp_path)
    assert not orphan.exists()
    assert living.exists()
