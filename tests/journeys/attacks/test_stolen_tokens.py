"""Attacks with stolen and forged tokens: rotation, the minute of grace, reuse, and roles that are taken away."""

import base64
import json
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.db.models import F

from billing.models import AuditEntry, RefreshToken, User
from billing.use_cases.assign_role import assign_role
from tests.factories import actor
from tests.journeys.front_end import FrontEnd
from tests.journeys.people import Deployment

pytestmark = pytest.mark.django_db(transaction=True)


def pass_seconds(seconds: int) -> None:
    """Let all rotations have been that long ago."""
    RefreshToken.objects.exclude(rotated_at=None).update(rotated_at=F("rotated_at") - timedelta(seconds=seconds))


def refresh(front_end: FrontEnd, token: str) -> Any:
    return front_end.post("auth/refresh", {"refresh_token": token})


@pytest.fixture
def ada(catalog: None, deployment: Deployment) -> FrontEnd:
    return deployment.customer("ada@example.org")


def test_a_token_is_rotated_by_each_use_and_answered_again_for_a_minute(ada: FrontEnd) -> None:
    first = ada.refresh_token
    tab, other_tab = refresh(ada, first), refresh(ada, first)
    assert (tab.status, other_tab.status) == (200, 200)
    assert len({first, tab.body["refresh_token"], other_tab.body["refresh_token"]}) == 3
    assert tab.body["user"] == other_tab.body["user"] == ada.user
    # Far from the minute's end, so that a slow machine does not cross it.
    pass_seconds(45)
    assert refresh(ada, first).status == 200
    pass_seconds(16)
    assert refresh(ada, first).status == 401


def test_a_thief_who_comes_late_gets_nothing_and_leaves_a_trace(ada: FrontEnd, deployment: Deployment) -> None:
    stolen = ada.refresh_token
    assert ada.refresh()
    pass_seconds(61)
    thief = deployment.front_end()
    assert refresh(thief, stolen).status == 401
    [entry] = AuditEntry.objects.filter(action="refresh_token.reused")
    assert (entry.object_type, entry.address) == ("user", "127.0.0.1")
    assert stolen not in str(entry.__dict__)


def test_an_owner_ends_a_theft_by_signing_out_everywhere(ada: FrontEnd, deployment: Deployment) -> None:
    thief = deployment.front_end()
    thief.keep(refresh(thief, ada.refresh_token))
    pass_seconds(61)
    # The owner's token was used by the thief, so the owner has to sign in again.
    assert not ada.refresh()
    ada.sign_in("ada@example.org")
    assert ada.post("auth/logout-all").status == 200
    assert refresh(thief, thief.refresh_token).status == 401
    # The thief's access token ends within the 15 minutes that it is valid for.
    assert claims_of(thief)["exp"] - claims_of(thief)["iat"] == 15 * 60


def claims_of(front_end: FrontEnd) -> dict[str, Any]:
    return dict(jwt.decode(front_end.token, options={"verify_signature": False}))


def test_reuse_ends_the_whole_family_of_a_member_of_staff(root: FrontEnd, deployment: Deployment) -> None:
    stolen = root.refresh_token
    thief = deployment.front_end()
    thief.keep(refresh(thief, stolen))
    assert thief.read("billing/admin/orders") == []
    pass_seconds(61)
    assert refresh(root, stolen).status == 401
    # The thief's newer token is of the same family, and its access token ends at once.
    assert refresh(thief, thief.refresh_token).status == 401
    thief.refresh_token = ""
    assert thief.get("billing/admin/orders").status == 401


def test_a_role_that_is_taken_away_counts_at_once_while_the_token_lives(root: FrontEnd) -> None:
    assert root.read("billing/admin/orders") == []
    assign_role(user=User.objects.get(sub=root.user["id"]), role="sovereign-admin", by=actor(), reason="moved")
    answer = root.call_once("GET", "billing/admin/orders")
    assert answer.status in (401, 403)
    assert not root.refresh()


def test_a_role_that_is_given_needs_more_than_a_mailed_code(ada: FrontEnd) -> None:
    assert ada.get("billing/admin/orders").status == 403
    assign_role(user=User.objects.get(sub=ada.user["id"]), role="superadmin", by=actor(), reason="a new colleague")
    assert ada.refresh()
    assert ada.user["role"] == "member"
    assert ada.get("billing/admin/orders").status == 403


def test_a_role_inside_an_organization_counts_at_once_while_the_token_lives(
    ada: FrontEnd, deployment: Deployment
) -> None:
    tenant = ada.post("tenant/orgs", {"slug": "ada-bakery", "name": "Bakery"}).body["id"]
    members = f"tenant/orgs/{tenant}/members"
    ada.post(members, {"email": "bob@example.org", "role": "admin"})
    bob = deployment.customer("bob@example.org")
    assert bob.put(f"tenant/orgs/{tenant}", {"name": "By Bob"}).status == 200
    assert ada.delete(f"{members}/{bob.user['id']}").status == 200
    assert bob.put(f"tenant/orgs/{tenant}", {"name": "Again"}).status == 404
    ada.post(members, {"email": "bob@example.org", "role": "viewer"})
    assert bob.put(f"tenant/orgs/{tenant}", {"name": "Again"}).status == 403
    assert bob.get(f"tenant/orgs/{tenant}").status == 200


def forged(claims: dict[str, Any], *, header: dict[str, Any], key: str = "") -> str:
    """Sign claims with another key or another header."""
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in (header, claims)]
    return f"{'.'.join(parts)}.{key}"


def test_a_forged_access_token_is_a_401_everywhere(ada: FrontEnd, deployment: Deployment) -> None:
    claims = claims_of(ada)
    forever = {name: value for name, value in claims.items() if name != "exp"}
    body, signature = ada.token.rsplit(".", 1)
    bad = {
        "none": forged(claims, header={"alg": "none", "typ": "JWT"}),
        "none, mixed case": forged(claims, header={"alg": "nOnE", "typ": "JWT"}),
        "unsigned": f"{body}.",
        "another key": jwt.encode(claims, "x" * 40, algorithm="HS256"),
        "another algorithm": jwt.encode(claims, settings.JWT_SECRET + "0" * 40, algorithm="HS512"),
        "no expiry": jwt.encode(forever, settings.JWT_SECRET, algorithm="HS256"),
        "expired": jwt.encode({**claims, "exp": int(time.time()) - 60}, settings.JWT_SECRET, algorithm="HS256"),
        "a promoted role": f"{forged({**claims, 'role': 'superadmin'}, header={'alg': 'HS256'})}{signature}",
        "a refresh token": ada.refresh_token,
        "nonsense": "a.b.c",
    }
    for why, token in bad.items():
        caller = deployment.front_end(token)
        for path in ("auth/me", "billing/balance", "tenant/orgs", "billing/admin/orders"):
            answer = caller.get(path)
            assert (answer.status, answer.code) == (401, "invalid_token"), why
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert ada.get("billing/balance").status == 200


@pytest.mark.parametrize("token", ["", "x" * 10_000, "\u0000", "null", 5, None, ["a"], {"a": 1}])
def test_no_refresh_token_crashes_the_service(deployment: Deployment, token: Any) -> None:
    front_end = deployment.front_end()
    assert front_end.post("auth/refresh", {"refresh_token": token}).status in (400, 401)
    assert front_end.post("auth/logout", {"refresh_token": token}).status in (200, 400)
