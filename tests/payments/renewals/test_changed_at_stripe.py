"""Invoices and subscriptions changed at Stripe: a month has its own period, and the rest is shown to staff."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.models import Invoice, Subscription
from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.models import Break, CardEntry, StripeEvent
from orders.stripe.payloads import read_moment
from tests.payments.buyer import TOTAL_MINOR, new_buyer
from tests.payments.reconciliation.reconciliation_checks import open_break_keys
from tests.payments.renewal_consistency import count_announcements, count_queued_mails
from tests.payments.renewals.test_stripe_subscriptions import advance_a_month, subscribe
from tests.payments.stripe_server import Object, Stripe
from tests.payments.webhook_delivery import newest_event, post_event
from tests.payments.worker import run_waiting_jobs, sweep
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

Kind = Break.Kind
DAY = 86_400


def renewed_invoice(stripe: Stripe) -> Object:
    """The paid event of a subscription's second month, which the service has not received."""
    subscribe(stripe)
    advance_a_month(stripe)
    return newest_event(stripe, "invoice.paid")


def settle(event: Object) -> str:
    """Deliver an event, run the jobs, and return its outcome."""
    assert post_event(event).status_code == 200
    while run_waiting_jobs():
        pass
    return StripeEvent.objects.get(id=event["id"]).outcome


def invoice_of(event: Object) -> Object:
    invoice: Object = event["data"]["object"]
    return invoice


def lines_of(event: Object) -> list[Object]:
    lines: list[Object] = invoice_of(event)["lines"]["data"]
    return lines


def one_off_line(event: Object) -> Object:
    """A pending item that staff added at Stripe: its period has no length."""
    at = int(timezone.now().timestamp())
    parent = {"type": "invoice_item_details", "invoice_item_details": {"proration": False}}
    return {**lines_of(event)[0], "amount": 1_000, "parent": parent, "period": {"start": at, "end": at}}


def proration_line(event: Object) -> Object:
    """Returns the invoice line of a change of price in the middle of the month before."""
    line = lines_of(event)[0]
    details = {**line["parent"]["subscription_item_details"], "proration": True}
    start = line["period"]["start"]
    parent = {"type": "subscription_item_details", "subscription_item_details": details}
    return {**line, "amount": -500, "parent": parent, "period": {"start": start - 15 * DAY, "end": start}}


def old_line(line: Object, **more: Any) -> Object:
    """The line as API versions before 2025-03-31 write it."""
    kept = {name: line[name] for name in ("id", "object", "amount", "period", "subscription")}
    return {**kept, "type": "subscription", "proration": False, **more}


def put_one_off_first(event: Object) -> None:
    lines_of(event).insert(0, one_off_line(event))


def put_proration_first(event: Object) -> None:
    lines_of(event).insert(0, proration_line(event))


def put_old_lines(event: Object) -> None:
    own = [old_line(line) for line in lines_of(event)]
    at = own[0]["period"]["start"]
    pending = old_line(lines_of(event)[0], type="invoiceitem", period={"start": at, "end": at}, subscription=None)
    proration = old_line(lines_of(event)[0], proration=True, period={"start": at - 9 * DAY, "end": at + 90 * DAY})
    invoice_of(event)["lines"]["data"] = [pending, proration, *own]
    invoice_of(event)["subscription"] = invoice_of(event).pop("parent")["subscription_details"]["subscription"]


def put_another_subscription_first(event: Object) -> None:
    line = lines_of(event)[0]
    details = {**line["parent"]["subscription_item_details"], "subscription": "sub_other"}
    other = {**line, "subscription": "sub_other", "parent": {**line["parent"], "subscription_item_details": details}}
    lines_of(event).insert(0, {**other, "period": {"start": DAY, "end": 900 * DAY}})


def put_usage_first(event: Object) -> None:
    """Usage is billed after the month in which it was used."""
    line = lines_of(event)[0]
    start = line["period"]["start"]
    lines_of(event).insert(0, {**line, "amount": 0, "period": {"start": start - 30 * DAY, "end": start}})


def leave_out_the_rest(event: Object) -> None:
    """An event holds ten lines. The subscription's own come after more pending items than that."""
    invoice_of(event)["lines"] |= {"data": [one_off_line(event)] * 10, "has_more": True}


def leave_out_lines(event: Object) -> None:
    invoice_of(event)["lines"] = None


@pytest.mark.parametrize(
    "change",
    [
        put_one_off_first,
        put_proration_first,
        put_old_lines,
        put_another_subscription_first,
        put_usage_first,
        leave_out_the_rest,
        leave_out_lines,
    ],
    ids=lambda change: change.__name__,
)
def test_a_month_has_the_period_of_its_subscriptions_line(stripe: Stripe, change: Callable[[Object], None]) -> None:
    event = renewed_invoice(stripe)
    period = lines_of(event)[0]["period"]
    change(event)

    assert settle(event) == "renewed"

    start, end = read_moment(period["start"]), read_moment(period["end"])
    month = Invoice.objects.get(stripe_invoice_id=invoice_of(event)["id"])
    assert (month.status, month.period_start, month.period_end) == ("paid", start, end)
    subscription = Subscription.objects.get()
    assert (subscription.current_period_start, subscription.current_period_end) == (start, end)
    assert count_announcements(subscription) == {("renewed", start.isoformat()): 1}
    assert open_break_keys() == []
    # Nothing is left for the sweeper.
    with nothing_changes():
        assert not sweep().settled


@pytest.mark.parametrize("reason", ["subscription_update", "manual", "automatic_pending_invoice_item_invoice"])
def test_an_invoice_that_is_no_month_is_a_break_and_not_a_renewal(stripe: Stripe, reason: str) -> None:
    event = renewed_invoice(stripe)
    subscription = Subscription.objects.get()
    mails = count_queued_mails()
    invoice_of(event)["billing_reason"] = reason
    lines_of(event)[:] = [proration_line(event), one_off_line(event)]

    assert settle(event) == Kind.INVOICE_NOT_FOLLOWED

    assert open_break_keys() == [(Kind.INVOICE_NOT_FOLLOWED, invoice_of(event)["id"], subscription.order_id)]
    assert Break.objects.get().details == {"paid": TOTAL_MINOR, "reason": reason}
    assert count_announcements(subscription) == {}
    assert count_queued_mails() == mails
    period_end = subscription.current_period_end
    subscription.refresh_from_db()
    assert subscription.current_period_end == period_end


def test_a_failed_invoice_that_is_no_month_makes_nothing_past_due(stripe: Stripe) -> None:
    subscribe(stripe)
    stripe.do("cards", behaviour="declines")
    advance_a_month(stripe)
    event = newest_event(stripe, "invoice.payment_failed")
    invoice_of(event)["billing_reason"] = "subscription_update"
    assert settle(event) == "no_month"
    assert Subscription.objects.get().status == "active"


def change_quantity(subscription: Object) -> int:
    first = subscription["items"]["data"][0]
    first["quantity"] = 3
    return TOTAL_MINOR + 2 * int(first["price"]["unit_amount"])


def change_price(subscription: Object) -> int:
    first = subscription["items"]["data"][0]
    before, first["price"]["unit_amount"] = first["price"]["unit_amount"], 20_000
    return TOTAL_MINOR - int(before) + 20_000


def change_to_year(subscription: Object) -> str:
    subscription["items"]["data"][0]["price"]["recurring"]["interval"] = "year"
    return "another interval"


@pytest.mark.parametrize("change", [change_quantity, change_price, change_to_year])
def test_a_price_that_was_changed_at_stripe_is_a_break(stripe: Stripe, change: Callable[[Object], Any]) -> None:
    renewed_invoice(stripe)
    event = newest_event(stripe, "customer.subscription.updated")
    charged = change(event["data"]["object"])
    subscription = Subscription.objects.get()

    settle(event)

    expected = (Kind.SUBSCRIPTION_CHANGED.value, subscription.stripe_subscription_id, subscription.order_id)
    assert open_break_keys() == [expected]
    assert Break.objects.get().details == {"stripe": charged, "ours": TOTAL_MINOR}


def test_a_month_at_another_price_is_booked_and_shown(stripe: Stripe) -> None:
    event = renewed_invoice(stripe)
    lines_of(event)[0]["amount"] += 5_000
    invoice_of(event)["amount_paid"] += 5_000

    assert settle(event) == "renewed"

    assert Invoice.objects.get(stripe_invoice_id=invoice_of(event)["id"]).amount_minor == TOTAL_MINOR + 5_000
    assert [kind for kind, _, _ in open_break_keys()] == [Kind.SUBSCRIPTION_CHANGED]


def test_a_status_that_stripe_invents_is_a_break(stripe: Stripe) -> None:
    renewed_invoice(stripe)
    event = newest_event(stripe, "customer.subscription.updated")
    event["data"]["object"]["status"] = "hibernating"
    assert settle(event) == "unknown_status"
    assert [kind for kind, _, _ in open_break_keys()] == [Kind.SUBSCRIPTION_STATE_DIFFERS]
    assert Subscription.objects.get().status == "active"


def test_the_period_is_read_from_whichever_item_began_last(stripe: Stripe) -> None:
    renewed_invoice(stripe)
    event = newest_event(stripe, "customer.subscription.updated")
    items = event["data"]["object"]["items"]["data"]
    expected = read_moment(items[0]["current_period_end"])
    late = {**items[0], "current_period_start": DAY, "current_period_end": 900 * DAY}
    event["data"]["object"]["items"]["data"] = [{"id": "si_1"}, late, *items]
    settle(event)
    assert Subscription.objects.get().current_period_end == expected


def test_a_refund_of_a_later_month_is_a_break_the_same_day(stripe: Stripe) -> None:
    subscribe(stripe)
    advance_a_month(stripe)
    assert settle(newest_event(stripe, "invoice.paid")) == "renewed"
    invoice_id = invoice_of(newest_event(stripe, "invoice.paid"))["id"]
    stripe.do("clock", everything=True, seconds=20 * DAY)
    stripe.do(f"payments/{invoice_id}/refund", amount=5_000)
    event = newest_event(stripe, "charge.refunded")
    assert invoice_of(event)["metadata"] == {}
    order_id = Subscription.objects.get().order_id
    expected = (Kind.RENEWAL_REFUNDED.value, invoice_of(event)["id"], order_id)

    # The job settles an event that is posted now. Its outcome is written once the owner is found.
    assert settle({**event, "created": int(timezone.now().timestamp())}) == Kind.RENEWAL_REFUNDED

    assert open_break_keys() == [expected]
    assert Break.objects.get().details == {"refunded": 5_000, "invoice": invoice_id}
    stripe.do(f"payments/{invoice_id}/refund", amount=1_000)
    assert settle(newest_event(stripe, "charge.refunded")) == Kind.RENEWAL_REFUNDED
    assert Break.objects.get().details["refunded"] == 6_000
    refunds = CardEntry.objects.filter(kind="refund", stripe_object_id=invoice_id, order_id=order_id)
    assert list(refunds.order_by("id").values_list("amount_minor", "total_minor")) == [
        (-5_000, -5_000),
        (-1_000, -6_000),
    ]
    assert verify_ledger().sound


def test_a_refund_without_an_owner_never_expires_in_silence(stripe: Stripe) -> None:
    subscribe(stripe)
    advance_a_month(stripe)
    invoice_id = invoice_of(newest_event(stripe, "invoice.paid"))["id"]
    stripe.do(f"payments/{invoice_id}/refund", amount=5_000)
    event = newest_event(stripe, "charge.refunded")
    assert settle(event) == "before_link"
    now = timezone.now()
    sweep(now=now + timedelta(minutes=59))
    assert open_break_keys() == []

    sweep(now=now + timedelta(minutes=61))

    assert open_break_keys() == [(Kind.UNKNOWN_OBJECT.value, invoice_of(event)["id"], None)]
    with nothing_changes():
        sweep(now=now + timedelta(days=8))


def test_the_sweeper_finds_the_owner_that_the_job_did_not(stripe: Stripe) -> None:
    subscribe(stripe)
    advance_a_month(stripe)
    paid = newest_event(stripe, "invoice.paid")
    stripe.do(f"payments/{invoice_of(paid)['id']}/refund")
    stripe.fault(path="/v1/invoice_payments", effect="drop", count=None)
    assert settle(newest_event(stripe, "charge.refunded")) == "before_link"
    assert settle(paid) == "renewed"
    stripe.heal()

    sweep(now=timezone.now() + timedelta(hours=2))

    assert [kind for kind, _, _ in open_break_keys()] == [Kind.RENEWAL_REFUNDED]


def test_a_paid_month_whose_order_never_completes_becomes_a_break(stripe: Stripe) -> None:
    order_id = new_buyer().check_out().order_id
    event = renewed_invoice(stripe)
    invoice = invoice_of(event)
    invoice["parent"]["subscription_details"]["subscription"] = "sub_of_an_order_that_waits"
    invoice["parent"]["subscription_details"]["metadata"]["order_id"] = str(order_id)
    assert settle(event) == "before_completion"
    now = timezone.now()
    sweep(now=now + timedelta(hours=1))
    assert open_break_keys() == []

    sweep(now=now + timedelta(hours=25))

    assert (Kind.UNKNOWN_OBJECT.value, invoice["id"], None) in open_break_keys()


def test_a_long_invoice_that_stripe_does_not_know_any_more_becomes_a_break(stripe: Stripe) -> None:
    event = renewed_invoice(stripe)
    leave_out_the_rest(event)
    stripe.fault(path="/v1/invoices/*/lines", effect="answer", status=404, count=None)

    assert settle(event) == Break.Kind.INVOICE_NOT_FOLLOWED

    order_id = Subscription.objects.get().order_id
    assert open_break_keys() == [(Break.Kind.INVOICE_NOT_FOLLOWED.value, invoice_of(event)["id"], order_id)]
    assert not ProcrastinateJob.objects.exclude(status="succeeded").filter(task_name="settle_long_invoice").exists()
