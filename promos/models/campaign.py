from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now

from billing.models import CreditClass
from billing.models.keys import Uuid7

from .credit_life import CreditLife, credit_life_check
from .restrictions import Restrictions

# The campaign of codes that were issued without one. The database has it from the start and keeps it as it is.
DEFAULT_CAMPAIGN = UUID("00000000-0000-7000-8000-000000000001")


class VatTreatment(models.TextChoices):
    """The moment at which VAT is due for credit: when it is sold, when it pays for an order, or never."""

    MULTI_PURPOSE = "multi_purpose", "multi-purpose: due when it is spent"
    SINGLE_PURPOSE = "single_purpose", "single-purpose: due when it is sold"
    NO_CONSIDERATION = "no_consideration", "no consideration: none"


class Campaign(CreditLife):
    """Promo codes that start, pause and end together, and share one budget.

    A code is redeemable only while its campaign is active and in its window. A redemption never updates this row:
    other rows (`BudgetCounter`) count the used budget, as `PromoCounter` counts a code's slots. Codes issued without
    a campaign belong to `DEFAULT_CAMPAIGN`, which is always active and has neither window nor budget.
    """

    class Status(models.TextChoices):
        DRAFT = "draft"
        APPROVED = "approved"
        ACTIVE = "active"
        PAUSED = "paused"
        ENDED = "ended"

    TRANSITIONS = {
        Status.DRAFT: {Status.APPROVED, Status.ENDED},
        Status.APPROVED: {Status.ACTIVE, Status.ENDED},
        Status.ACTIVE: {Status.PAUSED, Status.ENDED},
        Status.PAUSED: {Status.ACTIVE, Status.ENDED},
        Status.ENDED: set(),
    }

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    name = models.CharField(max_length=100)
    purpose = models.CharField(max_length=500, blank=True, default="", db_default="")
    owner_email = models.EmailField(blank=True, default="", db_default="")
    credit_class = models.CharField(
        max_length=12, choices=CreditClass, default=CreditClass.PROMOTIONAL, db_default=CreditClass.PROMOTIONAL.value
    )
    vat_treatment = models.CharField(
        max_length=16,
        choices=VatTreatment,
        default=VatTreatment.MULTI_PURPOSE,
        db_default=VatTreatment.MULTI_PURPOSE.value,
    )
    budget_minor = models.BigIntegerField(default=0, db_default=0, help_text="Smallest unit. 0 = unlimited.")
    hot = models.BooleanField(default=False, db_default=False)
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    restrictions: "models.JSONField[Restrictions | None, Restrictions | None]" = models.JSONField(
        null=True, blank=True
    )
    status = models.CharField(max_length=8, choices=Status, default=Status.DRAFT, db_default=Status.DRAFT.value)
    forecast: "models.JSONField[dict[str, Any] | None, dict[str, Any] | None]" = models.JSONField(
        null=True, blank=True, help_text="The last replay of past orders, with the terms that it was made for."
    )
    drafted_by = models.CharField(max_length=255)
    approved_by = models.CharField(max_length=255, blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("name"), name="promos_campaign_name_once"),
            models.CheckConstraint(condition=~Q(name=""), name="promos_campaign_has_name"),
            models.CheckConstraint(condition=Q(budget_minor__gte=0), name="promos_campaign_budget_not_negative"),
            models.CheckConstraint(
                condition=Q(starts_at__isnull=True) | Q(ends_at__isnull=True) | Q(starts_at__lt=F("ends_at")),
                name="promos_campaign_window_forward",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["draft", "approved", "active", "paused", "ended"]),
                name="promos_campaign_status_known",
            ),
            models.CheckConstraint(
                condition=Q(credit_class__in=["sold", "promotional", "compensation"]),
                name="promos_campaign_credit_class_known",
            ),
            credit_life_check("promos_campaign"),
            models.CheckConstraint(
                condition=Q(vat_treatment="multi_purpose")
                | Q(vat_treatment="single_purpose", credit_class="sold")
                | (Q(vat_treatment="no_consideration") & ~Q(credit_class="sold")),
                name="promos_campaign_vat_treatment_fits_class",
            ),
            # Only credit that expires is followed lot by lot.
            models.CheckConstraint(
                condition=Q(vat_treatment="multi_purpose")
                | Q(credit_days__isnull=False)
                | Q(credit_expires_at__isnull=False),
                name="promos_campaign_vat_treatment_needs_life",
            ),
            models.CheckConstraint(
                condition=Q(status="draft", approved_by="")
                | Q(status="ended")
                | (~Q(status="draft") & ~Q(approved_by="") & ~Q(approved_by=F("drafted_by"))),
                name="promos_campaign_approved_by_another",
            ),
            models.CheckConstraint(
                condition=Q(restrictions__isnull=True) | ~Q(restrictions={}),
                name="promos_campaign_restrictions_say_one",
            ),
        ]
        indexes = [models.Index(fields=["-created_at", "-id"], name="promos_campaign_in_order")]

    def __str__(self) -> str:
        return self.name

    @property
    def forecast_is_stale(self) -> bool:
        """Returns whether the terms have changed since the forecast was made."""
        return self.forecast is not None and self.forecast["terms"] != forecast_terms(self)

    @property
    def is_default(self) -> bool:
        return self.id == DEFAULT_CAMPAIGN

    @property
    def budgeted(self) -> bool:
        return self.budget_minor > 0

    def started(self, *, now: datetime) -> bool:
        return self.starts_at is None or self.starts_at <= now

    def over(self, *, now: datetime) -> bool:
        """Returns whether the window has passed. It reaches from `starts_at` up to, not including, `ends_at`."""
        return self.ends_at is not None and self.ends_at <= now


# A campaign is forecast until it starts.
BEFORE_START = (Campaign.Status.DRAFT, Campaign.Status.APPROVED)


def forecast_terms(campaign: Campaign) -> dict[str, Any]:
    """Returns the terms that a forecast depends on, as it keeps them."""
    return {
        "budget_minor": campaign.budget_minor,
        "restrictions": campaign.restrictions,
        "starts_at": campaign.starts_at.isoformat() if campaign.starts_at else None,
        "ends_at": campaign.ends_at.isoformat() if campaign.ends_at else None,
    }


class BudgetCounter(models.Model):
    """Some of a campaign's budget: one row, or several for a campaign that expects a rush.

    `quota` is this row's part of the budget; the sum of `used` is the credit of the campaign's live redemptions. A
    campaign without a budget has no counter. No foreign key references this table.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="counters")
    quota = models.BigIntegerField()
    used = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(used__gte=0, used__lte=F("quota")), name="promos_budgetcounter_used_within_quota"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.used} of {self.quota}"
