"""What a sweep will take: said before it starts, and kept to where --time limits it."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embgeo.compression.choosing.costs import spec_cost
from embgeo.compression.codecs.cost import PRODUCT
from embgeo.compression.codecs.spec import Spec
from embgeo.compression.judging.finding import Finding
from embgeo.compression.judging.folds import DIRECT
from embgeo.compression.judging.sweep import Sweep
from embgeo.compression.judging.task import DEPTH, SweepInput
from embgeo.compression.racing.elimination import FINALISTS
from embgeo.compression.racing.samples import Sizes
from embgeo.embeddings import Embeddings
from embgeo.errors import InputError
from embgeo.progress import duration_text
from embgeo.retrieval.exact import score
from embgeo.retrieval.top_k import TopK

MEASURED_ROWS = 8192
DECODING = 1.6  # passes of exact search that ranking by a codec takes: decoded, multiplied, merged
# fits, and encodings of all documents, that judge a spec: by its shipped codec; on a corpus that is not large also by
# those of two folds of five, on 4/5 of the rows each; by those of every fold, as changes of the metric are
SHIPPED, TWO_FOLDS, EVERY_FOLD = (1.0, 1.0), (2.6, 1.4), (5.0, 2.0)
FOLDED_PASSES = 3  # ranked out of sample, as built, and timed
PREDICTED = 0.8  # different reducers of predicted specs for one that is listed
PREDICTION_ROWS = 2900
STORE_PASSES = 4  # side effects of the built store, and writing it
RACED = 0.5  # share of the limit for the first sample
UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600}


def parse_time(text: str) -> float:
    """`90s`, `10m`, `2h` → seconds. Raises InputError."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(s|m|min|h)\s*", text)
    seconds = float(match[1]) * UNITS[match[2]] if match else 0.0
    if not 0 < seconds < 1e9:
        number = re.fullmatch(r"\s*[0-9]+\s*", text)
        raise InputError(
            f"--time must be a positive time such as 90s, 10m or 2h; got {text!r}"
            + (f". Did you mean {text.strip()}s?" if number else "")
        )
    return seconds


@dataclass(frozen=True)
class Outline:
    """What a sweep will do.

    Attributes
    ----------
    documents : of the corpus.
    specs : how many are evaluated first.
    stages : the sizes of samples, so far as they are known; none if all specs are evaluated on all documents.
    seconds : that it will take, about.
    limit : in seconds, or None.
    """

    documents: int
    specs: int
    stages: list[int]
    seconds: float
    limit: float | None

    @property
    def sentence(self) -> str:
        """What will be done, and how long it will take."""
        text, left = "", self.specs
        for number, size in enumerate(self.stages):
            most = "" if number == 0 else "at most "
            text += f"{most}{left} specs on {size:,} documents, "
            left = most_kept(left, last=number + 1 == len(self.stages))
        many = f"at most {min(left, FINALISTS)}" if self.stages else f"{self.specs} spec{'s' if self.specs > 1 else ''}"
        limit = "" if self.limit is None else f", limited to {duration_text(self.limit)}"
        return f"{text}{many} on all {self.documents:,}; about {duration_text(self.seconds)}{limit}"

    def account(self, seconds: float) -> str:
        """The same afterwards, with how far off it was."""
        off = 100 * (seconds / max(self.seconds, 1e-9) - 1)
        return f"{self.sentence}. It took {duration_text(seconds)} ({abs(off):.0f} % {'more' if off > 0 else 'less'})"


def most_kept(specs: int, last: bool, growth: int = Sizes.growth) -> int:
    """How many of `specs` go on to the next sample, so that no stage takes longer than the one before."""
    return FINALISTS if last else max(FINALISTS, -(-specs // growth))


def outline(given: SweepInput, specs: Sequence[Spec], sizes: Sizes, staged: bool, limit: float | None) -> Outline:
    """What a sweep of `specs` will take, from the pace of an exact search of a few documents and the parts' costs."""
    documents, dimension = len(given.embeddings), given.embeddings.dimension
    stages = sizes.stages(documents, 0, dimension) if staged else []
    pace = _pass_seconds(given.embeddings)
    # moments and projections of the fit sample, or of what stands in for it in a prediction
    fitting = PRODUCT * dimension**2
    seconds = documents * pace * (1 + STORE_PASSES) + PREDICTED * len(specs) * fitting * PREDICTION_ROWS
    counts, left = [], len(specs)
    for number, size in enumerate(stages):
        counts.append((left, size))
        left = most_kept(left, last=number + 1 == len(stages))
    folded = not staged and documents <= DIRECT * sizes.fit_rows
    for count, rows in [*counts, (left, documents)]:
        passes = DECODING * pace * rows * (FOLDED_PASSES if folded else 1)
        common, work = fitting * min(documents, sizes.fit_rows), 0.0
        for spec in specs:
            cost = spec_cost(spec, rows, dimension, sizes.fit_rows)
            fits, encodings = EVERY_FOLD if spec.own_metric else TWO_FOLDS if folded else SHIPPED
            work += fits * (cost.fit + common) + encodings * cost.encode
        seconds += count * (passes + work / max(1, len(specs))) + pace * rows
    return Outline(documents, len(specs), stages, seconds, limit)


def _pass_seconds(embeddings: Embeddings) -> float:
    """Seconds to score a document for all queries and keep the best."""
    block, Q = embeddings.rows(slice(0, MEASURED_ROWS)), embeddings.query_matrix()
    best, taken = TopK.empty(len(Q), DEPTH), []
    for again in range(3):  # the first compiles and fills the lists, as the first block of a corpus does
        started = time.perf_counter()
        best.merge(score(Q, block, embeddings.similarity), np.arange(len(block)) + again * len(block))
        taken.append(time.perf_counter() - started)
    return min(taken) / len(block)


@dataclass
class Clock:
    """The time of a race: what is left of its limit, and what stages so far say of those to come."""

    limit: float | None
    started: float
    per_row: float = 0.0

    @property
    def deadline(self) -> float:
        """By which specs of the first sample must have begun."""
        return float("inf") if self.limit is None else self.started + RACED * self.limit

    def learn(self, swept: Sweep, seconds: float) -> None:
        """Note what the sweep of a sample took for each document and spec, without the fits."""
        fits = sum(one.fit_seconds for one in swept.all)
        self.per_row = max(seconds - fits, 0.0) / (len(swept.all) * swept.documents)

    def affords(self, found: Sequence[Finding], documents: int, rest: float = 0.0) -> bool:
        """Whether there is time to judge these specs on so many documents, and `rest` seconds more."""
        if self.limit is None:
            return True
        return time.monotonic() - self.started + self.needs(found, documents) + rest <= self.limit

    def needs(self, found: Sequence[Finding], documents: int) -> float:
        """Seconds to fit these specs, and to rank documents by them and by float32."""
        return sum(one.fit_seconds for one in found) + (len(found) + 1) * documents * self.per_row
