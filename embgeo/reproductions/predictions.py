"""How far off recall is that was predicted from the spectrum, and recall forecast from a part of the corpus."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from embgeo.compression.choosing.forecast import forecast
from embgeo.compression.choosing.grid import default_specs
from embgeo.compression.choosing.prediction import Prediction
from embgeo.compression.judging.sweep import Sweep, sweep
from embgeo.compression.judging.task import SweepInput
from embgeo.progress import silent
from embgeo.reproductions.mteb_scifact import SCIFACT, SciFact
from embgeo.reproductions.registry import at_most, near, reproduction
from embgeo.results.reproduce import Compared


@reproduction(
    "spectrum-prediction",
    title="Recall@10 of the default codecs, predicted from the spectrum before any search, SciFact × MiniLM",
    source="embgeo",
    needs=SCIFACT,
    slow=True,
    verdict="The spectrum and the mean norm tell which codecs are worth running where most neighbours are kept; where "
    "much is lost, real corpora lose less than predicted.",
)
def spectrum_prediction(data: Path) -> Iterator[Compared]:
    scifact, swept = _swept(data)
    specs = [each.spec for each in swept.outcomes]
    predicted = Prediction.of(scifact.embeddings, specs, [], 0, silent)
    account = predicted.account({each.spec: float(each.recall.mean()) for each in swept.outcomes})
    assert account.mean_absolute_error is not None
    assert account.mean_absolute_error_high_recall is not None
    yield at_most("mean absolute error", 0.06, account.mean_absolute_error)
    yield at_most("mean absolute error, recall of .7 and more", 0.03, account.mean_absolute_error_high_recall)


@reproduction(
    "recall-forecast",
    title="Recall@10 of the default codecs, forecast from a quarter and a sixteenth of SciFact × MiniLM",
    source="embgeo",
    needs=SCIFACT,
    slow=True,
)
def recall_forecast(data: Path) -> Iterator[Compared]:
    scifact, swept = _swept(data)
    held = scifact.embeddings
    found = forecast(swept, held, scifact.bootstrap, 4 * len(held), (scifact.evaluator.query_rows, False))
    for times, published in (("4", 0.007), ("16", 0.009)):
        error = (found.errors or {})[times]
        yield near(f"mean absolute error, {times} times the evidence", published, error, within=0.003)


@lru_cache(maxsize=1)
def _swept(data: Path) -> tuple[SciFact, Sweep]:
    """The default codecs on SciFact, once for both entries."""
    scifact = SciFact.stored(data)
    specs = [spec for spec in default_specs(scifact.embeddings.dimension) if spec.index is None]
    return scifact, sweep(SweepInput(scifact.embeddings, scifact.evaluator), specs)
