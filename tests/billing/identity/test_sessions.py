"""Sessions: rotation, the minute of grace, reuse, races, and the end of a role."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from billing.actor import ANONYMOUS, STAFF_ROLES, Actor
from billing.errors import InvalidRefreshToken
from billing.models import AuditEntry, RefreshToken, User
from billing.use_cases.assign_role import assign_role
from billing.use_cases.identity.end_sessions import sign_out_everywhere
from billing.use_cases.identity.sessions import Tokens, end_session, open_session, refresh_session
from tests.console import create_user
from tests.contract.api_client import Caller
from tests.factories import ADDRESS, UserFactory, actor

pytestmark = pytest.mark.django_db

SOMEBODY = Actor(user_id=ANONYMOUS, role=ANONYMOUS, channel="api", address=ADDRESS)


@pytest.fixture
def ada() -> User:
    return UserFactory.create(email="ada@example.org")


@pytest.fixture
def noor() -> User:
    user = UserFactory.create(email="noor@example.org", is_staff=True)
    user.groups.add(Group.objects.get(name="superadmin"))
    return user


def refreshed(token: str, *, after: float = 0) -> Tokens:
    return refresh_session(token=token, by=SOMEBODY, now=timezone.now() + timedelta(seconds=after))


def assert_refused(token: str, *, after: float = 0) -> None:
    with pytest.raises(InvalidRefreshToken):
        refreshed(token, after=after)


def test_only_hashes_are_stored(ada: User) -> None:
    tokens = open_session(user=ada, method="code")
    assert tokens.refresh not in str(RefreshToken.objects.values())


def test_a_token_is_valid_for_thirty_days(ada: User) -> None:
    tokens = open_session(user=ada, method="code")
    assert_refused(tokens.refresh, after=30 * 24 * 3600 + 1)
    assert refreshed(tokens.refresh, after=30 * 24 * 3600 - 10)


def test_each_rotation_begins_thirty_days_anew(ada: User) -> None:
    tokens = open_session(user=ada, method="code")
    newer = refreshed(tokens.refresh, after=29 * 24 * 3600)
    assert refreshed(newer.refresh, after=58 * 24 * 3600)


def test_reuse_after_the_minute_is_refused_and_recorded(ada: User) -> None:
    tokens = open_session(user=ada, method="code")
    newer = refreshed(tokens.refresh)
    assert refreshed(tokens.refresh, after=59)
    assert_refused(tokens.refresh, after=61)
    entry = AuditEntry.objects.get(action="refresh_token.reused")
    assert (entry.object_id, entry.address) == (str(ada.pk), ADDRESS)
    # The other front end of a customer keeps its session.
    assert refreshed(newer.refresh, after=62)


def test_reuse_ends_a_session_of_staff(noor: User) -> None:
    tokens = open_session(user=noor, method="password")
    newer = refreshed(tokens.refresh)
    assert_refused(tokens.refresh, after=61)
    assert_refused(newer.refresh, after=62)


def test_a_used_token_brings_nothing_after_signing_out(ada: User) -> None:
    tokens = open_session(user=ada, method="code")
    newer = refreshed(tokens.refresh)
    end_session(token=newer.refresh, by=SOMEBODY)
    assert_refused(tokens.refresh)
    assert_refused(newer.refresh)
    assert AuditEntry.objects.filter(action="user.signed_out").count() == 1


def test_a_deactivated_user_gets_no_token(ada: User) -> None:
    tokens = open_session(user=ada, method="code")
    User.objects.update(is_active=False)
    assert_refused(tokens.refresh)


def test_each_refresh_brings_the_present_role(ada: User) -> None:
    tokens = open_session(user=ada, method="provider")
    assert tokens.role == "customer"
    assign_role(user=ada, role="auditor", by=actor(), reason="a new colleague")
    assert refreshed(tokens.refresh).role == "auditor"


def test_a_mailed_code_never_brings_a_staff_role(noor: User) -> None:
    tokens = open_session(user=noor, method="code")
    assert (tokens.role, refreshed(tokens.refresh).role) == ("customer", "customer")


def test_a_role_that_is_taken_away_ends_tokens_and_sessions_at_once(noor: User, client: Any) -> None:
    tokens = open_session(user=noor, method="password")
    client.force_login(noor)
    caller = Caller(headers={"Authorization": f"Bearer {tokens.access}"})
    assert caller.get("billing/admin/settings").status == 200
    assert client.get("/admin/").status_code == 200
    assign_role(user=noor, role="customer", by=actor(), reason="left the team")
    answer = caller.get("billing/admin/settings")
    assert (answer.status, answer.code) == (401, "invalid_token")
    assert client.get("/admin/").status_code == 302
    assert_refused(tokens.refresh)


@pytest.mark.parametrize("role", STAFF_ROLES)
def test_every_role_that_is_taken_away_ends_the_sessions(client: Any, role: str) -> None:
    sara = create_user(role)
    tokens = open_session(user=sara, method="password")
    client.force_login(sara)
    assert client.get("/admin/").status_code == 200
    assign_role(user=sara, role="customer", by=actor(), reason="left the team")
    assert client.get("/admin/").status_code == 302
    assert_refused(tokens.refresh)


def test_a_weaker_role_ends_them_too(noor: User) -> None:
    tokens = open_session(user=noor, method="password")
    assign_role(user=noor, role="auditor", by=actor(), reason="another team")
    assert_refused(tokens.refresh)


def test_ending_all_sessions_ends_those_of_the_pages(ada: User, client: Any) -> None:
    client.force_login(ada)
    assert client.get("/api/billing/balance").status_code == 200
    sign_out_everywhere(user=ada, by=actor())
    assert AuditEntry.objects.get().action == "user.signed_out_everywhere"
    assert client.get("/api/billing/balance").status_code == 401
