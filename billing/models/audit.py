from django.db import models
from django.db.models import Q
from django.db.models.functions import Now, Upper

from billing.text import MAX_EMAIL_LENGTH

from .keys import Uuid7


class AuditEntry(models.Model):
    """One act: the actor, the object, its old and new values, and why. Append-only and chained, as the ledger is.

    Money has its own record, the ledger entry; this one is for all other changes, for exports and for
    looks at a secret.
    """

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=100)
    changes = models.JSONField(default=dict)
    reason = models.TextField(blank=True, default="", db_default="")
    actor_id = models.CharField(max_length=255)
    actor_role = models.CharField(max_length=20)
    actor_email = models.CharField(max_length=MAX_EMAIL_LENGTH, blank=True, default="", db_default="")
    channel = models.CharField(max_length=10)
    address = models.GenericIPAddressField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    request_id = models.CharField(max_length=128, blank=True, default="", db_default="")

    class Meta:
        verbose_name_plural = "audit entries"
        constraints = [
            models.CheckConstraint(condition=~Q(actor_id=""), name="billing_auditentry_actor_given"),
            models.CheckConstraint(condition=~Q(action=""), name="billing_auditentry_action_given"),
        ]
        indexes = [
            models.Index(fields=["object_type", "object_id", "-created_at"], name="billing_audit_of_object"),
            models.Index(fields=["-created_at"], name="billing_audit_newest"),
            models.Index(fields=["actor_id", "-created_at"], name="billing_audit_of_actor"),
            models.Index(Upper("actor_email"), name="billing_audit_of_email"),
            models.Index(fields=["request_id"], condition=~Q(request_id=""), name="billing_audit_of_request"),
            # Lists find the few entries of a role or a channel. Rows of the index share equal values: 7 bytes each.
            models.Index(fields=["actor_role", "channel"], name="billing_audit_of_origin"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_id}"


class Restoration(models.Model):
    """A restoration of this database from a backup. Until it is released, no mail, event or charge leaves it.

    A restored copy may stand beside the original, and may not know what the original sent after the backup.
    """

    id = models.BigAutoField(primary_key=True)
    restored_at = models.DateTimeField(db_default=Now())
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.CharField(max_length=255, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(released_at__isnull=True, released_by="")
                | (Q(released_at__isnull=False) & ~Q(released_by="")),
                name="billing_restoration_released_by_someone",
            ),
        ]

    def __str__(self) -> str:
        return f"restored at {self.restored_at}"
