"""What a run is about, in a line: the names of its model and dataset, their sizes."""

from __future__ import annotations

from embgeo.reports.numbers import counted
from embgeo.results import CompareResult, ReproduceResult, Result
from embgeo.results.compare import ComparedFacts


def title_of(name: object) -> str:
    """A stored name for a heading: only the last part of a path; "" without a name."""
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


def heading(found: Result) -> tuple[str, str, str]:
    """Model and dataset ("" if it has no name), and a line about the corpus; for a comparison those of all its runs."""
    if isinstance(found, ReproduceResult):
        return "Published results", "", "computed again by calling the library"
    if not isinstance(found, CompareResult):
        model, dataset = title_of(found.model.name), title_of(found.dataset.name)
        return model.removeprefix("vectors:") or "unnamed model", dataset, corpus_line(found)
    models = list(dict.fromkeys(map(model_of, found.runs)))
    datasets = dict.fromkeys(title_of(run.dataset) or "unnamed vectors" for run in found.runs)
    listed = " and ".join(filter(None, (", ".join(models[:-1]), *models[-1:])))
    return listed, ", ".join(datasets), f"{len(found.runs)} runs side by side, from stored results"


def model_of(run: ComparedFacts) -> str:
    """The model of a compared run, with what distinguishes it from others of its name."""
    return _with_variant(run, " ({})")


def run_names(result: CompareResult) -> dict[str, str]:
    """What the label of each compared run stands for; the dataset is named where they differ."""
    several = len({run.dataset for run in result.runs}) > 1
    named: dict[str, str] = {}
    for run in result.runs:
        data = f" on {title_of(run.dataset) or 'no dataset'}" if several else ""
        named.setdefault(run.label, _with_variant(run, ", {}") + data)
    return named


def _with_variant(run: ComparedFacts, variant: str) -> str:
    name = title_of(run.model).removeprefix("vectors:") or "vectors"
    return name + (variant.format(run.variant) if run.variant else "")
