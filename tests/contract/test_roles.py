"""Each role, and an anonymous caller, may use exactly its endpoints, by token and by session."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace

import pytest
from pytest_django import DjangoDbBlocker

from billing.actor import CUSTOMER, STAFF_ROLES
from tests.contract.endpoint import ANONYMOUS, PUBLIC, Endpoint
from tests.database import restore_pristine
from tests.factories import PromoCodeFactory
from tests.snapshot import nothing_changes

from .api_client import Answer, Caller, anonymous_caller, by_session, by_token
from .conftest import open_shop, tenant_of
from .endpoints import ENDPOINTS
from .json_shapes import assert_refused

# Runs in a transaction that rolls back, since no refusal here comes from the database.
pytestmark = pytest.mark.django_db

WAYS: dict[str, Callable[[str], Caller]] = {"token": by_token, "session": by_session}
Member = tuple[Caller, str]
CODE = "WELCOME"


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[dict[str, list[Member]]]:
    """Return, for tokens and for sessions: a caller of every role with an organization, and an anonymous caller."""
    with django_db_blocker.unblock():
        open_shop()
        PromoCodeFactory.create(code=CODE)
        members = {way: [subscribed(enter(role), way) for role in STAFF] for way, enter in WAYS.items()}
    for those in members.values():
        those.append((anonymous_caller(), those[0][1]))
    yield members
    with django_db_blocker.unblock():
        restore_pristine()


STAFF = (*STAFF_ROLES, CUSTOMER)


# These need no identity, so no CSRF token either.
RECORD_ATTEMPTS = ("auth/magic-link", "auth/verify", "auth/login")


def subscribed(caller: Caller, way: str) -> Member:
    tenant = tenant_of(caller, f"{caller.role}-by-{way}")
    assert caller.post("billing/checkout", {"tenant_id": tenant, "plan_id": "flexi"}).status == 200
    return caller, tenant


def call(member: Member, endpoint: Endpoint, code: str = CODE) -> Answer:
    caller, tenant = member
    facts = {"tenant": tenant, "code": code, "slug": f"new-{caller.role or ANONYMOUS}"}
    return caller.call(endpoint.method, endpoint.path_with(**facts), endpoint.body_with(**facts))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_each_role_uses_exactly_its_endpoints(world: dict[str, list[Member]], endpoint: Endpoint, way: str) -> None:
    refused = [member for member in world[way] if (member[0].role or ANONYMOUS) not in endpoint.roles]
    with nothing_changes():
        for member in refused:
            answer = call(member, endpoint)
            if member[0].role:
                assert_refused(answer, 403, "permission_denied", "your role does not allow this")
            else:
                assert_refused(answer, 401, "not_authenticated")
                assert answer.headers["WWW-Authenticate"] == "Bearer"
    for member in world[way]:
        if member not in refused:
            PromoCodeFactory.create(code=CODE)
            answer = call(member, endpoint)
            assert answer.status == endpoint.status, f"{member[0].role}: {answer.content!r}"


def test_a_session_changes_nothing_without_the_csrf_token(world: dict[str, list[Member]]) -> None:
    caller, tenant = world["session"][0]
    without = replace(caller, headers={})
    for endpoint in ENDPOINTS:
        if endpoint.method == "GET":
            continue
        with nullcontext() if endpoint.path in RECORD_ATTEMPTS else nothing_changes():
            answer = call((without, tenant), endpoint)
        if endpoint.roles == PUBLIC:
            assert answer.status == endpoint.status
        else:
            assert_refused(answer, 403, "csrf_failed")


def test_a_trailing_slash_makes_no_difference(world: dict[str, list[Member]]) -> None:
    for number, endpoint in enumerate(sorted(ENDPOINTS, key=lambda each: each.method == "DELETE")):
        # Each endpoint gets a separate code: a customer redeems a code only once, with an order or without.
        code = PromoCodeFactory.create(code=f"{CODE}-{number}").code
        path, question, query = endpoint.path.partition("?")
        slashed = replace(endpoint, path=f"{path}/{question}{query}")
        assert call(world["token"][0], slashed, code).status == endpoint.status, str(endpoint)


@pytest.mark.parametrize("role", ["", "admin", "SUPERADMIN", "superadmin ", "system", "anything"])
def test_an_unknown_role_is_a_customer(role: str) -> None:
    caller = by_token(role, "somebody")
    assert caller.get("billing/balance").status == 200
    for path in ("billing/vouchers/list", "billing/admin/orders", "billing/admin/revenue"):
        assert_refused(caller.get(path), 403, "permission_denied")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_at_the_root_and_needs_no_identity(anybody: Caller, path: str) -> None:
    assert anybody.get(path).status == 200
    assert by_token(CUSTOMER).get(path).status == 200
    assert_refused(anybody.get(path[1:]), 404, "not_found")
