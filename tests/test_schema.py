"""The shipped JSON schema: valid itself, printed by `embgeo schema`, true of stored runs, and able to reject."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from embgeo.cli.failures import run
from embgeo.run import load_run

COMMANDS = ("analyze", "compress", "compare")


@pytest.fixture
def schema(capsys: pytest.CaptureFixture[str]) -> Any:
    assert run(["schema"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def stored(repository: Path) -> Callable[[str], Any]:
    # the fixture "compress" has a damaged row on purpose
    folders = {"analyze": "analyze", "compress": "compress-parts", "compare": "compare"}
    return lambda command: copy.deepcopy(load_run(repository / "tests" / "data" / "runs" / folders[command]).result)


def faults(schema: Any, result: Any) -> list[str]:
    return [error.json_path for error in Draft202012Validator(schema).iter_errors(result)]


def test_the_schema_is_one_of_its_draft(schema: Any) -> None:
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("command", COMMANDS)
def test_stored_runs_fit(command: str, schema: Any, stored: Callable[[str], Any]) -> None:
    assert faults(schema, stored(command)) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_fields_may_be_added(command: str, schema: Any, stored: Callable[[str], Any]) -> None:
    result = {**stored(command), "new": {"anything": [1]}}
    if command == "compress":
        result["tradeoffs"][0]["new"] = True
    assert faults(schema, result) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_field_of_the_contract_is_required(command: str, schema: Any, stored: Callable[[str], Any]) -> None:
    for name in [*schema["required"], *schema["$defs"][command]["required"]]:
        result = stored(command)
        del result[name]
        assert faults(schema, result), name


def test_a_row_lacks_nothing_of_the_contract(schema: Any, stored: Callable[[str], Any]) -> None:
    for name in schema["$defs"]["row"]["required"]:
        result = stored("compress")
        del result["tradeoffs"][0][name]
        assert faults(schema, result) == ["$.tradeoffs[0]"], name


@pytest.mark.parametrize(
    ("command", "spoil"),
    [
        ("analyze", lambda r: r.update(command="other")),
        ("analyze", lambda r: r.update(format_version=2)),
        ("analyze", lambda r: r["signature"]["twonn_dim"].update(value="12")),
        ("analyze", lambda r: r["signature"]["twonn_dim"].update(ci=[1.0])),
        ("analyze", lambda r: r["retrieval"].pop("ndcg@10")),
        ("analyze", lambda r: r["dataset"].update(documents="many")),
        ("compress", lambda r: r["recommendation"].update(meets_keep="yes")),
        ("compress", lambda r: r["recommendation"].pop("reason")),
        ("compress", lambda r: r["baseline"].update(bytes_per_vector=-1)),
        ("compress", lambda r: r.update(tradeoffs={})),
        ("compare", lambda r: r.update(runs=r["runs"][:1])),
        ("compare", lambda r: r.update(conditions=[{"fires": True}])),
        ("compare", lambda r: r.update(warnings=[1])),
    ],
)
def test_what_breaks_the_contract_is_rejected(
    command: str, spoil: Callable[[Any], Any], schema: Any, stored: Callable[[str], Any]
) -> None:
    result = stored(command)
    spoil(result)
    assert faults(schema, result)
