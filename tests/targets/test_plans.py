"""Which store holds which spec: bytes, predictions, refusals, and the traps that were seen in the stores themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embgeo.cli.failures import run
from embgeo.compression.choosing.native import Plan, Refusal
from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.part import QUANTIZERS, REDUCERS, load_parts
from embgeo.compression.codecs.spec import parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.search.on_faiss import faiss_available
from embgeo.compression.search.store import load_store, write_store
from embgeo.embeddings import normalise
from embgeo.targets import find_target, planning_targets

load_parts()
D = 384
NAMES = [each.name for each in planning_targets()]
STORES = [name for name in NAMES if name != "faiss"]
SMALL = {"pq96": "pq16", "pq192x4": "pq16x4", "opq96": "opq16", "rq24": "rq4", "umap32": "umap16"}


def plan(name: str, text: str, dimension: int = D, similarity: str = "cosine") -> Plan | Refusal:
    if name == "faiss" and not faiss_available():
        pytest.skip("needs FAISS")
    ask = find_target(name).plan
    assert ask is not None
    return ask(parse(text), dimension, similarity)


def held(name: str, text: str, dimension: int = D, similarity: str = "cosine") -> Plan:
    found = plan(name, text, dimension, similarity)
    assert isinstance(found, Plan), found
    return found


def refused(name: str, text: str, dimension: int = D, similarity: str = "cosine") -> Refusal:
    found = plan(name, text, dimension, similarity)
    assert isinstance(found, Refusal), found
    return found


def check_law(name: str, text: str, dimension: int, similarity: str) -> None:
    """A plan of the right bytes whose prediction can be run, or a refusal that leads to one."""
    found, spec = plan(name, text, dimension, similarity), parse(text)
    if isinstance(found, Refusal):
        assert found.reason
        if found.nearest is not None:
            held(name, found.nearest, dimension, similarity)
        else:
            assert isinstance(plan(name, "f32", dimension, similarity), Refusal), "f32 is held and was not offered"
        return
    predicted = parse(found.predicted)
    # what predicts Turbo has factors of 2 or 4 bytes
    assert predicted.code_bytes(dimension) - spec.code_bytes(dimension) in ((0, 2, 4) if name == "qdrant" else (0,))
    # Qdrant's scalar and Turbo formats have factors of 4 or 8 bytes, and pad to 16; FAISS has a byte for lengths
    beyond = found.code_bytes - predicted.tiers[0].code_bytes(dimension)
    assert beyond in {"qdrant": range(20), "faiss": range(2)}.get(name, range(1))
    assert found.original_bytes in (0, 4 * spec.width(dimension))
    assert found.original_bytes or spec.rescorer is None
    assert found.native
    assert set(found.client) <= {part.name for part in spec.reducers}
    if found.fidelity != "same":
        assert found.notes, "what differs must be said"


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("name", STORES)
def test_every_part_has_a_plan_or_a_refusal_that_leads_to_one(name: str, similarity: str) -> None:
    for example in QUANTIZERS:
        for first in ("", "pca192,", "rot,", "hnsw16,", "ivf64np8,", "hnsw16,trunc128,"):
            for last in ("", "+f32@4", "+int8@4"):
                text = f"{first}{example}{last}"
                try:
                    parse(text).code_bytes(D)
                except Exception:
                    continue
                check_law(name, text, D, similarity)
    for example in REDUCERS:
        for last in ("f32", "int8", "binary"):
            check_law(name, f"{example},{last}", D, similarity)


@pytest.mark.parametrize("example", QUANTIZERS)
def test_faiss_plans_every_quantizer_or_refuses_it(example: str) -> None:
    for first in ("", "pca32,"):
        text = first + SMALL.get(example, example).replace("@48B", "@8B")
        check_law("faiss", text, 64, "cosine")


@pytest.mark.parametrize("text", ["int8", "pca16,rot,int4", "adaptive@8B", "pq8", "binary"])
def test_a_faiss_plan_is_what_export_writes(text: str, tmp_path: Path) -> None:
    found = held("faiss", text, 32)
    from embgeo.targets.faiss import export_faiss

    X = normalise(np.random.default_rng(1).standard_normal((600, 32)).astype(np.float32))
    codec = fit_codec(parse(text), Training(X, "cosine"))
    store = tmp_path / "store.safetensors"
    write_store(store, codec, [codec.encode(X)], [str(i) for i in range(len(X))])
    wrote = export_faiss(load_store(store), tmp_path / "x.faiss", 32)
    assert wrote.faiss_type == found.config["kind"]
    assert wrote.faiss_type in found.native
    assert (wrote.code_bytes + wrote.length_bytes) / wrote.rows == found.code_bytes
    assert (wrote.length_bytes > 0) == (found.fidelity == "approximate")


@pytest.mark.parametrize("name", ["pgvector", "sqlite-vec", "usearch", "redis", "lancedb"])
@pytest.mark.parametrize("text", ["binary", "pca192,binary", "rot,binary"])
def test_signs_compared_with_signs_are_not_embgeos_binary(name: str, text: str) -> None:
    found = held(name, text)
    assert found.fidelity == "approximate"
    assert found.predicted == text.replace("binary", "hamming")
    assert held(name, found.predicted).fidelity == "same" or "pca" in text
    assert any("Hamming" in note and ".623" in note for note in found.notes)


def test_qdrant_scores_signs_as_embgeo_does_if_the_query_is_not_rounded() -> None:
    for text in ("binary", "binary+f32@4"):
        found = held("qdrant", text)
        assert (found.fidelity, found.predicted, found.code_bytes, found.original_bytes) == ("same", text, 48, 1536)
        assert '"query_encoding": "scalar8bits"' in found.native
    assert '"rescore": false' in held("qdrant", "binary").native
    assert '"rescore": true, "oversampling": 4.0' in found.native
    found = held("qdrant", "hamming+f32@4")
    assert (found.fidelity, found.predicted, found.code_bytes) == ("same", "hamming+f32@4", 48)
    assert '"query_encoding": "binary"' in found.native


@pytest.mark.parametrize(("dimension", "signs", "scalar"), [(32, 16, 36), (100, 16, 116), (192, 32, 196)])
def test_qdrant_pads_signs_and_int8(dimension: int, signs: int, scalar: int) -> None:
    assert held("qdrant", "binary", dimension).code_bytes == signs
    assert held("qdrant", "int8", dimension).code_bytes == scalar


@pytest.mark.parametrize("name", STORES)
def test_a_restored_mean_is_refused_everywhere_but_in_faiss(name: str) -> None:
    assert "pcac192" in refused(name, "pcac192,int8").reason


def test_qdrants_int8_has_one_range_and_keeps_the_original() -> None:
    found = held("qdrant", "int8")
    assert (found.fidelity, found.code_bytes, found.original_bytes) == ("approximate", 388, 1536)
    turbo = held("qdrant", "rot,int8")
    assert (turbo.code_bytes, turbo.original_bytes, turbo.client) == (388, 0, ())


@pytest.mark.parametrize("text", ["rot,int4", "int4", "rot,tq4", "tq4"])
def test_turbo_rotates_itself_and_keeps_no_original(text: str) -> None:
    found = held("qdrant", text)
    assert (found.fidelity, found.code_bytes, found.original_bytes, found.client) == ("approximate", 196, 0, ())
    assert found.predicted.startswith("rot,")
    assert '"datatype": "turbo4"' in found.native
    assert held("qdrant", f"pca192,{text}").client == ("pca192",)


def test_a_product_code_of_qdrant_divides_float32_by_4_to_64() -> None:
    assert [held("qdrant", f"pq{m}").code_bytes for m in (384, 192, 96, 48, 24)] == [384, 192, 96, 48, 24]
    assert "pq96" in refused("qdrant", "pq64").reason


def test_pgvector_has_no_8_bit_type_and_offers_fewer_coordinates_in_float16() -> None:
    assert refused("pgvector", "int8").nearest == "pca192,f16"
    found = held("pgvector", "pca192,f16")
    assert (found.fidelity, found.code_bytes, found.client) == ("same", 384, ("pca192",))
    assert "halfvec(192)" in found.native
    assert "<#>" in found.native, "after a cut cosine would renormalise"


@pytest.mark.parametrize(("text", "most"), [("f32", 2000), ("f16", 4000), ("binary", 64000)])
def test_pgvector_indexes_up_to_a_dimension(text: str, most: int) -> None:
    if most <= 16_000:
        held("pgvector", f"hnsw16,{text}", most)
        held("pgvector", text, most + 1)
        assert f"{most:,}" in refused("pgvector", f"hnsw16,{text}", most + 1).reason
    assert refused("pgvector", text, 16_001).nearest is None or text != "f32"


def test_an_index_scan_of_pgvector_must_reach_the_limit() -> None:
    found = held("pgvector", "hnsw16,binary+f32@20")
    assert "limit 200" in found.native
    assert "hnsw.ef_search = 200" in found.native
    assert "hnsw.ef_search = 64" in held("pgvector", "hnsw16,f32").native


def test_an_index_is_never_the_same() -> None:
    for name in STORES:
        found = plan(name, "hnsw16,f32")
        if isinstance(found, Plan):
            assert found.fidelity == "approximate"


@pytest.mark.parametrize("name", ["sqlite-vec", "redis"])
def test_cosine_after_a_cut_differs_and_truncation_renormalises_anyway(name: str) -> None:
    assert held(name, "pca192,f32").fidelity == "approximate"
    assert held(name, "trunc192,f32").fidelity == "same"
    assert held(name, "rot,f32").fidelity == "same"
    assert refused(name, "f32", similarity="dot").nearest is None


def test_sqlite_vec_scales_on_the_client_and_takes_bits_by_whole_bytes() -> None:
    found = held("sqlite-vec", "int8")
    assert "'unit'" not in found.native
    assert any("127" in note for note in found.notes)
    assert refused("sqlite-vec", "binary", 100).nearest is not None


def test_defaults_that_bite_are_written_out() -> None:
    assert "NOQUANT" in held("redis", "f32").native
    assert 'distance_type="dot"' in held("lancedb", "int8").native
    assert '"rescore": false' in held("qdrant", "int8").native
    assert '"indexing_threshold": 1' in held("qdrant", "int8").native, "a small segment would search the original"
    assert "exact" not in held("qdrant", "int8").native, "exact=true searches the original"
    assert 'distance_type("cosine")' in held("lancedb", "rot,rabitq1").native, "by inner product it finds less"
    assert 'distance_type("cosine")' in held("lancedb", "pca192,rot,rabitq1").native
    assert 'distance_type("cosine")' in held("lancedb", "pca192,rot,rabitq4").native
    assert 'distance_type("dot")' in held("lancedb", "pca192,rot,rabitq8").native


def test_rabitq_of_lancedb_takes_coordinates_by_eights() -> None:
    assert "by eights" in refused("lancedb", "rot,rabitq4", 100).reason
    assert held("lancedb", "pca96,rot,rabitq4", 100).client == ("pca96",)


def test_what_keeps_no_original_cannot_rescore() -> None:
    for name in ("usearch", "redis", "lancedb"):
        assert "original" in refused(name, "binary+f32@4").reason
    assert refused("qdrant", "pca192,binary+f32@4").reason


@pytest.mark.parametrize("text", ["trellis@48B", "adaptive@96B"])
def test_no_store_holds_embgeos_own_bit_allocations(text: str) -> None:
    assert all(refused(name, text).nearest for name in STORES)


@pytest.mark.parametrize("text", ["f32", "int8", "binary", "binary+f32@4", "pca8,int8"])
def test_the_sql_of_sqlite_vec_runs(text: str) -> None:
    sqlite3 = pytest.importorskip("pysqlite3", reason="needs pysqlite3-binary")
    extension = pytest.importorskip("sqlite_vec", reason="needs sqlite-vec")
    database = sqlite3.connect(":memory:")
    database.enable_load_extension(True)
    extension.load(database)
    width = 8 if text.startswith("pca8") else 16
    rows = np.random.default_rng(0).standard_normal((40, width)).astype(np.float32)
    if "int8" in text:
        rows = np.rint(rows * 127 / np.abs(rows).max()).astype(np.int8)
    create, insert, select = held("sqlite-vec", text, 16).native.split(";\n")
    database.execute(create)
    for i, row in enumerate(rows):
        database.execute(insert, (f"doc {i}", *[row.tobytes()] * (insert.count("?") - 1)))
    found = database.execute(select, [rows[7].tobytes()] * select.count("?")).fetchall()
    assert len(found) == 10
    assert found[0][0] == "doc 7"


@pytest.mark.parametrize("text", ["f32", "f16", "bf16", "fp8", "fp8e5m2", "int8", "hnsw16,f32", "hnsw16ef64,int8"])
def test_the_index_of_usearch_is_made_and_finds_itself(text: str) -> None:
    usearch = pytest.importorskip("usearch.index", reason="needs usearch")
    X = normalise(np.random.default_rng(0).standard_normal((200, 32)).astype(np.float32))
    made, added, asked = held("usearch", text, 32).native.splitlines()
    known = {"Index": usearch.Index, "np": np, "X": X, "keys": np.arange(len(X)), "Q": X[:50]}
    exec(f"{made}\n{added}", known)
    found: Any = eval(asked, known)
    assert np.mean(found.keys[:, 0] == np.arange(50)) > 0.9


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert run(["targets", *words, "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_command_lists_every_store_with_what_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    listed = told(capsys)
    assert [each["name"] for each in listed] == NAMES
    assert all(each["holds"] and each["install"].startswith("pip install") for each in listed)


def test_the_command_prints_a_plan_or_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = told(capsys, "pgvector", "--spec", "pca192,f16", "--dimension", "384")
    assert (found["held"], found["fidelity"], found["code_bytes"]) == (True, "same", 384)
    (found,) = told(capsys, "pgvector", "--spec", "int8")
    assert (found["held"], found["nearest"]) == (False, "pca192,f16")
    assert run(["targets", "pgvector", "--spec", "int8"]) == 0
    assert "Nearest that it holds: pca192,f16" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pgvectr",), "Did you mean pgvector"),
        (("mteb",), "holds no vectors"),
        (("qdrant", "--spec", "nonsense"), "unknown quantizer"),
        (("qdrant", "--spec", "pca500,f16"), "between 1 and 384"),
    ],
)
def test_bad_input_is_one_line(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["targets", *words]) == 2
    answer = capsys.readouterr().err
    assert said in answer
    assert len(answer.splitlines()) == 1
