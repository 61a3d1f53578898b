"""Stores and runs that embgeo 0.1.0 wrote answer as they did then.

`tests/data/stores-0.1.0.tar.xz` holds a store of every registered part of that version, over 300 made-up documents,
and what its `embgeo.search` answered to three queries: written on x86-64 at the commit before the codecs were rebuilt.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

import embgeo

ARCHIVE = Path(__file__).parents[1] / "data" / "stores-0.1.0.tar.xz"
with tarfile.open(ARCHIVE) as archive:
    NAMES = sorted(name.removesuffix(".safetensors") for name in archive.getnames() if name.endswith(".safetensors"))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_store_of_the_first_version_answers_as_it_did(stored: Path, tmp_path: Path, name: str) -> None:
    kept = json.loads((stored / "answers.json").read_text(encoding="utf-8"))[name]
    shutil.copy(stored / kept["run"], tmp_path / "run.json")
    shutil.copy(stored / f"{name}.safetensors", tmp_path / "store.safetensors")
    for query, then in zip(np.load(stored / kept["queries"]), kept["hits"], strict=True):
        now = {hit.id: hit.score for hit in embgeo.search(tmp_path, vector=query, k=len(then))}
        np.testing.assert_allclose(list(now.values()), list(then.values()), rtol=1e-4, atol=1e-5)
        # documents with equal scores may be in either order, or replace each other at the end
        unlike = set(now) ^ set(then)
        last = min(then.values())
        assert all(abs((now | then)[doc] - last) < 1e-4 * (1 + abs(last)) for doc in unlike)
