"""Two Ray nodes in a network namespace that has only loopback: the results of `local`, whatever dies.

Authentication is on, with a token of the test; processes are found by their namespace and ended by their ids.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from examples import ray_driver

from embgeo.compression.search.store import load_store
from embgeo.files.digest import file_digest
from embgeo.scale import texts
from embgeo.scale.engine import Local

PATIENCE = 90.0
ADDRESS = "127.0.0.1:6379"
PAUSE = 0.7
NAMESPACE = """
import fcntl, socket, struct, time
flags = struct.pack("16sh14x", b"lo", 0x1 | 0x40)  # up and running
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8914, flags)
print("up", flush=True)
time.sleep(900)
"""
DRIVER = Path(ray_driver.__file__)
# what differs between two runs of one command: when, where and how fast
TIMES = re.compile(r"created|environment|qps|.*seconds|single_query_ms|plan")


def _missing() -> str:
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "needs Linux and root, for a network namespace"
    if importlib.util.find_spec("ray") is None:
        return "needs Ray: pip install 'embgeo[ray]'"
    if not all(map(shutil.which, ("unshare", "nsenter"))):
        return "needs unshare and nsenter"
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        return "needs the right to make a network namespace"
    return ""


pytestmark = pytest.mark.skipif(bool(_missing()), reason=_missing())


@dataclass
class Cluster:
    """A namespace and the nodes in it; `place` is the folder of their sessions, which must have a short name."""

    holder: subprocess.Popen[str]
    place: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.place / "token"),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_health_check_period_ms": "500",
            "RAY_health_check_timeout_ms": "1000",
            "RAY_health_check_failure_threshold": "3",
            "OMP_NUM_THREADS": "1",
        }

    def start(self, words: list[str], log: Path, cwd: Path | None = None, **variables: str) -> subprocess.Popen[bytes]:
        """A process in the namespace, with more environment variables."""
        with log.open("ab") as output:
            return subprocess.Popen(
                ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", *words],
                env={**self.environment, **variables}, stdout=output, stderr=subprocess.STDOUT, cwd=cwd or self.place,
            )  # fmt: skip

    def node(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--node-ip-address=127.0.0.1"]
        sizes = ["--num-cpus=1", "--object-store-memory=100000000", f"--temp-dir={self.place / name}"]
        return self.start([*ray, *words, *sizes], self.place / f"{name}.log")

    def processes(self) -> dict[int, str]:
        """The command line of every process in the namespace but its holder."""
        mine, found = os.readlink(f"/proc/{self.holder.pid}/ns/net"), {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(folder / "ns" / "net") == mine and int(folder.name) != self.holder.pid:
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found

    def drive(self, mode: str, folder: Path, out: Path, pause: float) -> subprocess.Popen[bytes]:
        words = [sys.executable, str(DRIVER), mode, str(folder), str(out), ADDRESS, str(pause)]
        return self.start(words, out / "log")


def wait_for(ready: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.02)


def wait_for_node(node: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while "Ray runtime started" not in log.read_text():
        assert node.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    place = Path(tempfile.mkdtemp(prefix="eg", dir="/tmp"))
    (place / "token").touch(mode=0o600)
    (place / "token").write_text(os.urandom(32).hex())
    holder = subprocess.Popen(
        ["unshare", "-n", sys.executable, "-c", NAMESPACE], stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    made, nodes = Cluster(holder, place), list[subprocess.Popen[bytes]]()
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "up\n"
        nodes.append(made.node("a", "--head", "--port=6379", "--include-dashboard=false"))
        wait_for_node(nodes[0], place / "a.log")
        nodes.append(made.node("b", f"--address={ADDRESS}"))
        wait_for_node(nodes[1], place / "b.log")
        yield made
    finally:
        for process in made.processes():
            os.kill(process, signal.SIGKILL)
        holder.kill()
        holder.wait()
        for node in nodes:
            node.wait()
        shutil.rmtree(place)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("corpus") / "shards"
    ray_driver.make(place)
    np.save(place.parent / "queries.npy", ray_driver.corpus(place).query_matrix())
    return place


@pytest.fixture(scope="module")
def expected(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process makes of it."""
    out = tmp_path_factory.mktemp("local")
    for mode in ("encode", "search"):
        ray_driver.work(mode, folder, out, Local())
    return out


def hashes(store: Path) -> dict[str, str]:
    return {path.name: file_digest(path) for path in store.iterdir()}


def finished(out: Path) -> dict[str, int]:
    """When each finished container was written."""
    return {path.stem: path.with_suffix(".safetensors").stat().st_mtime_ns for path in out.glob("store/shard-*.json")}


def tasks(out: Path) -> list[tuple[int, int]]:
    """Shard and process of every task that began."""
    if not (out / "tasks").exists():
        return []
    return [(int(shard), int(process)) for shard, process in map(str.split, (out / "tasks").read_text().splitlines())]


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: timeless(held) for key, held in value.items() if not TIMES.fullmatch(key.removesuffix("_range"))}
    return [timeless(held) for held in value] if isinstance(value, list) else value


def test_the_run_is_that_of_local(cluster: Cluster, folder: Path, tmp_path: Path) -> None:
    words = [
        "compress", f"vectors:{folder}", "--queries-vectors", str(folder.parent / "queries.npy"),
        "--spec", "pca8,int8", "--spec", "binary", "--no-html",
    ]  # fmt: skip
    spread = [sys.executable, "-m", "embgeo.cli", *words, "--out", str(tmp_path / "ray")]
    running = cluster.start([*spread, "--engine", "ray", "--address", ADDRESS], tmp_path / "log")
    assert running.wait(PATIENCE) == 0, (tmp_path / "log").read_text()
    shutil.rmtree(os.environ["EMBGEO_CACHE_DIR"], ignore_errors=True)
    here = [sys.executable, "-m", "embgeo.cli", *words, "--out", str(tmp_path / "local")]
    subprocess.run(here, check=True, capture_output=True, env=cluster.environment)
    [one], [other] = ((list((tmp_path / name).glob("compress-*"))) for name in ("ray", "local"))
    assert one.name == other.name
    assert hashes(one / "store") == hashes(other / "store")
    results = [json.loads((run / "run.json").read_text()) for run in (one, other)]
    assert timeless(results[0]) == timeless(results[1])
    with np.load(one / "arrays.npz") as mine, np.load(other / "arrays.npz") as theirs:
        assert set(mine) == set(theirs)
        assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


GRID = """
command = ["analyze", "compress"]
models = ["vectors:a.npz", "vectors:b.npz"]
seeds = [0, 1]
[analyze]
measures = ["dimension", "hubs"]
[compress]
spec = ["pca8,rot,int8", "int4"]
"""


def test_tasks_wait_for_others_and_one_that_fails_stops_none(cluster: Cluster, tmp_path: Path) -> None:
    assert cluster.drive("order", tmp_path, tmp_path, 0).wait(PATIENCE) == 0, (tmp_path / "log").read_text()
    lines = (tmp_path / "tasks").read_text().splitlines()
    assert sorted(lines) == sorted(f"{item} {what}" for item in range(4) for what in ("begins", "ends"))
    for first, second in ((0, 1), (1, 3)):
        assert lines.index(f"{first} ends") < lines.index(f"{second} begins")
    ended = (tmp_path / "ended").read_text().splitlines()
    *others, last = sorted(ended)
    assert others == ["0: 0", "1: 1 is odd", "2: 2", "3: 3 is odd"]
    assert last.startswith("4: a task did not end in 3 tries: "), last


def test_a_grid_is_that_of_local(cluster: Cluster, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in "ab":
        docs = rng.standard_normal((300, 16)).astype(np.float32)
        np.savez(tmp_path / f"{name}.npz", docs=docs, queries=docs[:40] + np.float32(0.1))
    (tmp_path / "study.toml").write_text(GRID)
    words = [sys.executable, "-m", "embgeo.cli", "grid", "study.toml"]
    spread = [*words, "--out", "ray", "--engine", "ray", "--address", ADDRESS, "--json", "ray.json"]
    # a folder of the driver, relative to where it was called
    running = cluster.start(spread, tmp_path / "log", tmp_path, EMBGEO_CACHE_DIR="cache")
    assert running.wait(2 * PATIENCE) == 0, (tmp_path / "log").read_text()
    here = [*words, "--out", "local", "--threads", "1"]
    subprocess.run(here, check=True, capture_output=True, env=cluster.environment, cwd=tmp_path)
    names = {path.parent.name for path in tmp_path.glob("ray/*/run.json")}
    assert len(names) == 9, "eight cells and their comparison"
    assert names == {path.parent.name for path in tmp_path.glob("local/*/run.json")}
    for name in names:
        one, other = (tmp_path / "ray" / name, tmp_path / "local" / name)
        results = [json.loads((run / "run.json").read_text()) for run in (one, other)]
        if not name.startswith("compare-"):  # which holds the paths of its runs
            assert timeless(results[0]) == timeless(results[1])
        for held in one.glob("*.safetensors"):
            assert file_digest(held) == file_digest(other / held.name)
        if (one / "arrays.npz").exists():
            with np.load(one / "arrays.npz") as mine, np.load(other / "arrays.npz") as theirs:
                assert set(mine) == set(theirs)
                for array in mine:
                    np.testing.assert_array_equal(mine[array], theirs[array])


def test_a_worker_and_the_driver_of_a_grid_die(cluster: Cluster, tmp_path: Path) -> None:
    """Only what was not finished is made again, and nothing partial is left."""
    counts = (60, 61, 62, 63)
    for rows in counts:
        np.save(tmp_path / f"{rows}.npy", np.random.default_rng(rows).standard_normal((rows, 8)).astype(np.float32))
    models = ", ".join(f'"vectors:{rows}.npy"' for rows in counts)
    (tmp_path / "study.toml").write_text(f'command = "analyze"\nmodels = [{models}]\nmeasures = "slow"\n')
    shutil.copy(DRIVER.with_name("slow_measure.py"), tmp_path)  # where the command is called, workers import from
    words = [sys.executable, "-m", "embgeo.cli", "grid", "study.toml", "--no-html", "--engine", "ray"]

    def start() -> subprocess.Popen[bytes]:
        return cluster.start([*words, "--address", ADDRESS], tmp_path / "log", tmp_path, EMBGEO_PLUGINS="slow_measure")

    def made() -> dict[str, int]:
        return {path.parent.name: path.stat().st_mtime_ns for path in tmp_path.glob("embgeo-runs/analyze-*/run.json")}

    for rows in counts[1:]:
        (tmp_path / f"wait-{rows}").touch()
    running = start()
    try:
        wait_for(lambda: len(made()) == 1 and len(tasks(tmp_path)) > 2, "one cell made and two begun")
        os.kill(dict(tasks(tmp_path))[61], signal.SIGKILL)
        for rows in (61, 62):
            (tmp_path / f"wait-{rows}").unlink()
        # that of the dead worker by another
        wait_for(lambda: len(made()) == 3 and len(tasks(tmp_path)) == 5, "three cells made and the last begun")
    finally:
        running.kill()
        running.wait()
    assert sorted(rows for rows, _ in tasks(tmp_path)) == [60, 61, 61, 62, 63]
    workers = {process for _, process in tasks(tmp_path)}
    wait_for(lambda: not workers & set(cluster.processes()), "its workers are gone")
    before, begun = made(), len(tasks(tmp_path))
    assert len(before) == 3
    (tmp_path / "wait-63").unlink()
    assert start().wait(PATIENCE) == 0, (tmp_path / "log").read_text()
    assert {name: when for name, when in made().items() if name in before} == before
    assert [rows for rows, _ in tasks(tmp_path)[begun:]] == [63]
    left = {path.name for path in (tmp_path / "embgeo-runs").iterdir()} - set(made())
    assert all(name.startswith("compare-") or name == "grid-study.log" for name in left), left


def test_a_worker_dies_in_mid_encoding(cluster: Cluster, folder: Path, expected: Path, tmp_path: Path) -> None:
    running = cluster.drive("encode", folder, tmp_path, PAUSE)
    wait_for(lambda: len(tasks(tmp_path)) > 3 and list(tmp_path.glob("store/.~*.tmp")), "a container half written")
    shard, process = tasks(tmp_path)[-1]
    os.kill(process, signal.SIGKILL)
    assert running.wait(PATIENCE) == 0, (tmp_path / "log").read_text()
    assert hashes(tmp_path / "store") == hashes(expected / "store")
    began = [number for number, _ in tasks(tmp_path)]
    assert sorted(began) == sorted([*range(ray_driver.SHARDS), shard]), "only the shard that was being made again"


def test_the_driver_dies_and_a_byte_flips(cluster: Cluster, folder: Path, expected: Path, tmp_path: Path) -> None:
    running = cluster.drive("encode", folder, tmp_path, PAUSE)
    wait_for(lambda: len(finished(tmp_path)) > 2 and list(tmp_path.glob("store/.~*.tmp")), "three containers")
    running.kill()
    running.wait()
    workers = {process for _, process in tasks(tmp_path)}
    wait_for(lambda: not workers & set(cluster.processes()), "its workers are gone")
    before = finished(tmp_path)
    assert 2 < len(before) < ray_driver.SHARDS
    assert not (tmp_path / "store" / "manifest.json").exists()
    damaged = sorted(before)[1]
    path = tmp_path / "store" / f"{damaged}.safetensors"
    store = load_store(path)
    data = bytearray(path.read_bytes())
    data[store.codes.offset + 5] ^= 1  # type: ignore[attr-defined]
    path.write_bytes(data)

    assert cluster.drive("encode", folder, tmp_path, 0).wait(PATIENCE) == 0, (tmp_path / "log").read_text()
    assert hashes(tmp_path / "store") == hashes(expected / "store"), "and no partial file"
    after = {name: (tmp_path / "store" / f"{name}.safetensors").stat().st_mtime_ns for name in before}
    assert {name for name in before if before[name] != after[name]} == {damaged}


def test_a_task_that_fails_is_one_line(cluster: Cluster, folder: Path, tmp_path: Path) -> None:
    """Errors of tasks are those of this process."""
    (tmp_path / "store").write_text("in the way")
    running = cluster.drive("encode", folder, tmp_path, 0)
    assert running.wait(PATIENCE) == 1
    said = (tmp_path / "log").read_text().strip().splitlines()[-1]
    assert said.startswith("embgeo.errors.StorageError: the store must be written to"), said


def test_texts_are_encoded_by_the_model_as_here(cluster: Cluster, tmp_path: Path) -> None:
    """Bit-equal to one thread on the same processor; matrix products in torch differ in the last bits with several."""
    cache, vectors = Path(os.environ["EMBGEO_CACHE_DIR"]), list[dict[str, str]]()
    words = [sys.executable, "-m", "embgeo.cli", "analyze", "minilm", "tiny", "--measures", "iso_score", "--no-html"]
    runs = [*words, "--batch-size", "4", "--device", "cpu", "--out", str(tmp_path / "runs"), "--json"]
    for name in ("ray", "local"):
        shutil.rmtree(cache / "encodings", ignore_errors=True)
        spread = ["--engine", "ray", "--address", ADDRESS] if name == "ray" else ["--threads", "1"]
        running = cluster.start([*runs, str(tmp_path / name), *spread], tmp_path / "log")
        assert running.wait(PATIENCE) == 0, (tmp_path / "log").read_text()
        vectors.append({str(path.relative_to(cache)): file_digest(path) for path in cache.rglob("vectors-*.npy")})
    assert len(vectors[0]) == 2
    assert vectors[0] == vectors[1]
    assert timeless(json.loads((tmp_path / "ray").read_text())) == timeless(
        json.loads((tmp_path / "local").read_text())
    )


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    out = tmp_path_factory.mktemp("texts")
    ray_driver.encode(out, Local(), 0)
    assert [batch for batch, _ in tasks(out)] == list(range(ray_driver.TEXT_BATCHES))
    return np.load(out / "vectors.npy")


def test_a_worker_dies_in_mid_encoding_of_texts(cluster: Cluster, encoded: np.ndarray, tmp_path: Path) -> None:
    running = cluster.drive("texts", tmp_path, tmp_path, PAUSE / 4)
    wait_for(lambda: len({process for _, process in tasks(tmp_path)}) > 1 and len(tasks(tmp_path)) > 20, "two at work")
    os.kill(tasks(tmp_path)[-1][1], signal.SIGKILL)
    assert running.wait(PATIENCE) == 0, (tmp_path / "log").read_text()
    np.testing.assert_array_equal(np.load(tmp_path / "vectors.npy"), encoded)
    began = [batch for batch, _ in tasks(tmp_path)]
    assert set(began) == set(range(ray_driver.TEXT_BATCHES))
    assert 0 < len(began) - ray_driver.TEXT_BATCHES <= texts.BATCHES, "only the task of the worker that died"
    assert len({process for _, process in tasks(tmp_path)}) == 3


def test_the_driver_dies_and_a_byte_of_encoded_texts_flips(
    cluster: Cluster, encoded: np.ndarray, tmp_path: Path
) -> None:
    running = cluster.drive("texts", tmp_path, tmp_path, PAUSE / 4)
    wait_for(lambda: len(list(tmp_path.glob("cache/encodings/*/*.shard"))) > 20, "shards")
    running.kill()
    running.wait()
    workers = {process for _, process in tasks(tmp_path)}
    wait_for(lambda: not workers & set(cluster.processes()), "its workers are gone")
    shards = sorted(tmp_path.glob("cache/encodings/*/*.shard"))
    kept = [int(path.name.split("-")[1]) for path in shards]
    data = bytearray(shards[5].read_bytes())
    data[-3] ^= 1
    shards[5].write_bytes(data)
    (tmp_path / "tasks").unlink()
    assert cluster.drive("texts", tmp_path, tmp_path, 0).wait(PATIENCE) == 0, (tmp_path / "log").read_text()
    np.testing.assert_array_equal(np.load(tmp_path / "vectors.npy"), encoded)
    expected = sorted({*range(ray_driver.TEXT_BATCHES)} - {*kept} | {kept[5]})
    assert sorted(batch for batch, _ in tasks(tmp_path)) == expected


def test_a_model_that_a_worker_cannot_load_is_one_line(cluster: Cluster, tmp_path: Path) -> None:
    assert cluster.drive("absent", tmp_path, tmp_path, 0).wait(PATIENCE) == 1
    said = (tmp_path / "log").read_text().strip().splitlines()[-1]
    assert said.startswith(f"embgeo.errors.EngineError: model '{tmp_path}' cannot be loaded on the worker "), said


def end_node(cluster: Cluster, name: str, out: Path) -> None:
    """End a node, its processes with it, once one of its workers has begun a task."""
    place = str(cluster.place / name)

    def nodes() -> list[int]:
        return [pid for pid, line in cluster.processes().items() if "raylet" in line.split(" ")[0] and place in line]

    [raylet] = nodes()
    children = {pid for pid in cluster.processes() if _parent(pid) == raylet}
    wait_for(lambda: any(_parent(process) == raylet for _, process in tasks(out)), f"a task on node {name}")
    for process in {raylet, *children, *(pid for pid in cluster.processes() if _parent(pid) == raylet)}:
        os.kill(process, signal.SIGKILL)


def test_a_node_dies_in_mid_search(cluster: Cluster, folder: Path, expected: Path, tmp_path: Path) -> None:
    running = cluster.drive("search", folder, tmp_path, PAUSE)
    end_node(cluster, "b", tmp_path)
    assert len(tasks(tmp_path)) < ray_driver.SHARDS
    assert running.wait(PATIENCE) == 0, (tmp_path / "log").read_text()
    with np.load(tmp_path / "found.npz") as mine, np.load(expected / "found.npz") as theirs:
        np.testing.assert_array_equal(mine["rows"], theirs["rows"])
        np.testing.assert_array_equal(mine["scores"], theirs["scores"])


def test_a_node_dies_in_mid_encoding_of_texts(cluster: Cluster, encoded: np.ndarray, tmp_path: Path) -> None:
    """Its worker has no place to be started anew: the other one does all that is left."""
    node = cluster.node("c", f"--address={ADDRESS}")
    try:
        wait_for_node(node, cluster.place / "c.log")
        running = cluster.drive("texts", tmp_path, tmp_path, PAUSE / 4)
        end_node(cluster, "c", tmp_path)
        assert len(tasks(tmp_path)) < ray_driver.TEXT_BATCHES
        assert running.wait(PATIENCE) == 0, (tmp_path / "log").read_text()
        np.testing.assert_array_equal(np.load(tmp_path / "vectors.npy"), encoded)
    finally:
        node.kill()
        node.wait()


def _parent(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except FileNotFoundError:
        return -1
