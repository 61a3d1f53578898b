"""Dataset: texts, queries and judgements as one value, independent of their source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from embgeo.files.digest import Digest
from embgeo.judgements import Judgements


@dataclass(frozen=True)
class Origin:
    """Where a dataset was read from.

    Attributes
    ----------
    facts : for the report (split, folder, revision, Python version); not fingerprinted.
    notes : the loader's own warnings; they come first.
    task : mteb task metadata for instruction-tuned encoders, when the dataset is an MTEB task.
    judgements : what the judgements were read from, for messages.
    """

    facts: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    task: object | None = None
    judgements: str = "the judgements"


@dataclass(frozen=True)
class Dataset:
    """A retrieval dataset in memory.

    Attributes
    ----------
    name : what the user typed and reports show (`pydocs`, a folder's name, an MTEB task).
    doc_ids, doc_texts : unique ids and the texts as they are encoded (title + " " + text, stripped); texts are None
        if precomputed vectors came with judgements only.
    query_ids, query_texts : the same for queries; only queries of the chosen split.
    judgements : checked against the ids (see `check_judgements`).
    warnings : on duplicates, empty texts, shared ids; judgement warnings are not repeated here.
    task, facts : as its `Origin` says.
    every_query : ids of the queries of all splits in file order; vectors of the whole file are aligned with them.
    """

    name: str
    doc_ids: Sequence[str]
    doc_texts: Sequence[str] | None
    query_ids: Sequence[str]
    query_texts: Sequence[str] | None
    judgements: Judgements
    warnings: tuple[str, ...] = ()
    task: object | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    every_query: Sequence[str] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over ids, texts and judgements in order: equal exactly when the data are."""
        digest = Digest()
        for group in (self.doc_ids, self.doc_texts or (), self.query_ids, self.query_texts or ()):
            digest.add(f"{len(group)}\n").add_texts(group)
        for query, judged in sorted(self.judgements.qrels.items()):
            digest.add(repr((query, sorted(judged.items()))))
        return digest.hex()
