from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models import Customer
from billing.models.keys import Uuid7

from .promo_code import PromoCode

LIVE_STATUSES = ("reserved", "confirmed")


class Redemption(models.Model):
    """One customer's use of a promo code.

    Reserved while a payment session is being opened, confirmed when its credit is granted, released when it is
    given back. Of a customer's live uses of a voucher one has no `use_number`; only a repeatable voucher has more. A
    trigger keeps the reference to the code without a row lock (see promos.sql): with a real foreign key every
    redemption of a hot code would write its lock into the same row.
    """

    class Status(models.TextChoices):
        RESERVED = "reserved"
        CONFIRMED = "confirmed"
        RELEASED = "released"

    TRANSITIONS = {
        Status.RESERVED: {Status.CONFIRMED, Status.RELEASED},
        Status.CONFIRMED: {Status.RELEASED},
        Status.RELEASED: set(),
    }

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    promo_code = models.ForeignKey(
        PromoCode, on_delete=models.PROTECT, related_name="redemptions", db_constraint=False, db_index=False
    )
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="redemptions")
    card_serial = models.BigIntegerField(null=True, blank=True, help_text="The card, where the code is a batch's.")
    use_number = models.IntegerField(
        null=True,
        blank=True,
        help_text="Of a repeatable voucher: which live use of the customer it is, from the second.",
    )
    order_id = models.UUIDField(null=True, blank=True)
    credit_minor = models.BigIntegerField()
    credit_expires_at = models.DateTimeField(null=True, blank=True, help_text="When the credit expires.")
    status = models.CharField(max_length=10, choices=Status)
    reserved_at = models.DateTimeField(db_default=Now())
    confirmed_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)
    release_reason = models.CharField(max_length=200, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["promo_code", "customer"],
                condition=Q(status__in=LIVE_STATUSES, card_serial__isnull=True, use_number__isnull=True),
                name="promos_redemption_once_per_customer",
            ),
            models.UniqueConstraint(
                fields=["promo_code", "customer", "use_number"],
                condition=Q(status__in=LIVE_STATUSES, use_number__isnull=False),
                name="promos_redemption_once_per_use",
            ),
            models.UniqueConstraint(
                fields=["card_serial"],
                condition=Q(status__in=LIVE_STATUSES, card_serial__isnull=False),
                name="promos_redemption_once_per_card",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["reserved", "confirmed", "released"]), name="promos_redemption_status_known"
            ),
            models.CheckConstraint(condition=Q(credit_minor__gt=0), name="promos_redemption_credit_positive"),
            models.CheckConstraint(
                condition=Q(status="reserved", confirmed_at__isnull=True)
                | Q(status="confirmed", confirmed_at__isnull=False)
                | Q(status="released"),
                name="promos_redemption_confirmed_at_fits",
            ),
            models.CheckConstraint(
                condition=(Q(status="released", released_at__isnull=False) & ~Q(release_reason=""))
                | (~Q(status="released") & Q(released_at__isnull=True, release_reason="")),
                name="promos_redemption_release_says_why",
            ),
        ]
        indexes = [
            models.Index(
                fields=["order_id"], condition=Q(order_id__isnull=False), name="promos_redemption_with_order"
            ),
            models.Index(fields=["promo_code", "-reserved_at"], name="promos_redemption_of_code"),
            # Lists by state find the few that are not confirmed.
            models.Index(fields=["status", "-id"], condition=~Q(status="confirmed"), name="promos_redemption_rare"),
            # Staff search redemptions by card. Live ones are found by the unique index.
            models.Index(
                fields=["card_serial"],
                condition=Q(status="released", card_serial__isnull=False),
                name="promos_released_of_card",
            ),
            # The redemptions that began, and the few that were released, between two instants.
            BrinIndex(fields=["reserved_at"], autosummarize=True, name="promos_redemption_in_time"),
            models.Index(
                fields=["released_at"], condition=Q(released_at__isnull=False), name="promos_redemption_released"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} redemption {self.id}"
