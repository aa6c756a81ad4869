"""How a payment ends: each way, on our books and at Stripe."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from billing.models import LedgerEntry, Subscription
from billing.use_cases.post_entry import adjust_credit
from orders.errors import OrderNotRefundable, PaymentInProgress
from orders.models import Break, Order, Payment, Refund
from orders.stripe import gateway
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.payments import open_payment, sweep_payments
from orders.use_cases.payments.request_refund import refund_order, send_refund
from orders.use_cases.payments.settle_event import settle_event
from orders.use_cases.payments.settle_payment import settle_unpaid
from orders.use_cases.payments.sweep_payments import DEBIT_PAUSE
from tests.consistency import times_redeemed
from tests.factories import PlanFactory, acting, actor, give_credit
from tests.payments.buyer import (
    APPLIED_MINOR,
    CHARGED_MINOR,
    CREDIT_MINOR,
    VOUCHER_MINOR,
    Buyer,
    new_buyer,
    order_status,
    session_id_of,
)
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.stripe_server import Stripe
from tests.payments.webhook_delivery import deliver_events, newest_event
from tests.payments.worker import run_until_idle, run_waiting_jobs, sweep

pytestmark = pytest.mark.django_db(transaction=True)

ALL_MINOR = CREDIT_MINOR + VOUCHER_MINOR
LEFT_MINOR = ALL_MINOR - APPLIED_MINOR


def credit_of(buyer: Buyer) -> tuple[int, int]:
    """Balance, and what is held of it."""
    return buyer.account.balance_minor, buyer.account.held_minor


def paid(stripe: Stripe) -> tuple[Buyer, UUID]:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.pay(session_id_of(order_id))
    run_until_idle(stripe)
    return buyer, order_id


def breaks() -> list[str]:
    return list(Break.objects.filter(closed_at=None).order_by("opened_at").values_list("kind", flat=True))


def refunded(stripe: Stripe) -> int:
    return sum(int(charge["amount_refunded"]) for charge in stripe.charges())


# --- Paid, or not ------------------------------------------------------------------------------------------
def test_paid(stripe: Stripe) -> None:
    buyer = new_buyer()
    placed = buyer.check_out()
    assert placed.session_url.startswith(stripe.url)
    assert placed.balance_minor == ALL_MINOR
    assert credit_of(buyer) == (ALL_MINOR, APPLIED_MINOR)
    run_until_idle(stripe)
    assert_books_agree(stripe)

    stripe.pay(session_id_of(placed.order_id))
    run_until_idle(stripe)

    assert order_status(placed.order_id) == Order.Status.COMPLETED
    assert credit_of(buyer) == (LEFT_MINOR, 0)
    assert [charge["amount"] for charge in stripe.charges()] == [CHARGED_MINOR]
    assert breaks() == []
    invoice = Subscription.objects.get().invoices.get()
    assert invoice.stripe_invoice_id == stripe.sessions()[0]["invoice"]
    assert invoice.pdf_url.startswith("http")
    assert_books_agree(stripe)


def test_a_bank_debit_that_succeeds_days_later(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
    deliver_events(stripe)
    run_waiting_jobs()
    assert (order_status(order_id), Payment.objects.get().status) == (Order.Status.PENDING, Payment.Status.PROCESSING)
    assert credit_of(buyer) == (ALL_MINOR, APPLIED_MINOR)
    with pytest.raises(PaymentInProgress):
        buyer.wanting(key="another").check_out()
    sweep(now=timezone.now() + timedelta(days=3))
    assert credit_of(buyer) == (ALL_MINOR, APPLIED_MINOR)

    stripe.do(f"sessions/{session_id_of(order_id)}/settle_async")
    run_until_idle(stripe)

    assert order_status(order_id) == Order.Status.COMPLETED
    assert credit_of(buyer) == (LEFT_MINOR, 0)
    assert_books_agree(stripe)


def test_bank_debits_on_their_way_do_not_keep_the_sweeper_from_what_has_ended(
    stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    debit, ended = (new_buyer().check_out().order_id for _ in range(2))
    stripe.do(f"sessions/{session_id_of(debit)}/pay_async")
    stripe.do(f"sessions/{session_id_of(ended)}/expire")
    deliver_events(stripe, "checkout.session.completed")
    run_waiting_jobs()
    monkeypatch.setattr(sweep_payments, "AT_ONCE", 1)

    swept = sweep(now=Payment.objects.get(order_id=ended).expires_at)

    # The debit has been looked at as well, and is left as it was.
    assert swept.settled == [str(ended)]
    assert (order_status(debit), order_status(ended)) == (Order.Status.PENDING, Order.Status.EXPIRED)


@pytest.mark.parametrize("in_order", [True, False], ids=["in-order", "failure-first"])
def test_a_bank_debit_that_fails(stripe: Stripe, in_order: bool) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
    if in_order:
        run_until_idle(stripe)
    stripe.do(f"sessions/{session_id_of(order_id)}/fail_async")
    if not in_order:
        deliver_events(stripe, "checkout.session.async_payment_failed")
        run_waiting_jobs()
    run_until_idle(stripe)

    assert order_status(order_id) == Order.Status.FAILED
    assert credit_of(buyer) == (ALL_MINOR, 0)
    assert [each["status"] for each in stripe.subscriptions()] == ["canceled"]
    assert_books_agree(stripe)
    assert buyer.wanting(key="again", promo_code=None).check_out().session_url


@pytest.mark.parametrize("told", [True, False], ids=["processing", "never heard of"])
@pytest.mark.parametrize("action", ["settle_async", "fail_async"])
def test_a_bank_debit_that_ends_without_its_events(stripe: Stripe, action: str, told: bool) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
    if told:
        deliver_events(stripe)
        run_waiting_jobs()
    end = Payment.objects.get().expires_at
    sweep(now=end)
    assert Payment.objects.get().status == Payment.Status.PROCESSING
    stripe.do(f"sessions/{session_id_of(order_id)}/{action}")

    sweep(now=end + timedelta(minutes=1))  # asked a minute ago
    assert order_status(order_id) == Order.Status.PENDING
    sweep(now=end + DEBIT_PAUSE)

    failed = action == "fail_async"
    assert order_status(order_id) == (Order.Status.FAILED if failed else Order.Status.COMPLETED)
    assert credit_of(buyer) == (ALL_MINOR if failed else LEFT_MINOR, 0)
    run_waiting_jobs()
    assert [each["status"] for each in stripe.subscriptions()] == ["canceled" if failed else "active"]
    assert_books_agree(stripe)
    run_until_idle(stripe)
    assert_books_agree(stripe)
    assert breaks() == []


def test_a_bank_debit_of_which_stripe_says_nothing_waits(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/pay_async")
    run_until_idle(stripe)
    stripe.fault(path="/v1/payment_intents/*", effect="drop", count=None)

    swept = sweep(now=Payment.objects.get().expires_at)

    assert swept.left == [str(order_id)]
    assert (order_status(order_id), Payment.objects.get().status) == (Order.Status.PENDING, Payment.Status.PROCESSING)


def test_a_bank_debit_that_fails_after_its_order_was_undone_ends_the_subscription(
    stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as during:
        during.setattr(open_payment, "record_session", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            new_buyer().check_out()
    [session] = stripe.sessions()
    stripe.do(f"sessions/{session['id']}/pay_async")
    sweep()
    assert Order.objects.get().status == Order.Status.FAILED

    stripe.do(f"sessions/{session['id']}/fail_async")
    run_until_idle(stripe)

    assert [each["status"] for each in stripe.subscriptions()] == ["canceled"]
    assert_books_agree(stripe)


def test_expired(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/expire")
    run_until_idle(stripe)

    assert order_status(order_id) == Order.Status.EXPIRED
    assert credit_of(buyer) == (ALL_MINOR, 0)
    assert buyer.promo_code is not None
    assert times_redeemed(buyer.promo_code) == 1
    assert_books_agree(stripe)


def test_abandoned_and_its_event_never_came(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/leave")
    sweep(now=Payment.objects.get().expires_at)
    assert order_status(order_id) == Order.Status.PENDING  # our clock is no proof
    stripe.do("clock", seconds=7_300, everything=True)

    sweep(now=Payment.objects.get().expires_at)

    assert order_status(order_id) == Order.Status.EXPIRED
    assert credit_of(buyer) == (ALL_MINOR, 0)
    run_until_idle(stripe)
    assert_books_agree(stripe)


def test_a_refused_card_may_be_followed_by_another(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.do(f"sessions/{session_id_of(order_id)}/refuse")
    run_until_idle(stripe)
    assert order_status(order_id) == Order.Status.PENDING
    assert_books_agree(stripe)

    stripe.pay(session_id_of(order_id))
    run_until_idle(stripe)

    assert order_status(order_id) == Order.Status.COMPLETED
    assert credit_of(buyer) == (LEFT_MINOR, 0)
    assert_books_agree(stripe)


# --- Refunds and disputes ----------------------------------------------------------------------------------
def test_a_refund_gives_the_card_its_part_first_and_with_all_of_it_the_credit(stripe: Stripe) -> None:
    buyer, order_id = paid(stripe)
    refund_order(order_id=order_id, card_minor=1_000, why="a part", by=actor())
    with pytest.raises(OrderNotRefundable):
        refund_order(order_id=order_id, card_minor=1_000, why="one at a time", by=actor())
    run_until_idle(stripe)
    assert (order_status(order_id), refunded(stripe)) == (Order.Status.COMPLETED, 1_000)
    assert credit_of(buyer) == (LEFT_MINOR, 0)
    assert_books_agree(stripe)
    with pytest.raises(OrderNotRefundable):
        refund_order(order_id=order_id, card_minor=CHARGED_MINOR, why="more than is left", by=actor())

    refund_order(order_id=order_id, card_minor=None, why="the rest", by=actor())
    run_until_idle(stripe)

    assert (order_status(order_id), refunded(stripe)) == (Order.Status.REFUNDED, CHARGED_MINOR)
    assert credit_of(buyer) == (ALL_MINOR, 0)
    reversal = LedgerEntry.objects.get(order_id=order_id, kind=LedgerEntry.Kind.REVERSAL)
    assert reversal.amount_minor == APPLIED_MINOR
    assert [each["status"] for each in stripe.subscriptions()] == ["canceled"]
    assert_books_agree(stripe)


@pytest.mark.parametrize("amount", [1_000, CHARGED_MINOR // 2], ids=["part", "half"])
def test_a_refund_whose_event_is_faster_than_its_answer_counts_once(stripe: Stripe, amount: int) -> None:
    buyer, order_id = paid(stripe)
    refund = refund_order(order_id=order_id, card_minor=amount, why="a part", by=actor())
    assert refund is not None
    intent = Payment.objects.get().payment_intent_id
    gateway.refund_payment(refund_id=refund.id, payment_intent_id=intent, amount_minor=amount)
    deliver_events(stripe, "charge.refunded")
    settle_event(event_id=newest_event(stripe, "charge.refunded")["id"])

    send_refund(refund_id=refund.id, by=actor())

    assert Payment.objects.get().refunded_minor == refunded(stripe) == amount
    assert order_status(order_id) == Order.Status.COMPLETED
    run_until_idle(stripe)
    assert credit_of(buyer) == (LEFT_MINOR, 0)
    assert_books_agree(stripe)


@pytest.mark.parametrize("amount", [1_000, CHARGED_MINOR], ids=["part", "full"])
def test_a_refund_from_stripes_dashboard(stripe: Stripe, amount: int) -> None:
    buyer, order_id = paid(stripe)
    stripe.do(f"payments/{session_id_of(order_id)}/refund", amount=amount)
    run_until_idle(stripe)

    is_full = amount == CHARGED_MINOR
    assert order_status(order_id) == (Order.Status.REFUNDED if is_full else Order.Status.COMPLETED)
    assert credit_of(buyer) == (ALL_MINOR if is_full else LEFT_MINOR, 0)
    assert Refund.objects.count() == 0
    assert_books_agree(stripe)


def test_a_dispute_is_shown_to_staff(stripe: Stripe) -> None:
    _, order_id = paid(stripe)
    stripe.do(f"payments/{session_id_of(order_id)}/dispute")
    run_until_idle(stripe)

    found = Break.objects.get(kind=Break.Kind.DISPUTE)
    assert (found.order_id, found.details["amount"]) == (order_id, CHARGED_MINOR)
    assert order_status(order_id) == Order.Status.COMPLETED
    assert_books_agree(stripe)


# --- Money that comes after the release -------------------------------------------------------------------
def release_then_pay(buyer: Buyer, stripe: Stripe) -> UUID:
    """The credit was given back here while the session could still be paid at Stripe."""
    order_id = buyer.check_out().order_id
    settle_unpaid(order_id=order_id, failed=False)
    assert credit_of(buyer) == (ALL_MINOR, 0)
    stripe.pay(session_id_of(order_id))
    return order_id


def test_late_and_the_credit_is_still_there(stripe: Stripe) -> None:
    buyer = new_buyer()
    order_id = release_then_pay(buyer, stripe)
    run_until_idle(stripe)

    assert order_status(order_id) == Order.Status.COMPLETED
    assert credit_of(buyer) == (LEFT_MINOR, 0)
    assert breaks() == []
    assert_books_agree(stripe)


def credit_is_gone(buyer: Buyer) -> None:
    adjust_credit(customer_id=buyer.customer.pk, amount_minor=-100, why="a correction", by=actor())


def organization_has_moved_on(buyer: Buyer) -> None:
    small = PlanFactory.create(price_minor=5)
    request = buyer.wanting(plan=small, promo_code=None, key="small").request
    place_order(request=type(request)(tenant_id=request.tenant_id, plan=small.slug), by=acting(buyer.customer))
    give_credit(buyer.customer, 5_000)


def organization_is_deleted(buyer: Buyer) -> None:
    delete_organization(organization_id=buyer.organization.id, by=acting(buyer.customer))


@pytest.mark.parametrize("meanwhile", [credit_is_gone, organization_has_moved_on, organization_is_deleted])
def test_late_and_too_late(stripe: Stripe, meanwhile: object) -> None:
    buyer = new_buyer()
    order_id = release_then_pay(buyer, stripe)
    assert callable(meanwhile)
    meanwhile(buyer)
    before = credit_of(buyer)
    run_until_idle(stripe)

    assert order_status(order_id) == Order.Status.EXPIRED
    assert credit_of(buyer) == before
    assert refunded(stripe) == CHARGED_MINOR
    assert [each["status"] for each in stripe.subscriptions()] == ["canceled"]
    assert breaks() == [Break.Kind.PAID_AFTER_RELEASE]
    assert_books_agree(stripe)


# --- Baskets and tabs --------------------------------------------------------------------------------------
def test_a_second_tab_resumes_the_open_session_without_asking_stripe(stripe: Stripe) -> None:
    buyer = new_buyer()
    first = buyer.check_out()
    asked = len(stripe.requests())
    for other in (buyer, buyer.wanting(key="second tab"), buyer.wanting(key="")):
        again = other.check_out()
        assert (again.order_id, again.session_url) == (first.order_id, first.session_url)
        assert again.balance_minor == ALL_MINOR
    assert len(stripe.requests()) == asked
    assert Order.objects.count() == 1
    assert_books_agree(stripe)


def test_another_basket_replaces_the_session_after_it_is_closed(stripe: Stripe) -> None:
    buyer = new_buyer()
    first = buyer.check_out()
    second = buyer.wanting(plan=PlanFactory.create(price_minor=20_000), key="second").check_out()

    assert (order_status(first.order_id), order_status(second.order_id)) == (
        Order.Status.EXPIRED,
        Order.Status.PENDING,
    )
    assert [session["status"] for session in stripe.sessions()] == ["expired", "open"]
    asked = [each["path"].rpartition("/")[2] for each in stripe.requests(method="POST", path="*sessions*")]
    assert asked == ["sessions", "expire", "sessions"]
    run_until_idle(stripe)
    assert_books_agree(stripe)


def test_another_basket_waits_for_a_session_that_was_just_paid(stripe: Stripe) -> None:
    buyer = new_buyer()
    first = buyer.check_out()
    stripe.pay(session_id_of(first.order_id))
    other = buyer.wanting(plan=PlanFactory.create(price_minor=20_000), promo_code=None, key="second")
    with pytest.raises(PaymentInProgress):
        other.check_out()
    assert order_status(first.order_id) == Order.Status.COMPLETED
    run_until_idle(stripe)
    assert_books_agree(stripe)
