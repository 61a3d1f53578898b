"""Laws that every registered measure obeys, and wrong measures that they must reject."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from embgeo.embeddings import normalise
from embgeo.metrics.registry import Measure, measures
from embgeo.metrics.signature import _Outcome, evaluate
from embgeo.space.space import Space


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Spaces this small gain nothing from more, and threads that wait for each other take minutes on busy cores."""
    with threadpool_limits(1):
        yield


MEASURES = list(measures().values())
SIMILARITIES = ("cosine", "euclidean")


def cloud(n: int = 300, d: int = 8, seed: int = 0) -> np.ndarray:
    """Three clusters of different shape away from the origin, no two rows alike, no symmetry to hide behind."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((3, d)) * 2
    X = centres[rng.integers(0, 3, n)] + rng.standard_normal((n, d)) * np.linspace(0.2, 1.2, d) + 0.5
    return X.astype(np.float32)


def space_of(X: np.ndarray, similarity: str = "cosine", change=lambda V: V, order: np.ndarray | None = None) -> Space:
    """A space with everything a measure may need; `change` acts on all vectors, `order` on the documents."""
    rng = np.random.default_rng(7)
    n, d = X.shape
    Q = rng.standard_normal((40, d)).astype(np.float32) + 0.5
    relevant = np.stack([np.arange(40), rng.integers(0, n, 40)], axis=1)
    tokens = rng.standard_normal((200, d)).astype(np.float32)
    order = np.arange(n) if order is None else order
    position = np.empty(n, np.int64)
    position[order] = np.arange(n)
    relevant[:, 1] = position[relevant[:, 1]]
    return Space(
        change(X)[order], similarity=similarity, queries=change(Q), relevant=relevant, tokens=change(tokens)
    )  # fmt: skip


def outcome(m: Measure, space: Space) -> _Outcome:
    return evaluate(m, space, seed=0)


def agree(m: Measure, a: Space, b: Space, law: str) -> None:
    left, right = outcome(m, a), outcome(m, b)
    assert left.status == right.status, f"{law}: {left.status} ({left.reason}) became {right.status} ({right.reason})"
    assert left.status != "failed", f"{law}: {left.reason}"
    if left.reading and right.reading:
        # float32 inputs: a rotated cloud differs from the cloud by 1e-7 a coordinate, its smallest gaps by 1e-4
        assert right.reading.value == pytest.approx(left.reading.value, rel=2e-3, abs=2e-4), law


def rotation(d: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(1).standard_normal((d, d)))[0]


def law_rotation(m: Measure, similarity: str) -> None:
    X = cloud()
    R = rotation(X.shape[1])
    agree(m, space_of(X, similarity), space_of(X, similarity, lambda V: (V @ R).astype(np.float32)), "rotation")


def law_translation(m: Measure, similarity: str) -> None:
    """By a few standard deviations, and by a thousand, where |x|² + |y|² − 2xy would have lost every digit."""
    X = cloud()
    for length in (3, 1000):
        shift = np.random.default_rng(2).standard_normal(X.shape[1]) * length

        def moved(V: np.ndarray, shift: np.ndarray = shift) -> np.ndarray:
            return (V + shift).astype(np.float32)

        def back(V: np.ndarray, shift: np.ndarray = shift) -> np.ndarray:
            """The coordinates that float32 has out there: measured is the arithmetic, not the rounding."""
            return (moved(V, shift) - shift).astype(np.float32)

        agree(m, space_of(X, similarity, back), space_of(X, similarity, moved), f"translation by {length}")


def law_scale(m: Measure, similarity: str) -> None:
    X = cloud()
    for factor in (3.7, 1e-3, 1e3):
        agree(
            m,
            space_of(X, similarity),
            space_of(X, similarity, lambda V, f=factor: V * np.float32(f)),
            f"scale {factor}",
        )


def law_row_order(m: Measure, similarity: str) -> None:
    X = cloud()
    order = np.random.default_rng(3).permutation(len(X))
    agree(m, space_of(X, similarity), space_of(X, similarity, order=order), "row order")


def law_duplicates(m: Measure, similarity: str) -> None:
    """A second copy of every row, as encoders give it: equal, one rounding away, with noise, or of another length."""
    X = normalise(cloud())
    noise = np.random.default_rng(4).standard_normal((2, *X.shape))
    twins = {
        "equal": X,
        "1 ulp": np.nextafter(X, np.where(noise[0] > 0, np.inf, -np.inf), dtype=np.float32),
        "noise of 1e-7": (X + 1e-7 * noise[1]).astype(np.float32),
        "3.7 times as long": normalise(np.float32(3.7) * X),
    }
    for kind, twin in twins.items():
        both = np.stack([X, twin], axis=1).reshape(-1, X.shape[1])
        agree(m, Space(X, similarity=similarity), Space(both, similarity=similarity), f"duplicates, {kind}")


INVARIANCE_LAWS = {
    "rotation": law_rotation,
    "translation": law_translation,
    "scale": law_scale,
    "row_order": law_row_order,
    "duplicates": law_duplicates,
}


def in_range(m: Measure, result: _Outcome) -> None:
    if result.reading:
        low, high = m.range
        assert low <= result.reading.value <= high, f"{result.reading.value} is outside {m.range}"


def law_range(m: Measure, similarity: str) -> None:
    for X in (cloud(), cloud(60, 100, 1), np.eye(40, dtype=np.float32)):
        result = outcome(m, space_of(X, similarity))
        assert result.status != "failed", result.reason
        in_range(m, result)


def law_inputs_stay(m: Measure, similarity: str) -> None:
    """Bytes that the caller owns are the same afterwards, even where the measure got hold of a writable view."""
    X = cloud()
    space = space_of(X, similarity)
    assert space.queries is not None
    owned = [X.copy(), space.queries.copy()]
    inner = Space(X, similarity=similarity, queries=space.queries, relevant=space.relevant, tokens=space.tokens)
    for array in (inner.X, inner.queries):
        assert array is not None
        assert not array.flags.writeable
    result = outcome(m, inner)
    assert result.status != "failed", result.reason
    assert np.array_equal(X, owned[0])
    assert np.array_equal(space.queries, owned[1])


def law_same_seed(m: Measure, similarity: str) -> None:
    first, second = (outcome(m, space_of(cloud(), similarity)) for _ in range(2))
    assert first.status == second.status
    if first.reading and second.reading:
        assert first.reading.value == second.reading.value


def law_sees_differences(m: Measure, similarity: str) -> None:
    """A measure that gives one value on very different spaces measures nothing."""
    found = [outcome(m, space_of(X, similarity)) for X in VARIED]
    values = {round(result.reading.value, 9) for result in found if result.reading}
    assert any(result.reading for result in found), f"no value anywhere: {[result.reason for result in found]}"
    assert len(values) > 1, f"always {values}"


def _line(n: int) -> np.ndarray:
    t = np.linspace(0.1, 4, n) ** 2
    return (t[:, None] * np.ones(6) + 1e-3 * np.random.default_rng(5).standard_normal((n, 6))).astype(np.float32)


VARIED = (
    cloud(),
    np.r_[cloud(200), cloud(200, seed=2) - 20].astype(np.float32),
    cloud(200, 2, 3),
    _line(150),
    np.random.default_rng(6).standard_normal((150, 400)).astype(np.float32),
    np.random.default_rng(8).standard_normal((200, 700)).astype(np.float32),
    np.r_[cloud(100, 40, 10), cloud(20, 40, 12)].astype(np.float32) * np.r_[9.0, np.ones(39)].astype(np.float32),
    (cloud(150, 8, 9) * np.random.default_rng(9).lognormal(0, 2, (150, 1))).astype(np.float32),
)

_rng = np.random.default_rng(11)
DEGENERATE: dict[str, np.ndarray] = {
    "one row": cloud(1),
    "two rows": cloud(2),
    "three rows": cloud(3),
    "fewer rows than neighbours": cloud(6),
    "eleven rows": cloud(11),
    "all rows equal": np.ones((40, 5), np.float32),
    "two distinct rows, many copies": np.repeat(cloud(2), 20, axis=0),
    "half of the rows are copies": np.repeat(cloud(30), 2, axis=0),
    "a constant dimension": np.c_[cloud(40, 4), np.ones(40)].astype(np.float32),
    "one dimension": np.abs(cloud(40, 1)) + 0.1,
    "one dimension, both signs": cloud(40, 1) - 0.5,
    "zero rows": np.r_[cloud(30), np.zeros((3, 8))].astype(np.float32),
    "only zeros": np.zeros((20, 4), np.float32),
    "more dimensions than rows": cloud(12, 50),
    "a lattice": np.stack(np.meshgrid(np.arange(6.0), np.arange(6.0)), -1).reshape(-1, 2).astype(np.float32) + 1,
    "orthogonal rows": np.eye(30, dtype=np.float32),
    "antipodal rows": np.r_[np.eye(12), -np.eye(12)].astype(np.float32),
    "huge norms": (cloud(40) * 1e30).astype(np.float32),
    "tiny norms": (cloud(40) * 1e-30).astype(np.float32),
    "norms of every size": (cloud(40) * 10.0 ** _rng.integers(-15, 15, (40, 1))).astype(np.float32),
    "rows on one line": np.outer(np.arange(1, 31), np.ones(4)).astype(np.float32),
    "near duplicates": (np.ones((40, 6)) + 1e-6 * _rng.standard_normal((40, 6))).astype(np.float32),
}


def law_degenerate(m: Measure, similarity: str) -> None:
    """Data without a meaningful answer give a value in range or a typed reason; never a crash, never NaN."""
    for name, X in DEGENERATE.items():
        result = outcome(m, space_of(X, similarity))
        assert result.status in ("ok", "undefined"), f"{name}: {result.reason}"
        assert result.status == "ok" or result.reason, name
        if result.reading:
            assert math.isfinite(result.reading.value), name
            low, high = m.range
            assert low <= result.reading.value <= high, f"{name}: {result.reading.value} outside {m.range}"


LAWS = {
    **INVARIANCE_LAWS,
    "range": law_range,
    "inputs stay": law_inputs_stay,
    "same seed, same value": law_same_seed,
    "sees differences": law_sees_differences,
    "degenerate data": law_degenerate,
}


def declared_laws(m: Measure) -> list[str]:
    return [name for name in LAWS if name not in INVARIANCE_LAWS or name in m.invariances]


def obey(m: Measure, law: str) -> None:
    for similarity in SIMILARITIES:
        LAWS[law](m, similarity)


CASES = [(m, law) for m in MEASURES for law in declared_laws(m)]


@pytest.mark.parametrize(("m", "law"), CASES, ids=[f"{m.name}-{law}" for m, law in CASES])
def test_measure_obeys_the_law(m: Measure, law: str) -> None:
    obey(m, law)


@pytest.mark.parametrize("m", MEASURES, ids=lambda m: m.name)
def test_measure_declares_its_facts(m: Measure) -> None:
    assert m.summary.endswith((".", "!"))
    assert len(m.summary) <= 140
    assert m.source
    assert m.cost
    assert m.range[0] < m.range[1]
    assert m.compute.__doc__
    assert ">>>" in m.compute.__doc__, "the docstring needs an example with a number checkable by head"


# -- wrong measures that the laws must reject --------------------------------------------------------------------------


def planted(compute, **facts) -> Measure:
    """A wrong measure that claims everything a right one may claim."""
    claims = Measure(
        "planted", "dimension", compute, "Wrong on purpose.", (-math.inf, math.inf), "n", "nobody",
        invariances=frozenset(INVARIANCE_LAWS),
    )  # fmt: skip
    return replace(claims, **facts)


def _writes(space: Space) -> float:
    X = space.X
    base = X.base if X.base is not None else X
    base[0] = 0
    return 1.0


def _by_products(X: np.ndarray) -> np.ndarray:
    squares = (X * X).sum(axis=1)
    return np.sqrt(np.maximum(squares[:, None] + squares - 2 * X @ X.T, 0))


_counter = itertools.count()
WRONG = {
    "constant": (planted(lambda space: 1.0), "sees differences"),
    "first row decides": (planted(lambda space: float(np.linalg.norm(space.X[0] - space.mean))), "row_order"),
    "writes into its input": (planted(_writes), "inputs stay"),
    "out of range": (planted(lambda space: float(space.n), range=(0.0, 10.0)), "range"),
    "first coordinate": (planted(lambda space: float(space.X[:, 0].std())), "rotation"),
    "length": (planted(lambda space: float(space.norms.mean())), "scale"),
    "offset": (planted(lambda space: float(np.linalg.norm(space.mean))), "translation"),
    "distances that cancel": (planted(lambda space: float(np.median(_by_products(space.X)))), "translation"),
    "counts copies": (planted(lambda space: float(space.n)), "duplicates"),
    "knows copies by their bytes": (planted(lambda space: float(len(np.unique(space.X, axis=0)))), "duplicates"),
    "forgets its seed": (planted(lambda space: float(next(_counter))), "same seed, same value"),
    "own randomness": (planted(lambda space: float(np.random.default_rng().random())), "same seed, same value"),
    "divides by zero": (planted(lambda space: float(1 / np.float32(space.X.std()))), "degenerate data"),
    "crashes on few rows": (planted(lambda space: float(np.sort(space.norms)[5])), "degenerate data"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_the_laws_reject_a_wrong_measure(name: str) -> None:
    wrong, law = WRONG[name]
    with pytest.raises(AssertionError):
        obey(wrong, law)
