"""What a run is about, in a line: the names of its model and dataset, their sizes."""

from __future__ import annotations

from embgeo.reports.numbers import counted
from embgeo.results import Result


def title_of(name: object) -> str:
    """A stored name for a heading: of a path, its last part alone; "" without one."""
    scheme, colon, path = ("" if name is None else str(name)).rpartition("vectors:")
    tail = path.rstrip("/\\").replace("\\", "/").rpartition("/")[2]
    return f"{scheme}{colon}{tail}" if colon or path.startswith(("/", ".", "~")) else path


def corpus_line(result: Result) -> str:
    """`5,183 documents · 300 queries · 339 judgements · compared by cosine`."""
    corpus = result.dataset
    counts = (
        (corpus.documents, "document", "documents"),
        (corpus.queries, "query", "queries"),
        (corpus.qrels, "judgement", "judgements"),
    )
    parts = [counted(number, one, many) for number, one, many in counts if number is not None]
    if result.similarity:
        parts.append(f"compared by {result.similarity}")
    return " · ".join(parts)
