"""What the analyze report and the terminal say first: consequences of measured values, and nothing beyond them."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from embgeo.reports import report_html
from embgeo.reports.sections import summary as sentences
from embgeo.results import AnalyzeResult
from embgeo.run import Run

D, N = 100, 10_000


def summary(stored: dict[str, Any]) -> list[str]:
    return sentences.summary(AnalyzeResult.from_json(stored))


def next_command(stored: dict[str, Any]) -> str:
    return sentences.next_command(Run(Path("x"), stored))


def result(**more: Any) -> dict[str, Any]:
    return {"command": "analyze", "model": "m", "dataset": {"name": "d", "documents": N, "dimension": D}, **more}


def measured(**values: Any) -> dict[str, Any]:
    """{measure: (value, low, high)} as a stored signature."""
    return {
        name: {"value": value, "ci": [low, high], "n": N, "status": "ok"} for name, (value, low, high) in values.items()
    }


def said(**more: Any) -> str:
    return " ".join(summary(result(**more)))


def test_nothing_is_said_of_what_was_not_measured():
    assert summary(result(retrieval={})) == []
    gone = {name: {"value": None, "ci": None} for name in ("pca_dim_95", "hubness", "mean_vector_norm")}
    assert summary(result(retrieval={}, signature=gone, retrievability={"k": 100})) == []


def test_copies_are_described_by_what_they_cost():
    assert said(duplicates={"rows": 0, "groups": 0}) == said(duplicates={"rows": 99, "groups": 9}) == said()
    copied = {"duplicates": {"rows": 2500, "groups": 7}}
    assert re.search("2,500 of 10,000 documents .25.0.%. repeat the vector of another", told := said(**copied))
    assert "At least 2,500" not in told
    assert "At least 2,500" in said(**copied, sampling={"cap": 5000})


@pytest.mark.parametrize(
    ("held", "verdict"),
    [
        ((50, 49, 51), "should compress well: 50 of 100"),
        ((75, 74, 76), "should compress moderately"),
        ((66, 64, 68), "should compress moderately"),  # the interval reaches over two thirds
        ((92, 91, 93), "Dropping dimensions saves little"),
    ],
)
def test_the_spectrum_decides_how_well_the_space_compresses(held, verdict):
    assert verdict in said(signature=measured(pca_dim_95=held))


def test_few_documents_give_no_verdict_on_the_spectrum():
    """A Gaussian of as many documents as dimensions has 95 % of its variance in 61 % of the directions."""
    signature = measured(pca_dim_95=(61, 60, 62))
    signature["pca_dim_95"]["n"] = D
    assert "compress" not in said(signature=signature)
    assert "--spec" not in next_command(result(signature=signature))


def test_outliers_and_a_common_direction_are_named_where_they_matter():
    text = said(signature=measured(outlier_dimensions=(3, 3, 3), mean_vector_norm=(0.61, 0.6, 0.62)))
    assert "3 coordinates dominate the similarities" in text
    assert "0.610 (0.600–0.620) of their length" in text
    text = said(signature=measured(outlier_dimensions=(0, 0, 0), mean_vector_norm=(0.36, 0.35, 0.37)))
    assert "coordinate" not in text
    assert "share a direction" not in text
    assert "share a direction" not in said(signature=measured(mean_vector_norm=(0.51, 0.45, 0.57)))


@pytest.mark.parametrize(
    ("missed", "by_chance", "words"),
    [
        (0.0268, 0.0029, "practically unreachable: 268 of 10,000 documents (2.7 %)"),
        (0.009, 0.0029, "Nearly every document can be reached: 90 of 10,000"),
        (0.003, 0.0029, "No sign of unreachable documents: 30 of 10,000"),
        (0.4, 0.35, "too few to tell"),
        (102, 0.003, ""),  # a count where a share belongs: an old run
    ],
)
def test_documents_are_unreachable_only_where_chance_does_not_explain_it(missed, by_chance, words):
    stored = {"never_retrieved": missed, "never_retrieved_random": by_chance, "k": 100, "queries": 300}
    text = said(retrieval={}, retrievability=stored).replace("\u202f", " ")
    assert words in text
    assert bool(words) == bool(text)


@pytest.mark.parametrize(
    ("skew", "words"),
    [
        ((3.0, 2.5, 3.5), "A few documents crowd the results"),
        ((1.5, 1.2, 1.8), "not often enough to crowd"),
        ((0.5, 0.3, 0.7), "No documents crowd"),
        ((2.1, 1.5, 2.7), "It is unclear"),
    ],
)
def test_hubs_crowd_only_where_the_whole_interval_says_so(skew, words):
    assert words in said(signature=measured(hubness=skew))


def test_the_next_command_compresses_what_was_analyzed_and_starts_where_the_space_says():
    request = {"model": "minilm", "dataset": "d/", "measures": "lid", "quick": True, "umap": True, "seed": 3}
    even = result(request=request, signature=measured(pca_dim_95=(95, 95, 95)))
    assert next_command(even) == "embgeo compress minilm d/ --seed 3 --spec int8 --spec rot,int4"
    uneven = result(request=request, signature=measured(pca_dim_95=(50, 50, 50)))
    assert next_command(uneven) == "embgeo compress minilm d/ --seed 3 --spec int8 --spec adaptive@25B"


@pytest.fixture
def page() -> str:
    signature = measured(
        pca_dim_95=(50, 49, 51), hubness=(3.0, 2.5, 3.5), avg_pair_sim_cosine=(0.1312, 0.1283, 0.1342),
        epsilon_corpus=(0.3906, 0.3868, 0.3945), mean_vector_norm=(0.61, 0.6, 0.62),
    )  # fmt: skip
    curve = {
        "x": [0, 0.5], "y": [1, 2], "kind": "bars",
        "marks": [{"x": 0.1074, "label": "mean μ"}, {"x": 0.3906, "label": "ε = μ + 2σ"}],
    }  # fmt: skip
    details = {"epsilon_corpus": {"mean": 0.1074, "std": 0.13}, "hubness": {"hubs": [{"document": "a", "value": 3}]}}
    stored = result(
        signature=signature, details=details, curves={"epsilon_corpus": {"pair_histogram": curve}},
        retrievability={"most_retrieved": [{"id": "a", "queries": 3}]},
    )  # fmt: skip
    return report_html([Run(Path("x"), copy.deepcopy(stored))]).partition(
        '<script type="application/json" id="run-1-json"'
    )[0]


def test_a_page_has_one_value_of_the_mean_cosine(page):
    assert "0.1312" in page
    assert not re.search(r"0\.107", page)


def test_the_signature_comes_before_the_lists_of_documents_and_after_what_follows_from_it(page):
    order = [page.index(f'id="run-1-{name}"') for name in ("summary", "signature", "documents", "retrievability")]
    assert order == sorted(order)


def test_numbers_of_the_summary_are_those_of_the_table(page):
    lead = page[page.index('class="lead"') : page.index('class="contents"')]
    table = page[page.index('class="signature"') :]
    for value, interval in (("3.0", "(2.5–3.5)"), ("0.610", "(0.600–0.620)")):
        assert f"{value} {interval}" in lead
        assert re.search(rf">{re.escape(value)}</td>\s*<td class=\"nowrap\">{re.escape(interval)}", table)


def test_a_run_on_arrays_offers_no_command_that_cannot_find_them():
    stored = result(request={"model": "vectors:arrays"})
    assert next_command(stored) == ""
    page = report_html([Run(Path("r"), stored)])
    assert "vectors:arrays" not in "".join(re.findall("<code>[^<]*</code>", page))
