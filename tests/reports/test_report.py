"""The report page as text: what it says, what it survives. How it behaves is tested in a browser (tests/browser)."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from embgeo.errors import InputError, StorageError
from embgeo.reports import report_html, write_report
from embgeo.results.parts import part_summaries
from embgeo.run import Run, load_run

MOST_BYTES = 6_000_000


@pytest.fixture(params=["analyze", "compress"])
def run(request: pytest.FixtureRequest, repository: Path) -> Run:
    """A stored run of format 1, kept as a fixture."""
    return load_run(repository / "tests" / "data" / "runs" / request.param)


@pytest.fixture
def compressed(repository: Path) -> Run:
    return load_run(repository / "tests" / "data" / "runs" / "compress")


class Text(HTMLParser):
    """Visible text and the attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in ("script", "style")
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words)).replace("\u202f", " ")


def test_a_run_of_format_1_is_drawn(run, tmp_path):
    path = write_report([run], tmp_path / "deep" / "report.html")
    assert path.stat().st_size < MOST_BYTES
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    text = Text(path.read_text(encoding="utf-8")).text
    assert "minilm on scifact" in text
    for warning in run.result["warnings"]:
        assert warning in text


def test_the_page_names_no_address_and_no_handler(run):
    page = Text(report_html([run]))
    loads = [value for _, name, value in page.attributes if name in ("src", "href", "action", "data", "srcset")]
    assert all(value.startswith(("#", "data:,")) for value in loads)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    policy = next(
        value for tag, name, value in page.attributes if (tag, name) == ("meta", "content") and "src" in value
    )
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]


def test_the_decision_comes_first_with_its_numbers(compressed):
    text = Text(report_html([compressed])).text
    decision = text[text.index("The decision") :][:700]
    assert (
        "adaptive@96B keeps 100.0 % (98.7–101.4) of the search quality (nDCG@10) at 96 B per vector instead of 1,536 B."
        in decision
    )
    assert "+0.0001 (−0.0085 to +0.0090)" in decision
    assert "9.60 GB instead of 154 GB" in decision
    assert "Smaller: adaptive@48B at 48 B per vector" in text


def test_the_first_screen_explains_its_words_and_the_recommended_codec(compressed):
    text = Text(report_html([compressed])).text
    terms = text[text.index("What these words mean") : text.index("Size against quality")]
    [(part, meaning)] = part_summaries("adaptive@96B")
    for word in ("codec", "nDCG@10", "paired by query", "statistically tied", f"{part} {meaning}"):
        assert word in terms


def test_parts_of_a_spec_are_explained_as_registered():
    found = [part for part, _ in part_summaries("hnsw32,pca192,binary+int8@4")]
    assert found == ["hnsw32", "pca192", "binary", "int8"]
    assert not part_summaries("planted9,</script>")


def test_the_signature_says_what_each_measure_means(repository):
    from embgeo.metrics.registry import measures

    text = Text(report_html([load_run(repository / "tests" / "data" / "runs" / "analyze")])).text
    assert measures()["twonn_dim"].summary in text
    assert "15.31 (14.82–15.81)" in text
    assert "the fit needs at least 4 sample sizes; got 2" in text
    assert "0.6451 (0.6003–0.6888)" in text


def test_several_runs_share_one_page_and_one_library(repository):
    runs = [load_run(repository / "tests" / "data" / "runs" / name) for name in ("analyze", "compress", "analyze")]
    page = report_html(runs)
    assert page.count("* plotly.js (basic - minified)") == 1
    ids = [value for _, name, value in Text(page).attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert "Signatures side by side" in page


@pytest.mark.parametrize("gone", [None, float("nan"), "text", [], {}, 3, True])
def test_any_missing_or_odd_part_is_survived(run, gone):
    for key in run.result:
        if key in ("command", "format_version"):
            continue
        changed = {**run.result, key: gone}
        assert "</html>" in report_html([Run(run.folder, changed)]), key


def test_any_absent_part_is_survived(run):
    for key in set(run.result) - {"command", "format_version"}:
        changed = {name: value for name, value in run.result.items() if name != key}
        assert "</html>" in report_html([Run(run.folder, changed)]), key


@pytest.mark.parametrize("gone", [None, float("nan"), "text", [1], {}])
def test_any_missing_or_odd_number_of_a_row_is_survived(compressed, gone):
    for key in compressed.result["recommendation"]:
        result = copy.deepcopy(compressed.result)
        for row in (result["recommendation"], result["baseline"], *result["tradeoffs"]):
            row[key] = gone
        assert "</html>" in report_html([Run(compressed.folder, result)]), key


def test_nan_reads_as_a_dash(compressed):
    result = copy.deepcopy(compressed.result)
    result["tradeoffs"][3]["recall@10_exact"] = float("nan")
    page = report_html([Run(compressed.folder, result)])
    assert not re.search(r">\s*(nan|NaN|None|null|inf)\s*<", page)
    assert re.search(r'data-value="">—</td>', page)


def test_an_empty_run_is_drawn():
    for command in ("analyze", "compress"):
        assert "</html>" in report_html([Run(Path("x"), {"command": command})])


def test_without_judgements_the_report_says_so(compressed):
    result = copy.deepcopy(compressed.result) | {"quality": "recall@10_exact"}
    for row in (result["recommendation"], result["baseline"], *result["tradeoffs"]):
        row["ndcg@10"] = row["in_sample_ndcg@10"] = None
    text = Text(report_html([Run(compressed.folder, result)])).text
    assert "returns 87.0 % of the ten documents that exact search returns" in text
    assert "There are no relevance judgements" in text
    assert "of nDCG@10 at" not in text


def test_no_run_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="at least one run"):
        write_report([], tmp_path / "x.html")


def test_a_failed_write_leaves_the_old_report(compressed, tmp_path, monkeypatch):
    path = write_report([compressed], tmp_path / "report.html")
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(StorageError, match="No space left"):
        write_report([compressed], path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_the_formatter_alone_imports_neither_jinja_nor_measures():
    code = "import sys, embgeo.reports.numbers; print([m for m in ('jinja2', 'numpy', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
