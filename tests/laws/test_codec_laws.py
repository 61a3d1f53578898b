"""Laws that every registered reducer × quantizer obeys, and wrong codecs that they must reject.

A law is a function of `make(X, similarity, seed) → Codec`; a part that is registered later is covered without a
change here. A codec may refuse a shape with a typed error (InputError), never with a wrong answer.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from oracles import planted_codecs as planted
from oracles.codec_makers import D, Make, alike, cloud, maker, written
from safetensors import safe_open

from embgeo.compression.codecs.codec import Codec, Tier
from embgeo.compression.codecs.part import QUANTIZERS, REDUCERS, Entry, load_parts
from embgeo.compression.codecs.quantizers.casts import FittedCast
from embgeo.compression.codecs.quantizers.float8 import FittedFloat8
from embgeo.compression.codecs.quantizers.uniform import FittedUniform
from embgeo.compression.codecs.reducers.autoencoder import FittedAutoencoder
from embgeo.compression.codecs.reducers.kernel_pca import FittedKernelPCA
from embgeo.compression.codecs.spec import parse
from embgeo.compression.search.store import load_store, predicted_file_bytes, write_store
from embgeo.errors import InputError

load_parts()
BENT = (FittedAutoencoder, FittedKernelPCA)
# a bare cast to 4 bits obeys no bound on what is lost: test_storage_paper.py shows what it does instead
QUANTIZER_SPECS = [alike(written(entry, D)) for name, entry in QUANTIZERS.items() if name != "fp4raw"]
# UMAP takes seconds a fit and an extra: test_umap.py
REDUCER_SPECS = [
    alike([f"{t},f32" for t in written(entry, D)]).removesuffix(",f32")
    for name, entry in REDUCERS.items()
    if name != "umap32"
]
# every reducer before int8 and every quantizer after PCA; the whole grid takes minutes
PAIRS = [
    pytest.param(f"{r},{q}", marks=() if q == "int8" or r.startswith("pca1") else pytest.mark.slow)
    for r in REDUCER_SPECS
    for q in QUANTIZER_SPECS
    # it is for components within ±1, as in the stores that have it; whitened ones are larger
    if not (r.startswith("pcaw") and q == "int8unit")
]


def quantized(codec: Tier, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Z before quantization, its codes, and what they decode to."""
    Z = codec.reduce(X)
    codes = codec.encode(X)
    return Z, codes, codec.decode(codes)


def bits_a_coordinate(codec: Tier, codes: np.ndarray, width: int) -> float:
    """Bits that grow with the width; what every vector pays once (a norm, a factor) adds no resolution."""
    total = 8 * codes.shape[1] / width
    try:
        quantizer = codec.spec.quantizer
        slope = 8 * (quantizer.code_bytes(2 * width) - quantizer.code_bytes(width)) / width
    except InputError:
        return total
    return min(slope, total) if slope > 0 else total


def lost(Z: np.ndarray, decoded: np.ndarray) -> float:
    """Share of Σz² that is lost, up to the one factor that cannot change a ranking."""
    if not Z.any():
        return float(np.abs(decoded).max())
    power = float((decoded.astype(np.float64) ** 2).sum())
    factor = float((Z * decoded).sum(dtype=np.float64)) / power if power else 0.0
    return float(((Z - factor * decoded) ** 2).sum(dtype=np.float64) / (Z**2).sum(dtype=np.float64))


def step_bound(quantizer: object, Z: np.ndarray) -> np.ndarray | None:
    """Largest |error| of each value from the format's step, or None for a kind that declares none here."""
    slack = 1 + 1e-3  # the arithmetic around the step is float32
    if isinstance(quantizer, FittedUniform):
        high = quantizer.low + quantizer.step * (2**quantizer.bits - 1)
        outside = np.maximum(np.maximum(quantizer.low - Z, Z - high), 0)
        return slack * np.maximum(quantizer.step / 2, outside) + 1e-6 * np.abs(Z)
    if isinstance(quantizer, FittedCast):
        return np.abs(Z) * {"f32": 0.0, "f16": 2.0**-11, "bf16": 2.0**-8}[quantizer.format] + 2.0**-25
    if isinstance(quantizer, FittedFloat8):
        # half a unit in the last of 3 (2) mantissa bits; below the smallest normal value half the smallest step
        half, least = {"e4m3": (2.0**-4, 2.0**-10), "e5m2": (2.0**-3, 2.0**-17)}[quantizer.format]
        return slack * np.maximum(np.abs(Z) * half, least / quantizer.scale[0])
    return None


# ---- laws -----------------------------------------------------------------------------------------------------------


def law_error_within_step(make: Make) -> None:
    for d in (D, 13):
        X = cloud(d=d)
        try:
            codec = make(X, "cosine", 0)
        except InputError:
            assert d != D, "every codec works on the dimension that its example was scaled to"
            continue
        Z, codes, decoded = quantized(codec, X)
        assert decoded.shape == Z.shape
        bits = bits_a_coordinate(codec, codes, Z.shape[1])
        # a sane b-bit format loses less than 1.2 · 2^-b of Σz²: e5m2 .0026 at 8 bits, int4 .013 at 4, signs .37 at 1
        assert lost(Z, decoded) <= 1.2 * 2.0**-bits
        bound = step_bound(codec.quantizer, Z)
        if bound is not None:
            assert (np.abs(decoded - Z) <= bound).all()


def law_decoded_encodes_to_itself(make: Make) -> None:
    X = cloud()
    codec = make(X, "cosine", 0)
    Z, _, once = quantized(codec, X)
    twice = codec.quantizer.decode(codec.quantizer.encode(once))
    if step_bound(codec.quantizer, Z) is not None:
        np.testing.assert_array_equal(twice, once)
    # a kind that renormalises may move, but by less than it lost the first time
    assert ((twice - once) ** 2).mean() <= 0.75 * ((once - Z) ** 2).mean()


def law_batches_make_the_whole(make: Make) -> None:
    X = cloud()
    codec = make(X, "cosine", 0)
    Z, codes, decoded = quantized(codec, X)
    cuts = [slice(0, 1), slice(1, 8), slice(8, 300), slice(300, None)]
    np.testing.assert_array_equal(np.concatenate([codec.quantizer.encode(Z[cut]) for cut in cuts]), codes)
    np.testing.assert_array_equal(np.concatenate([codec.decode(codes[cut]) for cut in cuts]), decoded)
    # a matrix product may round its last bit by batch size
    np.testing.assert_allclose(np.concatenate([codec.reduce(X[cut]) for cut in cuts]), Z, atol=2e-6)


def law_rows_permute(make: Make) -> None:
    X = cloud()
    codec = make(X, "cosine", 0)
    Z, codes, _ = quantized(codec, X)
    order = np.random.default_rng(3).permutation(len(X))
    np.testing.assert_array_equal(codec.quantizer.encode(Z[order]), codes[order])
    np.testing.assert_allclose(codec.reduce(X[order]), Z[order], atol=2e-6)


def law_out_of_range_saturates(make: Make) -> None:
    X = cloud()
    codec = make(X, "cosine", 0)
    Z, _, inside = quantized(codec, X)
    near = np.einsum("ij,ij->i", inside, Z)
    for factor in (np.float32(3), np.float32(1e6)):
        far = codec.decode(codec.quantizer.encode(factor * Z))
        assert np.isfinite(far).all()
        # a longer vector still points where it pointed; one that wrapped around points anywhere
        assert np.mean(np.einsum("ij,ij->i", far, Z) >= 0.5 * near) >= 0.99
        if isinstance(codec.quantizer, FittedUniform):
            ends = codec.quantizer.low, codec.quantizer.low + codec.quantizer.step * (2**codec.quantizer.bits - 1)
            np.testing.assert_allclose(far, np.clip(factor * Z, *ends), atol=float(codec.quantizer.step.max()))


def law_odd_shapes_hold(make: Make) -> None:
    """d = 13, d = 1, one row, a constant dimension, equal rows: a typed refusal or right shapes and finite values."""
    constant = cloud().copy()
    constant[:, 5] = 0.25
    cases = [(cloud(d=13), 13), (cloud(d=1), 1), (cloud(n=1), D), (constant, D), (np.tile(cloud(n=1), (9, 1)), D)]
    for similarity, (X, d) in itertools.product(("cosine", "dot", "euclidean"), cases):
        try:
            codec = make(X, similarity, 0)
        except InputError:
            continue
        Z, codes, decoded = quantized(codec, X)
        assert codes.dtype == np.uint8
        assert codes.shape == (len(X), codec.code_bytes), "code_bytes is the width of the codes"
        assert decoded.dtype == np.float32
        assert decoded.shape == Z.shape
        assert np.isfinite(decoded).all()
        queries, bias = codec.queries(X[:3])
        assert queries.shape == (min(3, len(X)), Z.shape[1])
        assert bias.shape == (min(3, len(X)),)
        assert d == X.shape[1]
        bits = bits_a_coordinate(codec, codes, Z.shape[1])
        assert lost(Z, decoded) <= 1.2 * 2.0**-bits or len(np.unique(X, axis=0)) == 1


def law_store_returns_the_codec(make: Make, folder: Path) -> None:
    X = cloud()
    ids = [f"döc {row}" for row in range(len(X))]
    for similarity in ("cosine", "euclidean"):
        try:
            codec = make(X, similarity, 0)
        except InputError:
            assert similarity != "cosine", "cosine is what every codec must serve"
            continue
        _, codes, decoded = quantized(codec, X)
        for part in codec.manifest()["parts"]:
            for name, value in part.items():
                assert isinstance(value, str | int | float | None), f"{name} is neither an array nor a JSON value"
        path = folder / f"{similarity}.safetensors"
        whole = Codec(codec.spec, (codec,))
        told = write_store(path, whole, [codes[:7], codes[7:]], ids)
        predicted = predicted_file_bytes(whole, len(X), sum(len(doc.encode()) for doc in ids))
        assert told == predicted == path.stat().st_size, "bytes as predicted and as on disk"
        state = sum(np.asarray(a).nbytes for a in codec.state.values())
        assert state == codec.state_bytes
        with safe_open(path, framework="numpy") as file:
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (safe_open iterates no keys)
        assert stored["codes"].nbytes == len(X) * codec.code_bytes
        assert sum(a.nbytes for name, a in stored.items() if name.startswith("state.")) == codec.state_bytes
        store = load_store(path)
        assert list(store.doc_ids) == ids
        np.testing.assert_array_equal(store.codes, codes)
        np.testing.assert_array_equal(store.codec.decode(store.codes), decoded)
        np.testing.assert_array_equal(store.codec.encode(X), codes)
        for ours, theirs in zip(codec.queries(X[:5]), store.codec.queries(X[:5]), strict=True):
            np.testing.assert_array_equal(theirs, ours)
        assert (str(store.codec.spec), store.codec.similarity, store.codec.fit_rows) == (
            str(codec.spec), similarity, len(X),
        )  # fmt: skip


def law_inputs_stay_as_they_were(make: Make) -> None:
    X = cloud().copy()
    before = X.copy()
    try:
        codec = make(X, "dot", 0)
    except InputError:
        codec = make(X, "cosine", 0)
    codes = codec.encode(X)
    kept = codes.copy()
    codec.decode(codes)
    codec.queries(X)
    codec.quantizer.encode(X) if not codec.reducers else None
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(codes, kept)


def law_seed_decides(make: Make) -> None:
    X = cloud()
    one, two = make(X, "cosine", 5), make(X.copy(), "cosine", 5)
    np.testing.assert_array_equal(one.encode(X), two.encode(X))
    assert one.state.keys() == two.state.keys()
    for name, array in one.state.items():
        np.testing.assert_array_equal(two.state[name], array)


def law_what_no_document_taught_takes_a_byte_a_coordinate(make: Make) -> None:
    """Arrays that are the same whatever the documents follow from the seed: signs or bit counts, never a matrix.

    Zeros are what a mean comes to that a reducer has removed.
    """
    X, other = cloud(), cloud(seed=1)
    one, two = make(X, "cosine", 0), make(other, "cosine", 0)
    for name, array in one.state.items():
        if array.any() and np.array_equal(array, two.state[name]):
            assert array.nbytes <= D, f"{name} holds {array.nbytes} bytes that a seed gives"


def law_queries_meet_documents(make: Make) -> None:
    """Float query × decoded document, bias included, follows the exact score: one fit for both sides."""
    rng = np.random.default_rng(9)
    for similarity in ("cosine", "dot", "euclidean"):
        X = cloud(similarity=similarity)
        Q = X[:40] + 0.1 * rng.standard_normal((40, D)).astype(np.float32)
        try:
            codec = make(X, similarity, 0)
        except InputError:
            assert similarity != "cosine", "cosine is what every codec must serve"
            continue
        Z, bias = codec.queries(Q)
        decoded = codec.decode(codec.encode(X))
        if similarity == "euclidean":
            exact = -((Q[:, None] - X[None]) ** 2).sum(axis=2)
            found = -((Z[:, None] - decoded[None]) ** 2).sum(axis=2) + bias[:, None]
        else:
            exact, found = Q @ X.T, Z @ decoded.T + bias[:, None]
        # half the coordinates of an isotropic cloud keep half the variance of a score: correlation .7; a sign .8 of it
        # a bent map follows them by a curve, and signs of the query keep .8 once more
        bent = bool(codec.reducers) and isinstance(codec.reducers[0], BENT)
        coarse = bent or not np.array_equal(codec.quantizer.query_side(Z + 1), Z + 1)
        assert np.corrcoef(exact.ravel(), found.ravel())[0, 1] > (0.4 if coarse else 0.5)


LAWS: dict[str, Callable[..., None]] = {
    name.removeprefix("law_"): law for name, law in globals().items() if name.startswith("law_")
}


def obey(law: str, make: Make, folder: Path) -> None:
    LAWS[law](*((make, folder) if law == "store_returns_the_codec" else (make,)))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("spec", QUANTIZER_SPECS)
def test_every_quantizer_obeys(spec: str, law: str, tmp_path: Path) -> None:
    obey(law, maker(spec), tmp_path)


@pytest.mark.parametrize("spec", PAIRS)
def test_every_reducer_before_every_quantizer_obeys(spec: str, tmp_path: Path) -> None:
    try:
        maker(spec)(cloud(), "cosine", 0)
    except InputError:
        pytest.skip("this pair refuses this dimension")
    broken = {}
    for law in LAWS:
        try:
            obey(law, maker(spec), tmp_path)
        except AssertionError as error:
            broken[law] = str(error).strip().splitlines()[:3]
    assert not broken


def test_more_bits_are_never_worse() -> None:
    X = cloud(2000)
    measured = []
    for text in QUANTIZER_SPECS:
        codec = maker(text)(X, "cosine", 0)
        Z, codes, decoded = quantized(codec, X)
        measured.append((bits_a_coordinate(codec, codes, Z.shape[1]), lost(Z, decoded), text))
    for (bits, loss, text), (fewer, other_loss, other) in itertools.permutations(measured, 2):
        # families differ by less than a bit: 4.5 bits with block scales lose as much as 4 Gaussian ones on a Gaussian
        if bits >= fewer + 1:
            assert loss <= other_loss, f"{text} ({bits} bits) loses more than {other} ({fewer} bits)"


@pytest.mark.parametrize("reducer", REDUCER_SPECS)
@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_full_width_reducers_keep_every_score(reducer: str, similarity: str) -> None:
    """But for those that compare by another metric: of these the one without the change does."""
    spec = parse(re.sub(r"\d+", str(D), reducer) + ",f32")
    full = str(spec.neutral if spec.own_metric else spec).removesuffix(",f32")
    X, Q = cloud(similarity=similarity), cloud(30, seed=4, similarity=similarity)
    try:
        codec = maker(f"{full},f32")(X, similarity, 0)
    except InputError as refusal:
        assert similarity != "cosine"
        pytest.skip(str(refusal))
    if isinstance(codec.reducers[0], BENT):
        pytest.skip(f"{full} is no linear map: its scores are estimates at every width")
    Z, bias = codec.queries(Q)
    decoded = codec.decode(codec.encode(X))
    if similarity == "euclidean":
        exact = -((Q[:, None] - X[None]) ** 2).sum(axis=2)
        found = -((Z[:, None] - decoded[None]) ** 2).sum(axis=2) + bias[:, None]
    else:
        exact, found = Q @ X.T, Z @ decoded.T + bias[:, None]
    np.testing.assert_allclose(found, exact, atol=1e-4 if similarity != "cosine" else 3e-6)


# ---- codecs that are wrong on purpose -------------------------------------------------------------------------------


def wrong(kind: type[planted.Honest]) -> Make:
    def make(X: np.ndarray, similarity: str = "cosine", seed: int = 0) -> Tier:
        return Tier(parse("int8"), similarity, (), kind.fit(X), len(X))

    return make


STORELESS = [law for law in LAWS if law != "store_returns_the_codec"]
REJECTED_BY = {
    planted.Zeros: "error_within_step",
    planted.ShuffledRows: "rows_permute",
    planted.PerCallRanges: "batches_make_the_whole",
    planted.Wrapping: "out_of_range_saturates",
    planted.FlatBits: "error_within_step",
    planted.WritesIntoInput: "inputs_stay_as_they_were",
    planted.LiesAboutBytes: "odd_shapes_hold",
    planted.CoarserThanItSays: "error_within_step",
    planted.Unseeded: "seed_decides",
    planted.HiddenState: "store_returns_the_codec",
    planted.StoresItsRotation: "what_no_document_taught_takes_a_byte_a_coordinate",
}


@pytest.mark.parametrize("law", STORELESS)
def test_the_correct_counterpart_of_the_wrong_codecs_obeys(law: str) -> None:
    LAWS[law](wrong(planted.Honest))


@pytest.mark.parametrize(("kind", "law"), REJECTED_BY.items(), ids=lambda value: getattr(value, "__name__", value))
def test_a_wrong_codec_is_rejected(
    kind: type[planted.Honest], law: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the store knows registered kinds only: let it know these too, so that what is wrong is the codec alone
    entry = QUANTIZERS["int8"]
    monkeypatch.setitem(QUANTIZERS, "planted", Entry(re.compile("planted"), "planted", "", kind, entry.build))
    with pytest.raises(AssertionError):
        obey(law, wrong(kind), tmp_path)
