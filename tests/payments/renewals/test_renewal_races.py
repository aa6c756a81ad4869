"""The renewal at once with itself and with all that may be done to the same organization: every month once, or not.

Whoever comes first, the books agree at rest, with themselves and with Stripe.
"""

from collections.abc import Callable
from functools import partial
from urllib.error import HTTPError

import pytest

from billing.models import Organization, Subscription
from billing.models.subscription import ENDED_STATUSES
from orders.models import Order
from orders.stripe import gateway
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


Act = Callable[[], object]


def at_once(*acts: Act) -> list[object]:
    """What those that were not refused returned."""
    return race(list(acts)).values


def settle(stripe: Stripe) -> list[Act]:
    """The webhook of the newest paid session, and its job, thrice."""
    event = newest_event(stripe, "checkout.session.completed")
    post_event(event)
    return [partial(settle_event, event_id=event["id"])] * 3


def delete(tenant: Tenant) -> Act:
    owner = acting(tenant.organization.customer)
    return partial(delete_organization, organization_id=tenant.organization.id, by=owner)


def live(tenant: Tenant) -> int:
    found = Subscription.objects.filter(organization=tenant.organization).exclude(status__in=ENDED_STATUSES)
    return found.count()


def come_to_rest(tenant: Tenant) -> None:
    """What waited for an open payment, or for the others, is done by the next run."""
    for _ in range(2):
        tenant.run_until_idle()
        tenant.renew()
    tenant.run_until_idle()
    assert_books_agree(tenant.stripe)


def test_months_that_are_late_are_renewed_once_each(stripe: Stripe) -> None:
    tenant = subscribe_tenant(stripe, months=3, credit_minor=4 * PRICE_MINOR)

    at_once(*[tenant.renew] * 8)

    come_to_rest(tenant)
    assert (renewal_statuses(), tenant.credit) == (["completed"] * 3, (PRICE_MINOR, 0))


def test_months_that_credit_covers_in_part_ask_once(stripe: Stripe) -> None:
    tenant = subscribe_tenant(stripe, months=3, credit_minor=PRICE_MINOR + CREDIT_MINOR)

    at_once(*[tenant.renew] * 8)

    come_to_rest(tenant)
    assert (renewal_statuses(), len(stripe.sessions())) == (["completed", "pending"], 1)


def test_with_the_webhook_of_its_payment(stripe: Stripe) -> None:
    for _ in range(ROUNDS):
        tenant = tenant_with_open_session(stripe)
        stripe.pay(tenant.open_session)
        at_once(*settle(stripe), *[tenant.renew] * 3)
        come_to_rest(tenant)
        assert tenant.status == ("active", "active")
        assert tenant.credit == (LEFT_MINOR, 0)


def test_with_credit_and_card_for_the_same_month(stripe: Stripe) -> None:
    def pay(session_id: str) -> bool:
        try:
            stripe.pay(session_id)
        except HTTPError:
            # It was closed first.
            return False
        return True

    for _ in range(ROUNDS):
        tenant = tenant_with_open_session(stripe)
        session_id = tenant.open_session
        before = len(stripe.charges())
        give_credit(tenant.organization.customer, MISSING_MINOR)
        by_card = any(each is True for each in at_once(partial(pay, session_id), tenant.renew, tenant.renew))
        come_to_rest(tenant)
        assert tenant.status == ("active", "active")
        assert len(stripe.charges()) == before + by_card
        assert tenant.credit == (LEFT_MINOR + MISSING_MINOR if by_card else 0, 0)


@pytest.mark.parametrize("credit_minor", [OTHER_MINOR, PRICE_MINOR, PRICE_MINOR + OTHER_MINOR])
def test_with_a_checkout_of_another_plan(stripe: Stripe, credit_minor: int) -> None:
    for _ in range(ROUNDS):
        tenant = subscribe_tenant(stripe, credit_minor=credit_minor)
        at_once(*[tenant.renew] * 3, partial(tenant.buy, price_minor=OTHER_MINOR))
        come_to_rest(tenant)
        assert live(tenant) == 1


def test_with_a_checkout_of_another_plan_while_its_session_is_open(stripe: Stripe) -> None:
    for _ in range(ROUNDS):
        tenant = tenant_with_open_session(stripe)
        give_credit(tenant.organization.customer, MISSING_MINOR)
        at_once(*[tenant.renew] * 2, *[partial(tenant.buy, price_minor=OTHER_MINOR + n) for n in (0, 10)])
        come_to_rest(tenant)
        assert live(tenant) == 1
        assert tenant.status[1] == "active"


@pytest.mark.parametrize("credit_minor", [CREDIT_MINOR, PRICE_MINOR])
def test_with_the_deletion_of_the_organization(stripe: Stripe, credit_minor: int) -> None:
    for _ in range(ROUNDS):
        tenant = subscribe_tenant(stripe, credit_minor=credit_minor)
        at_once(*[tenant.renew] * 3, delete(tenant))
        come_to_rest(tenant)
        assert (live(tenant), tenant.status) == (0, ("canceled", "deleted"))
        assert tenant.credit[1] == 0


def test_with_the_deletion_of_the_organization_and_a_payment(stripe: Stripe) -> None:
    for _ in range(ROUNDS):
        tenant = tenant_with_open_session(stripe)
        stripe.pay(tenant.open_session)
        at_once(*settle(stripe), delete(tenant), *[tenant.renew] * 2)
        come_to_rest(tenant)
        assert (live(tenant), tenant.status) == (0, ("canceled", "deleted"))
        [charge] = [each for each in stripe.charges()[-1:]]
        assert charge["amount_refunded"] in (0, CHARGED_MINOR)


def test_with_the_refund_of_the_first_month(stripe: Stripe) -> None:
    for _ in range(ROUNDS):
        tenant = subscribe_tenant(stripe, credit_minor=PRICE_MINOR)
        first = tenant.subscription.order_id
        refund = partial(refund_order, order_id=first, card_minor=None, why="asked for", by=actor())
        at_once(*[tenant.renew] * 3, refund)
        come_to_rest(tenant)
        assert (live(tenant), tenant.status) == (0, ("canceled", "suspended"))


def test_the_end_of_the_grace_with_everything_else(stripe: Stripe) -> None:
    tenant = tenant_at_end_of_grace(stripe)
    give_credit(tenant.organization.customer, OTHER_MINOR - CREDIT_MINOR)

    at_once(*[tenant.renew] * 4, *[partial(tenant.buy, price_minor=OTHER_MINOR)] * 2)

    come_to_rest(tenant)
    assert tenant.status[0] == "canceled"
    bought = Order.objects.filter(kind=Order.Kind.PURCHASE, status=Order.Status.COMPLETED).count() == 2
    assert (live(tenant), tenant.status[1]) == ((1, "active") if bought else (0, "suspended"))


def test_an_end_at_stripe_with_the_next_checkout(stripe: Stripe) -> None:
    for _ in range(ROUNDS):
        buyer = new_buyer()
        stripe.pay(session_id_of(buyer.check_out().order_id))
        run_until_idle(stripe)
        give_credit(buyer.customer, OTHER_MINOR)
        subscription = Subscription.objects.get(organization=buyer.organization)
        gateway.cancel_subscription(subscription.stripe_subscription_id)
        ended = newest_event(stripe, "customer.subscription.deleted")
        post_event(ended)
        other = buyer.wanting(plan=PlanFactory.create(price_minor=1_000), promo_code=None, key="other")
        at_once(*[partial(settle_event, event_id=ended["id"])] * 3, other.check_out)
        run_until_idle(stripe)
        assert_books_agree(stripe)
        assert Organization.objects.get(id=buyer.organization.id).status == "active"
