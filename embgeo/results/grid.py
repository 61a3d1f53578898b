"""The result of a grid: its cells, each a run that is stored like any other, and their comparison."""

from __future__ import annotations

from collections.abc import Mapping

from embgeo.results.stored import Stored, stored

MADE, FINISHED, FAILED, TO_DO = "made", "finished", "failed", "to do"


class GridCell(Stored):
    """One run of a grid.

    `state` is `made`, `finished` (made by an earlier command), `failed` (`error` says why) or `to do`; `run` is its
    folder. `quality` names what `float32` (exact search) and, of the recommended `spec`, `value` are in; `retained` is
    their ratio; `measures` has the signature of an analyze run.
    """

    command: str = ""
    model: str = ""
    dataset: str | None = None
    seed: int | None = None
    state: str = ""
    error: str | None = stored(optional=True)
    seconds: float | None = stored(optional=True)
    run: str | None = stored(optional=True)
    identity: str | None = stored(optional=True)
    quality: str | None = stored(optional=True)
    float32: float | None = stored(optional=True)
    spec: str | None = stored(optional=True)
    bytes_per_vector: float | None = stored(optional=True)
    value: float | None = stored(optional=True)
    retained: float | None = stored(optional=True)
    measures: Mapping[str, float] | None = stored(optional=True)

    @property
    def name(self) -> str:
        """`compress minilm × pydocs, seed 0`."""
        named = " × ".join(filter(None, (self.model, self.dataset)))
        return f"{self.command} {named}, seed {self.seed}"


class GridResult(Stored):
    """The cells in the order of the file; `comparison` is the folder of the run that compares them, `note` why none."""

    embgeo: str = ""
    command: str = ""
    cells: list[GridCell] = stored()
    comparison: str | None = None
    note: str | None = stored(optional=True)
