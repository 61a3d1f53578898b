"""Building a `Dataset` from a loader's texts and judgements; empty texts, duplicates and the like are counted here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from embgeo.datasets.dataset import Dataset, Origin
from embgeo.errors import DataError
from embgeo.files.unicode import readable
from embgeo.judgements import Judgements, check_judgements

NO_ORIGIN = Origin()


def build_dataset(
    name: str,
    documents: Sequence[tuple[str, str | None]],
    queries: Sequence[tuple[str, str | None]],
    qrels: Mapping[str, Mapping[str, int]],
    origin: Origin = NO_ORIGIN,
    drop_own_document: bool = False,
) -> Dataset:
    """`Dataset` from (id, text) pairs; every document is kept, so that rows stay aligned with stored vectors.

    Queries that are not judged belong to other splits and are left out; without any judgements all stay. Lone
    surrogates in texts become U+FFFD (no tokenizer or file accepts them); all texts are None if only the ids of
    precomputed vectors are known.

    Raises
    ------
    DataError
        For an empty corpus and for ids that are empty, repeat, or hold NUL or lone surrogates.
    InputError
        Nothing can be measured with the judgements; see `check_judgements`.
    """
    if not documents:
        raise DataError(f"the corpus must hold at least one document; {name} has none")
    doc_ids, doc_texts, broken_documents = _columns(documents, "document", name)
    every_query = [query for query, _ in queries]
    judgements = check_judgements(qrels, doc_ids, every_query, drop_own_document, origin.judgements)
    kept = [(query, text) for query, text in queries if query in judgements.qrels] if qrels else queries
    query_ids, query_texts, broken_queries = _columns(kept, "query", name)
    warnings = [*origin.notes]
    for broken, what in ((broken_documents, "documents"), (broken_queries, "queries")):
        if broken:
            warnings.append(f"{broken} {what} hold lone surrogates; each surrogate is read as U+FFFD")
    warnings += text_warnings(doc_ids, doc_texts, query_ids, query_texts, judgements)
    texts = doc_ids, doc_texts, query_ids, query_texts
    return Dataset(name, *texts, judgements, tuple(warnings), origin.task, dict(origin.facts), every_query)


def text_warnings(
    doc_ids: Sequence[str],
    doc_texts: Sequence[str] | None,
    query_ids: Sequence[str],
    query_texts: Sequence[str] | None,
    judgements: Judgements,
) -> list[str]:
    """Warnings about empty and duplicate texts and shared ids."""
    warnings = []
    for ids, texts, what in ((doc_ids, doc_texts, "documents"), (query_ids, query_texts, "queries")):
        empty = [i for i, text in zip(ids, texts, strict=True) if not text.strip()] if texts is not None else []
        if empty:
            warnings.append(f"{len(empty)} of {len(ids)} {what} have no text, the first is {empty[0]!r}; they are kept")
    copies = _copies(doc_ids, doc_texts)
    if copies:
        judged = {doc for grades in judgements.qrels.values() for doc, grade in grades.items() if grade > 0}
        relevant = sum(doc in judged for doc in copies)
        warnings.append(
            f"{len(copies)} documents share their text with another, {relevant} of them are judged relevant; a copy "
            "that is not judged counts as a wrong answer"
        )
    repeated = _copies(query_ids, query_texts)
    if repeated:
        warnings.append(f"{len(repeated)} queries share their text with another")
    asked = set(query_ids)
    shared = {name for name in doc_ids if name in asked}
    if shared:
        first = next(query for query in query_ids if query in shared)
        own = (
            "each query's own document is dropped from its results"
            if judgements.drop_own_document
            else "a query's own document stays in its results, as in MTEB, unless --drop-own-document is set"
        )
        warnings.append(f"{len(shared)} ids name both a query and a document, the first is {first!r}; {own}")
    return warnings


def id_fault(name: str) -> str | None:
    """Why `name` cannot be an id, or None: ids go into files, C strings and result tables."""
    if not name:
        return "is empty"
    if "\0" in name:
        return "holds a NUL character"
    return "holds a lone surrogate" if readable(name) != name else None


class _WithoutTexts(Sequence[tuple[str, str | None]]):
    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: Any) -> Any:
        return [(name, None) for name in self.ids[row]] if isinstance(row, slice) else (self.ids[row], None)

    def __iter__(self) -> Iterator[tuple[str, str | None]]:
        return ((name, None) for name in self.ids)


def without_texts(ids: Sequence[str]) -> Sequence[tuple[str, str | None]]:
    """(id, None) pairs of ids whose texts are unknown, made when they are asked for."""
    return _WithoutTexts(ids)


def _columns(
    rows: Sequence[tuple[str, str | None]], what: str, where: str
) -> tuple[Sequence[str], list[str] | None, int]:
    """Ids, texts without lone surrogates (None if they are unknown), and the number of texts that had some."""
    alone = isinstance(rows, _WithoutTexts)  # ids of vectors, checked with them: no copy and no set of them is made
    ids: list[str] = []
    texts: list[str] = []
    seen: set[str] = set()
    broken = 0
    for name, text in rows:
        if fault := id_fault(name):
            raise DataError(f"{what} ids must be plain unique strings; id {name!r} of {where} {fault}")
        if alone:
            continue
        if name in seen:
            raise DataError(f"{what} ids must be unique; {name!r} of {where} repeats")
        seen.add(name)
        ids.append(name)
        if text is None:
            continue
        texts.append(readable(text))
        broken += texts[-1] != text
    if isinstance(rows, _WithoutTexts):
        return rows.ids, None, 0
    return ids, texts if len(texts) == len(ids) else None, broken


def _copies(ids: Sequence[str], texts: Sequence[str] | None) -> list[str]:
    """Ids of all non-empty texts that occur more than once."""
    if texts is None:
        return []
    counts = Counter(texts)
    return [i for i, text in zip(ids, texts, strict=True) if counts[text] > 1 and text.strip()]
