"""Organizations for staff: a superadmin finds, suspends, resumes and deletes them."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import AuditEntry, Organization, Subscription
from orders.models import OutboxEvent
from orders.use_cases.organizations.provision_organization import provision_organization
from tests.factories import CustomerFactory, OrganizationFactory
from tests.snapshot import nothing_changes, only_changes

from .api_client import Answer, Caller
from .conftest import Checkout
from .json_shapes import assert_refused, assert_shape
from .response_shapes import ORGANIZATION, TENANTS

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "tenant/admin/tenants"


def found(root: Caller, query: str = "") -> list[str]:
    answer = root.get(f"{PATH}{query}")
    assert answer.status == 200, answer.content
    return [each["slug"] for each in answer.body["tenants"]]


def set_status(root: Caller, tenant: str, status: str, **more: Any) -> Answer:
    return root.call("PUT", f"{PATH}/{tenant}/status", {"status": status, **more})


def test_they_are_listed_newest_first_without_deleted_ones(
    root: Caller, ada: Caller, bob: Caller, acme: str, bobs: str
) -> None:
    gone = ada.post("tenant/orgs", {"slug": "gone", "name": "Gone"}).body["id"]
    ada.delete(f"tenant/orgs/{gone}")
    ada.post(f"tenant/orgs/{acme}/members", {"email": "eve@example.org"})
    answer = root.get(PATH)
    assert answer.status == 200
    assert_shape(answer.body, TENANTS)
    assert (answer.body["total"], answer.body["offset"], answer.body["limit"]) == (2, 0, 20)
    assert [(each["id"], each["member_count"]) for each in answer.body["tenants"]] == [(bobs, 1), (acme, 2)]
    # Beside the number of members it is what the owner sees.
    shown = answer.body["tenants"][1]
    del shown["member_count"]
    assert shown == ada.get(f"tenant/orgs/{acme}").body


def test_offset_and_limit_choose_a_part(root: Caller, shop: None) -> None:
    for number in range(5):
        OrganizationFactory.create(slug=f"shop-{number}")
    assert found(root, "?offset=1&limit=2") == ["shop-3", "shop-2"]
    assert found(root, "?offset=4") == ["shop-0"]
    answer = root.get(f"{PATH}?offset=99&limit=1").body
    assert answer == {"tenants": [], "total": 5, "offset": 99, "limit": 1}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("offset=-1", "offset"),
        ("offset=x", "offset"),
        ("offset=", "offset"),
        ("offset=9999999999", "offset"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
    ],
)
def test_another_part_is_refused(root: Caller, shop: None, query: str, field: str) -> None:
    answer = root.get(f"{PATH}?{query}")
    assert_refused(answer, 400, f"invalid_{field}", f"{field} must be a whole number")
    assert list(answer.body["fields"]) == [field]


def test_a_term_finds_by_slug_name_id_and_owner(root: Caller, shop: None) -> None:
    owner = CustomerFactory.create(user_id="sub-7", email="Owner@example.org")
    wanted = OrganizationFactory.create(customer=owner, slug="bakery", name="Ada's \u0645\u062e\u0628\u0632")
    OrganizationFactory.create(slug="cafe", name="Cafe")
    for term in ("bake", "BAKERY", "ada's", "\u0645\u062e\u0628\u0632", str(wanted.id), "sub-7", "owner@example.org"):
        assert found(root, f"?q={term}") == ["bakery"], term
    assert root.get(f"{PATH}?q=bake").body["total"] == 1
    for term in ("nothing", "%25", "_", "' OR 1=1 --", str(uuid4())):
        assert found(root, f"?q={term}") == [], term
    for term in ("", "%20"):
        assert found(root, f"?q={term}") == ["cafe", "bakery"], term


def test_a_page_costs_the_same_queries_at_any_length(root: Caller, ada: Caller) -> None:
    apps = ada.post("tenant/orgs", {"slug": "first", "name": "First", "apps": ["wordpress"]}).body["apps"]
    counts = set()
    for number in range(50):
        if number in (0, 49):
            with CaptureQueriesContext(connection) as queries:
                assert len(root.get(f"{PATH}?limit=100").body["tenants"]) == number + 1
            counts.add(len(queries))
        OrganizationFactory.create(apps=apps)
    assert len(counts) == 1 and counts <= {3, 4}


def test_a_status_is_changed_and_recorded(root: Caller, checkout: Checkout, ada: Caller, acme: str) -> None:
    provision_organization(order_id=checkout(plan_id="flexi").body["order_id"])
    for status in ("suspended", "active", "provisioning", "active"):
        with only_changes("billing_organization", "billing_auditentry"):
            answer = set_status(root, acme, status, reason="asked for")
        assert answer.status == 200
        assert_shape(answer.body, ORGANIZATION)
        assert answer.body["status"] == status == ada.get(f"tenant/orgs/{acme}").body["status"]
        entry = AuditEntry.objects.order_by("created_at").last()
        assert entry is not None
        assert (entry.action, entry.object_id, entry.actor_id) == ("organization.status_changed", acme, "superadmin")
        assert (entry.reason, entry.changes["status"][1]) == ("asked for", status)
    with nothing_changes():
        assert set_status(root, acme, "active").status == 200
    assert Subscription.objects.get().status == "active"


@pytest.mark.parametrize("status", ["active", "suspended"])
def test_a_pending_organization_that_staff_makes_real_is_announced_once(
    root: Caller, checkout: Checkout, acme: str, status: str
) -> None:
    assert set_status(root, acme, status).body["status"] == status
    [created] = OutboxEvent.objects.filter(type="tenant.created")
    assert (str(created.tenant_id), created.data["status"]) == (acme, status)
    if status == "suspended":
        set_status(root, acme, "active")
    provision_organization(order_id=checkout(plan_id="flexi").body["order_id"])
    assert Organization.objects.get().status == "active"
    assert OutboxEvent.objects.filter(type="tenant.created").count() == 1


def test_an_organization_that_is_provisioned_again_is_not_announced_again(
    root: Caller, checkout: Checkout, acme: str
) -> None:
    order_id = checkout(plan_id="flexi").body["order_id"]
    provision_organization(order_id=order_id)
    set_status(root, acme, "provisioning")
    provision_organization(order_id=order_id)
    assert Organization.objects.get().status == "active"
    assert OutboxEvent.objects.filter(type="tenant.created").count() == 1


def test_deleting_by_status_is_deleting(root: Caller, checkout: Checkout, ada: Caller, acme: str) -> None:
    checkout(plan_id="flexi")
    answer = set_status(root, acme, "deleted", reason="fraud")
    assert (answer.status, answer.body["status"]) == (200, "deleted")
    assert Subscription.objects.get().status == "canceled"
    assert AuditEntry.objects.get(action="organization.deleted").reason == "fraud"
    assert ada.get("tenant/orgs").body == []
    with nothing_changes():
        for status in ("active", "suspended", "provisioning", "deleted"):
            assert_refused(set_status(root, acme, status), 404, "tenant_not_found")


def test_staff_deletes_an_organization_once(root: Caller, checkout: Checkout, acme: str) -> None:
    checkout(plan_id="flexi")
    answer = root.delete(f"{PATH}/{acme}")
    assert (answer.status, answer.body) == (200, {"status": "deleted"})
    assert OutboxEvent.objects.filter(type="tenant.deleted").count() == 1
    with nothing_changes():
        for tenant in (acme, str(uuid4()), "nonsense"):
            assert_refused(root.delete(f"{PATH}/{tenant}"), 404, "tenant_not_found")


def test_only_a_superadmin_may_use_them(noor: Caller, salim: Caller, ada: Caller, acme: str, anybody: Caller) -> None:
    calls: list[tuple[str, str, Any]] = [
        ("GET", PATH, None),
        ("PUT", f"{PATH}/{acme}/status", {"status": "suspended"}),
        ("DELETE", f"{PATH}/{acme}", None),
    ]
    with nothing_changes():
        for method, path, body in calls:
            for caller in (noor, salim, ada):
                assert_refused(caller.call(method, path, body), 403, "permission_denied")
            assert_refused(anybody.call(method, path, body), 401, "not_authenticated")
