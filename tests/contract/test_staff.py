"""The endpoints that staff read: revenue, orders and outgoing events."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.models import Customer, Subscription
from orders.models import AddOn, App, OutboxEvent, Plan
from orders.use_cases.organizations.provision_organization import provision_organization
from tests.factories import CustomerFactory, PromoCodeFactory, give_credit, ids_of

from .api_client import Caller
from .conftest import Checkout, tenant_of
from .json_shapes import assert_shape
from .response_shapes import EVENT, ORDER, ORDER_PLACED, REVENUE

pytestmark = pytest.mark.django_db(transaction=True)


def test_revenue_of_an_empty_sovereign_is_zero(salim: Caller) -> None:
    answer = salim.get("billing/admin/revenue")
    assert (answer.status, answer.body) == (
        200,
        {
            "total_mrr": 0,
            "total_mrr_minor": 0,
            "total_mrr_baisa": 0,
            "currency": "OMR",
            "total_customers": 0,
            "new_this_month": 0,
            "active_subscriptions": 0,
        },
    )


def test_revenue_counts_active_subscriptions_and_this_months_customers(
    checkout: Checkout, ada: Caller, root: Caller, salim: Caller
) -> None:
    give_credit(Customer.objects.get(), 50_000)
    checkout(addons=["backup"])
    other = tenant_of(ada, "other")
    ada.post("billing/checkout", {"tenant_id": other, "plan_id": "odd"})
    ended = tenant_of(ada, "ended")
    ada.post("billing/checkout", {"tenant_id": ended, "plan_id": "l"})
    ada.delete(f"tenant/orgs/{ended}")
    first_of_month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for moment in (first_of_month, first_of_month - timedelta(microseconds=1)):
        customer = CustomerFactory.create()
        Customer.objects.filter(pk=customer.pk).update(created_at=moment)
    answer = salim.get("billing/admin/revenue")
    assert_shape(answer.body, REVENUE)
    assert b'"total_mrr":17.25,' in answer.content
    del answer.body["total_mrr"]
    assert answer.body == {
        "total_mrr_minor": 17_250,
        "total_mrr_baisa": 17_250,
        "currency": "OMR",
        "total_customers": 3,
        "new_this_month": 2,
        "active_subscriptions": 2,
    }
    assert root.get("billing/admin/revenue").content == salim.get("billing/admin/revenue").content


def test_revenue_leaves_out_past_due_subscriptions(checkout: Checkout, salim: Caller, acme: str) -> None:
    give_credit(Customer.objects.get(), 9_000)
    checkout()
    Subscription.objects.update(status="past_due", past_due_since=datetime.now(UTC))
    body = salim.get("billing/admin/revenue").body
    assert (body["total_mrr_minor"], body["active_subscriptions"]) == (0, 0)


def test_orders_are_listed_newest_first_with_their_code(
    checkout: Checkout, root: Caller, salim: Caller, acme: str
) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=50_000)
    first = checkout(promo_code="GIFT", apps=["wordpress"], addons=["backup"]).body["order_id"]
    second = checkout(plan_id="odd").body["order_id"]
    answer = salim.get("billing/admin/orders")
    assert answer.status == 200
    assert_shape(answer.body, [ORDER])
    newest, oldest = answer.body
    assert (newest["id"], "promo_code" in newest, newest["promo_deleted"]) == (second, False, False)
    assert b'"amount_omr":5.25' in answer.content
    oldest.pop("created_at")
    assert oldest == {
        "id": first,
        "customer_id": "ada",
        "tenant_id": acme,
        "plan_id": str(Plan.objects.get(slug="m").id),
        "apps": ids_of(App, "wordpress"),
        "addons": ids_of(AddOn, "backup"),
        "amount_omr": 12,
        "amount_minor": 12_000,
        "amount_baisa": 12_000,
        "currency": "OMR",
        "status": "completed",
        "credit_applied_minor": 12_000,
        "amount_due_minor": 0,
        "promo_code": "GIFT",
        "promo_deleted": False,
    }
    root.delete("billing/vouchers/revoke/GIFT")
    assert [each["promo_deleted"] for each in root.get("billing/admin/orders").body] == [False, True]


def test_a_refused_checkout_is_no_order(checkout: Checkout, salim: Caller, acme: str) -> None:
    assert checkout().status == 503
    assert salim.get("billing/admin/orders").content == b"[]"


def test_events_are_listed_newest_first_in_their_envelope(checkout: Checkout, salim: Caller, acme: str) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=50_000)
    order_id = checkout(promo_code="GIFT", apps=["wordpress"], plan_id="odd").body["order_id"]
    provision_organization(order_id=order_id)
    answer = salim.get("billing/admin/events")
    assert answer.status == 200
    assert_shape(answer.body, [EVENT])
    created, placed = answer.body
    assert (created["type"], created["topic"], created["tenant_id"]) == ("tenant.created", "sme.tenant.events", acme)
    assert (placed["type"], placed["topic"], placed["tenant_id"]) == ("order.placed", "sme.order.events", acme)
    assert (placed["delivered_at"], placed["metadata"]) == (None, {})
    assert_shape(placed["data"], ORDER_PLACED)
    assert str(placed["data"].pop("amount_omr")) == "5.25"
    assert placed["data"] == {
        "id": order_id,
        "customer_id": "ada",
        "tenant_id": acme,
        "plan_id": str(Plan.objects.get(slug="odd").id),
        "apps": ids_of(App, "wordpress"),
        "addons": [],
        "amount_minor": 5_250,
        "amount_baisa": 5_250,
        "currency": "OMR",
        "status": "completed",
        "subdomain": "acme",
    }


def test_events_are_filtered_by_type_and_show_their_delivery_time(
    checkout: Checkout, ada: Caller, root: Caller, acme: str
) -> None:
    checkout(plan_id="flexi")
    ada.delete(f"tenant/orgs/{acme}")
    OutboxEvent.objects.filter(type="order.placed").update(delivered_at=datetime(2030, 1, 1, tzinfo=UTC))

    def listed(query: str) -> list[tuple[str, str | None]]:
        body = root.get(f"billing/admin/events{query}").body
        return [(each["type"], each["delivered_at"]) for each in body]

    placed, deleted = ("order.placed", "2030-01-01T00:00:00Z"), ("tenant.deleted", None)
    assert listed("") == listed("?type=") == [deleted, placed]
    assert listed("?type=order.placed") == [placed]
    assert listed("?type=tenant.deleted&limit=1") == [deleted]
    assert listed("?type=ORDER.PLACED") == listed("?type=%F0%9F%98%80") == listed("?type=" + "x" * 5000) == []
