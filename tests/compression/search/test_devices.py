"""A GPU finds what the CPU finds. The torch code runs on torch's CPU device here, and on CUDA where there is one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from oracles.codec_makers import D, alike, cloud, written

from embgeo.compression.codecs.codec import Codec, fit_codec
from embgeo.compression.codecs.part import QUANTIZERS, load_parts
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search import on_faiss, on_torch, torch_codes
from embgeo.compression.search.build import build_searcher, build_structure
from embgeo.compression.search.on_torch import TorchSearcher, largest
from embgeo.compression.search.torch_codes import DeviceCodes, Narrow, Rough
from embgeo.errors import InputError

load_parts()
N, M, K = 500, 21, 10
DEVICES = [
    "torch",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")),
]
SIMILARITIES = ("cosine", "dot", "euclidean")
NARROW = {"int8": "int8", "int8sym": "int8", "binary": "int8", "hamming": "int8", "int4": "int8", "rabitq1": "int8"}
NARROW |= {"lvq4": "int8", "fp8": "float8_e4m3fn", "fp8e5m2": "float8_e5m2"}
TABLES = ("tq3", "eden2", "adaptive@9B", "trellis@9B", "fp4b16", "pq6", "pq6x4", "pq4x4", "rq2", "ternary", "rabitq9")
SPECS = list(
    dict.fromkeys(
        [*(alike(written(entry, D)) for entry in QUANTIZERS.values()), *NARROW, *TABLES, "pcac13,tq4", "f16+f32@3"]
    )
)


@cache
def stored(text: str, similarity: str) -> tuple[Codec, np.ndarray]:
    X = cloud(N, similarity=similarity)
    codec = fit_codec(parse(text), Training(X, similarity).learning_from(queries(similarity)))
    return codec, codec.encode(X)


def queries(similarity: str) -> np.ndarray:
    return cloud(M, seed=5, similarity=similarity)


def alike_up_to_ties(found: tuple[np.ndarray, np.ndarray], expected: tuple[np.ndarray, np.ndarray]) -> None:
    """Equal scores, and equal ids but for scores that are equal up to rounding."""
    (scores, rows), (true, ids) = found, expected
    assert rows.shape == ids.shape
    np.testing.assert_array_equal(rows < 0, ids < 0)
    kept = np.isfinite(true)
    tolerance = 1e-5 * max(1.0, float(np.abs(true[kept]).max()))
    np.testing.assert_allclose(scores, true, atol=tolerance, rtol=0)
    for mine, others, values in zip(rows, ids, true, strict=True):
        assert len(set(mine[mine >= 0])) == (mine >= 0).sum()
        apart = np.diff(values[np.isfinite(values)], prepend=np.inf) < -2 * tolerance
        alone = np.flatnonzero(apart[:-1] & apart[1:])  # the last one may tie with what comes after
        np.testing.assert_array_equal(mine[alone], others[alone])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("text", SPECS)
def test_every_codec_finds_what_the_cpu_finds(text: str, similarity: str, device: str) -> None:
    codec, codes = stored(text, similarity)
    Q = queries(similarity)
    for rows, k in ((N, K), (7, 12), (1, 3), (N, N)):
        here, there = build_searcher(codec, codes[:rows]), build_searcher(codec, codes[:rows], device)
        alike_up_to_ties(there.search(Q, k), here.search(Q, k))
        alike_up_to_ties(there.search(Q[:1], k), here.search(Q[:1], k))


@pytest.mark.parametrize("device", DEVICES)
def test_the_arithmetic_of_published_studies_has_a_path(device: str) -> None:
    codec, codes = stored("int8,score=centred", "cosine")
    expected = build_searcher(codec, codes).search(queries("cosine"), K)
    alike_up_to_ties(build_searcher(codec, codes, device).search(queries("cosine"), K), expected)


def on_device(text: str, similarity: str = "cosine") -> TorchSearcher:
    codec, codes = stored(text, similarity)
    return TorchSearcher(codec.tiers[0], codes, "cpu")


@pytest.mark.parametrize("text", [*NARROW, *TABLES])
def test_numbers_of_a_byte_are_multiplied_as_they_are(text: str) -> None:
    searcher = on_device(text)
    how = f"{NARROW[text]} products, rescored" if text in NARROW else "decode by block"
    assert searcher.name == f"torch cpu, {how}"
    narrow = searcher.codes.narrow
    if narrow is None:
        return
    A = torch.tensor(searcher.codes.ask(searcher.tier.queries(queries("cosine"))[0])[0])
    rough, exact = narrow.ask(A, searcher.codes), A @ searcher.codes[:N].T
    assert ((rough.base + rough.unit * rough.products(0, N) - exact).abs() <= rough.error).all()
    assert (rough.error < 0.02 * exact.std(1, keepdim=True)).all(), "it rules out nearly all rows"


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize(
    "text", ["f16", "int8", "rabitq4", "fp4b16", "adaptive@9B", "pq6", "rq2", "fp8", "trellis@9B", "rabitq9"]
)
@pytest.mark.parametrize("fits", [True, False])
def test_blocks_and_codes_that_do_not_fit_change_nothing(
    text: str, similarity: str, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = on_device(text, similarity).search(queries(similarity), K)
    monkeypatch.setattr(torch_codes, "BLOCK_ROWS", 96)
    monkeypatch.setattr(on_torch, "MIN_BLOCK", 96)
    monkeypatch.setattr(on_torch, "AREA", 1)
    monkeypatch.setattr(on_torch, "QUERY_BLOCK", 5)
    monkeypatch.setattr(on_torch, "RESCORED", 1000)
    monkeypatch.setattr(torch_codes, "free_bytes", lambda device: 1e9 if fits else 100)
    searcher = on_device(text, similarity)
    assert (searcher.codes.rows.held is not None) == (fits and text != "rabitq9")
    alike_up_to_ties(searcher.search(queries(similarity), K), whole)


@pytest.mark.parametrize("narrow", [True, False])
def test_equal_scores_are_in_row_order(narrow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hamming distances are whole numbers, so that hundreds tie, also beyond the candidates of narrow products."""
    monkeypatch.setattr(torch_codes, "BLOCK_ROWS", 96)
    monkeypatch.setattr(on_torch, "MIN_BLOCK", 96)
    monkeypatch.setattr(on_torch, "AREA", 1)
    monkeypatch.setattr(on_torch, "OVERSAMPLING", 1)
    codec, codes = stored("hamming", "cosine")
    searcher, unsure, products = on_device("hamming"), [], TorchSearcher._all_products
    monkeypatch.setattr(
        TorchSearcher, "_all_products", lambda self, A, k: (unsure.append(len(A)), products(self, A, k))[1]
    )
    if not narrow:
        searcher.codes.narrow = None
    Q = queries("cosine")
    for k in (1, K, 130):
        exact = codec.queries(Q)[0] @ codec.decode(codes).T
        np.testing.assert_array_equal(searcher.search(Q, k)[1], np.argsort(-exact, axis=1, kind="stable")[:, :k])
    assert unsure[-1] > M // 2


def test_the_largest_are_the_first_of_equal_ones() -> None:
    scores = torch.from_numpy(np.random.default_rng(0).integers(0, 3, (40, 200)).astype(np.float32))
    for k in (0, 1, 7, 199, 200, 300):
        expected = np.sort(np.argsort(-scores.numpy(), axis=1, kind="stable")[:, :k], axis=1)
        np.testing.assert_array_equal(largest(scores, k).numpy(), expected)


@pytest.mark.parametrize("wrong", ["refused", "other numbers"])
@pytest.mark.parametrize(("text", "product"), [("fp8", "_scaled_mm"), ("int8", "_int_mm")])
def test_a_device_without_right_narrow_products_decodes(
    text: str, product: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = on_device(text).search(queries("cosine"), K)
    honest = getattr(torch, product)

    def instead(*given: torch.Tensor, **named: object) -> torch.Tensor:
        if wrong == "refused":
            raise RuntimeError("needs compute capability 8.9")
        return honest(*given, **named) * 2

    monkeypatch.setattr(torch, product, instead)
    searcher = on_device(text)
    assert searcher.name == "torch cpu, decode by block"
    alike_up_to_ties(searcher.search(queries("cosine"), K), expected)


def test_a_narrow_search_without_its_bound_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signs of the queries and no allowance for what they leave out."""
    codec, codes = stored("int8", "cosine")
    expected = build_searcher(codec, codes).search(queries("cosine"), K)
    monkeypatch.setattr(on_torch, "MIN_CANDIDATES", K)
    monkeypatch.setattr(on_torch, "OVERSAMPLING", 1)
    searcher = on_device("int8")
    ask = Narrow.ask

    def coarse(bound: float) -> Callable[[Narrow, torch.Tensor, DeviceCodes], Rough]:
        def asked(self: Narrow, A: torch.Tensor, codes: DeviceCodes) -> Rough:
            rough = ask(self, torch.sign(A), codes)
            return replace(rough, error=rough.error + bound)

        return asked

    monkeypatch.setattr(Narrow, "ask", coarse(10.0))
    alike_up_to_ties(searcher.search(queries("cosine"), K), expected)
    monkeypatch.setattr(Narrow, "ask", coarse(-1e9))
    with pytest.raises(AssertionError):
        alike_up_to_ties(searcher.search(queries("cosine"), K), expected)


def test_a_full_device_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    searcher = on_device("tq4")
    monkeypatch.setattr(TorchSearcher, "_search", full)
    with pytest.raises(InputError, match=re.escape("search on cpu needs more memory than is free there")):
        searcher.search(queries("cosine"), K)
    monkeypatch.setattr(on_torch, "device_codes", full)
    with pytest.raises(InputError, match="--device cpu"):
        on_device("tq4")


def test_products_are_of_full_precision() -> None:
    seen = []
    searcher = on_device("tq4")
    decode = searcher.codes.decode
    searcher.codes.decode = lambda *given: (seen.append(torch.get_float32_matmul_precision()), decode(*given))[1]
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        searcher.search(queries("cosine"), K)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert set(seen) == {"highest"}


# ---- faiss-gpu: the CPU build stands in for what lies on a device ----------------------------------------------------


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """The device and type of every index that faiss-gpu is asked to move."""
    faiss = pytest.importorskip("faiss")
    handed = list[tuple[int, str]]()

    def to_gpu(resources: object, device: int, index: Any) -> Any:
        if isinstance(index, faiss.IndexHNSW) or index.ntotal > N:
            raise RuntimeError("This index type is not implemented on GPU.")
        handed.append((device, type(index).__name__))
        return index

    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 2)
    monkeypatch.setattr(faiss, "StandardGpuResources", lambda: "resources", raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", to_gpu, raising=False)
    monkeypatch.setattr(on_torch, "TorchSearcher", lambda tier, codes, device: TorchSearcher(tier, codes, "cpu"))
    return handed


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_faiss_gpu_gets_float32_and_the_lists_that_it_has(similarity: str, moved: list[tuple[int, str]]) -> None:
    Q = queries(similarity)
    for text in ("f32", "pca16,f32", "f16", "int8", "ivf4np4,f32", "ivf4np4,int8", "ivf4np4,pq6", "hnsw8,f32"):
        codec, codes = stored(text, similarity)
        training = Training(cloud(N, similarity=similarity), similarity)
        index = codec.spec.index
        structure = None if index is None else build_structure(index, codec, codes, training)
        here, there = (build_searcher(codec, codes, device, structure) for device in ("cpu", "cuda:1"))
        for k in (K, N):
            alike_up_to_ties(there.search(Q, k), here.search(Q, k))
        assert there.name.endswith("on the GPU") == (
            similarity != "euclidean" and text not in ("f16", "int8", "hnsw8,f32")
        )
        if structure is not None:
            one = there.with_effort(1).search(Q, K)  # type: ignore[attr-defined]
            alike_up_to_ties(one, here.with_effort(1).search(Q, K))  # type: ignore[attr-defined]
    flat = ["IndexFlat", "IndexFlat", "IndexIVFFlat", "IndexIVFScalarQuantizer", "IndexIVFPQ"]
    assert moved == ([] if similarity == "euclidean" else [(1, kind) for kind in flat]), "norms and products cancel"


def test_what_faiss_gpu_cannot_select_or_hold_goes_another_way(
    moved: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    codec, codes = stored("f32", "cosine")
    Q = queries("cosine")
    searcher = build_searcher(codec, codes, "cuda")
    monkeypatch.setattr(on_faiss, "MAX_SELECTED", K)
    monkeypatch.setattr(searcher.index, "search", None)  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        searcher.search(Q, K)
    alike_up_to_ties(searcher.search(Q, K + 1), build_searcher(codec, codes).search(Q, K + 1))
    X = np.tile(codes, (2, 1))
    assert build_searcher(codec, X, "cuda").name == "torch cpu, decode by block"
    monkeypatch.setattr(pytest.importorskip("faiss"), "get_num_gpus", lambda: 0)
    assert build_searcher(codec, codes, "cuda").name == "torch cpu, decode by block"
    assert [device for device, _ in moved] == [0]
