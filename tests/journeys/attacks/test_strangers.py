"""Attacks on another customer's organization: every endpoint of the schema that names one answers 404 or nothing."""

from typing import Any

import pytest

from tests.journeys.front_end import FrontEnd
from tests.journeys.ordering import issue_voucher
from tests.journeys.people import Deployment, organization_of
from tests.journeys.worker import run_worker
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def victim(catalog: None, root: FrontEnd, deployment: Deployment) -> dict[str, str]:
    """Ada's live organization: the values of every parameter and field that names a record of it."""
    issue_voucher(root, "HUNDRED", 100)
    ada = deployment.customer("ada@example.org")
    tenant = organization_of(ada, "ada-bakery")
    order = {"tenant_id": tenant, "plan_id": "l", "promo_code": "HUNDRED", "apps": ["wordpress"]}
    order_id = ada.post("billing/checkout", order).body["order_id"]
    run_worker()
    domain = ada.post("domain/byod", {"tenant_id": tenant, "domain": "shop.example.com"})
    return {
        "tenant_id": tenant,
        "organization_id": tenant,
        "owner_id": domain.body["id"],
        "domain_id": domain.body["id"],
        "provision_id": ada.read(f"provisioning/tenant/{tenant}")["id"],
        "order_id": order_id,
        "member": ada.user["id"],
        "slug": "wordpress",
    }


BODIES: dict[str, dict[str, Any]] = {
    "billing/checkout": {"plan_id": "s", "apps": [], "addons": []},
    "billing/checkout/quote": {"plan_id": "s", "apps": [], "addons": []},
    "provisioning/start": {"plan_id": "s", "apps": [], "subdomain": "x"},
    "domain/byod": {"domain": "evil.example.com"},
    "tenant/orgs/{organization_id}/members": {"email": "evil@example.org"},
    "tenant/orgs/{organization_id}/apps": {"slug": "ghost"},
    "tenant/orgs/{organization_id}": {"name": "Evil"},
    "billing/subscription/{tenant_id}/cancel": {"at": "now"},
}
IN_BODY = ("billing/checkout", "billing/checkout/quote", "provisioning/start", "domain/byod")
NOT_OF_CUSTOMERS = ("tenant/admin/", "provisioning/report", "catalog/", "billing/admin/")


def calls(schema: dict[str, Any], victim: dict[str, str]) -> list[tuple[str, str, Any]]:
    """Every operation that takes a record of the victim, with the victim's record in it."""
    found = []
    for path, operations in schema["paths"].items():
        short = path.removeprefix("/api/")
        if short.startswith(NOT_OF_CUSTOMERS) or short == "tenant/check-slug/{slug}":
            continue
        for method, operation in operations.items():
            parameters = {each["name"] for each in operation.get("parameters", ())}
            query = "?tenant_id={tenant_id}" if "tenant_id" in parameters and "{tenant_id}" not in path else ""
            if not (parameters & victim.keys()) and short not in IN_BODY:
                continue
            body = BODIES.get(short)
            if short in IN_BODY:
                body = {**(body or {}), "tenant_id": victim["tenant_id"], "order_id": victim["order_id"]}
            found.append((method.upper(), f"{short}{query}".format(**victim), body if method != "get" else None))
    return found


def test_a_stranger_reaches_nothing_of_an_organization(
    victim: dict[str, str], deployment: Deployment, visitor: FrontEnd
) -> None:
    every = calls(visitor.get("schema", Accept="application/json").body, victim)
    assert len(every) >= 25, every
    mallory = deployment.customer("mallory@example.org")
    own = organization_of(mallory, "mallory")
    with nothing_changes():
        for method, path, body in every:
            answer = mallory.call(method, path, body)
            if path.startswith("billing/invoices/"):
                assert (answer.status, answer.body) == (200, []), path
            elif path.startswith("billing/portal/"):
                assert answer.status in (404, 503), path
            else:
                assert answer.status == 404, (method, path, answer)
                assert answer.code.endswith("_not_found")
            assert deployment.front_end().call(method, path, body).status == 401, (method, path)
    # Records of the victim do not work together with an organization of the attacker.
    start = {"tenant_id": own, "order_id": victim["order_id"], "plan_id": "l", "apps": [], "subdomain": "mallory"}
    assert mallory.post("provisioning/start", start).status == 404
    assert mallory.delete(f"tenant/orgs/{own}/members/{victim['member']}").status == 404


@pytest.mark.parametrize("role", ["sovereign-admin", "auditor"])
def test_staff_of_other_duties_are_strangers_too(victim: dict[str, str], deployment: Deployment, role: str) -> None:
    staff = deployment.staff(role)
    for path in ("tenant/orgs/{tenant_id}", "provisioning/tenant/{tenant_id}", "domain/domains/{tenant_id}"):
        assert staff.get(path.format(**victim)).status == 404


def test_an_idempotency_key_of_another_customer_replays_nothing(
    victim: dict[str, str], deployment: Deployment, root: FrontEnd
) -> None:
    issue_voucher(root, "EACH", 3)
    ada, mallory = deployment.customer("ada@example.org"), deployment.customer("mallory@example.org")
    first = ada.post("billing/vouchers/redeem", {"code": "EACH"}, Idempotency_Key="same")
    second = mallory.post("billing/vouchers/redeem", {"code": "EACH"}, Idempotency_Key="same")
    assert (first.status, second.status) == (200, 200)
    assert second.body["credit_balance_minor"] == 3_000
