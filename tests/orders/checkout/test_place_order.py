"""A checkout that credit covers does everything in one transaction; a refused one changes nothing."""

from datetime import UTC, datetime

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.actor import CUSTOMER
from billing.models import Customer, IdempotencyKey, Invoice, LedgerEntry, Organization, Subscription
from billing.queries import balance_of
from orders.errors import AlreadySubscribed
from orders.models import AddOn, App, Order, OrderLine, OutboxEvent, Plan
from orders.queries.orders import orders_for_staff
from promos.models import Redemption
from promos.use_cases.change_code import retire_code
from tests.consistency import ledger_and_redemptions_agree, times_redeemed
from tests.factories import (
    ADDRESS,
    AddOnFactory,
    OrganizationFactory,
    PromoCodeFactory,
    actor,
    give_credit,
    ids_of,
)
from tests.orders.conftest import Buy
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)
MONTH_LATER = datetime(2026, 12, 30, 12, 30, tzinfo=UTC)


def test_an_order_covered_by_a_voucher_is_completed_in_one_checkout(buy: Buy, acme: Organization) -> None:
    code = PromoCodeFactory.create(code="WELCOME50", credit_minor=50_000, max_redemptions=5)
    with only_changes(
        "billing_account",
        "billing_invoice",
        "billing_ledgerentry",
        "billing_organization",
        "billing_subscription",
        "orders_order",
        "orders_orderline",
        "orders_outboxevent",
        "procrastinate_events",
        "procrastinate_jobs",
        "promos_promocounter",
        "promos_redemption",
    ):
        placed = buy("m", addons=("backup",), apps=("wordpress",), promo_code="welcome50", now=NOW)
    assert (placed.balance_minor, placed.replayed) == (38_000, False)

    order = Order.objects.get()
    assert (order.id, order.status, order.completed_at) == (placed.order_id, "completed", NOW)
    assert (order.total_minor, order.credit_applied_minor, order.amount_due_minor) == (12_000, 12_000, 0)
    assert (order.currency, order.promo_code, order.promo_code_id) == ("OMR", "WELCOME50", code.id)
    assert (order.placed_by, order.placed_by_role) == ("ada", CUSTOMER)
    assert (order.channel, order.address, order.created_at) == ("api", ADDRESS, NOW)
    redemption = Redemption.objects.get()
    assert (redemption.status, redemption.order_id, redemption.confirmed_at) == ("confirmed", order.id, NOW)
    entries = LedgerEntry.objects.order_by("version")
    assert list(entries.values_list("kind", "amount_minor", "reason", "order_id", "redemption_id")) == [
        ("grant", 50_000, "promo:WELCOME50", order.id, redemption.id),
        ("spend", -12_000, "order-payment", order.id, None),
    ]
    assert set(entries.values_list("actor_id", "channel", "address")) == {("ada", "api", ADDRESS)}
    assert times_redeemed("WELCOME50") == 1
    assert ledger_and_redemptions_agree()


def test_an_order_keeps_its_prices_when_the_catalog_changes(buy: Buy, ada: Customer) -> None:
    give_credit(ada, 50_000)
    placed = buy("m", addons=("backup", "waf"))
    Plan.objects.filter(slug="m").update(price_minor=99_000, name="Changed")
    AddOn.objects.all().delete()
    assert list(
        OrderLine.objects.filter(order_id=placed.order_id)
        .order_by("position")
        .values_list("position", "kind", "slug", "name", "price_minor")
    ) == [
        (1, "plan", "m", "M", 9_000),
        (2, "addon", "backup", "Backup", 3_000),
        (3, "addon", "waf", "Waf", 0),
    ]
    assert Order.objects.get().total_minor == 12_000


def test_completed_order_starts_a_subscription_and_a_paid_invoice_of_a_month(
    buy: Buy, ada: Customer, acme: Organization
) -> None:
    give_credit(ada, 50_000)
    placed = buy("m", addons=("backup",), now=NOW)
    subscription = Subscription.objects.get()
    assert (subscription.customer_id, subscription.organization_id) == (ada.pk, acme.id)
    assert (subscription.order_id, subscription.plan_id) == (placed.order_id, Plan.objects.get(slug="m").id)
    assert subscription.addon_ids == [str(AddOn.objects.get(slug="backup").id)]
    assert (subscription.status, subscription.paid_by, subscription.canceled_at) == ("active", "credit", None)
    assert (subscription.amount_minor, subscription.currency) == (12_000, "OMR")
    assert (subscription.current_period_start, subscription.current_period_end) == (NOW, MONTH_LATER)
    invoice = Invoice.objects.get()
    assert (invoice.customer_id, invoice.organization_id) == (ada.pk, acme.id)
    assert (invoice.subscription_id, invoice.order_id) == (subscription.id, placed.order_id)
    assert (invoice.status, invoice.amount_minor, invoice.currency) == ("paid", 12_000, "OMR")
    assert (invoice.period_start, invoice.period_end) == (NOW, MONTH_LATER)


def test_a_completed_order_is_announced_once_and_queues_provisioning(
    buy: Buy, ada: Customer, acme: Organization
) -> None:
    give_credit(ada, 50_000)
    plan = Plan.objects.get(slug="m")
    placed = buy(str(plan.id), addons=("backup",), apps=("wordpress",), now=NOW)
    event = OutboxEvent.objects.get()
    assert (event.type, event.topic, event.source) == ("order.placed", "sme.order.events", "qasima")
    assert (event.tenant_id, event.order_id, event.delivered_at) == (acme.id, placed.order_id, None)
    assert event.created_at == NOW
    assert event.data == {
        "id": str(placed.order_id),
        "customer_id": "ada",
        "tenant_id": str(acme.id),
        "plan_id": str(plan.id),
        "apps": ids_of(App, "wordpress"),
        "addons": ids_of(AddOn, "backup"),
        "amount_minor": 12_000,
        "amount_baisa": 12_000,
        "amount_omr": 12,
        "currency": "OMR",
        "status": "completed",
        "subdomain": "acme",
    }
    acme.refresh_from_db()
    assert (acme.status, acme.plan_id) == ("provisioning", plan.id)
    assert (acme.apps, acme.addons) == (ids_of(App, "wordpress"), ids_of(AddOn, "backup"))
    job, receipt = ProcrastinateJob.objects.order_by("task_name")
    assert (job.task_name, job.queue_name, job.status) == ("provision_organization", "provisioning", "todo")
    assert job.args == {"order_id": str(placed.order_id)}
    assert (receipt.task_name, receipt.status) == ("send_mail", "todo")


def test_the_event_has_the_exact_amount_in_baisa(buy: Buy, ada: Customer) -> None:
    give_credit(ada, 50_000)
    AddOnFactory.create(slug="odd", price_minor=1)
    buy("m", addons=("odd",))
    data = OutboxEvent.objects.get().data
    assert (data["amount_minor"], str(data["amount_omr"])) == (9_001, "9.001")


def test_credit_on_the_balance_pays_without_a_voucher(buy: Buy, ada: Customer) -> None:
    give_credit(ada, 9_000)
    assert buy("m").balance_minor == 0
    assert balance_of(user_id="ada").credit_minor == 0
    assert (Order.objects.get().promo_code, Order.objects.get().promo_code_id) == ("", None)
    assert Redemption.objects.count() == 0


def test_voucher_and_balance_pay_together(buy: Buy, ada: Customer) -> None:
    give_credit(ada, 4_000)
    PromoCodeFactory.create(code="FIVE", credit_minor=5_000)
    assert buy("m", promo_code="FIVE").balance_minor == 0
    assert ledger_and_redemptions_agree()


def test_total_of_zero_completes_and_writes_no_ledger_row(buy: Buy, acme: Organization) -> None:
    assert buy("flexi", addons=("waf",)).balance_minor == 0
    assert LedgerEntry.objects.count() == 0
    order = Order.objects.get()
    assert (order.status, order.total_minor, order.credit_applied_minor) == ("completed", 0, 0)
    assert Subscription.objects.get().status == "active"
    assert (Invoice.objects.get().status, Invoice.objects.get().amount_minor) == ("paid", 0)
    assert OutboxEvent.objects.get().data["amount_omr"] == 0
    acme.refresh_from_db()
    assert acme.status == "provisioning"


def test_total_of_zero_with_a_voucher_only_grants(buy: Buy) -> None:
    PromoCodeFactory.create(code="TEN", credit_minor=10_000)
    assert buy("flexi", promo_code="TEN").balance_minor == 10_000
    assert list(LedgerEntry.objects.values_list("kind", "amount_minor")) == [("grant", 10_000)]
    assert ledger_and_redemptions_agree()


def test_another_basket_replaces_the_subscription_and_ends_the_old_one(
    buy: Buy, ada: Customer, acme: Organization
) -> None:
    give_credit(ada, 50_000)
    buy("m", now=NOW)
    placed = buy("l", now=NOW)
    # The whole month of the old plan is unused.
    assert placed.balance_minor == 50_000 - 9_000 + 9_000 - 16_000
    old, new = Subscription.objects.order_by("amount_minor")
    assert (old.amount_minor, old.status, old.canceled_at) == (9_000, "canceled", NOW)
    assert (new.amount_minor, new.status, new.order_id) == (16_000, "active", placed.order_id)
    assert Invoice.objects.filter(status="paid").count() == 2
    assert OutboxEvent.objects.filter(type="order.placed").count() == 2
    acme.refresh_from_db()
    assert acme.plan_id == new.plan_id


def test_add_ons_make_another_basket_and_their_order_does_not(buy: Buy, ada: Customer) -> None:
    give_credit(ada, 50_000)
    buy("m")
    buy("m", addons=("backup", "support"))
    with nothing_changes(), pytest.raises(AlreadySubscribed):
        buy("m", addons=("support", "backup"))
    with nothing_changes(), pytest.raises(AlreadySubscribed):
        buy("m", addons=("support", "backup", "support"))
    assert Subscription.objects.filter(status="active").count() == 1


def test_same_basket_again_is_refused_and_its_voucher_stays(buy: Buy, ada: Customer) -> None:
    give_credit(ada, 50_000)
    PromoCodeFactory.create(code="TEN", credit_minor=10_000)
    buy("m")
    with nothing_changes(), pytest.raises(AlreadySubscribed):
        buy("m", promo_code="TEN")
    with nothing_changes(), pytest.raises(AlreadySubscribed):
        buy("m", apps=("wordpress",))


def test_same_basket_may_be_bought_again_after_the_subscription_ended(buy: Buy, ada: Customer) -> None:
    give_credit(ada, 50_000)
    buy("m")
    Subscription.objects.update(status="canceled", canceled_at=NOW)
    buy("m")
    assert sorted(Subscription.objects.values_list("status", flat=True)) == ["active", "canceled"]


def test_two_organizations_of_one_customer_have_separate_subscriptions(buy: Buy, ada: Customer) -> None:
    give_credit(ada, 50_000)
    buy("m")
    buy("m", tenant=OrganizationFactory.create(customer=ada))
    assert Subscription.objects.filter(status="active").count() == 2


def test_live_organization_stays_live_when_its_plan_changes(buy: Buy, ada: Customer, acme: Organization) -> None:
    give_credit(ada, 50_000)
    buy("m")
    Organization.objects.update(status="active")
    buy("l")
    acme.refresh_from_db()
    assert acme.status == "active"


def test_an_order_shows_that_its_code_was_retired_later(buy: Buy) -> None:
    PromoCodeFactory.create(code="TEN", credit_minor=10_000)
    buy("m", promo_code="TEN")
    assert [getattr(order, "promo_deleted", None) for order in orders_for_staff()] == [False]
    retire_code(code="TEN", by=actor())
    assert [getattr(order, "promo_deleted", None) for order in orders_for_staff()] == [True]


def test_order_without_a_key_stores_none(buy: Buy, ada: Customer) -> None:
    give_credit(ada, 50_000)
    buy("m")
    assert IdempotencyKey.objects.count() == 0
