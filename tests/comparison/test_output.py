"""What `embgeo compare` prints and draws: 80 columns, clean JSON, a page that says what the numbers say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from examples.comparison import analyzed, compressed, few_changed

import embgeo.pipelines.compare
from embgeo.cli.failures import run
from embgeo.reports import report_html
from embgeo.reports.figures import COLORS
from embgeo.reports.sections.compare_decision import decision, p_text, verdict
from embgeo.reports.sections.compare_fronts import SYMBOLS, front_figures
from embgeo.results import CompareResult
from embgeo.results.compare import PairedTest
from embgeo.run import Run, load_run

TEST = PairedTest(difference=0.05, difference_ci=(0.02, 0.08), p_holm=0.004)


@pytest.fixture
def stored(repository: Path) -> Run:
    """A comparison of three models on SciFact, kept as a fixture of format 1."""
    return load_run(repository / "tests" / "data" / "runs" / "compare")


@pytest.fixture
def printed(
    stored: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """stdout of `embgeo compare`, which gets the stored comparison (or a changed one) instead of making one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)

    def call(*words: str, **changes: Any) -> str:
        folder = Path("embgeo-runs/compare-x")
        folder.mkdir(parents=True, exist_ok=True)
        result = Run(folder, {**stored.result, **changes})
        monkeypatch.setattr(embgeo.pipelines.compare, "compare", lambda *asked: result)
        assert run(["compare", "a", "b", *words]) == 0
        return capsys.readouterr().out

    return call


def test_the_terminal_prints_tables_then_the_decision(printed: Callable[..., str]) -> None:
    assert printed("--no-html") == GOLDEN


def test_tables_fit_80_columns(printed: Callable[..., str]) -> None:
    assert max(map(len, printed("--no-html").partition("\nrun ")[0].splitlines())) <= 80


def test_two_runs_show_their_difference_and_a_missing_similarity_its_reason(tmp_path: Path) -> None:
    from rich.console import Console

    from embgeo.cli.commands.compare import compare_tables

    runs = [analyzed(tmp_path, "plain"), analyzed(tmp_path, "random")]
    (tmp_path / "random.npy").unlink()
    result = embgeo.compare(runs, out=tmp_path).result
    console = Console(width=80, no_color=True)
    with console.capture() as captured:
        console.print(*compare_tables(CompareResult.from_json(result)))
    text = re.sub(" +", " ", captured.get())
    assert "twonn_dim 5.00 7.00 -2.00 apart" in text
    assert "A, B" in text
    assert "vectors missing" in text


def test_untrusted_names_cannot_control_the_terminal(printed: Callable[..., str], stored: Run) -> None:
    hostile = "\x1b[31mred\u202e[bold]x\nnext"
    runs = [{**item, "model": hostile, "dataset": hostile} for item in stored.result["runs"]]
    cost = [{**item, "spec": hostile} for item in stored.result["cost"]]
    out = printed("--no-html", runs=runs, cost=cost)
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "[bold]x next" in out


def test_json_on_stdout_is_json_alone(printed: Callable[..., str]) -> None:
    out = printed("--json", "-", "--no-html")
    assert json.loads(out)["command"] == "compare"


def test_from_real_runs_to_report_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = [analyzed(tmp_path, "plain"), compressed(tmp_path, "plain"), compressed(tmp_path, "random")]
    monkeypatch.chdir(tmp_path)
    words = ["compare", *(item.name[:-2] for item in made), "--out", "runs", "--html", "x.html", "--price-per-gb", "2"]
    assert run(words) == 0
    assert "100 million vectors" in capsys.readouterr().out
    folder = next(Path("runs").glob("compare-*"))
    page = Path("x.html").read_text(encoding="utf-8")
    assert run(["report", str(folder), "--html", "again.html"]) == 0
    assert Path("again.html").read_text(encoding="utf-8") == page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compare"], "Missing argument"),
        (["compare", "nothing-there"], "no run matches 'nothing-there'"),
        (["compare", "a", "b", "--html", "x", "--no-html"], "cannot be combined"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    assert said in capsys.readouterr().err


# -- words


def test_a_verdict_names_the_better_one_whichever_stands_first() -> None:
    said = verdict("A", "B", TEST, 300, "nDCG@10")
    assert said.startswith("A is better than B by 0.0500 (0.0200–0.0800) nDCG@10 over 300 shared queries")
    turned = replace(TEST, difference=-0.05, difference_ci=(-0.08, -0.02))
    assert verdict("A", "B", turned, 300, "nDCG@10").startswith("B is better than A by 0.0500 (0.0200–0.0800)")


def test_no_verdict_without_evidence() -> None:
    assert "cannot be told apart" in verdict("A", "B", replace(TEST, p_holm=0.06), 300, "nDCG@10")
    same = PairedTest(difference=0.0, p_holm=1.0, changed_bound=0.01, wins=0, losses=0)
    assert "the same nDCG@10 on all 300 shared queries" in verdict("A", "B", same, 300, "nDCG@10")


@pytest.mark.parametrize(
    ("losses", "said"),
    [(1, "only 1 query differs"), (3, "only 3 queries differ"), (None, "too few queries differ")],
)
def test_a_missing_interval_is_not_read_as_equality(losses: int | None, said: str) -> None:
    few = PairedTest(difference=-0.0012, p_holm=0.25, changed_bound=0.026, wins=0, losses=losses)
    told = verdict("A", "B", few, 300, "nDCG@10")
    assert "the same" not in told
    assert "difference \u22120.0012 nDCG@10" in told
    assert f"without an interval because {said}." in told


def test_the_report_says_how_many_queries_differ_where_there_is_no_interval(tmp_path: Path) -> None:
    result = embgeo.compare([analyzed(tmp_path, "plain"), few_changed(tmp_path, 3)], out=tmp_path)
    page = report_html([result])
    assert re.search("only 3 of [0-9]+ queries change .95 % bound: under", page)
    assert "the same nDCG@10 on all" not in page


def test_p_values_never_read_as_zero() -> None:
    assert [p_text(p) for p in (0.0001, 0.0012, 0.34, None)] == ["< 0.001", "0.001", "0.34", "—"]


def test_a_decision_without_anything_shared_says_so() -> None:
    assert "share no judged queries" in decision(CompareResult())[0]


def test_the_relative_plot_is_each_run_divided_by_its_own_float32(stored: Run) -> None:
    found = CompareResult.from_json(stored.result)
    (group,) = stored.result["fronts"]
    drawn = front_figures(found.fronts[0], {})
    lines = [trace for trace in drawn["relative"]["data"] if trace["mode"] == "lines+markers"]
    front = group["fronts"][2]
    base = front["baseline"]
    kept = [row for row in front["rows"] if row["front"]]
    assert lines[2]["x"] == pytest.approx(
        [row["bytes_per_vector"] / base["bytes_per_vector"] for row in kept], rel=1e-4
    )
    assert lines[2]["y"] == pytest.approx([row["ndcg@10"] / base["ndcg@10"] for row in kept], rel=1e-4)
    symbols = {trace["marker"]["symbol"] for trace in lines}
    assert len(symbols) == len({trace["line"]["color"] for trace in lines}) == 3
    # where colours come round again, marker shapes still differ
    assert len(SYMBOLS) != len(COLORS)


# -- the page


class Text(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.handlers: list[str] = []
        self.hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in ("script", "style")
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def test_the_page_opens_with_the_decision_and_holds_every_part(stored: Run) -> None:
    page = Text(report_html([stored]))
    text = page.text
    assert page.handlers == []
    places = [
        text.index(part)
        for part in (
            "A and C cannot be told apart", "What is compared", "Size against nDCG@10", "Differences, paired by query",
            "Model similarity", "Signatures", "Cost of 100 million vectors", "How it was compared",
            "embgeo compare embgeo-runs/analyze-",
        )
    ]  # fmt: skip
    assert places == sorted(places)
    assert "a warning: <b>not markup</b>" in text
    assert "0.871" in text  # neighbourhood overlap of A and C
    assert "Holm" in text


def test_cells_are_painted_by_z_score_but_not_where_intervals_overlap(stored: Run) -> None:
    page = report_html([stored])
    rows = dict(re.findall(r"<code>(\w+)</code>(.*?)</tr>", page, re.S))
    assert "z-p" in rows["twonn_dim"]
    assert "z-n" in rows["twonn_dim"]
    assert "z-" not in rows["hubness"]
    assert "overlap" in rows["hubness"]


@pytest.mark.parametrize("part", ["runs", "signatures", "model_similarity", "retrieval", "stores", "fronts", "cost"])
@pytest.mark.parametrize("broken", [None, [], {}, "text", [{}], {"runs": [{}], "pairs": [{}]}, [{"fronts": [{}]}]])
def test_damaged_parts_never_stop_the_page(stored: Run, part: str, broken: Any) -> None:
    assert "How it was compared" in report_html([Run(stored.folder, {**stored.result, part: broken})])


def test_several_analyze_runs_are_side_by_side_and_compare_is_named(tmp_path: Path) -> None:
    runs = [analyzed(tmp_path, name) for name in ("plain", "random")]
    page = report_html(runs)
    text = Text(page).text
    assert "embgeo compare" in text
    first = page.split("<article")[1]
    row = re.search(r"<code>twonn_dim</code>.*?</tr>", first, re.S)
    assert row is not None
    assert "5.00" in row.group()
    assert "7.00" in row.group()
    assert "7.00" not in _row(report_html(runs[:1]), "twonn_dim")


def _row(page: str, name: str) -> str:
    found = re.search(rf"<code>{name}</code>.*?</tr>", page, re.S)
    assert found is not None
    return found.group()


GOLDEN = """\
A   analyze   vectors:minilm-docs.npy × scifact, 5,183 documents
B   analyze   vectors:noisy-docs.npy × scifact, 5,183 documents
C   analyze   vectors:pca128-docs.npy × scifact, 5,183 documents
A   compress  vectors:minilm-docs.npy × scifact, 5,183 documents
B   compress  vectors:noisy-docs.npy × scifact, 5,183 documents
C   compress  vectors:pca128-docs.npy × scifact, 5,183 documents

Retrieval with exact search
   measure      value  95 % interval
A  ndcg@10     0.6451  0.6002…0.6895
A  recall@100  0.9250  0.8933…0.9533
B  ndcg@10     0.5708  0.5251…0.6160
B  recall@100  0.8910  0.8547…0.9250
C  ndcg@10     0.6356  0.5904…0.6800
C  recall@100  0.9200  0.8883…0.9484

Differences in nDCG@10, exact float32 search
        change  95 % interval    p (Holm)  won/tied/lost  queries
A - B  +0.0743  +0.0498…+0.1002   < 0.001      84/189/27      300
A - C  +0.0095  -0.0037…+0.0224      0.16      42/229/29      300
B - C  -0.0648  -0.0921…-0.0383   < 0.001      39/172/89      300

Differences in nDCG@10, recommended stores
        change  95 % interval    p (Holm)  won/tied/lost  queries
A - B  +0.0783  +0.0536…+0.1041   < 0.001      89/186/25      300
A - C  +0.0119  -0.0041…+0.0280      0.15      48/218/34      300
B - C  -0.0665  -0.0938…-0.0400   < 0.001      35/181/84      300

Model similarity on shared documents
       CKA SVCCA same@10 Procrustes   a→b   b→a     n
A, B 0.901 0.741   0.640      0.328 0.002 0.002 3,000
A, C 0.993 1.000   0.871      0.160 0.001 0.001 3,000
B, C 0.894 0.879   0.625      0.441 0.002 0.002 3,000

Signatures
measure                A       B       C  intervals
mean_vector_norm  0.3623  0.2990  0.3885  apart
iso_score         0.1677  0.3217   0.360  apart
hubness             1.21    1.36    1.23  overlap
twonn_dim           15.3    34.8    13.6  apart
effective_rank     281.1  345.78  114.02  apart

Cost
   spec          B/vec  100 million vectors  price
A  f32           1,536               154 GB  15.36
A  adaptive@96B     96              9.60 GB   0.96
B  f32           1,536               154 GB  15.36
B  adaptive@96B     96              9.60 GB   0.96
C  f32             512              51.2 GB   5.12
C  adaptive@48B     48              4.80 GB   0.48

warning: a warning: <b>not markup</b>
run     embgeo-runs/compare-x

With exact float32 search, search quality (nDCG@10) is 0.6451 for A (minilm-docs.npy), 0.6356 for C \
(pca128-docs.npy), 0.5708 for B (noisy-docs.npy). A and C cannot be told apart over 300 shared queries: difference \
+0.0095 (-0.0037 to +0.0224) nDCG@10, p = 0.16. A is better than B by 0.0743 (0.0498–0.1002) nDCG@10 over 300 \
shared queries, p < 0.001.
A keeps 99.8 % (98.8–100.8) of nDCG@10 at 96 B per vector (adaptive@96B); B keeps 99.0 % (96.6–101.7) of nDCG@10 at \
96 B per vector (adaptive@96B); C keeps 99.4 % (97.7–101.2) of nDCG@10 at 48 B per vector (adaptive@48B). Of the \
recommended stores, A is better than B by 0.0783 (0.0536–0.1041) nDCG@10 over 300 shared queries, p < 0.001. Of the \
recommended stores, A and C cannot be told apart over 300 shared queries: difference +0.0119 (-0.0041 to +0.0280) \
nDCG@10, p = 0.15.
Of a document's ten nearest neighbours, A and B share 64 % (linear CKA 0.901, chance 0.029), A and C share \
87 % (linear CKA 0.993, chance 0.018), B and C share 62 % (linear CKA 0.894, chance 0.026). Linear CKA is 1 if two \
models see the same similarities between documents; unrelated ones are near chance.
At 100 million vectors: 9.60 GB at a price of 0.96 for A (adaptive@96B); 9.60 GB at a price of 0.96 for B \
(adaptive@96B); 4.80 GB at a price of 0.48 for C (adaptive@48B).
"""
