"""What the same bytes of codes keep in each store, measured in the store: the table of the README.

    python benchmarks/stores.py [TARGET...]    SciFact × MiniLM (../shared/data); every target that runs here by default

For each target the specs that it holds are judged out of sample by what the target does with them; of those within
48, 96, 192 and 384 bytes of codes the one of highest nDCG@10 is deployed, without rescoring by an original that the
store keeps. Prints a Markdown table: spec, nDCG@10 and recall@10 as configured, and bytes per vector as the store
counts them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from embgeo import api
from embgeo.compression.codecs.spec import parse
from embgeo.errors import EmbgeoError
from embgeo.results import CompressResult
from embgeo.results.deployment import Deployment
from embgeo.results.rows import Row
from embgeo.run import Run
from embgeo.targets import planning_targets

SCIFACT = Path(__file__).resolve().parents[2] / "shared" / "data" / "scifact"
BYTES = (48, 96, 192, 384)
FACTORS = 8


def main(names: list[str]) -> None:
    if not SCIFACT.is_dir():
        raise SystemExit("needs ../shared/data/scifact beside the repository")
    names = names or [each.name for each in planning_targets() if each.engine and each.place]
    print(f"| store | {' | '.join(f'{size} B' for size in BYTES)} |")
    print("|---|" + "---|" * len(BYTES))
    with tempfile.TemporaryDirectory(prefix="s") as folder:
        for name in names:
            run = api.compress(
                f"vectors:{SCIFACT / 'minilm-docs.npy'}",
                str(SCIFACT),
                queries_vectors=SCIFACT / "minilm-queries.npy",
                targets=[name],
                out=Path(folder),
            )
            print(f"| {name} | {' | '.join(cell(run, name, size) for size in BYTES)} |", flush=True)


def cell(run: Run, name: str, size: int) -> str:
    """What the best spec of at most `size` bytes of codes delivers."""
    row = best_row(CompressResult.from_json(run.result), name, size)
    if row is None:
        return "–"
    try:
        found = api.deploy(run, name, spec=row.spec, name=f"b{size}", replace=True)
    except EmbgeoError as error:
        return f"{row.spec}: {error}"
    return measured(found)


def best_row(found: CompressResult, name: str, size: int) -> Row | None:
    """Flat and without rescoring; four or eight bytes of factors are let through."""
    specs = {row.spec: parse(row.spec) for row in found.rows}
    held = [
        row
        for row in found.rows
        if specs[row.spec].index is None and specs[row.spec].rescorer is None
        for one in row.targets or []
        if one.target == name and one.code_bytes is not None and size / 2 < one.code_bytes <= size + FACTORS
    ]
    return max(held, key=lambda row: row.ndcg or 0.0, default=None)


def measured(found: Deployment) -> str:
    """Spec, nDCG@10 / recall@10, bytes per vector."""
    best = found.configured
    assert best is not None
    assert found.rows
    total = sum(found.growing.values()) / found.rows
    return f"`{found.spec}` {best.ndcg:.3f} / {best.recall:.3f}, {total:,.0f} B"


if __name__ == "__main__":
    main(sys.argv[1:])
