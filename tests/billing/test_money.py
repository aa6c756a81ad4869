"""Money is exact in both directions: nothing is rounded, and an amount that cannot be stored is refused."""

import time
from decimal import Decimal

import pytest

from billing.money import MAX_MINOR, AmountError, exponent, format_money, to_major, to_minor, within_limit


@pytest.mark.parametrize(
    ("currency", "decimals"),
    [("OMR", 3), ("BHD", 3), ("TND", 3), ("USD", 2), ("EUR", 2), ("JPY", 0), ("XOF", 0), ("CLP", 0)],
)
def test_currency_has_its_decimals(currency: str, decimals: int) -> None:
    assert exponent(currency) == decimals


@pytest.mark.parametrize(
    ("major", "minor"),
    [
        (5, 5_000),
        ("5.25", 5_250),
        (Decimal("0.001"), 1),
        (Decimal("1e3"), 1_000_000),
        (Decimal("-0.5"), -500),
        (Decimal("0E+999999"), 0),
        (Decimal("-0"), 0),
        (10**9, MAX_MINOR),
        (-(10**9), -MAX_MINOR),
    ],
)
def test_amount_in_omr_is_this_many_baisa(major: Decimal | int | str, minor: int) -> None:
    assert to_minor(major, currency="OMR") == minor


@pytest.mark.parametrize("text", ["", "abc", "0x10", "1,5", "--1", "1 000"])
def test_an_amount_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(AmountError, match="must be a number"):
        to_minor(text, currency="OMR")


@pytest.mark.parametrize("text", ["NaN", "sNaN", "-NaN", "Infinity", "-Infinity"])
def test_an_infinite_amount_is_refused(text: str) -> None:
    with pytest.raises(AmountError, match="finite"):
        to_minor(text, currency="OMR")
    with pytest.raises(AmountError, match="finite"):
        to_minor(Decimal(text), currency="OMR")


@pytest.mark.parametrize(
    ("amount", "currency", "decimals"),
    [
        ("0.0005", "OMR", 3),
        ("1.2345", "OMR", 3),
        ("0.005", "USD", 2),
        ("0.5", "JPY", 0),
        ("1E-4", "OMR", 3),
        ("1E-999999", "OMR", 3),
        ("1E-9999999", "OMR", 3),
    ],
)
def test_more_decimals_than_the_currency_has_are_refused(amount: str, currency: str, decimals: int) -> None:
    with pytest.raises(AmountError, match=f"{currency} has at most {decimals} decimals"):
        to_minor(amount, currency=currency)


@pytest.mark.parametrize(
    "amount", ["1000000000.001", "-1000000000.001", "1E+10", "9" * 4000, "1E+999999", "-1E+999999999"]
)
def test_beyond_the_limit_is_refused_without_being_computed(amount: str) -> None:
    started = time.process_time()
    with pytest.raises(AmountError, match="may not exceed 1000000000000"):
        to_minor(amount, currency="OMR")
    assert time.process_time() - started < 0.1


def test_an_amount_with_thousands_of_decimals_is_read_exactly() -> None:
    assert to_minor(f"5.25{'0' * 5_000}", currency="OMR") == 5_250
    with pytest.raises(AmountError, match="OMR has at most 3 decimals"):
        to_minor(f"5.25{'0' * 5_000}1", currency="OMR")


def test_limit_itself_is_allowed_and_one_more_is_not() -> None:
    assert within_limit(MAX_MINOR) == 10**12
    assert within_limit(-MAX_MINOR) == -(10**12)
    for beyond in (MAX_MINOR + 1, -MAX_MINOR - 1):
        with pytest.raises(AmountError, match="may not exceed 1000000000000"):
            within_limit(beyond)


def test_whole_amounts_are_integers_and_others_decimals() -> None:
    assert repr(to_major(5_000, currency="OMR")) == "5"
    assert repr(to_major(0, currency="OMR")) == "0"
    assert repr(to_major(-50_000, currency="OMR")) == "-50"
    assert repr(to_major(5_250, currency="OMR")) == "Decimal('5.25')"
    assert repr(to_major(5_250, currency="JPY")) == "5250"


def test_display_separates_thousands() -> None:
    assert format_money(5_250, currency="OMR") == "5.250 OMR"
    assert format_money(-1_234_567_890, currency="OMR") == "-1,234,567.890 OMR"
    assert format_money(50, currency="USD") == "0.50 USD"
    assert format_money(1_500, currency="JPY") == "1,500 JPY"
