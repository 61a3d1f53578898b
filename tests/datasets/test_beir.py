"""BEIR folders: what is read, and that every hostile file is named with file and line."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embgeo.datasets.beir import load_beir, read_qrels
from embgeo.errors import DataError, InputError

CORPUS = '{"_id": "d1", "title": "Dough", "text": "Leave it in a warm corner."}\n{"_id": "d2", "text": " Rinse. "}\n'
QUERIES = '{"_id": "q1", "text": "how long"}\n{"_id": "q2", "text": "how wet"}\n{"_id": "q3", "text": "unjudged"}\n'
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq2\td2\t1\n"
Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Write a sound folder, with the named files replaced (None: absent)."""

    def write(**changes: str | bytes | None) -> Path:
        files: dict[str, str | bytes | None] = {
            "corpus.jsonl": CORPUS, "queries.jsonl": QUERIES, "qrels/test.tsv": QRELS,
        }  # fmt: skip
        files.update({name.replace("__", "/").replace("_DOT_", "."): text for name, text in changes.items()})
        for name, content in files.items():
            if content is None:
                continue
            path = tmp_path / "mine" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / "mine"

    return write


def test_title_stands_before_the_text_and_both_are_stripped(folder: Folder) -> None:
    dataset = load_beir(folder())
    assert list(dataset.doc_texts) == ["Dough Leave it in a warm corner.", "Rinse."]


def test_only_queries_of_the_split_are_kept(folder: Folder) -> None:
    dataset = load_beir(folder())
    assert list(dataset.query_ids) == ["q1", "q2"]
    assert dataset.judgements.qrels == {"q1": {"d1": 2}, "q2": {"d2": 1}}
    assert dataset.warnings == dataset.judgements.warnings == ()
    assert dataset.name == "mine"


@pytest.mark.parametrize(
    "qrels",
    [
        "q1\td1\t2\nq2\td2\t1\n",
        "query-id\tcorpus-id\tscore\r\nq1\td1\t2\r\n\r\nq2\td2\t1\r\n",
        "\ufeffquery-id\tcorpus-id\tscore\nq1\td1\t2\nq2\td2\t1",
        "q1 0 d1 2\nq2 0 d2 1\n",
        "q1\t0\td1\t2.0\nq2\tQ0\td2\t+1\n",
        "q1\td1\t2\nq1\td1\t2\nq2\td2\t1\n",
    ],
    ids=["no header", "carriage returns", "byte-order mark", "TREC", "TREC with tabs", "repeated line"],
)
def test_every_table_form_gives_the_same_judgements(folder: Folder, qrels: str) -> None:
    assert load_beir(folder(qrels__test_DOT_tsv=qrels)).judgements.qrels == {"q1": {"d1": 2}, "q2": {"d2": 1}}


@pytest.mark.parametrize(
    "qrels",
    [
        "\tquery-id\tcorpus-id\tscore\n0\tq1\td1\t2\n1\tq2\td2\t1\n",
        "Unnamed: 0\tquery_id\tdoc_id\trelevance\n0\tq1\td1\t2\n1\tq2\td2\t1\n",
        "score\tcorpus-id\tquery-id\n2\td1\tq1\n1\td2\tq2\n",
        "DOCNO\tRel\tTopic\nd1\t2\tq1\nd2\t1\tq2\n",
        "topic iteration docno rel\nq1 0 d1 2\nq2 0 d2 1\n",
        "query_id\tdoc_id\trelevance\titeration\nq1\td1\t2\t0\nq2\td2\t1\t0\n",
        "label pid qid\n2 d1 q1\n1 d2 q2\n",
        "query-id\tcorpus-id\tscore\tquery\nq1\td1\t2\thow long\nq2\td2\t1\thow wet\n",
    ],
    ids=["unnamed index", "index", "reversed", "other names", "TREC", "ir_datasets", "blanks", "a text beside the id"],
)
def test_columns_are_told_by_their_names_in_any_order(folder: Folder, qrels: str) -> None:
    assert load_beir(folder(qrels__test_DOT_tsv=qrels)).judgements.qrels == {"q1": {"d1": 2}, "q2": {"d2": 1}}


@pytest.mark.parametrize(
    "row",
    [
        '{"query-id": "q1", "corpus-id": "d1", "score": 2, "label": 1}',
        '{"relevance": 2, "docid": "d1", "qid": "q1", "iter": 0}',
    ],
)
def test_keys_are_told_by_their_names(tmp_path: Path, row: str) -> None:
    (tmp_path / "qrels.jsonl").write_text(row + "\n")
    assert read_qrels(tmp_path / "qrels.jsonl") == {"q1": {"d1": 2}}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("query-id\tcorpus-id\tnumber", "score is missing among 'query-id', 'corpus-id', 'number'"),
        ("qid\tquery\tdocid\tscore", "'qid' and 'query' both match among 'qid', 'query', 'docid', 'score'"),
        ("query-id\tpmid\trank\tscore", "corpus-id is missing among"),
    ],
)
def test_an_ambiguous_header_is_refused_with_its_names(tmp_path: Path, header: str, message: str) -> None:
    path = tmp_path / "test.tsv"
    path.write_text(header + "\n" + "\t".join(["1"] * (header.count("\t") + 1)) + "\n")
    with pytest.raises(DataError, match=rf"test\.tsv:1: judgements must have one column each for .*{message}"):
        read_qrels(path)


def test_an_index_without_a_header_is_not_taken_for_query_ids(tmp_path: Path) -> None:
    path = tmp_path / "test.tsv"
    path.write_text("0\t0\t295\t1\n1\t1\t281\t1\n2\t1\t7\t1\n")
    with pytest.raises(DataError, match=r"must be the query id, but it numbers the lines.*index=False"):
        read_qrels(path)
    path.write_text("1 0 295 1\n2 0 281 1\n3 0 7 1\n")  # topics that count the lines, with TREC's constant column
    assert read_qrels(path) == {"1": {"295": 1}, "2": {"281": 1}, "3": {"7": 1}}


def test_judgements_of_other_documents_are_refused_with_the_file(folder: Folder) -> None:
    root = folder(qrels__test_DOT_tsv="q1\tx1\t1\nq2\tD2\t1\n")
    with pytest.raises(InputError, match=r"no relevant document of .*test\.tsv is in the corpus \(0 of 2\); .*case"):
        load_beir(root)


def test_queries_whose_ids_differ_in_form_alone_are_told_apart(folder: Folder) -> None:
    with pytest.raises(
        InputError, match=r"none of the queries is judged .* the first judged id is 'Q1'. 2 of these ids differ .* case"
    ):
        load_beir(folder(qrels__test_DOT_tsv="Q1\td1\t1\nQ2\td2\t1\n"))


@pytest.mark.parametrize("name", ["qrels/test.jsonl", "qrels.jsonl"])
def test_judgements_may_be_json_lines(folder: Folder, name: str) -> None:
    root = folder(qrels__test_DOT_tsv=None)
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text('{"query-id": "q1", "corpus-id": "d1", "score": 1}\n')
    assert load_beir(root).judgements.qrels == {"q1": {"d1": 1}}


def test_gzipped_files_read_as_plain_ones(folder: Folder) -> None:
    plain = load_beir(folder()).fingerprint
    packed = folder()
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        (packed / f"{name}.gz").write_bytes(gzip.compress((packed / name).read_bytes()))
        (packed / name).unlink()
    assert load_beir(packed).fingerprint == plain


def test_ids_may_be_integers_and_called_id(folder: Folder) -> None:
    root = folder(
        corpus_DOT_jsonl='{"id": 7, "text": "a b"}\n',
        queries_DOT_jsonl='{"id": 1, "text": "c"}\n',
        qrels__test_DOT_tsv="1\t7\t1\n",
    )
    dataset = load_beir(root)
    assert (list(dataset.doc_ids), list(dataset.query_ids)) == (["7"], ["1"])
    assert dataset.judgements.warnings == ()


def test_line_separators_inside_a_text_do_not_end_the_line(folder: Folder) -> None:
    text = "one\u2028two\x0bthree\x85four"
    line = json.dumps({"_id": "d1", "text": text}, ensure_ascii=False)
    assert load_beir(folder(corpus_DOT_jsonl=line + "\n")).doc_texts[0] == text


def test_nul_and_lone_surrogates_are_read(folder: Folder) -> None:
    dataset = load_beir(
        folder(corpus_DOT_jsonl='{"_id": "d1", "text": "a\\u0000b \\ud800 c"}\n{"_id":"d2","text":"x"}\n')
    )
    assert dataset.doc_texts[0] == "a\0b \ufffd c"
    assert "1 documents hold lone surrogates" in dataset.warnings[0]
    dataset.doc_texts[0].encode()


def test_without_judgements_all_queries_stay_and_a_warning_says_so(folder: Folder) -> None:
    dataset = load_beir(folder(qrels__test_DOT_tsv=None))
    assert len(dataset.query_ids) == 3
    assert "no judgements" in dataset.warnings[0]
    assert len(dataset.judgements) == 0


def test_a_corpus_alone_is_a_dataset(folder: Folder) -> None:
    dataset = load_beir(folder(qrels__test_DOT_tsv=None, queries_DOT_jsonl=None))
    assert (len(dataset.doc_ids), len(dataset.query_ids)) == (2, 0)


def test_the_only_split_stands_in_for_test_with_a_warning(folder: Folder) -> None:
    root = folder(qrels__test_DOT_tsv=None, qrels__dev_DOT_tsv=QRELS)
    assert "no split test; dev" in load_beir(root).warnings[0]
    assert load_beir(root, split="dev").warnings == ()


@pytest.mark.parametrize("split", ["test", "validation"])
def test_an_absent_split_lists_those_that_exist(folder: Folder, split: str) -> None:
    root = folder(qrels__test_DOT_tsv=None, qrels__dev_DOT_tsv=QRELS, qrels__train_DOT_tsv=QRELS)
    with pytest.raises(DataError, match=rf"split '{split}'; it has dev, train"):
        load_beir(root, split=split)


def test_judgements_of_an_unsupported_kind_are_named_and_not_ignored(folder: Folder) -> None:
    root = folder(qrels__test_DOT_tsv=None, qrels__test_DOT_csv=QRELS.replace("\t", ","))
    with pytest.raises(DataError, match=r"judgements must be \.tsv, .* files; .*qrels holds test\.csv"):
        load_beir(root)


def test_a_split_that_cannot_be_chosen_is_reported_or_refused(folder: Folder) -> None:
    root = folder(qrels__test_DOT_tsv=None, qrels_DOT_tsv=QRELS)
    assert load_beir(root).warnings == ()
    assert "qrels.tsv has no splits; all of its judgements are used" in load_beir(root, split="dev").warnings[0]
    (root / "qrels.tsv").unlink()
    with pytest.raises(DataError, match="no judgements for the split 'dev'; it has no judgements at all"):
        load_beir(root, split="dev")


def test_ids_of_vectors_stand_in_for_missing_texts(folder: Folder) -> None:
    root = folder(corpus_DOT_jsonl=None, queries_DOT_jsonl=None)
    dataset = load_beir(root, doc_ids=["d1", "d2", "d3"], query_ids=["q1", "q2", "q3"])
    assert (dataset.doc_ids, dataset.doc_texts) == (["d1", "d2", "d3"], None)
    assert (dataset.query_ids, dataset.query_texts) == (["q1", "q2"], None)
    assert dataset.warnings == ()
    with pytest.raises(DataError, match=r"must hold queries\.jsonl .* unless query vectors with ids"):
        load_beir(root, doc_ids=["d1", "d2"])
    with pytest.raises(DataError, match=r"must hold corpus\.jsonl"):
        load_beir(root, query_ids=["q1"])


def test_progress_ends_each_stage(folder: Folder) -> None:
    calls: list[tuple[str, int, int]] = []
    load_beir(folder(), progress=lambda stage, done, total: calls.append((stage, done, total)))
    ended = {stage for stage, done, total in calls if done == total}
    assert ended == {"reading corpus.jsonl", "reading queries.jsonl", "reading test.tsv"}


HOSTILE: dict[str, tuple[str, str | bytes | None, str]] = {
    "not JSON": ("corpus.jsonl", CORPUS + "{oops\n", r"corpus\.jsonl:3: every line must be one JSON object"),
    "two objects": ("corpus.jsonl", CORPUS + "{} {}\n", r"corpus\.jsonl:3: .*column 4"),
    "a list": ("corpus.jsonl", "[1]\n", r"corpus\.jsonl:1: .*got list"),
    "nested": ("corpus.jsonl", "[" * 200_000 + "\n", r"corpus\.jsonl:1: "),
    "huge integer": ("corpus.jsonl", '{"_id": ' + "9" * 5000 + ', "text": ""}\n', r"corpus\.jsonl:1: "),
    "no id": ("corpus.jsonl", '{"text": "x"}\n', r'corpus\.jsonl:1: the key "_id" \(or "id"\) is missing'),
    "no text": ("corpus.jsonl", CORPUS + '{"_id": "d3"}\n', r'corpus\.jsonl:3: the key "text" is missing'),
    "null text": ("corpus.jsonl", '{"_id": "d1", "text": null}\n', r'corpus\.jsonl:1: "text" must be a string; got'),
    "title a list": ("corpus.jsonl", '{"_id": "d", "title": ["x"], "text": ""}', r'corpus\.jsonl:1: "title" must be'),
    "id a float": ("corpus.jsonl", '{"_id": 1.5, "text": ""}\n', r"corpus\.jsonl:1: an id must be .* got float"),
    "id true": ("corpus.jsonl", '{"_id": true, "text": ""}\n', r"corpus\.jsonl:1: an id must be .* got bool"),
    "id empty": ("corpus.jsonl", '{"_id": "", "text": ""}\n', r"corpus\.jsonl:1: id '' is empty"),
    "id with NUL": ("corpus.jsonl", '{"_id": "a\\u0000", "text": ""}\n', r"corpus\.jsonl:1: .*NUL"),
    "id with surrogate": ("corpus.jsonl", '{"_id": "\\udc80", "text": ""}\n', r"corpus\.jsonl:1: .*surrogate"),
    "duplicate id": ("corpus.jsonl", CORPUS + '\n{"_id": "d1", "text": ""}\n', r"jsonl:4: .*'d1' is already in line 1"),
    "empty corpus": ("corpus.jsonl", "\n\n", r"must hold at least one document; .*corpus\.jsonl has none"),
    "no corpus": ("corpus.jsonl", None, r"must hold corpus\.jsonl or corpus\.jsonl\.gz"),
    "no queries": ("queries.jsonl", None, r"must hold queries\.jsonl"),
    "Latin-1": ("corpus.jsonl", b'\n\n{"_id": "d3", "text": "caf\xe9"}\n', r"jsonl:3: .*byte 27 .*0xe9"),
    "UTF-16": ("corpus.jsonl", CORPUS.encode("utf-16"), r"corpus\.jsonl:1: the file must be UTF-8; byte 1 "),
    "duplicate query": ("queries.jsonl", QUERIES + '{"_id": "q2", "text": ""}\n', r":4: .*'q2' is already in line 2"),
    "unrelated queries": ("queries.jsonl", '{"_id": "z", "text": "z"}\n', r"none of the queries is judged in .*'q1'"),
    "two columns": ("qrels/test.tsv", "q1\td1\n", r"test\.tsv:1: .*3 tab-separated columns.*got 2"),
    "columns change": ("qrels/test.tsv", QRELS + "q1\t0\td2\t1\n", r"test\.tsv:4: .* 3 columns.* got 4"),
    "half a grade": ("qrels/test.tsv", QRELS + "q1\td2\t0.5\n", r"test\.tsv:4: a grade must be an integer; got '0\.5'"),
    "a word for a grade": ("qrels/test.tsv", "q1\td2\tgood\n", r"test\.tsv:1: a grade must be an integer; got 'good'"),
    "infinite grade": ("qrels/test.tsv", "q1\td2\tinf\n", r"test\.tsv:1: a grade must be an integer"),
    "grade too large": ("qrels/test.tsv", "q1\td2\t" + "9" * 30, r"test\.tsv:1: a grade must lie within"),
    "grade that takes an age": ("qrels/test.tsv", "q1\td2\t2147483647\n", r"a grade must lie within ±100000"),
    "two grades": ("qrels/test.tsv", QRELS + "q1\td1\t1\n", r"test\.tsv:4: a pair must have one grade.* 2 and 1"),
    "header only": ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n", r"test\.tsv must hold judgements"),
    "no query id": ("qrels/test.tsv", "\td1\t1\n", r"test\.tsv:1: id '' is empty"),
    "binary": ("qrels/test.tsv", b"\x00\xff\xfe\x00" * 9, r"test\.tsv:1: the file must be UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_named_with_its_line(folder: Folder, case: str) -> None:
    name, content, message = HOSTILE[case]
    root = folder(**{name.replace("/", "__").replace(".", "_DOT_"): content})
    with pytest.raises(InputError, match=message) as caught:
        load_beir(root)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"query-id": "q", "corpus-id": "d"}', "score is missing"),
        ('{"query-id": "q", "corpus-id": "d", "score": true}', "integer"),
        ('{"query-id": "q", "corpus-id": "d", "score": 0.5}', "integer"),
        ('{"query-id": "q", "corpus-id": "d", "score": NaN}', "integer"),
        ('{"query-id": "q", "corpus-id": "d", "score": null}', "integer"),
        ('{"query-id": null, "corpus-id": "d", "score": 1}', "NoneType"),
    ],
)
def test_a_hostile_json_judgement_is_named_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "qrels.jsonl"
    path.write_text('{"query-id": "q", "corpus-id": "d", "score": 1.0}\n' + line + "\n")
    with pytest.raises(DataError, match=rf"qrels\.jsonl:2: .*{message}"):
        read_qrels(path)


def test_a_truncated_gzip_file_is_called_damaged(folder: Folder) -> None:
    root = folder(corpus_DOT_jsonl=None)
    lines = [json.dumps({"_id": f"d{i}", "text": "warm corner " * (i % 7)}) for i in range(500)]
    whole = gzip.compress("\n".join(lines).encode())
    for broken in (whole[:-9], b"no gzip at all", whole[:40] + bytes(20) + whole[60:]):
        (root / "corpus.jsonl.gz").write_bytes(broken)
        with pytest.raises(DataError, match=r"corpus\.jsonl\.gz:\d+: the gzip file is damaged"):
            load_beir(root)


def test_a_split_cannot_leave_the_folder(folder: Folder) -> None:
    with pytest.raises(DataError, match="a split must be a plain name"):
        load_beir(folder(), split="../../secret")


# ids as they may stand in a table: no tab or line end, not blank
table_ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r\0"), min_size=1, max_size=8)
all_qrels = st.dictionaries(
    table_ids, st.dictionaries(table_ids, st.integers(-2, 100_000), min_size=1, max_size=4), min_size=1, max_size=5
)
quick = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(qrels=all_qrels, header=st.booleans())
def test_judgements_survive_a_table(tmp_path: Path, qrels: dict[str, dict[str, int]], header: bool) -> None:
    rows = [f"{query}\t{doc}\t{grade}" for query, judged in qrels.items() for doc, grade in judged.items()]
    path = tmp_path / "test.tsv"
    path.write_bytes("\n".join(["query-id\tcorpus-id\tscore"] * header + rows).encode())
    first = next(iter(qrels))
    if first.startswith("\ufeff") and not header:
        return  # a byte-order mark is no part of an id
    assert read_qrels(path) == qrels


@quick
@given(qrels=all_qrels)
def test_judgements_survive_json_lines(tmp_path: Path, qrels: dict[str, dict[str, int]]) -> None:
    path = tmp_path / "qrels.jsonl"
    rows = [
        {"query-id": query, "corpus-id": doc, "score": grade}
        for query, judged in qrels.items()
        for doc, grade in judged.items()
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_qrels(path) == qrels


@quick
@given(texts=st.lists(st.text(max_size=30), min_size=1, max_size=6))
def test_any_text_survives_a_corpus(tmp_path: Path, texts: list[str]) -> None:
    (tmp_path / "corpus.jsonl").write_text(
        "".join(json.dumps({"_id": str(i), "text": text}) + "\n" for i, text in enumerate(texts))
    )
    assert list(load_beir(tmp_path).doc_texts) == [text.strip() for text in texts]


@quick
@given(data=st.binary(max_size=200), name=st.sampled_from(["test.tsv", "qrels.jsonl", "test.tsv.gz"]))
def test_arbitrary_bytes_give_judgements_or_a_typed_error(tmp_path: Path, data: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with contextlib.suppress(DataError):  # anything else fails the test
        qrels = read_qrels(path)
        assert all(isinstance(grade, int) for judged in qrels.values() for grade in judged.values())


def test_scifact_has_its_published_size(shared_data: Path) -> None:
    dataset = load_beir(shared_data / "scifact")
    assert (len(dataset.doc_ids), len(dataset.query_ids), len(dataset.judgements)) == (5183, 300, 339)
    assert dataset.warnings == dataset.judgements.warnings == ()
    assert dataset.doc_ids[0] == "4983"  # file order: the stored vectors are aligned by row


def test_limit_small_has_its_published_size(shared_data: Path) -> None:
    dataset = load_beir(shared_data / "limit-small")
    assert (len(dataset.doc_ids), len(dataset.query_ids), len(dataset.judgements)) == (46, 1000, 2000)
    assert dataset.judgements.warnings == ()
