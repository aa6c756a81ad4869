from uuid import UUID

from django.db import transaction

from billing.actor import Actor
from billing.models import Organization
from billing.organization_roles import Act
from billing.use_cases.organizations.authorize_act import authorize_act
from orders.errors import DomainNotFound, refuse_strangers
from orders.models import Domain
from orders.use_cases.domains.record_domain_event import record_domain_event
from orders.use_cases.domains.verify_domain import find_domain


def remove_domain(*, domain_id: UUID, by: Actor) -> None:
    """Removes a domain that an organization brought.

    Raises: DomainNotFound, also for a stranger; OrganizationRoleTooLow. Locks: Organization, Domain.
    Transaction: owns.
    """
    found = find_domain(domain_id=domain_id, by=by)
    with transaction.atomic():
        with refuse_strangers(DomainNotFound):
            organization = authorize_act(
                organization_id=found.organization_id, by=by, act=Act.CHANGE_DOMAINS, lock=True
            )
        if not remove_domains(organization, by=by, only=domain_id):
            raise DomainNotFound


def remove_domains(organization: Organization, *, by: Actor, only: UUID | None = None) -> int:
    """Removes the domains of an organization, whose lock the caller holds. Returns how many there were.

    Args: only: the id of the one domain to remove. Locks: Domain. Transaction: joins.
    """
    # Races with a verification of the same domain.
    domains = Domain.objects.filter(organization=organization).order_by("id").select_for_update()
    removed = list(domains.filter(id=only) if only else domains)
    for domain in removed:
        domain.organization = organization
        record_domain_event(domain, verb="removed", by=by, changes={"name": [domain.name, None]})
        domain.delete()
    return len(removed)
