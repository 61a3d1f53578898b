"""Results as types: what is stored is written again as it was, and no damage to it stops a reader."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embgeo.results import NDCG, CompressResult, Recommendation, Row, read_result
from embgeo.results.stored import Stored, interval, number

RUNS = ("analyze", "compare", "compress", "compress-parts")
ODD = (None, float("nan"), float("inf"), "text", [], {}, [1], True, -3, 10**400)


@pytest.fixture(scope="module")
def stored(repository: Path) -> dict[str, Any]:
    """Runs that embgeo 0.1.0 wrote."""
    return {name: json.loads((repository / "tests" / "data" / "runs" / name / "run.json").read_text()) for name in RUNS}


def cut(value: Any) -> Any:
    """`value` with the first two entries of each list."""
    if isinstance(value, list):
        return [cut(item) for item in value[:2]]
    return {key: cut(item) for key, item in value.items()} if isinstance(value, dict) else value


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*above, key)
        yield from places(item, (*above, key))


@pytest.mark.parametrize("name", RUNS)
def test_what_was_read_is_written_back_in_the_same_order(name, stored):
    assert json.dumps(read_result(stored[name]).to_json()) == json.dumps(stored[name])


@pytest.mark.parametrize("name", RUNS)
def test_no_damage_stops_a_reader(name, stored):
    whole = cut(stored[name])
    for number_of, place in enumerate(places(whole)):
        for odd in (ODD + ODD)[number_of % len(ODD) :][:3]:
            damaged = copy.copy(whole)
            target: Any = damaged
            for key in place[:-1]:
                target[key] = copy.copy(target[key])
                target = target[key]
            target[place[-1]] = odd
            read_result(damaged).to_json()


def test_unknown_fields_are_kept():
    row = Row.from_json({"spec": "int8", "new": {"a": 1}})
    assert row.to_json() == {"spec": "int8", "new": {"a": 1}}
    assert row.at("new") == {"a": 1}
    assert (row.at("spec"), row.at(NDCG), row.at("other")) == ("int8", None, None)


def test_a_new_row_has_every_key_of_the_contract_and_leaves_out_what_does_not_apply():
    written = Row(spec="f32", bytes_per_vector=1536).to_json()
    assert (written["spec"], written["bytes_per_vector"], written[NDCG]) == ("f32", 1536, None)
    assert not {"note", "index", "planned", "pareto"} & set(written)
    order = list(Recommendation(spec="f32", pareto=True, reason="why").to_json())
    assert order.index("pareto") < order.index("tied_with") < order.index("reason")


def test_the_schema_asks_for_no_field_that_a_row_lacks(repository):
    schema = json.loads((repository / "embgeo" / "result.schema.json").read_text())
    assert set(schema["$defs"]["row"]["required"]) <= set(Row.declared())
    assert set(schema["$defs"]["compress"]["required"]) <= set(CompressResult.declared())


def kinds(base: type[Stored]) -> Iterator[type[Stored]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_each_field_is_declared_under_its_own_name():
    """A typing error in a key would read as None for ever."""
    for kind in kinds(Stored):
        for key, field in kind.declared().items():
            assert field.name.replace("_", "") in key.replace("@10_exact", "").replace("@", "").replace("_", "") or (
                field.name.split("_")[0] in key
            ), (kind.__name__, key)


def test_numbers_are_kept_as_they_were_stored():
    assert [number(value) for value in (3, 3.5, True, "3", float("nan"), 10**400)] == [3, 3.5, None, None, None, None]
    assert isinstance(number(3), int)
    assert [interval(value) for value in ([1, 2.5], (0, 0), [1], [1, None], "ab", None)] == [
        (1, 2.5), (0, 0), None, None, None, None,
    ]  # fmt: skip
