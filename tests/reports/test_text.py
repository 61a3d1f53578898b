"""Untrusted text stays text, commands repeat the run, CSV is no formula."""

from __future__ import annotations

import csv
import io
import json
import shlex
from pathlib import Path

import pytest

from embgeo.reports.blocks import Plot
from embgeo.reports.commands import commands, repeat_command
from embgeo.reports.drawing.csv import csv_text
from embgeo.reports.drawing.inline_data import content_security_policy, inline_json, script_text
from embgeo.reports.facts import fact_tables, facts
from embgeo.reports.figures import Figure
from embgeo.reports.front import front_of, front_table
from embgeo.reports.heading import heading, title_of
from embgeo.reports.plaintext import plot_text, visible
from embgeo.reports.sections.codecs import fields_of, shared_facts
from embgeo.reports.sections.curves import curve_plots
from embgeo.reports.sections.decision import details
from embgeo.reports.sections.tradeoff import tradeoff_figures
from embgeo.results import AnalyzeResult, CompressResult, Row
from embgeo.run import Run

HOSTILE = ["</script><script>alert(1)</script>", "<!--", "a & b", "\u2028\u2029", "\x00\ud800", "\u202eevil"]


@pytest.mark.parametrize("text", HOSTILE)
def test_data_cannot_leave_its_script_element(text):
    markup = str(inline_json({"text": text}))
    assert not set("<>&\u2028\u2029\x00") & set(markup)
    assert markup.isascii()
    assert json.loads(markup) == {"text": text}


def test_inline_json_has_no_nan():
    assert str(inline_json([float("nan"), float("inf")])) == "[null,null]"


@pytest.mark.parametrize("source", ["</SCRIPT >", "a<!--b", "a\r\nb", "\0"])
def test_a_script_that_html_would_rewrite_is_refused(source):
    with pytest.raises(ValueError, match="must hold no"):
        script_text(source)


def test_the_policy_names_the_hash_of_each_script():
    # sha256 of "alert(1)", as `openssl dgst -sha256 -binary | base64` prints it
    assert "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='" in content_security_policy(["alert(1)"])
    assert content_security_policy([]).startswith("default-src 'none';")


def test_what_cannot_be_seen_is_made_visible():
    assert visible("a\x00b\x1b\x7f") == "a␀b␛\ufffd"
    assert visible("x\u202ey\u2066") == "x[U+202E]y[U+2066]"
    assert visible("\ud800") == "\ufffd"
    assert visible("tab\tnew\nline 😀 é") == "tab\tnew\nline 😀 é"
    assert visible("x" * 50, longest=10) == "x" * 9 + "…"


def test_plot_labels_hold_no_markup():
    assert plot_text("<a href='x'>&amp;</a>\nb") == "&lt;a href='x'&gt;&amp;amp;&lt;/a&gt; b"


def test_plot_labels_are_no_mathematics():
    assert plot_text("$x$") == "&#36;x&#36;"


def test_csv_reads_back_and_runs_no_formula():
    text = csv_text([{"spec": "=1+1", "difference": -0.5, "difference_ci": [-1, 0]}, {"spec": "a,b\n", "extra": None}])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0] == {
        "spec": "'=1+1",
        "difference": "-0.5",
        "difference_ci_low": "-1",
        "difference_ci_high": "0",
        "extra": "",
    }
    assert rows[1]["spec"] == "a,b\n"
    assert csv_text([]) == ""


def run_of(**result: object) -> Run:
    return Run(Path("embgeo-runs/analyze-x-12345678"), {"command": "analyze", **result})


def test_the_repeat_command_gives_back_what_was_asked():
    request = {
        "model": "my model; rm -rf ~", "dataset": "pydocs", "specs": ["int8", "pca96,int4"], "budget": "96B", "seed": 3,
        "similarity": "auto", "measures": ["twonn_dim", "hubs"], "quick": True, "exhaustive": False, "keep": None,
        "encoder": {"batch_size": 32, "truncate_dim": 128}, "out": "/home/someone",
    }  # fmt: skip
    words = shlex.split(repeat_command(run_of(request=request)))
    assert words[:4] == ["embgeo", "analyze", "my model; rm -rf ~", "pydocs"]
    assert words[4:] == [
        "--truncate-dim", "128", "--budget", "96B", "--seed", "3", "--measures", "twonn_dim,hubs", "--quick",
        "--spec", "int8", "--spec", "pca96,int4",
    ]  # fmt: skip
    assert shlex.split(repeat_command(run_of(request=request), ["f16"]))[-2:] == ["--spec", "f16"]
    assert not any("/home" in line for _, line in commands(run_of(request=request)))


def test_the_other_commands_find_the_run_from_where_it_was_made():
    folder = "embgeo-runs/analyze-x-12345678"
    assert commands(run_of(model="m"))[-1][1] == f"embgeo report {folder}"
    built = run_of(command="compress", model="minilm"), run_of(command="compress", model="vectors:docs.npy")
    assert [commands(run)[1][1] for run in built] == [
        f"embgeo search {folder} 'your query'",
        f"embgeo search {folder} --vector query.npy",
    ]
    elsewhere = Run(Path("/home/someone/analyze-x-12345678"), {"command": "analyze", "model": "m"})
    assert commands(elsewhere)[-1][1] == "embgeo report /home/someone/analyze-x-12345678"


def test_a_run_without_a_request_still_has_a_command():
    assert repeat_command(run_of(model="minilm")) == "embgeo analyze minilm"
    assert repeat_command(run_of(model={"name": "m"}, dataset={"name": "d"}, request=None)) == "embgeo analyze m d"


def test_headings_show_no_folders():
    assert title_of("vectors:/home/me/x/docs.npy") == "vectors:docs.npy"
    assert title_of("/data/scifact/") == "scifact"
    assert title_of("sentence-transformers/all-MiniLM-L6-v2") == "sentence-transformers/all-MiniLM-L6-v2"


def test_bare_vectors_are_headed_by_their_file():
    assert heading(run_of(model="vectors:/x/docs.npy", dataset=None).findings)[:2] == ("docs.npy", "")


def test_the_ratio_of_a_planned_store_is_that_at_its_planned_size():
    row = {"spec": "pca4,int8", "bytes_per_vector": 4, "ratio": 0.2}
    planned = {**row, "planned": {"vectors": 1e8, "store_bytes": 4e8, "ratio": 16.0}}
    for said, shown in ((row, "0.2"), (planned, "16.0")):
        request = {"specs": ["pca4,int8"]}
        found = run_of(command="compress", request=request, tradeoffs=[said], recommendation=said).findings
        table = front_table(found)
        assert shown in table.groups[0].rows[0].cells
        assert ("ratio at 100,000,000 vectors" in table.label) == ("planned" in said)


def test_facts_flatten_any_shape():
    entry = {"k": 100, "gini": 0.33886, "timing": {"batch": 256, "wait_seconds": 0.25}, "ids": ["a", "b"], "none": None}
    listed = {fact.label: fact.text for fact in facts(entry)}
    assert listed == {
        "k": "100", "Gini coefficient (0: all found equally often)": "0.3389",
        "Timing: batch": "256", "Timing: wait seconds": "250\u202fms", "Ids": "a, b",
        "None": "—",
    }  # fmt: skip
    assert [fact.text for fact in facts(["x", 1])] == ["x", "1"]
    assert facts(None) == []
    (table,) = fact_tables([("hubs", [{"id": i, "text": "t"} for i in range(60)]), ("k", 1)], "documents")
    assert ([column.title for column in table.columns], len(table.rows), table.more) == (["ID", "Text"], 50, 10)
    assert (table.name, table.data.name, len(table.data.records)) == ("documents-hubs", "documents-hubs", 60)


def curves(stored: object) -> list[Plot]:
    return curve_plots(AnalyzeResult.from_json({"curves": stored}))


def test_curves_are_drawn_by_name_or_by_measure_and_name():
    line = {"x": [1, 2, 4], "y": [3, 2, None], "log": "x", "lo": [1, 1, 1], "hi": [4, 4, 4]}
    plots = curves({"spectrum": line, "lid": {"distribution": line}, "bad": {"x": [1], "y": [2]}, "odd": 3})
    # a curve with words of its own comes first, the others under their keys
    assert [plot.title for plot in plots] == ["Local dimension", "Spectrum"]
    assert plots[0].figures["curve"]["layout"]["xaxis"]["type"] == "log"
    assert [trace["type"] for trace in plots[0].figures["curve"]["data"]] == ["scatter", "scatter"]
    assert curves(None) == []


def test_points_in_no_order_are_drawn_as_points():
    (plot,) = curves({"diagram": {"x": [0.5, 0.2, 0.9], "y": [1, 2, 3]}})
    assert plot.figures["curve"]["data"][0]["mode"] == "markers"


ROWS = [
    {"spec": "f32", "bytes_per_vector": 1536, "ndcg@10": 0.645, "recall@10_exact": 1.0},
    {"spec": "int8", "bytes_per_vector": 384, "ndcg@10": 0.647, "recall@10_exact": 0.99},
    {"spec": "bad", "bytes_per_vector": 384, "ndcg@10": 0.5, "recall@10_exact": 0.8},
    {"spec": "zero", "bytes_per_vector": 192, "ndcg@10": 0.0, "recall@10_exact": 0.0},
    {"spec": "none", "bytes_per_vector": 96, "ndcg@10": None},
]


def pareto(rows: list[dict], key: str) -> list[Row]:
    return front_of([Row.from_json(row) for row in rows], key)


def figures(rows: list[dict]) -> dict[str, Figure]:
    return tradeoff_figures(CompressResult.from_json({"tradeoffs": rows}), {})


def test_the_front_keeps_rows_that_nothing_smaller_beats():
    assert [row.spec for row in pareto(ROWS[:4], "ndcg@10")] == ["zero", "int8"]
    assert [row.spec for row in pareto(ROWS[:4], "recall@10_exact")] == ["zero", "int8", "f32"]


def test_the_line_never_falls_although_the_store_counts_constants():
    """A codec of equal bytes per vector and fewer constants is on the front of stores, and not of this axis."""
    flagged = [
        {"spec": "large", "bytes_per_vector": 24, "ndcg@10": 0.473, "pareto": True},
        {"spec": "few constants", "bytes_per_vector": 24, "ndcg@10": 0.434, "pareto": True},
        {"spec": "half", "bytes_per_vector": 12, "ndcg@10": 0.403, "pareto": True},
    ]
    line = figures(flagged)["ndcg@10"]["data"][0]
    assert line["mode"] == "lines"
    assert (line["x"], line["y"]) == ([12, 24], [0.403, 0.473])


@pytest.mark.parametrize(("quality", "tickformat"), [((1.0, 1.0), ".3f"), ((0.5, 0.7), ".2f")])
def test_the_marks_of_a_narrow_axis_differ(quality, tickformat):
    rows = [{"spec": str(n), "bytes_per_vector": 4 + n, "ndcg@10": value} for n, value in enumerate(quality)]
    assert figures(rows)["ndcg@10"]["layout"]["yaxis"]["tickformat"] == tickformat


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("yes", "Statistically confirmed: at least 99.5\u202f% is kept."),
        ("no", "Refuted"),
        ("not enough queries", "too few queries to tell"),
        ("not shown", "Not confirmed that at least 99.5\u202f%"),
    ],
)
def test_the_decision_says_whether_the_requested_share_is_confirmed(shown, said):
    best = {"spec": "int8", "bytes_per_vector": 4, "ndcg@10": 0.5, "keep": {"shown": shown}}

    def said_of(keep: float | None) -> list[str]:
        return list(details(CompressResult.from_json({"recommendation": best, "keep": keep})))

    told = [line for line in said_of(0.995) if "99.5" in line]
    assert len(told) == 1
    assert said in told[0]
    assert not [line for line in said_of(None) if "is kept" in line]


def test_what_all_rows_share_is_said_once():
    rows = [
        {"spec": "a", "query_side": "float32", "searcher": "x"},
        {"spec": "b", "query_side": "float32", "searcher": "y"},
    ]
    read = [Row.from_json(row) for row in rows]
    assert [field.key for field in fields_of(read)] == ["searcher"]
    assert [(fact.label, fact.text) for fact in shared_facts(read)] == [("Query side", "float32")]


def test_a_quality_that_no_row_has_is_not_offered():
    rows = [{"spec": "a", "bytes_per_vector": 4, "recall@10_exact": 0.5}]
    assert list(figures(rows)) == ["recall@10_exact"]
    assert figures([]) == {}
