from typing import Any

from django.db import models
from django.db.models import F, Q

from ..campaign import Campaign
from ..card_range import Dealer
from ..promo_code import PromoCode


class CreditFigures(models.Model):
    """The credit that confirmed redemptions granted, and its parts: spent, expired, left. A nightly job computes it.

    `left_minor` includes what open payments hold. A paying customer paid by card after the redemption.
    """

    redemptions = models.BigIntegerField()
    customers = models.BigIntegerField()
    paying_customers = models.BigIntegerField()
    granted_minor = models.BigIntegerField()
    spent_minor = models.BigIntegerField()
    expired_minor = models.BigIntegerField()
    left_minor = models.BigIntegerField()
    last_used_at = models.DateTimeField()
    as_of = models.DateTimeField()
    use: "models.JSONField[dict[str, Any] | None, dict[str, Any] | None]" = models.JSONField(
        null=True, blank=True, help_text="Redemptions by day and state, and refusals by rule, begun before `until`."
    )

    class Meta:
        abstract = True


def _credit_adds_up(name: str) -> models.CheckConstraint:
    parts = F("spent_minor") + F("expired_minor") + F("left_minor")
    return models.CheckConstraint(
        condition=Q(granted_minor=parts, spent_minor__gte=0, expired_minor__gte=0, left_minor__gte=0), name=name
    )


class CodeFigures(CreditFigures):
    """The figures of a voucher, or of the cards of a batch."""

    promo_code = models.OneToOneField(PromoCode, on_delete=models.PROTECT, primary_key=True, related_name="figures")

    class Meta:
        constraints = [_credit_adds_up("promos_codefigures_adds_up")]

    def __str__(self) -> str:
        return f"figures of code {self.promo_code_id}"


class CampaignFigures(CreditFigures):
    """The figures of all vouchers and cards of a campaign."""

    campaign = models.OneToOneField(Campaign, on_delete=models.PROTECT, primary_key=True, related_name="figures")

    class Meta:
        constraints = [_credit_adds_up("promos_campaignfigures_adds_up")]

    def __str__(self) -> str:
        return f"figures of campaign {self.campaign_id}"


class DealerFigures(models.Model):
    """The cards that a dealer holds, those of them that are active, and those that are redeemed with their credit."""

    dealer = models.OneToOneField(Dealer, on_delete=models.PROTECT, primary_key=True, related_name="figures")
    allocated = models.BigIntegerField()
    activated = models.BigIntegerField()
    redeemed = models.BigIntegerField()
    credit_minor = models.BigIntegerField()
    as_of = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(activated__gte=0, allocated__gte=F("activated"), redeemed__lte=F("allocated")),
                name="promos_dealerfigures_within_allocated",
            ),
        ]

    def __str__(self) -> str:
        return f"figures of dealer {self.dealer_id}"


class DealerBatchFigures(models.Model):
    """The part of a dealer's figures that one batch has; `promo_code` are the terms of the batch."""

    dealer = models.ForeignKey(Dealer, on_delete=models.PROTECT, related_name="figures_of_batches")
    promo_code = models.ForeignKey(PromoCode, on_delete=models.PROTECT, related_name="figures_of_dealers")
    allocated = models.BigIntegerField()
    activated = models.BigIntegerField()
    redeemed = models.BigIntegerField()
    credit_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dealer", "promo_code"], name="promos_dealerbatchfigures_once"),
            models.CheckConstraint(
                condition=Q(activated__gte=0, allocated__gte=F("activated"), redeemed__lte=F("allocated")),
                name="promos_dealerbatchfigures_within_allocated",
            ),
        ]

    def __str__(self) -> str:
        return f"figures of dealer {self.dealer_id} in {self.promo_code_id}"


class CodePreviews(models.Model):
    """The number of previews of a voucher, or of the cards of a batch, that found them redeemable."""

    promo_code = models.OneToOneField(PromoCode, on_delete=models.PROTECT, primary_key=True, related_name="previews")
    number = models.BigIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(number__gt=0), name="promos_codepreviews_positive")]

    def __str__(self) -> str:
        return f"{self.number} previews of code {self.promo_code_id}"
