from typing import Any

from billing.actor import Actor
from billing.use_cases.record_audit import record_audit
from orders.models import Domain, OutboxEvent
from orders.models.domain import cname_target
from orders.use_cases.organizations.provision_organization import SOURCE

DOMAIN_TOPIC = "sme.domain.events"


def record_domain_event(domain: Domain, *, verb: str, by: Actor, changes: dict[str, Any]) -> None:
    """Announces a change of a domain to other systems as `domain.<verb>`, and records who made it.

    Args: changes: field → [before, after]. Transaction: joins.
    """
    OutboxEvent.objects.create(
        type=f"domain.{verb}",
        topic=DOMAIN_TOPIC,
        source=SOURCE,
        tenant_id=domain.organization_id,
        data={
            "id": str(domain.id),
            "tenant_id": str(domain.organization_id),
            "domain": domain.name,
            "type": "byod",
            "dns_status": domain.status,
            "cname_target": cname_target(domain.organization),
        },
    )
    record_audit(action=f"domain.{verb}", object_type="domain", object_id=str(domain.id), by=by, changes=changes)
