"""Requests about domains, and the shape of a domain in their answers."""

from typing import Any

from orders.models import Domain, OutboxEvent

from .api_client import Answer, Caller
from .json_shapes import flag, identity, moment, one_of, text

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
