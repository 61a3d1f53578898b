"""`embgeo limits`: what it stores, with and without queries and judgements."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from embgeo import compress, measure_limits, search
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


def test_search_says_when_the_scores_of_a_query_are_no_clear_answer(tmp_path: Path) -> None:
    run = compress(docs=X, queries=Q, qrels=QRELS, specs=["int8"], out=tmp_path)
    told = run.findings.confidence
    assert told.queries == 20
    assert told.failing == pytest.approx((run.arrays["quality/int8"] == 0).mean())
    clear = search(run, vector=X[3])  # a document's own vector: one hit stands out
    assert clear[0].id == "3"
    assert clear.doubt == ""
    assert search(run, vector=Q[int(told.least[0].id)]).doubt.startswith("low confidence")
    assert len(search(run, vector=X[3], k=1)) == 1
