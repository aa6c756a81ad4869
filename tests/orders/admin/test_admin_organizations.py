"""The page of an organization shows its members and its history, and changes neither."""

import pytest
from django.urls import reverse

from billing.actor import AUDITOR, CUSTOMER, SOVEREIGN_ADMIN, SUPERADMIN
from billing.models import Organization
from billing.organization_roles import OrganizationRole
from billing.use_cases.organizations.change_details import change_details
from orders.use_cases.organizations.change_status import change_status
from orders.use_cases.organizations.invite_member import invite_member
from tests.console import client_of, create_user
from tests.factories import CustomerFactory, OrganizationFactory, acting, actor
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db


def test_staff_see_members_invitations_and_who_changed_them() -> None:
    owner = CustomerFactory.create(user_id="ada")
    acme = OrganizationFactory.create(customer=owner, slug="acme")
    CustomerFactory.create(user_id="bob")
    for user_id, role in (("bob", OrganizationRole.ADMIN), ("eve", OrganizationRole.VIEWER)):
        invite_member(organization_id=acme.id, email=f"{user_id}@example.org", role=role, by=acting(owner))
    change_details(organization_id=acme.id, name="Acme & Sons", by=actor(CUSTOMER, user_id="bob"))
    address = reverse("admin:billing_organization_change", args=[acme.pk])
    root, auditor, noor = (client_of(create_user(each)) for each in (SUPERADMIN, AUDITOR, SOVEREIGN_ADMIN))
    for client in (root, auditor):
        answer = client.get(address)
        members, history = answer.context["panels"][-2:]
        assert [(row[0], row[2]) for row in members.rows] == [
            ("ada@example.org", "owner"),
            ("bob@example.org", "admin"),
            ("eve@example.org", "viewer"),
        ]
        assert "invited" in members.rows[2][1] and "bob" in members.rows[1][1]
        page = answer.content.decode()
        assert [row[1] for row in history.rows] == [
            "organization renamed",
            "organization member invited",
            "organization member invited",
        ]
        assert "bob@example.org (customer)" in page
    assert "Suspended by" not in page
    change_status(organization_id=acme.id, status=Organization.Status.SUSPENDED, by=actor(SUPERADMIN))
    assert "staff: an order of its owner does not make it active again" in root.get(address).content.decode()
    with nothing_changes():
        assert noor.get(address).status_code == 403
        assert root.post(address, {"name": "Other"}).status_code == 403
