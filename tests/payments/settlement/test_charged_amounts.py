"""The lines and amounts of a session, also where amounts in baisa do not end in 0: the total less the credit."""

from typing import Any

import pytest

from orders.models import Order
from tests.factories import AddOnFactory, PlanFactory
from tests.payments.buyer import new_buyer, order_status, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.stripe_server import Object, Stripe
from tests.payments.worker import run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)

# plan, add-on, credit on the balance, voucher → credit applied, charged now
CASES = [
    # Totals that end in 0: the credit is rounded down.
    (16_000, 3_000, 0, 0, 0, 19_000),
    (16_000, 3_000, 1, 0, 0, 19_000),
    (16_000, 3_000, 9, 0, 0, 19_000),
    (16_000, 3_000, 10, 0, 10, 18_990),
    (16_000, 3_000, 2_345, 0, 2_340, 16_660),
    (16_000, 3_000, 2_345, 10_000, 12_340, 6_660),
    (16_000, 3_000, 0, 4_999, 4_990, 14_010),
    # The amount for the card is never below Stripe's minimum charge.
    (16_000, 3_000, 18_795, 0, 18_790, 210),
    (16_000, 3_000, 18_801, 0, 18_800, 200),
    (16_000, 3_000, 18_999, 0, 18_800, 200),
    (16_000, 3_000, 9_995, 9_001, 18_800, 200),
]


def newest_session_request(stripe: Stripe) -> tuple[list[Object], Object | None]:
    """The lines and the coupon of the newest session, as the service sent them."""
    request = stripe.requests(method="POST", path="/v1/checkout/sessions")[-1]["parameters"]
    lines = request["line_items"]
    coupons = stripe.requests(method="POST", path="/v1/coupons")
    coupon = coupons[-1]["parameters"] if "discounts" in request else None
    return list(lines.values()) if isinstance(lines, dict) else lines, coupon


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_session_has_every_line_and_charges_the_total_less_the_credit(
    stripe: Stripe, settings: Any, case: tuple[int, int, int, int, int, int]
) -> None:
    plan, addon, credit, voucher, applied, charged = case
    settings.STRIPE_MINIMUM_CHARGE_MINOR = 200
    buyer = new_buyer(credit_minor=credit, voucher_minor=voucher).wanting(
        plan=PlanFactory.create(price_minor=plan, name="Medium"),
        addon=AddOnFactory.create(price_minor=addon, name="Backup"),
    )
    placed = buyer.check_out()

    lines, coupon = newest_session_request(stripe)
    assert [
        (line["price_data"]["product_data"]["name"], int(line["price_data"]["unit_amount"]), int(line["quantity"]))
        for line in lines
    ] == [("Medium", plan, 1), ("Backup", addon, 1)]
    assert {line["price_data"]["currency"] for line in lines} == {"omr"}
    assert {line["price_data"]["recurring"]["interval"] for line in lines} == {"month"}
    if applied:
        assert coupon is not None
        assert (int(coupon["amount_off"]), coupon["currency"], coupon["duration"]) == (applied, "omr", "once")
    else:
        assert coupon is None
    [session] = stripe.sessions()
    assert (session["amount_subtotal"], session["amount_total"]) == (plan + addon, charged)
    assert session["metadata"] == {
        "order_id": str(placed.order_id),
        "tenant_id": str(buyer.organization.id),
    }
    order = Order.objects.get()
    assert (order.total_minor, order.credit_applied_minor) == (plan + addon, applied)

    stripe.pay(session_id_of(placed.order_id))
    run_until_idle(stripe)
    assert [charge["amount"] for charge in stripe.charges()] == [charged]
    assert buyer.account.balance_minor == credit + voucher - applied
    assert_books_agree(stripe)


def test_the_next_months_are_charged_in_full(stripe: Stripe) -> None:
    buyer = new_buyer()
    placed = buyer.check_out()
    stripe.pay(session_id_of(placed.order_id))
    run_until_idle(stripe)
    balance_before = buyer.account.balance_minor

    for _ in range(2):
        stripe.do("clock", months=1)
        run_until_idle(stripe)

    assert [charge["amount"] for charge in stripe.charges()] == [6_660, 19_000, 19_000]
    assert [
        (invoice.amount_minor, invoice.status) for invoice in buyer.organization.invoices.order_by("period_start")
    ] == [(19_000, "paid")] * 3
    assert buyer.account.balance_minor == balance_before
    assert order_status(placed.order_id) == Order.Status.COMPLETED
    assert_books_agree(stripe)
