"""Subscriptions that Stripe charges: events that arrive twice, at once, out of order or late take effect once.

The tests advance the sandbox's clock; the service learns of the months from events alone.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from django.core import mail
from django.utils import timezone

from billing.models import AuditEntry, Invoice, LedgerEntry, Organization, Subscription
from orders.models import Break, Order, Payment, StripeEvent
from orders.stripe import subscriptions as stripe_subscriptions
from orders.use_cases.mail.queue_mail import Mail
from orders.use_cases.mail.send_mail import send_mail
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.payments.request_refund import refund_order
from orders.use_cases.payments.settle_event import settle_event
from tests.concurrency.threads import race
from tests.factories import PlanFactory, acting, actor, give_credit
from tests.payments.buyer import (
    APPLIED_MINOR,
    CHARGED_MINOR,
    PRICE_MINOR,
    TOTAL_MINOR,
    Buyer,
    new_buyer,
    session_id_of,
)
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.reconciliation.reconciliation_checks import reconcile
from tests.payments.renewal_consistency import count_announcements, count_queued_mails
from tests.payments.stripe_server import Stripe
from tests.payments.webhook_delivery import newest_event, post_event, undelivered_events
from tests.payments.worker import run_until_idle, run_waiting_jobs
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

DAY_SECONDS = 86_400
RETRY_SECONDS = 3 * DAY_SECONDS
LAST_RETRY_SECONDS = 15 * DAY_SECONDS


def buy_without_events(stripe: Stripe) -> tuple[Buyer, UUID]:
    """Check out and pay at Stripe, without delivering any event."""
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.pay(session_id_of(order_id))
    return buyer, order_id


def subscribe(stripe: Stripe) -> Buyer:
    buyer, _ = buy_without_events(stripe)
    run_until_idle(stripe)
    return buyer


def advance_clock(stripe: Stripe, **span: int) -> None:
    stripe.do("clock", everything=True, **span)


def advance_a_month(stripe: Stripe) -> None:
    advance_clock(stripe, months=1)


def decline_then_pay(stripe: Stripe) -> None:
    stripe.do("cards", behaviour="declines")
    advance_a_month(stripe)
    stripe.do("cards", behaviour="pays")
    advance_clock(stripe, seconds=RETRY_SECONDS)


def decline_a_month(stripe: Stripe) -> None:
    stripe.do("cards", behaviour="declines")
    advance_a_month(stripe)


def decline_until_canceled(stripe: Stripe) -> None:
    decline_a_month(stripe)
    advance_clock(stripe, seconds=LAST_RETRY_SECONDS)


def cancel_at_stripe(stripe: Stripe) -> None:
    advance_a_month(stripe)
    advance_clock(stripe, seconds=DAY_SECONDS)
    stripe_subscriptions.cancel_subscription(stripe.subscriptions()[0]["id"])


# What happens at Stripe, then the expected subscription status, organization status and number of renewed months.
SUBSCRIPTION_LIVES: dict[str, tuple[Callable[[Stripe], None], str, str, int]] = {
    "renewed": (advance_a_month, "active", "active", 1),
    "past due": (decline_a_month, "past_due", "active", 0),
    "recovered": (decline_then_pay, "active", "active", 1),
    "not paid": (decline_until_canceled, "canceled", "suspended", 0),
    "cancelled there": (cancel_at_stripe, "canceled", "suspended", 1),
}


def read_state() -> tuple[str, str, int]:
    subscription = Subscription.objects.get()
    renewed = sum(times for (kind, _), times in count_announcements(subscription).items() if kind == "renewed")
    return subscription.status, Organization.objects.get().status, renewed


def test_the_next_months_are_charged_in_full(stripe: Stripe) -> None:
    buyer = subscribe(stripe)
    for _ in range(3):
        advance_a_month(stripe)
        run_until_idle(stripe)
        assert_books_agree(stripe)
    assert [charge["amount"] for charge in stripe.charges()] == [CHARGED_MINOR, *[TOTAL_MINOR] * 3]
    assert sorted(Invoice.objects.values_list("amount_minor", "status")) == [(TOTAL_MINOR, "paid")] * 4
    [spend] = LedgerEntry.objects.filter(kind=LedgerEntry.Kind.SPEND)
    assert spend.amount_minor == -APPLIED_MINOR
    assert buyer.account.held_minor == 0
    assert read_state() == ("active", "active", 3)


@pytest.mark.parametrize("seed", ["in order", "reversed", 1, 2])
@pytest.mark.parametrize("settled", ["purchase settled", "nothing settled"])
@pytest.mark.parametrize("life", SUBSCRIPTION_LIVES)
def test_events_that_arrive_twice_in_any_order_have_the_same_result(
    stripe: Stripe, life: str, settled: str, seed: object
) -> None:
    act_at_stripe, *expected = SUBSCRIPTION_LIVES[life]
    buy_without_events(stripe)
    if settled == "purchase settled":
        run_until_idle(stripe)
    act_at_stripe(stripe)
    events = undelivered_events(stripe)
    if seed == "reversed":
        events.reverse()
    elif isinstance(seed, int):
        random.Random(seed).shuffle(events)

    for event in events:
        for _ in range(2):
            assert post_event(event).status_code == 200
            run_waiting_jobs()
    run_until_idle(stripe)

    assert_books_agree(stripe)
    assert list(read_state()) == expected
    with nothing_changes():
        for event in events:
            assert post_event(event).json()["duplicate"]


@pytest.mark.parametrize("life", SUBSCRIPTION_LIVES)
def test_concurrent_events_have_the_same_result(stripe: Stripe, life: str) -> None:
    act_at_stripe, *expected = SUBSCRIPTION_LIVES[life]
    subscribe(stripe)
    act_at_stripe(stripe)
    events = undelivered_events(stripe)
    for event in events:
        assert post_event(event).status_code == 200

    race([partial(settle_event, event_id=event["id"]) for event in events for _ in range(2)])

    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert list(read_state()) == expected


def test_of_two_changes_in_the_same_second_the_service_asks_stripe_for_the_last(stripe: Stripe) -> None:
    subscribe(stripe)
    decline_a_month(stripe)
    extended, declined = [
        each for each in undelivered_events(stripe) if each["type"] == "customer.subscription.updated"
    ]
    assert extended["created"] == declined["created"]
    for event in (declined, extended):
        post_event(event)
    assert [settle_event(event_id=event["id"]) for event in (declined, extended)] == ["past_due", "refetching"]
    run_waiting_jobs()
    assert Subscription.objects.get().status == "past_due"


def test_an_unpaid_subscription_suspends_its_organization_until_the_next_order(stripe: Stripe) -> None:
    buyer = subscribe(stripe)
    decline_until_canceled(stripe)
    run_until_idle(stripe)

    [subscription] = Subscription.objects.all()
    ended = newest_event(stripe, "customer.subscription.deleted")
    assert subscription.canceled_at is not None
    assert int(subscription.canceled_at.timestamp()) == ended["created"]
    audited = AuditEntry.objects.get(action="subscription.canceled")
    assert (audited.actor_id, audited.reason) == (ended["id"], "ended at Stripe: payment_failed")
    assert audited.changes == {"status": ["past_due", "canceled"], "suspended": [False, True]}
    assert count_queued_mails()["canceled", str(subscription.id)] == 1
    assert send_mail(mail=Mail.CANCELED, subject_id=subscription.id)
    assert " because the month was not paid." in mail.outbox[0].body
    give_credit(buyer.customer, TOTAL_MINOR)
    buyer.wanting(promo_code=None, key="again").check_out()
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert Organization.objects.get().status == "active"


def test_the_mail_of_a_cancellation_does_not_call_it_unpaid(stripe: Stripe) -> None:
    subscribe(stripe)
    cancel_at_stripe(stripe)
    run_until_idle(stripe)
    assert send_mail(mail=Mail.CANCELED, subject_id=Subscription.objects.get().id)
    assert "not paid" not in mail.outbox[0].body


def test_a_replaced_subscription_leaves_its_organization_active(stripe: Stripe) -> None:
    buyer = subscribe(stripe)
    decline_a_month(stripe)
    run_until_idle(stripe)
    give_credit(buyer.customer, TOTAL_MINOR)
    buyer.wanting(plan=PlanFactory.create(price_minor=PRICE_MINOR - 10), promo_code=None, key="second").check_out()
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert newest_event(stripe, "customer.subscription.deleted")["id"] in StripeEvent.objects.values_list(
        "id", flat=True
    )
    assert Organization.objects.get().status == "active"
    assert sorted(Subscription.objects.values_list("status", flat=True)) == ["active", "canceled"]


def test_a_refunded_subscription_suspends_its_organization_and_sends_only_the_refund_mail(stripe: Stripe) -> None:
    buyer = subscribe(stripe)
    refund_order(order_id=Order.objects.get().id, card_minor=None, why="asked for", by=actor())
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert read_state() == ("canceled", "suspended", 0)
    [subscription] = Subscription.objects.all()
    audited = AuditEntry.objects.get(action="subscription.canceled")
    assert (audited.reason, audited.changes["suspended"]) == ("refunded: asked for", [False, True])
    assert [kind for kind, _ in count_announcements(subscription)] == ["canceled"]
    # The mail of an order that waits for its payment was queued when the card's page opened. It finds the order paid.
    assert sorted(mail for mail, _ in count_queued_mails()) == ["order_placed", "payment_received", "refunded"]
    give_credit(buyer.customer, TOTAL_MINOR)
    buyer.wanting(promo_code=None, key="again").check_out()
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert Organization.objects.get().status == "active"


def test_a_refund_of_a_replaced_subscription_suspends_no_organization(stripe: Stripe) -> None:
    buyer = subscribe(stripe)
    first = Order.objects.get()
    give_credit(buyer.customer, TOTAL_MINOR)
    buyer.wanting(plan=PlanFactory.create(price_minor=1_000), promo_code=None, key="second").check_out()
    refund_order(order_id=first.id, card_minor=None, why="asked for", by=actor())
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert Organization.objects.get().status == "active"
    assert not AuditEntry.objects.filter(action="subscription.canceled").exists()


def test_a_deleted_organization_stays_deleted_when_its_subscription_ends(stripe: Stripe) -> None:
    buyer = subscribe(stripe)
    delete_organization(organization_id=buyer.organization.id, by=acting(buyer.customer))
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert read_state() == ("canceled", "deleted", 0)
    assert not AuditEntry.objects.filter(action="subscription.canceled").exists()


def test_a_subscription_that_stripe_reports_as_unpaid_ends(stripe: Stripe) -> None:
    subscribe(stripe)
    decline_a_month(stripe)
    run_until_idle(stripe)
    event = newest_event(stripe, "customer.subscription.updated")
    unpaid = {**event["data"]["object"], "status": "unpaid"}
    post_event({**event, "id": "evt_unpaid", "created": event["created"] + 1, "data": {"object": unpaid}})
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert read_state() == ("canceled", "suspended", 0)
    assert AuditEntry.objects.get(action="subscription.canceled").reason == "ended at Stripe: unpaid"


@pytest.mark.parametrize("ended", ["unpaid", "deleted", "replaced"])
def test_an_unpaid_month_cannot_be_paid_after_the_end(stripe: Stripe, ended: str) -> None:
    buyer = subscribe(stripe)
    decline_a_month(stripe)
    run_until_idle(stripe)
    [invoice] = stripe.all("invoices", status="open")
    if ended == "unpaid":
        advance_clock(stripe, seconds=LAST_RETRY_SECONDS)
    elif ended == "deleted":
        delete_organization(organization_id=buyer.organization.id, by=acting(buyer.customer))
    else:
        give_credit(buyer.customer, TOTAL_MINOR)
        buyer.wanting(plan=PlanFactory.create(price_minor=1_000), promo_code=None, key="second").check_out()
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert stripe.get(f"invoices/{invoice['id']}")["status"] == "void"
    assert Invoice.objects.get(stripe_invoice_id=invoice["id"]).status == "void"


def test_an_unpaid_month_that_is_reported_after_the_end_is_void(stripe: Stripe) -> None:
    buyer = subscribe(stripe)
    decline_a_month(stripe)
    events = undelivered_events(stripe)
    failed = newest_event(stripe, "invoice.payment_failed")
    delete_organization(organization_id=buyer.organization.id, by=acting(buyer.customer))
    for event in events:
        post_event(event)
    run_waiting_jobs()
    assert Invoice.objects.get(stripe_invoice_id=failed["data"]["object"]["id"]).status == "void"
    post_event({**failed, "id": "evt_again"})
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert read_state() == ("canceled", "deleted", 0)


def test_a_payment_for_an_ended_subscription_opens_a_break(stripe: Stripe) -> None:
    subscribe(stripe)
    decline_until_canceled(stripe)
    for event in undelivered_events(stripe):
        post_event(event)
        settle_event(event_id=event["id"])
    period = Subscription.objects.values_list("current_period_start", "current_period_end").get()
    stripe.do("cards", behaviour="pays")
    advance_clock(stripe, seconds=DAY_SECONDS)
    unpaid = stripe.all("invoices", status="open")[0]["id"]
    # Pay before the job that voids the invoice.
    stripe.pay_invoice(unpaid)
    run_until_idle(stripe)

    assert_books_agree(stripe)
    assert read_state() == ("canceled", "suspended", 0)
    assert Subscription.objects.values_list("current_period_start", "current_period_end").get() == period
    assert Invoice.objects.get(stripe_invoice_id=unpaid).status == "paid"
    [found] = Break.objects.filter(closed_at=None)
    assert (found.kind, found.object_id, found.details) == ("paid_after_release", unpaid, {"paid": TOTAL_MINOR})


def test_reconciliation_finds_a_payment_for_an_ended_subscription_whose_event_was_lost(stripe: Stripe) -> None:
    subscribe(stripe)
    decline_until_canceled(stripe)
    for event in undelivered_events(stripe):
        post_event(event)
        settle_event(event_id=event["id"])
    stripe.do("cards", behaviour="pays")
    advance_clock(stripe, seconds=DAY_SECONDS)
    unpaid = stripe.all("invoices", status="open")[0]["id"]
    stripe.pay_invoice(unpaid)

    found = reconcile(repair=True, parts=("invoices",), now=timezone.now() + timedelta(days=49))

    assert [(each.kind, each.object_id, each.repaired) for each in found.findings] == [
        ("invoice_missing", unpaid, True)
    ]
    assert Break.objects.get(closed_at=None).kind == "paid_after_release"
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert read_state() == ("canceled", "suspended", 0)


def test_reconciliation_finds_an_end_whose_event_was_lost(stripe: Stripe) -> None:
    subscribe(stripe)
    decline_until_canceled(stripe)

    found = reconcile(repair=True, now=timezone.now() + timedelta(days=47))
    assert [(each.kind, each.repaired) for each in found.findings] == [("subscription_state_differs", True)]

    assert read_state() == ("canceled", "suspended", 0)
    assert AuditEntry.objects.get(action="subscription.canceled").actor_id == "reconcile_stripe"
    run_until_idle(stripe)
    assert_books_agree(stripe)


def test_an_organization_whose_subscription_ended_before_provisioning_is_suspended(stripe: Stripe) -> None:
    _, order_id = buy_without_events(stripe)
    for event in undelivered_events(stripe):
        post_event(event)
    settle_event(event_id=newest_event(stripe, "checkout.session.completed")["id"])
    assert Organization.objects.get().status == "provisioning"
    stripe_subscriptions.cancel_subscription(Payment.objects.get(order_id=order_id).stripe_subscription_id)
    ended = newest_event(stripe, "customer.subscription.deleted")
    post_event(ended)
    settle_event(event_id=ended["id"])
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert read_state() == ("canceled", "suspended", 0)
