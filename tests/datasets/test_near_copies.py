"""Documents that nearly repeat another."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from embgeo.datasets.near_copies import ALIKE, near_copies, near_copy_warnings

pytest.importorskip("datasketch")
VOCABULARY = [f"word{at}" for at in range(2000)]


def texts(n: int = 60) -> list[str]:
    """Random texts of 80 words; the last ten repeat the first ten but for one or, in every other, forty words."""
    rng = np.random.default_rng(0)
    made = [rng.choice(VOCABULARY, 80).tolist() for _ in range(n)]
    for at in range(10):
        copy = [*made[at]]
        changed = 1 if at % 2 == 0 else 40
        copy[:changed] = rng.choice(VOCABULARY, changed).tolist()
        made[n - 10 + at] = copy
    return [" ".join(words) for words in made]


def jaccard(a: str, b: str) -> float:
    """By the definition: sets of three words in a row."""
    first, second = ({tuple(words[at : at + 3]) for at in range(len(words) - 2)} for words in (a.split(), b.split()))
    return len(first & second) / len(first | second)


def test_pairs_are_those_of_a_comparison_of_all_with_all() -> None:
    T = texts()
    pairs = [(a, b) for b in range(len(T)) for a in range(b) if jaccard(T[a], T[b]) >= ALIKE]
    assert pairs == [(at, 50 + at) for at in range(0, 10, 2)]
    assert near_copies(T) == pairs


def test_equal_texts_and_short_ones_are_no_near_copies() -> None:
    assert near_copies(["", "", "one two", "one two", "one three", "a b c d", "a b c d"]) == []


def test_a_warning_counts_documents_and_the_queries_whose_judgements_tell_copies_apart() -> None:
    ids = [f"d{at}" for at in range(60)]
    qrels = {"both": {"d0": 1, "d50": 1}, "one": {"d2": 1}, "refused": {"d4": 2, "d54": 0}, "else": {"d30": 1}}
    [said] = near_copy_warnings(ids, texts(), qrels)
    assert said.startswith("10 of 60 documents (16.7%) are near copies of another, the first 'd0' of 'd50'")
    assert "; 2 queries have one judged relevant and the other not" in said
    assert near_copy_warnings(ids, None, qrels) == []


def test_without_the_package_nothing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "datasketch", None)
    assert near_copies(texts()) is None
    assert near_copy_warnings([f"d{at}" for at in range(60)], texts(), {}) == []
