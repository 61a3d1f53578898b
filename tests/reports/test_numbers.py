"""Numbers read as their intervals allow, and whatever is no number is a dash."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embgeo.reports.numbers import (
    MISSING,
    byte_size,
    count,
    decimals,
    duration,
    estimate,
    interval,
    number,
    percent,
    times,
)

THIN = "\u202f"


@pytest.mark.parametrize(
    ("value", "ci", "text"),
    [
        (0.64508, (0.6003, 0.6888), "0.645 (0.600–0.689)"),  # width .0885: two digits of it are thousandths
        (15.3135, (14.82, 15.81), "15.31 (14.82–15.81)"),
        (1388.67, (1350.0, 1420.0), "1,389 (1,350–1,420)"),
        (0.00197, (-0.001, 0.005), "0.0020 (−0.0010 to 0.0050)"),
        (-3.33267, (-3.3401, -3.3252), "−3.333 (−3.340 to −3.325)"),
        (0.43303, None, "0.4330"),
        (64, None, "64"),
        (2.0, (2.0, 2.0), "2 (2–2)"),
    ],
)
def test_digits_follow_the_width_of_the_interval(value, ci, text):
    assert estimate(value, ci) == text


def test_a_signed_difference_shows_both_signs():
    assert estimate(0.00197, [-0.001, 0.005], signed=True) == "+0.0020 (−0.0010 to +0.0050)"
    assert number(0.0, places=4, signed=True) == "0.0000"
    assert number(-0.00001, places=3) == "0.000"
    assert number(4.78e-5, signed=True) == "+4.78\u202f×\u202f10⁻⁵"
    assert number(-4.78e-5, signed=True) == "−4.78\u202f×\u202f10⁻⁵"


@pytest.mark.parametrize("missing", [None, math.nan, math.inf, -math.inf, "0.5", True, [], {}])
@pytest.mark.parametrize("formatter", [number, percent, byte_size, duration, times, count, estimate])
def test_an_invalid_number_is_a_dash(formatter, missing):
    assert formatter(missing) == MISSING


@pytest.mark.parametrize("ci", [None, [], [1], [1, None], [math.nan, 1], "ab", [1, 2, 3], 5])
def test_an_invalid_interval_is_left_out(ci):
    assert interval(ci) == ""
    assert estimate(0.5, ci) == "0.5000"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"), (1536, "1,536 B"), (9999, "9,999 B"), (66.667, "66.67 B"), (12_345, "12.3 kB"),
        (999_999, "1.00 MB"), (7_961_088, "7.96 MB"), (153.6e9, "154 GB"), (2e21, "2,000 EB"),
    ],
)  # fmt: skip
def test_bytes_are_decimal_and_exact_while_small(value, text):
    assert byte_size(value) == text.replace(" ", THIN)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0034, "3.40_ms"), (0.25, "250_ms"), (1.234, "1.23_s"), (59.99, "60.0_s"), (125, "2_min 05_s"),
        (3725, "1_h 02_min"), (-1, MISSING),
    ],
)  # fmt: skip
def test_durations_pick_their_unit(seconds, text):
    assert duration(seconds) == text.replace("_", THIN)


def test_shares_and_factors():
    assert percent(0.994, [0.986, 1.002]) == f"99.4{THIN}% (98.6–100.2)"
    assert times(7.68) == "7.7×"
    assert times(1234.5) == "1,234×"
    assert number(1.234e-7) == f"1.23{THIN}×{THIN}10⁻⁷"
    assert number(-2.5e12) == f"−2.5{THIN}×{THIN}10¹²"


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(1e-5, 1e6))
def test_a_value_is_never_moved_by_more_than_its_interval_can_tell(value, width):
    ci = [value - width, value + width]
    text = number(value, ci)
    if "10" in text and "×" in text:
        return  # powers of ten keep three digits by design
    shown = float(text.replace(",", "").replace("−", "-"))
    assert abs(shown - value) <= width + 1e-9 * abs(value)
    assert 0 <= decimals(value, ci) <= 6
