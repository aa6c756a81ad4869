"""A merge that meets a redemption, a checkout, or a second merge: one comes first, and nothing is lost."""

from collections.abc import Callable
from functools import partial

import pytest

from billing.actor import SUPERADMIN
from billing.errors import Busy, CustomerHasOpenPayment, CustomerMerged, OrganizationNotFound
from billing.models import Account, Customer, Subscription
from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.models.basket import CheckoutRequest
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.customers.merge_customers import merge_customers
from promos.errors import PromoAlreadyRedeemed, PromoNotFound
from promos.models import Redemption
from promos.use_cases.redeem_code import redeem
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.concurrency.threads import ThreadGroup
from tests.factories import (
    CustomerFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    acting,
    actor,
    give_credit,
)

ROUNDS = 8
ROOT = actor(SUPERADMIN, user_id="root")

pytestmark = pytest.mark.django_db(transaction=True)


def merging(merged: Customer, into: Customer) -> Callable[[], object]:
    return partial(
        merge_customers, merged_user_id=merged.user_id, into_user_id=into.user_id, reason="one person", by=ROOT
    )


def total(*customers: Customer) -> int:
    return sum(Account.objects.filter(customer__in=customers).values_list("balance_minor", flat=True))


def assert_books() -> None:
    assert verify_ledger().wrong == ""
    assert verify_redemptions() is None


def test_a_redemption_counts_for_the_survivor_or_is_refused() -> None:
    code = PromoCodeFactory.create(code="GIFT", credit_minor=1_000, max_redemptions=100)
    with ThreadGroup(4) as threads:
        for _ in range(ROUNDS):
            one, other = CustomerFactory.create(), CustomerFactory.create()
            redeeming: list[Callable[[], object]] = [
                partial(redeem, code="GIFT", user_id=each.user_id, by=acting(each)) for each in (one, other, one)
            ]
            outcome = threads.race([merging(one, other), *redeeming])
            assert set(outcome.refusals) <= {CustomerMerged, PromoAlreadyRedeemed, PromoNotFound}
            one.refresh_from_db()
            assert one.merged_into == other
            live = Redemption.objects.filter(promo_code=code, customer__in=[one, other])
            assert Account.objects.get(customer=one).balance_minor == 0
            assert total(other) == 1_000 * live.count()
            assert live.filter(customer=other).count() == 1
    assert_books()


def test_a_checkout_is_the_survivors_or_is_refused() -> None:
    PlanFactory.create(slug="m", price_minor=9_000)
    with ThreadGroup(2) as threads:
        for _ in range(ROUNDS):
            one, other = CustomerFactory.create(), CustomerFactory.create()
            give_credit(one, 10_000)
            tenant = OrganizationFactory.create(customer=one)
            request = CheckoutRequest(tenant_id=tenant.id, plan="m")
            calls: list[Callable[[], object]] = [
                merging(one, other),
                partial(place_order, request=request, by=acting(one)),
            ]
            outcome = threads.race(calls)
            assert set(outcome.refusals) <= {OrganizationNotFound, CustomerMerged, Busy, CustomerHasOpenPayment}
            one.refresh_from_db()
            tenant.refresh_from_db()
            owner = other if one.merged_into_id else one
            assert tenant.customer == owner
            bought = Subscription.objects.filter(organization=tenant)
            assert total(one, other) == 10_000 - 9_000 * bought.count()
            assert not bought.exclude(customer=owner).exists()
    assert_books()


def test_of_two_merges_one_comes_first() -> None:
    with ThreadGroup(3) as threads:
        for _ in range(ROUNDS):
            one, other, third = CustomerFactory.create_batch(3)
            for each in (one, other, third):
                give_credit(each, 1_000)
            outcome = threads.race([merging(one, other), merging(other, one), merging(other, third)])
            assert set(outcome.refusals) <= {CustomerMerged, Busy}
            assert total(one, other, third) == 3_000
            survivors = Customer.objects.filter(pk__in=[one.pk, other.pk, third.pk], merged_into=None)
            assert total(*survivors) == 3_000
            assert survivors.count() < 3
    assert_books()
