"""Staff's admin front end: sign-in with a second factor, revenue, catalog, vouchers, settings and organizations."""

from typing import Any

import pytest

from tests.contract.json_shapes import whole
from tests.journeys.front_end import FrontEnd
from tests.journeys.ordering import issue_voucher
from tests.journeys.people import PASSWORD, Deployment, organization_of
from tests.journeys.shapes import (
    CATALOG,
    ORDER,
    ORG,
    PROCESSOR_SETTINGS,
    REVENUE,
    USER,
    VOUCHER,
    conforms,
)
from tests.journeys.worker import run_worker

pytestmark = pytest.mark.django_db(transaction=True)


def test_sign_in_with_password_and_second_factor(root: FrontEnd, catalog: None, deployment: Deployment) -> None:
    assert conforms(root.user, USER)
    assert root.user["role"] == "superadmin"
    assert root.read("auth/me") == {"user": root.user}
    admin = deployment.front_end()
    credentials = {"email": " Superadmin@example.org", "password": PASSWORD}
    for wrong in ({**credentials, "password": "wrong"}, {**credentials, "email": "unknown@example.org"}):
        answer = admin.post("auth/login", wrong)
        assert (answer.status, answer.code != "second_factor_required") == (401, True)
    first = admin.post("auth/login", credentials)
    assert (first.status, first.code) == (401, "second_factor_required")
    assert admin.post("auth/login", {**credentials, "otp": "000000"}).status == 401
    # A code of the authenticator app works once.
    assert admin.post("auth/login", {**credentials, "otp": root.otp}).status == 401
    # A customer has no password.
    deployment.customer("ada@example.org")
    assert admin.post("auth/login", {"email": "ada@example.org", "password": PASSWORD}).status == 401


def test_revenue_counts_what_customers_pay_a_month(catalog: None, root: FrontEnd, deployment: Deployment) -> None:
    empty = root.read("billing/admin/revenue")
    assert conforms(empty, REVENUE)
    assert [empty[name] for name in REVENUE] == [0] * len(REVENUE)
    issue_voucher(root, "FIFTY", 50)
    ada = deployment.customer("ada@example.org")
    tenant = organization_of(ada, "ada-bakery")
    ada.post(
        "billing/checkout", {"tenant_id": tenant, "plan_id": "m", "promo_code": "FIFTY", "apps": [], "addons": []}
    )
    deployment.customer("bob@example.org").read("billing/balance")
    revenue = root.read("billing/admin/revenue")
    price = next(plan["price_omr"] for plan in root.read("catalog/plans") if plan["slug"] == "m")
    assert (revenue["total_mrr"], revenue["total_mrr_minor"], revenue["total_mrr_baisa"]) == (
        price,
        price * 1_000,
        price * 1_000,
    )
    assert revenue["active_subscriptions"] == 1
    assert revenue["total_customers"] == revenue["new_this_month"]
    [order] = root.read("billing/admin/orders")
    assert conforms(order, ORDER)
    [event] = root.read("billing/admin/events?type=order.placed")
    assert {"id", "type", "source", "timestamp", "tenant_id", "data", "metadata", "delivered_at"} <= set(event)
    assert event["data"]["subdomain"] == "ada-bakery"


NEW: dict[str, dict[str, Any]] = {
    "plans": {"slug": "mini", "name": "Mini", "price_omr": 2, "cpu": "1", "memory": "1", "storage": "5"},
    "apps": {"slug": "pad", "name": "Pad", "category": "office", "color": "#aabbcc"},
    "addons": {"slug": "extra", "name": "Extra", "price_omr": 1, "category": "more"},
    "industries": {"slug": "farms", "name": "Farms", "suggested_apps": []},
    "bundles": {"slug": "duo", "name": "Duo", "apps": [], "discount": 5},
}


@pytest.mark.parametrize("kind", NEW)
def test_the_catalog_is_edited(visitor: FrontEnd, root: FrontEnd, noor: FrontEnd, kind: str) -> None:
    path = f"catalog/admin/{kind}"
    made = root.post(path, NEW[kind])
    assert made.status == 201, made
    assert conforms(made.body, CATALOG[kind])
    listed = visitor.get(f"catalog/{kind}")
    assert made.body in listed.body
    assert listed.headers["ETag"]
    assert "no-cache" in listed.headers["Cache-Control"] or "max-age=0" in listed.headers["Cache-Control"]
    assert visitor.get(f"catalog/{kind}", If_None_Match=listed.headers["ETag"]).status == 304
    if kind == "apps":
        assert (made.body["icon_bg"], made.body["deployable"]) == ("#aabbcc", True)
    assert root.post(path, NEW[kind]).status == 409
    # The listed row is sent back whole, with one change.
    edited = root.put(f"{path}/{made.body['id']}", {**made.body, "name": "Other"})
    assert (edited.status, edited.body) == (200, {**made.body, "name": "Other"})
    assert root.put(f"{path}/{made.body['id']}", {}).body == edited.body
    assert edited.body in visitor.get(f"catalog/{kind}", If_None_Match=listed.headers["ETag"]).body
    for other, status in ((visitor, 401), (noor, 403)):
        assert other.post(path, NEW[kind]).status == status
        assert other.put(f"{path}/{made.body['id']}", {}).status == status
        assert other.delete(f"{path}/{made.body['id']}").status == status
    gone = root.delete(f"{path}/{made.body['id']}")
    assert (gone.status, gone.body) == (200, {"ok": True})
    assert made.body["id"] not in [row["id"] for row in visitor.read(f"catalog/{kind}")]
    assert root.delete(f"{path}/{made.body['id']}").status == 404
    assert root.put(f"{path}/{made.body['id']}", {"name": "x"}).status == 404


def test_a_price_that_cannot_be_charged_names_the_nearest(root: FrontEnd, catalog: None) -> None:
    refused = root.post("catalog/admin/plans", {**NEW["plans"], "price_omr": 2.005})
    assert refused.status == 400
    assert "2.000" in str(refused.body) and "2.010" in str(refused.body)
    made = root.post("catalog/admin/plans", NEW["plans"]).body
    assert root.put(f"catalog/admin/plans/{made['id']}", {"price_omr": None}).body["price_omr"] == 0


def test_a_voucher_is_switched_off_and_on_by_sending_its_row_back(
    visitor: FrontEnd, noor: FrontEnd, root: FrontEnd, deployment: Deployment
) -> None:
    issued = issue_voucher(noor, " spring-20 ", 20, description="Spring", max_redemptions=5)
    assert (issued["code"], issued["credit_minor"], issued["active"]) == ("SPRING-20", 20_000, True)
    ada = deployment.customer("ada@example.org")
    assert ada.post("billing/vouchers/redeem", {"code": "spring-20"}).status == 200
    [row] = noor.read("billing/vouchers/list")
    assert conforms(row, VOUCHER)
    assert row["times_redeemed"] == 1

    off = noor.post("billing/vouchers/issue", {**row, "active": False})
    assert (off.status, off.body) == (200, {**row, "active": False})
    preview = visitor.post("billing/vouchers/redeem-preview", {"code": "spring-20"})
    assert (preview.status, preview.body["accepting_redemptions"]) == (410, False)
    bob = deployment.customer("bob@example.org")
    refused = bob.post("billing/vouchers/redeem", {"code": "SPRING-20"})
    assert (refused.status, refused.code) == (400, "promo_inactive")

    [row] = noor.read("billing/vouchers/list")
    on = noor.post("billing/vouchers/issue", {**row, "active": True})
    assert (on.body["active"], on.body["max_redemptions"], on.body["times_redeemed"]) == (True, 5, 1)
    assert bob.post("billing/vouchers/redeem", {"code": "SPRING-20"}).status == 200
    # A form that shows only the code and the credit changes nothing else.
    kept = noor.post("billing/vouchers/issue", {"code": "SPRING-20", "credit_omr": 20})
    assert (kept.body["max_redemptions"], kept.body["description"]) == (5, "Spring")
    assert noor.post("billing/vouchers/issue", {"code": "SPRING-20", "max_redemptions": 1}).status == 409

    revoked = noor.delete("billing/vouchers/revoke/spring-20")
    assert (revoked.status, revoked.body) == (200, {"ok": True})
    assert noor.read("billing/vouchers/list") == []
    assert noor.delete("billing/vouchers/revoke/spring-20").status == 404
    assert visitor.post("billing/vouchers/redeem-preview", {"code": "spring-20"}).status == 404
    assert noor.post("billing/admin/promos", {"code": "spring-20"}).status == 200
    assert [row["code"] for row in noor.read("billing/admin/promos")] == ["SPRING-20"]
    assert noor.delete("billing/admin/promos/SPRING-20").body == {"ok": True}
    for path in ("billing/admin/revenue", "billing/admin/orders", "billing/admin/settings", "tenant/admin/tenants"):
        assert noor.get(path).status == 403, path
        assert visitor.get(path).status == 401, path


def test_tenants_are_listed_searched_and_changed(catalog: None, root: FrontEnd, deployment: Deployment) -> None:
    issue_voucher(root, "FIFTY", 50)
    ada = deployment.customer("ada@example.org")
    tenants = [organization_of(ada, f"bakery-{number}") for number in range(5)]
    order = {"tenant_id": tenants[0], "plan_id": "m", "promo_code": "FIFTY", "apps": [], "addons": []}
    assert ada.post("billing/checkout", order).status == 200
    run_worker()
    ada.post(f"tenant/orgs/{tenants[0]}/members", {"email": "bob@example.org"})
    whole_list = root.read("tenant/admin/tenants")
    assert (whole_list["total"], whole_list["offset"], whole_list["limit"]) == (5, 0, 20)
    assert [tenant["id"] for tenant in whole_list["tenants"]] == tenants[::-1]
    for tenant in whole_list["tenants"]:
        assert conforms(tenant, {**ORG, "member_count": whole})
    part = root.read("tenant/admin/tenants?offset=3&limit=1&q=")
    assert (part["total"], part["offset"], part["limit"]) == (5, 3, 1)
    assert [tenant["id"] for tenant in part["tenants"]] == [tenants[1]]
    assert [each["slug"] for each in root.read("tenant/admin/tenants?q=BAKERY-2")["tenants"]] == ["bakery-2"]
    assert root.read("tenant/admin/tenants?q=nothing") == {"tenants": [], "total": 0, "offset": 0, "limit": 20}

    path = f"tenant/admin/tenants/{tenants[0]}"
    for status in ("suspended", "active", "provisioning", "active"):
        changed = root.put(f"{path}/status", {"status": status})
        assert (changed.status, changed.body["status"]) == (200, status), changed
        assert ada.read(f"tenant/orgs/{tenants[0]}")["status"] == status
    assert root.put(f"{path}/status", {"status": "lost"}).status == 400
    assert list(root.read(f"{path}/backing-services")) == ["services"]
    deleted = root.delete(path)
    assert (deleted.status, deleted.body) == (200, {"status": "deleted"})
    assert root.delete(path).status == 404
    assert root.put(f"tenant/admin/tenants/{tenants[1]}/status", {"status": "deleted"}).body["status"] == "deleted"
    assert root.read("tenant/admin/tenants")["total"] == 3
    assert {each["id"] for each in ada.read("tenant/orgs")} == set(tenants[2:])


def test_processor_keys_change_at_run_time_and_are_never_shown(root: FrontEnd, noor: FrontEnd) -> None:
    path = "billing/admin/settings"
    assert conforms(root.read(path), PROCESSOR_SETTINGS)
    changed = root.put(path, {"stripe_secret_key": "sk_test_abcdef1234", "stripe_public_key": "pk_test_1"})
    assert changed.status == 200, changed
    assert conforms(changed.body, PROCESSOR_SETTINGS)
    assert (changed.body["stripe_secret_key_configured"], changed.body["stripe_secret_key_last4"]) == (True, "1234")
    assert (changed.body["stripe_webhook_secret_configured"], changed.body["stripe_public_key"]) == (
        False,
        "pk_test_1",
    )
    assert "abcdef" not in str(changed.body)
    kept = root.put(path, {"stripe_webhook_secret": "whsec_abc5678"}).body
    assert (kept["stripe_secret_key_last4"], kept["stripe_webhook_secret_last4"]) == ("1234", "5678")
    cleared = root.put(path, {"stripe_secret_key": ""}).body
    assert (cleared["stripe_secret_key_configured"], cleared["stripe_secret_key_last4"]) == (False, "")
    assert noor.put(path, {}).status == 403
