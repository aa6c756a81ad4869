"""An organization is provisioned once after its first order, and deleted once."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from billing.errors import OrganizationNotFound, OrganizationSuspended
from billing.models import AuditEntry, Customer, Invoice, LedgerEntry, Organization, Subscription
from orders import tasks
from orders.models import AddOn, App, Order, OutboxEvent
from orders.use_cases.checkout.checkout_context import forget_priced_baskets
from orders.use_cases.organizations.change_status import change_status
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.organizations.provision_organization import provision_organization
from orders.use_cases.subscriptions.end_subscriptions import end_subscriptions
from tests.factories import ADDRESS, OrganizationFactory, acting, actor, give_credit, ids_of
from tests.orders.conftest import Buy
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def credit(ada: Customer) -> None:
    give_credit(ada, 50_000)


def events() -> list[tuple[str, object]]:
    return list(OutboxEvent.objects.order_by("created_at", "id").values_list("type", "tenant_id"))


def test_an_order_activates_its_organization_and_announces_it(buy: Buy, acme: Organization) -> None:
    placed = buy("m", apps=("wordpress",), addons=("backup",))
    with only_changes("billing_organization", "orders_outboxevent"):
        provision_organization(order_id=placed.order_id)
    acme.refresh_from_db()
    assert acme.status == "active"
    event = OutboxEvent.objects.get(type="tenant.created")
    assert (event.topic, event.source, event.tenant_id) == ("sme.tenant.events", "qasima", acme.id)
    assert event.data == {
        "id": str(acme.id),
        "slug": "acme",
        "subdomain": "acme",
        "name": "Acme",
        "customer_id": "ada",
        "plan_id": str(acme.plan_id),
        "apps": ids_of(App, "wordpress"),
        "addons": ids_of(AddOn, "backup"),
        "status": "active",
    }


@pytest.mark.parametrize("before", ["active", "suspended for lack of payment"])
@pytest.mark.parametrize("batched", [False, True], ids=["alone", "batched"])
def test_an_organization_that_staff_suspended_is_not_reactivated_by_its_owners_order(
    buy: Buy, acme: Organization, before: str, batched: bool
) -> None:
    tasks.provision_organization(str(buy("m").order_id))
    if before != "active":
        end_subscriptions(Subscription.objects.all(), now=timezone.now())
        Organization.objects.update(status="suspended")
    change_status(organization_id=acme.id, status=Organization.Status.SUSPENDED, by=actor())
    if not batched:
        forget_priced_baskets()
    elif before != "active":
        buy("m", tenant=OrganizationFactory.create(customer=acme.customer))
    with nothing_changes(), pytest.raises(OrganizationSuspended):
        buy("m" if before != "active" else "l")

    change_status(organization_id=acme.id, status=Organization.Status.ACTIVE, by=actor())
    buy("l")
    acme.refresh_from_db()
    assert (acme.status, acme.suspended_by_staff) == ("active", False)


def test_an_organization_that_was_suspended_for_lack_of_payment_is_active_after_an_order(
    buy: Buy, acme: Organization
) -> None:
    tasks.provision_organization(str(buy("m").order_id))
    end_subscriptions(Subscription.objects.all(), now=timezone.now())
    Organization.objects.update(status="suspended")
    buy("m")
    acme.refresh_from_db()
    assert acme.status == "active"


def test_a_second_run_of_the_job_announces_nothing(buy: Buy, acme: Organization) -> None:
    placed = buy("m")
    tasks.provision_organization(str(placed.order_id))
    with nothing_changes():
        assert provision_organization(order_id=placed.order_id).status == "active"
        tasks.provision_organization(str(placed.order_id))
    assert events() == [("order.placed", acme.id), ("tenant.created", acme.id)]


def test_an_order_of_an_active_organization_announces_only_the_order(buy: Buy, acme: Organization) -> None:
    for plan in ("m", "l"):
        provision_organization(order_id=buy(plan).order_id)
    assert events() == [
        ("order.placed", acme.id),
        ("tenant.created", acme.id),
        ("order.placed", acme.id),
    ]


def test_a_deleted_organization_is_not_activated_again(buy: Buy, ada: Customer, acme: Organization) -> None:
    placed = buy("m")
    delete_organization(organization_id=acme.id, by=acting(ada))
    with nothing_changes():
        assert provision_organization(order_id=placed.order_id).status == "deleted"


def test_unknown_order_is_an_error_and_changes_nothing() -> None:
    with nothing_changes(), pytest.raises(Order.DoesNotExist):
        provision_organization(order_id=uuid4())


def test_owner_deletes_an_organization_once(buy: Buy, ada: Customer, acme: Organization) -> None:
    provision_organization(order_id=buy("m").order_id)
    with only_changes("billing_organization", "billing_subscription", "orders_outboxevent", "billing_auditentry"):
        deleted = delete_organization(organization_id=acme.id, by=acting(ada), reason="closing down")
    assert (deleted.status, deleted.deleted_at is not None) == ("deleted", True)
    subscription = Subscription.objects.get()
    assert (subscription.status, subscription.canceled_at) == ("canceled", deleted.deleted_at)
    event = OutboxEvent.objects.get(type="tenant.deleted")
    assert (event.topic, event.tenant_id, event.data["status"]) == ("sme.tenant.events", acme.id, "deleted")
    audit = AuditEntry.objects.get(action="organization.deleted")
    assert (audit.object_id, audit.changes) == (str(acme.id), {"status": ["active", "deleted"]})
    assert (audit.actor_id, audit.reason, audit.address) == ("ada", "closing down", ADDRESS)
    with nothing_changes():
        assert delete_organization(organization_id=acme.id, by=acting(ada)).status == "deleted"


def test_deletion_voids_unpaid_invoices_and_leaves_the_paid_and_the_ledger(
    buy: Buy, ada: Customer, acme: Organization
) -> None:
    buy("m")
    paid = Invoice.objects.get()
    others = {
        Invoice.objects.create(
            customer=ada,
            organization=acme,
            subscription=paid.subscription,
            amount_minor=1,
            currency="OMR",
            status=status,
            period_start=paid.period_start + timedelta(days=31 * month),
            period_end=paid.period_end + timedelta(days=31 * month),
        ).pk: expected
        for month, (status, expected) in enumerate(
            {"draft": "void", "open": "void", "void": "void", "uncollectible": "uncollectible"}.items(), start=1
        )
    }
    ledger = list(LedgerEntry.objects.order_by("id").values())
    delete_organization(organization_id=acme.id, by=acting(ada))
    assert dict(Invoice.objects.values_list("pk", "status")) == {paid.pk: "paid", **others}
    assert list(LedgerEntry.objects.order_by("id").values()) == ledger


def test_deletion_leaves_other_organizations_alone(buy: Buy, ada: Customer, acme: Organization) -> None:
    kept = OrganizationFactory.create()
    give_credit(kept.customer, 50_000)
    buy("m")
    buy("m", tenant=kept)
    delete_organization(organization_id=acme.id, by=acting(ada))
    assert Subscription.objects.get(organization=kept).status == "active"
    kept.refresh_from_db()
    assert kept.status == "provisioning"


def test_a_superadmin_can_delete_any_organization_and_is_recorded(acme: Organization) -> None:
    delete_organization(organization_id=acme.id, by=actor(user_id="root"), reason="fraud")
    audit = AuditEntry.objects.get(action="organization.deleted")
    assert (audit.actor_id, audit.actor_role, audit.reason) == ("root", "superadmin", "fraud")


@pytest.mark.parametrize("role", ["customer", "auditor", "sovereign-admin"])
def test_others_do_not_find_the_organization(acme: Organization, role: str) -> None:
    for organization_id in (acme.id, UUID(int=1)):
        with nothing_changes(), pytest.raises(OrganizationNotFound):
            delete_organization(organization_id=organization_id, by=actor(role, user_id="eve"))


def test_ended_subscriptions_keep_the_time_of_their_end(buy: Buy, ada: Customer, acme: Organization) -> None:
    then = datetime(2026, 11, 1, tzinfo=UTC)
    buy("m")
    Subscription.objects.update(status="canceled", canceled_at=then)
    delete_organization(organization_id=acme.id, by=acting(ada))
    assert Subscription.objects.get().canceled_at == then
