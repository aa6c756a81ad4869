"""Each answer has the id by which the log names its request, and the log names what the request made."""

from uuid import UUID

import pytest

from promos.models import Redemption
from tests.factories import PlanFactory, PromoCodeFactory

from .api_client import Caller, by_token

pytestmark = pytest.mark.django_db

PATHS = ("catalog/plans", "billing/balance", "nowhere", "catalog/plans?x=%00", "/", "/admin/login/")


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_an_id(anybody: Caller, path: str) -> None:
    first, second = (anybody.get(path).headers["X-Request-Id"] for _ in range(2))
    assert str(UUID(first)) == first
    assert first != second


@pytest.mark.parametrize("path", PATHS)
def test_a_clients_id_is_answered(anybody: Caller, path: str) -> None:
    assert anybody.get(path, X_Request_Id="shop-42.a_b").headers["X-Request-Id"] == "shop-42.a_b"


@pytest.mark.parametrize("given", ["", " ", "a b", 'a"b', "<script>", "x" * 129, "\u00e9", "a,b", "a\tb"])
def test_an_id_that_a_log_could_misread_is_replaced(anybody: Caller, given: str) -> None:
    answered = anybody.get("catalog/plans", X_Request_Id=given).headers["X-Request-Id"]
    assert str(UUID(answered)) == answered


def test_the_log_line_has_the_same_id(anybody: Caller, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        answered = anybody.get("catalog/plans", X_Request_Id="shop-42").headers["X-Request-Id"]
    [line] = [record.msg for record in caplog.records if "request_finished" in str(record.msg)]
    assert answered == "shop-42"
    assert isinstance(line, dict) and line["request_id"] == "shop-42"


def test_the_log_names_order_redemption_and_code_by_id_and_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    PlanFactory.create(slug="m", price_minor=9_000)
    code, ada = PromoCodeFactory.create(code="GIFT-7Q2", credit_minor=20_000), by_token("customer", "ada")
    tenant = ada.post("tenant/orgs", {"slug": "ada-bakery", "name": "Ada"}).body["id"]
    caplog.clear()
    with caplog.at_level("INFO"):
        ada.post("billing/vouchers/redeem", {"code": "GIFT-7Q2"})
        order = ada.post("billing/checkout", {"tenant_id": tenant, "plan_id": "m"}).body["order_id"]
        ada.get("billing/balance")
    topped_up, ordered, read = (
        record.msg for record in caplog.records if isinstance(record.msg, dict) and "request" in record.msg
    )
    redemption = Redemption.objects.get()
    named = {name: topped_up[name] for name in ("user_id", "promo_code_id", "redemption_id")}
    assert named == {"user_id": "ada", "promo_code_id": str(code.id), "redemption_id": str(redemption.id)}
    assert (ordered["order_id"], "redemption_id" in ordered) == (order, False)
    assert not {"order_id", "redemption_id", "promo_code_id"} & set(read)
    assert "GIFT-7Q2" not in caplog.text


def test_the_log_names_no_code_and_no_member_that_an_address_holds(caplog: pytest.LogCaptureFixture) -> None:
    PromoCodeFactory.create(code="GIFT-7Q2")
    staff, ada = by_token("sovereign-admin", "ops"), by_token("customer", "ada")
    tenant = ada.post("tenant/orgs", {"slug": "ada-bakery", "name": "Ada"}).body["id"]
    caplog.clear()
    with caplog.at_level("INFO"):
        assert staff.get("billing/vouchers/figures/GIFT-7Q2").status == 200
        assert staff.delete("billing/vouchers/revoke/gift-7q2").status == 200
        ada.delete(f"tenant/orgs/{tenant}/members/eve@example.com")
    lines = [record.msg["request"] for record in caplog.records if isinstance(record.msg, dict)]
    assert lines == [
        "GET /api/billing/vouchers/figures/<code>",
        "DELETE /api/billing/vouchers/revoke/<code>",
        f"DELETE /api/tenant/orgs/{tenant}/members/<member>",
    ]
    assert not any(secret in caplog.text.lower() for secret in ("gift-7q2", "eve@"))
