"""Subscriptions over time: renewals in full, refusals, cancellation, invoices, the portal."""

from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from config.devtools.stripe_sandbox.clock import add_interval
from tests.stripe_sandbox.create_sessions import open_session, open_with_credit
from tests.stripe_sandbox.sandbox_process import ControlRefused, SandboxProcess

DAY = 86_400


def subscribe(sandbox: SandboxProcess, client: stripe.StripeClient) -> stripe.Subscription:
    session = open_with_credit(client)
    sandbox.session(session.id, "pay")
    subscription: Any = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]}).subscription
    return subscription  # type: ignore[no-any-return]


def status_of(client: stripe.StripeClient, subscription: stripe.Subscription) -> str:
    return client.v1.subscriptions.retrieve(subscription.id).status


def test_next_month_is_charged_in_full(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    subscription = subscribe(sandbox, client)
    first = subscription["items"].data[0].current_period_end
    sandbox.control("POST", "clock", {"months": 1})
    invoices = client.v1.invoices.list({"subscription": subscription.id}).data
    assert [(each.billing_reason, each.total, each.amount_paid, each.status) for each in invoices] == [
        ("subscription_cycle", 15_000, 15_000, "paid"),
        ("subscription_create", 7_660, 7_660, "paid"),
    ]
    assert invoices[0].discounts == []
    assert [line.amount for line in invoices[0].lines.data] == [12_000, 3_000]
    assert [line.period.start for line in invoices[0].lines.data] == [first, first]
    renewed = client.v1.subscriptions.retrieve(subscription.id)
    assert renewed["items"].data[0].current_period_start == first
    assert renewed.discounts == []
    assert [each.amount for each in client.v1.charges.list().data] == [15_000, 7_660]


def test_a_year_renews_twelve_times_on_the_same_day(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    subscription = subscribe(sandbox, client)
    anchor = subscription.billing_cycle_anchor
    sandbox.control("POST", "clock", {"months": 12})
    invoices = client.v1.invoices.list({"subscription": subscription.id, "limit": 100}).data
    assert len(invoices) == 13
    assert [each.created for each in reversed(invoices)] == [add_interval(anchor, "month", n) for n in range(13)]


def test_month_ends_are_kept() -> None:
    end_of_january = int(datetime(2027, 1, 31, 9, tzinfo=UTC).timestamp())
    days = [datetime.fromtimestamp(add_interval(end_of_january, "month", n), UTC).day for n in range(5)]
    assert days == [31, 28, 31, 30, 31]


def test_events_of_a_renewal_come_in_order(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    subscribe(sandbox, client)
    before = len(sandbox.events())
    sandbox.control("POST", "clock", {"months": 1})
    assert [event["type"] for event in sandbox.events()[before:]] == [
        "invoice.created",
        "invoice.finalized",
        "payment_intent.created",
        "customer.subscription.updated",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]


def test_refused_renewal_is_past_due_and_recovers(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    subscription = subscribe(sandbox, client)
    sandbox.control("POST", "cards", {"behaviour": "declines"})
    sandbox.control("POST", "clock", {"months": 1})
    assert status_of(client, subscription) == "past_due"
    invoice = client.v1.invoices.list({"subscription": subscription.id}).data[0]
    assert (invoice.status, invoice.attempt_count, invoice.amount_remaining) == ("open", 1, 15_000)
    assert len(sandbox.events("invoice.payment_failed")) == 1
    sandbox.control("POST", "cards", {"behaviour": "pays"})
    sandbox.control("POST", "clock", {"seconds": 3 * DAY})
    assert status_of(client, subscription) == "active"
    invoice = client.v1.invoices.retrieve(invoice.id)
    assert (invoice.status, invoice.attempt_count) == ("paid", 2)


def test_renewal_that_keeps_failing_cancels(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    subscription = subscribe(sandbox, client)
    customer: Any = subscription.customer
    sandbox.control("POST", "cards", {"behaviour": "declines", "customer": customer})
    sandbox.control("POST", "clock", {"months": 1})
    sandbox.control("POST", "clock", {"seconds": 15 * DAY})
    ended = client.v1.subscriptions.retrieve(subscription.id)
    assert ended.status == "canceled"
    assert ended.cancellation_details is not None
    assert ended.cancellation_details.reason == "payment_failed"
    assert len(sandbox.events("invoice.payment_failed")) == 4
    assert [event["type"] for event in sandbox.events()][-1] == "customer.subscription.deleted"
    sandbox.control("POST", "clock", {"months": 3})
    assert len(client.v1.invoices.list({"subscription": subscription.id}).data) == 2


def test_invoice_is_paid_by_hand_or_declined(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    subscription = subscribe(sandbox, client)
    sandbox.control("POST", "cards", {"behaviour": "declines"})
    sandbox.control("POST", "clock", {"months": 1})
    invoice = client.v1.invoices.list({"status": "open"}).data[0]
    with pytest.raises(stripe.CardError) as refused:
        client.v1.invoices.pay(invoice.id)
    assert (refused.value.http_status, refused.value.code) == (402, "card_declined")
    assert client.v1.invoices.retrieve(invoice.id).attempt_count == 2
    sandbox.control("POST", "cards", {"behaviour": "pays"})
    assert client.v1.invoices.pay(invoice.id).status == "paid"
    assert status_of(client, subscription) == "active"
    with pytest.raises(stripe.InvalidRequestError, match="already paid"):
        client.v1.invoices.pay(invoice.id)


def test_open_invoice_is_voided_and_its_payment_cancelled(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    subscribe(sandbox, client)
    sandbox.control("POST", "cards", {"behaviour": "declines"})
    sandbox.control("POST", "clock", {"months": 1})
    unpaid, paid = client.v1.invoices.list().data
    assert client.v1.invoices.void_invoice(unpaid.id).status == "void"
    payment = client.v1.invoice_payments.list({"invoice": unpaid.id}).data[0].payment
    intent: Any = payment.payment_intent
    assert client.v1.payment_intents.retrieve(intent).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError, match="open or uncollectible"):
        client.v1.invoices.void_invoice(paid.id)
    sandbox.control("POST", "clock", {"seconds": 4 * DAY})
    assert client.v1.invoices.retrieve(unpaid.id).status == "void"


def test_cancelling_now_ends_it_once(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    subscription = subscribe(sandbox, client)
    ended = client.v1.subscriptions.cancel(subscription.id)
    assert ended.status == "canceled"
    assert ended.ended_at is not None
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.subscriptions.cancel(subscription.id)
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    sandbox.control("POST", "clock", {"months": 2})
    assert len(client.v1.invoices.list().data) == 1
    assert len(sandbox.events("customer.subscription.deleted")) == 1
    assert client.v1.subscriptions.list().data == []
    assert [each.id for each in client.v1.subscriptions.list({"status": "all"}).data] == [subscription.id]


def test_cancelling_with_the_period_ends_then(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    subscription = subscribe(sandbox, client)
    changed = client.v1.subscriptions.update(
        subscription.id, {"cancel_at_period_end": True, "metadata": {"why": "x"}}
    )
    assert (changed.status, changed.cancel_at_period_end) == ("active", True)
    assert changed.cancel_at == subscription["items"].data[0].current_period_end
    assert changed.metadata.to_dict() == {"order": "1", "why": "x"}
    sandbox.control("POST", "clock", {"months": 1})
    assert status_of(client, subscription) == "canceled"
    assert len(client.v1.invoices.list().data) == 1


def test_coupon_for_ever_stays(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    coupon = client.v1.coupons.create({"percent_off": 10, "duration": "forever"})
    months = client.v1.coupons.create({"percent_off": 10, "duration": "repeating", "duration_in_months": 2})
    for each in (coupon, months):
        sandbox.session(open_session(client, discounts=[{"coupon": each.id}]).id, "pay")
    sandbox.control("POST", "clock", {"months": 2})
    repeating, forever = client.v1.subscriptions.list().data
    totals = [
        [invoice.total for invoice in client.v1.invoices.list({"subscription": each.id}).data]
        for each in (forever, repeating)
    ]
    assert totals == [[13_500, 13_500, 13_500], [15_000, 13_500, 13_500]]


def test_deleting_the_customer_ends_the_subscription(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    subscription = subscribe(sandbox, client)
    customer: Any = subscription.customer
    client.v1.customers.delete(customer)
    assert status_of(client, subscription) == "canceled"
    assert client.v1.customers.retrieve(customer).deleted is True
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        open_session(client, customer=customer)


def test_clock_does_not_go_back(sandbox: SandboxProcess) -> None:
    with pytest.raises(ControlRefused):
        sandbox.control("POST", "clock", {"seconds": -1})
    answer = sandbox.control("GET", "clock")
    assert answer["api"] == answer["billing"]


def test_payments_of_invoices_are_listed_by_the_time_they_were_made(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    subscribe(sandbox, client)
    [paid] = client.v1.invoice_payments.list({"status": "paid"}).data
    assert [each.id for each in client.v1.invoice_payments.list({"created": {"gte": paid.created}}).data] == [paid.id]
    assert client.v1.invoice_payments.list({"created": {"gt": paid.created}}).data == []


def make_price(client: stripe.StripeClient, **more: Any) -> stripe.Price:
    given: Any = {"currency": "omr", "recurring": {"interval": "month"}, "product_data": {"name": "Plan M"}, **more}
    return client.v1.prices.create(given)


def test_an_item_gets_another_price_from_the_next_month_on(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    subscription = subscribe(sandbox, client)
    dear, cheap = client.v1.subscription_items.list({"subscription": subscription.id}).data
    price = make_price(client, unit_amount=13_200)
    before = len(sandbox.events())
    items: Any = [{"id": dear.id, "price": price.id}]
    changed = client.v1.subscriptions.update(subscription.id, {"items": items, "proration_behavior": "none"})
    assert [(each.id, each.price.unit_amount) for each in changed["items"].data] == [
        (dear.id, 13_200),
        (cheap.id, 3_000),
    ]
    assert [event["type"] for event in sandbox.events()[before:]] == ["customer.subscription.updated"]
    assert len(client.v1.invoices.list({"subscription": subscription.id}).data) == 1
    sandbox.control("POST", "clock", {"months": 1})
    newest = client.v1.invoices.list({"subscription": subscription.id}).data[0]
    assert (newest.total, [line.amount for line in newest.lines.data]) == (16_200, [13_200, 3_000])


def test_prices_that_stripe_refuses_for_an_item(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    subscription = subscribe(sandbox, client)
    item = client.v1.subscription_items.list({"subscription": subscription.id}).data[0]
    archived = make_price(client, unit_amount=100, active=False)
    once = client.v1.prices.create({"currency": "omr", "unit_amount": 100, "product_data": {"name": "Once"}})
    yearly = make_price(client, unit_amount=100, recurring={"interval": "year"})
    good = make_price(client, unit_amount=100)
    refusals = {
        "inactive": [{"id": item.id, "price": archived.id}],
        "not a recurring one": [{"id": item.id, "price": once.id}],
        "another interval": [{"id": item.id, "price": yearly.id}],
        "No such subscription_item": [{"id": "si_unknown", "price": good.id}],
        "No such price": [{"id": item.id, "price": "price_unknown"}],
        "items without id": [{"price": good.id}],
    }
    for problem, items in refusals.items():
        given: Any = {"items": items, "proration_behavior": "none"}
        with pytest.raises(stripe.InvalidRequestError, match=problem):
            client.v1.subscriptions.update(subscription.id, given)
    prorated: Any = {"items": [{"id": item.id, "price": good.id}]}
    with pytest.raises(stripe.InvalidRequestError, match="proration_behavior"):
        client.v1.subscriptions.update(subscription.id, prorated)
    assert client.v1.subscriptions.retrieve(subscription.id)["items"].data[0].price.unit_amount == 12_000
