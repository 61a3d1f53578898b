"""What `analyze` and `compress` share: the subject that a request names, and what their runs keep of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from embgeo.environment import environment
from embgeo.progress import Progress
from embgeo.requests import SubjectRequest
from embgeo.sources.subject import Arrays, Subject, load_subject, named_or_arrays

MAX_TEXTS = 50_000  # of a larger corpus only the texts of documents that the report shows are kept
Texts = Iterable[tuple[str, str]] | None


@dataclass(frozen=True)
class Origin:
    """The name of what a run is about, and the arrays where it was given as such."""

    model: str
    arrays: Arrays | None

    @classmethod
    def by(cls, request: SubjectRequest) -> Origin:
        """Raises InputError unless documents come from exactly one place."""
        r = request
        return cls(*named_or_arrays(r.model, r.docs, r.queries, r.doc_ids, r.query_ids, r.qrels))

    def load(
        self,
        request: SubjectRequest,
        progress: Progress,
        *,
        tokens: bool = False,
        check: Callable[[int, int], None] = lambda dimension, documents: None,
    ) -> Subject:
        """The vectors, encoded where the model reads texts; see `load_subject`."""
        return load_subject(
            self.model,
            request.dataset,
            similarity=request.similarity,
            queries_vectors=request.queries_vectors,
            split=request.split,
            drop_own_document=request.drop_own_document,
            encoder=request.encoder_options,
            arrays=self.arrays,
            progress=progress,
            tokens=tokens,
            check=check,
        )


def facts(command: str, request: SubjectRequest, model: str, subject: Subject, threads: int) -> dict[str, Any]:
    """What the result says of where it comes from; JSON values."""
    return {
        "command": command,
        **({} if request.config is None else {"config": dict(request.config)}),
        "model": subject.model,
        "dataset": subject.dataset,
        "similarity": subject.embeddings.similarity,
        "request": request.stored(model),
        "environment": environment(threads),
    }


def texts(subject: Subject, shown: np.ndarray) -> tuple[Texts, Texts]:
    """(id, text) of documents and of queries for the run; `shown` are the rows that its report shows, −1 is none."""
    e = subject.embeddings
    queries = None if subject.query_texts is None else zip(e.query_ids, subject.query_texts, strict=True)
    if subject.doc_texts is None:
        return None, queries
    rows = range(len(e)) if len(e) <= MAX_TEXTS else np.unique(shown[shown >= 0]).tolist()
    return ((e.doc_ids[row], subject.doc_texts[row]) for row in rows), queries
