"""How embgeo is built, as laws over its source; the counts and their limits are in `house.py`."""

from __future__ import annotations

from pathlib import Path

import pytest
from laws.house import LAWS, LIMITS, House

from embgeo.compression.codecs import part


@pytest.fixture(scope="module")
def house(repository: Path) -> House:
    return House(repository)


@pytest.mark.parametrize("name", LAWS)
def test_the_source_keeps(house: House, name: str) -> None:
    found, (limit, goal) = LAWS[name](house), LIMITS[name]
    listed = "\n".join(found[:40]) if name != "lines of the product" else ""
    assert limit >= goal
    assert len(found) <= limit, f"{name}: {len(found)}, and at most {limit} are allowed\n{listed}"


LONG = "\n".join(["def long():", *["    x = 1"] * 60])
BRANCHES = "\n".join(["def winding(x):", *[f"    if x == {at}:\n        x += 1" for at in range(13)]])
PART = "@quantizer('int8', example='int8', summary='', fitted=Fitted)\nclass Int8: ...\nclass Fitted: ...\n"
WRONG = {
    "import cycles": {
        "embgeo/a.py": "from embgeo import b",
        "embgeo/b.py": "def late():\n    from embgeo.c import x",
        "embgeo/c.py": "import embgeo.a",
    },
    "imports against the order of rooms": {
        "embgeo/files/a.py": "from embgeo.compression.judging.b import x",
        "embgeo/compression/judging/b.py": "",
        "embgeo/retrieval/c.py": "import embgeo.metrics.d",
        "embgeo/metrics/d.py": "from embgeo.retrieval import e",
        "embgeo/retrieval/e.py": "",
        "cli/f.py": "from embgeo.reports import g",
        "reports/g.py": "from embgeo.cli import h",
        "cli/h.py": "from embgeo.reports import g",
    },
    "isinstance on another file's part": {
        "embgeo/compression/quantizers/a.py": PART + "isinstance(1, Fitted)",
        "embgeo/compression/costs.py": "isinstance(x, Fitted | int)\nmatch x:\n    case Int8(): pass\ntype(x) is Int8",
    },
    "probed attributes": {"cli/a.py": "import os\ngetattr(part, 'lists', 0)\nhasattr(part, 'x')\nhasattr(os, 'fork')"},
    "functions over 60 lines": {"reports/a.py": LONG},
    "functions over complexity 12": {"reports/a.py": BRANCHES},
    "public functions over 6 parameters": {
        "embgeo/a.py": "def f(a, b, c, d, e, *, f, g): ...\ndef ask(request: SweepRequest, a, b, c, d, e, f): ...\n"
        "class A:\n    def g(self, a, b, c, d, e, f, g): ...\n    def _h(self, a, b, c, d, e, f, g): ..."
    },
    "files beyond 15 in a folder": {f"embgeo/files/a{at}.py": "" for at in range(17)},
    "files of a family that register nothing": {
        "embgeo/metrics/a.py": "@measure('a')\ndef a(space): ...",
        "embgeo/metrics/helper.py": "def b(space): ...",
    },
    "keys read with get outside results": {
        "reports/a.py": "row.get('spec')\nrow.get(f'{x}_ci', 0)\nos.environ.get('HOME')\nnames.get(key)",
        "embgeo/comparison/a.py": "row.get('spec')",
        "embgeo/results.py": "row.get('spec')",
    },
    "reports that import a registry": {
        "embgeo/metrics/registry.py": "for one in pkgutil.iter_modules(path): load(one)",
        "reports/a.py": "from embgeo.metrics.registry import measures",
    },
    "cli modules that import numpy": {"cli/a.py": "def late():\n    import numpy.random"},
    "documents cited that are not here": {
        "ARCHITECTURE.md": "4. a trap",
        "embgeo/a.py": '"""As PLAN.md says (trap 4)."""\n# trap 12, and DESIGN too',
    },
    "Pareto fronts": {
        "embgeo/a.py": "def pareto_front(): ...",
        "cli/a.py": "def steps(rows):\n    for r in sorted(rows, key=bytes_of):\n        if r.q > best: best = r.q",
    },
    "k-means": {"embgeo/a.py": "def k_means(X): ...", "embgeo/b.py": "faiss.Kmeans(8, 4)"},
    "modules that swap a file in": {
        "embgeo/a.py": "os.replace(a, b)\nos.replace(b, c)",
        "embgeo/b.py": "partial.rename(c)\ntext.replace('a', 'b')",
    },
    "modules that ask whether the hub answers": {
        "embgeo/a.py": "constants.HF_HUB_OFFLINE",
        "datasets/loaders/a.py": "config.HF_HUB_OFFLINE = True",
    },
    "lists of row fields": {
        "embgeo/a.py": "F = ('ndcg@10', 'retained', 'qps')",
        "reports/a.py": "C = [Column('ndcg@10'), Column('qps'), Column('ratio')]\nfew = ('qps', 'ratio')",
    },
    "constants named MOST, LEAST or FEWEST": {
        "embgeo/a.py": "MOST_ROWS = 3\n_LEAST = 2\nMOSTLY = FEWEST: int = 1"[:27]
    },
    "layout kept from the formatter": {
        "embgeo/a.py": "a = [\n    1,\n]  # fmt: skip\nb = f(\n    1\n)  # fmt: skip\n# fmt: off\n"
    },
    "lines of the product": {"embgeo/a.py": "1\n2\n", "reports/templates/a.html": "<p>\n", "tests/a.py": "1\n"},
}
COUNTS = {
    "import cycles": 3, "imports against the order of rooms": 3, "isinstance on another file's part": 3,
    "probed attributes": 2, "functions over 60 lines": 1, "functions over complexity 12": 1,
    "public functions over 6 parameters": 2, "files beyond 15 in a folder": 2,
    "files of a family that register nothing": 1, "keys read with get outside results": 3,
    "reports that import a registry": 1, "cli modules that import numpy": 1, "documents cited that are not here": 3,
    "Pareto fronts": 2, "k-means": 2, "modules that swap a file in": 2, "modules that ask whether the hub answers": 2,
    "lists of row fields": 2, "constants named MOST, LEAST or FEWEST": 2, "layout kept from the formatter": 2,
    "lines of the product": 3,
}  # fmt: skip


@pytest.mark.parametrize("name", LAWS)
def test_the_law_can_be_broken(tmp_path: Path, name: str) -> None:
    found = LAWS[name](_built(tmp_path, WRONG[name]))
    assert len(found) == COUNTS[name], found


def test_what_the_laws_allow(tmp_path: Path) -> None:
    """Kernels may be long, imports for the type checker alone may be cyclic, a part may check for its own class."""
    sound = {
        "embgeo/a.py": "if TYPE_CHECKING:\n    from embgeo.b import x",
        "embgeo/b.py": "from embgeo.a import y",
        "embgeo/kernels.py": "def make():\n    @numba.njit(cache=True)\n"
        + "\n".join(f"    {line}" for line in (LONG + "\n" + BRANCHES.partition("\n")[2]).splitlines()),
        "embgeo/files/low.py": "",
        "embgeo/metrics/m.py": "from embgeo.files import low\n@measure('m')\ndef m(space): ...",
        "embgeo/compression/quantizers/a.py": PART + "isinstance(1, Fitted)",
        "embgeo/encoders/model.py": "hasattr(model, 'prompts')",
    }
    house = _built(tmp_path, sound)
    assert {name: law(house) for name, law in LAWS.items() if name != "lines of the product" and law(house)} == {}


def _built(root: Path, files: dict[str, str]) -> House:
    for path, source in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(source, encoding="utf-8")
    return House(root)


# what stores of 0.1.0 call their fitted parts and structures: a renamed class is still found under these
STORED_KINDS = {
    "FittedAutoencoder", "FittedKernelPCA", "FittedStructured", "FittedUMAP", "FittedWhitening", "Linear", "Prefix",
    "QueryAware",
    "FittedAdaptive", "FittedAdjusted", "FittedBlockFloat4", "FittedCalibratedEDEN", "FittedCast", "FittedDirection4",
    "FittedEDEN", "FittedFloat4", "FittedFloat8", "FittedLVQ", "FittedProduct", "FittedRaBitQ", "FittedResidual",
    "FittedSigns", "FittedTernary", "FittedThresholds", "FittedTrellis", "FittedTurboQuant", "FittedUniform",
    "Graph", "Lists",
}  # fmt: skip


def test_parts_are_found_under_the_names_that_stores_of_the_first_version_hold() -> None:
    part.load_parts()
    entries = [*part.REDUCERS.values(), *part.QUANTIZERS.values(), *part.INDICES.values()]
    assert {entry.fitted.__name__ for entry in entries} >= STORED_KINDS
