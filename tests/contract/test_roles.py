"""Who may do what: each role and nobody, at each endpoint, by token and by session."""

from collections.abc import Callable

import pytest

from billing.actor import CUSTOMER
from billing.models import Organization, Subscription
from tests.factories import PromoCodeFactory
from tests.snapshot import nothing_changes

from .calling import Answer, Caller, by_session, by_token, nobody
from .conftest import open_shop, tenant_of
from .endpoints import ENDPOINTS, NOBODY, PUBLIC, Endpoint
from .shapes import assert_refused

# Rolled back with the test: what is refused here is refused before any statement that the database could refuse.
pytestmark = pytest.mark.django_db

CALLERS: dict[str, Callable[[str], Caller]] = {"token": by_token, "session": by_session}


def subscribed(caller: Caller) -> str:
    """The organization of this caller, which is subscribed to something already."""
    tenant = tenant_of(caller, f"of-{caller.role}")
    caller.post("billing/checkout", {"tenant_id": tenant, "plan_id": "flexi"})
    assert Subscription.objects.filter(organization_id=tenant).exists()
    return tenant


def call(caller: Caller, endpoint: Endpoint, *, tenant: str) -> Answer:
    facts = {"tenant": tenant, "code": f"FOR-{caller.role or NOBODY}".upper(), "slug": f"new-{caller.role or NOBODY}"}
    return caller.call(endpoint.method, endpoint.path_with(**facts), endpoint.body_with(**facts))


@pytest.mark.parametrize("way", CALLERS)
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_each_role_may_what_the_contract_says(db: None, endpoint: Endpoint, way: str) -> None:
    open_shop()
    for role in sorted(PUBLIC):
        caller = nobody() if role == NOBODY else CALLERS[way](role)
        PromoCodeFactory.create(code=f"FOR-{role}".upper(), max_redemptions=2)
        tenant = (
            subscribed(caller) if role != NOBODY else str(Organization.objects.values_list("id", flat=True).first())
        )
        if role in endpoint.may:
            answer = call(caller, endpoint, tenant=tenant)
            assert answer.status == endpoint.status, f"{role}: {answer.content!r}"
            continue
        with nothing_changes():
            answer = call(caller, endpoint, tenant=tenant)
        if role == NOBODY:
            assert_refused(answer, 401, "not_authenticated")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        else:
            assert_refused(answer, 403, "permission_denied", "your role does not allow this")


@pytest.mark.parametrize("endpoint", [each for each in ENDPOINTS if each.method != "GET"], ids=str)
def test_a_session_changes_nothing_without_the_csrf_token(db: None, endpoint: Endpoint) -> None:
    open_shop()
    caller = by_session("superadmin", csrf=False)
    PromoCodeFactory.create(code="FOR-SUPERADMIN", max_redemptions=2)
    tenant = tenant_of(caller, "mine")
    with nothing_changes():
        answer = call(caller, endpoint, tenant=tenant)
    if endpoint.may == PUBLIC:
        assert answer.status == endpoint.status
    else:
        assert_refused(answer, 403, "csrf_failed")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_a_trailing_slash_makes_no_difference(db: None, endpoint: Endpoint) -> None:
    open_shop()
    caller = by_token("superadmin")
    PromoCodeFactory.create(code="FOR-SUPERADMIN", max_redemptions=2)
    tenant = subscribed(caller)
    slashed = Endpoint(method=endpoint.method, path=f"{endpoint.path}/", may=endpoint.may, body=endpoint.body)
    assert call(caller, slashed, tenant=tenant).status == endpoint.status


@pytest.mark.parametrize("role", ["", "admin", "SUPERADMIN", "superadmin ", "system", "anything"])
def test_an_unknown_role_is_a_customer(role: str) -> None:
    caller = by_token(role, "somebody")
    assert caller.get("billing/balance").status == 200
    for path in ("billing/vouchers/list", "billing/admin/orders", "billing/admin/revenue"):
        assert_refused(caller.get(path), 403, "permission_denied")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_stands_at_the_root_and_asks_for_no_identity(anybody: Caller, path: str) -> None:
    assert anybody.get(path).status == 200
    assert by_token(CUSTOMER).get(path).status == 200
    assert_refused(anybody.get(path[1:]), 404, "not_found")
