"""Density and strength of judgements, by hand and as published."""

from __future__ import annotations

from pathlib import Path

import pytest

from embgeo.datasets.beir import read_qrels
from embgeo.limits.relevance_graph import relevance_graph


def test_density_and_strength_of_a_graph_by_hand() -> None:
    # pairs a–b and b–c of three; the two queries share one of three documents
    found = relevance_graph({"1": {"a": 1, "b": 1}, "2": {"b": 2, "c": 1}, "3": {"x": 0}})
    assert found.density == pytest.approx(2 / 3)
    assert found.strength == pytest.approx(1 / 3)
    assert relevance_graph({"1": {"a": 0}}) is None


@pytest.mark.parametrize(
    ("file", "density", "strength"),
    [("limit-small/qrels.jsonl", 0.96618, 28.4653), ("scifact/qrels/test.tsv", 0.001454, 0.4222)],
)
def test_published_graphs(shared_data: Path, file: str, density: float, strength: float) -> None:
    found = relevance_graph(read_qrels(shared_data / file))
    assert found.density == pytest.approx(density, abs=5e-6)
    assert found.strength == pytest.approx(strength, abs=5e-5)
