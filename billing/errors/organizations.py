"""Refusals of acts on organizations and their members."""

from .base import DomainError


class OrganizationNotFound(DomainError):
    code = "tenant_not_found"
    status = 404
    message = "there is no such organization"


class OrganizationSuspended(DomainError):
    """Staff suspended the organization, and only staff make it active again."""

    code = "organization_suspended"
    status = 409
    message = "this organization is suspended: contact support"


class OrganizationRoleTooLow(DomainError):
    """The caller is a member of the organization, and the caller's role does not allow the act."""

    code = "organization_role_too_low"
    status = 403
    message = "your role in this organization does not allow this"


class StatusNotAllowed(DomainError):
    code = "status_not_allowed"
    status = 409
    message = "the organization cannot get this status now"


class AlreadyMember(DomainError):
    code = "already_member"
    status = 409
    message = "this person is a member of the organization already, or has an invitation"


class MemberNotFound(DomainError):
    code = "member_not_found"
    status = 404
    message = "there is no such member"


class OwnerNotRemovable(DomainError):
    code = "owner_not_removable"
    status = 403
    message = "the owner of an organization cannot be removed"


class TooManyOrganizations(DomainError):
    code = "too_many_organizations"
    status = 409
    message = "you have as many organizations as one customer may have; a deleted one counts for a day"


class TooManyMembers(DomainError):
    code = "too_many_members"
    status = 409
    message = "the organization has as many members as it may have"


class TooManyInvitations(DomainError):
    code = "too_many_invitations"
    status = 429
    message = "too many people were invited today: try again later"


class SlugTaken(DomainError):
    code = "slug_taken"
    status = 409
    message = "slug is already taken"


class SlugReserved(DomainError):
    code = "slug_reserved"
    status = 409
    message = "slug is reserved"
