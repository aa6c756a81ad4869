from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from .account import Account
from .keys import Uuid7


class CreditClass(models.TextChoices):
    """Why a customer has credit: it was bought, given to promote, or given to make up for something."""

    SOLD = "sold"
    PROMOTIONAL = "promotional"
    COMPENSATION = "compensation"


class LedgerEntry(models.Model):
    """One change of a balance, for ever: the database refuses UPDATE, DELETE and TRUNCATE of this table.

    `version` counts the account's entries from 1 without a gap, `balance_after_minor` is the balance that the entry
    left, and `hash` covers the entry, what it took from each lot (`lots_hash`) and the hash of the account's entry
    before. The trigger that moves the account sets all of them, whatever was given.
    """

    class Kind(models.TextChoices):
        GRANT = "grant"
        SPEND = "spend"
        REVERSAL = "reversal"
        ADJUSTMENT = "adjustment"
        EXPIRY = "expiry"

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="entries", db_index=False)
    version = models.BigIntegerField(db_default=0, editable=False)
    kind = models.CharField(max_length=10, choices=Kind)
    amount_minor = models.BigIntegerField()
    balance_after_minor = models.BigIntegerField(db_default=0, editable=False)
    reason = models.CharField(max_length=100)
    note = models.TextField(blank=True, default="", db_default="")
    order_id = models.UUIDField(null=True, blank=True)
    redemption_id = models.UUIDField(null=True, blank=True)
    # Once: by the constraint below, whose index has no row for all that reverse nothing.
    reverses = models.ForeignKey("self", on_delete=models.PROTECT, db_index=False, null=True, blank=True)
    credit_class = models.CharField(
        max_length=12,
        choices=CreditClass,
        blank=True,
        default="",
        db_default="",
        help_text="Of credit that comes in.",
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="When the credit expires that this brought.")
    # The lot is that of the entry which brought the credit.
    lot = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        db_index=False,
        db_constraint=False,  # the trigger looks it up
        null=True,
        blank=True,
        related_name="taken_by",
    )
    actor_id = models.CharField(max_length=255)
    actor_role = models.CharField(max_length=20)
    channel = models.CharField(max_length=10)
    address = models.GenericIPAddressField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    hash = models.BinaryField(null=True, editable=False, help_text="SHA-256 of this entry and of the hash before it.")
    lots_hash = models.BinaryField(
        null=True,
        editable=False,
        help_text="SHA-256 of what this entry took from each lot, or gave back; none if it moved no lot.",
    )

    class Meta:
        verbose_name_plural = "ledger entries"
        indexes = [
            # Entries of a release without a chain, until migrate has given them a hash. Empty after that.
            models.Index(fields=["account"], condition=Q(hash__isnull=True), name="billing_entry_without_hash"),
            # The entries that are no grant and no spend are few, and people look for them.
            models.Index(
                fields=["-id"],
                condition=Q(kind__in=["reversal", "adjustment", "expiry"]),
                name="billing_ledgerentry_correction",
            ),
            # `transfer:<id>`: the two entries that move credit from one account to another.
            models.Index(
                fields=["reason"],
                condition=Q(kind="adjustment", reason__startswith="transfer:"),
                name="billing_ledgerentry_transfer",
            ),
            # The entries between two instants. They stand in the order of time: summaries of pages find them.
            BrinIndex(fields=["created_at"], autosummarize=True, name="billing_ledgerentry_in_time"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["account", "version"], name="billing_ledgerentry_version_once"),
            models.UniqueConstraint(
                fields=["reverses"], condition=Q(reverses__isnull=False), name="billing_ledgerentry_reversed_once"
            ),
            models.UniqueConstraint(
                fields=["order_id"], condition=Q(kind="spend"), name="billing_ledgerentry_one_spend_per_order"
            ),
            models.UniqueConstraint(
                fields=["redemption_id"],
                condition=Q(kind="grant"),
                name="billing_ledgerentry_one_grant_per_redemption",
            ),
            models.UniqueConstraint(
                fields=["account", "reason"],
                condition=Q(kind="grant", reason__startswith="grant:"),
                name="billing_ledgerentry_one_grant_per_reason",
            ),
            # `proration:<subscription id>`: a replaced subscription's unused month is credited once.
            models.UniqueConstraint(
                fields=["reason"],
                condition=Q(kind="grant", reason__startswith="proration:"),
                name="billing_ledgerentry_one_proration_a_subscription",
            ),
            # `moved-out:<move>`, `moved-in:<move>:<number>`: credit leaves for another Sovereign, and comes in, once.
            models.UniqueConstraint(
                fields=["reason"],
                condition=Q(kind="adjustment")
                & (Q(reason__startswith="moved-out:") | Q(reason__startswith="moved-in:")),
                name="billing_ledgerentry_moved_once",
            ),
            models.CheckConstraint(
                condition=Q(kind="grant", amount_minor__gt=0)
                | Q(kind__in=["spend", "expiry"], amount_minor__lt=0)
                | (Q(kind__in=["reversal", "adjustment"]) & ~Q(amount_minor=0)),
                name="billing_ledgerentry_amount_fits_kind",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(kind__in=["grant", "adjustment"], amount_minor__gt=0),
                name="billing_ledgerentry_expires_if_it_grants",
            ),
            models.CheckConstraint(
                condition=Q(kind="expiry", lot__isnull=False)
                | (~Q(kind="expiry") & (Q(lot__isnull=True) | Q(kind="adjustment", amount_minor__lt=0))),
                name="billing_ledgerentry_expiry_names_lot",
            ),
            models.CheckConstraint(
                condition=Q(credit_class__in=["", "sold", "promotional", "compensation"]),
                name="billing_ledgerentry_credit_class_known",
            ),
            models.CheckConstraint(
                condition=Q(kind="reversal", reverses__isnull=False)
                | (~Q(kind="reversal") & Q(reverses__isnull=True)),
                name="billing_ledgerentry_reversal_names_entry",
            ),
            models.CheckConstraint(
                condition=~Q(kind="spend") | Q(order_id__isnull=False), name="billing_ledgerentry_spend_names_order"
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=["reversal", "adjustment"]) | ~Q(note=""),
                name="billing_ledgerentry_correction_says_why",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="billing_ledgerentry_reason_given"),
            models.CheckConstraint(condition=~Q(actor_id=""), name="billing_ledgerentry_actor_given"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount_minor} ({self.reason})"


class Verification(models.Model):
    """The last verification of the ledger, its chain, the redemptions or the closed months, and its first fault."""

    class Books(models.TextChoices):
        LEDGER = "ledger"
        REDEMPTIONS = "redemptions"
        CHAIN = "chain"
        MONTHS = "months"

    books = models.CharField(max_length=11, choices=Books, primary_key=True)
    verified_at = models.DateTimeField()
    fault = models.CharField(max_length=300, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(books__in=["ledger", "redemptions", "chain", "months"]),
                name="billing_verification_books_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.books} verified at {self.verified_at}"
