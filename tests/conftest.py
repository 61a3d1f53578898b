"""What every test shares: no network, no file outside tmp, the real data if available, `--slow`.

`make test` runs them in a process a core (`pytest -n auto`), each with one thread; `pytest` alone runs them in one.
The tests of a file stay together, so that what they share is made once; the longest files come first.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import embgeo  # noqa: F401  first: it asks waiting threads to sleep, which is read when BLAS and OpenMP are loaded

REPOSITORY = Path(__file__).resolve().parents[1]
LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1", "0.0.0.0", ""}

# read by BLAS, OpenMP and torch when they are loaded: nothing above imports them
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

LONGEST = (
    "tests/browser/", "tests/laws/", "tests/pipelines/", "tests/compression/codecs/test_umap.py", "tests/cli/",
    "tests/oracles/", "tests/reports/",
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", default=False, help="also run the tests marked slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "slow" in item.keywords and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))
    if config.pluginmanager.hasplugin("xdist"):
        items.sort(key=lambda item: next((at for at, start in enumerate(LONGEST) if item.nodeid.startswith(start)), 99))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout, or a skip that says which one is missing."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data beside the repository")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fixtures wider than one test get a cache of the session, never the user's."""
    before = os.environ.get("EMBGEO_CACHE_DIR")
    os.environ["EMBGEO_CACHE_DIR"] = str(tmp_path_factory.mktemp("session-cache"))
    yield
    if before is None:
        del os.environ["EMBGEO_CACHE_DIR"]
    else:
        os.environ["EMBGEO_CACHE_DIR"] = before


@pytest.fixture(scope="session", autouse=True)
def _one_thread_a_process() -> None:
    """For compiled kernels too; their pool keeps its size for the tests that compare one thread with several."""
    import numba

    if "PYTEST_XDIST_WORKER" in os.environ:
        numba.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _hurried_clock() -> Iterator[None]:
    """Tests do not check search speed: two rounds of one query."""
    from embgeo.compression.judging import effort, timing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "REPEATS", 1)
        patch.setattr(timing, "SINGLES", 1)
        patch.setattr(effort, "CURVE_REPEATS", 1)
        yield


@pytest.fixture(scope="session", autouse=True)
def _few_resamples_of_a_choice() -> Iterator[None]:
    """Laws check the width of a choice's interval with samples of their own; elsewhere 40 resamples replace 400."""
    from embgeo.compression.choosing.select import SELECTION_RESAMPLES, cross_fit

    assert cross_fit.__defaults__ == (SELECTION_RESAMPLES,)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross_fit, "__defaults__", (SELECTION_RESAMPLES // 10,))
        yield


@pytest.fixture(scope="session", autouse=True)
def _every_run_fits_the_schema() -> Iterator[None]:
    """What the library stores meets the whole shipped JSON schema; what tests store by hand meets its types."""
    from jsonschema import Draft202012Validator

    from embgeo import run as run_module
    from embgeo.pipelines import analyze, compare, compress

    schema = json.loads((REPOSITORY / "embgeo" / "result.schema.json").read_text(encoding="utf-8"))
    whole, typed = Draft202012Validator(schema), Draft202012Validator(_nothing_required(schema))
    save_run, replacing_folder = run_module.save_run, run_module.replacing_folder

    def save_whole(*args: Any, **kwargs: Any) -> run_module.Run:
        made = save_run(*args, **kwargs)
        whole.validate(made.result)
        return made

    @contextlib.contextmanager
    def replacing_typed(target: Path, **more: Any) -> Iterator[Path]:
        with replacing_folder(target, **more) as folder:
            yield folder
            typed.validate(json.loads((folder / "run.json").read_text(encoding="utf-8")))

    with pytest.MonkeyPatch.context() as patch:
        for pipeline in (analyze, compress, compare):
            patch.setattr(pipeline, "save_run", save_whole)
        patch.setattr(run_module, "replacing_folder", replacing_typed)
        yield


def _nothing_required(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _nothing_required(value) for key, value in schema.items() if key not in ("required", "minItems")}
    return [_nothing_required(item) for item in schema] if isinstance(schema, list) else schema


@pytest.fixture(scope="session")
def _cache_paths(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Numbered paths; `mktemp` would look through thousands of folders for the next number."""
    folder = tmp_path_factory.mktemp("caches")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _own_cache(_cache_paths: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """An embedding cache for this test alone, created when something is first stored."""
    folder = next(_cache_paths)
    monkeypatch.setenv("EMBGEO_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def cache_dir(_own_cache: Path) -> Path:
    """The empty embedding cache of this test."""
    _own_cache.mkdir()
    return _own_cache


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Look-ups and connections beyond this machine fail at once, as on a machine without a network."""
    real_connect, real_lookup = socket.socket.connect, socket.getaddrinfo

    def connect(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = address[0] if isinstance(address, tuple) else address
            if host not in LOCAL_HOSTS:
                raise ConnectionRefusedError(f"tests must not touch the network; a connection to {host!r} was tried")
        real_connect(self, address)  # type: ignore[arg-type]

    def lookup(host: object, *rest: object, **more: object) -> object:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and name not in LOCAL_HOSTS:
            raise socket.gaierror(socket.EAI_NONAME, f"tests must not touch the network; {name!r} was looked up")
        return real_lookup(host, *rest, **more)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        patch.setattr(socket, "getaddrinfo", lookup)
        # without a proxy the look-up above meets the hub's own name
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        yield
