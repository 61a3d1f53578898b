"""What the report says of the store's side effects."""

from __future__ import annotations

from embgeo.reports.aftermath import store_facts


def test_effects_become_facts_and_the_state_a_table() -> None:
    effects = {"document_overlap@10": 0.93, "reachable@100": {"float32": 10, "store": 9}}
    facts, tables = store_facts({"effects": effects, "state": [{"array": "0.matrix", "bytes": 12}]})
    assert [fact.text for fact in facts] == ["0.93", "10", "9"]
    assert tables[0].rows == [["0.matrix", "12\u202fB"]]
    assert store_facts({}) == ([], [])
