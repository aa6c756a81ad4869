"""The members of an organization: the owner, admins, members and viewers, and invitations by mail."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import AuditEntry, Customer, Organization, OrganizationMember
from orders.use_cases.mail.queue_mail import Mail
from orders.use_cases.mail.send_mail import send_mail
from tests.billing.api.conftest import bearer
from tests.factories import CustomerFactory, OrganizationFactory
from tests.orders.subscriptions.run_renewals import queued_jobs
from tests.snapshot import nothing_changes, only_changes

from .api_client import Answer, Caller, by_token
from .json_shapes import assert_refused, assert_shape
from .response_shapes import MEMBER, ORGANIZATION

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def path(acme: str) -> str:
    """The address of acme's members."""
    return f"tenant/orgs/{acme}/members"


def eve() -> Caller:
    return by_token("customer", "eve")


def invite(caller: Caller, path: str, user_id: str = "eve", **more: Any) -> Answer:
    return caller.post(path, {"email": f"{user_id}@example.org", **more})


def test_the_owner_is_listed(ada: Caller, acme: str, path: str) -> None:
    answer = ada.get(path)
    assert answer.status == 200
    assert_shape(answer.body, [MEMBER])
    [owner] = answer.body
    assert owner.pop("id") and owner.pop("joined_at")
    assert owner == {"tenant_id": acme, "user_id": "ada", "email": "ada@example.org", "role": "owner"}


def test_an_unknown_address_has_no_user_id_until_it_signs_in(ada: Caller, acme: str, path: str) -> None:
    with only_changes(
        "billing_organizationmember", "billing_auditentry", "procrastinate_jobs", "procrastinate_events"
    ):
        answer = invite(ada, path, role="viewer")
    assert answer.status == 201
    assert_shape(answer.body, MEMBER)
    assert {**answer.body, "id": "", "joined_at": ""} == {
        "id": "",
        "tenant_id": acme,
        "user_id": "",
        "email": "eve@example.org",
        "role": "viewer",
        "joined_at": "",
    }
    assert ada.get(path).body[1] == answer.body
    assert [each["id"] for each in eve().get("tenant/orgs").body] == [acme]
    bound = ada.get(path).body[1]
    assert bound == {**answer.body, "user_id": "eve"}


def test_the_default_role_is_member(ada: Caller, path: str) -> None:
    assert invite(ada, path).body["role"] == "member"


@pytest.mark.parametrize("role", ["admin", "member", "viewer"])
def test_a_known_customer_is_a_member_at_once(ada: Caller, path: str, role: str) -> None:
    CustomerFactory.create(user_id="eve")
    answer = ada.post(path, {"email": " EVE@Example.org ", "role": role})
    assert answer.status == 201
    assert (answer.body["user_id"], answer.body["email"], answer.body["role"]) == ("eve", "eve@example.org", role)


def test_an_address_of_two_customers_waits_for_the_one_who_signs_in(ada: Caller, path: str) -> None:
    for user_id in ("eve", "eve-2"):
        CustomerFactory.create(user_id=user_id, email="eve@example.org")
    assert invite(ada, path).body["user_id"] == ""
    eve().get("tenant/orgs")
    assert ada.get(path).body[1]["user_id"] == "eve"


@pytest.mark.parametrize("role", ["owner", "superadmin", ""])
def test_no_other_role_can_be_given(ada: Caller, path: str, role: str) -> None:
    with nothing_changes():
        answer = invite(ada, path, role=role)
        assert_refused(answer, 400, "invalid_request", "role: ")
        assert list(answer.body["fields"]) == ["role"]


def test_nobody_is_a_member_twice(ada: Caller, path: str) -> None:
    CustomerFactory.create(user_id="bob")
    for user_id in ("eve", "bob"):
        assert invite(ada, path, user_id).status == 201
    with nothing_changes():
        for user_id in ("eve", "EVE", "bob", "ada"):
            assert_refused(invite(ada, path, user_id, role="admin"), 409, "already_member")


def test_a_listed_member_sent_back_is_refused_as_a_member(ada: Caller, path: str) -> None:
    invite(ada, path)
    row = ada.get(path).body[1]
    assert_refused(ada.post(path, row), 409, "already_member")


def test_an_admin_invites_and_removes(ada: Caller, path: str) -> None:
    invite(ada, path, role="admin")
    assert invite(eve(), path, "carol").status == 201
    assert eve().delete(f"{path}/{ada.get(path).body[2]['id']}").body == {"status": "removed"}


def test_a_removed_member_finds_nothing_at_once(ada: Caller, acme: str, path: str) -> None:
    invite(ada, path, role="admin")
    assert eve().get(f"tenant/orgs/{acme}").status == 200
    answer = ada.delete(f"{path}/eve")
    assert (answer.status, answer.body) == (200, {"status": "removed"})
    assert eve().get("tenant/orgs").body == []
    for address in (f"tenant/orgs/{acme}", path):
        assert_refused(eve().get(address), 404, "tenant_not_found")
    assert_refused(ada.delete(f"{path}/eve"), 404, "member_not_found")
    # Only a new invitation brings the person back.
    assert invite(ada, path).body["user_id"] == "eve"


def test_an_invitation_is_withdrawn_by_its_id(ada: Caller, path: str) -> None:
    identity = invite(ada, path).body["id"]
    assert ada.delete(f"{path}/{identity}").body == {"status": "removed"}
    assert eve().get("tenant/orgs").body == []


def test_the_owner_stays(ada: Caller, acme: str, path: str) -> None:
    invite(ada, path, role="admin")
    with nothing_changes():
        for caller in (ada, eve()):
            for identity in ("ada", ada.get(path).body[0]["id"]):
                assert_refused(caller.delete(f"{path}/{identity}"), 403, "owner_not_removable")


def test_a_member_of_another_organization_is_not_removed(ada: Caller, bob: Caller, bobs: str, path: str) -> None:
    other = invite(bob, f"tenant/orgs/{bobs}/members").body["id"]
    with nothing_changes():
        for identity in (other, "eve", str(uuid4()), "a%2Fb"):
            assert_refused(ada.delete(f"{path}/{identity}"), 404, "member_not_found")


def test_a_user_id_with_a_slash_can_be_removed(ada: Caller, path: str) -> None:
    CustomerFactory.create(user_id="realm/eve", email="eve@example.org")
    invite(ada, path)
    assert ada.delete(f"{path}/realm%2Feve").body == {"status": "removed"}


def test_members_list_their_organizations_and_owners_theirs(ada: Caller, bob: Caller, acme: str, bobs: str) -> None:
    ada.post(f"tenant/orgs/{acme}/members", {"email": "bob@example.org", "role": "viewer"})
    listed = bob.get("tenant/orgs")
    assert_shape(listed.body, [ORGANIZATION])
    assert [each["id"] for each in listed.body] == [bobs, acme]
    assert [each["id"] for each in ada.get("tenant/orgs").body] == [acme]
    bob.delete(f"tenant/orgs/{bobs}")
    ada.delete(f"tenant/orgs/{acme}")
    assert bob.get("tenant/orgs").body == []


def test_deleting_an_organization_withdraws_its_invitations(ada: Caller, acme: str, path: str) -> None:
    CustomerFactory.create(user_id="bob")
    for user_id in ("eve", "bob"):
        invite(ada, path, user_id)
    ada.delete(f"tenant/orgs/{acme}")
    assert list(OrganizationMember.objects.values_list("email", flat=True)) == ["bob@example.org"]
    for caller in (ada, by_token("customer", "bob")):
        assert_refused(caller.get(path), 404, "tenant_not_found")


def test_every_change_of_members_is_recorded(ada: Caller, acme: str, path: str) -> None:
    invite(ada, path, role="admin")
    eve().get("tenant/orgs")
    ada.delete(f"{path}/eve")
    entries = AuditEntry.objects.filter(object_type="organization", object_id=acme).order_by("created_at")
    assert [(each.action, each.actor_id, each.channel, each.changes) for each in entries] == [
        ("organization.member_invited", "ada", "api", {"email": [None, "eve@example.org"], "role": [None, "admin"]}),
        ("organization.member_joined", "eve", "api", {"email": ["eve@example.org"] * 2, "role": [None, "admin"]}),
        (
            "organization.member_removed",
            "ada",
            "api",
            {"email": ["eve@example.org", None], "user_id": ["eve", None], "role": ["admin", None]},
        ),
    ]


def test_an_invitation_is_sent_by_mail(ada: Caller, acme: str, path: str) -> None:
    member = invite(ada, path, role="viewer").body["id"]
    [job] = queued_jobs("send_mail")
    assert job == {"mail": "invited", "subject_id": member, "event_id": ""}
    assert send_mail(mail=Mail.INVITED, subject_id=UUID(member))
    [message] = mail.outbox
    assert message.to == ["eve@example.org"]
    assert "Acme" in message.subject
    for text in ("Acme", "viewer", "eve@example.org"):
        assert text in message.body
    ada.delete(f"{path}/{member}")
    assert not send_mail(mail=Mail.INVITED, subject_id=UUID(member))


def test_members_are_read_page_by_page(ada: Caller, path: str) -> None:
    for number in range(4):
        invite(ada, path, f"person-{number}")
    whole = ada.get(path).body
    first = ada.get(f"{path}?limit=2")
    assert first.body == whole[:2]
    second = ada.get(first.headers["Link"].split("<http://testserver")[1].split(">")[0])
    assert second.body == whole[2:4]
    assert_refused(ada.get(f"{path}?limit=0"), 400, "invalid_limit")
    assert_refused(ada.get(f"{path}?cursor=x"), 400, "invalid_cursor")


def test_members_cost_two_queries_at_any_length(ada: Caller, path: str) -> None:
    for number in range(51):
        if number in (1, 50):
            with CaptureQueriesContext(connection) as queries:
                assert len(ada.get(path).body) == number + 1
            assert len(queries) == 2
        invite(ada, path, f"person-{number}")


@pytest.mark.parametrize("owns", [True, False])
def test_organizations_cost_three_queries_at_most_at_any_length(
    ada: Caller, shop: None, settings: Any, owns: bool
) -> None:
    settings.MAX_ORGANIZATIONS = 100
    app = ada.post("tenant/orgs", {"slug": "first", "name": "First", "apps": ["wordpress"]}).body["apps"]
    first = Organization.objects.get()
    other = CustomerFactory.create(user_id="other")
    for number in range(50):
        if number in (0, 49):
            with CaptureQueriesContext(connection) as queries:
                assert len(ada.get("tenant/orgs").body) == number + 1
            assert len(queries) <= 3
        more = OrganizationFactory.create(customer=first.customer if owns else other, apps=app)
        if not owns:
            OrganizationMember.objects.create(
                organization=more, customer=first.customer, email="ada@example.org", role="viewer"
            )


def test_the_number_of_members_is_limited(ada: Caller, path: str, settings: Any) -> None:
    settings.MAX_MEMBERS = 2
    for user_id in ("a", "b"):
        assert invite(ada, path, user_id).status == 201
    with nothing_changes():
        assert_refused(invite(ada, path, "c"), 409, "too_many_members")
    ada.delete(f"{path}/{ada.get(path).body[1]['id']}")
    assert invite(ada, path, "c").status == 201


def test_invitations_of_a_day_are_limited_over_all_organizations_of_an_owner(
    ada: Caller, bob: Caller, bobs: str, path: str, settings: Any
) -> None:
    settings.INVITATIONS_PER_DAY = 2
    second = ada.post("tenant/orgs", {"slug": "second", "name": "Second"}).body["id"]
    for address in (path, f"tenant/orgs/{second}/members"):
        assert invite(ada, address).status == 201
    ada.delete(f"{path}/{ada.get(path).body[1]['id']}")
    with nothing_changes():
        answer = invite(ada, path, "carol")
        assert_refused(answer, 429, "too_many_invitations")
        assert int(answer.headers["Retry-After"]) > 0
    assert invite(bob, f"tenant/orgs/{bobs}/members").status == 201


def test_an_invited_person_who_never_acted_becomes_a_customer(ada: Caller, acme: str, path: str) -> None:
    invite(ada, path)
    assert not Customer.objects.filter(user_id="eve").exists()
    assert eve().get(f"tenant/orgs/{acme}").status == 200
    assert Customer.objects.get(user_id="eve").email == "eve@example.org"


def test_an_unverified_address_binds_to_no_invitation_and_no_customer(ada: Caller, acme: str, path: str) -> None:
    invite(ada, path)
    claims = bearer(sub="mallory", email="eve@example.org", email_verified=False)
    mallory = Caller(user_id="mallory", role="customer", headers=claims)
    with nothing_changes():
        assert mallory.get("tenant/orgs").body == []
        assert_refused(mallory.get(path), 404, "tenant_not_found")
        assert_refused(invite(mallory, path, "carol"), 404, "tenant_not_found")
    assert mallory.post("tenant/orgs", {"slug": "mallory", "name": "M"}).status == 201
    assert Customer.objects.get(user_id="mallory").email == ""
    # The invitation waits for the person who has the address.
    assert [each["id"] for each in eve().get("tenant/orgs").body] == [acme]
