"""Attacks by the form of a request: redirects, hosts, origins, forged forms, sizes, and JSON that is none."""

from urllib.parse import quote

import pytest
from django.test import Client

from tests.billing.identity.oidc_provider import ORIGIN, REDIRECT, OidcProvider, provider
from tests.contract.api_client import by_session
from tests.journeys.front_end import JSON, FrontEnd
from tests.journeys.people import PASSWORD, Deployment, current_code, member_of_staff

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["provider"]

LIMIT = 256 * 1024

ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example",
    "https:evil.example",
    "https:///evil.example",
    f"{ORIGIN}@evil.example/",
    f"{ORIGIN}.evil.example/",
    f"{ORIGIN}\\@evil.example/",
    f"{ORIGIN}%40evil.example/",
    f"{ORIGIN}:443@evil.example/",
    "javascript:alert(1)//https://shop.example.om",
    "data:text/html,x",
    f"evil:{ORIGIN}",
    f" {ORIGIN}/",
    "http://shop.example.om/",
    f"{ORIGIN}/#@evil.example",
    "https://shop.example.om\u3002evil.example/",
    "https://sh\u043ep.example.om/",
    "",
]


@pytest.mark.parametrize("redirect", ELSEWHERE)
def test_no_sign_in_leads_elsewhere(deployment: Deployment, provider: OidcProvider, redirect: str) -> None:
    front_end = deployment.front_end()
    assert front_end.get(f"auth/google?redirect_uri={quote(REDIRECT)}").status == 200
    assert front_end.get(f"auth/google?redirect_uri={quote(redirect, safe='')}").status == 400
    refused = front_end.post("auth/google/callback", {"code": "x", "redirect_uri": redirect})
    assert refused.status == 400


# tests/billing/identity/test_pages.py has the same for customers.
@pytest.mark.parametrize("redirect", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"])
def test_signing_in_leads_no_member_of_staff_elsewhere(redirect: str) -> None:
    member_of_staff("superadmin")
    client = Client()
    form = {"username": "superadmin", "password": PASSWORD, "otp": current_code(), "next": redirect}
    signed_in = client.post(f"/admin/login/?next={quote(redirect)}", form)
    assert (signed_in.status_code, signed_in.headers["Location"]) == (302, "/admin/")
    # The page leads on at once where somebody is signed in already.
    again = client.get(f"/admin/login/?next={quote(redirect)}")
    assert (again.status_code, again.headers["Location"]) == (302, "/admin/")


@pytest.mark.parametrize(
    "host", ["evil.example", "testserver.evil.example", "testserver@evil.example", "a b", "x:99999"]
)
def test_a_foreign_host_is_refused(catalog: None, host: str) -> None:
    client = Client(raise_request_exception=False)
    answer = client.get("/api/catalog/plans", headers={"Host": host})
    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_request"
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_a_forwarded_host_is_not_believed(catalog: None, deployment: Deployment) -> None:
    headers = {"X_Forwarded_Host": "evil.example", "Forwarded": "host=evil.example", "X_Host": "evil.example"}
    answer = deployment.front_end().get("catalog/plans?limit=1", **headers)
    assert answer.status == 200
    assert "evil.example" not in answer.headers["Link"]


def test_a_forged_form_of_another_site_changes_nothing(catalog: None) -> None:
    victim = by_session("customer", "ada", csrf=False)
    for path in ("tenant/orgs", "billing/checkout", "billing/vouchers/redeem", "auth/logout-all"):
        answer = victim.post(path, {"slug": "evil-org", "name": "Evil"}, Origin="https://evil.example")
        assert (answer.status, answer.code) == (403, "csrf_failed"), path
    # A form of a browser cannot even send JSON without a preflight.
    bob = by_session("customer", "bob")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert bob.send("POST", "tenant/orgs", b"{}", content_type=kind).status == 415


def test_no_page_of_another_origin_may_read(catalog: None, deployment: Deployment) -> None:
    for origin in ("https://evil.example", "null"):
        answer = deployment.front_end().get("catalog/plans", Origin=origin)
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


PUBLIC = ("auth/magic-link", "auth/verify", "auth/login", "auth/refresh", "auth/logout", "auth/google/callback")
SIGNED_IN = ("tenant/orgs", "billing/checkout", "billing/checkout/quote", "billing/vouchers/redeem", "domain/byod")
BAD_JSON = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"5",
    b"NaN",
    b'{"a": NaN}',
    b'{"a": Infinity}',
    b'{"a": 1e999999}',
    b"\xff\xfe{}",
    b'{"a": "\xff"}',
    b'{"email": "\\ud800", "slug": "\\ud800", "code": "\\ud800"}',
    b'{"email": "a\\u0000b@example.org"}',
    b"[" * 100_000,
    b'{"a":' * 20_000,
    b'{"a": ' + b"9" * 100_000 + b"}",
    b"{} {}",
    b"<xml/>",
]


@pytest.mark.parametrize("body", BAD_JSON, ids=range(len(BAD_JSON)))
def test_what_is_no_valid_body_is_a_400(catalog: None, deployment: Deployment, body: bytes) -> None:
    anybody, ada = deployment.front_end(), deployment.customer("ada@example.org")
    for front_end, paths in ((anybody, PUBLIC), (ada, SIGNED_IN)):
        for path in paths:
            answer = front_end.post(path, body)
            # Without a provider the callback does not exist.
            expected = {404} if path == "auth/google/callback" else set()
            assert answer.status in {400, *expected}, (path, answer)
            assert set(answer.body) <= {"error", "code", "fields"}
            assert "Traceback" not in str(answer.body)


@pytest.mark.parametrize("path", [*PUBLIC, *SIGNED_IN, "billing/vouchers/issue"])
def test_a_body_past_the_limit_is_a_413(catalog: None, deployment: Deployment, root: FrontEnd, path: str) -> None:
    answer = root.post(path, b'{"a": "' + b"x" * LIMIT + b'"}')
    assert (answer.status, answer.code) in [(413, "payload_too_large"), (404, "not_configured")], answer


@pytest.mark.parametrize(
    "path",
    [
        "tenant/orgs/../admin/tenants",
        "tenant/orgs/%2e%2e/admin",
        "tenant/orgs/%00",
        "tenant/orgs/" + "a" * 5_000,
        "tenant/check-slug/%F0%9F%98%80",
        "provisioning/jobs?tenant_id=%00",
        "provisioning/jobs?tenant_id=' OR 1=1",
        "billing/invoices?cursor=AAAA&limit=-1",
        "tenant/orgs?limit=1e9",
        "tenant/orgs?cursor=%F0%9F%98%80",
    ],
)
def test_no_address_crashes_the_service(catalog: None, deployment: Deployment, path: str) -> None:
    answer = deployment.customer("ada@example.org").get(path)
    assert answer.status < 500
    assert answer.headers["Content-Type"].startswith(JSON)
    if answer.status >= 400:
        assert {"error", "code"} <= set(answer.body)


@pytest.mark.parametrize("key", ["", " ", "x" * 300, "a\tb", "\u00e9"])
def test_a_strange_idempotency_key_is_refused_or_works(catalog: None, deployment: Deployment, key: str) -> None:
    ada = deployment.customer("ada@example.org")
    answer = ada.post("billing/vouchers/redeem", {"code": "NEVER"}, Idempotency_Key=key)
    assert answer.status == 400
