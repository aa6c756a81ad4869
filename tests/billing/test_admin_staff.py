"""A superadmin gives roles in the console: one each, audited, and users cannot lock themselves out."""

from http import HTTPStatus
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from billing.actor import AUDITOR, CUSTOMER, SOVEREIGN_ADMIN, SUPERADMIN
from billing.models import AuditEntry, User
from billing.use_cases.assign_role import assign_role, role_of
from tests.console import (
    ADDRESS,
    NO_ROLE,
    SUPERUSER,
    Browser,
    client_of,
    console_actor,
    create_user,
    expected_audit_entry,
    form_errors,
    latest_audit_entry,
)
from tests.factories import UserFactory, actor
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db

ADD = "/admin/billing/user/add/"
WHY = "joins the voucher team"
PASSWORD = "nine-brass-lanterns"


@pytest.fixture
def sara(db: None) -> User:
    return create_user(SUPERADMIN)


@pytest.fixture
def client(sara: User) -> Browser:
    return client_of(sara)


def page_of(user: User) -> str:
    return reverse("admin:billing_user_change", args=[user.pk])


def form_of(user: User, **changed: str) -> dict[str, str]:
    kept = {"username": user.username, "email": user.email, "is_active": "on", "role": role_of(user), "reason": WHY}
    return {name: value for name, value in (kept | changed).items() if value}


def stored(user: User) -> User:
    return User.objects.get(pk=user.pk)


def new_member(**changed: str) -> dict[str, str]:
    given = {"username": "omar", "email": "omar@example.org", "role": SOVEREIGN_ADMIN, "usable_password": "true"}
    return given | {"password1": PASSWORD, "password2": PASSWORD, "reason": WHY} | changed


def test_a_new_member_of_staff_can_sign_in(client: Browser, sara: User) -> None:
    with only_changes("billing_user", "billing_user_groups", "billing_auditentry", "account_emailaddress"):
        client.submit(ADD, new_member())
    omar = User.objects.get(username="omar")
    assert (role_of(omar), omar.is_staff, omar.is_superuser) == (SOVEREIGN_ADMIN, True, False)
    given = AuditEntry.objects.get(action="user.role_changed")
    assert (given.object_id, given.reason) == (str(omar.pk), WHY)
    assert given.changes == {"role": [CUSTOMER, SOVEREIGN_ADMIN], "is_staff": [False, True]}
    created = AuditEntry.objects.get(action="user.created")
    assert created.changes == {"username": [None, "omar"], "email": [None, "omar@example.org"]}
    assert {entry.actor_id for entry in (given, created)} == {sara.sub}
    assert Browser().login(username="omar", password=PASSWORD)


BAD_MEMBERS: list[tuple[dict[str, str], list[str]]] = [
    ({"username": ""}, ["username"]),
    ({"username": "a b"}, ["username"]),
    ({"username": "a\0b"}, ["username"]),
    ({"username": SUPERADMIN}, ["username"]),
    ({"username": "x" * 151}, ["username"]),
    ({"email": "nobody"}, ["email"]),
    ({"email": "a\0b@example.org"}, ["email"]),
    ({"role": ""}, ["role"]),
    ({"role": "emperor"}, ["role"]),
    ({"role": "\0"}, ["role"]),
    ({"password2": "other"}, ["password2"]),
    ({"password1": "short", "password2": "short"}, ["password2"]),
    ({"reason": ""}, ["reason"]),
    ({"reason": "a\0b"}, ["reason"]),
]


@pytest.mark.parametrize(("given", "fields"), BAD_MEMBERS)
def test_a_bad_member_is_not_added(client: Browser, given: dict[str, str], fields: list[str]) -> None:
    with nothing_changes():
        answer = client.submit(ADD, new_member(**given))
    assert list(form_errors(answer)) == fields


@pytest.mark.parametrize("role", [SUPERADMIN, AUDITOR, CUSTOMER])
def test_a_superadmin_changes_a_role(client: Browser, sara: User, role: str) -> None:
    omar = create_user(SOVEREIGN_ADMIN)
    answer = client.submit(page_of(omar), form_of(omar, role=role))
    assert answer.status_code == HTTPStatus.FOUND
    assert (role_of(stored(omar)), stored(omar).is_staff) == (role, role != CUSTOMER)
    assert latest_audit_entry() == expected_audit_entry(sara, "user.role_changed", omar.pk, why=WHY)
    changes = {"role": [SOVEREIGN_ADMIN, role], "is_staff": [True, role != CUSTOMER]}
    assert AuditEntry.objects.get().changes == changes


def test_a_superuser_can_get_a_lower_role(client: Browser) -> None:
    root = create_user(SUPERUSER)
    client.submit(page_of(root), form_of(root, role=AUDITOR))
    assert (role_of(stored(root)), stored(root).is_superuser) == (AUDITOR, False)


def test_a_superuser_who_stays_superadmin_is_unchanged(client: Browser) -> None:
    root = create_user(SUPERUSER)
    with only_changes():
        client.submit(page_of(root), form_of(root))
    assert stored(root).is_superuser


def test_a_deactivated_member_is_signed_out(client: Browser, sara: User) -> None:
    omar = create_user(SOVEREIGN_ADMIN)
    theirs = client_of(omar)
    client.submit(page_of(omar), form_of(omar, is_active=""))
    assert latest_audit_entry() == expected_audit_entry(sara, "user.changed", omar.pk, why=WHY)
    assert AuditEntry.objects.get().changes == {"is_active": [True, False]}
    assert theirs.get(reverse("admin:index")).status_code == HTTPStatus.FOUND


def test_users_cannot_remove_their_own_role_or_access(client: Browser, sara: User) -> None:
    with nothing_changes():
        answer = client.submit(page_of(sara), form_of(sara, role=AUDITOR, is_active=""))
    assert form_errors(answer) == {
        "role": ["Only another superadmin can change your role."],
        "is_active": ["You cannot deactivate yourself."],
    }


def test_a_taken_name_is_an_error_of_its_field(client: Browser) -> None:
    omar, aisha = create_user(SOVEREIGN_ADMIN), create_user(AUDITOR)
    with nothing_changes():
        answer = client.submit(page_of(omar), form_of(omar, username=aisha.username))
    assert list(form_errors(answer)) == ["username"]


def test_a_name_taken_since_validation_is_a_form_error(client: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    omar, aisha = create_user(SOVEREIGN_ADMIN), create_user(AUDITOR)
    monkeypatch.setattr(User, "validate_unique", lambda *_, **__: None)
    monkeypatch.setattr(User, "validate_constraints", lambda *_, **__: None)
    with nothing_changes():
        answer = client.submit(page_of(omar), form_of(omar, username=aisha.username))
    said = "Someone else saved the same value while you were editing, so nothing was changed: try again."
    assert form_errors(answer) == {"__all__": [said]}


def test_a_new_password_is_audited_without_the_password(client: Browser, sara: User) -> None:
    omar = create_user(SOVEREIGN_ADMIN)
    address = reverse("admin:auth_user_password_change", args=[omar.pk])
    assert "Set a password" in client.get(address).content.decode()
    sent: dict[str, Any] = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    with only_changes("billing_user", "billing_auditentry", "django_session"):
        client.submit(address, {**sent, "set-password": "1"})
    assert stored(omar).check_password(PASSWORD)
    assert latest_audit_entry() == expected_audit_entry(sara, "user.changed", omar.pk, why="")
    assert AuditEntry.objects.get().changes == {"password": [None, "changed"]}


@pytest.mark.parametrize("key", ["0", "x", "9" * 30])
def test_an_unknown_user_is_handled(client: Browser, key: str) -> None:
    for name in ("billing_user_change", "auth_user_password_change"):
        status = client.get(reverse(f"admin:{name}", args=[key])).status_code
        assert status in (HTTPStatus.FOUND, HTTPStatus.NOT_FOUND)


def test_the_list_shows_staff_and_on_request_all_users(client: Browser, sara: User) -> None:
    customer = UserFactory.create()
    address = reverse("admin:billing_user_changelist")
    assert set(client.get(address).context["cl"].result_list) == {sara}
    assert set(client.get(address, {"kind": "all"}).context["cl"].result_list) == {sara, customer}


def test_the_history_of_a_user_is_in_the_audit_trail(client: Browser) -> None:
    omar = create_user(SOVEREIGN_ADMIN)
    client.submit(page_of(omar), form_of(omar, role=AUDITOR))
    found = client.get(reverse("admin:billing_user_history", args=[omar.pk]), follow=True)
    assert [entry.action for entry in found.context["cl"].result_list] == ["user.role_changed"]
    assert ADDRESS in found.content.decode()


def test_a_role_given_again_changes_nothing(sara: User) -> None:
    omar = create_user(SOVEREIGN_ADMIN)
    with nothing_changes():
        assign_role(user=omar, role=SOVEREIGN_ADMIN, by=console_actor(sara), reason=WHY)


def test_a_role_that_does_not_exist_cannot_be_given() -> None:
    omar = create_user(SOVEREIGN_ADMIN)
    with nothing_changes(), pytest.raises(ValueError, match="emperor"):
        assign_role(user=omar, role="emperor", by=actor(), reason=WHY)


def test_staff_without_a_role_lose_their_access_when_saved(client: Browser) -> None:
    nobody = create_user(NO_ROLE)
    client.submit(page_of(nobody), form_of(nobody))
    assert not stored(nobody).is_staff


def test_a_new_role_replaces_all_others() -> None:
    both = create_user(SOVEREIGN_ADMIN)
    both.groups.add(Group.objects.get(name=AUDITOR))
    assign_role(user=both, role=SOVEREIGN_ADMIN, by=actor(), reason=WHY)
    assert {group.name for group in both.groups.all()} == {SOVEREIGN_ADMIN}
