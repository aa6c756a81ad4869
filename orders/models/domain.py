import ipaddress

import idna
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.language import say
from billing.models import Organization
from billing.models.keys import Uuid7

MAX_DOMAIN_LENGTH = 253
_MIN_LABELS = 2
# Names under these are never in the public DNS (RFC 6761, 6762, 7686, 8375, 9476; reserved or withheld by ICANN).
_NOT_PUBLIC = frozenset("alt arpa corp home internal intranet invalid lan local localhost onion private".split())


class DomainNameError(ValueError):
    """The text is not the name of a public domain. The sentence says why."""


class Domain(models.Model):
    """A domain that an organization brings. Several may claim a name, and at most one of them has it verified."""

    class Status(models.TextChoices):
        PENDING = "pending"
        VERIFIED = "verified"
        FAILED = "failed"

    TRANSITIONS = {
        Status.PENDING: {Status.VERIFIED, Status.FAILED},
        Status.VERIFIED: {Status.FAILED},
        Status.FAILED: {Status.VERIFIED},
    }

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="domains", db_index=False)
    name = models.CharField(max_length=MAX_DOMAIN_LENGTH, help_text="Lower-case, in ASCII (punycode).")
    registrar = models.CharField(max_length=50, blank=True, default="", db_default="")
    status = models.CharField(max_length=8, choices=Status, default=Status.PENDING, db_default=Status.PENDING)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "name"], name="orders_domain_once_per_organization"),
            models.UniqueConstraint(
                fields=["name"], condition=Q(status="verified"), name="orders_domain_verified_once"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "verified", "failed"]), name="orders_domain_status_known"
            ),
            models.CheckConstraint(
                condition=Q(name__regex=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]*[a-z][a-z0-9-]*$"),
                name="orders_domain_name_form",
            ),
        ]
        indexes = [models.Index(fields=["name"], name="orders_domain_of_name")]

    def __str__(self) -> str:
        return self.name


def normal_domain(text: str) -> str:
    """Returns the one form of a domain's name: lower-case, in ASCII, without a dot at the end.

    Raises: DomainNameError if it is no host name, or lies in a part of the name space that is not public.
    """
    name = text.strip().removesuffix(".")
    try:
        name = idna.encode(name, uts46=True).decode("ascii").lower()
    except idna.IDNAError as error:
        raise DomainNameError("this is not a valid domain name") from error
    labels = name.split(".")
    if len(labels) < _MIN_LABELS:
        raise DomainNameError("give a whole domain name, such as shop.example.com")
    if _is_address(name) or labels[-1].isdigit():
        raise DomainNameError("this is an address, not a domain name")
    if labels[-1] in _NOT_PUBLIC:
        raise DomainNameError(say("names under .%(name)s are not in the public DNS", name=labels[-1]))
    return name


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def cname_target(organization: Organization) -> str:
    """Returns the organization's own address: the name that the CNAME records of its domains point to."""
    return f"{organization.slug}.{settings.SOVEREIGN_DOMAIN}".lower()


def is_in_sovereign_domain(name: str) -> bool:
    """Returns whether the name is the Sovereign's domain, or lies under it."""
    return f".{name}".endswith(f".{settings.SOVEREIGN_DOMAIN.lower()}")


def proof_name(domain: str) -> str:
    """Returns the name of the TXT record that proves a domain's organization where no CNAME record can stand."""
    return f"_organization.{domain}"


def proof_text(organization: Organization) -> str:
    """Returns the text of the TXT record that proves a domain's organization."""
    return f"organization={organization.id}"
