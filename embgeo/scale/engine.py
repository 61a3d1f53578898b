"""Engines: what runs a function of a shard, here or on the machines of a Ray cluster.

A function takes an item and constants and returns a small result; it reads nothing else that changes and may run twice.
Results come in the order of the items, whatever the order in which they are ready.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property, partial
from importlib.util import find_spec
from itertools import islice
from typing import Any, Protocol, TypeVar

from embgeo.encoders.encoder import choose_device
from embgeo.errors import EmbgeoError, EngineError, InputError, MissingExtraError
from embgeo.scale.workers import TRIES, Pool, cause, first_line, gave_up
from embgeo.threads import limited_threads

ENGINES = ("local", "ray")
LONG_TRIES = 2  # more, of a task that may take hours, and be what its workers die of
TASKS_AHEAD = 4  # for each processor: enough to keep all busy while the first of them is slow
CONNECT_SECONDS = 5.0
OBJECT_STORE_BYTES = 512 * 2**20  # by default Ray takes a third of the memory
Item = TypeVar("Item")
Result = TypeVar("Result")


class Holding(Protocol):
    """Workers that each hold something, made once; `device` is where they compute, as `choose_device` names it."""

    @property
    def device(self) -> str: ...

    def map(self, function: Callable[..., Result], items: Iterable[Any], *constants: Any) -> Iterator[Result]:
        """`function(held, item, *constants)` of each item, in their order; raises what it or the making raises."""
        ...


class Engine(Protocol):
    """What runs tasks."""

    name: str

    def map(self, function: Callable[..., Result], items: Iterable[Item], *constants: Any) -> Iterator[Result]:
        """`function(item, *constants)` of each item, in their order; raises what the function raises."""
        ...

    def as_ended(
        self, function: Callable[..., Result], items: Sequence[Item], *constants: Any, after: Mapping[int, int]
    ) -> Iterator[tuple[int, Result | EmbgeoError]]:
        """(place of the item, its result, or the error of its task), as they end; one that fails stops no other.

        `after` has, for the place of an item, an earlier one that must end before it begins.
        """
        ...

    def holding(self, make: Callable[[str], Any], device: str) -> AbstractContextManager[Holding]:
        """Workers that hold `make(device)`, made by their first task, until the block ends: one for each device.

        Of "auto", "cpu" and "cuda" `device` says what may be used. `make` is sent as a function is.
        """
        ...


class Local:
    """One task after another in this process."""

    name = "local"

    def map(self, function: Callable[..., Result], items: Iterable[Item], *constants: Any) -> Iterator[Result]:
        return (function(item, *constants) for item in items)

    def as_ended(
        self, function: Callable[..., Result], items: Sequence[Item], *constants: Any, after: Mapping[int, int]
    ) -> Iterator[tuple[int, Result | EmbgeoError]]:
        for place, item in enumerate(items):
            yield place, _ended(partial(function, item, *constants))

    @contextmanager
    def holding(self, make: Callable[[str], Any], device: str) -> Iterator[Holding]:
        yield _Here(make, choose_device(device))


class _Here:
    """What is held, in this process."""

    def __init__(self, make: Callable[[str], Any], device: str) -> None:
        self._make, self.device = make, device

    @cached_property
    def _held(self) -> Any:
        return self._make(self.device)

    def map(self, function: Callable[..., Result], items: Iterable[Any], *constants: Any) -> Iterator[Result]:
        return (function(self._held, item, *constants) for item in items)


class Ray:
    """Tasks of Ray Core, one an item, each with one thread; started, or connected to, by the first of them."""

    name = "ray"

    def __init__(self, address: str | None, processors: int) -> None:
        self._address, self._processors = address, processors
        self._ray: Any = None

    def map(self, function: Callable[..., Result], items: Iterable[Item], *constants: Any) -> Iterator[Result]:
        ray = self._connected()
        held = [ray.put(constant) for constant in (function, *constants)]
        task = ray.remote(_task).options(num_cpus=1, max_retries=TRIES)
        left, ahead = iter(items), TASKS_AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        running = deque(task.remote(item, *held) for item in islice(left, ahead))
        while running:
            result = self._result(running.popleft())
            running.extend(task.remote(item, *held) for item in islice(left, 1))
            yield result

    def as_ended(
        self, function: Callable[..., Result], items: Sequence[Item], *constants: Any, after: Mapping[int, int]
    ) -> Iterator[tuple[int, Result | EmbgeoError]]:
        ray = self._connected()
        held = [ray.put(constant) for constant in (function, *constants)]
        task = ray.remote(_task).options(num_cpus=1, max_retries=LONG_TRIES)
        running = {task.remote(item, *held): place for place, item in enumerate(items) if place not in after}
        while running:
            [ended], _ = ray.wait(list(running), num_returns=1)
            place = running.pop(ended)
            running |= {task.remote(items[each], *held): each for each, first in after.items() if first == place}
            yield place, _ended(partial(self._result, ended, LONG_TRIES))

    @contextmanager
    def holding(self, make: Callable[[str], Any], device: str) -> Iterator[Holding]:
        if self._address is None:
            device = choose_device(device)  # where Ray is started here, its devices are those of this machine
        pool = Pool(self._connected, make, device)
        try:
            yield pool
        finally:
            pool.close()

    def close(self) -> None:
        """End what was started; a cluster that was connected to goes on."""
        if self._ray is not None:
            self._ray.shutdown()

    def _connected(self) -> Any:
        if self._ray is not None:
            return self._ray
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if self._address is None and "ray" not in sys.modules:  # which reads these when it is imported
            # Ray listens beyond this machine: whoever reaches a port must have the token, which nobody else knows
            os.environ.setdefault("RAY_AUTH_MODE", "token")
            if "RAY_AUTH_TOKEN_PATH" not in os.environ:
                os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        import ray

        own = {"num_cpus": self._processors, "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
        try:
            ray.init(
                address=self._address or "local",
                log_to_driver=False,
                logging_level="ERROR",
                **({} if self._address else own),
            )
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            where = f"the Ray cluster at {self._address} does not answer" if self._address else "Ray does not start"
            raise EngineError(f"{where}: {first_line(error)}") from error
        self._ray = ray
        return ray

    def _result(self, running: Any, tries: int = TRIES) -> Any:
        ray = self._ray
        try:
            return ray.get(running)
        except ray.exceptions.RayTaskError as error:
            raise cause(error) from None
        except ray.exceptions.RayError as error:
            raise gave_up(error, tries) from error


@contextmanager
def open_engine(name: str, address: str | None, processors: int) -> Iterator[Engine]:
    """The engine of this name; `address` is that of a running Ray cluster, without which Ray starts here.

    Nothing starts before the first task, which raises EngineError if the cluster does not answer.
    """
    if name == "local":
        yield Local()
        return
    engine = Ray(address, processors)
    try:
        yield engine
    finally:
        engine.close()


def check_engine(name: str, address: str | None) -> None:
    """Raise InputError for an engine or address that cannot be, MissingExtraError without Ray, EngineError if nothing
    listens at the address, which Ray itself would try for minutes."""
    if name not in ENGINES:
        raise InputError(f"engine must be one of {', '.join(ENGINES)}; got {name!r}")
    if name == "ray" and find_spec("ray") is None:
        raise MissingExtraError("--engine ray needs Ray: pip install 'embgeo[ray]'")
    if address is None:
        return
    if name != "ray":
        raise InputError("--address names a running Ray cluster; give --engine ray with it")
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(f"--address must be HOST:PORT of the head of a Ray cluster; got {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise EngineError(
            f"no Ray cluster answers at {address}: {first_line(error)}. Start one, or name its head"
        ) from None


def _ended(result: Callable[[], Result]) -> Result | EmbgeoError:
    try:
        return result()
    except EmbgeoError as error:
        return error


def _task(item: Any, function: Callable[..., Any], *constants: Any) -> Any:
    """A task of Ray; a worker is used again with whatever threads it had, so they are limited here."""
    with limited_threads(1):
        return function(item, *constants)
