"""A customer's console: the dashboard, apps, the name, members, credit, domains, and signing out everywhere."""

from typing import Any

import pytest
from django.core import mail

from tests.factories import AppFactory
from tests.journeys.front_end import FrontEnd
from tests.journeys.ordering import issue_voucher
from tests.journeys.people import Deployment, organization_of
from tests.journeys.shapes import (
    BALANCE,
    CATALOG,
    DOMAIN,
    INVOICE,
    JOB,
    MEMBER,
    ORG,
    PROVISION,
    QUOTE,
    SERVICE,
    SUBSCRIPTION,
    USER,
    conforms,
    each,
)
from tests.journeys.worker import run_worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada(catalog: None, root: FrontEnd, deployment: Deployment) -> FrontEnd:
    """The owner of a live organization of plan l without apps, with 100 OMR of credit before the order."""
    issue_voucher(root, "HUNDRED", 100)
    return deployment.customer("ada@example.org")


@pytest.fixture
def bakery(ada: FrontEnd) -> str:
    """The id of Ada's live organization."""
    tenant = organization_of(ada, "ada-bakery")
    order = {"tenant_id": tenant, "plan_id": "l", "apps": [], "addons": [], "promo_code": "HUNDRED"}
    assert ada.post("billing/checkout", order).status == 200
    run_worker()
    return tenant


def app(front_end: FrontEnd, slug: str) -> dict[str, Any]:
    [found] = [each for each in front_end.read("catalog/apps") if each["slug"] == slug]
    return dict(found)


def test_every_call_of_the_dashboard_is_answered(ada: FrontEnd, bakery: str) -> None:
    assert conforms(ada.read("auth/me")["user"], USER)
    assert each(ORG)(ada.read("tenant/orgs"))
    assert conforms(ada.read(f"tenant/orgs/{bakery}"), ORG)
    for kind, fields in CATALOG.items():
        assert each(fields)(ada.read(f"catalog/{kind}"))
    assert conforms(ada.read("billing/balance"), BALANCE)
    for path in ("billing/subscription", f"billing/subscription/{bakery}"):
        assert conforms(ada.read(path), SUBSCRIPTION)
    for path in ("billing/invoices", f"billing/invoices/{bakery}"):
        invoices = ada.read(path)
        assert len(invoices) == 1
        assert each(INVOICE)(invoices)
    assert conforms(ada.read(f"provisioning/tenant/{bakery}"), PROVISION)
    assert ada.read(f"provisioning/jobs?tenant_id={bakery}&limit=50") == []
    assert ada.get("provisioning/jobs").status == 400
    members = ada.read(f"tenant/orgs/{bakery}/members")
    assert each(MEMBER)(members)
    assert [(each["user_id"], each["email"], each["role"]) for each in members] == [
        (ada.user["id"], "ada@example.org", "owner")
    ]
    services = ada.read(f"tenant/orgs/{bakery}/backing-services")
    assert list(services) == ["services"]
    for path in (f"domain/list?tenant_id={bakery}", f"domain/domains/{bakery}"):
        domains = ada.read(path)
        assert each(DOMAIN)(domains)
        assert [(each["domain"], each["type"], each["subdomain"]) for each in domains] == [
            ("ada-bakery.sovereign.example", "subdomain", "ada-bakery")
        ]
    assert ada.read("domain/check/ada-bakery/sovereign.example") == {
        "subdomain": "ada-bakery",
        "tld": "sovereign.example",
        "domain": "ada-bakery.sovereign.example",
        "available": False,
    }
    assert ada.read("domain/check/another/sovereign.example")["available"] is True


def test_an_app_is_installed_and_removed(ada: FrontEnd, bakery: str) -> None:
    wordpress = app(ada, "wordpress")
    assert wordpress["dependencies"], "the journey needs an app with a dependency"
    dependency = app(ada, wordpress["dependencies"][0])
    path = f"tenant/orgs/{bakery}/apps"

    queued = ada.post(path, {"slug": "wordpress"})
    assert queued.status == 200, queued
    assert queued.body["status"] == "queued"
    new = {wordpress["id"], dependency["id"]}
    assert (set(queued.body["apps"]), set(queued.body["deployed"])) == (new, new)
    assert queued.body["app_states"] == dict.fromkeys(new, "installing")
    org = ada.read(f"tenant/orgs/{bakery}")
    assert (set(org["apps"]), org["app_states"]) == (new, queued.body["app_states"])
    [job] = ada.read(f"provisioning/jobs?tenant_id={bakery}")
    assert conforms(job, JOB)
    assert (job["kind"], job["status"], job["app_slug"], job["app_id"]) == (
        "install",
        "pending",
        "wordpress",
        wordpress["id"],
    )
    assert (job["tenant_id"], job["tenant_slug"], job["app_name"]) == (bakery, "ada-bakery", wordpress["name"])
    assert f"Deploying {wordpress['name']}" in [step["name"] for step in job["steps"]]

    run_worker()
    [job] = ada.read(f"provisioning/jobs?tenant_id={bakery}")
    assert (job["status"], job["progress"]) == ("succeeded", 100)
    org = ada.read(f"tenant/orgs/{bakery}")
    assert (set(org["apps"]), org["app_states"]) == (new, {})
    assert ada.post(path, {"slug": "wordpress"}).body["status"] == "already_installed"
    services = ada.read(f"tenant/orgs/{bakery}/backing-services")["services"]
    assert each(SERVICE)(services)
    assert dependency["slug"] in [service["slug"] for service in services]

    refused = ada.delete(f"{path}/{dependency['slug']}")
    assert refused.status == 409
    assert refused.body["message"]
    assert refused.body["dependents"] == [wordpress["name"]]
    preview = ada.read(f"{path}/wordpress/uninstall-preview")
    assert preview == {
        "app_slug": "wordpress",
        "app_name": wordpress["name"],
        "installed": True,
        "purged_services": [{"slug": dependency["slug"], "name": dependency["name"]}],
        "retained_services": [],
        "dependents": [],
    }
    removed = ada.delete(f"{path}/wordpress")
    assert (removed.status, removed.body["status"]) == (200, "queued")
    assert wordpress["id"] in removed.body["apps"]
    assert removed.body["app_states"][wordpress["id"]] == "uninstalling"
    run_worker()
    jobs = ada.read(f"provisioning/jobs?tenant_id={bakery}&limit=1")
    assert [(job["kind"], job["status"]) for job in jobs] == [("uninstall", "succeeded")]
    assert jobs[0]["purged_services"] == preview["purged_services"]
    org = ada.read(f"tenant/orgs/{bakery}")
    assert (wordpress["id"] in org["apps"], org["app_states"]) == (False, {})
    assert ada.delete(f"{path}/wordpress").body["status"] == "not_installed"
    assert ada.post(path, {"slug": "no-such-app"}).status == 404
    AppFactory.create(slug="announced", deployable=False)
    assert ada.post(path, {"slug": "announced"}).status == 400


def test_an_organization_is_renamed(ada: FrontEnd, bakery: str) -> None:
    before = ada.read(f"tenant/orgs/{bakery}")
    renamed = ada.put(f"tenant/orgs/{bakery}", {"name": "Ada's Bakery"})
    assert (renamed.status, renamed.body) == (200, {**before, "name": "Ada's Bakery"})
    assert ada.put(f"tenant/orgs/{bakery}", {}).body == renamed.body
    assert ada.read("tenant/orgs") == [renamed.body]


def test_an_invited_person_accepts_by_signing_in(ada: FrontEnd, bakery: str, deployment: Deployment) -> None:
    path = f"tenant/orgs/{bakery}/members"
    invited = ada.post(path, {"email": " Bob@Example.org ", "role": "admin"})
    assert invited.status == 201, invited
    assert conforms(invited.body, MEMBER)
    assert (invited.body["email"], invited.body["role"], invited.body["user_id"]) == ("bob@example.org", "admin", "")
    assert ada.post(path, {"email": "eve@example.org", "role": "owner"}).status == 400
    assert ada.post(path, {"email": "viewer@example.org"}).body["role"] == "member"
    run_worker()
    [message] = [each for each in mail.outbox if each.to == ["bob@example.org"]]
    assert "Ada-Bakery" in f"{message.subject} {message.body}"

    bob = deployment.customer("bob@example.org")
    assert [org["id"] for org in bob.read("tenant/orgs")] == [bakery]
    listed = {member["email"]: member for member in bob.read(path)}
    assert listed["bob@example.org"]["user_id"] == bob.user["id"]
    assert bob.put(f"tenant/orgs/{bakery}", {"name": "By Bob"}).status == 200
    # Only the owner pays, and nobody else sees the owner's balance.
    assert bob.read("billing/balance")["credit_minor"] == 0
    order = {"tenant_id": bakery, "plan_id": "xl", "apps": [], "addons": []}
    assert bob.post("billing/checkout", order).status == 403
    assert bob.post(f"billing/subscription/{bakery}/cancel", {"at": "now"}).status == 403

    assert bob.delete(f"{path}/{ada.user['id']}").status == 403
    removed = ada.delete(f"{path}/{bob.user['id']}")
    assert (removed.status, removed.body) == (200, {"status": "removed"})
    assert bob.read("tenant/orgs") == []
    assert bob.get(f"tenant/orgs/{bakery}").status == 404


def test_credit_is_topped_up_without_an_order(ada: FrontEnd, bakery: str, root: FrontEnd) -> None:
    issue_voucher(root, "TOPUP", 7)
    before = ada.read("billing/balance")["credit_minor"]
    body = {"code": " topup "}
    answer = ada.post("billing/vouchers/redeem", body, Idempotency_Key="one")
    assert answer.status == 200, answer
    assert (answer.body["code"], answer.body["credit_omr"], answer.body["currency"]) == ("TOPUP", 7, "OMR")
    assert answer.body["credit_balance_minor"] == before + 7_000
    assert ada.post("billing/vouchers/redeem", body, Idempotency_Key="one").body == answer.body
    again = ada.post("billing/vouchers/redeem", body, Idempotency_Key="two")
    assert (again.status, again.code) == (400, "promo_already_redeemed")
    assert again.body["error"].startswith("invalid promo code: ")


def test_a_plan_is_changed_with_its_quote_and_a_subscription_ends(ada: FrontEnd, bakery: str) -> None:
    order = {"tenant_id": bakery, "plan_id": "xl", "apps": [], "addons": []}
    quote = ada.post("billing/checkout/quote", order)
    assert quote.status == 200, quote
    assert conforms(quote.body, QUOTE)
    assert quote.body["proration_minor"] > 0
    before = ada.read(f"billing/subscription/{bakery}")
    assert ada.post("billing/checkout", order).status == 200
    after = ada.read(f"billing/subscription/{bakery}")
    assert after["id"] != before["id"]
    assert (after["plan_id"] != before["plan_id"], after["status"]) == (True, "active")

    ending = ada.post(f"billing/subscription/{bakery}/cancel", {"at": "period_end"})
    assert (ending.status, ending.body["status"]) == (200, "active")
    assert ada.read(f"tenant/orgs/{bakery}")["status"] != "suspended"
    assert ada.post(f"billing/subscription/{bakery}/resume").status == 200
    ended = ada.post(f"billing/subscription/{bakery}/cancel", {"at": "now"})
    assert (ended.status, ended.body["status"]) == (200, "canceled")
    assert ada.read(f"tenant/orgs/{bakery}")["status"] == "suspended"
    assert ada.post(f"billing/subscription/{bakery}/cancel", {"at": "tomorrow"}).status == 400


def test_a_domain_is_brought_and_removed(ada: FrontEnd, bakery: str) -> None:
    brought = ada.post("domain/byod", {"tenant_id": bakery, "domain": "Shop.Example.com"})
    assert brought.status == 201, brought
    assert set(brought.body) >= {"domain", "cname_target", "registrar", "instructions"}
    listed = {each["domain"]: each for each in ada.read(f"domain/list?tenant_id={bakery}")}
    mine = listed["shop.example.com"]
    assert conforms(mine, DOMAIN)
    assert (mine["type"], mine["dns_status"], mine["tls_ready"]) == ("byod", "pending", False)
    verified = ada.post(f"domain/verify/{mine['id']}")
    assert verified.status == 200, verified
    assert set(verified.body) >= {"id", "domain", "dns_status", "message"}
    assert verified.body["dns_status"] in ("pending", "failed")
    assert ada.delete(f"domain/domains/{mine['id']}").status == 200
    assert [each["type"] for each in ada.read(f"domain/domains/{bakery}")] == ["subdomain"]
    assert ada.delete(f"domain/domains/{mine['id']}").status == 404


def test_signing_out_everywhere_ends_every_front_end(ada: FrontEnd, bakery: str, deployment: Deployment) -> None:
    elsewhere = deployment.customer("ada@example.org")
    stranger = deployment.customer("bob@example.org")
    answer = ada.post("auth/logout-all")
    assert (answer.status, list(answer.body)) == (200, ["message"])
    for front_end in (ada, elsewhere):
        refused = front_end.post("auth/refresh", {"refresh_token": front_end.refresh_token})
        assert refused.status == 401
        front_end.token = ""
        assert front_end.get("tenant/orgs").status == 401
    assert stranger.refresh()
    assert deployment.customer("ada@example.org").user == ada.user


def test_signing_out_ends_one_front_end(ada: FrontEnd, deployment: Deployment) -> None:
    elsewhere = deployment.customer("ada@example.org")
    assert ada.post("auth/logout", {"refresh_token": ada.refresh_token}).status == 200
    assert ada.post("auth/logout", {"refresh_token": "unknown"}).status == 200
    assert ada.post("auth/logout", {}).status == 400
    assert not ada.refresh()
    assert elsewhere.refresh()


def test_the_owner_deletes_the_organization(ada: FrontEnd, bakery: str, root: FrontEnd) -> None:
    deleted = ada.delete(f"tenant/orgs/{bakery}")
    assert deleted.status == 200, deleted
    assert ada.read("tenant/orgs") == []
    events = [
        event["data"].get("id") or event["tenant_id"]
        for event in root.read("billing/admin/events?type=tenant.deleted")
    ]
    assert events == [bakery]
    assert ada.read("billing/balance")["entries"], "the ledger stays"
