"""An organization's domains: its own address, and domains that it brings and proves by the DNS."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from billing.models import AuditEntry, Organization, OrganizationMember
from orders.models import Domain, OutboxEvent
from tests.orders.domains.name_server import SILENCE, NameServer
from tests.snapshot import nothing_changes

from .api_client import Answer, Caller, by_token
from .conftest import Checkout
from .response_shapes import assert_refused, assert_shape, flag, identity, moment, one_of, text

pytestmark = pytest.mark.django_db(transaction=True)

DOMAIN = {
    "id": identity,
    "tenant_id": identity,
    "domain": text,
    "type": one_of("subdomain", "byod"),
    "tld": text,
    "subdomain": text,
    "registrar": text,
    "dns_status": one_of("pending", "verified", "failed"),
    "tls_ready": flag,
    "created_at": moment,
    "updated_at": moment,
}
SHOP, TARGET = "shop.example.com", "acme.sovereign.example"


def add(caller: Caller, tenant: str, domain: str = SHOP) -> Answer:
    return caller.post("domain/byod", {"tenant_id": tenant, "domain": domain})


def added(caller: Caller, tenant: str, domain: str = SHOP) -> str:
    """Add a domain and return its id."""
    answer = add(caller, tenant, domain)
    assert answer.status == 201, answer.content
    return str(answer.body["id"])


def verify(caller: Caller, domain_id: str) -> Any:
    answer = caller.post(f"domain/verify/{domain_id}")
    assert answer.status == 200, answer.content
    return answer.body


def status_of(domain_id: str) -> str:
    return Domain.objects.get(id=domain_id).status


def announced() -> list[tuple[str, str]]:
    rows = OutboxEvent.objects.filter(type__startswith="domain.").order_by("created_at", "id")
    return [(each.type, each.data["domain"]) for each in rows]


@pytest.mark.usefixtures("name_server")
class TestLists:
    def test_the_own_address_is_listed(self, ada: Caller, acme: str) -> None:
        answer = ada.get(f"domain/list?tenant_id={acme}")
        assert answer.status == 200
        assert_shape(answer.body, [DOMAIN])
        [own] = answer.body
        assert (own["tenant_id"], own["type"], own["domain"]) == (acme, "subdomain", TARGET)
        assert (own["subdomain"], own["tld"]) == ("acme", "sovereign.example")
        assert (own["dns_status"], own["tls_ready"]) == ("pending", False)
        assert ada.get(f"domain/domains/{acme}").body == answer.body

    def test_the_own_address_of_a_live_organization_is_verified(self, checkout: Checkout, ada: Caller) -> None:
        tenant = ada.get("tenant/orgs").body[0]["id"]
        Organization.objects.update(status="provisioning")
        Organization.objects.update(status="active")
        [own] = ada.get(f"domain/list?tenant_id={tenant}").body
        assert (own["dns_status"], own["tls_ready"]) == ("verified", True)

    def test_pages_follow_each_other(self, ada: Caller, acme: str) -> None:
        for number in range(3):
            added(ada, acme, f"shop{number}.example.com")
        whole = ada.get(f"domain/list?tenant_id={acme}").body
        assert [each["domain"] for each in whole] == [TARGET, *(f"shop{n}.example.com" for n in (2, 1, 0))]
        path: str = f"/api/domain/list?tenant_id={acme}&limit=3"
        first = ada.get(path)
        link = first.headers["Link"].split(">")[0].removeprefix("<http://testserver")
        assert first.body + ada.get(link).body == whole
        assert_refused(ada.get(f"domain/list?tenant_id={acme}&limit=0"), 400, "invalid_limit")

    def test_a_list_names_its_organization(self, ada: Caller, acme: str) -> None:
        assert_refused(ada.get("domain/list"), 400, "invalid_request", "tenant_id")
        assert_refused(ada.get("domain/list?tenant_id=nonsense"), 404, "tenant_not_found")


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("shop.example.com", "shop.example.com"),
        ("  Shop.EXAMPLE.com. ", "shop.example.com"),
        ("m\u00fcnchen.example.com", "xn--mnchen-3ya.example.com"),
        ("XN--mnchen-3ya.example.com", "xn--mnchen-3ya.example.com"),
        ("\u0645\u062a\u062c\u0631.\u0639\u0645\u0627\u0646", "xn--pgbep1f.xn--mgb9awbf"),
        ("example.com", "example.com"),
    ],
)
def test_a_domain_is_added_in_one_form(
    ada: Caller,
    acme: str,
    name_server: NameServer,
    written: str,
    stored: str,
) -> None:
    name_server.add("example.com", "NS", "ada.ns.cloudflare.com")
    answer = add(ada, acme, written)
    assert answer.status == 201, answer.content
    assert_shape(answer.body, {**DOMAIN, "cname_target": text, "instructions": text})
    assert (answer.body["domain"], answer.body["cname_target"]) == (stored, TARGET)
    assert answer.body["registrar"] == ("Cloudflare" if stored.endswith("example.com") else "")
    assert TARGET in answer.body["instructions"] and stored in answer.body["instructions"]
    assert (answer.body["dns_status"], answer.body["tls_ready"], answer.body["type"]) == ("pending", False, "byod")
    listed = ada.get(f"domain/domains/{acme}").body[1]
    assert listed == {name: answer.body[name] for name in DOMAIN}
    assert announced() == [("domain.added", stored)]
    [entry] = AuditEntry.objects.filter(object_type="domain")
    assert (entry.action, entry.actor_id, entry.changes) == ("domain.added", "ada", {"name": [None, stored]})


@pytest.mark.usefixtures("name_server")
def test_a_domain_is_added_once(ada: Caller, acme: str) -> None:
    added(ada, acme)
    with nothing_changes():
        assert_refused(add(ada, acme, "SHOP.example.com"), 409, "domain_added")


@pytest.mark.usefixtures("name_server")
def test_an_organization_has_a_limited_number_of_domains(ada: Caller, acme: str) -> None:
    Domain.objects.bulk_create(Domain(organization_id=acme, name=f"a{n}.example.com") for n in range(50))
    assert_refused(add(ada, acme), 409, "too_many_domains")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The domain's aliases, other records and failures in the DNS, and the answer of the verification."""

    aliases: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    failure: str = ""
    status: str
    cname: str | None = None
    message: str

    def set_up(self, server: NameServer) -> None:
        for name, target in self.aliases.items():
            server.add(name, "CNAME", target)
        if self.text:
            server.add(SHOP, "TXT", self.text)
        if self.failure:
            server.failures[SHOP] = self.failure


_UNANSWERED = f"the name servers of {SHOP} do not answer: try again later"
OUTCOMES = {
    "the target": Outcome(
        aliases={SHOP: TARGET}, status="verified", cname=TARGET, message=f"{SHOP} points to {TARGET}"
    ),
    "a chain to the target": Outcome(
        aliases={SHOP: "edge.example.net", "edge.example.net": TARGET},
        status="verified",
        cname="edge.example.net",
        message=f"{SHOP} points to {TARGET}",
    ),
    "another name": Outcome(
        aliases={SHOP: "other.example.net"},
        status="failed",
        cname="other.example.net",
        message=f"{SHOP} points to other.example.net, not to {TARGET}",
    ),
    "another organization": Outcome(
        aliases={SHOP: "bobs.sovereign.example"},
        status="failed",
        cname="bobs.sovereign.example",
        message=f"{SHOP} points to bobs.sovereign.example, not to {TARGET}",
    ),
    "NXDOMAIN": Outcome(status="failed", message=f"{SHOP} does not exist in the DNS: add a CNAME record to {TARGET}"),
    "no address": Outcome(text='"x"', status="failed", message=f"{SHOP} has no CNAME record and no address"),
    "SERVFAIL": Outcome(failure="SERVFAIL", status="pending", message=_UNANSWERED),
    "no response": Outcome(failure=SILENCE, status="pending", message=_UNANSWERED),
}


@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_a_domain_is_verified_by_the_dns(ada: Caller, acme: str, name_server: NameServer, outcome: Outcome) -> None:
    domain_id = added(ada, acme)
    name_server.add(TARGET, "A", "192.0.2.1")
    outcome.set_up(name_server)
    answer = verify(ada, domain_id)
    expected = {"id": domain_id, "domain": SHOP, "dns_status": outcome.status}
    expected |= {"cname": outcome.cname} if outcome.cname else {}
    assert answer == {**expected, "message": answer["message"]}
    assert answer["message"].startswith(outcome.message)
    listed = ada.get(f"domain/domains/{acme}").body[1]
    assert (listed["dns_status"], listed["tls_ready"]) == (outcome.status, outcome.status == "verified")
    changed = [] if outcome.status == "pending" else [(f"domain.{outcome.status}", SHOP)]
    assert announced() == [("domain.added", SHOP), *changed]


def test_the_top_of_a_zone_is_verified_by_address_and_text(
    ada: Caller,
    acme: str,
    name_server: NameServer,
) -> None:
    domain_id = added(ada, acme, "example.com")
    name_server.add(TARGET, "A", "192.0.2.1")
    name_server.add("example.com", "A", "192.0.2.9")
    assert verify(ada, domain_id)["message"] == f"example.com has other addresses than {TARGET}"
    name_server.add("example.com", "A", "192.0.2.1")
    proof = f"add a TXT record _organization.example.com with organization={acme}"
    answer = verify(ada, domain_id)
    assert (answer["dns_status"], answer["message"].endswith(proof)) == ("failed", True)
    name_server.add("_organization.example.com", "TXT", '"organization=other"')
    assert verify(ada, domain_id)["dns_status"] == "failed"
    name_server.add("_organization.example.com", "TXT", f'"organization={acme}"')
    assert verify(ada, domain_id)["dns_status"] == "verified"


def test_a_repeated_verification_follows_the_dns(ada: Caller, acme: str, name_server: NameServer) -> None:
    domain_id = added(ada, acme)
    assert verify(ada, domain_id)["dns_status"] == "failed"
    name_server.add(SHOP, "CNAME", TARGET)
    for _ in range(2):
        assert verify(ada, domain_id)["dns_status"] == "verified"
    name_server.failures[SHOP] = "SERVFAIL"
    assert verify(ada, domain_id)["dns_status"] == "verified"
    name_server.failures.clear()
    name_server.remove(SHOP)
    assert verify(ada, domain_id)["dns_status"] == "failed"
    assert [type_ for type_, _ in announced()] == [
        "domain.added",
        "domain.failed",
        "domain.verified",
        "domain.failed",
    ]


def test_who_only_claims_a_domain_does_not_keep_it_from_its_owner(
    ada: Caller,
    acme: str,
    bob: Caller,
    bobs: str,
    name_server: NameServer,
) -> None:
    claim = added(bob, bobs)
    verify(bob, claim)
    owned = added(ada, acme)
    name_server.add(SHOP, "CNAME", TARGET)
    assert verify(ada, owned)["dns_status"] == "verified"
    assert verify(bob, claim)["dns_status"] == "failed"
    assert (status_of(owned), status_of(claim)) == ("verified", "failed")


def test_a_verified_domain_is_not_added_by_another_organization_while_it_points_there(
    ada: Caller,
    acme: str,
    bob: Caller,
    bobs: str,
    name_server: NameServer,
) -> None:
    name_server.add(SHOP, "CNAME", TARGET)
    owned = added(ada, acme)
    verify(ada, owned)
    with nothing_changes():
        assert_refused(add(bob, bobs), 409, "domain_taken")
    # The domain has a new owner, who points it to Bob's organization.
    name_server.add(SHOP, "CNAME", "bobs.sovereign.example")
    bought = added(bob, bobs)
    assert (status_of(owned), status_of(bought)) == ("failed", "pending")
    assert verify(bob, bought)["dns_status"] == "verified"


def test_a_domain_that_points_elsewhere_now_is_taken_over(
    ada: Caller,
    acme: str,
    bob: Caller,
    bobs: str,
    name_server: NameServer,
) -> None:
    claim = added(bob, bobs)
    owned = added(ada, acme)
    name_server.add(SHOP, "CNAME", TARGET)
    verify(ada, owned)
    name_server.add(SHOP, "CNAME", "bobs.sovereign.example")
    assert verify(bob, claim)["dns_status"] == "verified"
    assert status_of(owned) == "failed"
    assert announced()[-2:] == [("domain.failed", SHOP), ("domain.verified", SHOP)]
    assert [each.tenant_id for each in OutboxEvent.objects.order_by("created_at", "id")][-2:] == [
        Organization.objects.get(slug="acme").id,
        Organization.objects.get(slug="bobs").id,
    ]


def test_no_transaction_is_open_while_name_servers_are_asked(
    ada: Caller,
    acme: str,
    name_server: NameServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[bool] = []
    respond = name_server.respond

    def record(wire: bytes) -> bytes | None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND state LIKE 'idle in transaction%'"
            )
            seen.append(cursor.fetchone()[0] > 0)
        connection.close()
        return respond(wire)

    monkeypatch.setattr(name_server, "respond", record)
    name_server.add(SHOP, "CNAME", TARGET)
    verify(ada, added(ada, acme))
    assert seen and not any(seen)


@pytest.mark.usefixtures("name_server")
def test_a_domain_is_removed(ada: Caller, acme: str) -> None:
    domain_id = added(ada, acme)
    answer = ada.delete(f"domain/domains/{domain_id}")
    assert (answer.status, answer.body) == (200, {"ok": True, "status": "removed"})
    assert len(ada.get(f"domain/domains/{acme}").body) == 1
    assert announced()[-1] == ("domain.removed", SHOP)
    with nothing_changes():
        assert_refused(ada.delete(f"domain/domains/{domain_id}"), 404, "domain_not_found")
        assert_refused(ada.post(f"domain/verify/{domain_id}"), 404, "domain_not_found")
    added(ada, acme)


@pytest.mark.usefixtures("name_server")
def test_the_own_address_stays_and_needs_no_record(ada: Caller, acme: str) -> None:
    with nothing_changes():
        assert_refused(ada.delete(f"domain/domains/{acme}"), 409, "own_address_stays")
        answer = verify(ada, acme)
    assert (answer["id"], answer["domain"], answer["dns_status"]) == (acme, TARGET, "pending")


@pytest.mark.usefixtures("name_server")
def test_a_deleted_organization_has_no_domains(ada: Caller, acme: str, bob: Caller, bobs: str) -> None:
    domain_id = added(ada, acme)
    assert ada.delete(f"tenant/orgs/{acme}").status == 200
    assert announced()[-1] == ("domain.removed", SHOP)
    assert not Domain.objects.filter(id=domain_id).exists()
    assert_refused(ada.get(f"domain/domains/{acme}"), 404, "tenant_not_found")
    added(bob, bobs)


@pytest.mark.usefixtures("name_server")
@pytest.mark.parametrize("role", ["", "viewer", "member", "admin"])
def test_members_do_what_their_role_allows(ada: Caller, acme: str, role: str) -> None:
    domain_id = added(ada, acme)
    eve = by_token("customer", "eve")
    if role:
        OrganizationMember.objects.create(organization_id=acme, email="eve@example.org", role=role)
    reads = [eve.get(f"domain/list?tenant_id={acme}"), eve.get(f"domain/domains/{acme}")]
    if role == "admin":
        assert verify(eve, domain_id)["id"] == domain_id
        assert add(eve, acme, "other.example.com").status == 201
        assert eve.delete(f"domain/domains/{domain_id}").status == 200
    else:
        status = 403 if role else 404
        changes = [
            eve.post(f"domain/verify/{domain_id}"),
            eve.delete(f"domain/domains/{domain_id}"),
            eve.post(f"domain/verify/{acme}"),
            eve.delete(f"domain/domains/{acme}"),
            add(eve, acme, "other.example.com"),
        ]
        assert [each.status for each in changes] == [status] * 5
    assert [each.status for each in reads] == ([200, 200] if role else [404, 404])


@pytest.mark.usefixtures("name_server")
def test_a_stranger_finds_nothing(ada: Caller, acme: str, bob: Caller, root: Caller) -> None:
    domain_id = added(ada, acme)
    with nothing_changes():
        for caller in (bob, root):
            for wrong in (domain_id, acme, str(uuid4()), "nonsense"):
                assert_refused(caller.post(f"domain/verify/{wrong}"), 404, "domain_not_found")
                assert_refused(caller.delete(f"domain/domains/{wrong}"), 404, "domain_not_found")
                assert_refused(caller.get(f"domain/domains/{wrong}"), 404, "tenant_not_found")
            assert_refused(add(caller, acme), 404, "tenant_not_found")
            assert_refused(caller.get(f"domain/list?tenant_id={acme}"), 404, "tenant_not_found")


@pytest.mark.usefixtures("name_server")
def test_verifications_are_limited(ada: Caller, acme: str, settings: Any) -> None:
    settings.DOMAIN_RATE_LIMIT = "3/min"
    domain_id = added(ada, acme)
    assert [ada.post(f"domain/verify/{domain_id}").status for _ in range(3)] == [200, 200, 429]
    refused = ada.post(f"domain/verify/{domain_id}")
    assert_refused(refused, 429, "throttled")
    assert int(refused.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("subdomain", "tld", "available"),
    [
        ("bakery", "sovereign.example", True),
        ("bakery", "Sovereign.Example", True),
        ("acme", "sovereign.example", False),
        ("www", "sovereign.example", False),
        ("x", "sovereign.example", False),
        ("Bakery", "sovereign.example", False),
        ("bakery", "example.com", False),
    ],
)
def test_an_address_is_checked(acme: str, anybody: Caller, subdomain: str, tld: str, available: bool) -> None:
    answer = anybody.get(f"domain/check/{subdomain}/{tld}")
    assert (answer.status, answer.body) == (
        200,
        {"subdomain": subdomain, "tld": tld, "domain": f"{subdomain}.{tld}", "available": available},
    )
