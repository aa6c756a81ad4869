from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models.keys import Uuid7

from ..promo_code import PromoCode


class RefusedAttempt(models.Model):
    """One refused use of a code, with the rule that refused it and the values that decided.

    `code` is the code of a voucher. Of an unknown code it shows only the first and last characters, because that may
    be a real code with a typing error, or a password. A card is named by its serial number. `code_hash` finds the
    attempts of a text that somebody knows in full.
    """

    class Act(models.TextChoices):
        PREVIEW = "preview"
        QUOTE = "quote"
        CHECKOUT = "checkout"
        REDEMPTION = "redemption"

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    act = models.CharField(max_length=10, choices=Act)
    rule = models.CharField(max_length=60, help_text="The code of the refusal, or a more exact name of its reason.")
    code = models.CharField(max_length=64, blank=True, default="", db_default="")
    code_hash = models.CharField(max_length=64)
    promo_code = models.ForeignKey(
        PromoCode,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="refused_attempts",
        db_constraint=False,
        db_index=False,
    )
    card_serial = models.BigIntegerField(null=True, blank=True)
    user_id = models.CharField(max_length=255, blank=True, default="", db_default="")
    address = models.GenericIPAddressField(null=True, blank=True)
    channel = models.CharField(max_length=10)
    values = models.JSONField(default=dict, db_default={})
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(act__in=["preview", "quote", "checkout", "redemption"]),
                name="promos_refusedattempt_act_known",
            ),
            models.CheckConstraint(condition=~Q(rule=""), name="promos_refusedattempt_has_rule"),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="promos_refused_in_order"),
            models.Index(fields=["rule", "-created_at"], name="promos_refused_by_rule"),
            models.Index(fields=["code_hash", "-created_at"], name="promos_refused_by_text"),
            models.Index(
                fields=["promo_code", "-created_at"],
                condition=Q(promo_code__isnull=False),
                name="promos_refused_of_code",
            ),
            models.Index(
                fields=["card_serial"], condition=Q(card_serial__isnull=False), name="promos_refused_of_card"
            ),
            models.Index(
                fields=["user_id", "-created_at"], condition=~Q(user_id=""), name="promos_refused_of_customer"
            ),
            # Lists find the few attempts of an act or a channel. Rows of the index share equal values: 7 bytes each.
            models.Index(fields=["act", "channel"], name="promos_refused_of_act"),
            models.Index(
                fields=["address", "-created_at"],
                condition=Q(address__isnull=False),
                name="promos_refused_of_address",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule} {self.code}"
