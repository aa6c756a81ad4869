"""If several errors apply, the first of this order is returned: 401, 403, 404, 413 and 415, 400, then state."""

from typing import Any
from uuid import uuid4

import pytest

from billing.models import Customer
from tests.contract.endpoint import ANONYMOUS, Endpoint
from tests.factories import PromoCodeFactory, give_credit
from tests.snapshot import nothing_changes

from .api_client import JSON, Answer, Caller
from .conftest import Checkout, tenant_of
from .endpoints import ENDPOINTS, WITH_BODY
from .json_shapes import assert_refused

pytestmark = pytest.mark.django_db(transaction=True)

TOO_LARGE = '{"code":"' + "x" * (256 * 1024) + '"}'
FORM = "application/x-www-form-urlencoded"
# Body, content type, and the error for it if no earlier error applies.
BAD_BODIES: dict[str, tuple[str | bytes, str, int, str]] = {
    "too large": (TOO_LARGE, JSON, 413, "payload_too_large"),
    "too large and no JSON": ("x" * (256 * 1024 + 1), JSON, 413, "payload_too_large"),
    "a form": ("code=GIFT", FORM, 415, "unsupported_media_type"),
    "a text": ('{"code":"GIFT"}', "text/plain", 415, "unsupported_media_type"),
    "in UTF-16": (
        '{"code":"GIFT"}'.encode("utf-16"),
        "application/json; charset=utf-16",
        415,
        "unsupported_media_type",
    ),
    "malformed": ("{", JSON, 400, "malformed_json"),
    "invalid": ("{}", JSON, 400, "invalid_request"),
    "no object": ("[]", JSON, 400, "invalid_request"),
}
PROTECTED = [each for each in WITH_BODY if ANONYMOUS not in each.roles]
STAFF_ONLY = [each for each in PROTECTED if "customer" not in each.roles]


def send(caller: Caller, endpoint: Endpoint, bad: str, tenant: str = "x") -> Answer:
    body, content_type, _, _ = BAD_BODIES[bad]
    return caller.send(endpoint.method, endpoint.path_with(tenant=tenant), body, content_type=content_type)


@pytest.mark.parametrize("endpoint", PROTECTED, ids=str)
def test_identity_comes_before_the_body(anybody: Caller, endpoint: Endpoint) -> None:
    forged = Caller(headers={"Authorization": "Bearer a.b.c"})
    with nothing_changes():
        for bad in BAD_BODIES:
            assert_refused(send(anybody, endpoint, bad), 401, "not_authenticated")
            assert_refused(send(forged, endpoint, bad), 401, "invalid_token")


@pytest.mark.parametrize("endpoint", STAFF_ONLY, ids=str)
def test_the_role_comes_before_the_body(ada: Caller, salim: Caller, endpoint: Endpoint) -> None:
    with nothing_changes():
        for bad in BAD_BODIES:
            for caller in (ada,) if "auditor" in endpoint.roles else (ada, salim):
                assert_refused(send(caller, endpoint, bad), 403, "permission_denied")


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=str)
def test_an_invalid_body_is_refused_with_its_own_error(
    shop: None, root: Caller, settings: Any, endpoint: Endpoint
) -> None:
    # Without a provider, its addresses are 404 before any body is read.
    settings.OIDC_ISSUER = "https://sign-in.example.om"
    tenant = tenant_of(root, "roots")
    root.post("billing/checkout", {"tenant_id": tenant, "plan_id": "flexi"})
    with nothing_changes():
        for bad, (_, _, status, code) in BAD_BODIES.items():
            if not (endpoint.requires_nothing and bad == "invalid"):
                assert_refused(send(root, endpoint, bad, tenant), status, code)


def test_a_body_of_just_256_kib_is_read(anybody: Caller) -> None:
    filled = '{"code":"GIFT","x":"' + "x" * (256 * 1024 - 22) + '"}'
    assert len(filled) == 256 * 1024
    assert_refused(anybody.post("billing/vouchers/redeem-preview", filled), 404, "promo_not_found")
    assert_refused(anybody.post("billing/vouchers/redeem-preview", filled + " "), 413, "payload_too_large")


WITH_ID = [each for each in ENDPOINTS if "{" in each.path and ANONYMOUS not in each.roles]
NO_SUCH = ["nonsense", "5", "%F0%9F%98%80", str(uuid4())]


@pytest.mark.parametrize("endpoint", WITH_ID, ids=str)
def test_identity_and_role_come_before_not_found(
    anybody: Caller, ada: Caller, root: Caller, endpoint: Endpoint
) -> None:
    with nothing_changes():
        for wrong in NO_SUCH:
            path = endpoint.path.format(tenant=wrong, code=wrong)
            assert_refused(anybody.call(endpoint.method, path), 401, "not_authenticated")
            if "customer" not in endpoint.roles:
                assert_refused(ada.call(endpoint.method, path), 403, "permission_denied")
            answer = root.call(endpoint.method, path)
            if "invoices" not in path:
                assert answer.status == 404, answer.content
                assert answer.code.endswith("_not_found")


BAD_CHECKOUTS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "a field": ({"plan_id": 5}, {}),
    "a plan": ({"plan_id": "nope"}, {}),
    "a code": ({"promo_code": "NEVER"}, {}),
    "the key": ({}, {"Idempotency_Key": "K" * 256}),
    "a missing field": ({"plan_id": None}, {}),
    "all": ({"plan_id": [], "apps": 1, "addons": {}, "promo_code": 1}, {"Idempotency_Key": "K" * 256}),
}


@pytest.mark.parametrize("wrong", BAD_CHECKOUTS)
def test_ownership_comes_before_other_errors_of_a_checkout(ada: Caller, bobs: str, wrong: str) -> None:
    body, headers = BAD_CHECKOUTS[wrong]
    with nothing_changes():
        for tenant in (bobs, str(uuid4())):
            answer = ada.post("billing/checkout", {"tenant_id": tenant, "plan_id": "m", **body}, **headers)
            assert_refused(answer, 404, "tenant_not_found")


@pytest.mark.parametrize("bad", ["too large", "a form", "malformed"])
def test_the_body_comes_before_the_key(ada: Caller, bad: str) -> None:
    body, content_type, status, code = BAD_BODIES[bad]
    answer = ada.send("POST", "billing/checkout", body, content_type=content_type, Idempotency_Key="K" * 256)
    assert_refused(answer, status, code)


def test_invalid_input_comes_before_the_state(checkout: Checkout, ada: Caller, noor: Caller, acme: str) -> None:
    give_credit(Customer.objects.get(), 9_000)
    PromoCodeFactory.create(code="GIFT", max_redemptions=2)
    checkout(promo_code="GIFT")
    with nothing_changes():
        assert_refused(checkout(promo_code="NEVER"), 400, "promo_not_found")
        assert_refused(checkout(apps=["nope"]), 400, "unknown_app")
        assert_refused(checkout(plan_id="xl", promo_code="NEVER"), 400, "promo_not_found")
        assert_refused(checkout(), 409, "already_subscribed")
        lowered = {"code": "GIFT", "credit_omr": 0, "max_redemptions": 1}
        assert_refused(noor.post("billing/vouchers/issue", lowered), 400, "invalid_request")
        taken = {"slug": "acme", "name": "A", "plan_id": "nope"}
        assert_refused(ada.post("tenant/orgs", taken), 400, "unknown_plan")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"])
def test_an_unknown_path_is_not_found_for_any_caller(anybody: Caller, root: Caller, method: str) -> None:
    for caller in (anybody, root):
        for path in (
            "nowhere",
            "billing",
            "billing/vouchers",
            "billing/vouchers/revoke/",
            "",
            "catalog/plans/m",
            "//",
        ):
            assert_refused(caller.call(method, f"/api/{path}"), 404, "not_found")


def test_every_get_endpoint_answers_head(root: Caller) -> None:
    for endpoint in ENDPOINTS:
        if endpoint.method == "GET":
            path = endpoint.path_with(tenant=str(uuid4()), code="NEVER", slug="new")
            whole, headers = root.get(path), root.call("HEAD", path)
            assert (headers.status, headers.content) == (whole.status, b"")
            assert headers.headers["Content-Type"] == whole.headers["Content-Type"]


ADDRESSES = sorted({each.path for each in ENDPOINTS})


@pytest.mark.parametrize("path", ADDRESSES)
def test_another_method_is_refused_with_the_list_of_allowed_ones(root: Caller, path: str) -> None:
    known = {each.method for each in ENDPOINTS if each.path == path}
    facts = {"tenant": str(uuid4()), "code": "NEVER", "slug": "never"}
    with nothing_changes():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - known:
            answer = root.call(method, path.format(**facts), {} if method in ("POST", "PUT", "PATCH") else None)
            assert_refused(answer, 405, "method_not_allowed")
            assert known <= {each.strip() for each in answer.headers["Allow"].split(",")}
