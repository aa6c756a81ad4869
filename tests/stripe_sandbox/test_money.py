"""Amounts that Stripe does not take, and the parts of a discount."""

from decimal import Decimal
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from config.devtools.stripe_sandbox.money import percentage_of, split_in_proportion
from tests.stripe_sandbox.create_sessions import line, open_session
from tests.stripe_sandbox.sandbox_process import SandboxProcess


@pytest.mark.parametrize("currency", ["omr", "bhd", "jod", "kwd", "tnd"])
def test_three_decimal_amount_must_end_in_zero(client: stripe.StripeClient, currency: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        open_session(client, line_items=[line("A", 5_125, currency=currency)])
    assert refused.value.http_status == 400
    assert refused.value.code == "parameter_invalid_integer"
    error: Any = refused.value.error
    assert error.param == "line_items[0][price_data][unit_amount]"
    assert open_session(client, line_items=[line("A", 5_120, currency=currency)]).amount_total == 5_120


def test_coupons_and_refunds_must_end_in_zero_too(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="multiple of 10"):
        client.v1.coupons.create({"amount_off": 7_345, "currency": "omr", "duration": "once"})
    sandbox.session(open_session(client).id, "pay")
    charge = client.v1.charges.list().data[0]
    with pytest.raises(stripe.InvalidRequestError, match="multiple of 10"):
        client.v1.refunds.create({"charge": charge.id, "amount": 1_001})
    assert client.v1.refunds.list().data == []


def test_zero_and_two_decimal_amounts_are_taken_as_they_are(client: stripe.StripeClient) -> None:
    assert open_session(client, line_items=[line("A", 51, currency="jpy")]).amount_total == 51
    assert open_session(client, line_items=[line("A", 1_001, currency="usd")]).amount_total == 1_001


@pytest.mark.parametrize(("amount", "message"), [(-10, "non-negative"), (100_000_000, "no more than 99,999.999 OMR")])
def test_amount_out_of_bounds_is_refused(client: stripe.StripeClient, amount: int, message: str) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=message):
        open_session(client, line_items=[line("A", amount)])


def test_unknown_currency_is_refused(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="Invalid currency: xyz"):
        open_session(client, line_items=[line("A", 1_000, currency="xyz")])


def test_least_charge_is_half_a_dollar(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        open_session(client, line_items=[line("A", 49, currency="usd")])
    assert refused.value.code == "amount_too_small"
    assert open_session(client, line_items=[line("A", 50, currency="usd")]).amount_total == 50


@given(st.lists(st.integers(0, 10**8), min_size=1, max_size=20), st.integers(0, 10**8))
def test_shares_lose_nothing_and_exceed_no_line(weights: list[int], wanted: int) -> None:
    total = min(wanted, sum(weights))
    parts = split_in_proportion(total, weights)
    assert sum(parts) == total
    assert all(0 <= part <= weight for part, weight in zip(parts, weights, strict=True))


def test_percentage_is_rounded_down_to_what_is_chargeable() -> None:
    assert percentage_of(15_000, Decimal("33.33"), "omr") == 4_990
    assert percentage_of(1_001, Decimal("33.33"), "usd") == 333
