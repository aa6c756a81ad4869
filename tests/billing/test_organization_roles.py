"""The matrix of roles and acts inside an organization, and the function that every endpoint decides by."""

from typing import Any

import pytest
from django.db import transaction

from billing.actor import CUSTOMER, SUPERADMIN
from billing.errors import DomainError, OrganizationNotFound, OrganizationRoleTooLow
from billing.models import AuditEntry, Customer, Organization, OrganizationMember
from billing.organization_roles import LEAST_ROLES, Act, OrganizationRole, may
from billing.use_cases.organizations.authorize_act import authorize_act
from billing.use_cases.organizations.bind_invitations import bind_invitations
from orders.use_cases.organizations.delete_organization import delete_organization
from tests.factories import CustomerFactory, OrganizationFactory, acting, actor
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db

OWNER, ADMIN, MEMBER, VIEWER = OrganizationRole


@pytest.fixture
def acme() -> Organization:
    return OrganizationFactory.create(customer=CustomerFactory.create(user_id="owner"), slug="acme")


def join(organization: Organization, user_id: str, role: OrganizationRole) -> OrganizationMember:
    """Makes a customer a member."""
    customer = CustomerFactory.create(user_id=user_id)
    return OrganizationMember.objects.create(
        organization=organization, customer=customer, email=customer.email, role=role
    )


def invite(organization: Organization, email: str, role: OrganizationRole = MEMBER) -> OrganizationMember:
    return OrganizationMember.objects.create(organization=organization, email=email, role=role)


def outcome(organization: Organization, user_id: str, act: Act, **options: Any) -> type[DomainError] | None:
    try:
        authorize_act(organization_id=organization.id, by=actor(CUSTOMER, user_id=user_id), act=act, **options)
    except DomainError as error:
        return type(error)
    return None


def test_each_act_has_its_least_role() -> None:
    assert set(LEAST_ROLES) == set(Act)
    assert {act: [role.value for role in OrganizationRole if may(role, act)] for act in Act} == {
        Act.READ: ["owner", "admin", "member", "viewer"],
        Act.READ_MEMBERS: ["owner", "admin", "member", "viewer"],
        Act.READ_SUBSCRIPTION: ["owner", "admin", "member", "viewer"],
        Act.READ_PROVISIONING: ["owner", "admin", "member", "viewer"],
        Act.READ_APPS: ["owner", "admin", "member", "viewer"],
        Act.READ_DOMAINS: ["owner", "admin", "member", "viewer"],
        Act.START_PROVISIONING: ["owner", "admin", "member"],
        Act.READ_INVOICES: ["owner", "admin"],
        Act.RENAME: ["owner", "admin"],
        Act.CHANGE_MEMBERS: ["owner", "admin"],
        Act.CHANGE_APPS: ["owner", "admin"],
        Act.CHANGE_DOMAINS: ["owner", "admin"],
        Act.PAY: ["owner"],
        Act.CHANGE_SUBSCRIPTION: ["owner"],
        Act.OPEN_PORTAL: ["owner"],
        Act.DELETE: ["owner"],
    }


@pytest.mark.parametrize("act", Act)
def test_a_role_decides_each_act_and_a_stranger_finds_nothing(acme: Organization, act: Act) -> None:
    for role in (ADMIN, MEMBER, VIEWER):
        join(acme, role.value, role)
    CustomerFactory.create(user_id="stranger")
    with nothing_changes():
        for role in OrganizationRole:
            assert outcome(acme, role.value, act) == (None if may(role, act) else OrganizationRoleTooLow)
            assert outcome(acme, role.value, act, lock=True) == (None if may(role, act) else OrganizationRoleTooLow)
        for other in ("stranger", "never-seen"):
            assert outcome(acme, other, act) is OrganizationNotFound


def test_a_superadmin_without_a_role_inside_is_a_stranger(acme: Organization) -> None:
    with pytest.raises(OrganizationNotFound):
        authorize_act(organization_id=acme.id, by=actor(SUPERADMIN), act=Act.READ)


def test_a_deleted_organization_is_readable_for_its_owner_alone(acme: Organization) -> None:
    join(acme, "admin", ADMIN)
    delete_organization(organization_id=acme.id, by=acting(acme.customer))
    found = {act for act in Act if outcome(acme, "owner", act) is None}
    assert found == {Act.READ, Act.READ_SUBSCRIPTION, Act.READ_INVOICES, Act.DELETE}
    assert {outcome(acme, "admin", act) for act in Act} == {OrganizationNotFound}


def test_a_role_counts_as_it_is_now(acme: Organization) -> None:
    admin = join(acme, "admin", ADMIN)
    assert outcome(acme, "admin", Act.RENAME) is None
    OrganizationMember.objects.filter(pk=admin.pk).update(role="viewer")
    assert outcome(acme, "admin", Act.RENAME) is OrganizationRoleTooLow
    admin.delete()
    assert outcome(acme, "admin", Act.READ) is OrganizationNotFound


def test_an_invitation_is_bound_to_the_first_person_with_its_address(acme: Organization) -> None:
    invitation = invite(acme, "eve@example.org", ADMIN)
    eve = actor(CUSTOMER, user_id="eve")
    assert outcome(acme, "eve", Act.RENAME) is None
    invitation.refresh_from_db()
    assert invitation.customer == Customer.objects.get(user_id="eve")
    [joined] = AuditEntry.objects.filter(action="organization.member_joined")
    assert (joined.object_id, joined.actor_id, joined.changes) == (
        str(acme.id),
        "eve",
        {"email": ["eve@example.org"] * 2, "role": [None, "admin"]},
    )
    with nothing_changes():
        assert bind_invitations(by=eve) == 0
        # The address belongs to Eve now, and another user with it is a stranger.
        with pytest.raises(OrganizationNotFound):
            authorize_act(
                organization_id=acme.id,
                by=actor(CUSTOMER, user_id="eve-2", email="eve@example.org"),
                act=Act.READ,
            )


def test_an_address_is_compared_without_regard_to_case(acme: Organization) -> None:
    invite(acme, "eve@example.org")
    assert bind_invitations(by=actor(CUSTOMER, user_id="eve", email=" Eve@Example.ORG ")) == 1


def test_a_change_under_a_lock_binds_nothing(acme: Organization) -> None:
    invite(acme, "eve@example.org", ADMIN)
    with nothing_changes(), transaction.atomic():
        assert outcome(acme, "eve", Act.RENAME, lock=True) is None


def test_a_person_without_an_address_binds_nothing(acme: Organization) -> None:
    invite(acme, "eve@example.org")
    with nothing_changes():
        assert bind_invitations(by=actor(CUSTOMER, user_id="eve", email="")) == 0


@pytest.mark.parametrize("user_id", ["owner", "admin"])
def test_an_invitation_of_somebody_inside_is_removed(acme: Organization, user_id: str) -> None:
    join(acme, "admin", ADMIN)
    invitation = invite(acme, "other@example.org", VIEWER)
    assert bind_invitations(by=actor(CUSTOMER, user_id=user_id, email="other@example.org")) == 0
    assert not OrganizationMember.objects.filter(pk=invitation.pk).exists()
    assert AuditEntry.objects.filter(action="organization.invitation_ended", object_id=acme.id).count() == 1


def test_all_invitations_of_an_address_are_bound_at_once(acme: Organization) -> None:
    second = OrganizationFactory.create(slug="second")
    for organization in (acme, second):
        invite(organization, "eve@example.org")
    assert bind_invitations(by=actor(CUSTOMER, user_id="eve")) == 2
    assert OrganizationMember.objects.filter(customer__user_id="eve").count() == 2
