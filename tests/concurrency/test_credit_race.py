"""Credit is never spent twice: balance >= held >= 0 at any concurrency."""

from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID, uuid4

import pytest
from django.db import connection

from billing.errors import EntryAlreadyReversed, HoldNotActive, InsufficientCredit, OrderHasHold
from billing.models import Account, Customer, Hold, LedgerEntry, Organization, Subscription
from billing.use_cases.ledger.hold_credit import capture_hold, hold_credit, release_hold
from billing.use_cases.ledger.post_entry import grant_credit, reverse_entry, spend_credit
from billing.use_cases.ledger.verify_ledger import verify_ledger
from orders.errors import PaymentProcessorNotConfigured
from orders.models import Order, OutboxEvent, Plan
from orders.use_cases.checkout.place_order import CheckoutRequest, PlacedOrder, place_order
from tests.concurrency.schema_changes import (
    GATE,
    PASS_GATE,
    dropped_constraint,
    function_definition,
    replace_text,
    replaced_function,
)
from tests.concurrency.threads import ThreadGroup, race
from tests.concurrency.wait_for import other_connection, wait_for_waiters
from tests.factories import CustomerFactory, OrganizationFactory, PlanFactory, acting, actor, give_credit

PRICE_MINOR = 10_000
ROUNDS = 10

pytestmark = pytest.mark.django_db(transaction=True)

LOCKING = "ORDER BY a.customer_id FOR NO KEY UPDATE OF a)"
CHECKED = "IF accepted IS NULL THEN RETURN; END IF;"


def check_out(organization: Organization, plan: Plan) -> PlacedOrder:
    return place_order(
        request=CheckoutRequest(tenant_id=organization.id, plan=plan.slug), by=acting(organization.customer)
    )


def account_of(customer: Customer) -> tuple[int, int]:
    """Return the balance and the held credit."""
    account = Account.objects.get(customer=customer)
    return account.balance_minor, account.held_minor


def customer_with(amount_minor: int) -> Customer:
    customer = CustomerFactory.create()
    give_credit(customer, amount_minor)
    return customer


def grant_to_all(customers: Sequence[Customer]) -> None:
    """Grant 0.001 to each customer in one statement, without the locks that its callers take."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO billing_grants SELECT array_agg(ROW(billing_uuid7(), account, 1, 'gift', '', NULL, NULL,"
            " ROW('test', 'system', 'command', NULL))::billing_grant ORDER BY account)"
            " FROM unnest(%s::bigint[]) AS account",
            [[customer.pk for customer in customers]],
        )


def spend_one(customer: Customer) -> None:
    spend_credit(customer_id=customer.pk, amount_minor=1, order_id=uuid4(), by=acting(customer))


def test_bulk_grants_and_single_spends_of_the_same_accounts_all_count() -> None:
    customers = [customer_with(1_000) for _ in range(3)]
    spends = [partial(spend_one, customer) for customer in customers for _ in range(4)]
    with ThreadGroup(16) as threads:
        for number in range(1, ROUNDS + 1):
            assert not threads.start([partial(grant_to_all, customers)] * 4 + spends).finish().refusals
            for customer in customers:
                assert account_of(customer) == (1_000, 0)
                assert Account.objects.get(customer=customer).version == 1 + 8 * number
    assert verify_ledger().sound


def test_sixty_four_checkouts_with_credit_for_one_make_one_order() -> None:
    plan = PlanFactory.create(price_minor=PRICE_MINOR)
    customer = customer_with(PRICE_MINOR)
    organizations = OrganizationFactory.create_batch(64, customer=customer)

    outcome = race([partial(check_out, organization, plan) for organization in organizations])

    assert [placed.balance_minor for placed in outcome.values] == [0]
    assert outcome.refusals == {PaymentProcessorNotConfigured: 63}
    assert account_of(customer) == (0, 0)
    spends = LedgerEntry.objects.filter(kind="spend")
    assert [(spend.amount_minor, spend.balance_after_minor, spend.version) for spend in spends] == [
        (-PRICE_MINOR, 0, 2)
    ]
    order = Order.objects.get()
    assert (order.id, order.status) == (outcome.values[0].order_id, Order.Status.COMPLETED)
    assert Subscription.objects.get().order_id == order.id
    assert OutboxEvent.objects.get().order_id == order.id
    assert Organization.objects.get(status="provisioning").id == order.organization_id
    assert verify_ledger().sound


def test_control_a_balance_checked_before_the_lock_is_overspent() -> None:
    unlocked = replace_text(function_definition("billing_lock_accounts"), LOCKING, "ORDER BY a.customer_id)")
    stops_after_check = replace_text(function_definition("orders_place_orders"), CHECKED, f"{CHECKED}\n  {PASS_GATE}")
    with (
        dropped_constraint("billing_account", "billing_account_balance_covers_held"),
        replaced_function("billing_lock_accounts", unlocked),
        replaced_function("orders_place_orders", stops_after_check),
        other_connection() as gatekeeper,
        ThreadGroup(16) as threads,
    ):
        plan = PlanFactory.create(price_minor=PRICE_MINOR)
        customer = customer_with(PRICE_MINOR)
        organizations = OrganizationFactory.create_batch(16, customer=customer)
        gatekeeper.execute("SELECT pg_advisory_lock(%s)", [GATE])
        in_flight = threads.start([partial(check_out, organization, plan) for organization in organizations])
        wait_for_waiters(16)
        gatekeeper.execute("SELECT pg_advisory_unlock(%s)", [GATE])

        assert len(in_flight.finish().values) == 16
        assert account_of(customer) == (-15 * PRICE_MINOR, 0)
        assert not verify_ledger().sound


def test_checkouts_and_holds_of_one_customer_share_the_available_credit() -> None:
    plan = PlanFactory.create(price_minor=PRICE_MINOR)
    with ThreadGroup(12) as threads:
        for _ in range(ROUNDS):
            customer = customer_with(3 * PRICE_MINOR)
            calls: list[Callable[[], object]] = [
                partial(hold_credit, customer_id=customer.pk, amount_minor=PRICE_MINOR, order_id=uuid4())
                for _ in range(6)
            ]
            organizations = OrganizationFactory.create_batch(6, customer=customer)
            calls += [partial(check_out, organization, plan) for organization in organizations]

            outcome = threads.race(calls)

            held = [value for value in outcome.values if isinstance(value, Hold)]
            placed = [value for value in outcome.values if isinstance(value, PlacedOrder)]
            assert len(held) + len(placed) == 3
            assert outcome.refusals[InsufficientCredit] == 6 - len(held)
            assert outcome.refusals[PaymentProcessorNotConfigured] == 6 - len(placed)
            assert account_of(customer) == (len(held) * PRICE_MINOR, len(held) * PRICE_MINOR)
    assert verify_ledger().sound


def test_an_order_has_one_hold() -> None:
    with ThreadGroup(8) as threads:
        for _ in range(ROUNDS):
            customer = customer_with(8 * PRICE_MINOR)
            call = partial(hold_credit, customer_id=customer.pk, amount_minor=PRICE_MINOR, order_id=uuid4())

            outcome = threads.race([call] * 8)

            assert (len(outcome.values), outcome.refusals) == (1, {OrderHasHold: 7})
            assert account_of(customer) == (8 * PRICE_MINOR, PRICE_MINOR)
    assert verify_ledger().sound


def test_a_hold_is_either_captured_or_released() -> None:
    with ThreadGroup(8) as threads:
        for round_ in range(2 * ROUNDS):
            customer = customer_with(PRICE_MINOR)
            order_id = uuid4()
            hold_credit(customer_id=customer.pk, amount_minor=PRICE_MINOR, order_id=order_id)
            captures: list[Callable[[], object]] = [partial(capture_hold, order_id=order_id, by=actor())] * 4
            releases: list[Callable[[], object]] = [partial(release_hold, order_id=order_id)] * 4

            outcome = threads.race(captures + releases if round_ % 2 else releases + captures)

            captured = [value for value in outcome.values if isinstance(value, LedgerEntry)]
            released = [value for value in outcome.values if isinstance(value, Hold)]
            assert len(captured) + len(released) == 1
            assert outcome.refusals == ({HoldNotActive: 3} if captured else {HoldNotActive: 4})
            assert account_of(customer) == ((0, 0) if captured else (PRICE_MINOR, 0))
            assert spends_of(order_id) == ([-PRICE_MINOR] if captured else [])
            assert Hold.objects.get(order_id=order_id).status == ("captured" if captured else "released")
    assert verify_ledger().sound


def test_an_entry_is_reversed_once() -> None:
    with ThreadGroup(8) as threads:
        for _ in range(ROUNDS):
            customer = customer_with(PRICE_MINOR)
            entry = grant_credit(customer_id=customer.pk, amount_minor=500, reason="gift", by=actor())
            call = partial(reverse_entry, entry_id=entry.id, why="given by mistake", by=actor())

            outcome = threads.race([call] * 8)

            assert (len(outcome.values), outcome.refusals) == (1, {EntryAlreadyReversed: 7})
            assert account_of(customer) == (PRICE_MINOR, 0)
    assert verify_ledger().sound


def test_entries_of_one_account_have_versions_without_a_gap() -> None:
    customer = CustomerFactory.create()
    call = partial(grant_credit, customer_id=customer.pk, amount_minor=7, reason="gift", by=actor())
    with ThreadGroup(12) as threads:
        for _ in range(5):
            threads.race([call] * 12)
    entries = LedgerEntry.objects.order_by("version").values_list("version", "balance_after_minor")
    assert list(entries) == [(number, 7 * number) for number in range(1, 61)]
    assert account_of(customer) == (7 * 60, 0)


def spends_of(order_id: UUID) -> list[int]:
    spends = LedgerEntry.objects.filter(order_id=order_id, kind="spend")
    return [spend.amount_minor for spend in spends]
