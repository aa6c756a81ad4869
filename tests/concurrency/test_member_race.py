"""One membership for a person, whatever arrives at once: invitations, first sign-ins, removals, a deletion."""

from collections.abc import Callable
from functools import partial

import pytest
from pytest_django import Settings

from billing.actor import CUSTOMER, Actor
from billing.errors import AlreadyMember, MemberNotFound, OrganizationNotFound, OrganizationRoleTooLow
from billing.models import AuditEntry, Customer, Organization, OrganizationMember
from billing.organization_roles import Act, OrganizationRole
from billing.use_cases.organizations.authorize_act import authorize_act
from billing.use_cases.organizations.bind_invitations import bind_invitations
from billing.use_cases.organizations.create_organization import create_organization
from billing.use_cases.organizations.remove_member import remove_member
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.organizations.invite_member import invite_member
from tests.concurrency.threads import ThreadGroup, race
from tests.factories import OrganizationFactory, acting, actor

ROUNDS = 10
EVE = actor(CUSTOMER, user_id="eve")
ADDRESS = "eve@example.org"

pytestmark = pytest.mark.django_db(transaction=True)


def inviting(organization: Organization, by: Actor | None = None) -> Callable[[], object]:
    return partial(
        invite_member,
        organization_id=organization.id,
        email=ADDRESS,
        role=OrganizationRole.MEMBER,
        by=by or acting(organization.customer),
    )


def test_invitations_of_one_address_at_once_make_one_member_and_one_mail() -> None:
    with ThreadGroup(8) as threads:
        for _ in range(ROUNDS):
            organization = OrganizationFactory.create()

            outcome = threads.race([inviting(organization)] * 8)

            assert outcome.refusals == {AlreadyMember: 7}
            [member] = OrganizationMember.objects.filter(organization=organization)
            assert member == outcome.values[0]
            assert AuditEntry.objects.filter(object_id=organization.id).count() == 1


def test_first_sign_ins_of_one_person_at_once_bind_each_invitation_once() -> None:
    with ThreadGroup(8) as threads:
        for _ in range(ROUNDS):
            Customer.objects.filter(user_id="eve").update(user_id=f"eve-{_}", email="")
            organizations = OrganizationFactory.create_batch(3)
            for organization in organizations:
                inviting(organization)()

            outcome = threads.race([partial(bind_invitations, by=EVE)] * 8)

            assert sorted(outcome.values) == [0] * 7 + [3]
            members = OrganizationMember.objects.filter(organization__in=organizations, customer__user_id="eve")
            assert members.count() == 3


def test_a_removal_and_a_first_sign_in_leave_no_member() -> None:
    with ThreadGroup(8) as threads:
        for number in range(ROUNDS):
            organization = OrganizationFactory.create()
            member = OrganizationMember.objects.create(organization=organization, email=ADDRESS, role="viewer")
            person = actor(CUSTOMER, user_id=f"eve-{number}", email=ADDRESS)
            removal = partial(
                remove_member,
                organization_id=organization.id,
                member=str(member.id),
                by=acting(organization.customer),
            )
            calls: list[Callable[[], object]] = [removal] * 4 + [partial(bind_invitations, by=person)] * 4

            assert threads.race(calls).refusals == {MemberNotFound: 3}

            assert not OrganizationMember.objects.filter(organization=organization).exists()
            with pytest.raises(OrganizationNotFound):
                authorize_act(organization_id=organization.id, by=person, act=Act.READ)


def test_an_invitation_and_a_first_sign_in_make_one_member() -> None:
    with ThreadGroup(8) as threads:
        for _ in range(ROUNDS):
            Customer.objects.filter(user_id="eve").update(user_id=f"gone-{_}", email="")
            organization = OrganizationFactory.create()
            calls: list[Callable[[], object]] = [inviting(organization)] * 4 + [partial(bind_invitations, by=EVE)] * 4

            assert threads.race(calls).refusals == {AlreadyMember: 3}

            bind_invitations(by=EVE)
            [member] = OrganizationMember.objects.filter(organization=organization)
            assert member.customer is not None and member.customer.user_id == "eve"


def test_an_admin_who_is_removed_meanwhile_invites_nobody_afterwards() -> None:
    with ThreadGroup(4) as threads:
        for number in range(ROUNDS):
            organization = OrganizationFactory.create()
            admin = OrganizationMember.objects.create(
                organization=organization, email=f"admin-{number}@example.org", role="admin"
            )
            person = actor(CUSTOMER, user_id=f"admin-{number}")
            bind_invitations(by=person)
            removal = partial(
                remove_member, organization_id=organization.id, member=str(admin.id), by=acting(organization.customer)
            )
            calls: list[Callable[[], object]] = [removal, *[inviting(organization, person)] * 3]

            outcome = threads.race(calls)

            assert outcome.refusals.keys() <= {AlreadyMember, OrganizationNotFound, OrganizationRoleTooLow}
            actions = list(
                AuditEntry.objects.filter(object_id=organization.id)
                .exclude(action="organization.member_joined")
                .order_by("id")
                .values_list("action", flat=True)
            )
            assert actions in (
                ["organization.member_removed"],
                ["organization.member_invited", "organization.member_removed"],
            )


def test_an_invitation_and_a_deletion_leave_no_open_invitation() -> None:
    with ThreadGroup(4) as threads:
        for _ in range(ROUNDS):
            organization = OrganizationFactory.create()
            deletion = partial(delete_organization, organization_id=organization.id, by=acting(organization.customer))
            calls: list[Callable[[], object]] = [deletion, *[inviting(organization)] * 3]

            assert threads.race(calls).refusals.keys() <= {AlreadyMember, OrganizationNotFound}

            assert not OrganizationMember.objects.filter(organization=organization).exists()


def test_the_number_of_organizations_is_exact_at_any_concurrency(settings: Settings) -> None:
    settings.MAX_ORGANIZATIONS = 3
    calls = [
        partial(create_organization, user_id="ada", email="ada@example.org", slug=f"shop-{number}", name="Shop")
        for number in range(8)
    ]
    assert len(race(calls).values) == 3
