"""A measure that takes its time, for EMBGEO_PLUGINS: so that a test can end a process in the middle of a run.

Of vectors in `N.npy`, N the number of documents, it writes N and its process to the file `tasks` of the working
directory, then waits while there is a file `wait-N`. Subsamples, of which intervals are made, take no time.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from embgeo.metrics.registry import Reading, measure
from embgeo.space.space import Space


@measure(
    "slow_count",
    family="slow",
    summary="The number of documents, planted by a test.",
    range=(0.0, float("inf")),
    better="neither",
    invariances={"rotation", "row_order"},
    cost="1",
    source="nobody",
)
def slow_count(space: Space) -> Reading:
    """The number of documents."""
    if Path(f"{space.n}.npy").exists():
        with Path("tasks").open("a") as tasks:
            tasks.write(f"{space.n} {os.getpid()}\n")
    while Path(f"wait-{space.n}").exists():
        time.sleep(0.05)
    return Reading(float(space.n))
