"""The simulations that justify how compress decides: --keep, the winner, intervals, the out-of-sample estimator.

    python benchmarks/decisions.py RUN...      compress runs without --spec, on data with judgements
    python benchmarks/decisions.py races [ROWS [SEEDS [FILE]]]   only: is the choice on samples that of the whole
        sweep? Each seed is added to FILE as it ends; the same command goes on where it was
    python benchmarks/decisions.py             makes runs on SciFact (../shared/data, skipped when absent) and pydocs

Decisions are simulated on the per-query values of real runs. What a rule chooses on some queries is evaluated on
others; the true value of a row is its mean over all queries of the run. `compression/choosing/select.py`,
`retrieval/significance.py` and `compression/judging/held_out.py` each name the table that they are based on.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from embgeo import api
from embgeo.compression.choosing.budget import parse_budget
from embgeo.compression.choosing.decision import Limits, decide
from embgeo.compression.choosing.grid import default_grid
from embgeo.compression.choosing.select import KEEP_ALPHA, Competition, choose, keep_p_values
from embgeo.compression.codecs.codec import fit_codec
from embgeo.compression.codecs.spec import Spec, parse
from embgeo.compression.codecs.training import Training
from embgeo.compression.judging.checkpoint import open_checkpoints
from embgeo.compression.judging.folds import Folds
from embgeo.compression.judging.held_out import Built, out_of_sample
from embgeo.compression.judging.sweep import Setting, sweep
from embgeo.compression.judging.task import CONTENDERS, JudgingTask, SweepInput
from embgeo.compression.racing.race import Rules, race
from embgeo.compression.racing.samples import Sizes
from embgeo.embeddings import check_embeddings
from embgeo.requests import SubjectRequest
from embgeo.retrieval.evaluate import Evaluator, neighbour_recall
from embgeo.retrieval.exact import exact_search, score
from embgeo.retrieval.significance import LEVEL, QueryBootstrap
from embgeo.run import Run, load_run
from embgeo.sources.subject import Source, load_subject

DRAWS = 200
SCIFACT = Path(__file__).resolve().parents[2] / "shared" / "data" / "scifact"


@dataclass(frozen=True)
class Judged:
    """Per-query values of one run: `quality` and `recall` (rows, m) with float32 first, `sizes` (rows,) bytes."""

    name: str
    specs: list[str]
    quality: np.ndarray
    recall: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, run: Run) -> Judged:
        rows = [run.result["baseline"], *run.result["tradeoffs"]]
        specs = [row["spec"] for row in rows]
        quality = np.stack([run.arrays[f"quality/{spec}"] for spec in specs]).astype(np.float64)
        ones = np.ones(quality.shape[1])
        recall = np.stack([run.arrays.get(f"recall/{spec}", ones) for spec in specs]).astype(np.float64)
        sizes = np.array([row["bytes_per_vector"] for row in rows], np.float64)
        return cls(str(run.result["dataset"]["name"]), specs, quality, recall, sizes)

    def field(self, queries: np.ndarray, **limits: object) -> Competition:
        drawn = Competition(
            self.quality[:, queries], self.recall[:, queries], self.sizes, np.ones(len(self.sizes), bool),
            self.quality[0, queries], np.arange(len(queries)), reference=0,
        )  # fmt: skip
        return replace(drawn, **limits)  # type: ignore[arg-type]


# ---- the winner within a budget -------------------------------------------------------------------------------------


def highest_quality(field: Competition) -> int:
    """The rule of version 0.1.0."""
    return int(np.where(field.allowed, field.quality.mean(axis=1), -1).argmax())


def highest_recall(field: Competition) -> int:
    return int(np.where(field.allowed, field.recall.mean(axis=1), -1).argmax())


def current(field: Competition) -> int:
    return choose(field, np.ones(field.quality.shape[1])).row


RULES: dict[str, Callable[[Competition], int]] = {
    "highest nDCG (0.1.0)": highest_quality, "highest recall": highest_recall, "current rule": current,
}  # fmt: skip


def winners(judged: Judged) -> None:
    """Choose on m queries, evaluate on the others: nDCG against float32 there, and recall."""
    m_all = judged.quality.shape[1]
    print(f"\nwinner within a budget, {judged.name}: nDCG@10 − float32 on new queries / recall ({DRAWS} draws)")
    for budget in (24, 48, 96, 192):
        for m in (50, 150, 300):
            if m > m_all / 2:
                continue
            rng, found = np.random.default_rng(0), {name: [] for name in RULES}
            for _ in range(DRAWS):
                order = rng.permutation(m_all)
                asked, new = order[:m], order[m:]
                field = judged.field(asked, allowed=judged.sizes <= budget, limited=True)
                for name, rule in RULES.items():
                    row = rule(field)
                    lost = judged.quality[row, new].mean() - judged.quality[0, new].mean()
                    found[name].append((lost, judged.recall[row, new].mean()))
            cells = [f"{name} {np.mean(v, axis=0)[0]:+.4f} / {np.mean(v, axis=0)[1]:.3f}" for name, v in found.items()]
            print(f"  {budget:4d} B, {m:4d} queries:  " + "   ".join(cells), flush=True)


# ---- --keep ---------------------------------------------------------------------------------------------------------


def fixed_sequence(field: Competition) -> np.ndarray:
    """The rule of version 0.1.0, in one family: from the largest store down to the first failure."""
    p = keep_p_values(field, np.ones(field.quality.shape[1]))
    passed = np.zeros(len(p), bool)
    for row in np.argsort(-field.sizes, kind="stable"):
        if p[row] > KEEP_ALPHA:
            break
        passed[row] = True
    return passed


def keeping(judged: Judged) -> None:
    """Queries drawn with replacement: how often a row that keeps too little is confirmed; the smallest confirmed."""
    truth = judged.quality.mean(axis=1) / judged.quality[0].mean()
    print(f"\n--keep, {judged.name}: share of draws with a false claim / median bytes of the smallest confirmed store")
    for keep in (0.90, 0.95, 0.98):
        for m in (100, 300, 1000):
            rng = np.random.default_rng(0)
            wrong, sizes = {"fixed": 0, "Holm": 0}, {"fixed": [], "Holm": []}
            for _ in range(DRAWS):
                field = judged.field(rng.integers(0, judged.quality.shape[1], m), keep=keep, minimise=True)
                for name, passed in (
                    ("fixed", fixed_sequence(field)),
                    ("Holm", choose(field, np.ones(m)).kept),
                ):
                    wrong[name] += bool((passed & (truth < keep)).any())
                    sizes[name].append(judged.sizes[passed].min(initial=judged.sizes[0]))
            cells = [f"{name} {wrong[name] / DRAWS:.3f} / {np.median(sizes[name]):.0f} B" for name in wrong]
            print(f"  {100 * keep:.0f} %, {m:4d} queries:  " + "   ".join(cells), flush=True)


# ---- intervals ------------------------------------------------------------------------------------------------------


def plain_interval(gaps: np.ndarray, bootstrap: QueryBootstrap) -> tuple[float, float]:
    """The percentile bootstrap of version 0.1.0."""
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(bootstrap.counts @ gaps / len(gaps), [tail, 100 - tail])
    return float(low), float(high)


def coverage(judged: Judged) -> None:
    """Rows that change about 2, 5 and 25 % of the queries: how often the interval of a difference covers the truth."""
    gaps = judged.quality - judged.quality[0]
    changed = np.count_nonzero(gaps, axis=1) / gaps.shape[1]
    print(f"\ncoverage of 95 % intervals of differences, {judged.name}: plain / current (if given; share given)")
    for wanted in (0.02, 0.05, 0.25):
        row = int(np.abs(np.where(changed > 0, changed, 9) - wanted).argmin())
        for m in (50, 150, 300, 900, 1800):
            if m > gaps.shape[1]:
                continue
            rng, plain, ours = np.random.default_rng(0), [], []
            bootstrap = QueryBootstrap.draw(m, 0, 1000)
            for _ in range(2 * DRAWS):
                drawn = gaps[row, rng.integers(0, gaps.shape[1], m)]
                truth = gaps[row].mean()
                if drawn.any():
                    low, high = plain_interval(drawn, bootstrap)
                    plain.append(low <= truth <= high)
                if (interval := bootstrap.difference(drawn, np.zeros(m))) is not None:
                    ours.append(interval[0] <= truth <= interval[1])
            said = f"{np.mean(ours):.3f} ({len(ours) / (2 * DRAWS):.2f})" if ours else "none given"
            print(
                f"  {judged.specs[row]:16s} {100 * changed[row]:.0f} % change, {m:4d} queries:  "
                f"{np.mean(plain) if plain else float('nan'):.3f} / {said}",
                flush=True,
            )


# ---- the out-of-sample estimator ------------------------------------------------------------------------------------

LAWS = ("clusters", "gaussian", "heavy tails")


def sample(law: str, rng: np.random.Generator, n: int, d: int = 64) -> np.ndarray:
    """(n, d) float32 vectors: 200 clusters, a decaying spectrum, the same with Student's t of 2.5 degrees."""
    if law == "clusters":
        centres = np.random.default_rng(99).standard_normal((200, d))
        rows = centres[rng.integers(0, 200, n)] + 0.35 * rng.standard_normal((n, d))
    else:
        noise = rng.standard_normal((n, d)) if law == "gaussian" else rng.standard_t(2.5, (n, d))
        rows = noise / np.sqrt(1 + np.arange(d))
    return rows.astype(np.float32)


FAMILIES = (
    "f16", "fp8", "int8", "int4", "rot,int4", "binary", "rot,binary", "ternary", "rot,tq2", "rot,eden2", "rot,rabitq2",
    "lvq4", "adaptive@8B", "trellis@8B", "pca32,f32", "pcac32,int8", "pca48,binary", "srp32,int8", "itq", "kpca32,f32",
    "pq16", "opq16", "rq4", "rq8",
)  # fmt: skip
ON_TEXT = (
    "int8", "int4", "rot,binary", "rot,tq2", "rot,eden2", "rot,rabitq2", "adaptive@24B", "adaptive@96B", "trellis@24B",
    "trellis@48B", "pca96,f32", "pca192,int8", "pca144,binary", "itq", "pq48", "pq96", "opq48", "rq8",
)  # fmt: skip
Draw = Callable[[int], tuple[np.ndarray, np.ndarray, np.ndarray]]


def drawn_from(law: str) -> Draw:
    """1,500 documents, 1,500 independent ones and 200 queries of a law."""

    def draw(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(number)
        X, Y, Q = (sample(law, rng, n) for n in (1500, 1500, 200))
        return X, Y, Q

    return draw


def halves_of(X: np.ndarray, Q: np.ndarray) -> Draw:
    """Two disjoint halves of a real corpus and its queries; draws 0 and 1 exchange the halves, and so on."""

    def draw(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        order, half = np.random.default_rng(number // 2).permutation(len(X)), len(X) // 2
        parts = X[order[:half]], X[order[half : 2 * half]]
        return parts[number % 2], parts[1 - number % 2], Q

    return draw


def estimators(sources: dict[str, tuple[Draw, tuple[str, ...]]], draws: int = 4) -> None:
    """recall@10 of a codec fitted on other documents, and what is estimated without them; mean of `draws`."""
    print("\nout-of-sample recall@10: truth, then in sample − truth, current estimate − truth (± standard error)")
    for source, (draw, specs) in sources.items():
        for text in specs:
            gaps, truths, names = [], [], set()
            for number in range(draws):
                truth, inside, estimate, name = estimates(text, *draw(number))
                truths.append(truth)
                gaps.append((inside - truth, estimate - truth))
                names.add(name)
            mean, error = np.mean(gaps, axis=0), np.std(gaps, axis=0, ddof=1) / np.sqrt(len(gaps))
            short = "" if abs(mean[1]) <= max(0.01, 3 * error[1]) else "  ← beyond .01 and 3 SE"
            print(
                f"  {source:14s} {text:13s} {np.mean(truths):.3f}  {mean[0]:+.3f}  {mean[1]:+.3f} ± {error[1]:.3f}  "
                f"{', '.join(sorted(names))}{short}",
                flush=True,
            )


def estimates(text: str, X: np.ndarray, Y: np.ndarray, Q: np.ndarray) -> tuple[float, float, float, str]:
    """(truth, in sample, estimated, estimator) of one spec: documents X, independent ones Y, queries Q."""
    spec, corpus = parse(text), check_embeddings(X, Q)
    scores, rows = exact_search(corpus, CONTENDERS)
    folds = Folds(corpus, 0)
    inside = fit_codec(spec, folds.shipped)
    outside = fit_codec(spec, Training(check_embeddings(Y).matrix(), "cosine", 0))
    judged = out_of_sample(
        JudgingTask(corpus, None, scores, rows, None), [spec], folds, {spec: Built(inside)}, lambda spec: None
    )[0]

    def recall(codec: object) -> float:
        Z, bias = codec.queries(corpus.query_matrix())  # type: ignore[attr-defined]
        found = score(Z, codec.decode(codec.encode(corpus.matrix())), "cosine") + bias[:, None]  # type: ignore[attr-defined]
        return float(neighbour_recall(np.argsort(-found, axis=1, kind="stable"), rows).mean())

    estimate = float(neighbour_recall(judged.ranking.rows, rows).mean())
    return recall(outside), recall(inside), estimate, judged.estimator["name"]


# ---- judging in stages ----------------------------------------------------------------------------------------------

KINDS = ("equal", "tied", "other")
RACED_DIMENSION = 128


@dataclass(frozen=True)
class Raced:
    """What is judged whole and in stages: `draw` gives it by seed; chosen within each of `budgets`, without a budget,
    and to keep the share `keep`."""

    name: str
    draw: Callable[[int], SweepInput]
    sizes: Sizes
    budgets: tuple[str, ...]
    keep: float

    def limits(self, given: SweepInput) -> dict[str, Limits]:
        n, d = len(given.embeddings), given.embeddings.dimension
        found = {text: Limits(n, parse_budget(text, d, n)) for text in self.budgets}
        return {**found, "no budget": Limits(n), f"keep {100 * self.keep:g} %": Limits(n, keep=self.keep)}


def races(sources: list[Raced], seeds: int, path: Path | None) -> None:
    """The choice of a race against that of the whole sweep, which has the same codecs: equal, tied with it, or not.

    Each seed is printed, and added to `path`, as soon as it is known; seeds that are there already are not run again,
    so a change of the rules needs another file.
    """
    print("\nstaged choice against the whole sweep's", flush=True)
    known = [json.loads(line) for line in path.read_text().splitlines()] if path is not None and path.exists() else []
    for source in sources:
        found = []
        for seed in range(seeds):
            given = source.draw(seed)
            specs = [spec for spec in _default_list(given) if str(spec) != "f32"]
            case = _case(source, given, len(specs), seed)
            record = next((one for one in known if one["case"] == case), None)
            if record is None:
                record = {"case": case, **raced_and_whole(source, given, specs)}
                if path is not None:
                    with path.open("a") as file:
                        file.write(json.dumps(record) + "\n")
            found.append(record)
            print(_seed_line(record), flush=True)
        print(_source_line(found), flush=True)


def raced_and_whole(source: Raced, given: SweepInput, specs: list[Spec]) -> dict[str, Any]:
    """What is chosen under each limit from the whole sweep and by a race, as JSON values."""
    started = time.monotonic()
    # the same findings without building and timing 80 stores, which no choice reads
    whole = sweep(given, specs, setting=Setting(is_sample=True))
    rows = {outcome.spec: outcome for outcome in whole.all}
    places = {outcome.spec: place for place, outcome in enumerate(whole.all)}
    swept, found = time.monotonic(), {}
    with tempfile.TemporaryDirectory() as folder:
        kept = open_checkpoints(Path(folder), given)  # the first sample is the same under each limit
        for name, limits in source.limits(given).items():
            staged = race(given, specs, Rules(limits, sizes=source.sizes), checkpoints=kept)
            for one in staged.final.all:
                np.testing.assert_array_equal(one.quality, rows[one.spec].quality)
            decided = decide(whole, limits, given.seed)
            within = replace(limits, earlier=sum(len(stage.dropped) for stage in staged.stages))
            picked = staged.final.all[decide(staged.final, within, given.seed).chosen]
            best = whole.all[decided.chosen]
            kind = 0 if picked.spec == best.spec else 1 if decided.tied[places[picked.spec]] else 2
            found[name] = {
                "kind": KINDS[kind],
                "staged": str(picked.spec),
                "whole": str(best.spec),
                "recall": float((picked.recall - best.recall).mean()),
                "quality": float((picked.quality - best.quality).mean()),
                "samples": [stage.sweep.documents for stage in staged.stages],
                "specs": [len(one.outcomes) for one in (*(stage.sweep for stage in staged.stages), staged.final)],
            }
    seconds = {"whole": round(swept - started, 1), "races": round(time.monotonic() - swept, 1)}
    return {"choices": found, "seconds": seconds}


def _default_list(given: SweepInput) -> list[Spec]:
    e = given.embeddings
    return default_grid(e.dimension, len(e), e.similarity).specs


def _case(source: Raced, given: SweepInput, specs: int, seed: int) -> dict[str, Any]:
    e, sizes = given.embeddings, source.sizes
    return {
        "source": source.name, "seed": seed, "documents": len(e), "dimension": e.dimension, "specs": specs,
        "queries": len(e.query_ids), "first": sizes.first, "fit_rows": sizes.fit_rows,
        "limits": list(source.limits(given)),
    }  # fmt: skip


def _seed_line(record: dict[str, Any]) -> str:
    """One seed: what was chosen, and both differences where the choices differ."""
    cells = []
    for name, one in record["choices"].items():
        gaps = f" recall {one['recall']:+.4f} quality {one['quality']:+.4f}"
        what = one["staged"] if one["kind"] == "equal" else f"{one['staged']} for {one['whole']}{gaps}"
        cells.append(f"{name} {one['kind']} ({what})")
    seconds = record["seconds"]
    took = f"{seconds['whole']:.0f} s whole, {seconds['races']:.0f} s {len(cells)} races"
    return f"  {record['case']['source']} seed {record['case']['seed']}: {'; '.join(cells)}; {took}"


def _source_line(records: list[dict[str, Any]]) -> str:
    """All seeds of a source: equal / tied / other by limit, and in all."""
    case, choices = records[0]["case"], [record["choices"] for record in records]
    counts = {name: [sum(one[name]["kind"] == kind for one in choices) for kind in KINDS] for name in case["limits"]}
    cells = [f"{name} {' / '.join(map(str, found))}" for name, found in counts.items()]
    samples = sorted({size for one in choices for each in one.values() for size in each["samples"]})
    within = f"samples of {samples[0]:,} to {samples[-1]:,}" if samples else "no samples"
    total = " / ".join(str(sum(found[kind] for found in counts.values())) for kind in range(len(KINDS)))
    return (
        f"{case['source']}, {case['documents']:,} × {case['dimension']}, {case['queries']} queries, {case['specs']} "
        f"specs, {len(records)} seeds, {within}; {' / '.join(KINDS)}: {total} "
        f"({', '.join(cells)})"
    )


def spectra(law: str, rows: int, sizes: Sizes) -> Callable[[int], SweepInput]:
    """Documents and 200 queries of a law, compared by recall of exact neighbours."""

    def draw(seed: int) -> SweepInput:
        rng = np.random.default_rng(1000 + seed)
        X, Q = (sample(law, rng, count, RACED_DIMENSION) for count in (rows, 200))
        return SweepInput(check_embeddings(X, Q), None, seed=seed, fit_rows=sizes.fit_rows)

    return draw


def some_queries(asked: SubjectRequest, sizes: Sizes, count: int = 50) -> Callable[[int], SweepInput]:
    """A real corpus with some of its queries, compared by nDCG@10: all of them need most of so small a corpus."""
    subject = load_subject(Source.of(asked), asked)
    e, judgements = subject.embeddings, subject.judgements
    assert judgements is not None
    judged = set(judgements.judged_queries)
    known = [row for row, name in enumerate(e.query_ids) if name in judged]

    def draw(seed: int) -> SweepInput:
        rows = np.sort(np.random.default_rng(seed).choice(known, min(count, len(known)), replace=False))
        names = [e.query_ids[row] for row in rows]
        part = replace(e, queries=e.query_matrix()[rows], query_ids=names)
        return SweepInput(part, Evaluator(judgements, e.doc_ids, names), seed=seed, fit_rows=sizes.fit_rows)

    return draw


def stages(rows: int = 12_000, seeds: int = 3, path: Path | None = None) -> None:
    """The table of judging in stages alone: three laws of `rows` documents, and two real corpora as they are."""
    small, sources = Sizes(first=700, fit_rows=1000), []
    if SCIFACT.is_dir():
        files = SubjectRequest(
            f"vectors:{SCIFACT / 'minilm-docs.npy'}", str(SCIFACT), queries_vectors=SCIFACT / "minilm-queries.npy"
        )
        sources.append(Raced("SciFact", some_queries(files, small), small, ("96B", "24B"), 0.9))
    pydocs = SubjectRequest("minilm", "pydocs:scientific")
    sources.append(Raced("pydocs:scientific", some_queries(pydocs, small), small, ("96B", "24B"), 0.9))
    sizes = Sizes(first=max(500, rows // 32), fit_rows=max(500, rows // 10))
    sources += [Raced(law, spectra(law, rows, sizes), sizes, ("32B", "8B"), 0.95) for law in LAWS]
    races(sources, seeds, path)


def main() -> None:
    if sys.argv[1:2] == ["races"]:
        stages(*map(int, sys.argv[2:4]), *map(Path, sys.argv[4:5]))
        return
    runs = [load_run(Path(folder)) for folder in sys.argv[1:]]
    sources = {law: (drawn_from(law), FAMILIES) for law in LAWS}
    if SCIFACT.is_dir():
        X, Q = (np.load(SCIFACT / f"minilm-{part}.npy") for part in ("docs", "queries"))
        sources["SciFact halves"] = (halves_of(X, Q), ON_TEXT)
        if not sys.argv[1:]:
            files = {"queries_vectors": SCIFACT / "minilm-queries.npy"}
            runs.append(api.compress(f"vectors:{SCIFACT / 'minilm-docs.npy'}", str(SCIFACT), **files))
    asked = SubjectRequest("minilm", "pydocs")
    pydocs = load_subject(Source.of(asked), asked).embeddings
    sources["pydocs halves"] = (halves_of(pydocs.matrix(), pydocs.query_matrix()[:300]), ON_TEXT)
    if not sys.argv[1:]:
        runs.append(api.compress("minilm", "pydocs"))
    for judged in map(Judged.of, runs):
        winners(judged)
        keeping(judged)
        coverage(judged)
    estimators(sources)
    stages()


if __name__ == "__main__":
    main()
