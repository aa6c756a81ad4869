from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now
from django.utils import timezone

from billing.text import MAX_EMAIL_LENGTH

from ..keys import Uuid7


class Proposal(models.Model):
    """An act that one member of staff proposed, and that takes effect only after another one approved it.

    It holds everything that the act needs: the name of its kind, its arguments, and the state of the records that it
    changes, as they were when it was proposed. None of that ever changes.
    """

    class Status(models.TextChoices):
        PROPOSED = "proposed"
        APPROVED = "approved"
        REJECTED = "rejected"
        EXPIRED = "expired"
        FAILED = "failed"
        WITHDRAWN = "withdrawn"

    TRANSITIONS = {
        Status.PROPOSED: {Status.APPROVED, Status.REJECTED, Status.EXPIRED, Status.FAILED, Status.WITHDRAWN},
        Status.APPROVED: set[Status](),
        Status.REJECTED: set[Status](),
        Status.EXPIRED: set[Status](),
        Status.FAILED: set[Status](),
        Status.WITHDRAWN: set[Status](),
    }
    DECIDED_BY_ANOTHER = (Status.APPROVED, Status.REJECTED, Status.FAILED)

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    kind = models.CharField(max_length=60)
    title = models.CharField(max_length=200, help_text="The act in a few words.")
    arguments = models.JSONField()
    state = models.JSONField(null=True, blank=True, help_text="The state that the act was proposed on.")
    changes = models.JSONField(default=list, help_text="The exact difference: rows of [name, before, after].")
    fingerprint = models.CharField(max_length=64, help_text="A hash of kind and arguments.")
    reason = models.TextField()
    subject_model = models.CharField(max_length=60, blank=True, default="", db_default="")
    subject_id = models.CharField(max_length=100, blank=True, default="", db_default="")
    status = models.CharField(max_length=10, choices=Status, default=Status.PROPOSED, db_default=Status.PROPOSED)
    outcome = models.TextField(blank=True, default="", db_default="", help_text="The result, in a sentence.")
    proposer_id = models.CharField(max_length=255)
    proposer_role = models.CharField(max_length=20)
    proposer_email = models.CharField(max_length=MAX_EMAIL_LENGTH, blank=True, default="", db_default="")
    proposer_channel = models.CharField(max_length=10)
    proposer_address = models.GenericIPAddressField(null=True, blank=True)
    decider_id = models.CharField(max_length=255, blank=True, default="", db_default="")
    decider_role = models.CharField(max_length=20, blank=True, default="", db_default="")
    decider_email = models.CharField(max_length=MAX_EMAIL_LENGTH, blank=True, default="", db_default="")
    comment = models.TextField(blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["proposed", "approved", "rejected", "expired", "failed", "withdrawn"]),
                name="billing_proposal_status_known",
            ),
            models.CheckConstraint(
                condition=~Q(kind="") & ~Q(title="") & ~Q(proposer_id="") & ~Q(reason=""),
                name="billing_proposal_proposer_and_reason_given",
            ),
            models.CheckConstraint(
                condition=Q(status="proposed", decided_at__isnull=True)
                | (~Q(status="proposed") & Q(decided_at__isnull=False)),
                name="billing_proposal_decided_at_follows_status",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["approved", "rejected", "failed"])
                | (
                    ~Q(decider_id="")
                    & ~Q(decider_id=F("proposer_id"))
                    & (Q(proposer_email="") | ~Q(decider_email=F("proposer_email")))
                ),
                name="billing_proposal_decided_by_another",
            ),
            models.CheckConstraint(
                condition=Q(proposer_email=Lower("proposer_email"), decider_email=Lower("decider_email")),
                name="billing_proposal_emails_lower_case",
            ),
            models.CheckConstraint(
                condition=Q(created_at__lt=F("expires_at")), name="billing_proposal_expires_later"
            ),
            models.UniqueConstraint(
                fields=["fingerprint"], condition=Q(status="proposed"), name="billing_proposal_proposed_once"
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="billing_proposal_newest"),
            models.Index(fields=["expires_at"], condition=Q(status="proposed"), name="billing_proposal_open"),
        ]

    def __str__(self) -> str:
        return self.title

    def is_open(self, *, now: datetime | None = None) -> bool:
        """Returns whether the proposal can still be decided."""
        return self.status == self.Status.PROPOSED and self.expires_at > (now or timezone.now())
