"""What the report says of single queries and of the store's side effects."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from embgeo.reports.aftermath import losing_queries, store_facts
from embgeo.runs import Run, save_run

RESULT = {"command": "compress", "model": "m", "dataset": "d", "quality": "ndcg@10"}


def run_with(folder: Path, before: list[float], after: list[float], rows: list[int]) -> Run:
    arrays = {
        "query_rows": np.array(rows),
        "quality/f32": np.array(before, np.float32),
        "quality/int4": np.array(after, np.float32),
    }
    queries = [("a", "first"), ("b", "second"), ("c", "third"), ("d", "x" * 500)]
    return save_run(folder, RESULT, arrays, queries=queries)


def test_the_queries_that_lose_are_listed_worst_first_with_their_text(tmp_path: Path) -> None:
    # queries b, c, d are judged; b loses .2, c gains .1, d loses .5
    table = losing_queries(run_with(tmp_path, [0.5, 0.5, 0.9], [0.3, 0.6, 0.4], [1, 2, 3]), "int4", "ndcg@10")
    assert table is not None
    assert [row[0] for row in table.rows] == ["d", "b"]
    assert table.rows[1] == ["b", "second", "0.500", "0.300"]
    assert len(table.rows[0][1]) == 120
    assert table.caption == "2 of 3 queries lose, 1 gain, 0 keep their value"


def test_without_losses_or_without_values_nothing_is_listed(tmp_path: Path) -> None:
    run = run_with(tmp_path, [0.5, 0.5], [0.5, 0.6], [0, 1])
    assert losing_queries(run, "int4", "ndcg@10") is None
    assert losing_queries(run, "int8", "ndcg@10") is None


def test_effects_become_facts_and_the_state_a_table() -> None:
    effects = {"document_overlap@10": 0.93, "reachable@100": {"float32": 10, "store": 9}}
    facts, tables = store_facts({"effects": effects, "state": [{"array": "0.matrix", "bytes": 12}]})
    assert [fact.text for fact in facts] == ["0.93", "10", "9"]
    assert tables[0].rows == [["0.matrix", "12\u202fB"]]
    assert store_facts({}) == ([], [])
