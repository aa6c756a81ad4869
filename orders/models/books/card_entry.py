from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models.keys import Uuid7

from ..order import Order


class CardEntry(models.Model):
    """One movement of card money, for ever: the database refuses UPDATE, DELETE and TRUNCATE of this table.

    Payments, refunds, disputes, fees and payouts are the entries of one clearing account: their sum is what Stripe
    keeps for this service. `owed` is the part of a lost dispute that its customer owes, until it is `written_off`.

    Triggers write the entries of payments and refunds (card_entries.sql), in the transaction that settles them. Fees
    and payouts are copied from Stripe's balance (orders/use_cases/balance).
    """

    class Kind(models.TextChoices):
        PAYMENT = "payment"
        REFUND = "refund"
        DISPUTE = "dispute"
        DISPUTE_WON = "dispute_won", "dispute won"
        OWED = "owed"
        WRITTEN_OFF = "written_off", "written off"
        FEE = "fee"
        PAYOUT = "payout"
        PAYOUT_RETURNED = "payout_returned", "payout returned"

    # Copied from Stripe's balance transactions, one entry of a kind each.
    FROM_BALANCE = (Kind.FEE, Kind.PAYOUT, Kind.PAYOUT_RETURNED)
    CLEARING = (Kind.PAYMENT, Kind.REFUND, Kind.DISPUTE, Kind.DISPUTE_WON, *FROM_BALANCE)

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    kind = models.CharField(max_length=15, choices=Kind)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    total_minor = models.BigIntegerField(
        db_default=0, editable=False, help_text="The sum of the object's entries of this kind. A trigger sets it."
    )
    order = models.ForeignKey(
        Order,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="card_entries",
        help_text="None for a payout, and for a fee that Stripe takes for no order.",
    )
    stripe_object_id = models.CharField(
        max_length=255,
        help_text="Of the paid session or invoice, also for its refunds; of the dispute; of the balance transaction"
        " of a fee or payout.",
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "card entries"
        constraints = [
            models.UniqueConstraint(
                fields=["stripe_object_id", "kind", "total_minor"], name="orders_cardentry_total_once"
            ),
            models.UniqueConstraint(
                fields=["stripe_object_id", "kind"],
                condition=~Q(kind="refund"),
                name="orders_cardentry_object_once_a_kind",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["payment", "dispute_won", "owed", "payout_returned"], amount_minor__gt=0)
                | Q(kind__in=["refund", "dispute", "written_off", "payout"], amount_minor__lt=0)
                | (Q(kind="fee") & ~Q(amount_minor=0)),
                name="orders_cardentry_amount_fits_kind",
            ),
            models.CheckConstraint(
                condition=Q(order__isnull=False) | Q(kind__in=["fee", "payout", "payout_returned"]),
                name="orders_cardentry_order_given",
            ),
            models.CheckConstraint(condition=~Q(stripe_object_id=""), name="orders_cardentry_object_given"),
        ]
        indexes = [models.Index(fields=["-created_at", "-id"], name="orders_cardentry_newest")]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount_minor}"
