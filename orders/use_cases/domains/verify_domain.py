"""Looks a domain up in the DNS, and records whether it points to its organization.

The DNS decides to whom a domain belongs. Only its owner can make it an alias of one organization's address, so an
organization that merely claims a name cannot keep it from its owner. A name at the top of its zone cannot be an
alias. It proves its organization by a TXT record, and must have an address of the organization's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.language import say
from billing.organization_roles import Act
from billing.use_cases.organizations.authorize_act import authorize_act
from orders.dns import NameLookup, NameServersSilent, NoSuchName
from orders.errors import DomainNotFound, refuse_strangers
from orders.models import Domain
from orders.models.domain import cname_target, proof_name, proof_text
from orders.use_cases.domains.record_domain_event import record_domain_event


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """A domain as it is after a lookup, the alias that was found, and a sentence for people."""

    domain: Domain
    cname: str
    message: str


@dataclass(frozen=True, slots=True)
class _Finding:
    """The finding of the DNS. Without a status it said nothing, and the domain stays as it is."""

    status: Domain.Status | None
    cname: str
    message: str


def verify_domain(*, domain_id: UUID, by: Actor) -> Verification:
    """Looks the domain up, and marks it verified or failed. If no name server answers, nothing changes.

    Raises: DomainNotFound, also for a stranger; OrganizationRoleTooLow.
    Locks: Organization, Domain. Transaction: owns, after the lookup.
    """
    domain = find_domain(domain_id=domain_id, by=by)
    return check_domain(domain, by=by, authorize=True)


def find_domain(*, domain_id: UUID, by: Actor) -> Domain:
    """Returns the domain with its organization, if the caller may change it.

    Raises: DomainNotFound, also for a stranger; OrganizationRoleTooLow.
    """
    domain = Domain.objects.select_related("organization").filter(id=domain_id).first()
    if domain is None:
        raise DomainNotFound
    with refuse_strangers(DomainNotFound):
        authorize_act(organization_id=domain.organization_id, by=by, act=Act.CHANGE_DOMAINS)
    return domain


def check_domain(domain: Domain, *, by: Actor, authorize: bool = False) -> Verification:
    """Looks the domain up, and records the finding.

    Args: authorize: whether to check the actor's role again under the lock. Raises: DomainNotFound if it was removed
    meanwhile. Locks: Organization if it authorizes, and each claim of the name. Transaction: owns, after the lookup.
    """
    finding = _look_up(domain)
    with transaction.atomic():
        if authorize:
            with refuse_strangers(DomainNotFound):
                authorize_act(organization_id=domain.organization_id, by=by, act=Act.CHANGE_DOMAINS, lock=True)
        # Races with the verification of the same name for another organization, and with the removal of this one.
        claims = Domain.objects.select_related("organization").select_for_update(no_key=True, of=("self",))
        named = {each.id: each for each in claims.filter(name=domain.name).order_by("id")}
        current = named.pop(domain.id, None)
        if current is None:
            raise DomainNotFound
        if finding.status and finding.status != current.status:
            if finding.status == Domain.Status.VERIFIED:
                _fail_others(named.values(), by=by)
            _record(current, finding.status, by=by)
    return Verification(domain=current, cname=finding.cname, message=finding.message)


def _look_up(domain: Domain) -> _Finding:
    target = cname_target(domain.organization)
    lookup = NameLookup()
    try:
        aliases = lookup.aliases_of(domain.name)
        if target in aliases:
            return _Finding(
                Domain.Status.VERIFIED,
                aliases[0],
                say("%(name)s points to %(target)s", name=domain.name, target=target),
            )
        if aliases:
            sentence = say(
                "%(name)s points to %(other)s, not to %(target)s", name=domain.name, other=aliases[-1], target=target
            )
            return _Finding(Domain.Status.FAILED, aliases[0], sentence)
        return _check_proof(domain, target, lookup)
    except NoSuchName:
        sentence = say(
            "%(name)s does not exist in the DNS: add a CNAME record to %(target)s", name=domain.name, target=target
        )
        return _Finding(Domain.Status.FAILED, "", sentence)
    except NameServersSilent:
        sentence = say("the name servers of %(name)s do not answer: try again later", name=domain.name)
        return _Finding(None, "", sentence)


def _check_proof(domain: Domain, target: str, lookup: NameLookup) -> _Finding:
    """Checks a name that is no alias, by its addresses and its TXT record."""
    names = {"name": domain.name, "target": target}
    addresses = lookup.addresses_of(domain.name)
    if not addresses:
        sentence = say("%(name)s has no CNAME record and no address: add a CNAME record to %(target)s", **names)
        return _Finding(Domain.Status.FAILED, "", sentence)
    if not addresses & lookup.addresses_of(target):
        return _Finding(Domain.Status.FAILED, "", say("%(name)s has other addresses than %(target)s", **names))
    if proof_text(domain.organization) not in lookup.texts_of(proof_name(domain.name)):
        sentence = say(
            "%(name)s has the addresses of %(target)s; now add a TXT record %(proof)s with %(text)s",
            proof=proof_name(domain.name),
            text=proof_text(domain.organization),
            **names,
        )
        return _Finding(Domain.Status.FAILED, "", sentence)
    return _Finding(Domain.Status.VERIFIED, "", say("%(name)s has the addresses of %(target)s", **names))


def _fail_others(claims: Iterable[Domain], *, by: Actor) -> None:
    """Fails the claim by which another organization has the name verified: the DNS no longer points there."""
    for claim in claims:
        if claim.status == Domain.Status.VERIFIED:
            _record(claim, Domain.Status.FAILED, by=by)


def _record(domain: Domain, status: Domain.Status, *, by: Actor) -> None:
    before, domain.status, domain.updated_at = domain.status, status, timezone.now()
    domain.save(update_fields=["status", "updated_at"])
    record_domain_event(domain, verb=status.value, by=by, changes={"status": [before, status.value]})
