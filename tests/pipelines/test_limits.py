"""`embgeo limits`: what it stores, with and without queries and judgements."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from embgeo import measure_limits
from embgeo.reports.section import parts_of
from embgeo.results import LimitsResult

RNG = np.random.default_rng(0)
X, Q = (RNG.standard_normal((rows, 12)).astype(np.float32) for rows in (300, 20))
QRELS = {str(query): {str(query): 1, str(query + 100): 1} for query in range(20)}


@pytest.mark.parametrize("given", [{}, {"queries": Q}, {"queries": Q, "qrels": QRELS}])
def test_a_run_of_limits_holds_what_its_data_allow(given: dict, tmp_path: Path) -> None:
    run = measure_limits(docs=X, out=tmp_path, **given)
    jsonschema.validate(json.loads((run.folder / "run.json").read_text()), schema())
    found = run.findings
    assert isinstance(found, LimitsResult)
    assert (found.limits.unreachable is None) == ("queries" not in given)
    assert (found.retrieval is None) == ("qrels" not in given)
    assert any(part.section.name == "verdict" for part in parts_of(run)) == ("queries" in given)


def schema() -> dict:
    return json.loads(resources.files("embgeo").joinpath("result.schema.json").read_text())
