"""pydocs: read from source, never imported, the same every time, no answer counted wrong."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from embgeo.datasets import pydocs
from embgeo.datasets.dataset import Dataset
from embgeo.datasets.pydocs import load_pydocs
from embgeo.errors import DataError

LONG = "This second paragraph has more than a dozen words, so that it may well serve as a document."


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load_pydocs()


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pydocs, "_standard_library", lambda: tmp_path)
    return tmp_path


def test_the_standard_library_gives_enough_pairs(dataset: Dataset) -> None:
    # 1,867 pairs on Python 3.11.7; other versions differ by some dozens
    assert 1600 < len(dataset.judgements) < 2200
    assert dataset.facts["source"].endswith(platform.python_version())


def test_nothing_is_duplicated_empty_or_unjudged(dataset: Dataset) -> None:
    assert dataset.warnings == dataset.judgements.warnings == ()
    assert len(set(dataset.doc_texts)) == len(dataset.doc_texts)
    assert len(set(dataset.query_texts)) == len(dataset.query_texts)
    judged = {doc for grades in dataset.judgements.qrels.values() for doc in grades}
    assert judged == set(dataset.doc_ids)


def test_known_docstrings_are_found(dataset: Dataset) -> None:
    queries = dict(zip(dataset.query_ids, dataset.query_texts, strict=True))
    assert queries["query:json.dumps"] == "Serialize ``obj`` to a JSON formatted ``str``."
    assert "json.dumps" in dataset.judgements.qrels["query:json.dumps"]


def test_tests_and_private_names_are_skipped(dataset: Dataset) -> None:
    assert not {"test", "idlelib", "lib2to3"}.intersection(name.split(".")[0] for name in dataset.doc_ids)
    for name in dataset.doc_ids:
        assert not name.startswith(("unittest.test.", "tkinter.test.", "ctypes.test.", "sqlite3.test."))
        assert "__" not in name.removeprefix("__future__")


def test_two_processes_read_the_same_data(dataset: Dataset) -> None:
    script = "from embgeo.datasets.pydocs import load_pydocs; print(load_pydocs().fingerprint)"
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == dataset.fingerprint


def test_sources_are_not_run(library: Path) -> None:
    (library / "bomb.py").write_text(f'"""How not to be run.\n\n{LONG}\n"""\nraise SystemExit("ran")\n')
    assert list(load_pydocs().doc_ids) == ["bomb"]
    assert "bomb" not in sys.modules


def test_equal_documents_are_one_and_answer_both_queries(library: Path) -> None:
    (library / "a.py").write_text(
        f'def f():\n    """How to do f.\n\n    {LONG}\n    """\ndef g():\n    """How to do g.\n\n    {LONG}\n    """\n'
    )
    loaded = load_pydocs()
    assert list(loaded.doc_ids) == ["a.f"]
    assert loaded.judgements.qrels == {"query:a.f": {"a.f": 1}, "query:a.g": {"a.f": 1}}


def test_equal_queries_are_one_and_are_answered_by_both_documents(library: Path) -> None:
    for name in "ab":
        (library / f"{name}.py").write_text(f'"""How to do it.\n\n{LONG} {name}\n"""\n')
    loaded = load_pydocs()
    assert list(loaded.query_texts) == ["How to do it."]
    assert loaded.judgements.qrels == {"query:a": {"a": 1, "b": 1}}


def test_second_definitions_get_numbers_and_private_ones_nothing(library: Path) -> None:
    body = f'"""How to do {{}}.\n\n        {LONG} {{}}\n        """\n'
    source = "try:\n    def f():\n        " + body.format(1, 1) + "except ImportError:\n    def f():\n        "
    source += body.format(2, 2) + "def _g():\n        " + body.format(3, 3)
    source += "class C:\n    async def h(self):\n        " + body.format(4, 4)
    (library / "pack").mkdir()
    (library / "pack" / "__init__.py").write_text(source)
    assert list(load_pydocs().doc_ids) == ["pack.f", "pack.f#2", "pack.C.h"]


@pytest.mark.parametrize(
    "docstring",
    ["One paragraph that is long enough but has nothing behind it.", f"Too short.\n\n{LONG}",
     "A question of sound length.\n\nShort answer.", f">>> f(1) + g(2) + h(3)\n\n{LONG}",
     f"f(a, b, c, d, e)\n\n{LONG}"],
)  # fmt: skip
def test_pairs_without_meaning_are_skipped(library: Path, docstring: str) -> None:
    (library / "a.py").write_text(f'"""{docstring}"""\n')
    (library / "b.py").write_text(f'"""A sound question about b.\n\n{LONG}"""\n')
    assert list(load_pydocs().doc_ids) == ["b"]


def test_broken_sources_are_skipped(library: Path) -> None:
    (library / "a.py").write_text("def (:\n")
    (library / "b.py").write_bytes(b'"""\xff\xfe"""\n')
    (library / "c.py").write_bytes(b'"""' + b"x\0y" * 9 + b'"""\n')
    (library / "d.py").write_text(f'"""A sound question \\d about d.\n\n{LONG}"""\n')
    assert list(load_pydocs().doc_ids) == ["d"]


def test_a_python_without_sources_is_refused(library: Path) -> None:
    with pytest.raises(DataError, match="sources must be readable; no docstring found"):
        load_pydocs()


@pytest.mark.slow
def test_scientific_adds_three_packages_without_importing_them() -> None:
    script = (
        "import sys; from embgeo.datasets.pydocs import load_pydocs; d = load_pydocs(scientific=True);"
        "print(len(d.judgements), len(d.warnings), *d.facts, 'scipy' in sys.modules, 'sklearn' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert 5000 < int(out[0]) < 8000
    assert out[1:] == ["0", "source", "numpy", "scipy", "scikit-learn", "False", "False"]
