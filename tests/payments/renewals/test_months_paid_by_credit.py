"""A top-up that covers a month whose card was declined pays it at once: credit or the card pays it, never both."""

from collections.abc import Callable
from functools import partial

import pytest
from django.core import mail
from django.utils import timezone

from billing.models import Invoice, LedgerEntry, Subscription
from orders.models import Order
from orders.stripe import gateway
from orders.stripe import subscriptions as stripe_subscriptions
from orders.tasks import renew_due_subscriptions
from orders.use_cases.mail.queue_mail import Mail
from orders.use_cases.mail.send_mail import send_mail
from orders.use_cases.subscriptions import pay_stripe_months as paying
from orders.use_cases.subscriptions.pay_stripe_months import pay_stripe_months
from orders.use_cases.top_up import ToppedUp, top_up
from tests.concurrency.threads import race
from tests.factories import PlanFactory, PromoCodeFactory, acting, actor, give_credit
from tests.payments.buyer import BALANCE_AFTER_MINOR, PRICE_MINOR, TOTAL_MINOR, Buyer, new_buyer, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.reconciliation.reconciliation_checks import reconcile
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def declined(stripe: Stripe) -> Buyer:
    """A customer whose card paid the first month, and was declined for the second one."""
    buyer = new_buyer()
    stripe.pay(session_id_of(buyer.check_out().order_id))
    run_until_idle(stripe)
    stripe.do("cards", behaviour="declines")
    stripe.do("clock", everything=True, months=1)
    run_until_idle(stripe)
    assert Subscription.objects.get().status == "past_due"
    return buyer


def redeem(buyer: Buyer, code: str = "GIFT", *, credit_minor: int = TOTAL_MINOR) -> ToppedUp:
    PromoCodeFactory.create(code=code, credit_minor=credit_minor)
    return top_up(code=code, by=acting(buyer.customer))


def test_the_month_is_paid_in_the_same_request_and_out_of_band_at_stripe(declined: Buyer, stripe: Stripe) -> None:
    charges = len(stripe.charges())
    answer = redeem(declined)
    subscription, invoice = Subscription.objects.get(), Invoice.objects.latest("period_start")
    assert (subscription.status, invoice.status) == ("active", "paid")
    assert answer.paid_invoices == (invoice.id,)
    assert answer.balance_minor == declined.account.balance_minor == BALANCE_AFTER_MINOR
    order = Order.objects.get(kind=Order.Kind.RENEWAL)
    assert (order.kind, order.status, order.credit_applied_minor) == ("renewal", "completed", TOTAL_MINOR)
    run_until_idle(stripe)
    at_stripe = stripe.get(f"invoices/{invoice.stripe_invoice_id}")
    assert at_stripe["status"] == "paid"
    assert stripe.subscriptions()[0]["status"] == "active"
    stripe.do("cards", behaviour="pays")
    stripe.do("clock", everything=True, seconds=20 * 86_400)
    run_until_idle(stripe)
    assert len(stripe.charges()) == charges
    assert (Subscription.objects.get().status, declined.account.balance_minor) == ("active", BALANCE_AFTER_MINOR)
    assert_books_agree(stripe)
    assert not reconcile(repair=False).open


def test_less_credit_than_the_month_costs_changes_only_the_balance(declined: Buyer, stripe: Stripe) -> None:
    answer = redeem(declined, credit_minor=TOTAL_MINOR - BALANCE_AFTER_MINOR - 1)
    assert (answer.paid_invoices, Subscription.objects.get().status) == ((), "past_due")
    assert answer.balance_minor == TOTAL_MINOR - 1
    give_credit(declined.customer, 1)
    renew_due_subscriptions(0)
    pay_stripe_months(subscription_id=Subscription.objects.get().id, by=actor(), now=timezone.now())
    assert Subscription.objects.get().status == "active"
    with nothing_changes():
        pay_stripe_months(subscription_id=Subscription.objects.get().id, by=actor(), now=timezone.now())


def test_credit_is_returned_where_the_card_paid_the_month_first(declined: Buyer, stripe: Stripe) -> None:
    stripe.do("cards", behaviour="pays")
    invoice = Invoice.objects.latest("period_start")
    stripe.pay_invoice(invoice.stripe_invoice_id)
    redeem(declined)
    assert declined.account.balance_minor == BALANCE_AFTER_MINOR
    run_until_idle(stripe)
    assert declined.account.balance_minor == BALANCE_AFTER_MINOR + TOTAL_MINOR
    invoice.refresh_from_db()
    assert (invoice.status, invoice.order_id, Subscription.objects.get().status) == ("paid", None, "active")
    reversal = LedgerEntry.objects.get(kind=LedgerEntry.Kind.REVERSAL)
    assert reversal.note == "the card paid the month as well"
    assert_books_agree(stripe)


def test_credit_is_returned_once_where_a_change_of_plan_credited_the_month(
    declined: Buyer, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    redeem(declined)
    give_credit(declined.customer, 2 * TOTAL_MINOR)
    month = Order.objects.get(kind=Order.Kind.RENEWAL)
    larger = declined.wanting(plan=PlanFactory.create(price_minor=PRICE_MINOR + 1_000), promo_code=None, key="larger")
    changed = Order.objects.get(id=larger.check_out().order_id)
    unused = LedgerEntry.objects.get(kind=LedgerEntry.Kind.GRANT, reason__startswith="proration:")
    monkeypatch.setattr(stripe_subscriptions, "pay_invoice_out_of_band", lambda **asked: "void")
    assert paying.settle_month_at_stripe(order_id=month.id, by=actor()) == "returned"
    taken_back = LedgerEntry.objects.get(kind=LedgerEntry.Kind.ADJUSTMENT, reason=unused.reason)
    assert taken_back.amount_minor == -unused.amount_minor
    assert declined.account.balance_minor == BALANCE_AFTER_MINOR + 3 * TOTAL_MINOR - changed.total_minor


def test_a_lost_answer_of_stripe_is_asked_for_again(
    declined: Buyer, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay = stripe_subscriptions.pay_invoice_out_of_band

    def pay_and_lose(**asked: object) -> str:
        pay(**asked)  # type: ignore[arg-type]
        raise gateway.Unanswered("lost")

    redeem(declined)
    order = Order.objects.get(kind=Order.Kind.RENEWAL)
    with monkeypatch.context() as during:
        during.setattr(stripe_subscriptions, "pay_invoice_out_of_band", pay_and_lose)
        with pytest.raises(gateway.Unanswered):
            paying.settle_month_at_stripe(order_id=order.id, by=actor())
    run_until_idle(stripe)
    with nothing_changes():
        assert paying.settle_month_at_stripe(order_id=order.id, by=actor()) == "paid"
    assert declined.account.balance_minor == BALANCE_AFTER_MINOR
    assert_books_agree(stripe)


def test_top_ups_and_runs_at_the_same_time_pay_the_month_once(declined: Buyer, stripe: Stripe) -> None:
    for number in range(3):
        PromoCodeFactory.create(code=f"GIFT-{number}", credit_minor=TOTAL_MINOR)
    subscription_id = Subscription.objects.get().id
    run = partial(pay_stripe_months, subscription_id=subscription_id, by=actor(), now=timezone.now())
    top_ups: list[Callable[[], object]] = [
        partial(top_up, code=f"GIFT-{number}", by=acting(declined.customer)) for number in range(3)
    ]
    race(list[Callable[[], object]]([*top_ups, run, run]))
    assert Order.objects.filter(kind=Order.Kind.RENEWAL).count() == 1
    assert declined.account.balance_minor == BALANCE_AFTER_MINOR + 2 * TOTAL_MINOR
    run_until_idle(stripe)
    assert_books_agree(stripe)


def test_the_reminder_promises_what_a_top_up_does(declined: Buyer) -> None:
    event_id = ""
    assert send_mail(mail=Mail.PAST_DUE, subject_id=Invoice.objects.latest("period_start").id, event_id=event_id)
    assert "redeem a voucher: credit that covers the month pays for it at once." in mail.outbox[0].body
    redeem(declined)
    assert Subscription.objects.get().status == "active"
