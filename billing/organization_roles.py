"""The roles inside an organization, and the one matrix of what each of them may do.

Every endpoint that has an organization names its act. `authorize_act` (use_cases/organizations) compares it with the
caller's role: a stranger gets a 404, a member whose role does not suffice a 403. A stronger role may do everything
that a weaker one may.
"""

from enum import StrEnum

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy


class OrganizationRole(TextChoices):
    """The roles, strongest first. The owner is the organization's customer, who pays for it."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


ROLE_NAMES = {
    OrganizationRole.OWNER: gettext_lazy("owner"),
    OrganizationRole.ADMIN: gettext_lazy("admin"),
    OrganizationRole.MEMBER: gettext_lazy("member"),
    OrganizationRole.VIEWER: gettext_lazy("viewer"),
}

# The roles that an invitation can give.
MEMBER_ROLES = (OrganizationRole.ADMIN, OrganizationRole.MEMBER, OrganizationRole.VIEWER)


class Act(StrEnum):
    """Something that a caller does with an organization."""

    READ = "read the organization"
    READ_MEMBERS = "read its members"
    READ_SUBSCRIPTION = "read its subscription"
    READ_PROVISIONING = "read its provisions and jobs"
    READ_APPS = "read its apps and backing services"
    READ_DOMAINS = "read its domains"
    START_PROVISIONING = "start its provision"
    READ_INVOICES = "read its invoices"
    RENAME = "change its name and VAT number"
    CHANGE_MEMBERS = "invite and remove members"
    CHANGE_APPS = "install and remove apps"
    CHANGE_DOMAINS = "add, verify and remove domains"
    PAY = "order, quote and pay"
    CHANGE_SUBSCRIPTION = "cancel and resume its subscription"
    OPEN_PORTAL = "open the payment processor's portal"
    DELETE = "delete it"


LEAST_ROLES: dict[Act, OrganizationRole] = {
    Act.READ: OrganizationRole.VIEWER,
    Act.READ_MEMBERS: OrganizationRole.VIEWER,
    Act.READ_SUBSCRIPTION: OrganizationRole.VIEWER,
    Act.READ_PROVISIONING: OrganizationRole.VIEWER,
    Act.READ_APPS: OrganizationRole.VIEWER,
    Act.READ_DOMAINS: OrganizationRole.VIEWER,
    Act.START_PROVISIONING: OrganizationRole.MEMBER,
    Act.READ_INVOICES: OrganizationRole.ADMIN,
    Act.RENAME: OrganizationRole.ADMIN,
    Act.CHANGE_MEMBERS: OrganizationRole.ADMIN,
    Act.CHANGE_APPS: OrganizationRole.ADMIN,
    Act.CHANGE_DOMAINS: OrganizationRole.ADMIN,
    Act.PAY: OrganizationRole.OWNER,
    Act.CHANGE_SUBSCRIPTION: OrganizationRole.OWNER,
    Act.OPEN_PORTAL: OrganizationRole.OWNER,
    Act.DELETE: OrganizationRole.OWNER,
}
READING_ACTS = frozenset(act for act in Act if act.value.startswith("read "))
# The history of a deleted organization stays readable, for its owner alone.
ACTS_AFTER_DELETION = frozenset({Act.READ, Act.READ_SUBSCRIPTION, Act.READ_INVOICES, Act.DELETE})

_STRONGEST_FIRST = list(OrganizationRole)


def may(role: OrganizationRole, act: Act) -> bool:
    """Returns whether the role may do this."""
    return _STRONGEST_FIRST.index(role) <= _STRONGEST_FIRST.index(LEAST_ROLES[act])
