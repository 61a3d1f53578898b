"""`embgeo limits`: what it stores, with and without queries and judgements."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from embgeo import analyze, compress, measure_limits, search
from embgeo.errors import InputError
from embgeo.reports import report_html
from embgeo.reports.section import parts_of
from embgeo.results import LimitsResult

RNG = np.random.default_rng(0)
X, Q = (RNG.standard_normal((rows, 12)).astype(np.float32) for rows in (300, 20))
QRELS = {str(query): {str(query): 1, str(query + 100): 1} for query in range(20)}


@pytest.mark.parametrize("given", [{"queries": Q}, {"queries": Q, "qrels": QRELS}])
def test_a_run_of_limits_holds_what_its_data_allow(given: dict, tmp_path: Path) -> None:
    run = measure_limits(docs=X, out=tmp_path, **given)
    jsonschema.validate(json.loads((run.folder / "run.json").read_text()), schema())
    found = run.findings
    assert isinstance(found, LimitsResult)
    assert found.limits.unreachable is not None
    assert (found.retrieval is None) == ("qrels" not in given)
    assert any(part.section.name == "verdict" for part in parts_of(run))
    if "qrels" in given:  # the dimensions stand below their heading
        [table] = re.findall(r'<table[^>]*data-table="margin".*?</table>', report_html([run]), re.DOTALL)
        assert '<th scope="col" class="number">Dimensions' in table
        assert table.count('<th scope="row" class="number">') == table.count('<th scope="row"') == 4


def test_limits_needs_queries(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="limits needs queries"):
        measure_limits(docs=X, out=tmp_path)


@pytest.mark.parametrize("find", [measure_limits, analyze])
def test_distances_beyond_float32_are_refused(find: Any, tmp_path: Path) -> None:
    large = {"docs": X * np.float32(1e25), "queries": Q * np.float32(1e25), "qrels": QRELS}
    with pytest.raises(InputError, match=r"squared distances must be finite in float32.*Divide documents and queries"):
        find(**large, similarity="euclidean", out=tmp_path)
    run = find(**large, similarity="dot", out=tmp_path)
    check = run.findings.limits.similarity if isinstance(run.findings, LimitsResult) else None
    assert check is None or [other.name for other in check.others] == ["cosine", "cosine about the mean"]


def schema() -> dict:
    return json.loads(resources.files("embgeo").joinpath("result.schema.json").read_text())


def space_with_clear_and_unclear_queries(scale: float = 1.0) -> dict:
    """Sixty queries beside a document each, clear the more the nearer; the unclear ones find nothing relevant."""
    rng = np.random.default_rng(1)
    documents = rng.standard_normal((600, 24)).astype(np.float32)
    near = np.repeat([0.2, 4.0], 30)[:, None]
    asked = documents[:60] + near * rng.standard_normal((60, 24))
    qrels = {str(query): {str(query): 1} for query in range(60)}
    return {"docs": documents, "queries": (scale * asked).astype(np.float32), "qrels": qrels}


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_search_says_when_the_scores_of_a_query_are_no_clear_answer(
    similarity: str, scale: float, tmp_path: Path
) -> None:
    """Whatever the length of the queries, which changes no ranking by inner products."""
    given = space_with_clear_and_unclear_queries()
    run = compress(**given, specs=["int8"], similarity=similarity, out=tmp_path)
    told = run.findings.confidence
    assert told.telling
    assert told.failing == pytest.approx((run.arrays["quality/int8"] == 0).mean())
    Q = scale * given["queries"]
    doubts = [search(run, vector=query).doubt.startswith("low confidence") for query in Q]
    assert np.mean(doubts) == pytest.approx(told.flagged, abs=0.02)
    assert np.mean(doubts[30:]) > np.mean(doubts[:30])
    assert search(run, vector=Q[int(told.least[0].id)], k=1).doubt
    assert len(search(run, vector=Q[3], k=1)) == 1


@pytest.mark.parametrize("qrels", [{}, {str(query): {"599": 1} for query in range(60)}])
def test_search_is_silent_where_scores_were_not_found_to_tell(qrels: dict, tmp_path: Path) -> None:
    """Without judgements, and where all queries fail alike."""
    given = space_with_clear_and_unclear_queries() | {"qrels": qrels or None}
    run = compress(**given, specs=["int8"], out=tmp_path)
    assert not any(search(run, vector=query).doubt for query in given["queries"][:20])
