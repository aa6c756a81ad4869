"""The matrix of all endpoints with an organization and all roles inside one, over HTTP."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.db import transaction
from drf_spectacular.generators import SchemaGenerator
from pytest_django import DjangoDbBlocker

from billing.models import Customer, Organization, OrganizationMember
from billing.organization_roles import OrganizationRole
from orders.dns import NameLookup
from orders.models import Domain, Order, Provision
from tests.database import restore_pristine
from tests.factories import CustomerFactory, give_credit

from .api_client import Answer, Caller, anonymous_caller, by_session, by_token
from .conftest import open_shop, tenant_of
from .json_shapes import assert_refused
from .organization_rows import ADMIN, OWNER, ROWS, STAFF_ONLY, VIEWER, Row

pytestmark = pytest.mark.django_db

# The names of parameters and fields that hold an organization, or a record of one → the placeholder in a row.
NAMES = {
    "tenant_id": "{tenant}",
    "organization_id": "{tenant}",
    "owner_id": "{tenant}",
    "domain_id": "{tenant}",
    "provision_id": "{provision}",
    "member": "{member}",
}
# This path names a domain when one is removed.
DOMAIN = "DELETE domain/domains/{tenant}"
STRONGEST_FIRST = list(OrganizationRole)


def described_endpoints() -> set[str]:
    """Every endpoint that names an organization: in the path, in a parameter or in the body."""
    schema: dict[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    found = set()
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            parameters = {each["name"] for each in operation.get("parameters", ())}
            if (parameters | body_fields(schema, operation)) & NAMES.keys():
                short = path.removeprefix("/api/")
                for name, placeholder in {**NAMES, "slug": "wordpress"}.items():
                    short = short.replace(f"{{{name}}}", placeholder)
                found.add(f"{method.upper()} {short}")
    named = {each.replace("{tenant}", "{domain}") if each == DOMAIN else each for each in found}
    return {each for each in named if not each.partition(" ")[2].startswith(STAFF_ONLY)}


def body_fields(schema: Mapping[str, Any], operation: Mapping[str, Any]) -> set[str]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in content:
        content = schema["components"]["schemas"][content["$ref"].rpartition("/")[2]]
    return set(content.get("properties", ()))


def test_every_endpoint_with_an_organization_has_a_row() -> None:
    assert described_endpoints() == set(ROWS)


@pytest.fixture(autouse=True)
def no_lookups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NameLookup, "provider_of", lambda _, name: "")


@pytest.fixture(scope="module")
def tenant(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """An organization with a subscription, a person in each role, and another member who may be removed."""
    with django_db_blocker.unblock():
        open_shop()
        owner = by_token("customer", "owner")
        identity = tenant_of(owner, "acme")
        give_credit(Customer.objects.get(user_id="owner"), 50_000)
        order = owner.post("billing/checkout", {"tenant_id": identity, "plan_id": "flexi"}).body["order_id"]
        owner.post(
            "provisioning/start",
            {**ROWS["POST provisioning/start"].body, **{"tenant_id": identity, "order_id": order}},
        )
        Domain.objects.create(organization_id=identity, name="old.example.net")
        for user_id in ("admin", "member", "viewer", "leaver"):
            OrganizationMember.objects.create(
                organization_id=identity,
                customer=CustomerFactory.create(user_id=user_id),
                email=f"{user_id}@example.org",
                role="viewer" if user_id == "leaver" else user_id,
            )
    yield identity
    with django_db_blocker.unblock():
        restore_pristine()


def call(caller: Caller, endpoint: str, tenant: str) -> Answer:
    """Call the endpoint, and undo what it did."""
    row, (method, _, path) = ROWS[endpoint], endpoint.partition(" ")
    records = {
        "{tenant}": tenant,
        "{member}": "leaver",
        "{order}": str(Order.objects.get().id),
        "{provision}": str(Provision.objects.get().id),
        "{domain}": str(getattr(Domain.objects.first(), "id", "gone")),
    }
    request = json.dumps([path + row.query, dict(row.body)])
    for placeholder, value in records.items():
        request = request.replace(placeholder, value)
    address, body = json.loads(request)
    with transaction.atomic():
        answer = caller.call(method, address, body or None)
        transaction.set_rollback(True)
    return answer


def assert_decided(answer: Answer, row: Row, role: OrganizationRole) -> None:
    if STRONGEST_FIRST.index(role) <= STRONGEST_FIRST.index(row.least):
        assert answer.status == row.status, f"{role}: {answer.content!r}"
    else:
        assert_refused(answer, 403, "organization_role_too_low", "your role in this organization")


@pytest.mark.parametrize("endpoint", ROWS)
def test_a_role_inside_decides_what_a_caller_may_do(tenant: str, endpoint: str) -> None:
    for role in OrganizationRole:
        assert_decided(call(by_token("customer", role.value), endpoint, tenant), ROWS[endpoint], role)


@pytest.mark.parametrize("endpoint", ROWS)
def test_a_role_counts_in_a_session_too(tenant: str, endpoint: str) -> None:
    for role in (OWNER, VIEWER):
        with transaction.atomic():
            answer = call(by_session("customer", role.value), endpoint, tenant)
            transaction.set_rollback(True)
        assert_decided(answer, ROWS[endpoint], role)


@pytest.mark.parametrize("endpoint", ROWS)
def test_a_stranger_finds_no_organization(tenant: str, endpoint: str) -> None:
    row = ROWS[endpoint]
    # A role on the platform is none inside an organization; a superadmin may delete it all the same.
    for platform_role in ("customer", "auditor", "sovereign-admin", "superadmin"):
        if platform_role == "superadmin" and endpoint == "DELETE tenant/orgs/{tenant}":
            continue
        answer = call(by_token(platform_role, f"stranger-{platform_role}"), endpoint, tenant)
        assert answer.status == row.stranger, f"{platform_role}: {answer.content!r}"
        if row.stranger == 404:
            assert answer.code.endswith("_not_found") and answer.code != "not_found"
        else:
            assert answer.body == []


@pytest.mark.parametrize("endpoint", ROWS)
def test_an_anonymous_caller_is_asked_for_an_identity(tenant: str, endpoint: str) -> None:
    assert_refused(call(anonymous_caller(), endpoint, tenant), 401, "not_authenticated")


@pytest.mark.parametrize("endpoint", ROWS)
def test_a_role_that_changes_while_a_token_lives_counts_at_once(tenant: str, endpoint: str) -> None:
    row, caller = ROWS[endpoint], by_token("customer", "admin")
    assert_decided(call(caller, endpoint, tenant), row, ADMIN)
    membership = OrganizationMember.objects.get(customer__user_id="admin")
    OrganizationMember.objects.filter(pk=membership.pk).update(role="viewer")
    assert_decided(call(caller, endpoint, tenant), row, VIEWER)
    membership.delete()
    assert call(caller, endpoint, tenant).status == row.stranger


@pytest.mark.parametrize("endpoint", ROWS)
def test_a_deleted_organization_is_none_for_its_members(tenant: str, endpoint: str) -> None:
    row = ROWS[endpoint]
    assert by_token("customer", "owner").delete(f"tenant/orgs/{tenant}").status == 200
    for role in ("admin", "member", "viewer"):
        assert call(by_token("customer", role), endpoint, tenant).status == row.stranger
    assert Organization.objects.get(id=tenant).status == "deleted"


def test_members_see_nothing_of_the_owners_credit(tenant: str) -> None:
    for role in ("admin", "member", "viewer"):
        caller = by_token("customer", role)
        assert caller.get("billing/balance").body["credit_minor"] == 0
        assert caller.get("billing/invoices").body == []
        assert_refused(caller.get("billing/subscription"), 404, "subscription_not_found")
