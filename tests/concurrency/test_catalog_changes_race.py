"""The catalog changes while checkouts run: every customer pays the price at the time of the order."""

from collections.abc import Callable, Sequence
from functools import partial

import pytest
from django.db import connection
from orders.use_cases.checkout.try_batched_checkout import _placing

from billing.errors import Busy
from billing.models import Organization
from billing.use_cases.verify_ledger import verify_ledger
from orders.models import CatalogVersion, Order, Plan
from tests.concurrency.batched_checkouts import (
    PRICE_MINOR,
    THREADS,
    assert_orders,
    buy,
    priced_plan,
    start_behind_leader,
)
from tests.concurrency.hold_batches import record_batches
from tests.concurrency.schema_changes import function_definition, replace_text, replaced_function
from tests.concurrency.threads import ThreadGroup
from tests.concurrency.wait_for import other_connection, wait_until
from tests.factories import OrganizationFactory, PlanFactory, PromoCodeFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_batch_charges_the_price_that_changed_while_its_requests_waited() -> None:
    plan, promo_code = priced_plan(), PromoCodeFactory.create(max_redemptions=9)
    organizations = OrganizationFactory.create_batch(6)
    calls = [partial(buy, organization, plan, promo_code.code) for organization in organizations]
    with record_batches(_placing) as batches, start_behind_leader(promo_code.code, calls) as (_, in_flight):
        Plan.objects.filter(id=plan.id).update(price_minor=9_500)
    assert batches[0] == [False] * 6
    assert set(Order.objects.values_list("total_minor", flat=True)) == {9_500}
    assert [placed.balance_minor for placed in in_flight.values] == [500] * 6
    assert_orders(organizations, in_flight.values)


def test_control_without_the_version_check_the_old_price_is_charged() -> None:
    plan, promo_code = priced_plan(), PromoCodeFactory.create(max_redemptions=9)
    calls = [partial(buy, each, plan, promo_code.code) for each in OrganizationFactory.create_batch(6)]
    blind = replace_text(function_definition("orders_place_together"), " AND v.version = catalog)", ")")
    with replaced_function("orders_place_together", blind), start_behind_leader(promo_code.code, calls):
        Plan.objects.filter(id=plan.id).update(price_minor=9_500)
    assert set(Order.objects.values_list("total_minor", flat=True)) == {PRICE_MINOR}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_checkout_neither_waits_for_nor_sees_a_price_change_that_is_rolled_back(when: str) -> None:
    plan, promo_code = priced_plan(), PromoCodeFactory.create(max_redemptions=9)
    organizations = OrganizationFactory.create_batch(6)
    calls = [partial(buy, organization, plan, promo_code.code) for organization in organizations]
    with record_batches(_placing) as batches, other_connection() as other:
        with start_behind_leader(promo_code.code, calls) as (leader, in_flight):
            other.execute("UPDATE orders_plan SET price_minor = 9500 WHERE id = %s", [plan.id])
            if when == "before":
                other.rollback()
            leader.open()
            wait_until(lambda: in_flight.done, "orders of all")
            other.rollback()
    assert batches == [[True] * 6]
    assert set(Order.objects.values_list("total_minor", flat=True)) == {PRICE_MINOR}
    assert_orders(organizations, in_flight.values)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE orders_plan SET name = 'New' WHERE id = '{plan}'",
        "INSERT INTO orders_addon SELECT * FROM orders_addon WHERE false",
        "DELETE FROM orders_app WHERE false",
        "TRUNCATE orders_app",
    ],
)
def test_every_change_of_the_catalog_gives_it_a_new_version(change: str) -> None:
    plan = PlanFactory.create()
    before = CatalogVersion.objects.get().version
    with connection.cursor() as cursor:
        cursor.execute(change.format(plan=plan.id))
    assert CatalogVersion.objects.get().version != before


def test_while_the_price_rises_no_customer_pays_less_than_at_the_time_of_the_request() -> None:
    plan, promo_code = priced_plan(), PromoCodeFactory.create(credit_minor=50_000)
    pairs = [OrganizationFactory.create_batch(4) for _ in range(THREADS)]
    prices, finished = [PRICE_MINOR], list[int]()

    def buy_all(organizations: Sequence[Organization]) -> list[tuple[int, int, int]]:
        spans = []
        for organization in organizations:
            least = prices[-1]
            placed = buy(organization, plan, promo_code.code)
            # The next price may be committed but not yet recorded here.
            spans.append((least, Order.objects.get(id=placed.order_id).total_minor, prices[-1] + 1))
        finished.append(1)
        return spans

    def raise_price() -> list[tuple[int, int, int]]:
        while len(finished) < THREADS:
            Plan.objects.filter(id=plan.id).update(price_minor=prices[-1] + 1)
            prices.append(prices[-1] + 1)
        return []

    with ThreadGroup(THREADS + 1) as threads, record_batches(_placing) as batches:
        calls: list[Callable[[], list[tuple[int, int, int]]]] = [
            *(partial(buy_all, pair) for pair in pairs),
            raise_price,
        ]
        outcome = threads.race(calls)
    assert outcome.refusals.keys() <= {Busy}
    for least, paid, most in (span for spans in outcome.values for span in spans):
        assert least <= paid <= most
    assert len(prices) > 2
    assert batches
    assert verify_ledger().sound
