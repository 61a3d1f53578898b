"""Which columns of a judgement file hold the query, the document and the grade: found by name, in any order."""

from __future__ import annotations

import re
from collections.abc import Sequence

from embgeo.errors import DataError

# BEIR's own names, and the names that other tools use, in lower case and without `-`, `_` and spaces
NAMES = {
    "query-id": {"queryid", "qid", "query", "queryno", "topicid", "topic", "topicno", "questionid"},
    "corpus-id": {
        "corpusid", "docid", "docno", "doc", "did", "documentid", "document", "passageid", "pid", "passage",
        "paragraphid",
    },
    "score": {"score", "relevance", "rel", "grade", "label", "judgement", "judgment", "relevancescore", "qrel"},
}  # fmt: skip
KNOWN = frozenset[str]().union(*NAMES.values())


def name_columns(names: Sequence[str]) -> bool:
    """Whether any of the cells is a known column name."""
    return any(_plain(name) in KNOWN for name in names)


def find_columns(names: tuple[str, ...], where: str, what: str) -> tuple[int, int, int]:
    """Positions of query, document and grade among `names`; other columns (an index, an iteration) are ignored.

    If a file has all three of BEIR's own names, those are used. `where` (file and line) and `what` (column or key)
    are for the error message.

    Raises
    ------
    DataError
        One of the three is missing, or two columns could be the same one.
    """
    at = []
    for role, known in NAMES.items():
        found = [place for place, name in enumerate(names) if _plain(name) in known]
        if set(NAMES) <= set(names):
            found = [names.index(role)]
        if len(found) != 1:
            got = ", ".join(repr(name[:40]) for name in names[:8])
            fault = f"{role} is missing" if not found else " and ".join(repr(names[p]) for p in found) + " both match"
            raise DataError(
                f"{where}: judgements must have one {what} each for {', '.join(NAMES)} (or a common alias); "
                f"{fault} among {got}"
            )
        at.append(found[0])
    return at[0], at[1], at[2]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
