"""The same numbers of MTEB from the texts, encoded here by the packaged model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from embgeo.datasets.beir import load_beir
from embgeo.encoders.cache import encode_texts
from embgeo.encoders.resolve import resolve_encoder
from embgeo.files.cache_folder import cache_directory
from embgeo.reproductions.mteb_scifact import TEXTS, SciFact, scores
from embgeo.reproductions.registry import reproduction
from embgeo.results.reproduce import Compared


@reproduction(
    "mteb-scifact-texts",
    title="SciFact encoded here by the packaged all-MiniLM-L6-v2, and exact search",
    source="MTEB, results of sentence-transformers/all-MiniLM-L6-v2 on SciFact",
    needs=TEXTS,
    slow=True,
)
def mteb_scifact_texts(data: Path) -> Iterator[Compared]:
    dataset, encoder = load_beir(data / "scifact"), resolve_encoder("minilm")
    docs = encode_texts(encoder, dataset.doc_texts or (), "document", cache_directory())
    queries = encode_texts(encoder, dataset.query_texts or (), "query", cache_directory())
    yield from scores(SciFact.of(data, np.asarray(docs), np.asarray(queries)))
