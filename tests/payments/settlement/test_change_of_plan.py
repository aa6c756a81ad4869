"""A change of plan that a card pays for: the payment brings the unused month, once, and the order uses it."""

from datetime import datetime, timedelta
from functools import partial

import pytest
from django.utils import timezone

from billing.models import Hold, Invoice, LedgerEntry, Subscription
from orders.errors import AmountNotRefundable, OrderNotRefundable, OrderStale, PaymentInProgress
from orders.models import Break, Order, Payment, Plan
from orders.use_cases.checkout.checkout_context import load_checkout_context
from orders.use_cases.checkout.place_order import PlacedOrder, place_order
from orders.use_cases.checkout.quote_checkout import Quote, quote_checkout
from orders.use_cases.payments.open_payment import open_payment
from orders.use_cases.payments.request_refund import refund_order
from orders.use_cases.subscriptions.end_subscriptions import end_subscriptions
from tests.concurrency.threads import race
from tests.factories import PlanFactory, acting, actor, give_credit
from tests.payments.buyer import (
    BALANCE_AFTER_MINOR,
    CHARGED_MINOR,
    TOTAL_MINOR,
    Buyer,
    buy,
    new_buyer,
    order_status,
    session_id_of,
)
from tests.payments.consistency_at_rest import assert_books_agree, refunded_at_stripe
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

LARGE_MINOR = 40_000


@pytest.fixture
def subscribed(stripe: Stripe) -> Buyer:
    """A customer whose card pays 19.000 a month, and who wants a plan of 40.000 without a voucher."""
    buyer, _ = buy(stripe)
    return buyer.wanting(plan=PlanFactory.create(price_minor=LARGE_MINOR - 3_000), promo_code=None, key="change")


def reach(*, before_end: timedelta | None = None) -> datetime:
    """Move the paid month into the past, so that now is its middle, or this long before its end. Return now."""
    now, subscription = timezone.now(), Subscription.objects.get()
    length = subscription.current_period_end - subscription.current_period_start
    start = now + (length / 2 if before_end is None else before_end) - length
    Invoice.objects.update(period_start=start, period_end=start + length)
    Subscription.objects.update(current_period_start=start, current_period_end=start + length)
    return now


def change(buyer: Buyer, *, now: datetime) -> tuple[Quote, PlacedOrder]:
    quote = quote_checkout(request=buyer.request, by=acting(buyer.customer), now=now)
    return quote, place_order(request=buyer.request, by=acting(buyer.customer), now=now)


def pay(stripe: Stripe, placed: PlacedOrder) -> None:
    stripe.pay(session_id_of(placed.order_id))
    run_until_idle(stripe)


def test_the_card_pays_what_the_quote_says_and_stripe_ends_the_old_subscription(
    subscribed: Buyer, stripe: Stripe
) -> None:
    old = Subscription.objects.get()
    quote, placed = change(subscribed, now=reach())
    assert quote.proration_minor == TOTAL_MINOR // 2
    order = Order.objects.get(id=placed.order_id)
    # 9.505 of credit, of which 9.500 leave a remainder that a card can pay.
    assert (quote.credit_applied_minor, quote.amount_due_minor) == (9_500, 30_500)
    assert (order.credit_applied_minor, order.payment.amount_minor) == (9_500, 30_500)
    assert order.proration_minor == 9_500
    assert not Hold.objects.filter(status="active").exists()
    assert Subscription.objects.get() == old
    assert_books_agree(stripe)

    pay(stripe, placed)
    assert [charge["amount"] for charge in stripe.charges()][-1] == 30_500
    entry = LedgerEntry.objects.get(reason=f"proration:{old.id}")
    assert (entry.kind, entry.amount_minor, entry.order_id) == ("grant", 9_500, order.id)
    assert subscribed.account.balance_minor == BALANCE_AFTER_MINOR == quote.credit_left_minor
    assert {each["id"]: each["status"] for each in stripe.subscriptions()}[old.stripe_subscription_id] == "canceled"
    assert len(stripe.charges()) == 2
    assert_books_agree(stripe)


def given_back(buyer: Buyer, stripe: Stripe) -> int:
    """Return what the customer has beyond the balance before the change, and what Stripe gave back."""
    return buyer.account.balance_minor - BALANCE_AFTER_MINOR + refunded_at_stripe(stripe)


@pytest.mark.parametrize("in_two_parts", [False, True], ids=["at once", "in two parts"])
def test_a_refund_of_the_replaced_order_gives_back_what_was_not_credited(
    subscribed: Buyer, stripe: Stripe, in_two_parts: bool
) -> None:
    old = Order.objects.get()
    change(subscribed.wanting(plan=PlanFactory.create(price_minor=1_000)), now=reach())
    run_until_idle(stripe)
    # 9.500 of 19.000 were credited, and 4.000 of that paid for the smaller plan.
    assert given_back(subscribed, stripe) == 5_500
    with (
        nothing_changes(),
        pytest.raises(AmountNotRefundable, match=r"at most 6\.660 OMR .* 9\.500 OMR of the order"),
    ):
        refund_order(order_id=old.id, card_minor=CHARGED_MINOR + 10, why="more", by=actor())
    for card_minor in [1_000, None] if in_two_parts else [None]:
        refund_order(order_id=old.id, card_minor=card_minor, why="old", by=actor())
        run_until_idle(stripe)
    assert order_status(old.id) == "refunded"
    assert refunded_at_stripe(stripe) == CHARGED_MINOR
    assert given_back(subscribed, stripe) == TOTAL_MINOR - 4_000
    assert_books_agree(stripe)
    with nothing_changes(), pytest.raises(OrderNotRefundable):
        refund_order(order_id=old.id, card_minor=None, why="again", by=actor())


def test_the_card_gets_the_rest_where_more_was_credited_than_credit_had_paid(
    subscribed: Buyer, stripe: Stripe
) -> None:
    old = Order.objects.get()
    _, placed = change(subscribed, now=reach(before_end=timedelta(days=27, hours=22)))
    pay(stripe, placed)
    prorated_minor = LedgerEntry.objects.get(reason__startswith="proration:").amount_minor
    assert prorated_minor > old.credit_applied_minor
    most_minor = (TOTAL_MINOR - prorated_minor) // 10 * 10
    with nothing_changes(), pytest.raises(AmountNotRefundable, match="at most"):
        refund_order(order_id=old.id, card_minor=most_minor + 10, why="more", by=actor())
    refund_order(order_id=old.id, card_minor=None, why="the rest", by=actor())
    run_until_idle(stripe)
    assert (order_status(old.id), refunded_at_stripe(stripe)) == ("refunded", most_minor)
    assert given_back(subscribed, stripe) <= TOTAL_MINOR
    assert Subscription.objects.exclude(status="canceled").count() == 1
    assert_books_agree(stripe)


def test_a_refund_in_stripes_dashboard_returns_no_credit_twice(subscribed: Buyer, stripe: Stripe) -> None:
    old = Order.objects.get()
    change(subscribed.wanting(plan=PlanFactory.create(price_minor=1_000)), now=reach())
    run_until_idle(stripe)
    stripe.do(f"payments/{session_id_of(old.id)}/refund", amount=CHARGED_MINOR)
    run_until_idle(stripe)
    assert given_back(subscribed, stripe) == TOTAL_MINOR - 4_000
    assert_books_agree(stripe)


def test_a_refund_at_stripe_of_the_credited_part_too_returns_no_credit(subscribed: Buyer, stripe: Stripe) -> None:
    old = Order.objects.get()
    _, placed = change(subscribed, now=reach(before_end=timedelta(days=27, hours=22)))
    pay(stripe, placed)
    balance_minor = subscribed.account.balance_minor
    stripe.do(f"payments/{session_id_of(old.id)}/refund", amount=CHARGED_MINOR)
    run_until_idle(stripe)
    assert (order_status(old.id), subscribed.account.balance_minor) == ("refunded", balance_minor)
    assert_books_agree(stripe)
    found = Break.objects.get(closed_at=None, kind="refund_beyond_order")
    assert (found.order_id, found.details["refunded"]) == (old.id, CHARGED_MINOR)
    assert 0 <= found.details["refundable"] < CHARGED_MINOR


def test_a_refund_on_its_way_is_not_credited_as_well(subscribed: Buyer, stripe: Stripe) -> None:
    old = Order.objects.get()
    refund_order(order_id=old.id, card_minor=None, why="all", by=actor())
    change(subscribed.wanting(plan=PlanFactory.create(price_minor=1_000)), now=reach())
    run_until_idle(stripe)
    assert order_status(old.id) == "refunded"
    assert given_back(subscribed, stripe) <= TOTAL_MINOR - 4_000
    assert_books_agree(stripe)


def test_a_payment_that_is_never_made_credits_nothing(subscribed: Buyer, stripe: Stripe) -> None:
    _, placed = change(subscribed, now=reach())
    stripe.do(f"sessions/{session_id_of(placed.order_id)}/expire")
    run_until_idle(stripe)
    assert Order.objects.get(id=placed.order_id).status == "expired"
    assert subscribed.credit == (BALANCE_AFTER_MINOR, 0)
    assert Subscription.objects.get().status == "active"
    assert_books_agree(stripe)


def test_balance_is_held_beside_the_unused_month(subscribed: Buyer, stripe: Stripe) -> None:
    give_credit(subscribed.customer, 5_000)
    quote, placed = change(subscribed, now=reach())
    assert (quote.credit_applied_minor, quote.credit_left_minor) == (14_500, BALANCE_AFTER_MINOR)
    assert subscribed.credit == (5_000 + BALANCE_AFTER_MINOR, 5_000)
    pay(stripe, placed)
    assert subscribed.credit == (BALANCE_AFTER_MINOR, 0)
    assert_books_agree(stripe)


def test_credit_alone_pays_for_a_smaller_plan_and_stripe_stops_charging(subscribed: Buyer, stripe: Stripe) -> None:
    small = subscribed.wanting(plan=PlanFactory.create(price_minor=1_000))
    _, placed = change(small, now=reach())
    run_until_idle(stripe)
    assert (placed.paid_by_card, placed.balance_minor) == (False, BALANCE_AFTER_MINOR + 9_500 - 4_000)
    assert [each["status"] for each in stripe.subscriptions()] == ["canceled"]
    stripe.do("clock", everything=True, months=2)
    run_until_idle(stripe)
    assert len(stripe.charges()) == 1
    assert_books_agree(stripe)


def test_a_subscription_that_ended_meanwhile_brings_nothing_and_the_card_is_refunded(
    subscribed: Buyer, stripe: Stripe
) -> None:
    _, placed = change(subscribed, now=reach())
    end_subscriptions(Subscription.objects.all(), now=timezone.now())
    pay(stripe, placed)
    assert Order.objects.get(id=placed.order_id).status == "cancelled"
    assert Payment.objects.get(order_id=placed.order_id).refunded_minor == 30_500
    assert subscribed.credit == (BALANCE_AFTER_MINOR, 0)
    assert_books_agree(stripe)


def test_a_month_that_was_charged_meanwhile_is_credited_as_a_whole(subscribed: Buyer, stripe: Stripe) -> None:
    _, placed = change(subscribed, now=reach(before_end=timedelta(hours=1)))
    stripe.do("clock", months=1)
    run_until_idle(stripe, now=timezone.now())
    pay(stripe, placed)
    assert LedgerEntry.objects.get(reason__startswith="proration:").amount_minor == TOTAL_MINOR
    assert_books_agree(stripe)


def test_two_changes_at_once_open_one_payment(subscribed: Buyer, stripe: Stripe) -> None:
    now = reach()
    outcomes = race(
        [
            partial(place_order, request=each.request, by=acting(each.customer), now=now)
            for each in (subscribed, subscribed.wanting(key=""), subscribed.wanting(key="third"))
        ]
    )
    assert set(outcomes.refusals) <= {PaymentInProgress}
    assert len({placed.order_id for placed in outcomes.values}) == 1
    pay(stripe, outcomes.values[0])
    assert LedgerEntry.objects.filter(reason__startswith="proration:").count() == 1
    assert_books_agree(stripe)


def test_a_payment_is_not_opened_for_a_basket_that_was_bought_meanwhile(
    stripe: Stripe,
) -> None:
    """The state that the checkout read is stale: credit arrived, and another tab bought the same basket with it."""
    buyer = new_buyer(credit_minor=0, voucher_minor=0)
    context = load_checkout_context(
        request=buyer.wanting(key="").request, user_id=buyer.customer.user_id, now=timezone.now()
    )
    give_credit(buyer.customer, TOTAL_MINOR)
    buyer.check_out()
    with pytest.raises(OrderStale):
        open_payment(
            organization=buyer.organization,
            request=context.request,
            basket=context.price_basket(),
            catalog=context.catalog,
            replaces=None,
            promo_code=None,
            by=acting(buyer.customer),
            now=timezone.now(),
        )
    assert stripe.sessions() == []


def test_a_payment_is_not_opened_at_a_price_that_has_changed(stripe: Stripe) -> None:
    buyer = new_buyer(credit_minor=0, voucher_minor=0)
    context = load_checkout_context(request=buyer.request, user_id=buyer.customer.user_id, now=timezone.now())
    basket = context.price_basket()
    Plan.objects.update(price_minor=20_000)
    with pytest.raises(OrderStale):
        open_payment(
            organization=buyer.organization,
            request=context.request,
            basket=basket,
            catalog=context.catalog,
            replaces=None,
            promo_code=None,
            by=acting(buyer.customer),
            now=timezone.now(),
        )
    assert not Order.objects.exists()


def test_a_refund_while_the_change_waits_for_its_payment_is_not_credited_again(
    subscribed: Buyer, stripe: Stripe
) -> None:
    """The change counts on 17.680 of 19.000. After a refund of 6.000 less is unused, and the payment is returned."""
    old = Order.objects.get()
    _, placed = change(subscribed, now=reach(before_end=timedelta(days=27, hours=22)))
    counted_on_minor = Order.objects.get(id=placed.order_id).proration_minor
    refund_order(order_id=old.id, card_minor=6_000, why="a test", by=actor())
    run_until_idle(stripe)
    assert counted_on_minor > TOTAL_MINOR - 6_000
    pay(stripe, placed)
    assert not LedgerEntry.objects.filter(reason__startswith="proration:").exists()
    payment = Payment.objects.get(order_id=placed.order_id)
    assert (order_status(placed.order_id), payment.refunded_minor) == ("cancelled", payment.amount_minor)
    assert refunded_at_stripe(stripe) == payment.amount_minor + 6_000
    assert_books_agree(stripe)
