"""An analyze run in plain words: what its values mean for someone who runs a vector store, and what to try next.

A sentence appears only if its values were measured and their intervals lie on one side of its threshold. Numbers
without a consequence stay in the table.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from embgeo.reports.blocks import Block, Code, Paragraph, Strong
from embgeo.reports.commands import repeat_command
from embgeo.reports.numbers import count, counted, estimate, finite, percent
from embgeo.reports.section import Shown, section
from embgeo.results import AnalyzeResult, Estimate
from embgeo.run import Run

# share of the principal directions that hold 95 % of the variance: .95 where the spectrum is even
UNEVEN = 2 / 3  # below, a third of the directions hold 5 % together: leaving them out saves a third at any bit width
EVEN = 0.85  # above, the spectrum is within a tenth of an even one, and every cut costs nearly in proportion
ROWS_PER_DIMENSION = 5  # with fewer documents even a flat space looks uneven (a Gaussian has .88 at 5, .61 at 1)
COMMON = 0.25  # of the squared length lies in the mean vector: a quarter of what is stored distinguishes no documents
COPIED = 0.01  # of the documents are copies: fewer hardly change the size
COVERED = 0.05  # of the documents are missed by random retrieval: above, there are too few queries to tell
MISSED = 0.01  # more than random retrieval misses: one document in a hundred is worth a look
CROWDED = 2.0  # skewness of an exponential distribution: most documents are found rarely, a few very often
CALM = 1.0  # chance alone (Poisson with mean 10) gives .32


@dataclass(frozen=True)
class _Value:
    value: float
    low: float
    high: float
    n: float | None
    text: str


@section("summary", "What this means for a vector store", of=AnalyzeResult, order=0, style="lead")
def lead(shown: Shown[AnalyzeResult]) -> Iterator[Block]:
    for sentence in summary(shown.result):
        yield Paragraph(sentence)
    if command := next_command(shown.run):
        named = "measures how much quality these stores keep; without --spec it compares all codecs and recommends one."
        every = "compares codecs (ways to encode a vector) by size and quality, and recommends one."
        text = f" {named if '--spec' in command else every}"
        yield Paragraph((Strong("Next:"), " ", Code(command, 400), text))


def summary(result: AnalyzeResult) -> list[str]:
    """Sentences about retrieval, compression, copies, unreachable documents and hubs, where values were measured."""
    says = (_retrieval, _compression, _copies, _outliers, _mean, _reach, _hubs)
    return [sentence for say in says if (sentence := say(result))]


def next_command(run: Run) -> str:
    """`embgeo compress …` on what was analyzed, with the specs to try first; without a spectrum, with all codecs.

    "" for arrays, which a command cannot load.
    """
    result = run.findings
    specs = _first_specs(result) if isinstance(result, AnalyzeResult) else []
    return repeat_command(run, specs, "compress", without=("measures", "quick", "umap", "group_by"))


def _first_specs(result: AnalyzeResult) -> list[str]:
    share, dimension = _share_of_directions(result), result.dataset.dimension
    if share is None or dimension is None or dimension < 8:
        return []
    return ["int8", "rot,int4"] if share.low >= EVEN else ["int8", f"adaptive@{int(dimension) // 4}B"]


def _measured(result: AnalyzeResult, name: str) -> _Value | None:
    found = (result.signature or {}).get(name)
    if found is None or found.value is None:
        return None
    low, high = found.ci or (found.value, found.value)
    return _Value(found.value, low, high, found.n, estimate(found.value, found.ci))


def _retrieval(result: AnalyzeResult) -> str:
    if result.retrieval is None:
        return "There are no relevance judgements, so search quality cannot be measured here."
    ndcg, found = (result.retrieval.get(name, Estimate()) for name in ("ndcg@10", "recall@100"))
    said = []
    if ndcg.value is not None:
        quality = estimate(ndcg.value, ndcg.ci, 4)
        said.append(
            f"The search quality of exact search is {quality} in nDCG@10, which is 1 if the relevant documents come "
            "first and 0 if none is in the first ten. Compressed stores are measured against that."
        )
    if found.value is not None and found.value <= 0.99:
        said.append(
            f"{percent(1 - found.value)} of the relevant documents are not among the first 100 results, so reranking "
            "those results cannot recover them."
        )
    return " ".join(said)


def _share_of_directions(result: AnalyzeResult) -> _Value | None:
    """pca_dim_95 over the dimension; None where there are too few documents to know a spectrum."""
    held, dimension = _measured(result, "pca_dim_95"), result.dataset.dimension
    if held is None or not dimension or held.n is None or held.n < ROWS_PER_DIMENSION * dimension:
        return None
    ends = (held.value / dimension, held.low / dimension, held.high / dimension)
    return _Value(*ends, held.n, f"{count(held.value)} of {count(dimension)}")


def _compression(result: AnalyzeResult) -> str:
    share = _share_of_directions(result)
    if share is None:
        return ""
    fact = f"{share.text} principal directions hold 95 % of the variance (pca_dim_95)"
    if share.high <= UNEVEN:
        return (
            f"The space should compress well: {fact}. Codecs (ways to encode a vector) that follow the variance, such "
            "as adaptive, trellis and pca, spend few bits or none on the others."
        )
    if share.low >= EVEN:
        return (
            f"Dropping dimensions saves little: {fact}, nearly as many as in a space without structure. Use fewer bits "
            "for every coordinate instead: int8, or rot,int4."
        )
    return f"The space should compress moderately by dropping dimensions: {fact}."


def _copies(result: AnalyzeResult) -> str:
    found, total = result.duplicates and result.duplicates.rows, result.dataset.documents
    if not found or not total or not COPIED <= found / total < 1:
        return ""
    cap = result.sampling.cap if result.sampling else None
    least = "At least " if cap is not None and cap < total else ""  # copies were looked for in a sample
    return (
        f"{least}{count(found)} of {count(total)} documents ({percent(found / total)}) repeat the vector of another: "
        "they take up space in the store and in the results. Keep one of each, and list all its ids in its metadata."
    )


def _outliers(result: AnalyzeResult) -> str:
    found = _measured(result, "outlier_dimensions")
    if found is None or found.low < 1:
        return ""
    few = counted(found.value, "coordinate dominates", "coordinates dominate")
    return (
        f"{few} the similarities, being far larger than the rest (outlier_dimensions). A format with one range for all "
        "coordinates loses precision on the others: use a range per coordinate, as int8 has here, or a rotation (rot)."
    )


def _mean(result: AnalyzeResult) -> str:
    norm = _measured(result, "mean_vector_norm")
    if norm is None or norm.low < math.sqrt(COMMON):
        return ""
    return (
        f"All documents share a direction: their mean vector has {norm.text} of their length (mean_vector_norm). Sign "
        "bits around zero (binary) waste space on it; adaptive, trellis, pcac and binarym subtract it first."
    )


def _reach(result: AnalyzeResult) -> str:
    stored, documents = result.retrievability, result.dataset.documents
    if stored is None or not documents:
        return ""
    missed, by_chance, k, queries = stored.never_retrieved, stored.never_retrieved_random, stored.k, stored.queries
    if missed is None or by_chance is None or k is None or queries is None:
        return ""
    if by_chance > COVERED:
        return (
            f"{counted(queries, 'query is', 'queries are')} too few to tell whether documents are unreachable: random "
            f"results would miss {percent(by_chance)} of the documents too."
        )
    noise = 3 * math.sqrt(max(by_chance * (1 - by_chance), 1 / documents) / documents)
    if missed > 1:
        return ""
    fact = (
        f"{count(missed * documents)} of {count(documents)} documents ({percent(missed)}) never appear in the top "
        f"{count(k)} of the {count(queries)} queries; random results would miss {percent(by_chance)}"
    )
    if missed - by_chance <= noise:
        return f"No sign of unreachable documents: {fact}."
    if missed - by_chance < MISSED:
        return f"Nearly every document can be reached: {fact}."
    return (
        f"Some documents are practically unreachable: {fact}. No choice of codec fixes this; adding keyword search, or "
        "rewriting their texts, may."
    )


def _hubs(result: AnalyzeResult) -> str:
    skew = _measured(result, "hubness")
    if skew is None:
        return ""
    largest = finite(result.detail("hubness", "largest_count"))
    most = (
        f", and one document is among the ten nearest of {count(largest)} others, where 10 is the mean"
        if largest is not None
        else ""
    )
    fact = f"hubness (how unevenly documents appear among the ten nearest of others, a skewness) is {skew.text}{most}."
    if skew.low >= CROWDED:
        return f"A few documents crowd the results; check them in the list of hubs before tuning anything: {fact}"
    if skew.high <= CALM:
        return f"No documents crowd the results: {fact}"
    if skew.low >= CALM and skew.high <= CROWDED:
        return f"Some documents appear more often than others, but not often enough to crowd out the rest: {fact}"
    return f"It is unclear whether a few documents crowd the results: {fact}"
