import re

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Func, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ..customer import Customer
from ..keys import Uuid7

SLUG_PATTERN = r"^[a-z][a-z0-9-]{2,30}$"
# Python's $ also matches before a newline at the end; PostgreSQL's does not.
SLUG_MATCH = re.compile(r"\A[a-z][a-z0-9-]{2,30}\Z")
VAT_NUMBER_PATTERN = r"^([A-Z0-9]{4,30})?$"
# As people write it, in groups.
VAT_NUMBER_INPUT = re.compile(r"\A([A-Za-z0-9]([ .-]?[A-Za-z0-9]){3,29})?\Z")


class Organization(models.Model):
    """A tenant: pending until its first order is complete, then provisioned by the worker."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        PROVISIONING = "provisioning", _("Provisioning")
        ACTIVE = "active", _("Active")
        SUSPENDED = "suspended", _("Suspended")
        DELETED = "deleted", _("Deleted")

    TRANSITIONS = {
        Status.PENDING: {Status.PROVISIONING, Status.ACTIVE, Status.SUSPENDED, Status.DELETED},
        Status.PROVISIONING: {Status.ACTIVE, Status.SUSPENDED, Status.DELETED},
        Status.ACTIVE: {Status.PROVISIONING, Status.SUSPENDED, Status.DELETED},
        Status.SUSPENDED: {Status.PROVISIONING, Status.ACTIVE, Status.DELETED},
        Status.DELETED: set(),
    }

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="organizations", db_index=False)
    slug = models.CharField(max_length=31)
    name = models.CharField(max_length=200)
    plan_id = models.UUIDField(null=True, blank=True)
    vat_number = models.CharField(
        max_length=30,
        blank=True,
        default="",
        db_default="",
        help_text="Stands on the invoices that are issued from then on.",
    )
    apps = models.JSONField(default=list, blank=True)
    addons = models.JSONField(default=list, blank=True)
    status = models.CharField(max_length=12, choices=Status, default=Status.PENDING, db_default=Status.PENDING)
    suspended_by_staff = models.BooleanField(
        default=False, db_default=False, help_text="Its owner's order does not make it active again: only staff do."
    )
    created_at = models.DateTimeField(db_default=Now())
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # A deleted organization's address may be used again.
            models.UniqueConstraint(
                fields=["slug"], condition=~Q(status="deleted"), name="billing_organization_slug_once"
            ),
            models.CheckConstraint(condition=Q(slug__regex=SLUG_PATTERN), name="billing_organization_slug_form"),
            models.CheckConstraint(
                condition=Q(vat_number__regex=VAT_NUMBER_PATTERN), name="billing_organization_vat_number_form"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "provisioning", "active", "suspended", "deleted"]),
                name="billing_organization_status_known",
            ),
            models.CheckConstraint(
                condition=Q(status="deleted", deleted_at__isnull=False)
                | (~Q(status="deleted") & Q(deleted_at__isnull=True)),
                name="billing_organization_deleted_at_fits",
            ),
            models.CheckConstraint(
                condition=Q(suspended_by_staff=False) | Q(status__in=["suspended", "deleted"]),
                name="billing_organization_staff_suspension_fits",
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "-created_at"], name="billing_organization_newest"),
            # Staff search by the beginning of an address, also of a deleted organization, and of each word of a name.
            models.Index(fields=["slug"], opclasses=["varchar_pattern_ops"], name="billing_organization_by_slug"),
            GinIndex(
                Func("name", template="to_tsvector('simple', translate(%(expressions)s, '-./@_', '     '))"),
                fastupdate=False,
                name="billing_organization_by_word",
            ),
            models.Index(
                fields=["status", "-id"],
                condition=Q(status__in=["provisioning", "suspended", "deleted"]),
                name="billing_organization_rare",
            ),
        ]

    def __str__(self) -> str:
        return self.slug
