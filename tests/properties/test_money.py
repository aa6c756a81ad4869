"""Money is exact for any amount; billing/test_money.py has examples."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.money import MAX_MINOR, AmountError, exponent, format_money, to_major, to_minor

minor_amounts = st.integers(min_value=-MAX_MINOR, max_value=MAX_MINOR)
currencies = st.sampled_from(("OMR", "KWD", "USD", "EUR", "JPY"))


@given(minor=minor_amounts, currency=currencies)
def test_minor_to_major_and_back_is_the_same(minor: int, currency: str) -> None:
    assert to_minor(to_major(minor, currency=currency), currency=currency) == minor


@given(minor=minor_amounts, currency=currencies)
def test_text_of_the_major_amount_reads_back_the_same(minor: int, currency: str) -> None:
    assert to_minor(str(to_major(minor, currency=currency)), currency=currency) == minor


@given(minor=minor_amounts, currency=currencies)
def test_displayed_amount_has_all_decimals_and_reads_back_the_same(minor: int, currency: str) -> None:
    number, code = format_money(minor, currency=currency).split(" ")
    assert code == currency
    assert len(number.partition(".")[2]) == exponent(currency)
    assert to_minor(number.replace(",", ""), currency=currency) == minor


@given(value=st.decimals(min_value=-(10**9), max_value=10**9, places=3))
def test_any_amount_of_three_decimals_is_exact_in_omr(value: Decimal) -> None:
    assert to_minor(value, currency="OMR") == int(value * 1000)


@given(minor=minor_amounts, zeros=st.integers(min_value=0, max_value=60))
def test_trailing_zeros_change_nothing(minor: int, zeros: int) -> None:
    written = f"{Decimal(minor).scaleb(-3):.3f}{'0' * zeros}"
    assert to_minor(written, currency="OMR") == minor


@given(
    minor=st.integers(min_value=-(10**9), max_value=10**9),
    depth=st.integers(min_value=1, max_value=60),
    digit=st.integers(min_value=1, max_value=9),
)
def test_any_decimal_beyond_those_of_the_currency_is_refused(minor: int, depth: int, digit: int) -> None:
    written = f"{Decimal(minor).scaleb(-3):.3f}{'0' * (depth - 1)}{digit}"
    with pytest.raises(AmountError):
        to_minor(written, currency="OMR")
