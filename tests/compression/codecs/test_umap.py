"""UMAP as a reducer and as a layout of the map, in one file since the package takes seconds to be compiled."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.build import build_searcher
from embgeo.compression.search.store import load_store, write_store
from embgeo.embeddings import check_embeddings, normalise
from embgeo.errors import InputError, MissingExtraError
from embgeo.space.space_map import space_map


def groups(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).standard_normal((6, 24))
    label = rng.integers(0, 6, n)
    return normalise((centres[label] + 0.3 * rng.standard_normal((n, 24))).astype(np.float32)), label


def test_documents_that_were_not_fitted_on_find_their_own_group(tmp_path: Path) -> None:
    pytest.importorskip("umap", reason="needs the extra umap")
    X, _ = groups(200)
    whole = fit_codec(parse("umap4,f32"), Training(X, "cosine"))
    codec = whole.tiers[0]
    documents, label = groups(150, seed=1)
    Q, asked = groups(40, seed=2)
    codes = codec.encode(documents)
    assert codes.shape == (150, 16)
    # a batch of another size rounds its last bits, on some processors
    np.testing.assert_allclose(
        codec.decode(codes[:10]), codec.decode(codec.encode(documents[:10])), rtol=1e-3, atol=1e-3
    )
    scores, rows = build_searcher(whole, codes).search(Q, 10)
    assert np.mean(label[rows] == asked[:, None]) > 0.95
    # scores are minus squared distances in the layout
    places = codec.reducers[0].place(documents), codec.reducers[0].place(Q)
    exact = -((places[1][:, None] - places[0][rows]) ** 2).sum(axis=2)
    np.testing.assert_allclose(scores, exact, atol=2e-3)
    write_store(tmp_path / "s", whole, [codes], [str(i) for i in range(150)])
    np.testing.assert_array_equal(load_store(tmp_path / "s").codec.encode(documents), codes)


def test_the_layout_of_the_map_separates_groups() -> None:
    pytest.importorskip("umap", reason="needs umap-learn")
    X = np.random.default_rng(1).standard_normal((120, 6)).astype(np.float32) + np.repeat([[9], [-9]], 60, axis=0)
    points = space_map(check_embeddings(X.astype(np.float32), None, similarity="euclidean"), umap=True).layouts["umap"]
    near = np.linalg.norm(points[:, None] - points[None], axis=2).argsort(axis=1)[:, 1]
    assert ((near < 60) == (np.arange(120) < 60)).all()


def test_unsupported_input_is_refused_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    X, _ = groups(60)
    with pytest.raises(InputError, match="at least 80 documents"):
        fit_codec(parse("umap20,f32"), Training(X, "cosine")).tiers[0]
    with pytest.raises(InputError, match="needs cosine similarity; got dot"):
        fit_codec(parse("umap4,f32"), Training(X, "dot")).tiers[0]
    with pytest.raises(InputError, match="between 2 and 24"):
        parse("umap1,f32").code_bytes(24)
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingExtraError, match=r"embgeo\[umap\]"):
        fit_codec(parse("umap4,f32"), Training(X, "cosine")).tiers[0]
