"""The catalog changes while checkouts wait for a batch: each is charged a price that was in force."""

from collections.abc import Callable, Sequence
from functools import partial

import pytest
from django.db import connection
from django.utils import timezone

from billing.errors import Busy
from billing.models import Organization
from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.models import App, CatalogVersion, Order, Plan
from orders.models.basket import CheckoutRequest
from orders.models.catalog import CatalogItem
from orders.use_cases.catalog.change_catalog import remove_item
from orders.use_cases.checkout.checkout_context import load_checkout_context
from orders.use_cases.checkout.new_order import order_parameters, to_json
from tests.concurrency.batched_checkouts import (
    PRICE_MINOR,
    THREADS,
    assert_orders,
    buy,
    priced_plan,
    start_behind_leader,
)
from tests.concurrency.hold_batches import CHECKOUTS, record_batches
from tests.concurrency.schema_changes import function_definition, replace_text, replaced_function
from tests.concurrency.threads import ThreadGroup
from tests.concurrency.wait_for import other_connection, wait_until
from tests.factories import (
    AppFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    acting,
    actor,
    give_credit,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_price_that_changed_while_requests_waited_is_the_one_charged() -> None:
    plan, promo_code = priced_plan(), PromoCodeFactory.create(max_redemptions=9)
    organizations = OrganizationFactory.create_batch(6)
    calls = [partial(buy, organization, plan, promo_code.code) for organization in organizations]
    with record_batches(CHECKOUTS) as batches, start_behind_leader(calls) as (_, under_way):
        Plan.objects.filter(id=plan.id).update(price_minor=9_500)
    assert batches[0] == [False] * 6
    assert set(Order.objects.values_list("total_minor", flat=True)) == {9_500}
    assert [placed.balance_minor for placed in under_way.values] == [500] * 6
    assert_orders(organizations, under_way.values)


def test_control_a_batch_that_ignores_the_catalogs_version_charges_the_old_price() -> None:
    plan, promo_code = priced_plan(), PromoCodeFactory.create(max_redemptions=9)
    calls = [partial(buy, each, plan, promo_code.code) for each in OrganizationFactory.create_batch(6)]
    blind = replace_text(function_definition("orders_place_orders"), "v.version = r.catalog", "true")
    with replaced_function("orders_place_orders", blind), start_behind_leader(calls):
        Plan.objects.filter(id=plan.id).update(price_minor=9_500)
    assert set(Order.objects.values_list("total_minor", flat=True)) == {PRICE_MINOR}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_price_change_that_is_rolled_back_changes_nothing_and_is_not_waited_for(when: str) -> None:
    plan, promo_code = priced_plan(), PromoCodeFactory.create(max_redemptions=9)
    organizations = OrganizationFactory.create_batch(6)
    calls = [partial(buy, organization, plan, promo_code.code) for organization in organizations]
    with record_batches(CHECKOUTS) as batches, other_connection() as other:
        with start_behind_leader(calls) as (leader, under_way):
            other.execute("UPDATE orders_plan SET price_minor = 9500 WHERE id = %s", [plan.id])
            if when == "before":
                other.rollback()
            leader.release()
            wait_until(lambda: under_way.done, "orders of all")
            other.rollback()
    assert batches == [[True] * 6]
    assert set(Order.objects.values_list("total_minor", flat=True)) == {PRICE_MINOR}
    assert_orders(organizations, under_way.values)


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


def test_while_the_price_rises_no_order_costs_less_than_at_its_request() -> None:
    plan, promo_code = priced_plan(), PromoCodeFactory.create(credit_minor=50_000)
    pairs = [OrganizationFactory.create_batch(4) for _ in range(THREADS)]
    prices, finished = [PRICE_MINOR], list[int]()

    def buy_all(organizations: Sequence[Organization]) -> list[tuple[int, int, int]]:
        spans = []
        try:
            for organization in organizations:
                least = prices[-1]
                try:
                    placed = buy(organization, plan, promo_code.code)
                except Busy:  # the catalog changed at each of its attempts
                    continue
                # The next price may be committed already, and not be recorded yet.
                spans.append((least, Order.objects.get(id=placed.order_id).total_minor, prices[-1] + 1))
        finally:
            finished.append(1)
        return spans

    def raise_price() -> list[tuple[int, int, int]]:
        while len(finished) < THREADS:
            Plan.objects.filter(id=plan.id).update(price_minor=prices[-1] + 1)
            prices.append(prices[-1] + 1)
        return []

    with ThreadGroup(THREADS + 1) as crew, record_batches(CHECKOUTS) as batches:
        calls: list[Callable[[], list[tuple[int, int, int]]]] = [
            *(partial(buy_all, pair) for pair in pairs),
            raise_price,
        ]
        outcome = crew.race(calls)
    spans = [span for spans in outcome.values for span in spans]
    assert spans
    for least, paid, most in spans:
        assert least <= paid <= most
    assert len(prices) > 2
    assert batches
    assert verify_ledger().sound


@pytest.mark.parametrize("removed", [Plan, App], ids=lambda model: model.__name__)
def test_an_item_that_an_order_in_flight_buys_is_retired_not_deleted(removed: type[CatalogItem]) -> None:
    plan, app, organization = priced_plan(), AppFactory.create(), OrganizationFactory.create()
    give_credit(organization.customer, PRICE_MINOR)
    request = CheckoutRequest(tenant_id=organization.id, plan=plan.slug, apps=(app.slug,))
    by, now = acting(organization.customer), timezone.now()
    context = load_checkout_context(request=request, user_id=by.user_id, now=now)
    order = order_parameters(request, basket=context.price_basket(), by=by, now=now) | {"catalog": context.catalog}
    item = plan if removed is Plan else app
    with other_connection() as other, ThreadGroup(1) as threads:
        placed = other.execute("SELECT id FROM orders_place_orders(%s::jsonb, true)", [f"[{to_json(order)}]"])
        assert placed.fetchone() is not None
        removal = threads.start([partial(remove_item, removed, item_id=item.pk, by=actor())])
        wait_until(lambda: removal.done or lock_waiters() > 0, "the removal waits for the order")
        other.commit()
        removal.finish()
    assert removed._default_manager.get().active is False
    assert Order.objects.get().plan_id == plan.id


def lock_waiters() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return int(cursor.fetchone()[0])
