"""A killed sweep resumes where it was: findings are whole or absent, keyed by all that determines them."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from examples.sweeps import all_facts, corpus

from embgeo.api import compress
from embgeo.cli.group import embgeo
from embgeo.compression.codecs.spec import parse
from embgeo.compression.judging import checkpoint as checkpoints_module
from embgeo.compression.judging.checkpoint import Checkpoints, open_checkpoints, sweeps_folder, trim
from embgeo.compression.judging.sweep import sweep
from embgeo.compression.judging.task import SweepInput
from embgeo.judgements import Judgements
from embgeo.retrieval.evaluate import Evaluator

SPECS = [parse(text) for text in ("int8", "pca8,int4", "binary+int8@2", "binary+int8@4", "adaptive@4B")]


def opened(root: Path, seed: int = 0, **changes) -> Checkpoints:
    e, evaluator = corpus(n=120, m=20)
    asked = {"embeddings": e, "evaluator": evaluator, "seed": seed, "drop_own": False, "device": "cpu"} | changes
    kept = open_checkpoints(root, SweepInput(**asked))
    assert kept is not None
    return kept


def swept(kept: Checkpoints | None, specs=SPECS, progress=lambda *_: None):
    e, evaluator = corpus(n=120, m=20)
    return sweep(SweepInput(e, evaluator), specs, checkpoints=kept, progress=progress)


def test_a_sweep_that_stops_anywhere_resumes_to_the_same_outcomes(tmp_path: Path) -> None:
    whole = swept(None)

    class Stop(Exception):
        pass

    for stop_at in (1, 5, 9, 12):
        kept = opened(tmp_path / str(stop_at))

        def stop(stage: str, done: int, total: int, at: int = stop_at) -> None:
            if stage.startswith("trade-offs") and done == at:
                raise Stop

        with pytest.raises(Stop):
            swept(kept, progress=stop)
        again = swept(opened(tmp_path / str(stop_at)))
        assert all_facts(again) == all_facts(whole)
        assert bool(again.resumed) == (stop_at > 1)
    assert len(again.resumed) == 6, "stopped after the last spec was finished: nothing is evaluated again"


SCRIPT = """
import sys, time
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from test_checkpoint import opened, swept
def slow(stage, done, total):
    print(stage.partition(chr(10))[0], done, flush=True)
    time.sleep(0.2 if stage.startswith("trade-offs") else 0)
swept(opened(Path(sys.argv[1])), progress=slow)
"""


def test_what_a_killed_process_finished_is_reused_and_nothing_else(tmp_path: Path, repository: Path) -> None:
    """kill -9 from outside, once some spec is on disk."""
    places = [str(Path(__file__).parent), str(repository / "tests")]
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), *places]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 90
    while not list(tmp_path.rglob("*.finding")) and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    found = len(list(tmp_path.rglob("*.finding")))
    assert 0 < found < 1 + len(SPECS)
    again, whole = swept(opened(tmp_path)), swept(None)
    assert len(again.resumed) == found
    assert all_facts(again) == all_facts(whole)


def test_a_damaged_finding_is_removed_and_evaluated_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = swept(opened(tmp_path))
    for path, harm in zip(sorted(tmp_path.rglob("*.finding"))[:4], ("flip", "cut", "empty", "swap"), strict=True):
        data = bytearray(path.read_bytes())
        if harm == "flip":
            data[-1] ^= 1
        elif harm == "swap":
            data = bytearray(sorted(tmp_path.rglob("*.finding"))[5].read_bytes())
        path.write_bytes(data[: {"cut": 50, "empty": 0}.get(harm, len(data))])
    again = swept(opened(tmp_path))
    assert len(again.resumed) == 2
    assert sum("is damaged" in record.message for record in caplog.records) == 4
    assert all_facts(again) == all_facts(whole)
    assert len(swept(opened(tmp_path)).resumed) == 6, "and kept anew"


def test_whatever_determines_a_finding_is_in_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    e, evaluator = corpus(n=120, m=20)
    assert evaluator is not None
    grades = {query: {**docs, "d000": 1} for query, docs in evaluator.qrels.items()}
    X = np.array(e.docs)
    X[7, 3] = np.nextafter(X[7, 3], np.float32(9))
    keys = [
        opened(tmp_path).key,
        opened(tmp_path, seed=1).key,
        opened(tmp_path, drop_own=True).key,
        opened(tmp_path, device="cuda").key,
        opened(tmp_path, evaluator=None).key,
        opened(tmp_path, evaluator=Evaluator(Judgements(grades), e.doc_ids, e.query_ids)).key,
        opened(tmp_path, embeddings=dataclasses.replace(e, docs=X)).key,
        opened(tmp_path, embeddings=dataclasses.replace(e, queries=-e.queries)).key,
        opened(tmp_path, embeddings=dataclasses.replace(e, doc_ids=[*e.doc_ids[:-1], "other"])).key,
        opened(tmp_path, embeddings=dataclasses.replace(e, similarity="dot")).key,
    ]
    monkeypatch.setattr(checkpoints_module, "_code_fingerprint", lambda: "edited")
    keys.append(opened(tmp_path).key)
    assert len(set(keys)) == len(keys)
    monkeypatch.undo()
    assert opened(tmp_path).key == keys[0]


def test_another_spec_is_another_finding(tmp_path: Path) -> None:
    swept(opened(tmp_path))
    kept = opened(tmp_path)
    assert kept.read(parse("int8")) is not None
    assert kept.read(parse("pca8,int8")) is None


def test_codecs_that_were_slow_to_fit_are_saved_with_their_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints_module, "KEEP_CODEC_SECONDS", -1.0)
    whole = swept(opened(tmp_path))
    monkeypatch.setattr("embgeo.compression.judging.sweep.fit_codec", lambda *_: pytest.fail("it was fitted again"))
    again = swept(opened(tmp_path))
    assert all_facts(again) == all_facts(whole)


def test_specs_that_are_timed_separately_keep_their_timing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embgeo.compression.judging.sweep.KEEP_SEARCHERS_BYTES", 1000)
    whole = swept(opened(tmp_path))
    again = swept(opened(tmp_path))
    assert not again.interleaved
    assert [o.timing for o in again.outcomes] == [o.timing for o in whole.outcomes]
    assert all_facts(again) == all_facts(whole)


def test_a_place_that_cannot_be_written_does_not_stop_the_sweep(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sweeps").write_text("a file where a folder should be")
    e, evaluator = corpus(n=120, m=20)
    assert open_checkpoints(tmp_path, SweepInput(e, evaluator)) is None
    kept = Checkpoints(tmp_path / "gone")
    assert len(swept(kept, SPECS[:2]).outcomes) == 2
    assert sum("cannot be resumed if it is killed" in record.message for record in caplog.records) == 2


def test_leftovers_are_trimmed_by_age_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, days, size in (("new", 0, 10), ("older", 2, 10), ("old", 31, 10)):
        folder = sweeps_folder(tmp_path) / name
        folder.mkdir(parents=True)
        path = folder / "x.finding"
        path.write_bytes(bytes(size))
        os.utime(path, (time.time() - 86_400 * days,) * 2)
    trim(tmp_path)
    assert sorted(p.name for p in sweeps_folder(tmp_path).iterdir()) == ["new", "older"]
    monkeypatch.setattr(checkpoints_module, "MAX_BYTES", 15)
    trim(tmp_path)
    assert [p.name for p in sweeps_folder(tmp_path).iterdir()] == ["new"]


def test_unfinished_sweeps_are_listed_and_cleared(cache_dir: Path) -> None:
    swept(opened(cache_dir))
    key = opened(cache_dir).key
    listed = CliRunner().invoke(embgeo, ["cache", "list"])
    assert re.search(rf"{key[:12]} +sweep +6 specs +120 .* unfinished", listed.output), listed.output
    assert "1 entry" in listed.output
    cleared = CliRunner().invoke(embgeo, ["cache", "clear", key[:8]])
    assert "removed 1 entry" in cleared.output
    assert not list(sweeps_folder(cache_dir).iterdir())


def test_a_saved_run_leaves_the_findings_of_others(cache_dir: Path, tmp_path: Path) -> None:
    """An interrupted sweep of more specs on the same data must still be able to resume."""
    np.save(tmp_path / "docs.npy", np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32))

    def stop(stage: str, done: int, total: int) -> None:
        if stage.startswith("trade-offs: fp8"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compress(f"vectors:{tmp_path / 'docs.npy'}", specs=["f16", "bf16", "fp8"], out=tmp_path / "runs", progress=stop)
    assert len(list(sweeps_folder(cache_dir).glob("*/*.finding"))) == 3
    compress(f"vectors:{tmp_path / 'docs.npy'}", specs=["f16", "int8"], out=tmp_path / "runs")
    assert len(list(sweeps_folder(cache_dir).glob("*/*.finding"))) == 1, "bf16 stays; f32 and f16 have their run"


def test_a_saved_run_leaves_no_checkpoints(cache_dir: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "docs.npy", np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32))
    compress(f"vectors:{tmp_path / 'docs.npy'}", specs=["int8"], out=tmp_path / "runs")
    assert sweeps_folder(cache_dir).is_dir(), "there were some"
    assert not list(sweeps_folder(cache_dir).iterdir())
