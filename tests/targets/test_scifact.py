"""On SciFact × MiniLM every store delivers what was predicted: nDCG@10 within its interval, recall within .01."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from targets.engines import TRIED

from embgeo.api import compress, deploy
from embgeo.run import Run

DEPLOYED = {
    "pgvector": ("f16", "pca192,f16", "hamming", "binary+f32@4", "binary+f32@10", "pca192,hamming"),
    "qdrant": (
        *("f16", "rot,int4", "rot,int8", "int8", "binary", "hamming", "binary+f32@4", "hamming+f32@4"),
        *("pca192,rot,int4", "int8+f32@2"),
    ),
    "lancedb": ("f16", "int8", "pq96", "pq48", "rot,rabitq4", "hamming"),
    "sqlite-vec": ("f32", "int8sym", "int8unit", "hamming", "hamming+f32@10"),
    "usearch": ("f16", "int8", "fp8", "fp8e5m2", "hamming"),
    "faiss": ("f16", "int8", "fp8", "rot,int4", "pq48", "binary", "adaptive@48B", "adaptive@96B", "pca192,f16"),
}
CASES = [(name, spec) for name, specs in DEPLOYED.items() for spec in specs]


@pytest.fixture(scope="module")
def run(shared_data: Path) -> Iterator[Run]:
    folder = shared_data / "scifact"
    with tempfile.TemporaryDirectory(prefix="s") as out:
        yield compress(
            f"vectors:{folder / 'minilm-docs.npy'}",
            str(folder),
            queries_vectors=folder / "minilm-queries.npy",
            specs=["f16"],
            out=Path(out),
        )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "spec"), CASES)
def test_a_store_delivers_what_was_predicted(run: Run, name: str, spec: str) -> None:
    for module in TRIED[name].needs:
        pytest.importorskip(module, reason=f"{name} needs {module}")
    found = deploy(run, name, spec=spec)
    best = found.configured
    assert best is not None
    assert best.recall == pytest.approx(found.predicted_recall, abs=0.01)
    assert found.warnings == []
    if best.difference_ci is None:  # fewer than five queries differ
        assert best.changed is not None
        assert best.changed < 5
    else:
        low, high = best.difference_ci
        assert low <= 0 <= high
