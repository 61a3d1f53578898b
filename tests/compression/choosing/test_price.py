"""The price of a store: RAM at the planned size; invalid prices are refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from embgeo.compression.choosing.price import check_price, price_account, ram_at
from embgeo.errors import InputError


def store(ram_bytes: int, constant_bytes: int = 0) -> Any:
    """What a price is made from."""
    return SimpleNamespace(ram_bytes=ram_bytes, constant_bytes=constant_bytes)


def test_ram_grows_with_the_vectors_and_its_constants_do_not() -> None:
    found = store(10 * 200 + 500, 500)
    assert ram_at(found, 10, 10) == 2_500
    assert ram_at(found, 10, 1_000) == 200 * 1_000 + 500


def test_the_price_of_200_bytes_at_a_quarter_per_gigabyte_by_hand() -> None:
    account = price_account(
        store(10 * 200), store(1536 * 10), documents=10, vectors=100_000_000, price_per_gb=0.25
    ).to_json()
    # 10⁸ × 200 B = 20 GB and 10⁸ × 1536 B = 153.6 GB, at 0.25 each
    assert (account["cost"], account["float32_cost"]) == pytest.approx((5.0, 38.4))
    assert (account["ram_bytes"], account["float32_ram_bytes"]) == (2e10, 1.536e11)
    assert (account["vectors"], account["measured_at"]) == (100_000_000, 10)


@pytest.mark.parametrize("price", [-0.01, float("nan"), float("inf")])
def test_an_invalid_price_is_refused(price: float) -> None:
    with pytest.raises(InputError, match="price-per-gb must be a finite number of at least 0"):
        check_price(price)


@pytest.mark.parametrize("price", [None, 0.0, 0.25])
def test_a_price_may_be_absent_or_zero(price: float | None) -> None:
    check_price(price)


def test_a_wrong_price_is_refused_before_anything_is_read() -> None:
    from embgeo.api import compress

    with pytest.raises(InputError, match="price-per-gb"):
        compress("vectors:/nowhere.npy", price_per_gb=-1.0)
