"""`--device cuda` on a machine that has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from embgeo import api
from embgeo.cli.failures import run

WITHOUT = "embgeo: device 'cuda' needs a CUDA GPU and a CUDA build of torch; none was found. Use --device cpu.\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
@pytest.mark.parametrize("command", ["analyze", "compress", "search"])
def test_cuda_without_a_device_is_one_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)
    np.save("docs.npy", X)
    np.save("query.npy", X[0])
    words = [command, "vectors:docs.npy"]
    if command == "search":
        built = api.compress(docs=X, queries=X[:20], specs=["int8"], budget="100B", out=tmp_path / "runs", threads=1)
        words = [command, str(built.folder), "--vector", "query.npy"]
    capsys.readouterr()
    assert run([*words, "--device", "cuda", "--quiet"]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", WITHOUT)
