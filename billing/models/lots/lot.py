from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q

from ..account import Account, Hold
from ..ledger import CreditClass, LedgerEntry


class Lot(models.Model):
    """The rest of the credit that one ledger entry brought. The database keeps all figures itself (lots.sql).

    Only accounts that hold, or once held, expiring credit have lots. `left_minor` includes `held_minor`. `expires_at`
    is the entry's own, or later where credit came back after it.
    """

    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, primary_key=True, related_name="opened_lot")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="lots", db_index=False)
    version = models.BigIntegerField(help_text="The entry's: a lower one is older.")
    amount_minor = models.BigIntegerField(help_text="What the lot held when it was opened.")
    left_minor = models.BigIntegerField()
    held_minor = models.BigIntegerField(default=0, db_default=0)
    credit_class = models.CharField(max_length=12, choices=CreditClass)
    expires_at = models.DateTimeField(null=True, blank=True)
    reminded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["account"], condition=Q(left_minor__gt=0), name="billing_lot_left"),
            models.Index(
                fields=["expires_at"],
                condition=Q(left_minor__gt=0, expires_at__isnull=False, reminded_at__isnull=True),
                name="billing_lot_to_remind",
            ),
            # The lots that expired between two instants. Lives differ: each summary keeps several ranges of them.
            BrinIndex(
                fields=["expires_at"],
                opclasses=["timestamptz_minmax_multi_ops"],
                autosummarize=True,
                name="billing_lot_in_time",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(held_minor__gte=0, left_minor__gte=F("held_minor"), amount_minor__gte=F("left_minor")),
                name="billing_lot_held_within_left_within_amount",
            ),
            models.CheckConstraint(
                condition=Q(credit_class__in=["sold", "promotional", "compensation"]),
                name="billing_lot_credit_class_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.left_minor} of {self.amount_minor}"


class LotMove(models.Model):
    """A part of a lot that a ledger entry took (negative) or gave back, or that a hold set aside. For ever."""

    lot = models.ForeignKey(Lot, on_delete=models.PROTECT, related_name="moves")
    entry = models.ForeignKey(
        LedgerEntry, on_delete=models.PROTECT, null=True, blank=True, related_name="lot_moves", db_index=False
    )
    hold = models.ForeignKey(
        Hold, on_delete=models.PROTECT, null=True, blank=True, related_name="lot_moves", db_index=False
    )
    amount_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["entry", "lot"], condition=Q(entry__isnull=False), name="billing_lotmove_entry_once_per_lot"
            ),
            models.UniqueConstraint(
                fields=["hold", "lot"], condition=Q(hold__isnull=False), name="billing_lotmove_hold_once_per_lot"
            ),
            models.CheckConstraint(
                condition=Q(entry__isnull=False, hold__isnull=True) & ~Q(amount_minor=0)
                | Q(entry__isnull=True, hold__isnull=False, amount_minor__gt=0),
                name="billing_lotmove_of_entry_or_hold",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount_minor} of lot {self.lot_id}"
