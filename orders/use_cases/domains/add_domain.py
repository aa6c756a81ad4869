from uuid import UUID

from django.db import transaction

from billing.actor import Actor, system_actor
from billing.errors import translate_violations
from billing.language import say
from billing.organization_roles import Act
from billing.use_cases.organizations.authorize_act import authorize_act
from orders.dns import NameLookup
from orders.errors import DomainAdded, DomainTaken, InvalidDomain, TooManyDomains
from orders.models import Domain
from orders.models.domain import DomainNameError, is_in_sovereign_domain, normal_domain
from orders.use_cases.domains.record_domain_event import record_domain_event
from orders.use_cases.domains.verify_domain import check_domain

MAX_DOMAINS = 50


def add_domain(*, organization_id: UUID, domain: str, by: Actor) -> Domain:
    """Adds a domain that the organization brings, to be verified.

    A claim that is not verified does not hinder another. If another organization has verified the domain, and the DNS
    no longer points there, that claim fails, and this one is accepted.

    Raises: OrganizationNotFound; OrganizationRoleTooLow; InvalidDomain; DomainAdded if the organization has it
    already; DomainTaken; TooManyDomains. Locks: Organization, Domain. Transaction: owns, after the lookups.
    """
    authorize_act(organization_id=organization_id, by=by, act=Act.CHANGE_DOMAINS)
    name = _read_name(domain)
    _refuse_held(name, organization_id=organization_id)
    provider = NameLookup().provider_of(name)
    with transaction.atomic():
        organization = authorize_act(organization_id=organization_id, by=by, act=Act.CHANGE_DOMAINS, lock=True)
        if Domain.objects.filter(organization=organization).count() >= MAX_DOMAINS:
            raise TooManyDomains
        with translate_violations({"orders_domain_once_per_organization": DomainAdded}):
            added = Domain.objects.create(organization=organization, name=name, registrar=provider)
        record_domain_event(added, verb="added", by=by, changes={"name": [None, name]})
    return added


def _read_name(domain: str) -> str:
    try:
        name = normal_domain(domain)
    except DomainNameError as error:
        raise InvalidDomain(f"domain: {say(str(error))}", fields={"domain": [str(error)]}) from error
    if is_in_sovereign_domain(name):
        sentence = say("this domain is the Sovereign's own")
        raise InvalidDomain(f"domain: {sentence}", fields={"domain": [sentence]})
    return name


def _refuse_held(name: str, *, organization_id: UUID) -> None:
    held = Domain.objects.filter(name=name, status=Domain.Status.VERIFIED).exclude(organization_id=organization_id)
    holder = held.select_related("organization").first()
    if holder and check_domain(holder, by=system_actor(channel="api")).domain.status == Domain.Status.VERIFIED:
        raise DomainTaken
