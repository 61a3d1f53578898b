"""A store of vectors in one file: three rows for every letter of the place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from embgeo.sources.texts import TextColumn
from embgeo.sources.vector_stores import StoredRows, vector_store


@vector_store("letters", form="WORD")
def open_letters(place: str, text: TextColumn) -> Iterator[StoredRows]:
    if not place.isalpha():
        raise ValueError("no word")
    blocks = (
        ([f"{number}{letter}{row}" for row in range(3)], np.eye(3, 4, dtype=np.float32) + ord(letter) + number)
        for number, letter in enumerate(place)
    )
    yield StoredRows(3 * len(place), 4, blocks)
