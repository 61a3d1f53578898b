"""Whether a refactoring changed any output: runs of two commits, compared value by value.

    git worktree add ../before COMMIT          an environment of its own with that commit installed
    ../before/.venv/bin/python tests/golden.py record before/
    .venv/bin/python tests/golden.py record after/
    .venv/bin/python tests/golden.py compare before/ after/

`record` runs the commands below with the embgeo of the interpreter that runs it, one thread, an empty cache, and keeps
of each: the JSON without timings and machine facts, and SHA-256 of the arrays of the built store and of the exported
file; and the words of the reports of the stored runs in tests/data. `compare` prints what differs and exits with 1 if
anything does. After a change of wording, `compare --figures` compares of every text only the figures in it.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

VECTORS = ["vectors:docs.npz", "corpus", "--queries-vectors", "queries.npz"]
BARE = ["vectors:docs.npz", "--queries-vectors", "queries.npz"]
SPECS = ["int8", "rot,int4", "pca16,binary", "adaptive@6B", "trellis@6B", "pq8", "rot,rabitq2"]
NAMED = [word for spec in SPECS for word in ("--spec", spec)]
CASES: dict[str, list[str]] = {
    "analyze": ["analyze", *VECTORS],
    "analyze-bare": ["analyze", *BARE, "--quick"],
    "compress": ["compress", *VECTORS, "--budget", "12B"],
    "compress-keep": ["compress", *VECTORS, "--keep", "80%"],
    "compress-exhaustive": ["compress", "minilm", "tiny", "--exhaustive"],
    "compress-storage-paper": ["compress", *VECTORS, "--grid", "storage-paper"],
    "compress-indexed": ["compress", *VECTORS, "--spec", "hnsw8,int8", "--spec", "ivf8np4,pca16,rot,int4"],
    "compress-rescored": ["compress", *VECTORS, "--spec", "binary+int8@4", "--spec", "adaptive@3B+f16@2"],
    "compress-bare": ["compress", *BARE, *NAMED],
    "compress-dot": ["compress", *VECTORS, "--similarity", "dot", *NAMED, "--spec", "srp16,int8"],
    "compress-euclidean": ["compress", *VECTORS, "--similarity", "euclidean", *NAMED],
}
EXPORTED = ("compress-indexed", "compress-rescored")
# what differs between two runs of one commit
VOLATILE = re.compile(r"seconds|_ms|qps|speed|environment|created|folder|resumed|identity|memory|progress|^plan$")
FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
RUNS = Path(__file__).resolve().parent / "data" / "runs"
SHOWN = re.compile(r"(?is)<(script|style|svg|template)\b.*?</\1>|<[^>]+>")


def make_corpus(folder: Path) -> None:
    """700 documents in 40 clusters and 80 queries beside some of them, with texts and graded judgements."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((40, 48)) / np.sqrt(1 + np.arange(48))
    near = rng.integers(0, 40, 700)
    X = (centres[near] + 0.2 * rng.standard_normal((700, 48))).astype(np.float32)
    asked = rng.choice(700, 80, replace=False)
    Q = (X[asked] + 0.1 * rng.standard_normal((80, 48))).astype(np.float32)
    doc_ids, query_ids = np.array([f"d{i}" for i in range(700)]), np.array([f"q{i}" for i in range(80)])
    np.savez(folder / "docs.npz", docs=X, doc_ids=doc_ids)
    np.savez(folder / "queries.npz", queries=Q, query_ids=query_ids)
    (folder / "corpus" / "qrels").mkdir(parents=True)
    texts = ((folder / "corpus" / f"{name}.jsonl", ids) for name, ids in (("corpus", doc_ids), ("queries", query_ids)))
    for path, ids in texts:
        path.write_text("".join(json.dumps({"_id": str(i), "text": f"text {i}"}) + "\n" for i in ids))
    lines = ["query-id\tcorpus-id\tscore"]
    for query, own in enumerate(asked):
        alike = np.flatnonzero(near == near[own])[:3]
        lines += [f"q{query}\td{own}\t2", *(f"q{query}\td{doc}\t1" for doc in alike if doc != own)]
    (folder / "corpus" / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n")


def record(folder: Path) -> None:
    folder.mkdir(parents=True)
    make_corpus(folder)
    runs = {name: run_case(folder, name, words) for name, words in CASES.items()}
    pair = [str(runs[name]) for name in ("compress-bare", "compress-dot")]
    run_case(folder, "compare", ["compare", *pair])
    for name in EXPORTED:
        call(folder, ["export", str(runs[name]), "--faiss", f"{name}.faiss"], wanted=(0, 2))
        exported = folder / f"{name}.faiss"
        if exported.exists():
            keep(folder, f"export-{name}", {"sha256": hashlib.sha256(exported.read_bytes()).hexdigest()})
    for run in sorted(path for path in RUNS.iterdir() if path.is_dir()):
        draw(folder, run.name, run)


def draw(folder: Path, name: str, run: Path) -> None:
    """The words of the report of a run that lies in the repository, whose timings are the same for every commit."""
    call(folder, ["report", str(run), "--html", f"{name}.html"])
    page = html.unescape(SHOWN.sub(" ", (folder / f"{name}.html").read_text()))
    keep(folder, f"report-{name}", {"words": page.split()})


def run_case(folder: Path, name: str, words: list[str]) -> Path:
    """Run one command with a run folder of its own; keeps what must not change and returns the run's folder."""
    call(folder, [*words, "--out", name, "--json", f"{name}.result.json", "--no-html", "--quiet"])
    [run] = (path for path in (folder / name).iterdir() if path.is_dir())
    result = json.loads((folder / f"{name}.result.json").read_text())
    stores = {}
    for path in run.glob("store.safetensors"):
        from safetensors import safe_open

        with safe_open(path, "np") as store:
            arrays = {key: np.ascontiguousarray(store.get_tensor(key)) for key in sorted(store.keys())}
        stores = {key: hashlib.sha256(array.data).hexdigest() for key, array in arrays.items()}
    keep(folder, name, {"result": steady(result), "store": stores})
    return run.relative_to(folder)


def call(folder: Path, words: list[str], wanted: tuple[int, ...] = (0,)) -> None:
    cache = {"EMBGEO_CACHE_DIR": str(folder / "cache"), "EMBGEO_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "embgeo.cli", *words],
        cwd=folder,
        env={**os.environ, **cache},
        capture_output=True,
        text=True,
    )
    print(f"{done.returncode} embgeo {' '.join(words)}", flush=True)
    if done.returncode not in wanted:
        raise SystemExit(done.stderr)


def keep(folder: Path, name: str, facts: dict[str, Any]) -> None:
    (folder / f"{name}.golden.json").write_text(json.dumps(facts, indent=1, sort_keys=True))


def steady(value: Any, name: str = "") -> Any:
    """`value` without what two runs of one commit do not share."""
    if isinstance(value, dict):
        return {key: steady(item, key) for key, item in value.items() if not VOLATILE.search(str(key))}
    if isinstance(value, list):
        return [steady(item, name) for item in value]
    return value


def figures(value: Any) -> Any:
    """`value` with each text replaced by the figures in it, sorted; the words of a page are one text."""
    if isinstance(value, dict):
        return {key: figures(item) for key, item in value.items()}
    if isinstance(value, list):
        text = value and all(isinstance(item, str) for item in value)
        return figures(" ".join(value)) if text else [figures(item) for item in value]
    return sorted(FIGURE.findall(value)) if isinstance(value, str) else value


def compare(before: Path, after: Path, only_figures: bool = False) -> int:
    found = 0
    names = {path.name for folder in (before, after) for path in folder.glob("*.golden.json")}
    for name in sorted(names):
        sides = [
            json.loads(path.read_text()) if (path := folder / name).exists() else None for folder in (before, after)
        ]
        for where, old, new in differences(*(map(figures, sides) if only_figures else sides)):
            found += 1
            print(f"{name.removesuffix('.golden.json')}{where}: {str(old)[:80]} → {str(new)[:80]}")
    print(f"{len(names)} commands, {found} differences")
    return int(found > 0)


def differences(old: Any, new: Any, where: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = dict.fromkeys([*old, *new])
        return [one for key in keys for one in differences(old.get(key), new.get(key), f"{where}.{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            one for at, pair in enumerate(zip(old, new, strict=True)) for one in differences(*pair, f"{where}[{at}]")
        ]
    return [] if same(old, new) else [(where, old, new)]


def same(old: Any, new: Any) -> bool:
    """Equal but for the path of the repository, which a report names in the command that regenerates it."""
    if isinstance(old, str) and isinstance(new, str):
        old, new = (re.sub(r"\S+/tests/data/runs/", "", word) for word in (old, new))
    return bool(old == new)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("record", "compare"))
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--figures", action="store_true", help="compare the figures in a text, not its words")
    given = parser.parse_args()
    folders = [folder.resolve() for folder in given.folders]
    if given.action == "compare":
        return compare(*folders, only_figures=given.figures)
    record(*folders)
    return 0


if __name__ == "__main__":
    sys.exit(main())
