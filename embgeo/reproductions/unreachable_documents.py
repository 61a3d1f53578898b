"""Which documents no query reaches, and what tells them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from embgeo.limits.unreachable import unreachable
from embgeo.reproductions.mteb_scifact import SCIFACT, SciFact
from embgeo.reproductions.registry import near, reproduction
from embgeo.results.reproduce import Compared
from embgeo.retrieval.exact import exact_search


@reproduction(
    "unreachable-documents",
    title="Documents of SciFact in no top 100, told by how often other documents have one as a neighbour",
    source="idea of Rottach et al. 2025, a classifier of retrievability; numbers by embgeo",
    needs=SCIFACT,
    verdict="One feature, the k-occurrence among documents, tells as much as a classifier of eleven did (AUC .873): no "
    "classifier is needed.",
)
def unreachable_documents(data: Path) -> Iterator[Compared]:
    scifact = SciFact.stored(data)
    found = unreachable(scifact.embeddings, exact_search(scifact.embeddings, 100)[1])
    assert found is not None
    share, chance, auc = found.share, found.random_share, found.auc
    assert share is not None
    assert chance is not None
    assert auc is not None
    yield near("share of documents never retrieved", 0.0268, share, within=0.0005)
    yield near("the same for random retrieval", 0.0029, chance, within=0.0001)
    yield near("AUC of the k-occurrence", 0.874, auc, within=0.003)
