"""`pydocs`: a retrieval dataset without a download, made from the docstrings of installed Python source.

The first paragraph of a docstring is the query, the rest of it the document that answers it. Sources are parsed with
`ast`, never imported, so none of their code runs. Equal texts are one item: a document that several docstrings share
occurs once and answers the query of each, a query that several docstrings share occurs once and is answered by all
their documents. Otherwise a copy that nobody judged would count as a wrong answer.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import platform
import sysconfig
import tokenize
import warnings
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from embgeo.datasets.checks import build_dataset
from embgeo.datasets.dataset import Dataset, Origin
from embgeo.errors import DataError
from embgeo.progress import Progress, silent

MIN_QUERY_WORDS = 4  # "Close the file." fits a hundred documents
MIN_DOCUMENT_WORDS = 12  # shorter texts are just ">>> f(1)" or "See RFC 8446, section B.1"
SCIENTIFIC = {"numpy": "numpy", "scipy": "scipy", "sklearn": "scikit-learn"}

# Tests, applications, vendored copies, and other packages that live inside the library folder.
SKIPPED_FOLDERS = {"test", "tests", "testing", "idlelib", "turtledemo", "lib2to3", "pydoc_data", "ensurepip"} | {
    "site-packages", "dist-packages", "lib-dynload", "_vendor", "extern", "externals", "array_api_compat",
    "array_api_extra", "__pycache__",
}  # fmt: skip

Blocks = ast.If | ast.Try | ast.With


def load_pydocs(scientific: bool = False, drop_own_document: bool = False, progress: Progress = silent) -> Dataset:
    """Docstrings of the running Python's standard library as a retrieval dataset.

    Skips tests, private classes and functions (`_name`, `__init__`), docstrings of one paragraph, queries that
    are code or under 4 words, and documents under 12 words. Ids are dotted names (`json.dumps`,
    `json.encoder.JSONEncoder.encode`; `#2` marks a second definition), with the prefix `query:` for queries.
    Ordered by module name, then by position in the source.

    Parameters
    ----------
    scientific : add NumPy, SciPy and scikit-learn as installed.
    """
    roots = [("", _standard_library())]
    facts = {"source": f"docstrings of the standard library of Python {platform.python_version()}"}
    if scientific:
        for module, distribution in SCIENTIFIC.items():
            roots.append((module, _package_folder(module)))
            facts[distribution] = metadata.version(distribution)
    files = [(module, path) for prefix, root in roots for module, path in _source_files(prefix, root)]
    documents: dict[str, str] = {}  # text → id, so that equal texts are one document
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    taken: set[str] = set()
    for done, (module, path) in enumerate(files, start=1):
        for name, docstring in _docstrings(module, path):
            query, document = _split(docstring)
            if not _is_question(query) or len(document.split()) < MIN_DOCUMENT_WORDS:
                continue
            unique = _free_name(name, taken)
            document_id = documents.setdefault(document, unique)
            query_id = queries.setdefault(query, f"query:{unique}")
            qrels.setdefault(query_id, {})[document_id] = 1
        progress("reading docstrings", done, len(files))
    if not documents:
        raise DataError(
            f"the standard library's sources must be readable; no docstring found under {roots[0][1]}. "
            "A Python installed without .py files cannot provide pydocs."
        )
    return build_dataset(
        "pydocs:scientific" if scientific else "pydocs",
        [(name, text) for text, name in documents.items()],
        [(name, text) for text, name in queries.items()],
        qrels,
        Origin(facts),
        drop_own_document,
    )


def _standard_library() -> Path:
    return Path(sysconfig.get_path("stdlib"))


def _package_folder(module: str) -> Path:
    """Folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"pydocs:scientific needs {SCIENTIFIC[module]}. pip install {SCIENTIFIC[module]}")
    return Path(spec.submodule_search_locations[0])


def _source_files(prefix: str, root: Path) -> list[tuple[str, Path]]:
    """(dotted module name, file) of every kept source under `root`, sorted by module name."""
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS and not name.startswith("config-")]
        for file in files:
            path = Path(folder, file)
            if path.suffix != ".py" or file == "conftest.py":
                continue
            parts = path.relative_to(root).with_suffix("").parts
            parts = tuple(part for part in (prefix, *parts) if part and part != "__init__")
            found.append((".".join(parts), path))
    return sorted(found)


def _docstrings(module: str, path: Path) -> Iterator[tuple[str, str]]:
    """(dotted name, cleaned docstring) of the module, its public classes and functions, in source order."""
    try:
        with tokenize.open(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in other people's strings
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):  # unreadable sources make the corpus smaller; they do not stop it
        return
    yield from _named(tree, module)


def _named(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        docstring = ast.get_docstring(node)
        if docstring:
            yield name, docstring
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return  # what is defined inside a function cannot be reached by name
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if child.name.startswith("_"):
                continue
            yield from _named(child, f"{name}.{child.name}")
        elif isinstance(child, Blocks | ast.ExceptHandler):
            yield from _named(child, name)


def _split(docstring: str) -> tuple[str, str]:
    """First paragraph on one line, and the rest unchanged."""
    first, _, rest = docstring.strip().partition("\n\n")
    return " ".join(first.split()), rest.strip()


def _is_question(query: str) -> bool:
    """Long enough to mean something, and words rather than a doctest or a signature."""
    words = query.split()
    return len(words) >= MIN_QUERY_WORDS and ">>>" not in query and "(" not in words[0]


def _free_name(name: str, taken: set[str]) -> str:
    """`name`, or `name#2`, `name#3`, … for further definitions of the same name."""
    unique, count = name, 1
    while unique in taken:
        count += 1
        unique = f"{name}#{count}"
    taken.add(unique)
    return unique
