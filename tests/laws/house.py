"""The laws of how embgeo is built, as counts over its source; run this file to see each count beside its limit.

`python tests/laws/house.py --all` adds the places, and so does the beginning of a law's name instead of `--all`. A law
is a function of a `House` (the parsed source below one folder) that returns one line for each place where it is broken.
A limit is a ratchet: counts only fall, and the limits follow them to the goals.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import TypeVar

REPOSITORY = Path(__file__).resolve().parents[2]

# law: (at most so many places today, the goal)
LIMITS = {
    "import cycles": (0, 0),
    "imports against the order of rooms": (0, 0),
    "isinstance on another file's part": (0, 0),
    "probed attributes": (0, 0),
    "functions over 60 lines": (0, 0),
    "functions over complexity 12": (0, 0),
    "public functions over 6 parameters": (0, 0),
    "files beyond 15 in a folder": (0, 0),
    "files of a family that register nothing": (0, 0),
    "keys read with get outside results": (0, 0),
    "reports that import a registry": (0, 0),
    "cli modules that import numpy": (0, 0),
    "documents cited that are not here": (0, 0),
    "Pareto fronts": (1, 1),
    "k-means": (1, 1),
    "modules that swap a file in": (1, 1),
    "modules that ask whether the hub answers": (1, 1),
    "lists of row fields": (1, 1),
    "constants named MOST, LEAST or FEWEST": (0, 0),
    "layout kept from the formatter": (0, 0),
    "lines of the product": (54_000, 28_970),
}

Node = TypeVar("Node", bound=ast.AST)
Function = ast.FunctionDef | ast.AsyncFunctionDef

PRODUCT = ("embgeo", "cli", "datasets", "reports")
PACKAGES = {"cli": "embgeo.cli", "datasets/loaders": "embgeo.datasets", "reports": "embgeo.reports"}
MAX_LINES, MAX_COMPLEXITY, MAX_PARAMETERS, MAX_FILES = 60, 12, 6, 15

# a room may use the rooms before it in a chain; two rooms without an order may use each other in one direction
CHAINS = (
    ("files", "encoders", "sources", "retrieval", "space", "limits", "metrics", "pipelines"),
    ("files", "datasets", "sources"),
    ("judging", "scale", "pipelines"),
    ("retrieval", "codecs", "search", "judging", "choosing", "racing", "targets", "pipelines", "cli"),
    ("choosing", "comparison", "pipelines", "reports"),
    ("metrics", "reproductions", "pipelines"),
    ("racing", "reproductions"),
    ("pipelines", "integrations"),
)
# folders whose files are found by what they register, and the decorators that do it; a registry and the loop that runs
# the measures may lie among them
FAMILIES = {
    "commands",
    "metrics",
    "pairwise",
    "reducers",
    "quantizers",
    "indices",
    "vectors",
    "targets",
    "sections",
    "reproductions",
}
REGISTERING = {
    "measure",
    "command",
    "group",
    "measure_of_distances",
    "pairwise",
    "reducer",
    "quantizer",
    "index",
    "vectors",
    "vector_store",
    "target",
    "result_target",
    "store_target",
    "section",
    "reproduction",
}
ROW_FIELDS = {
    "bytes_per_vector", "ndcg@10", "ndcg@10_ci", "difference", "retained", "recall@10_exact", "qps", "single_query_ms",
    "store_bytes", "ratio",
}  # fmt: skip


class House:
    """The parsed source below `root`; modules by the name they are imported under."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = self._listed()
        self.paths = [path for path in self.files if path.endswith(".py") and path.startswith(PRODUCT)]
        self.trees = {path: ast.parse((root / path).read_text(encoding="utf-8")) for path in self.paths}
        self.modules = {_module(path): path for path in self.paths}
        self._nodes: dict[type[ast.AST], list[tuple[str, ast.AST]]] = {}
        for path, tree in self.trees.items():
            for node in ast.walk(tree):
                self._nodes.setdefault(type(node), []).append((path, node))

    def nodes(self, *kinds: type[Node]) -> Iterator[tuple[str, Node]]:
        """(path, node) of every node of these kinds."""
        for kind in kinds:
            yield from self._nodes.get(kind, ())  # type: ignore[misc]

    def text(self, path: str, node: Function) -> str:
        """The source of a function."""
        return "\n".join(self.lines(path)[node.lineno - 1 : node.end_lineno])

    @cache  # noqa: B019  a house lives as long as the process
    def lines(self, path: str) -> list[str]:
        return (self.root / path).read_text(encoding="utf-8").splitlines()

    def _listed(self) -> list[str]:
        if (self.root / ".git").exists():
            command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
            listed = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True)
            return sorted(path for path in listed.stdout.splitlines() if (self.root / path).is_file())
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """The modules that each module imports, wherever in the file, except for the type checker alone."""
        return {name: set(self._imported(name)) for name in self.modules}

    def _imported(self, name: str) -> Iterator[str]:
        for node in _executed(self.trees[self.modules[name]]):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    yield inner if inner in self.modules else node.module

    @cached_property
    def functions(self) -> list[tuple[str, Function, bool]]:
        """(path, function, whether it is public: no underscore in its name or its class's and not nested)."""
        return [(path, *found) for path, tree in self.trees.items() for found in _functions(tree, True)]

    @cached_property
    def kernels(self) -> set[tuple[str, int]]:
        """(path, line) of what is compiled, and of the function that makes it."""
        compiled = re.compile(r"\b(njit|compiled|jit|vectorize|guvectorize|compile)\b")

        inside = [
            (path, node.lineno)
            for path, node in self.nodes(ast.FunctionDef)
            if any(compiled.search(ast.unparse(decorator)) for decorator in node.decorator_list)
        ]
        return {
            (path, f.lineno)
            for path, f, _ in self.functions
            if any(path == at and f.lineno <= line <= (f.end_lineno or 0) for at, line in inside)
        }


def _module(path: str) -> str:
    folder, _, name = path.rpartition("/")
    for place, package in PACKAGES.items():
        if folder == place or folder.startswith(place + "/"):
            folder = package + folder.removeprefix(place)
    dotted = folder.replace("/", ".")
    return dotted if name == "__init__.py" else f"{dotted}.{name.removesuffix('.py')}"


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _executed(node)


def _functions(tree: ast.AST, public: bool) -> Iterator[tuple[Function, bool]]:
    for node in ast.iter_child_nodes(tree):
        named = public and not getattr(node, "name", "").startswith("_")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, named
            yield from _functions(node, False)
        else:
            yield from _functions(node, named)


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func).rpartition(".")[2]


def import_cycles(house: House) -> list[str]:
    """Modules in an import cycle."""
    reach: dict[str, set[str]] = {}
    for name in house.modules:
        seen, queue = set[str](), [name]
        while queue:
            for other in house.imports[queue.pop()]:
                if other in house.modules and other not in seen:
                    seen.add(other)
                    queue.append(other)
        reach[name] = seen
    circles = {name: sorted(other for other in reach[name] if name in reach[other]) for name in house.modules}
    return [f"{name} ({len(circle)} on its circle)" for name, circle in circles.items() if circle]


def against_the_order(house: House) -> list[str]:
    """Imports of a later package, and between unordered packages those against the usual direction."""
    later: dict[str, set[str]] = {}
    for chain in CHAINS:
        for at, room in enumerate(chain):
            later.setdefault(room, set()).update(chain[at + 1 :])
    for room in later:
        while beyond := set().union(*(later[other] for other in later[room])) - later[room]:
            later[room] |= beyond
    edges: dict[tuple[str, str], list[str]] = {}
    for name, imported in house.imports.items():
        for other in imported & house.modules.keys():
            pair = _room(house.modules[name]), _room(house.modules[other])
            if pair[0] != pair[1] and pair[0] in later and pair[1] in later:
                edges.setdefault(pair, []).append(f"{pair[0]} must not use {pair[1]}: {name} imports {other}")
    wrong = [edges[a, b] for a, b in edges if b in later[a]]
    wrong += [
        min(edges[a, b], edges[b, a], key=len)
        for a, b in edges
        if a < b and (b, a) in edges and b not in later[a] and a not in later[b]
    ]
    return [line for lines in wrong for line in lines]


def _room(path: str) -> str:
    parts = path.split("/")
    if parts[0] != "embgeo":
        return parts[0]
    inner = parts[1:-1]
    if inner[:1] == ["compression"]:
        inner = inner[1:]
    return inner[0] if inner else ""


def foreign_isinstance(house: House) -> list[str]:
    """Checks for the class of a part, or of a fitted part, outside the class's own file."""
    homes = {node.name: path for path, node in house.nodes(ast.ClassDef)}
    parts: set[str] = set()
    for path, node in house.nodes(ast.ClassDef):
        if (facts := _registration(node)) is not None:
            parts.add(node.name)
            parts |= {k.value.id for k in facts.keywords if k.arg == "fitted" and isinstance(k.value, ast.Name)}
        # a class beside a part in its file is told apart by the same question
        if Path(path).parent.name in {"reducers", "quantizers", "indices"}:
            parts.add(node.name)
    asked: list[tuple[str, int, ast.AST]] = [
        (path, node.lineno, node.args[1])
        for path, node in house.nodes(ast.Call)
        if _called(node) in ("isinstance", "issubclass") and len(node.args) == 2
    ]
    asked += [(path, node.lineno, node.cls) for path, node in house.nodes(ast.MatchClass)]
    asked += [
        (path, node.lineno, one)
        for path, node in house.nodes(ast.Compare)
        if isinstance(node.left, ast.Call) and _called(node.left) == "type"
        for one in node.comparators
    ]
    return sorted(
        f"{path}:{line} {node.id}"
        for path, line, question in asked
        for node in ast.walk(question)
        if isinstance(node, ast.Name) and node.id in parts and homes.get(node.id) != path
    )


def _registration(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> ast.Call | None:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and _called(decorator) in REGISTERING:
            return decorator
    return None


def probed_attributes(house: House) -> list[str]:
    """`hasattr`, and `getattr` with a default, except on imported modules and on the models that encoders wrap."""
    modules: dict[str, set[str]] = {}
    for path, node in house.nodes(ast.Import):
        modules.setdefault(path, set()).update((alias.asname or alias.name).split(".")[0] for alias in node.names)
    return [
        f"{path}:{node.lineno} {ast.unparse(node)}"
        for path, node in house.nodes(ast.Call)
        if isinstance(node.func, ast.Name)
        and (node.func.id == "hasattr" or (node.func.id == "getattr" and len(node.args) == 3))
        and ast.unparse(node.args[0]).split(".")[0] not in modules.get(path, ())
        and not path.startswith("embgeo/encoders/")
    ]


def long_functions(house: House) -> list[str]:
    """Functions of more lines than a screen holds, docstring included; compiled kernels excepted."""
    sized = [(path, f, (f.end_lineno or f.lineno) - f.lineno + 1) for path, f, _ in house.functions]
    return [
        f"{path}:{f.lineno} {f.name} has {lines} lines"
        for path, f, lines in sized
        if lines > MAX_LINES and (path, f.lineno) not in house.kernels
    ]


def complex_functions(house: House) -> list[str]:
    """Functions that are too complex (McCabe's count, by ruff); compiled kernels excepted."""
    folders = [name for name in PRODUCT if (house.root / name).is_dir()]
    command = [
        sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--ignore-noqa", "--select", "C901",
        "--config", f"lint.mccabe.max-complexity={MAX_COMPLEXITY}", "--output-format", "json", "--exit-zero", *folders,
    ]  # fmt: skip
    told = subprocess.run(command, cwd=house.root, capture_output=True, text=True, check=True).stdout
    found = []
    for one in json.loads(told):
        path = Path(one["filename"]).relative_to(house.root).as_posix()
        if (path, one["location"]["row"]) not in house.kernels:
            found.append(f"{path}:{one['location']['row']} {one['message']}")
    return found


def many_parameters(house: House) -> list[str]:
    """Public functions of more than six parameters besides a request; the facts of a registration excepted."""
    found = []
    for path, function, public in house.functions:
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        counted = [one for one in arguments if one.arg not in ("self", "cls") and not _is_request(one)]
        if public and len(counted) > MAX_PARAMETERS and function.name not in REGISTERING:
            found.append(f"{path}:{function.lineno} {function.name} has {len(counted)} parameters")
    return found


def _is_request(argument: ast.arg) -> bool:
    return argument.annotation is not None and ast.unparse(argument.annotation).endswith("Request")


def crowded_folders(house: House) -> list[str]:
    """Files beyond fifteen in a folder that is not a family."""
    folders: dict[str, list[str]] = {}
    for path in house.paths:
        folder = Path(path).parent
        if folder.name not in FAMILIES and Path(path).name != "__init__.py":
            folders.setdefault(folder.as_posix(), []).append(path)
    return [path for inside in folders.values() for path in inside[MAX_FILES:]]


def unregistered(house: House) -> list[str]:
    """Files of a family that register nothing."""
    found = []
    for path, tree in house.trees.items():
        if Path(path).parent.name not in FAMILIES or Path(path).name in ("__init__.py", "registry.py", "signature.py"):
            continue
        kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        decorated = any(isinstance(node, kinds) and _registration(node) for node in tree.body)
        called = any(isinstance(node, ast.Call) and _called(node) in REGISTERING for node in ast.walk(tree))
        if not decorated and not called:
            found.append(path)
    return found


def guarded_keys(house: House) -> list[str]:
    """`.get("key"` on what was stored: only the results and the run know what an old file may lack.

    The environment, click's options and the plotly figures that are drawn as SVG are not stored JSON.
    """
    return [
        f"{path}:{node.lineno} {ast.unparse(node)}"
        for path, node in house.nodes(ast.Call)
        if path.startswith(("reports/", "cli/", "embgeo/compar"))
        and path != "reports/drawing/svg.py"
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "get"
        and node.args
        and isinstance(node.args[0], ast.JoinedStr | ast.Constant)
        and not ast.unparse(node.func.value).endswith(("environ", "ctx.params"))
    ]


def registries_in_reports(house: House) -> list[str]:
    """Reports draw what a run holds and ask no registry but their own, of sections: a module that loads a family."""
    calls = ((path, _called(node)) for path, node in house.nodes(ast.Call))
    loading = {path for path, called in calls if called in ("iter_modules", "import_modules")}
    loading -= {path for path in loading if path.startswith("reports/") or path == "embgeo/plugins.py"}
    registries = {name for name, path in house.modules.items() if path in loading}
    return [
        f"{house.modules[name]} imports {other}"
        for name, imported in house.imports.items()
        if house.modules[name].startswith("reports/")
        for other in sorted(imported & registries)
    ]


def numpy_in_cli(house: House) -> list[str]:
    """The command line computes nothing."""
    return [
        path
        for name, path in house.modules.items()
        if path.startswith("cli/") and any(one.split(".")[0] == "numpy" for one in house.imports[name])
    ]


def missing_citations(house: House) -> list[str]:
    """Documents and numbered traps that the source cites and the repository does not contain."""
    here = {Path(path).name for path in house.files} | {Path(path).stem for path in house.files if path.endswith(".md")}
    pages = [house.root / path for path in house.files if Path(path).name == "ARCHITECTURE.md"]
    page = "\n".join(one.read_text(encoding="utf-8") for one in pages)
    traps = set(re.findall(r"(?m)^\W*(?:trap )?(\d+)[.):]", page, flags=re.IGNORECASE))
    cited = re.compile(r"\b(SCIENCE|HOUSE|DESIGN|FAULTS|CONVENTIONS|WORDS|ISSUES|[A-Z]{4,}\.md)\b|\btraps? (\d+)\b")
    own = {Path(__file__).name, "test_house_laws.py"}
    found = []
    for path in house.files:
        if not path.endswith((".py", ".md", ".toml", ".html", ".sh")) or Path(path).name in own or "static/" in path:
            continue
        for number, line in enumerate(house.lines(path), 1):
            for document, trap in cited.findall(line):
                if (document and document not in here) or (trap and trap not in traps):
                    found.append(f"{path}:{number} {document or 'trap ' + trap}")
    return found


def pareto_fronts(house: House) -> list[str]:
    """Functions that compute a Pareto front: by their name, or by a running best over rows sorted by size."""
    found = []
    for path, function, _ in house.functions:
        text = house.text(path, function)
        sized = re.search(r"bytes|size", text) and "sort" in text and re.search(r"> best\b|max\(best|best\[-1\]", text)
        if sized or re.search(r"pareto|dominat", function.name):
            found.append(f"{path}:{function.lineno} {function.name}")
    return found


def kmeans(house: House) -> list[str]:
    """Functions that run Lloyd's k-means, ours or a library's."""
    name = re.compile(r"k_?means", re.IGNORECASE)
    ours = [f"{path}:{f.lineno} {f.name}" for path, f, _ in house.functions if name.search(f.name)]
    theirs = {path for path, node in house.nodes(ast.Call) if _called(node) in ("Kmeans", "KMeans", "kmeans2")}
    return ours + sorted(theirs)


def swapping_modules(house: House) -> list[str]:
    """Modules that replace a file or folder by a finished one; engines import nothing of embgeo: a kit copies them."""
    swaps = {
        path
        for path, node in house.nodes(ast.Call)
        if not path.startswith("embgeo/targets/engines/")
        if ast.unparse(node.func) == "os.replace" or (_called(node) == "rename" and len(node.args) == 1)
    }
    return sorted(swaps)


def hub_probes(house: House) -> list[str]:
    """Modules that read or set whether the model hub may be contacted."""
    return sorted({path for path, node in house.nodes(ast.Attribute) if node.attr == "HF_HUB_OFFLINE"})


def row_lists(house: House) -> list[str]:
    """Modules that list three or more fields of a row by name."""
    found = set()
    for path, node in house.nodes(ast.Tuple, ast.List, ast.Set, ast.Dict):
        held = [key for key in node.keys if key is not None] if isinstance(node, ast.Dict) else node.elts
        first = [one.args[0] if isinstance(one, ast.Call) and one.args else one for one in held]
        named = {one.value for one in first if isinstance(one, ast.Constant) and isinstance(one.value, str)}
        if len(ROW_FIELDS & named) > 2:
            found.add(path)
    return sorted(found)


def old_words(house: House) -> list[str]:
    """Constants named MOST_…, LEAST_… or FEWEST_… instead of max, min or limit."""
    return [
        f"{path}:{node.lineno} {node.id}"
        for path, node in house.nodes(ast.Name)
        if isinstance(node.ctx, ast.Store) and re.match(r"_?(MOST|LEAST|FEWEST)", node.id)
    ]


def unformatted(house: House) -> list[str]:
    """`# fmt: skip` and `# fmt: off`, except behind a table that a module assigns: one entry a line would hide it."""
    tables = {
        (path, node.end_lineno)
        for path, tree in house.trees.items()
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(node.value, ast.Dict | ast.Tuple | ast.List | ast.Set | ast.BinOp)
    }
    return [
        f"{path}:{number}"
        for path in house.paths
        for number, line in enumerate(house.lines(path), 1)
        if re.search(r"# fmt: (skip|off)", line) and (path, number) not in tables
    ]


def product_lines(house: House) -> list[str]:
    """Every line of embgeo, cli, datasets and reports, templates and scripts included."""
    files = [path for path in house.files if path.startswith(tuple(f"{name}/" for name in PRODUCT))]
    return [f"{path}:{at}" for path in files for at in range((house.root / path).read_bytes().count(b"\n"))]


LAWS: dict[str, Callable[[House], list[str]]] = dict(
    zip(
        LIMITS,
        (
            import_cycles, against_the_order, foreign_isinstance, probed_attributes, long_functions, complex_functions,
            many_parameters, crowded_folders, unregistered, guarded_keys, registries_in_reports, numpy_in_cli,
            missing_citations, pareto_fronts, kmeans, swapping_modules, hub_probes, row_lists, old_words, unformatted,
            product_lines,
        ),
        strict=True,
    )
)  # fmt: skip


def main() -> None:
    """Print every count, its limit and its goal; the places too with `--all` or the beginning of a law's name."""
    house = House(REPOSITORY)
    wanted = sys.argv[1:]
    print(" count   limit    goal")
    for name, law in LAWS.items():
        found, (limit, goal) = law(house), LIMITS[name]
        print(f"{len(found):6,}  {limit:6,}  {goal:6,}  {name}{'  ← lower the limit' if len(found) < limit else ''}")
        if name != "lines of the product" and ("--all" in wanted or any(name.startswith(one) for one in wanted)):
            print(*(f"          {line}" for line in found), sep="\n")


if __name__ == "__main__":
    main()
