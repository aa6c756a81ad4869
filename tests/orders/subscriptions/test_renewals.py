"""Renewals of subscriptions that credit pays: each month once, the oldest first, as long as credit lasts."""

from collections.abc import Iterator
from datetime import timedelta
from unittest.mock import patch
from uuid import UUID

import pytest
from django.db import IntegrityError, connection
from pytest_django import Settings

from billing.errors import DomainError
from billing.models import Account, Customer, Invoice, LedgerEntry, Organization, Subscription
from orders.models import Order, OutboxEvent, Plan
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.payments.request_refund import refund_order
from orders.use_cases.subscriptions import renew_subscription as renewing
from orders.use_cases.subscriptions.find_due_subscriptions import find_due_subscriptions
from orders.use_cases.subscriptions.renew_subscription import RenewalOutcome
from tests.concurrency.threads import race
from tests.factories import acting, actor, give_credit
from tests.orders.conftest import Buy
from tests.orders.subscriptions.run_renewals import (
    DUE,
    GRACE_END,
    NEXT,
    START,
    balance_and_held,
    event_data,
    invoiced_months,
    mails_after_receipt,
    newest_subscription,
    renew,
    renewal_orders,
)
from tests.snapshot import nothing_changes

SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def no_processor(settings: Settings) -> None:
    """Run without a card processor, whatever the environment says."""
    settings.INITIAL_STRIPE_SECRET_KEY = ""


@pytest.fixture
def subscribed(ada: Customer, acme: Organization, buy: Buy) -> Subscription:
    """Acme is on plan `m` (9.000) with a backup (3.000) since 31 January, and the balance is 0."""
    give_credit(ada, 12_000)
    buy("m", addons=("backup",), apps=("ghost",), now=START)
    Organization.objects.update(status=Organization.Status.ACTIVE)
    return newest_subscription()


def test_a_month_is_renewed_from_credit(subscribed: Subscription, ada: Customer) -> None:
    give_credit(ada, 30_000)
    assert renew(DUE) == [RenewalOutcome.RENEWED, RenewalOutcome.NOT_DUE]

    order = Order.objects.get(kind=Order.Kind.RENEWAL)
    assert (order.status, order.total_minor, order.credit_applied_minor) == ("completed", 12_000, 12_000)
    assert (order.renews_id, order.period_start, order.completed_at) == (subscribed.id, DUE, DUE)
    assert (order.placed_by, order.placed_by_role, order.channel) == ("renewals", "system", "worker")
    assert [(line.slug, line.price_minor) for line in order.lines.order_by("position")] == [
        ("m", 9_000),
        ("backup", 3_000),
    ]
    spend = LedgerEntry.objects.get(order_id=order.id)
    assert (spend.kind, spend.amount_minor, spend.balance_after_minor) == ("spend", -12_000, 18_000)
    invoice = Invoice.objects.get(order_id=order.id)
    assert (invoice.status, invoice.amount_minor) == ("paid", 12_000)
    assert (invoice.period_start, invoice.period_end) == (DUE, NEXT)
    now = newest_subscription()
    assert (now.status, now.current_period_start, now.current_period_end) == ("active", DUE, NEXT)
    (event,) = event_data("subscription.renewed")
    assert event["subscription_id"] == str(subscribed.id)
    assert (event["amount_minor"], event["amount_omr"], event["period_start"]) == (12_000, 12, "2027-02-28T09:30:00Z")
    assert OutboxEvent.objects.get(type="subscription.renewed").topic == "sme.billing.events"
    assert mails_after_receipt() == ["renewed"]


def test_a_month_is_not_renewed_before_it_is_due(subscribed: Subscription, ada: Customer) -> None:
    give_credit(ada, 30_000)
    with nothing_changes():
        assert renew(DUE - SECOND) == [RenewalOutcome.NOT_DUE]
        assert find_due_subscriptions(now=DUE - SECOND) == []
    assert find_due_subscriptions(now=DUE) == [subscribed.id]


def test_periods_keep_the_day_of_the_first_month(subscribed: Subscription, ada: Customer) -> None:
    give_credit(ada, 100_000)
    ends = []
    for _ in range(4):
        assert renew(newest_subscription().current_period_end)[0] == RenewalOutcome.RENEWED
        ends.append(newest_subscription().current_period_end.strftime("%d %b"))
    assert ends == ["31 Mar", "30 Apr", "31 May", "30 Jun"]


def test_a_late_job_renews_each_missed_month_oldest_first_as_credit_lasts(
    subscribed: Subscription, ada: Customer
) -> None:
    give_credit(ada, 25_000)
    assert renew(DUE + timedelta(days=100)) == [
        RenewalOutcome.RENEWED,
        RenewalOutcome.RENEWED,
        RenewalOutcome.PAST_DUE,
    ]
    assert [each.period_start for each in renewal_orders()] == [DUE, NEXT]
    assert balance_and_held() == (1_000, 0)
    assert len(event_data("subscription.renewed")) == 2
    assert [each["period_start"] for each in event_data("subscription.past_due")] == ["2027-04-30T09:30:00Z"]
    assert len(invoiced_months(Invoice.Status.PAID)) == 3
    assert len(invoiced_months(Invoice.Status.OPEN)) == 1


def test_a_second_run_changes_nothing(subscribed: Subscription, ada: Customer) -> None:
    give_credit(ada, 12_000)
    renew(DUE)
    with nothing_changes():
        assert renew(DUE) == [RenewalOutcome.NOT_DUE]


def test_a_free_plan_renews_without_a_ledger_entry(ada: Customer, acme: Organization, buy: Buy) -> None:
    buy("flexi", now=START)
    assert renew(DUE) == [RenewalOutcome.RENEWED, RenewalOutcome.NOT_DUE]
    assert not LedgerEntry.objects.exists()
    assert invoiced_months(Invoice.Status.PAID) == [START, DUE]


def test_concurrent_renewals_renew_a_month_once(subscribed: Subscription, ada: Customer) -> None:
    give_credit(ada, 100_000)
    outcomes = race([lambda: renew(DUE, subscribed)] * 8)
    assert sorted(outcomes.values) == [[RenewalOutcome.NOT_DUE]] * 7 + [
        [RenewalOutcome.RENEWED, RenewalOutcome.NOT_DUE]
    ]
    assert (balance_and_held(), len(renewal_orders()), len(event_data("subscription.renewed"))) == ((88_000, 0), 1, 1)


def test_control_without_locks_the_database_refuses_a_second_renewal(subscribed: Subscription, ada: Customer) -> None:
    """The control: the constraint alone guards the month."""
    give_credit(ada, 100_000)

    def unlocked_account(*, customer_id: int) -> Account:
        return Account.objects.get(customer_id=customer_id)

    def unlocked(*, subscription_id: UUID) -> Subscription:
        return Subscription.objects.select_related("customer", "organization").get(id=subscription_id)

    refused = []

    def attempt() -> list[RenewalOutcome]:
        try:
            return renew(DUE, subscribed)
        except IntegrityError as error:
            refused.append(str(error))
            raise DomainError from error

    with (
        patch.object(renewing, "lock_account", unlocked_account),
        patch.object(renewing, "lock_subscription", unlocked),
        patch.object(Organization.objects, "select_for_update", lambda **_: Organization.objects.all()),
    ):
        outcomes = race([attempt] * 6)
    assert len(refused) >= 1, "no two runs met: the control shows nothing"
    assert all("orders_order_one_renewal_a_period" in text for text in refused)
    assert sum(each[0] == RenewalOutcome.RENEWED for each in outcomes.values) == 1
    assert (balance_and_held(), len(renewal_orders()), len(event_data("subscription.renewed"))) == ((88_000, 0), 1, 1)


def test_without_a_processor_the_subscription_waits_for_credit(subscribed: Subscription, ada: Customer) -> None:
    give_credit(ada, 5_000)
    assert renew(DUE) == [RenewalOutcome.PAST_DUE]
    now = newest_subscription()
    assert (now.status, now.past_due_since, now.current_period_end) == ("past_due", DUE, DUE)
    assert invoiced_months(Invoice.Status.OPEN) == [DUE]
    assert (balance_and_held(), renewal_orders(), mails_after_receipt()) == ((5_000, 0), [], ["past_due"])
    assert [each["status"] for each in event_data("subscription.past_due")] == ["past_due"]

    with nothing_changes():
        assert renew(DUE + timedelta(days=1)) == [RenewalOutcome.PAST_DUE]

    give_credit(ada, 7_000)
    assert renew(DUE + timedelta(days=2)) == [RenewalOutcome.RENEWED, RenewalOutcome.NOT_DUE]
    now = newest_subscription()
    assert (now.status, now.past_due_since, now.current_period_end) == ("active", None, NEXT)
    assert (invoiced_months(Invoice.Status.OPEN), invoiced_months(Invoice.Status.PAID)) == ([], [START, DUE])
    assert (balance_and_held(), mails_after_receipt()) == ((0, 0), ["past_due", "renewed"])


def test_an_unpaid_subscription_ends_after_the_days_of_grace(subscribed: Subscription, ada: Customer) -> None:
    give_credit(ada, 5_000)
    renew(DUE)
    with nothing_changes():
        renew(GRACE_END - SECOND)
    assert renew(GRACE_END) == [RenewalOutcome.CANCELED]
    now = newest_subscription()
    assert (now.status, now.canceled_at) == ("canceled", GRACE_END)
    assert invoiced_months(Invoice.Status.VOID) == [DUE]
    assert Organization.objects.get().status == "suspended"
    (event,) = event_data("subscription.canceled")
    assert (event["status"], event["organization_status"]) == ("canceled", "suspended")
    assert (balance_and_held(), mails_after_receipt()) == ((5_000, 0), ["past_due", "canceled"])
    with nothing_changes():
        assert renew(GRACE_END) == [RenewalOutcome.NOT_DUE]
        assert find_due_subscriptions(now=GRACE_END) == []


def test_credit_after_the_days_of_grace_still_renews(subscribed: Subscription, ada: Customer) -> None:
    renew(DUE)
    give_credit(ada, 12_000)
    assert renew(GRACE_END + SECOND) == [RenewalOutcome.RENEWED, RenewalOutcome.NOT_DUE]


def test_a_late_job_does_not_shorten_the_days_of_grace(subscribed: Subscription) -> None:
    assert renew(GRACE_END + timedelta(days=30)) == [RenewalOutcome.PAST_DUE]


def test_the_next_order_reactivates_a_suspended_organization(
    subscribed: Subscription, ada: Customer, buy: Buy
) -> None:
    renew(DUE)
    renew(GRACE_END)
    give_credit(ada, 9_000)
    buy("m", now=GRACE_END)
    assert Organization.objects.get().status == "active"
    assert newest_subscription().status == "active"


def test_another_basket_replaces_a_past_due_subscription(subscribed: Subscription, ada: Customer, buy: Buy) -> None:
    renew(DUE)
    give_credit(ada, 9_000)
    buy("m", now=DUE + timedelta(days=1))
    assert Subscription.objects.get(id=subscribed.id).status == "canceled"
    assert invoiced_months(Invoice.Status.VOID) == [DUE]
    assert renew(DUE + timedelta(days=1), subscribed) == [RenewalOutcome.NOT_DUE]


def test_a_subscription_that_stripe_charges_is_not_renewed_from_credit(
    subscribed: Subscription, ada: Customer
) -> None:
    give_credit(ada, 100_000)
    Subscription.objects.update(paid_by=Subscription.PaidBy.STRIPE, stripe_subscription_id="sub_1")
    with nothing_changes():
        assert find_due_subscriptions(now=NEXT) == []
        assert renew(NEXT) == [RenewalOutcome.NOT_DUE]


def test_a_deleted_organization_is_not_renewed(subscribed: Subscription, ada: Customer, acme: Organization) -> None:
    give_credit(ada, 100_000)
    delete_organization(organization_id=acme.id, by=acting(ada))
    with nothing_changes():
        assert renew(NEXT) == [RenewalOutcome.NOT_DUE]


def test_a_renewal_is_refunded_like_any_order(subscribed: Subscription, ada: Customer) -> None:
    give_credit(ada, 12_000)
    renew(DUE)
    (order,) = renewal_orders()
    refund_order(order_id=order.id, card_minor=None, why="did not want it", by=actor())
    assert balance_and_held() == (12_000, 0)
    assert newest_subscription().status == "canceled"
    assert renewal_orders()[0].status == "refunded"
    assert mails_after_receipt() == ["renewed", "refunded"]
    with nothing_changes():
        assert renew(NEXT) == [RenewalOutcome.NOT_DUE]


@pytest.fixture
def renewed(subscribed: Subscription, ada: Customer) -> Iterator[Order]:
    give_credit(ada, 12_000)
    renew(DUE)
    yield renewal_orders()[0]


def test_the_event_has_the_exact_amount_in_baisa(ada: Customer, acme: Organization, buy: Buy) -> None:
    Plan.objects.filter(slug="m").update(price_minor=9_255)
    give_credit(ada, 18_510)
    buy("m", now=START)
    renew(DUE)
    assert str(event_data("subscription.renewed")[0]["amount_omr"]) == "9.255"


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        (
            "INSERT INTO billing_invoice (customer_id, organization_id, subscription_id, amount_minor, currency,"
            " status, period_start, period_end) SELECT customer_id, organization_id, subscription_id, 1, 'OMR',"
            " 'void', period_start, period_end FROM billing_invoice WHERE order_id = %(order)s",
            "billing_invoice_period_once",
        ),
        (
            "INSERT INTO orders_order (customer_id, organization_id, plan_id, apps, addons, total_minor, currency,"
            " status, kind, renews_id, period_start, placed_by, placed_by_role, channel) SELECT customer_id,"
            " organization_id, plan_id, apps, addons, total_minor, currency, 'pending', kind, renews_id,"
            " period_start, placed_by, placed_by_role, channel FROM orders_order WHERE id = %(order)s",
            "orders_order_one_renewal_a_period",
        ),
        ("UPDATE orders_order SET renews_id = NULL WHERE id = %(order)s", "orders_order_renewal_names_period"),
        ("UPDATE orders_order SET kind = 'purchase' WHERE id = %(order)s", "orders_order_renewal_names_period"),
        ("UPDATE orders_order SET kind = 'gift' WHERE id = %(order)s", "orders_order_renewal_names_period"),
        (
            "INSERT INTO orders_outboxevent (type, topic, source, tenant_id, data, metadata) SELECT type, topic,"
            " source, tenant_id, data, metadata FROM orders_outboxevent WHERE type = 'subscription.renewed'",
            "orders_event_subscription_month_once",
        ),
        (
            "UPDATE billing_subscription SET status = 'past_due', past_due_since = NULL",
            "billing_subscription_past_due_since_given",
        ),
        ("UPDATE billing_subscription SET past_due_since = now()", "billing_subscription_active_is_not_past_due"),
    ],
)
def test_the_database_refuses_a_second_renewal_and_inconsistent_states(
    renewed: Order, statement: str, constraint: str
) -> None:
    with nothing_changes(), pytest.raises(IntegrityError, match=constraint), connection.cursor() as cursor:
        cursor.execute(statement, {"order": renewed.id} if "%(order)s" in statement else None)
