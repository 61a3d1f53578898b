"""Judgements: which documents answer which query."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from embgeo.errors import InputError

LARGEST_GRADE = 100_000  # the evaluation library keeps a count for every grade up to the largest
ID_FORMS: Mapping[str, Callable[[str], str]] = {
    "Unicode form (NFC or NFD)": lambda name: unicodedata.normalize("NFC", name),
    "surrounding space": str.strip,
    "upper and lower case": str.casefold,
    "Unicode form, case and surrounding space": lambda name: unicodedata.normalize("NFC", name).casefold().strip(),
}


@dataclass(frozen=True)
class Judgements:
    """Relevance judgements of a dataset.

    Attributes
    ----------
    qrels : {query id: {document id: grade}}; grades are integers, relevant when > 0.
    warnings : on queries without judgements and judgements of unknown ids.
    drop_own_document : remove from a query's results the document whose id equals the query's (off, as in MTEB).
    """

    qrels: Mapping[str, Mapping[str, int]]
    warnings: tuple[str, ...] = ()
    drop_own_document: bool = False

    def __len__(self) -> int:
        return sum(len(judged) for judged in self.qrels.values())

    @property
    def judged_queries(self) -> list[str]:
        """Query ids with at least one relevant document, in qrels order: the queries that quality is averaged over."""
        return [query for query, judged in self.qrels.items() if any(grade > 0 for grade in judged.values())]


def check_judgements(
    qrels: Mapping[str, Mapping[str, int]],
    doc_ids: Collection[str],
    query_ids: Iterable[str],
    drop_own_document: bool = False,
    source: str = "the judgements",
) -> Judgements:
    """Match judgements with the ids that exist, and report in `warnings` what does not match.

    Judgements of unknown queries are dropped. Judgements of unknown documents are kept, as trec_eval does: such a
    document can never be retrieved, so it lowers nDCG and recall, and the warning says how many there are.

    Parameters
    ----------
    qrels : {query id: {document id: grade}}; ids are compared as strings, grades are whole numbers.
    source : what the judgements were read from, for the messages.

    Raises
    ------
    InputError
        A grade is not a whole number within ±100,000; or there are judgements and nothing can be measured with them:
        no query is judged, no judgement is above 0, or no relevant document is in the corpus.
    """
    queries = set(query_ids)
    given = {str(query): _grades(query, judged) for query, judged in qrels.items()}
    kept = {query: judged for query, judged in given.items() if query in queries}
    unknown_queries = given.keys() - kept.keys()
    if given and not kept:
        raise InputError(
            f"none of the queries is judged in {source}; the first judged id is {next(iter(given))!r}. "
            + (how_ids_differ(unknown_queries, queries) or "Do judgements and queries belong together?")
        )
    judged_documents = {doc for judged in kept.values() for doc in judged}
    known = {doc for doc in doc_ids if doc in judged_documents}  # the ids of a large corpus are not kept as a set
    _check_relevant(kept, known, doc_ids, source)
    unknown_documents = [doc for judged in kept.values() for doc in judged if doc not in known]
    warnings = []
    if unknown_queries:
        left_out = "query is not" if len(unknown_queries) == 1 else "queries are not"
        were = "was" if len(unknown_queries) == 1 else "were"
        warning = f"{len(unknown_queries)} judged {left_out} among the queries and {were} left out"
        warnings.append("; ".join(filter(None, [warning, how_ids_differ(unknown_queries, queries)])))
    if unknown_documents:
        warning = (
            f"{len(unknown_documents)} of {sum(map(len, kept.values()))} judgements are of documents that are not in "
            "the corpus; they count as never retrieved"
        )
        warnings.append("; ".join(filter(None, [warning, how_ids_differ(unknown_documents, doc_ids)])))
    unjudged = len(kept) - len(Judgements(kept).judged_queries)
    if unjudged:
        warnings.append(f"{unjudged} of {len(kept)} judged queries have no relevant document and are not averaged")
    return Judgements(kept, tuple(warnings), drop_own_document)


def how_ids_differ(unknown: Iterable[str], known: Collection[str]) -> str:
    """A sentence on the one way in which unknown ids differ from existing ones; "" if none of them is that similar."""
    missing = set(unknown)
    for difference, form in ID_FORMS.items():
        forms = [form(name) for name in missing]
        wanted = set(forms)
        alike = {shape for name in known if (shape := form(name)) in wanted}
        count = sum(shape in alike for shape in forms)
        if count:
            return f"{count} of these ids differ from existing ones only in {difference}: spell them the same way"
    return ""


def _check_relevant(
    qrels: Mapping[str, Mapping[str, int]], known: set[str], documents: Collection[str], source: str
) -> None:
    """Refuse judgements under which every ranking has quality 0; `known` are the judged ones among `documents`."""
    relevant = [doc for judged in qrels.values() for doc, grade in judged.items() if grade > 0]
    if qrels and not relevant:
        raise InputError(
            f"at least one judgement must be above 0 (relevant); {source} judges {len(qrels)} of the queries, none > 0"
        )
    if relevant and known.isdisjoint(relevant):
        raise InputError(
            f"no relevant document of {source} is in the corpus (0 of {len(set(relevant))}); the first is "
            f"{relevant[0]!r}. " + (how_ids_differ(relevant, documents) or "Do judgements and corpus belong together?")
        )


def _grades(query: object, judged: Mapping[str, int]) -> dict[str, int]:
    """One query's grades by document id; `1.0` is a whole number, `0.5` is not."""
    grades = {}
    for document, grade in judged.items():
        try:
            whole = int(grade)
        except (TypeError, ValueError, OverflowError):
            whole = None
        if whole is None or whole != grade or abs(whole) > LARGEST_GRADE:
            raise InputError(
                f"a grade must be a whole number within ±{LARGEST_GRADE}; query {query!r} and document {document!r} "
                f"have {grade!r}"
            )
        grades[str(document)] = whole
    return grades
