"""Renewals that credit does not cover: a card pays the rest, and nothing changes while the session can be paid."""

from datetime import timedelta

import pytest
from django.conf import settings as current
from django.core import mail

from billing.models import Customer, Hold, Invoice, LedgerEntry, Organization, Subscription
from orders.errors import PaymentInProgress
from orders.models import Break, Order, Plan, Refund
from orders.use_cases.mail.queue_mail import Mail
from orders.use_cases.mail.send_mail import send_mail
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.payments.request_refund import refund_order, send_refund
from orders.use_cases.subscriptions.find_due_subscriptions import find_due_subscriptions
from orders.use_cases.subscriptions.renew_subscription import RenewalOutcome
from tests.concurrency.threads import race
from tests.factories import acting, actor, give_credit
from tests.orders.conftest import Buy
from tests.orders.subscriptions.run_renewals import (
    DUE,
    GRACE_END,
    NEXT,
    START,
    balance_and_held,
    event_data,
    invoiced_months,
    mails_after_receipt,
    newest_subscription,
    queued_jobs,
    renew,
    renewal_orders,
    settle_event_of_type,
    worker_actor,
)
from tests.orders.subscriptions.stripe_checkout_stub import BROKEN, StripeCheckoutStub
from tests.snapshot import nothing_changes

DAY = timedelta(days=1)


def test_a_renewal_holds_the_credit_and_opens_a_session_for_the_rest(
    past_due: Subscription, stripe: StripeCheckoutStub
) -> None:
    assert (past_due.status, past_due.past_due_since, past_due.current_period_end) == ("past_due", DUE, DUE)
    assert balance_and_held() == (2_345, 2_340)
    (order,) = renewal_orders()
    assert (order.status, order.total_minor, order.credit_applied_minor) == ("pending", 9_000, 2_340)
    assert (order.payment.status, order.payment.amount_minor) == ("open", 6_660)
    assert order.payment.session_url == "https://pay.example/cs_1"
    assert invoiced_months(Invoice.Status.OPEN) == [DUE]
    assert len(event_data("subscription.past_due")) == 1
    assert mails_after_receipt() == ["past_due"]

    session = dict(stripe.requests)["POST /v1/checkout/sessions"]
    lines = {name: value for name, value in session.items() if name.startswith(("line_items", "discounts", "mode"))}
    assert lines == {
        "mode": "payment",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "omr",
        "line_items[0][price_data][unit_amount]": "6660",
        "line_items[0][price_data][product_data][name]": "Month from 2027-02-28: M",
        "line_items[0][price_data][product_data][metadata][slug]": "m",
    }
    assert session["payment_intent_data[metadata][order_id]"] == str(order.id)
    assert int(session["expires_at"]) == int((DUE + timedelta(hours=23)).timestamp())


def test_repeated_jobs_open_one_session(past_due: Subscription, stripe: StripeCheckoutStub) -> None:
    with nothing_changes():
        assert renew(DUE + timedelta(hours=1)) == [RenewalOutcome.WAITING]
        race([lambda: renew(DUE + timedelta(hours=2), past_due)] * 4)
    assert len(stripe.sessions) == 1


def test_concurrent_jobs_open_one_session(stripe: StripeCheckoutStub, ada: Customer, buy: Buy) -> None:
    give_credit(ada, 9_000)
    buy("m", now=START)
    found = newest_subscription()
    outcomes = race([lambda: renew(DUE, found)] * 6).values
    assert {outcome for each in outcomes for outcome in each} <= {RenewalOutcome.PAST_DUE, RenewalOutcome.WAITING}
    assert (len(stripe.sessions), len(renewal_orders()), len(event_data("subscription.past_due"))) == (1, 1, 1)
    assert mails_after_receipt() == ["past_due"]


@pytest.mark.parametrize("times", [1, 3])
def test_the_payment_event_renews_the_month_once(
    past_due: Subscription, stripe: StripeCheckoutStub, times: int
) -> None:
    paid = stripe.pay(stripe.sessions["cs_1"])
    outcomes = [settle_event_of_type("checkout.session.completed", paid) for _ in range(times)]
    assert outcomes == ["completed", "unchanged", "unchanged"][:times]
    now = newest_subscription()
    assert (now.status, now.past_due_since) == ("active", None)
    assert (now.current_period_start, now.current_period_end) == (DUE, NEXT)
    assert balance_and_held() == (5, 0)
    (order,) = renewal_orders()
    assert (order.status, order.payment.status, order.payment.payment_intent_id) == ("completed", "paid", "pi_cs_1")
    assert Hold.objects.get(order_id=order.id).status == "captured"
    assert LedgerEntry.objects.get(order_id=order.id).amount_minor == -2_340
    assert (invoiced_months(Invoice.Status.OPEN), invoiced_months(Invoice.Status.PAID)) == ([], [START, DUE])
    assert len(event_data("subscription.renewed")) == 1
    assert len(event_data("order.placed")) == 1
    assert mails_after_receipt() == ["past_due", "renewed"]
    assert now.stripe_subscription_id == ""


def test_an_expired_session_is_replaced_until_the_days_of_grace_end(
    past_due: Subscription, stripe: StripeCheckoutStub
) -> None:
    for day in range(1, 7):
        assert renew(DUE + day * DAY) == [RenewalOutcome.PAST_DUE]
        assert len(stripe.open_sessions) == 1
    assert len(stripe.sessions) == 7
    assert balance_and_held() == (2_345, 2_340)
    assert [each.status for each in renewal_orders()] == ["expired"] * 6 + ["pending"]
    assert (len(Invoice.objects.filter(period_start=DUE)), len(event_data("subscription.past_due"))) == (1, 1)
    assert mails_after_receipt() == ["past_due"] * 7


def test_a_session_whose_expiry_stripe_reports_is_replaced(
    past_due: Subscription, stripe: StripeCheckoutStub
) -> None:
    stripe.sessions["cs_1"] |= {"status": "expired"}
    assert settle_event_of_type("checkout.session.expired", stripe.sessions["cs_1"]) == "expired"
    assert balance_and_held() == (2_345, 0)
    assert renew(DUE + timedelta(hours=3)) == [RenewalOutcome.PAST_DUE]
    assert len(stripe.open_sessions) == 1


def test_the_session_is_closed_before_the_subscription_ends(
    past_due: Subscription, stripe: StripeCheckoutStub
) -> None:
    assert renew(GRACE_END) == [RenewalOutcome.CANCELED]
    assert stripe.open_sessions == []
    assert stripe.requests[-1][0] == "POST /v1/checkout/sessions/cs_1/expire"
    assert newest_subscription().status == "canceled"
    assert balance_and_held() == (2_345, 0)
    assert invoiced_months(Invoice.Status.VOID) == [DUE]
    assert Organization.objects.get().status == "suspended"
    assert (len(event_data("subscription.canceled")), mails_after_receipt()) == (1, ["past_due", "canceled"])
    assert find_due_subscriptions(now=GRACE_END) == []


def test_a_payment_at_the_last_moment_renews_the_subscription(
    past_due: Subscription, stripe: StripeCheckoutStub
) -> None:
    paid = stripe.pay(stripe.sessions["cs_1"])
    assert renew(GRACE_END) == [RenewalOutcome.NOT_DUE]
    assert newest_subscription().status == "active"
    assert settle_event_of_type("checkout.session.completed", paid) == "unchanged"
    assert event_data("subscription.canceled") == []


def test_a_payment_event_and_the_end_of_grace_renew_the_month_once(
    past_due: Subscription, stripe: StripeCheckoutStub, buy: Buy
) -> None:
    paid = stripe.pay(stripe.sessions["cs_1"])
    race(
        [
            *[lambda: renew(GRACE_END, past_due)] * 3,
            *[lambda: settle_event_of_type("checkout.session.completed", paid)] * 3,
            *[lambda: buy("l", now=GRACE_END)] * 2,
        ]
    )
    (order,) = renewal_orders()
    assert (order.status, order.payment.status) == ("completed", "paid")
    assert LedgerEntry.objects.filter(order_id=order.id).count() == 1
    assert (len(event_data("subscription.renewed")), len(event_data("subscription.canceled"))) == (1, 0)
    assert invoiced_months(Invoice.Status.PAID) == [START, DUE]
    assert Subscription.objects.get(id=past_due.id).current_period_end == NEXT


def test_a_processing_payment_keeps_the_subscription_past_its_grace(
    past_due: Subscription, stripe: StripeCheckoutStub
) -> None:
    processing = stripe.pay(stripe.sessions["cs_1"], processing=True)
    assert settle_event_of_type("checkout.session.completed", processing) == "processing"
    with nothing_changes():
        assert renew(GRACE_END + 10 * DAY) == [RenewalOutcome.WAITING]
    paid = processing | {"payment_status": "paid"}
    assert settle_event_of_type("checkout.session.async_payment_succeeded", paid) == "completed"
    assert newest_subscription().status == "active"


def test_a_payment_that_fails_after_days_is_announced_and_a_new_session_opens(
    past_due: Subscription, stripe: StripeCheckoutStub
) -> None:
    processing = stripe.pay(stripe.sessions["cs_1"], processing=True)
    settle_event_of_type("checkout.session.completed", processing)
    assert settle_event_of_type("checkout.session.async_payment_failed", processing) == "failed"
    assert balance_and_held() == (2_345, 0)
    assert mails_after_receipt() == ["past_due", "payment_failed"]
    assert renew(DUE + timedelta(hours=2)) == [RenewalOutcome.PAST_DUE]
    assert (len(stripe.open_sessions), balance_and_held()) == (1, (2_345, 2_340))


def test_no_subscription_ends_while_stripe_does_not_answer(
    past_due: Subscription, stripe: StripeCheckoutStub
) -> None:
    stripe.failing_status = BROKEN
    with nothing_changes():
        assert renew(GRACE_END) == [RenewalOutcome.WAITING]
    stripe.failing_status = 0
    assert renew(GRACE_END) == [RenewalOutcome.CANCELED]


def test_new_credit_closes_the_session_and_pays_the_month(
    past_due: Subscription, stripe: StripeCheckoutStub, ada: Customer
) -> None:
    give_credit(ada, 7_000)
    assert renew(DUE + DAY / 2) == [RenewalOutcome.RENEWED, RenewalOutcome.NOT_DUE]
    assert (stripe.open_sessions, balance_and_held()) == ([], (345, 0))
    assert [each.status for each in renewal_orders()] == ["expired", "completed"]
    assert Invoice.objects.get(period_start=DUE).order_id == renewal_orders()[1].id


def test_another_basket_closes_the_session_and_replaces_the_subscription(
    past_due: Subscription, stripe: StripeCheckoutStub, ada: Customer, buy: Buy
) -> None:
    give_credit(ada, 20_000)
    placed = buy("l", now=DUE + DAY / 2)
    assert (stripe.open_sessions, placed.balance_minor) == ([], 6_345)
    assert Subscription.objects.get(id=past_due.id).status == "canceled"
    assert (invoiced_months(Invoice.Status.VOID), balance_and_held()) == ([DUE], (6_345, 0))


def test_another_basket_paid_by_card_replaces_the_session(
    past_due: Subscription, stripe: StripeCheckoutStub, buy: Buy
) -> None:
    placed = buy("l", now=DUE + DAY / 2)
    (open_now,) = stripe.open_sessions
    assert placed.session_url == open_now["url"]
    assert balance_and_held() == (2_345, 2_340)
    # The renewal does not end the old subscription while the new session can be paid, even after the grace period.
    with nothing_changes():
        assert renew(GRACE_END, past_due) == [RenewalOutcome.WAITING]


def test_a_month_that_falls_due_during_a_checkout_has_one_mail_and_one_more_with_a_link(
    stripe: StripeCheckoutStub, ada: Customer, buy: Buy
) -> None:
    give_credit(ada, 9_000)
    buy("m", now=START)
    buy("l", now=DUE - timedelta(minutes=5))
    found = newest_subscription()
    for minutes in (0, 5):
        assert renew(DUE + timedelta(minutes=minutes), found) == [RenewalOutcome.WAITING]
        assert (len(event_data("subscription.past_due")), mails_after_receipt()) == (1, ["past_due"])
    stripe.sessions["cs_1"] |= {"status": "expired"}
    assert settle_event_of_type("checkout.session.expired", stripe.sessions["cs_1"]) == "expired"
    assert renew(DUE + DAY / 2, found) == [RenewalOutcome.PAST_DUE]
    assert mails_after_receipt() == ["past_due", "past_due"]


def test_another_basket_is_refused_while_the_session_cannot_be_closed(
    past_due: Subscription, stripe: StripeCheckoutStub, ada: Customer, buy: Buy
) -> None:
    give_credit(ada, 20_000)
    stripe.failing_status = BROKEN
    with nothing_changes(), pytest.raises(PaymentInProgress):
        buy("l", now=DUE + DAY / 2)


def delete_while_stripe_does_not_answer(
    organization: Organization, owner: Customer, stripe: StripeCheckoutStub
) -> None:
    stripe.failing_status = BROKEN
    delete_organization(organization_id=organization.id, by=acting(owner))
    stripe.failing_status = 0


def test_a_payment_for_a_deleted_organization_is_refunded(
    past_due: Subscription, stripe: StripeCheckoutStub, ada: Customer, acme: Organization
) -> None:
    delete_while_stripe_does_not_answer(acme, ada, stripe)
    paid = stripe.pay(stripe.sessions["cs_1"])
    assert settle_event_of_type("checkout.session.completed", paid) == "refunded_late"
    assert (balance_and_held(), renewal_orders()[0].status) == ((2_345, 0), "cancelled")
    assert Break.objects.get().kind == "paid_after_release"
    refund = Refund.objects.get()
    assert (refund.amount_minor, refund.status) == (6_660, "requested")
    assert newest_subscription().status == "canceled"
    assert event_data("subscription.renewed") == []


def test_a_deletion_closes_the_session_of_a_renewal(
    past_due: Subscription, stripe: StripeCheckoutStub, ada: Customer, acme: Organization
) -> None:
    delete_organization(organization_id=acme.id, by=acting(ada))
    assert (stripe.open_sessions, balance_and_held(), find_due_subscriptions(now=DUE)) == ([], (2_345, 0), [])
    assert (renewal_orders()[0].status, newest_subscription().status) == ("expired", "canceled")


def test_the_session_of_a_deleted_organization_is_closed_once_stripe_answers(
    past_due: Subscription, stripe: StripeCheckoutStub, ada: Customer, acme: Organization
) -> None:
    delete_while_stripe_does_not_answer(acme, ada, stripe)
    assert find_due_subscriptions(now=DUE) == [past_due.id]
    assert renew(DUE, past_due) == [RenewalOutcome.NOT_DUE]
    assert (stripe.open_sessions, balance_and_held(), find_due_subscriptions(now=DUE)) == ([], (2_345, 0), [])


def test_a_late_payment_of_a_month_that_credit_paid_is_refunded(
    past_due: Subscription, stripe: StripeCheckoutStub, ada: Customer
) -> None:
    give_credit(ada, 7_000)
    renew(DUE + DAY / 2)
    paid = stripe.pay(stripe.sessions["cs_1"])
    assert settle_event_of_type("checkout.session.completed", paid) == "refunded_late"
    assert Refund.objects.get().amount_minor == 6_660
    assert (newest_subscription().status, len(event_data("subscription.renewed")), balance_and_held()) == (
        "active",
        1,
        (345, 0),
    )


def test_a_late_payment_of_a_month_that_is_still_due_renews_it(
    past_due: Subscription, stripe: StripeCheckoutStub
) -> None:
    stripe.sessions["cs_1"] |= {"status": "expired"}
    settle_event_of_type("checkout.session.expired", stripe.sessions["cs_1"])
    assert settle_event_of_type("checkout.session.completed", stripe.pay(stripe.sessions["cs_1"])) == "completed_late"
    assert (newest_subscription().status, balance_and_held(), mails_after_receipt()) == (
        "active",
        (5, 0),
        ["past_due", "renewed"],
    )


def test_a_renewal_by_card_is_refunded_like_any_order(past_due: Subscription, stripe: StripeCheckoutStub) -> None:
    settle_event_of_type("checkout.session.completed", stripe.pay(stripe.sessions["cs_1"]))
    (order,) = renewal_orders()
    refund = refund_order(order_id=order.id, card_minor=None, why="wrong", by=actor())
    assert refund is not None
    send_refund(refund_id=refund.id, by=worker_actor())
    assert (balance_and_held(), renewal_orders()[0].status, newest_subscription().status) == (
        (2_345, 0),
        "refunded",
        "canceled",
    )
    assert (Organization.objects.get().status, len(event_data("subscription.canceled"))) == ("suspended", 1)
    assert mails_after_receipt() == ["past_due", "renewed", "refunded"]
    assert dict(stripe.requests)["POST /v1/refunds"]["amount"] == "6660"


def test_a_remainder_that_no_card_can_pay_waits_for_credit(
    stripe: StripeCheckoutStub, ada: Customer, buy: Buy
) -> None:
    Plan.objects.filter(slug="m").update(price_minor=9_005)
    give_credit(ada, 9_005)
    buy("m", now=START)
    assert renew(DUE) == [RenewalOutcome.PAST_DUE]
    assert (renewal_orders(), stripe.requests, mails_after_receipt()) == ([], [], ["past_due"])


def test_the_mail_has_the_link_until_the_month_is_paid(past_due: Subscription, stripe: StripeCheckoutStub) -> None:
    invoice = Invoice.objects.get(period_start=DUE)
    assert queued_jobs("send_mail")[-1] == {"mail": "past_due", "subject_id": str(invoice.id), "event_id": ""}
    assert send_mail(mail=Mail.PAST_DUE, subject_id=invoice.id)
    message = mail.outbox[0]
    assert message.to == ["ada@example.org"]
    assert "Please pay 6.660 OMR here:\n\n  https://pay.example/cs_1\n" in message.body
    assert "from 28 February 2027 until 31 March 2027 of Acme costs 9.000 OMR" in message.body
    assert current.INITIAL_STRIPE_SECRET_KEY not in message.body

    settle_event_of_type("checkout.session.completed", stripe.pay(stripe.sessions["cs_1"]))
    assert not send_mail(mail=Mail.PAST_DUE, subject_id=invoice.id)
    assert send_mail(mail=Mail.RENEWED, subject_id=invoice.id)
    assert [each.subject for each in mail.outbox] == [
        "Sovereign: payment due for Acme",
        "Sovereign: Acme is renewed until 31 March 2027",
    ]
    assert (
        "Paid from credit: 2.340 OMR\nPaid by card: 6.660 OMR\nYour credit is now 0.005 OMR." in mail.outbox[1].body
    )
    assert not Order.objects.filter(status="pending").exists()
