"""When partial whitening helps, and whether the rule that takes or refuses it can tell.

    python benchmarks/whitening.py            SciFact (../shared/data, skipped when absent), pydocs, parts of
                                              pydocs:scientific; about a minute of processor time

For each corpus: the mean norm and other facts of its vectors beside the gain of white30 at float32, with its interval;
then the rule of `compression/choosing/select.py` on samples of its queries: how often it takes a whitened codec, and
what that gains, by the queries that it did not see. Corpora of one model and partly of one kind are anecdotes: the rank
correlations at the end are printed with their number, and nothing in embgeo decides by them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from embgeo.compression.choosing.select import Challengers, challenge
from embgeo.compression.codecs.spec import parse
from embgeo.compression.judging.sweep import Setting, Sweep, sweep
from embgeo.compression.judging.task import SweepInput
from embgeo.embeddings import Embeddings
from embgeo.judgements import Judgements, check_judgements
from embgeo.requests import SubjectRequest
from embgeo.retrieval.evaluate import Evaluator
from embgeo.retrieval.significance import QueryBootstrap
from embgeo.sources.subject import Source, load_subject

SCIFACT = Path(__file__).resolve().parents[2] / "shared" / "data" / "scifact"
PERCENTS = (20, 30, 40)
CODECS = ("f32", "trellis@48B", "trellis@24B")
DRAWS, SAMPLE = 100, 300
PACKAGES = ("numpy", "scipy", "sklearn")


@dataclass(frozen=True)
class Corpus:
    name: str
    embeddings: Embeddings
    judgements: Judgements

    @classmethod
    def load(cls, name: str, asked: SubjectRequest) -> Corpus:
        subject = load_subject(Source.of(asked), asked)
        assert subject.judgements is not None
        return cls(name, subject.embeddings, subject.judgements)

    def part(self, package: str) -> Corpus:
        """The documents of one package alone, with the queries that are about them."""
        e = self.embeddings
        rows = np.array([row for row, name in enumerate(e.doc_ids) if name.split(".")[0] == package])
        kept = {e.doc_ids[row] for row in rows}
        qrels = {query: grades for query, grades in self.judgements.qrels.items() if kept.issuperset(grades)}
        asked = [row for row, name in enumerate(e.query_ids) if name in qrels]
        docs, queries = [e.doc_ids[row] for row in rows], [e.query_ids[row] for row in asked]
        part = replace(e, docs=e.rows(rows), doc_ids=docs, queries=e.query_matrix()[asked], query_ids=queries)
        return Corpus(package, part, check_judgements(qrels, docs, queries))

    def sweep(self) -> Sweep:
        e = self.embeddings
        given = SweepInput(e, Evaluator(self.judgements, e.doc_ids, e.query_ids), self.judgements.drop_own_document)
        specs = [parse(f"white{percent},{codec}") for codec in CODECS for percent in (0, *PERCENTS)]
        return sweep(given, [*specs, *map(parse, CODECS)], setting=Setting(is_sample=True))

    def facts(self) -> dict[str, float]:
        """What is known before any judgement."""
        X, Q = self.embeddings.matrix().astype(np.float64), self.embeddings.query_matrix().astype(np.float64)
        mean, asked = X.mean(axis=0), Q.mean(axis=0)
        values = np.linalg.eigvalsh(np.cov(X.T))[::-1]
        return {
            "mean norm": float(np.linalg.norm(mean)),
            "of queries": float(np.linalg.norm(asked)),
            "means apart": float(np.linalg.norm(mean - asked)),
            "top 10 axes": float(values[:10].sum() / values.sum()),
            "participation": float(values.sum() ** 2 / (values**2).sum()),
        }


def corpora() -> Iterator[Corpus]:
    if SCIFACT.is_dir():
        files = f"vectors:{SCIFACT / 'minilm-docs.npy'}", str(SCIFACT)
        yield Corpus.load("SciFact", SubjectRequest(*files, queries_vectors=SCIFACT / "minilm-queries.npy"))
    yield Corpus.load("pydocs", SubjectRequest("minilm", "pydocs"))
    whole = Corpus.load("pydocs:scientific", SubjectRequest("minilm", "pydocs:scientific"))
    yield from (whole.part(package) for package in PACKAGES)


def judged_rule(swept: Sweep, codec: str) -> tuple[float, float, float]:
    """The share of samples of the queries on which the rule takes a whitened codec, and what that gains by the others:
    where it does (0 elsewhere), and if the best by the sample were always taken."""
    quality = {str(one.spec): one.quality for one in swept.all}
    names = [f"white{percent},{codec}" for percent in PERCENTS]
    rows, reference, groups = (
        np.stack([quality[name] for name in names]),
        quality[f"white0,{codec}"],
        swept.query_groups,
    )
    numbers, found = np.unique(groups), []
    for seed in range(DRAWS):
        mine = np.isin(groups, np.random.default_rng(seed).permutation(numbers)[: min(SAMPLE, len(numbers) // 2)])
        same = np.tile(reference[mine], (len(rows), 1))
        others = quality[codec][mine], quality["f32"][mine], groups[mine]
        one = challenge(Challengers(rows[:, mine], same, *others, (names, names, codec)), seed, resamples=100)
        assert one is not None
        gains = (rows - reference)[:, ~mine].mean(axis=1)
        gained = gains[names.index(one.spec)] if one.accepted else 0.0
        found.append((one.accepted, gained, gains[rows[:, mine].mean(axis=1).argmax()]))
    share, gain, always = np.mean(np.array(found, np.float64), axis=0)
    return float(share), float(gain), float(always)


def main() -> None:
    table = list[tuple[dict[str, float], float]]()
    for corpus in corpora():
        swept, facts = corpus.sweep(), corpus.facts()
        bootstrap = QueryBootstrap.draw(len(swept.query_ids), groups=swept.query_groups)
        quality = {str(one.spec): one.quality for one in swept.all}
        print(f"\n{corpus.name}: {swept.documents:,} documents, {len(swept.query_ids):,} queries", flush=True)
        print("  " + ", ".join(f"{name} {value:.3f}" for name, value in facts.items()))
        for codec in CODECS:
            base = quality[f"white0,{codec}"]
            cells = []
            for percent in PERCENTS:
                mine = quality[f"white{percent},{codec}"]
                low, high = bootstrap.difference(mine, base) or (np.nan, np.nan)
                cells.append(f"{percent} % {(mine - base).mean():+.4f} ({low:+.4f} to {high:+.4f})")
            share, gain, always = judged_rule(swept, codec)
            print(f"  {codec}: {base.mean():.4f}; {'; '.join(cells)}")
            print(
                f"    the rule takes it in {100 * share:.0f} % of samples: {gain:+.4f} by the other queries; always: "
                f"{always:+.4f}"
            )
        table.append((facts, float((quality["white30,f32"] - quality["f32"]).mean())))
    print(f"\nrank correlation of each fact with the gain at float32 over {len(table)} corpora (anecdotes):")
    for name in table[0][0]:
        rho = spearmanr([facts[name] for facts, _ in table], [gain for _, gain in table]).statistic
        print(f"  {name} {rho:+.2f}")


if __name__ == "__main__":
    main()
