"""The cap is exact at any concurrency, and no redemption is refused as "exhausted" while a slot is free."""

from collections.abc import Callable
from functools import partial
from uuid import uuid4

import pytest
from django.db.models import Sum

from billing.models import Account, Customer, LedgerEntry, Organization
from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.errors import PaymentProcessorNotConfigured
from orders.models import Order, Plan
from orders.use_cases.checkout.place_order import CheckoutRequest, PlacedOrder, place_order
from promos.errors import PromoAlreadyRedeemed, PromoExhausted
from promos.models import PromoCode, Redemption
from promos.use_cases.redeem_code import redeem, reserve
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.concurrency.threads import ThreadGroup, race
from tests.consistency import times_redeemed
from tests.factories import CustomerFactory, OrganizationFactory, PlanFactory, PromoCodeFactory, acting

THREADS = 12
CAP = 5
CREDIT_MINOR = 10_000

pytestmark = pytest.mark.django_db(transaction=True)
either_code = pytest.mark.parametrize("hot", [False, True], ids=["ordinary", "hot"])


def redeem_as(customer: Customer, promo_code: PromoCode) -> Redemption:
    return redeem(code=promo_code.code, user_id=customer.user_id, by=acting(customer))


def taken(promo_code: PromoCode) -> int:
    return Redemption.objects.filter(promo_code=promo_code, status="confirmed").count()


def check_out(organization: Organization, plan: Plan, promo_code: PromoCode) -> PlacedOrder:
    return place_order(
        request=CheckoutRequest(tenant_id=organization.id, plan=plan.slug, promo_code=promo_code.code),
        by=acting(organization.customer),
    )


def assert_exactly(promo_code: PromoCode, number: int) -> None:
    """Assert that exactly this number of redemptions is confirmed, counted and credited."""
    assert taken(promo_code) == number
    assert times_redeemed(promo_code) == number
    assert promo_code.counters.aggregate(total=Sum("used"))["total"] == number
    entries = LedgerEntry.objects.filter(reason=f"promo:{promo_code.code}")
    assert [entry.amount_minor for entry in entries] == [promo_code.credit_minor] * number
    assert verify_redemptions() is None


@either_code
def test_twelve_threads_on_a_cap_of_five_redeem_exactly_five(hot: bool) -> None:
    customers = CustomerFactory.create_batch(THREADS)
    with ThreadGroup(THREADS) as threads:
        for _ in range(20):
            promo_code = PromoCodeFactory.create(max_redemptions=CAP, hot=hot)
            assert promo_code.counters.count() == (CAP if hot else 1)

            outcome = threads.race([partial(redeem_as, customer, promo_code) for customer in customers])

            assert len(outcome.values) == CAP
            assert outcome.refusals == {PromoExhausted: THREADS - CAP}
            assert_exactly(promo_code, CAP)
    assert verify_ledger().sound
    assert LedgerEntry.objects.count() == 20 * CAP


@either_code
def test_a_cap_above_the_counter_rows_is_exact_too(hot: bool) -> None:
    customers = CustomerFactory.create_batch(24)
    promo_code = PromoCodeFactory.create(max_redemptions=19, hot=hot)

    outcome = race([partial(redeem_as, customer, promo_code) for customer in customers])

    assert (len(outcome.values), outcome.refusals) == (19, {PromoExhausted: 5})
    assert_exactly(promo_code, 19)


@either_code
def test_twelve_checkouts_on_a_cap_of_five_complete_exactly_five(hot: bool) -> None:
    plan = PlanFactory.create(price_minor=9_000)
    organizations = OrganizationFactory.create_batch(THREADS)
    promo_code = PromoCodeFactory.create(max_redemptions=CAP, hot=hot)

    outcome = race([partial(check_out, organization, plan, promo_code) for organization in organizations])

    assert (len(outcome.values), outcome.refusals) == (CAP, {PromoExhausted: THREADS - CAP})
    assert_exactly(promo_code, CAP)
    assert {placed.balance_minor for placed in outcome.values} == {CREDIT_MINOR - 9_000}
    assert Order.objects.count() == CAP
    assert LedgerEntry.objects.filter(kind="spend").count() == CAP
    assert Organization.objects.filter(status="provisioning").count() == CAP
    assert Account.objects.filter(balance_minor=0).count() == THREADS - CAP


@either_code
def test_checkouts_that_credit_does_not_cover_take_no_slot(hot: bool) -> None:
    plan = PlanFactory.create(price_minor=50_000)
    organizations = OrganizationFactory.create_batch(THREADS)
    promo_code = PromoCodeFactory.create(max_redemptions=1, hot=hot)

    outcome = race([partial(check_out, organization, plan, promo_code) for organization in organizations])

    assert outcome.refusals == {PaymentProcessorNotConfigured: THREADS}
    assert_exactly(promo_code, 0)
    assert Order.objects.count() == 0


@either_code
def test_reservations_count_like_redemptions(hot: bool) -> None:
    customers = CustomerFactory.create_batch(THREADS)
    promo_code = PromoCodeFactory.create(max_redemptions=CAP, hot=hot)
    calls: list[Callable[[], Redemption]] = [
        partial(reserve, promo_code=promo_code, customer_id=customer.pk, order_id=uuid4())
        if number % 2
        else partial(redeem_as, customer, promo_code)
        for number, customer in enumerate(customers)
    ]

    outcome = race(calls)

    assert (len(outcome.values), outcome.refusals) == (CAP, {PromoExhausted: THREADS - CAP})
    assert Redemption.objects.filter(status__in=["reserved", "confirmed"]).count() == CAP
    assert times_redeemed(promo_code) == CAP
    assert verify_redemptions() is None


@either_code
def test_one_customer_in_twelve_threads_redeems_once(hot: bool) -> None:
    customer = CustomerFactory.create()
    with ThreadGroup(THREADS) as threads:
        for _ in range(10):
            promo_code = PromoCodeFactory.create(max_redemptions=CAP, hot=hot)

            outcome = threads.race([partial(redeem_as, customer, promo_code)] * THREADS)

            assert (len(outcome.values), outcome.refusals) == (1, {PromoAlreadyRedeemed: THREADS - 1})
            assert_exactly(promo_code, 1)
    assert Account.objects.get(customer=customer).balance_minor == 10 * CREDIT_MINOR
