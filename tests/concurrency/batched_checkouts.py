"""Shared parts of tests of concurrent checkouts: priced plans, delayed requests, and exact counts afterwards."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import uuid4

from django.utils import timezone

from billing.models import Account, LedgerEntry, Organization, Subscription
from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.models import Order, OutboxEvent, Plan
from orders.use_cases.checkout.checkout_context import load_checkout_context
from orders.use_cases.checkout.place_order import CheckoutRequest, PlacedOrder, place_order
from promos.models import PromoCode, Redemption
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.concurrency.hold_batches import CHECKOUTS, BlockedLeader, block_leader, request_of
from tests.concurrency.threads import Race, ThreadGroup
from tests.consistency import times_redeemed
from tests.factories import PlanFactory, acting

THREADS = 16
CREDIT_MINOR = 10_000
PRICE_MINOR = 9_000


def buy(organization: Organization, plan: Plan, code: str = "", *, key: str = "") -> PlacedOrder:
    return place_order(request=request_of(organization, plan, code, key=key), by=acting(organization.customer))


def priced_plans(*prices_minor: int) -> list[Plan]:
    """Plans that this process has priced before, so that their checkouts are tried in a batch."""
    plans = [PlanFactory.create(price_minor=price_minor) for price_minor in prices_minor]
    for plan in plans:
        request = CheckoutRequest(tenant_id=uuid4(), plan=plan.slug)
        load_checkout_context(request=request, user_id="", now=timezone.now()).price_basket()
    return plans


def priced_plan() -> Plan:
    [plan] = priced_plans(PRICE_MINOR)
    return plan


Calls = Sequence[Callable[[], PlacedOrder]]


@contextmanager
def start_behind_leader(calls: Calls) -> Iterator[tuple[BlockedLeader, Race[PlacedOrder]]]:
    """All of the calls wait behind a leader. When the block ends, it goes on, and they make one batch."""
    with ThreadGroup(len(calls)) as crew, block_leader(CHECKOUTS) as leader:
        under_way = crew.start(calls)
        leader.wait_for(len(calls))
        yield leader, under_way
        leader.release()
        under_way.finish()


def assert_orders(organizations: Sequence[Organization], outcomes: Sequence[object]) -> None:
    """Asserts that each order of the results exists once with all its records, and that no other record exists."""
    for organization, result in zip(organizations, outcomes, strict=True):
        account = Account.objects.get(customer=organization.customer)
        if not isinstance(result, PlacedOrder):
            assert not Order.objects.filter(organization=organization).exists()
            assert not OutboxEvent.objects.filter(tenant_id=organization.id).exists()
            assert not Subscription.objects.filter(organization=organization).exists()
            continue
        order = Order.objects.get(organization=organization)
        assert (order.id, order.status, order.placed_by) == (
            result.order_id,
            "completed",
            organization.customer.user_id,
        )
        assert (account.balance_minor, account.held_minor) == (result.balance_minor, 0)
        spend = LedgerEntry.objects.get(order_id=order.id, kind="spend")
        assert (spend.account_id, spend.amount_minor) == (organization.customer.pk, -order.total_minor)
        assert sum(order.lines.values_list("price_minor", flat=True)) == order.total_minor
        assert Subscription.objects.get(organization=organization).order_id == order.id
        event = OutboxEvent.objects.get(tenant_id=organization.id)
        assert (event.order_id, event.data["id"], event.data["subdomain"]) == (
            order.id,
            str(order.id),
            organization.slug,
        )
        assert Organization.objects.get(id=organization.id).status == "provisioning"
    assert verify_ledger().sound
    assert verify_redemptions() is None


def assert_code(promo_code: PromoCode, number: int) -> None:
    redemptions = Redemption.objects.filter(promo_code=promo_code, status="confirmed")
    orders = Order.objects.filter(promo_code_id=promo_code.id)
    assert {redemption.order_id for redemption in redemptions} == {order.id for order in orders}
    assert orders.count() == number
    assert redemptions.count() == times_redeemed(promo_code) == number
