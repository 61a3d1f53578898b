"""Documents grouped by a key of their metadata: where the key is found, and what is told of each group."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from embgeo import analyze
from embgeo.comparison.groups import Answers, compare_groups
from embgeo.embeddings import check_embeddings
from embgeo.errors import InputError
from embgeo.judgements import check_judgements
from embgeo.reports import report_html
from embgeo.reports.sections.groups import verdicts
from embgeo.reports.sections.summary import next_command
from embgeo.results.analyze import DocumentGroups
from embgeo.retrieval.evaluate import Evaluator
from embgeo.retrieval.exact import exact_search
from embgeo.sources.group_keys import read_group_key

RNG = np.random.default_rng(0)
N, D = 400, 16
GENRE = ["plain" if row % 4 else "odd" for row in range(N)]  # 300 and 100


def space() -> tuple[np.ndarray, np.ndarray]:
    """Plain documents fill 16 dimensions, odd ones 2, where their queries cannot tell them apart."""
    X = RNG.standard_normal((N, D)).astype(np.float32)
    odd = np.array(GENRE) == "odd"
    X[odd, 2:] = 5
    return X, (X[:200] + 0.5 * RNG.standard_normal((200, D))).astype(np.float32)


def grouped(values: list[str | None]) -> tuple[DocumentGroups, Answers]:
    X, Q = space()
    held = check_embeddings(X, Q)
    qrels = {str(row): {str(row): 1} for row in range(200)}
    evaluator = Evaluator(check_judgements(qrels, held.doc_ids, held.query_ids), held.doc_ids, held.query_ids)
    scores, rows = exact_search(held, 100)
    answers = Answers(evaluator, evaluator(scores, rows)["ndcg@10"], rows)
    return compare_groups(held, "genre", values, answers), answers


def test_each_group_has_its_own_dimension_and_quality_and_its_share_of_the_results() -> None:
    found, answers = grouped([*GENRE])
    plain, odd = found.groups
    assert (plain.name, plain.documents, odd.documents, found.sample, found.rest) == ("plain", 300, 100, 100, 0)
    assert plain.dimension is not None
    assert odd.dimension is not None
    assert plain.dimension.value is not None
    assert odd.dimension.value == pytest.approx(2, abs=0.7)
    assert plain.dimension.value > 7
    of_odd = np.array(GENRE)[:200] == "odd"
    assert odd.ndcg is not None
    assert odd.ndcg.value == pytest.approx(answers.quality[of_odd].mean())
    assert (odd.queries, odd.relevant_share) == (50, 0.25)
    top = np.isin(answers.rows[:, :10], np.flatnonzero(np.array(GENRE) == "odd"))
    assert odd.found is not None
    assert odd.found.value == pytest.approx(top.mean())
    assert "whose genre is odd fail most" in verdicts(found)[0]
    assert "whose genre is odd crowd" not in " ".join(verdicts(found))  # it is found no more than its queries ask


def test_a_group_that_others_queries_find_crowds_the_results() -> None:
    X = RNG.standard_normal((N, D)).astype(np.float32)
    Q = X[:200].copy()
    X[:, 0], Q[:, 0] = 3, 3
    X[::4] *= 3  # the dot product prefers long documents
    held = check_embeddings(X, Q[1::4], similarity="dot", query_ids=[str(row) for row in range(1, 200, 4)])
    qrels = {str(row): {str(row): 1} for row in range(1, 200, 4)}
    evaluator = Evaluator(check_judgements(qrels, held.doc_ids, held.query_ids), held.doc_ids, held.query_ids)
    scores, rows = exact_search(held, 100)
    found = compare_groups(held, "genre", GENRE, Answers(evaluator, evaluator(scores, rows)["ndcg@10"], rows))
    assert any("whose genre is odd crowd the results" in said for said in verdicts(found))


def test_groups_that_differ_by_nothing_but_their_names_get_no_verdict() -> None:
    names = RNG.permutation(["a", "b", "c", "d"] * 100).tolist()
    assert verdicts(grouped(names)[0]) == []


def test_documents_without_a_value_and_of_small_groups_are_counted_apart() -> None:
    values: list[str | None] = [*GENRE]
    values[1], values[2:8] = None, ["rare"] * 6
    found, _ = grouped(values)
    assert (len(found.groups), found.rest) == (2, 7)
    with pytest.raises(InputError, match=r"two groups of at least 50 documents; the largest of 400 are 0 \(1\)"):
        grouped([str(row) for row in range(N)])


def corpus(folder: Path, *rows: dict) -> Path:
    folder.mkdir()
    lines = [json.dumps({"_id": f"d{at}", "title": "", "text": f"text {at}", **row}) for at, row in enumerate(rows)]
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_keys_are_read_beside_the_text_and_in_its_metadata(tmp_path: Path) -> None:
    folder = corpus(tmp_path / "c", {"year": 1999}, {"metadata": {"genre": "law", "tags": ["a"]}}, {"year": ""})
    assert read_group_key("minilm", str(folder), "year").of(["d1", "d0", "d2", "x"]) == [None, "1999", None, None]
    assert read_group_key("minilm", str(folder), "genre").of(["d1", "d0"]) == ["law", None]
    with pytest.raises(InputError, match=r"no document has the key 'Genre' to group by. There are: year, genre, tags"):
        read_group_key("minilm", str(folder), "Genre")
    with pytest.raises(InputError, match=r"the key 'tags' of .*corpus.jsonl must be a text, number or flag"):
        read_group_key("minilm", str(folder), "tags")
    assert read_group_key("minilm", "pydocs", "module").of(["json.dumps", "re"]) == ["json", "re"]


def test_a_run_groups_the_rows_of_a_parquet_file_by_a_column_and_shows_them(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    X, _ = space()
    path = tmp_path / "docs.parquet"
    parquet.write_table(arrow.table({"vector": list(X), "genre": GENRE}), path)
    run = analyze(f"vectors:{path}", measures=["effective_rank"], group_by="genre", out=tmp_path)
    assert [group["name"] for group in run.result["groups"]["groups"]] == ["plain", "odd"]
    assert run.result["groups"]["groups"][0]["ndcg"] is None
    assert "Groups of documents" in report_html([run])
    assert "--group-by" not in next_command(run)
    with pytest.raises(InputError, match="There are: vector, genre"):
        analyze(f"vectors:{path}", group_by="colour", out=tmp_path)
