"""An analyze run with a map, made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from embgeo.run import Run, save_run

COLOURS = ("cluster", "local_dimension", "outlier_weight", "retrievability")


def mapped(out: Path, n: int = 400, texts: list[str] | None = None, layouts: tuple[str, ...] = ("pca",)) -> Run:
    """A stored analyze run with a map of n documents; document 0 lies alone at the left edge, half way up."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((n, 2)).astype(np.float32)
    points = points.clip(-3, 3)
    points[:4] = [[-12, 0], [12, 0], [0, 4], [0, -4]]
    colours = {
        "cluster": rng.integers(0, 4, n).astype(np.float32),
        "local_dimension": rng.gamma(5, 3, n).astype(np.float32),
        "outlier_weight": np.where(np.arange(n) % 10 == 3, np.nan, rng.standard_normal(n)).astype(np.float32),
        "retrievability": rng.poisson(4, n).astype(np.float32),
    }
    colours["retrievability"][0] = 77
    result = {
        "command": "analyze",
        "model": "m",
        "dataset": {"name": "d", "documents": n},
        "map": {
            "points": n,
            "documents": n,
            "layouts": list(layouts),
            "explained_variance": [0.25, 0.125],
            "colours": {name: {"label": name.replace("_", " ")} for name in COLOURS},
        },
    }
    arrays = {
        "map/rows": np.arange(n, dtype=np.int32),
        **{f"map/layout/{name}": points[::sign] for name, sign in zip(layouts, (1, -1), strict=False)},
        **{f"map/colour/{name}": values for name, values in colours.items()},
    }
    given = texts or [
        f"text of document {i}, which goes on for longer than a hover shows, to the end" for i in range(n)
    ]
    return save_run(out, result, arrays, documents=((f"id{i}", given[i % len(given)]) for i in range(n)))
