"""Budgets as people write them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embgeo.compression.choosing.budget import parse_budget, parse_keep, parse_vectors
from embgeo.errors import InputError

# written, bytes for one vector, bytes for the whole store; 1,000 vectors of 384 float32 take 1,536,000 bytes
FORMS = [
    ("96B", 96, None),
    ("0.5B", 0.5, None),
    (" 48 B ", 48, None),
    ("8x", None, 192_000),
    ("8X", None, 192_000),
    ("2.5x", None, 614_400),
    ("25%", None, 384_000),
    ("12.5 %", None, 192_000),
    ("4GB", None, 4 * 10**9),
    ("4GiB", None, 4 * 2**30),
    ("512MiB", None, 512 * 2**20),
    ("512MB", None, 512 * 10**6),
    ("1kB", None, 1000),
    ("1KB", None, 1000),
    ("1KiB", None, 1024),
    (".5TB", None, 5 * 10**11),
]


@pytest.mark.parametrize(("text", "per_vector", "store"), FORMS)
def test_a_budget_means_what_is_written(text: str, per_vector: float | None, store: float | None) -> None:
    budget = parse_budget(text, dimension=384, vectors=1000)
    assert (budget.text, budget.per_vector, budget.vectors) == (text, per_vector, 1000)
    assert budget.store == (None if store is None else pytest.approx(store, rel=1e-12))


def test_bytes_per_vector_are_marginal_and_exclude_constants() -> None:
    budget = parse_budget("96B", 384, 1000)
    assert budget.allows(96, constant_bytes=10**9)
    assert not budget.allows(97, 0)


def test_a_budget_for_the_whole_store_includes_constants() -> None:
    budget = parse_budget("8x", 384, 1000)  # 192,000 bytes
    assert budget.allows(192, 0)
    assert budget.allows(191, 1000)
    assert not budget.allows(192, 1)


def test_planned_vectors_make_constants_cheap() -> None:
    """d²·4 = 589,824 bytes of rotation: a third of a store of 1,000 vectors, nothing for a million."""
    assert not parse_budget("8x", 384, 1_000).allows(180, 589_824)
    assert parse_budget("8x", 384, 1_000_000).allows(180, 589_824)


BAD = ["", "96", "B", "-96B", "0B", "0x", "0%", "96b", "4gb", "4 G", "x8", "1e3B", "nanB", "infB", "96 bytes", "9 6B"]


@pytest.mark.parametrize("text", BAD)
def test_an_invalid_budget_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="a budget must be a positive size such as 96B"):
        parse_budget(text, 384, 1000)


@given(st.text(max_size=12))
def test_any_text_is_a_budget_or_an_input_error(text: str) -> None:
    try:
        budget = parse_budget(text, 384, 1000)
    except InputError:
        return
    assert (budget.per_vector or budget.store or 0) > 0


@pytest.mark.parametrize(("text", "share"), [("99%", 0.99), ("0.99", 0.99), ("100%", 1), ("1", 1), ("97.5 %", 0.975)])
def test_keep_is_a_share(text: str, share: float) -> None:
    assert parse_keep(text) == pytest.approx(share, rel=1e-12)


@pytest.mark.parametrize("text", ["", "0", "0%", "101%", "99", "-1", "x", "nan", "1.01"])
def test_an_invalid_share_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--keep must be a share"):
        parse_keep(text)


@pytest.mark.parametrize(
    ("text", "count"), [("250000", 250_000), ("5k", 5000), ("100M", 10**8), ("1.5M", 1_500_000), ("2B", 2 * 10**9)]
)
def test_vectors_are_counted(text: str, count: int) -> None:
    assert parse_vectors(text) == count


@pytest.mark.parametrize("text", ["", "0", "-5", "0.2", "many", "5 q", "1e6"])
def test_an_invalid_count_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--vectors must be a positive number"):
        parse_vectors(text)


def test_an_overlong_number_is_refused_and_does_not_crash() -> None:
    for read in (parse_keep, parse_vectors, lambda text: parse_budget(text, 384, 10)):
        with pytest.raises(InputError):
            read("9" * 400 + ("B" if read not in (parse_keep, parse_vectors) else ""))


def test_a_number_without_a_unit_gets_a_hint() -> None:
    with pytest.raises(InputError, match=r"got '96'\. Did you mean 96B\?$"):
        parse_budget("96", 384, 10)
    with pytest.raises(InputError, match=r"got '99'\. Did you mean 99%\?$"):
        parse_keep("99")
    with pytest.raises(InputError, match=r"got '0x'$"):
        parse_budget("0x", 384, 10)
    with pytest.raises(InputError, match=r"got '150'$"):
        parse_keep("150")


@pytest.mark.parametrize(
    ("text", "meant"),
    [("96b", "96B"), ("4gb", "4GB"), ("512mib", "512MiB"), ("1.5Tb", "1.5TB"), ("96 bytes", "96B"), ("96Byte", "96B")],
)
def test_a_misspelled_unit_gets_a_hint(text: str, meant: str) -> None:
    with pytest.raises(InputError, match=rf"Did you mean {re.escape(meant)}\?$"):
        parse_budget(text, 384, 10)
    assert parse_budget(meant, 384, 10)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1e6", "1000000"),
        ("2.5E+3", "2500"),
        ("1,000,000", "1000000"),
        ("1_000", "1000"),
        ("100m", "100M"),
        ("2b", "2B"),
    ],
)
def test_a_count_in_another_notation_gets_a_hint(text: str, meant: str) -> None:
    with pytest.raises(InputError, match=rf"Did you mean {meant}\?$"):
        parse_vectors(text)
    assert parse_vectors(meant)
