"""Organizations with what this app knows of them: members, apps and domains."""

import re
from collections.abc import Iterable
from uuid import UUID

from django.db.models import BooleanField, Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

from billing.errors import OrganizationNotFound
from billing.models import Customer, Organization, OrganizationMember
from orders.models import App, Domain, UnsettledApp

from .references import parse_id

# The index of words serves this because it has the same expression.
_HAS_WORDS = (
    "to_tsvector('simple', translate(billing_organization.name, '-./@_', '     ')) @@ to_tsquery('simple', %s)"
)
_WORD = re.compile(r"[^\W_]+")
_LONGEST_NAME = 200


def find_organization(*, organization_id: UUID) -> Organization:
    """Returns an organization that is not deleted, with its customer, for staff. Raises: OrganizationNotFound."""
    organizations = Organization.objects.select_related("customer").exclude(status=Organization.Status.DELETED)
    found = organizations.filter(id=organization_id).first()
    if found is None:
        raise OrganizationNotFound
    return found


def find_organizations(*, term: str) -> QuerySet[Organization, Organization]:
    """Returns the organizations that are not deleted, newest first, with `member_count`; all of them without a term.

    A term is part of a name or slug, an id, or the owner's e-mail address or user id.
    """
    found = Organization.objects.exclude(status=Organization.Status.DELETED)
    wanted = term.strip()
    if wanted:
        owners = Customer.objects.filter(Q(user_id=wanted) | Q(email__iexact=wanted))
        named = Q(slug__contains=wanted.lower()) | Q(name__icontains=wanted) | Q(customer__in=owners)
        identity = parse_id(wanted)
        found = found.filter(named | Q(id=identity) if identity else named)
    members = OrganizationMember.objects.filter(organization=OuterRef("pk")).order_by().values("organization")
    counted = Subquery(members.annotate(number=Count("pk")).values("number"), output_field=IntegerField())
    # The owner is counted too, and has no row.
    return found.annotate(member_count=Coalesce(counted, 0) + 1).order_by("-created_at", "-id")


def words_in(text: str) -> list[str]:
    """Returns the words of a text, at most of as much as a name may have."""
    return _WORD.findall(text[:_LONGEST_NAME])


def has_words(words: list[str]) -> Q:
    """Returns a condition on organizations: for each of the words, the name has one that begins with it."""
    wanted = " & ".join(f"'{word}':*" for word in words)
    return Q(RawSQL(_HAS_WORDS, [wanted], output_field=BooleanField()))  # noqa: S611 - it takes a parameter


def app_slugs_of(organizations: Iterable[Organization]) -> dict[str, str]:
    """Returns the slugs of the organizations' apps, by id. One query, none where there is no app."""
    ids = {app for organization in organizations for app in organization.apps if parse_id(app)}
    found = App.objects.filter(id__in=ids).values_list("id", "slug") if ids else ()
    return {str(app): slug for app, slug in found}


def app_states_of(organizations: Iterable[Organization]) -> dict[UUID, dict[str, str]]:
    """Returns by organization the apps that are not settled: app id → installing, uninstalling or failed."""
    states: dict[UUID, dict[str, str]] = {organization.id: {} for organization in organizations}
    unsettled = UnsettledApp.objects.filter(organization__in=states).values_list("organization_id", "app_id", "state")
    for organization_id, app_id, state in unsettled if states else ():
        states[organization_id][str(app_id)] = state
    return states


def domains_of(organization: Organization) -> QuerySet[Domain, Domain]:
    """Returns the domains that the organization brought, newest first. One query."""
    return Domain.objects.filter(organization=organization).order_by("-created_at", "-id")
