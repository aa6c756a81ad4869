from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from .customer import Customer
from .keys import Uuid7


class Account(models.Model):
    """A customer's credit, in the deployment's smallest unit. The database keeps the three figures itself.

    `balance_minor` and `version` are moved by inserting a ledger entry, `held_minor` by inserting or closing a
    hold; triggers do it and refuse every other write (see ledger.sql). No code path can diverge.
    """

    customer = models.OneToOneField(Customer, on_delete=models.PROTECT, primary_key=True)
    currency = models.CharField(max_length=3)
    balance_minor = models.BigIntegerField(default=0, db_default=0)
    held_minor = models.BigIntegerField(default=0, db_default=0)
    version = models.BigIntegerField(default=0, db_default=0)
    lots_since = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="The version from which on entries name their lots; none before credit expires.",
    )
    next_expiry = models.DateTimeField(null=True, blank=True, help_text="When the next of the credit expires.")
    closed = models.BooleanField(
        default=False, db_default=False, help_text="Its customer was merged into another one: it stays empty."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(balance_minor__gte=F("held_minor")),
                name="billing_account_balance_covers_held",
            ),
            models.CheckConstraint(condition=Q(held_minor__gte=0), name="billing_account_held_not_negative"),
            models.CheckConstraint(condition=Q(version__gte=0), name="billing_account_version_not_negative"),
        ]
        indexes = [
            models.Index(
                fields=["next_expiry"], condition=Q(next_expiry__isnull=False), name="billing_account_next_expiry"
            ),
        ]

    def __str__(self) -> str:
        return f"account of {self.customer_id}"

    @property
    def available_minor(self) -> int:
        """The credit that a new order may use: the balance less the active holds."""
        return self.balance_minor - self.held_minor


class Hold(models.Model):
    """Credit set aside for an order whose payment is open; captured as a spend, or released."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        CAPTURED = "captured"
        RELEASED = "released"

    TRANSITIONS = {
        Status.ACTIVE: {Status.CAPTURED, Status.RELEASED},
        Status.CAPTURED: set(),
        Status.RELEASED: set(),
    }

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="holds")
    order_id = models.UUIDField()
    amount_minor = models.BigIntegerField()
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE, db_default=Status.ACTIVE)
    created_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="billing_hold_amount_positive"),
            models.CheckConstraint(
                condition=Q(status__in=["active", "captured", "released"]), name="billing_hold_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status="active", closed_at__isnull=True)
                | (~Q(status="active") & Q(closed_at__isnull=False)),
                name="billing_hold_closed_when_not_active",
            ),
            models.UniqueConstraint(
                fields=["order_id"], condition=~Q(status="released"), name="billing_hold_once_per_order"
            ),
        ]
        indexes = [
            models.Index(fields=["created_at"], condition=Q(status="active"), name="billing_hold_active"),
            # The holds that began or ended between two instants.
            BrinIndex(fields=["created_at", "closed_at"], autosummarize=True, name="billing_hold_in_time"),
        ]

    def __str__(self) -> str:
        return f"{self.status} hold of {self.amount_minor} for order {self.order_id}"
