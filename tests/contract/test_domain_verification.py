"""The DNS decides whether an organization's own domain is verified, and whose it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection

from billing.models import Organization
from orders.models import OutboxEvent
from tests.orders.domains.name_server import SILENCE, NameServer
from tests.snapshot import nothing_changes

from .api_client import Caller
from .domain_calls import SHOP, TARGET, add, added, announced, status_of, verify
from .json_shapes import assert_refused

pytestmark = pytest.mark.django_db(transaction=True)


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
def test_verifications_are_limited(ada: Caller, acme: str, settings: Any) -> None:
    settings.DOMAIN_RATE_LIMIT = "3/min"
    domain_id = added(ada, acme)
    assert [ada.post(f"domain/verify/{domain_id}").status for _ in range(3)] == [200, 200, 429]
    refused = ada.post(f"domain/verify/{domain_id}")
    assert_refused(refused, 429, "throttled")
    assert int(refused.headers["Retry-After"]) > 0
