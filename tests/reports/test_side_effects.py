"""What the report says of the store's side effects."""

from __future__ import annotations

from examples.drawn import cells, part

from embgeo.reports.blocks import Facts, Table, walk

EFFECTS = {"document_overlap@10": 0.93, "reachable@100": {"float32": 10, "store": 9}}


def test_effects_become_facts_and_the_state_a_table() -> None:
    best = {"spec": "int8", "effects": EFFECTS, "state": [{"array": "0.matrix", "bytes": 12}]}
    effects = part({"recommendation": best, "tradeoffs": [best]}, "effects")
    assert effects is not None
    (listed,) = walk(effects.blocks, Facts)
    assert [fact.text for fact in listed.facts] == ["0.93", "10", "9"]
    (_, state) = walk(part({"recommendation": best, "tradeoffs": [best]}, "bytes").blocks, Table)
    assert list(cells(state)) == [["0.matrix", "12\u202fB"]]
    assert part({"recommendation": {"spec": "int8"}}, "effects") is None
