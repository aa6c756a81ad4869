"""Races of a renewal with other renewals and with everything else that changes the same organization.

Each month is renewed once or not at all, and the books agree at rest, whichever action comes first.
"""

from collections.abc import Callable
from functools import partial
from urllib.error import HTTPError

import pytest

from billing.models import Organization, Subscription
from billing.models.organizations.subscription import ENDED_STATUSES
from orders.models import Order
from orders.stripe import subscriptions as stripe_subscriptions
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.payments.request_refund import refund_order
from orders.use_cases.payments.settle_event import settle_event
from tests.concurrency.threads import race
from tests.factories import PlanFactory, acting, actor, give_credit
from tests.payments.buyer import new_buyer, session_id_of
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.renewals.subscribed_tenant import (
    CHARGED_MINOR,
    CREDIT_MINOR,
    LEFT_MINOR,
    MISSING_MINOR,
    PRICE_MINOR,
    Tenant,
    renewal_statuses,
    subscribe_tenant,
    tenant_at_end_of_grace,
    tenant_with_open_session,
)
from tests.payments.stripe_server import Stripe
from tests.payments.webhook_delivery import newest_event, post_event
from tests.payments.worker import run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 4
OTHER_MINOR = 8_000


Action = Callable[[], object]


def run_concurrently(*actions: Action) -> list[object]:
    """Run all actions concurrently and return the results of those that were not refused."""
    return race(list(actions)).values


def settle_newest_payment(stripe: Stripe) -> list[Action]:
    """Receive the newest paid session's event, and return three runs of the job that settles it."""
    event = newest_event(stripe, "checkout.session.completed")
    post_event(event)
    return [partial(settle_event, event_id=event["id"])] * 3


def delete_organization_of(tenant: Tenant) -> Action:
    owner = acting(tenant.organization.customer)
    return partial(delete_organization, organization_id=tenant.organization.id, by=owner)


def count_live_subscriptions(tenant: Tenant) -> int:
    found = Subscription.objects.filter(organization=tenant.organization).exclude(status__in=ENDED_STATUSES)
    return found.count()


def finish(tenant: Tenant) -> None:
    """Run the service and the renewal until nothing waits for a payment or for another action any more."""
    for _ in range(2):
        tenant.run_until_idle()
        tenant.renew()
    tenant.run_until_idle()
    assert_books_agree(tenant.stripe)


def test_concurrent_renewals_renew_each_late_month_once(stripe: Stripe) -> None:
    tenant = subscribe_tenant(stripe, months=3, credit_minor=4 * PRICE_MINOR)

    run_concurrently(*[tenant.renew] * 8)

    finish(tenant)
    assert (renewal_statuses(), tenant.credit) == (["completed"] * 3, (PRICE_MINOR, 0))


def test_concurrent_renewals_open_one_session(stripe: Stripe) -> None:
    tenant = subscribe_tenant(stripe, months=3, credit_minor=PRICE_MINOR + CREDIT_MINOR)

    run_concurrently(*[tenant.renew] * 8)

    finish(tenant)
    assert (renewal_statuses(), len(stripe.sessions())) == (["completed", "pending"], 1)


def test_a_renewal_races_with_the_event_of_its_payment(stripe: Stripe) -> None:
    for _ in range(ROUNDS):
        tenant = tenant_with_open_session(stripe)
        stripe.pay(tenant.open_session)
        run_concurrently(*settle_newest_payment(stripe), *[tenant.renew] * 3)
        finish(tenant)
        assert tenant.status == ("active", "active")
        assert tenant.credit == (LEFT_MINOR, 0)


def test_a_renewal_from_credit_races_with_the_card_payment(stripe: Stripe) -> None:
    def pay(session_id: str) -> bool:
        try:
            stripe.pay(session_id)
        except HTTPError:
            # The renewal closed the session first.
            return False
        return True

    for _ in range(ROUNDS):
        tenant = tenant_with_open_session(stripe)
        session_id = tenant.open_session
        before = len(stripe.charges())
        give_credit(tenant.organization.customer, MISSING_MINOR)
        by_card = any(each is True for each in run_concurrently(partial(pay, session_id), tenant.renew, tenant.renew))
        finish(tenant)
        assert tenant.status == ("active", "active")
        assert len(stripe.charges()) == before + by_card
        assert tenant.credit == (LEFT_MINOR + MISSING_MINOR if by_card else 0, 0)


@pytest.mark.parametrize("credit_minor", [OTHER_MINOR, PRICE_MINOR, PRICE_MINOR + OTHER_MINOR])
def test_a_renewal_races_with_a_checkout_of_another_plan(stripe: Stripe, credit_minor: int) -> None:
    for _ in range(ROUNDS):
        tenant = subscribe_tenant(stripe, credit_minor=credit_minor)
        run_concurrently(*[tenant.renew] * 3, partial(tenant.buy, price_minor=OTHER_MINOR))
        finish(tenant)
        assert count_live_subscriptions(tenant) == 1


def test_a_renewal_with_an_open_session_races_with_a_checkout_of_another_plan(stripe: Stripe) -> None:
    for _ in range(ROUNDS):
        tenant = tenant_with_open_session(stripe)
        give_credit(tenant.organization.customer, MISSING_MINOR)
        run_concurrently(*[tenant.renew] * 2, *[partial(tenant.buy, price_minor=OTHER_MINOR + n) for n in (0, 10)])
        finish(tenant)
        assert count_live_subscriptions(tenant) == 1
        assert tenant.status[1] == "active"


@pytest.mark.parametrize("credit_minor", [CREDIT_MINOR, PRICE_MINOR])
def test_a_renewal_races_with_the_deletion_of_its_organization(stripe: Stripe, credit_minor: int) -> None:
    for _ in range(ROUNDS):
        tenant = subscribe_tenant(stripe, credit_minor=credit_minor)
        run_concurrently(*[tenant.renew] * 3, delete_organization_of(tenant))
        finish(tenant)
        assert (count_live_subscriptions(tenant), tenant.status) == (0, ("canceled", "deleted"))
        assert tenant.credit[1] == 0


def test_a_renewal_races_with_a_deletion_and_a_payment(stripe: Stripe) -> None:
    for _ in range(ROUNDS):
        tenant = tenant_with_open_session(stripe)
        stripe.pay(tenant.open_session)
        run_concurrently(*settle_newest_payment(stripe), delete_organization_of(tenant), *[tenant.renew] * 2)
        finish(tenant)
        assert (count_live_subscriptions(tenant), tenant.status) == (0, ("canceled", "deleted"))
        [charge] = [each for each in stripe.charges()[-1:]]
        assert charge["amount_refunded"] in (0, CHARGED_MINOR)


def test_a_renewal_races_with_the_refund_of_the_first_month(stripe: Stripe) -> None:
    for _ in range(ROUNDS):
        tenant = subscribe_tenant(stripe, credit_minor=PRICE_MINOR)
        first = tenant.subscription.order_id
        refund = partial(refund_order, order_id=first, card_minor=None, why="asked for", by=actor())
        run_concurrently(*[tenant.renew] * 3, refund)
        finish(tenant)
        assert (count_live_subscriptions(tenant), tenant.status) == (0, ("canceled", "suspended"))


def test_the_end_of_the_grace_period_races_with_checkouts(stripe: Stripe) -> None:
    tenant = tenant_at_end_of_grace(stripe)
    give_credit(tenant.organization.customer, OTHER_MINOR - CREDIT_MINOR)

    run_concurrently(*[tenant.renew] * 4, *[partial(tenant.buy, price_minor=OTHER_MINOR)] * 2)

    finish(tenant)
    assert tenant.status[0] == "canceled"
    bought = Order.objects.filter(kind=Order.Kind.PURCHASE, status=Order.Status.COMPLETED).count() == 2
    assert (count_live_subscriptions(tenant), tenant.status[1]) == ((1, "active") if bought else (0, "suspended"))


def test_an_end_at_stripe_races_with_the_next_checkout(stripe: Stripe) -> None:
    for _ in range(ROUNDS):
        buyer = new_buyer()
        stripe.pay(session_id_of(buyer.check_out().order_id))
        run_until_idle(stripe)
        give_credit(buyer.customer, OTHER_MINOR)
        subscription = Subscription.objects.get(organization=buyer.organization)
        stripe_subscriptions.cancel_subscription(subscription.stripe_subscription_id)
        ended = newest_event(stripe, "customer.subscription.deleted")
        post_event(ended)
        other = buyer.wanting(plan=PlanFactory.create(price_minor=1_000), promo_code=None, key="other")
        run_concurrently(*[partial(settle_event, event_id=ended["id"])] * 3, other.check_out)
        run_until_idle(stripe)
        assert_books_agree(stripe)
        assert Organization.objects.get(id=buyer.organization.id).status == "active"
