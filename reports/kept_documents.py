"""Ids and texts of documents by their row in the corpus, as far as a run stores them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from embgeo.run import Run


@dataclass(frozen=True)
class KeptDocuments:
    """`ids` by row; `texts` by id. A run stores all documents, or, of a large corpus, those that its report shows."""

    ids: Mapping[int, str]
    texts: Mapping[str, str]

    @classmethod
    def of(cls, run: Run, shown: np.ndarray) -> KeptDocuments:
        """`shown` are the rows that a run of a large corpus stores, in any order, −1 for none."""
        names = list(run.documents)
        documents = run.findings.dataset.documents
        rows = np.unique(shown[shown >= 0]).tolist()
        if len(names) != documents and len(names) == len(rows):
            return cls(dict(zip(rows, names, strict=True)), run.documents)
        return cls(dict(enumerate(names)), run.documents)

    def id(self, row: int) -> str:
        """The document's id, or `row 17` where the run does not say."""
        return self.ids.get(row, f"row {row}")

    def text(self, row: int) -> str:
        """The beginning of its text on one line, "" if the run stores none."""
        return one_line(self.texts.get(self.ids.get(row, ""), ""))


def one_line(text: str, longest: int | None = None) -> str:
    """`text` with every run of white space as one space, cut with an ellipsis at `longest` characters."""
    text = " ".join(text.split())
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…"
