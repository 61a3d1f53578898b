"""A third-party target: the decoded vectors of a store as text, one row per line."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from embgeo.compression.search.store import Store
from embgeo.targets import Exported, target


class PlantedExport(Exported):
    @property
    def format(self) -> str:
        return "planted text"


@target("planted", file="store.txt", summary="decoded vectors as text, planted by a test")
def export_planted(store: Store, path: Path, dimension: int | None = None) -> PlantedExport:
    np.savetxt(path, store.codec.decode(store.codes))
    size = path.stat().st_size
    return PlantedExport(path, len(store.doc_ids), size, size, ("row i of the file is document i of the store",))
