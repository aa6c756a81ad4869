from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from ..keys import Uuid7
from ..ledger import CreditClass, LedgerEntry

GRANT_NAME = r"[a-z0-9][a-z0-9._-]{2,79}"


class BulkGrant(models.Model):
    """Credit for each customer of a list. The worker grants it row by row, and can take it back as a whole.

    `progress` counts the rows that the present work, a grant or an undo, is done with. The database keeps its content
    as it was drafted.
    """

    class Status(models.TextChoices):
        DRAFT = "draft"
        DISCARDED = "discarded"
        RUNNING = "running"
        DONE = "done"
        UNDOING = "undoing"
        UNDONE = "undone"

    TRANSITIONS = {
        Status.DRAFT: {Status.DISCARDED, Status.RUNNING},
        Status.DISCARDED: set[Status](),
        Status.RUNNING: {Status.DONE},
        Status.DONE: {Status.UNDOING},
        Status.UNDOING: {Status.UNDONE},
        Status.UNDONE: set[Status](),
    }

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    name = models.CharField(max_length=80, help_text="A customer gets a grant of one name once.")
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT, db_default=Status.DRAFT)
    rows = models.IntegerField()
    total_minor = models.BigIntegerField()
    rows_hash = models.CharField(max_length=64, help_text="A hash of the rows, whatever their order.")
    credit_class = models.CharField(max_length=12, choices=CreditClass)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="When the credit expires.")
    reason = models.TextField()
    progress = models.IntegerField(default=0, db_default=0)
    drafted_by = models.CharField(max_length=255)
    started_by = models.JSONField(default=dict, db_default={}, help_text="The actor of the grants.")
    undone_by = models.JSONField(default=dict, db_default={}, help_text="The actor of the undo, and the reason.")
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["draft", "discarded", "running", "done", "undoing", "undone"]),
                name="billing_bulkgrant_status_known",
            ),
            models.CheckConstraint(condition=Q(name__regex=f"^{GRANT_NAME}$"), name="billing_bulkgrant_name_form"),
            models.CheckConstraint(
                condition=Q(rows__gt=0, total_minor__gte=F("rows")), name="billing_bulkgrant_grants_something"
            ),
            models.CheckConstraint(
                condition=Q(progress__gte=0, progress__lte=F("rows")), name="billing_bulkgrant_progress_within_rows"
            ),
            models.CheckConstraint(
                condition=Q(credit_class__in=["sold", "promotional", "compensation"]),
                name="billing_bulkgrant_credit_class_known",
            ),
            models.CheckConstraint(
                condition=~Q(reason="") & ~Q(drafted_by=""), name="billing_bulkgrant_drafter_and_reason_given"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["draft", "discarded"]) | (~Q(started_by={}) & Q(started_at__isnull=False)),
                name="billing_bulkgrant_starter_given",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["undoing", "undone"]) | ~Q(undone_by={}),
                name="billing_bulkgrant_undoer_given",
            ),
            models.UniqueConstraint(
                fields=["name", "rows_hash"], condition=~Q(status="discarded"), name="billing_bulkgrant_list_once"
            ),
        ]
        indexes = [models.Index(fields=["-created_at", "-id"], name="billing_bulkgrant_newest")]

    def __str__(self) -> str:
        return self.name


class BulkGrantRow(models.Model):
    """One customer of a bulk grant, the amount, and what became of it."""

    class Status(models.TextChoices):
        PENDING = "pending"
        GRANTED = "granted"
        SKIPPED = "skipped"
        UNDONE = "undone"
        KEPT = "kept"

    TRANSITIONS = {
        Status.PENDING: {Status.GRANTED, Status.SKIPPED},
        Status.GRANTED: {Status.UNDONE, Status.KEPT},
        Status.SKIPPED: set[Status](),
        Status.UNDONE: set[Status](),
        Status.KEPT: set[Status](),
    }

    class Why(models.TextChoices):
        """The reasons for which a row was skipped, or its credit was not taken back."""

        HAD_IT = "had_it", "had a grant of this name already"
        MERGED = "merged", "merged into another customer"
        SPENT = "spent", "spent, at least in part"
        HELD = "held", "held for an open payment"
        EXPIRED = "expired", "expired"
        REVERSED = "reversed", "taken back already"

    id = models.BigAutoField(primary_key=True)
    bulk_grant = models.ForeignKey(BulkGrant, on_delete=models.PROTECT, related_name="entries", db_index=False)
    line = models.IntegerField(help_text="The line of the file.")
    user_id = models.CharField(max_length=255)
    amount_minor = models.BigIntegerField()
    status = models.CharField(max_length=7, choices=Status, default=Status.PENDING, db_default=Status.PENDING)
    why = models.CharField(max_length=8, choices=Why, blank=True, default="", db_default="")
    entry = models.ForeignKey(
        LedgerEntry, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["bulk_grant", "user_id"], name="billing_bulkgrantrow_user_once"),
            models.UniqueConstraint(fields=["bulk_grant", "line"], name="billing_bulkgrantrow_line_once"),
            models.CheckConstraint(
                condition=Q(status__in=["pending", "granted", "skipped", "undone", "kept"]),
                name="billing_bulkgrantrow_status_known",
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0, line__gt=0) & ~Q(user_id=""), name="billing_bulkgrantrow_complete"
            ),
            models.CheckConstraint(
                condition=(~Q(status__in=["pending", "skipped"]) | Q(entry__isnull=True))
                & (~Q(status__in=["granted", "undone", "kept"]) | Q(entry__isnull=False)),
                name="billing_bulkgrantrow_entry_follows_status",
            ),
            models.CheckConstraint(
                condition=(~Q(status__in=["skipped", "kept"]) | ~Q(why=""))
                & (~Q(status__in=["pending", "granted", "undone"]) | Q(why="")),
                name="billing_bulkgrantrow_says_why",
            ),
            models.CheckConstraint(
                condition=Q(why__in=["", "had_it", "merged", "spent", "held", "expired", "reversed"]),
                name="billing_bulkgrantrow_why_known",
            ),
        ]
        indexes = [
            models.Index(fields=["bulk_grant", "status", "line"], name="billing_bulkgrantrow_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.amount_minor} for {self.user_id}"
