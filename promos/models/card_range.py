from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now

from billing.models.keys import Uuid7

from .batch import Batch

MAX_DEALER_NAME_LENGTH = 100


class Dealer(models.Model):
    """A shop or person that sells cards. `user_id` may name the user who sees and activates its cards."""

    id = models.AutoField(primary_key=True)
    public_id = models.UUIDField(db_default=Uuid7(), editable=False, unique=True, help_text="Its id in the API.")
    name = models.CharField(max_length=MAX_DEALER_NAME_LENGTH)
    user_id = models.CharField(max_length=255, blank=True, default="", db_default="")
    created_by = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="promos_dealer_name_given"),
            models.UniqueConstraint(Lower("name"), name="promos_dealer_name_once"),
            models.UniqueConstraint(fields=["user_id"], condition=~Q(user_id=""), name="promos_dealer_user_once"),
        ]
        indexes = [models.Index(fields=["-created_at", "-id"], name="promos_dealer_in_order")]

    def __str__(self) -> str:
        return self.name


class CardRange(models.Model):
    """Cards of a batch with serial numbers in a row, and what holds for them beside the batch.

    A card can be redeemed only while its range is active, not locked, and not expired. A card in no range follows its
    batch alone. Ranges never overlap. An act on a part of a range splits it; no act writes to a card.
    """

    class Status(models.TextChoices):
        STOCK = "stock", "In stock"
        ALLOCATED = "allocated"
        ACTIVE = "active"
        VOID = "void"

    TRANSITIONS = {
        Status.STOCK: {Status.ALLOCATED, Status.ACTIVE, Status.VOID},
        Status.ALLOCATED: {Status.STOCK, Status.ACTIVE, Status.VOID},
        Status.ACTIVE: {Status.STOCK, Status.ALLOCATED, Status.VOID},
        Status.VOID: set(),
    }

    id = models.AutoField(primary_key=True)
    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, related_name="ranges", db_index=False)
    first_serial = models.BigIntegerField()
    last_serial = models.BigIntegerField()
    status = models.CharField(max_length=10, choices=Status)
    locked = models.BooleanField(default=False, db_default=False)
    dealer = models.ForeignKey(
        Dealer, on_delete=models.PROTECT, related_name="ranges", null=True, blank=True, db_index=False
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="In place of the batch's own end.")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "range of cards"
        verbose_name_plural = "ranges of cards"
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["stock", "allocated", "active", "void"]), name="promos_cardrange_status_known"
            ),
            models.CheckConstraint(
                condition=Q(first_serial__gt=0, first_serial__lte=F("last_serial")),
                name="promos_cardrange_serials_forward",
            ),
            models.CheckConstraint(
                condition=(Q(status="allocated", dealer__isnull=False) | ~Q(status="allocated"))
                & (Q(status="stock", dealer__isnull=True) | ~Q(status="stock")),
                name="promos_cardrange_dealer_fits",
            ),
            models.CheckConstraint(condition=~Q(status="void", locked=True), name="promos_cardrange_void_unlocked"),
            # A redemption finds the range of a card by this index.
            models.UniqueConstraint(fields=["first_serial"], name="promos_cardrange_first_serial_once"),
        ]
        indexes = [
            models.Index(fields=["batch", "first_serial"], name="promos_cardrange_of_batch"),
            models.Index(fields=["dealer", "first_serial"], name="promos_cardrange_of_dealer"),
        ]

    def __str__(self) -> str:
        return f"cards {self.first_serial} to {self.last_serial}"

    @property
    def size(self) -> int:
        return self.last_serial - self.first_serial + 1
