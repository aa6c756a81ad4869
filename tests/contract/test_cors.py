"""Pages of other origins may call the API only if a setting names their origin."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.config.test_settings import COMPLETE, read, refusal

from .api_client import Caller
from .api_process import api_process

pytestmark = pytest.mark.django_db(transaction=True)

SHOP, OTHER = "https://shop.example.om", "https://shop.example.om.evil.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


def allowed(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower().startswith("access-control-")}


def test_no_origin_is_allowed_unless_configured(shop: None, anybody: Caller) -> None:
    for answer in (
        anybody.get("catalog/plans", Origin=SHOP),
        anybody.call("OPTIONS", "billing/checkout", Origin=SHOP, **PREFLIGHT),
    ):
        assert allowed(answer.headers) == {}


def test_exactly_the_configured_origins_are_allowed(shop: None) -> None:
    with api_process(CORS_ALLOWED_ORIGINS=f"{SHOP}, http://localhost:5173") as process:
        for origin in (SHOP, "http://localhost:5173"):
            status, _, headers = process.call("GET", "/api/catalog/plans", headers={"Origin": origin})
            assert (status, allowed(headers)) == (
                200,
                {
                    "access-control-allow-origin": origin,
                    "access-control-expose-headers": "ETag, Link, Retry-After, X-Request-Id",
                },
            )
            assert "origin" in headers["Vary"].lower()
        for origin in (OTHER, "http://shop.example.om", "null", SHOP.upper(), "http://localhost:5174"):
            _, _, headers = process.call("GET", "/api/catalog/plans", headers={"Origin": origin})
            assert allowed(headers) == {}


@pytest.mark.parametrize(("prefix", "root"), [("api/", "/api/"), ("", "/")])
def test_errors_are_readable_for_the_page_as_well(shop: None, prefix: str, root: str) -> None:
    with api_process(CORS_ALLOWED_ORIGINS=SHOP, API_PREFIX=prefix) as process:
        for path, expected in (("billing/balance", 401), ("nowhere", 404), ("catalog/plans?x=%00", 400)):
            status, _, headers = process.call("GET", root + path, headers={"Origin": SHOP})
            assert (status, headers["access-control-allow-origin"]) == (expected, SHOP)
        # The service's own pages are not for pages of other origins.
        for page in ("/admin/", "/accounts/login/", "/checkout/success", "/redeem", "/account", "/"):
            _, _, headers = process.call("OPTIONS", page, headers={"Origin": SHOP, **PREFLIGHT})
            assert allowed(headers) == {}


def test_a_preflight_is_answered_before_anything_is_read(shop: None) -> None:
    with api_process(CORS_ALLOWED_ORIGINS=SHOP) as process:
        status, _, headers = process.call("OPTIONS", "/api/billing/checkout", headers={"Origin": SHOP, **PREFLIGHT})
    assert status == 200
    assert headers["access-control-allow-origin"] == SHOP
    assert headers["access-control-max-age"] == "86400"
    assert {"authorization", "idempotency-key", "if-none-match"} <= set(
        headers["access-control-allow-headers"].split(", ")
    )
    assert "access-control-allow-credentials" not in headers


def test_a_preflight_costs_no_query(settings: Any, anybody: Caller) -> None:
    settings.CORS_ALLOWED_ORIGINS = [SHOP]
    settings.MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware", *settings.MIDDLEWARE]
    with CaptureQueriesContext(connection) as queries:
        answer = anybody.call("OPTIONS", "billing/checkout", Origin=SHOP, **PREFLIGHT)
    assert (answer.status, len(queries)) == (200, 0)


def test_credentials_are_allowed_by_a_setting_of_their_own(shop: None) -> None:
    with api_process(CORS_ALLOWED_ORIGINS=SHOP, CORS_ALLOW_CREDENTIALS="1") as process:
        _, _, headers = process.call("GET", "/api/catalog/plans", headers={"Origin": SHOP})
        assert headers["access-control-allow-credentials"] == "true"


@pytest.mark.parametrize("name", ["CORS_ALLOWED_ORIGINS", "AUTH_REDIRECT_ORIGINS"])
@pytest.mark.parametrize(
    "origins", ["*", "shop.example.om", "https://*.example.om", "https://shop.example.om/", "https://SHOP.example.om"]
)
def test_a_setting_that_is_no_list_of_origins_is_refused(name: str, origins: str) -> None:
    assert f"{name} must be comma-separated origins" in refusal(COMPLETE | {name: origins})


@pytest.mark.parametrize("name", ["CORS_ALLOWED_ORIGINS", "AUTH_REDIRECT_ORIGINS"])
def test_production_allows_only_encrypted_pages(name: str) -> None:
    assert f"{name} must be https:// in production" in refusal(COMPLETE | {name: "http://shop.example.om"})
    assert read(name, COMPLETE | {name: SHOP}) == [[SHOP]]
