from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from billing.organization_roles import MEMBER_ROLES
from billing.text import MAX_EMAIL_LENGTH

from ..customer import Customer
from ..keys import Uuid7
from .organization import Organization


class OrganizationMember(models.Model):
    """A person beside the owner with a role inside an organization, or the invitation of one.

    An invitation has no customer. It is bound to the first customer who signs in with its address. The owner has no
    row: `Organization.customer` is the owner.
    """

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="members", db_index=False)
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="memberships", null=True, blank=True
    )
    email = models.CharField(max_length=MAX_EMAIL_LENGTH)
    role = models.CharField(max_length=6, choices=[(role.value, role.label) for role in MEMBER_ROLES])
    joined_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "email"], name="billing_organizationmember_email_once"),
            models.UniqueConstraint(
                fields=["organization", "customer"], name="billing_organizationmember_customer_once"
            ),
            models.CheckConstraint(condition=~Q(email=""), name="billing_organizationmember_email_given"),
            models.CheckConstraint(condition=Q(email=Lower("email")), name="billing_organizationmember_email_lower"),
            models.CheckConstraint(
                condition=Q(role__in=["admin", "member", "viewer"]), name="billing_organizationmember_role_known"
            ),
        ]
        indexes = [
            models.Index(fields=["email"], condition=Q(customer__isnull=True), name="billing_invitation_of_email"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.email}"

    @property
    def current_email(self) -> str:
        """The address that the customer has now; that of the invitation until it is bound."""
        return (self.customer.email if self.customer else "") or self.email
