"""The life of a Checkout Session, through the official library: amounts to the last baisa, states, events."""

import time
from typing import Any

import pytest
import stripe

from tests.stripe_sandbox.create_sessions import (
    ADDON_MINOR,
    CREDIT_MINOR,
    PLAN_MINOR,
    line,
    open_session,
    open_with_credit,
    session_parameters,
)
from tests.stripe_sandbox.sandbox_process import ControlRefused, SandboxProcess

MONTH = {"interval": "month", "interval_count": 1}


def test_session_asks_for_all_lines_less_the_credit(client: stripe.StripeClient) -> None:
    session = open_with_credit(client)
    assert (session.amount_subtotal, session.amount_total) == (15_000, 7_660)
    assert session.total_details is not None
    assert session.total_details.amount_discount == CREDIT_MINOR
    assert (session.status, session.payment_status) == ("open", "unpaid")
    assert (session.subscription, session.payment_intent, session.invoice) == (None, None, None)
    assert session.metadata is not None
    assert session.metadata.to_dict() == {"order": "1", "tenant": "t1"}
    lines = client.v1.checkout.sessions.line_items.list(session.id).data
    asked = [(each.description, each.amount_subtotal, each.amount_discount, each.amount_total) for each in lines]
    assert asked == [("Plan M", PLAN_MINOR, 5_872, 6_128), ("Backup", ADDON_MINOR, 1_468, 1_532)]


def test_discount_is_divided_to_the_last_unit(client: stripe.StripeClient) -> None:
    coupon = client.v1.coupons.create({"amount_off": 1_000, "currency": "omr", "duration": "once"})
    items = [line("A", 1_000), line("B", 1_000), line("C", 1_000)]
    session = open_session(client, line_items=items, discounts=[{"coupon": coupon.id}])
    lines = client.v1.checkout.sessions.line_items.list(session.id).data
    assert [each.amount_discount for each in lines] == [334, 333, 333]
    assert sum(each.amount_total for each in lines) == session.amount_total == 2_000


def test_paid_session_has_subscription_invoice_payment_and_charge(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    session = open_with_credit(client)
    answer = sandbox.session(session.id, "pay")
    assert answer["redirect"] == f"http://shop.example/done?session={session.id}"
    paid = client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["subscription", "invoice.payments.data.payment", "line_items"]}
    )
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    subscription: Any = paid.subscription
    assert (subscription.status, subscription.metadata.to_dict()) == ("active", {"order": "1"})
    assert [item.price.unit_amount for item in subscription["items"].data] == [PLAN_MINOR, ADDON_MINOR]
    invoice: Any = paid.invoice
    assert (invoice.subtotal, invoice.total, invoice.amount_paid, invoice.status) == (15_000, 7_660, 7_660, "paid")
    assert invoice.billing_reason == "subscription_create"
    intent = client.v1.payment_intents.retrieve(
        invoice.payments.data[0].payment.payment_intent, {"expand": ["latest_charge"]}
    )
    charge: Any = intent.latest_charge
    assert (intent.status, intent.amount_received) == ("succeeded", 7_660)
    assert (charge.status, charge.amount, charge.currency, charge.paid) == ("succeeded", 7_660, "omr", True)
    assert subscription.customer == session.customer


def test_events_of_a_payment_come_in_a_plausible_order(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    session = open_with_credit(client)
    sandbox.session(session.id, "pay")
    kinds = [event["type"] for event in sandbox.events()]
    assert kinds[kinds.index("customer.subscription.created") :] == [
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.updated",
        "checkout.session.completed",
    ]
    completed = sandbox.events("checkout.session.completed")[0]
    assert completed["data"]["object"]["payment_status"] == "paid"
    assert completed["data"]["object"]["client_reference_id"] == "order-1"
    # An event holds a snapshot: the subscription was not active yet in its first event.
    assert sandbox.events("customer.subscription.created")[0]["data"]["object"]["status"] == "incomplete"
    updated = sandbox.events("customer.subscription.updated")[0]["data"]
    assert updated["previous_attributes"] == {"status": "incomplete"}


def test_refused_card_leaves_the_session_open_and_payable(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    session = open_with_credit(client)
    sandbox.session(session.id, "refuse")
    after = client.v1.checkout.sessions.retrieve(session.id)
    assert (after.status, after.payment_status) == ("open", "unpaid")
    failed = sandbox.events("charge.failed", "payment_intent.payment_failed")
    assert [event["data"]["object"]["amount"] for event in failed] == [7_660, 7_660]
    assert failed[0]["data"]["object"]["failure_code"] == "card_declined"
    sandbox.session(session.id, "pay")
    assert len(sandbox.events("charge.succeeded")) == 1


def test_bank_debit_completes_unpaid_and_settles_later(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    session = open_with_credit(client)
    sandbox.session(session.id, "pay_async")
    after = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription", "invoice"]})
    subscription: Any = after.subscription
    invoice: Any = after.invoice
    assert (after.status, after.payment_status) == ("complete", "unpaid")
    assert (subscription.status, invoice.status) == ("active", "open")
    assert sandbox.events("charge.succeeded", "invoice.paid") == []
    sandbox.session(session.id, "settle_async")
    settled = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["invoice"]})
    invoice = settled.invoice
    assert (settled.payment_status, invoice.status, invoice.amount_paid) == ("paid", "paid", 7_660)
    kinds = [event["type"] for event in sandbox.events()]
    assert kinds[-1] == "checkout.session.async_payment_succeeded"
    assert kinds.count("charge.succeeded") == 1


def test_bank_debit_that_fails_leaves_the_subscription_past_due(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    session = open_with_credit(client)
    sandbox.session(session.id, "pay_async")
    sandbox.session(session.id, "fail_async")
    after = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
    subscription: Any = after.subscription
    assert (after.status, after.payment_status, subscription.status) == ("complete", "unpaid", "past_due")
    assert sandbox.events()[-1]["type"] == "checkout.session.async_payment_failed"
    with pytest.raises(ControlRefused, match="no pending bank debit"):
        sandbox.session(session.id, "settle_async")


def test_open_session_expires_on_request_and_only_then_by_time(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    session = open_session(client)
    expired = client.v1.checkout.sessions.expire(session.id)
    assert (expired.status, expired.url) == ("expired", None)
    with pytest.raises(stripe.InvalidRequestError, match="status of `expired`"):
        client.v1.checkout.sessions.expire(session.id)
    other = open_session(client, expires_at=int(time.time()) + 3_600)
    sandbox.control("POST", "clock", {"seconds": 7_200})
    assert client.v1.checkout.sessions.retrieve(other.id).status == "open"
    sandbox.control("POST", "clock", {"seconds": 3_601, "everything": True})
    assert client.v1.checkout.sessions.retrieve(other.id).status == "expired"
    assert len(sandbox.events("checkout.session.expired")) == 2


def test_complete_session_cannot_be_expired_or_paid_again(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    session = open_session(client)
    sandbox.session(session.id, "pay")
    with pytest.raises(stripe.InvalidRequestError, match="status of `complete`"):
        client.v1.checkout.sessions.expire(session.id)
    with pytest.raises(ControlRefused, match="complete"):
        sandbox.session(session.id, "pay")
    assert len(client.v1.charges.list().data) == 1


def test_session_without_customer_makes_one(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    session = open_session(client, customer_email="bob@example.org")
    assert session.customer is None
    sandbox.session(session.id, "pay")
    made = client.v1.customers.list({"email": "bob@example.org"}).data
    assert [each.id for each in made] == [client.v1.checkout.sessions.retrieve(session.id).customer]


def test_nothing_to_pay_is_no_payment_required(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    coupon = client.v1.coupons.create({"percent_off": 100, "duration": "once"})
    session = open_session(client, discounts=[{"coupon": coupon.id}])
    assert session.amount_total == 0
    sandbox.session(session.id, "pay")
    after = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription", "invoice"]})
    subscription: Any = after.subscription
    invoice: Any = after.invoice
    assert after.payment_status == "no_payment_required"
    assert (subscription.status, invoice.status, invoice.total) == ("active", "paid", 0)
    assert client.v1.charges.list().data == []


def test_coupon_larger_than_the_basket_takes_all_and_no_more(client: stripe.StripeClient) -> None:
    coupon = client.v1.coupons.create({"amount_off": 99_000, "currency": "omr", "duration": "once"})
    session = open_session(client, discounts=[{"coupon": coupon.id}])
    assert (session.amount_subtotal, session.amount_total) == (15_000, 0)


def test_payment_mode_charges_once(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    more: dict[str, Any] = {
        "mode": "payment",
        "line_items": [line("Remainder", 2_500, interval=None)],
        "payment_intent_data": {"metadata": {"invoice": "7"}, "description": "Renewal"},
    }
    parameters: Any = {
        name: value for name, value in session_parameters(**more).items() if name != "subscription_data"
    }
    session = client.v1.checkout.sessions.create(parameters)
    sandbox.session(session.id, "refuse")
    sandbox.session(session.id, "pay")
    after = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
    intent: Any = after.payment_intent
    assert (intent.amount_received, intent.metadata.to_dict()) == (2_500, {"invoice": "7"})
    assert (intent.latest_charge.amount, after.invoice, after.subscription) == (2_500, None, None)
    assert len(client.v1.payment_intents.list().data) == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"expires_at": 1_000}, "at least 30 minutes"),
        ({"expires_at": 9_999_999_999}, "less than 24 hours"),
        ({"line_items": []}, "Missing required param: line_items"),
        ({"line_items": [line("A", 1_000, interval=None)]}, "at least one recurring price"),
        ({"line_items": [line("A", 1_000), line("B", 1_000, interval="year")]}, "different billing intervals"),
        ({"line_items": [line("A", 1_000), line("B", 1_000, currency="usd")]}, "same currency"),
        ({"mode": "payment", "subscription_data": {"metadata": {"a": "b"}}}, "can not pass `subscription_data`"),
        ({"success_url": "nowhere"}, "Not a valid URL"),
        ({"customer": "cus_nobody"}, "No such customer: 'cus_nobody'"),
        ({"discounts": [{"coupon": "nothing"}]}, "No such coupon: 'nothing'"),
        ({"line_items": [line("A", 190)]}, "must add up to at least 0.200 OMR"),
        ({"mode": "setup"}, "sandbox"),
        ({"allow_promotion_codes": True}, "sandbox does not support"),
    ],
)
def test_the_sandbox_refuses_what_stripe_refuses(
    sandbox: SandboxProcess, client: stripe.StripeClient, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=message):
        open_session(client, **more)
    assert client.v1.checkout.sessions.list().data == []
    assert sandbox.events() == []


def test_coupon_that_is_used_up_deleted_or_in_another_currency_is_refused(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    single = client.v1.coupons.create(
        {"amount_off": 1_000, "currency": "omr", "duration": "once", "max_redemptions": 1}
    )
    sandbox.session(open_session(client, discounts=[{"coupon": single.id}]).id, "pay")
    used = client.v1.coupons.retrieve(single.id)
    assert (used.times_redeemed, used.valid) == (1, False)
    with pytest.raises(stripe.InvalidRequestError, match="Coupon expired"):
        open_session(client, discounts=[{"coupon": single.id}])
    client.v1.coupons.delete(single.id)
    with pytest.raises(stripe.InvalidRequestError, match="No such coupon"):
        open_session(client, discounts=[{"coupon": single.id}])
    dollars = client.v1.coupons.create({"amount_off": 100, "currency": "usd", "duration": "once"})
    with pytest.raises(stripe.InvalidRequestError, match="takes off usd"):
        open_session(client, discounts=[{"coupon": dollars.id}])


def test_coupon_deleted_while_the_session_is_open_still_counts(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    session = open_with_credit(client)
    assert session.discounts is not None
    client.v1.coupons.delete(str(session.discounts[0].coupon))
    sandbox.session(session.id, "pay")
    assert client.v1.charges.list().data[0].amount == 7_660


def test_sessions_are_listed_by_status_and_subscription(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    first, second = open_session(client), open_session(client)
    sandbox.session(first.id, "pay")
    subscription: Any = client.v1.checkout.sessions.retrieve(first.id).subscription
    sessions = client.v1.checkout.sessions
    assert [each.id for each in sessions.list({"status": "open"}).data] == [second.id]
    assert [each.id for each in sessions.list({"subscription": subscription}).data] == [first.id]
    assert [each.id for each in sessions.list({"limit": 1}).auto_paging_iter()] == [second.id, first.id]
