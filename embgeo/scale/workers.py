"""Workers of Ray that each hold something that takes long to make, such as a model, and share the tasks that need it.

A worker that dies, with its machine or without, is started anew, and its tasks go to whoever is free: where the cluster
has no place for another worker, those that are left do all. Ray's own restarts would keep such a task waiting for ever.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from embgeo.errors import EmbgeoError, EngineError
from embgeo.threads import limited_threads

TRIES = 8  # more, of a task whose worker or node died
STARTS = 3  # of a worker that dies before it holds what it needs
QUEUED = 2  # tasks that a worker has at a time: one that it works on, one so that it does not wait
AHEAD = 4  # items for each worker that are taken before their turn


class Worker:
    """What runs in a process of its own, with one thread beside a GPU if it has one."""

    def __init__(self, make: Callable[[str], Any], device: str) -> None:
        self._make, self._device = make, device
        self._held: Any = None

    def start(self) -> None:
        """Make what is held; not done by `__init__`, of whose errors Ray tells only the text."""
        with limited_threads(1):
            self._held = self._make(self._device)

    def run(self, item: Any, function: Callable[..., Any], *constants: Any) -> Any:
        with limited_threads(1):
            return function(self._held, item, *constants)


@dataclass(eq=False)
class _Member:
    """A worker of the pool; `starting` until it has made what it holds, at the attempt number `starts`."""

    actor: Any
    starting: Any
    starts: int


@dataclass(eq=False)
class _Job:
    """An item until its result has been given, and how many workers died that had it."""

    item: Any
    deaths: int = 0
    ended: bool = False
    result: Any = None


class Pool:
    """A worker for each device of a cluster, started by the first tasks: a GPU, or a processor where it has none.

    `connect` gives the module of Ray, connected; `asked` is the device that was asked for: "auto", "cpu" or "cuda".
    """

    def __init__(self, connect: Callable[[], Any], make: Callable[[str], Any], asked: str) -> None:
        self._connect, self._make, self._asked = connect, make, asked
        self._members: list[_Member] = []

    @cached_property
    def device(self) -> str:
        """That of the workers, cuda or cpu; connects to see what there is. EngineError if there is no GPU to be had."""
        if self._asked == "cpu":
            return "cpu"
        if self._count("GPU"):
            return "cuda"
        if self._asked != "auto":
            raise EngineError(f"device {self._asked} needs a GPU; the Ray cluster has none. Use --device cpu")
        return "cpu"

    def map(self, function: Callable[..., Any], items: Iterable[Any], *constants: Any) -> Iterator[Any]:
        """`function(held, item, *constants)` of each item, in their order; raises what the function or `make` raises.

        EngineError if `TRIES` + 1 workers died that had an item, or a worker `STARTS` times as it was started.
        """
        limit = max(1, self._count("GPU" if self.device == "cuda" else "CPU"))
        held = [self._connect().put(constant) for constant in (function, *constants)]
        left, running = iter(items), dict[Any, tuple[_Member, _Job]]()
        order, to_do = deque[_Job](), deque[_Job]()
        while True:
            taken = [_Job(item) for item in islice(left, AHEAD * limit - len(order))]
            order.extend(taken)
            to_do.extend(taken)
            if not order:
                return
            while len(self._members) < min(limit, len(order)):
                self._members.append(self._started(1))
            self._hand_out(to_do, running, held)
            if order[0].ended:
                yield order.popleft().result
            else:
                self._await_one(to_do, running)

    def close(self) -> None:
        """End the workers."""
        for member in self._members:
            self._connect().kill(member.actor)
        self._members = []

    def _count(self, resource: str) -> int:
        return int(self._connect().cluster_resources().get(resource, 0))

    def _started(self, starts: int) -> _Member:
        # beside a GPU no processor is claimed: its node may offer fewer of them than it has GPUs
        share = {"num_cpus": 0, "num_gpus": 1} if self.device == "cuda" else {"num_cpus": 1}
        actor = self._connect().remote(Worker).options(max_restarts=0, **share).remote(self._make, self.device)
        return _Member(actor, actor.start.remote(), starts)

    def _hand_out(self, to_do: deque[_Job], running: dict[Any, tuple[_Member, _Job]], held: list[Any]) -> None:
        """Give what is to do to the workers that can work, each its share."""
        load = Counter(member for member, _ in running.values())
        for number in range(QUEUED):
            for member in self._members:
                if to_do and member.starting is None and load[member] == number:
                    job = to_do.popleft()
                    running[member.actor.run.remote(job.item, *held)] = member, job
                    load[member] += 1

    def _await_one(self, to_do: deque[_Job], running: dict[Any, tuple[_Member, _Job]]) -> None:
        """Wait for the end of a task, or for a worker that can work; replace one that died, and have its jobs done."""
        ray = self._connect()
        starting = {member.starting: member for member in self._members if member.starting is not None}
        [task], _ = ray.wait([*running, *starting], num_returns=1)
        member = starting[task] if task in starting else running[task][0]
        try:
            result = ray.get(task)
        except ray.exceptions.RayTaskError as error:
            raise cause(error) from None
        except ray.exceptions.RayError as error:
            for lost in [one for one, (of, _) in running.items() if of is member]:
                job = running.pop(lost)[1]
                job.deaths += 1
                if job.deaths > TRIES:
                    raise gave_up(error, TRIES) from error
                to_do.appendleft(job)
            if member.starts >= STARTS:
                raise EngineError(
                    f"a worker died {STARTS} times as it was started: {first_line(error)}. Is there memory for what "
                    "each worker holds?"
                ) from error
            ray.kill(member.actor)
            self._members[self._members.index(member)] = self._started(member.starts + 1)
            return
        if task in starting:
            member.starting, member.starts = None, 0
        else:
            job = running.pop(task)[1]
            job.ended, job.result = True, result


def gave_up(error: Exception, tries: int) -> EngineError:
    return EngineError(
        f"a task did not end in {tries + 1} tries: {first_line(error)}. What is finished is kept: the same command "
        "goes on from there"
    )


def cause(error: Any) -> Exception:
    """What a task raised, if embgeo did; else the error of Ray, which has its traceback."""
    return error.cause if isinstance(error.cause, EmbgeoError) else error


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:300]
