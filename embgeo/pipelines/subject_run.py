"""What the runs of `analyze` and `compress` store about their subject."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from embgeo.environment import environment
from embgeo.requests import SubjectRequest
from embgeo.scale.engine import Engine
from embgeo.scale.texts import spread_encoder
from embgeo.sources.subject import Loader, Subject, loaded_here

MAX_TEXTS = 50_000  # of a larger corpus only the texts of documents that the report shows are stored
Texts = Iterable[tuple[str, str]] | None


def facts(command: str, request: SubjectRequest, model: str, subject: Subject, threads: int) -> dict[str, Any]:
    """What the result says about its origin; JSON values."""
    return {
        "command": command,
        **({} if request.config is None else {"config": dict(request.config)}),
        "model": subject.model,
        "dataset": subject.dataset,
        "similarity": subject.embeddings.similarity,
        "request": request.stored(model),
        "environment": environment(threads),
    }


def loader(engine: Engine) -> Loader:
    """What loads the model of a run whose texts are encoded by `engine`."""
    return loaded_here if engine.name == "local" else partial(spread_encoder, engine)


def texts(subject: Subject, shown: np.ndarray) -> tuple[Texts, Texts]:
    """(id, text) of documents and of queries for the run; `shown` are the rows that its report shows, −1 is none."""
    e = subject.embeddings
    queries = None if subject.query_texts is None else zip(e.query_ids, subject.query_texts, strict=True)
    if subject.doc_texts is None:
        return None, queries
    rows = range(len(e)) if len(e) <= MAX_TEXTS else np.unique(shown[shown >= 0]).tolist()
    return ((e.doc_ids[row], subject.doc_texts[row]) for row in rows), queries
