from django.db import models
from django.db.models import F, Q

from ..campaign import Campaign
from ..promo_code import PromoCode


class UseSnapshot(models.Model):
    """The use and the liability of a voucher, a batch or a campaign at an instant, recounted after it.

    A job stores some a day of each that has too many redemptions to recount them for a page. The figures of another
    instant follow from the nearest snapshot and the accounts that changed between the two.
    """

    promo_code = models.ForeignKey(
        PromoCode, on_delete=models.PROTECT, null=True, blank=True, related_name="snapshots", db_index=False
    )
    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, null=True, blank=True, related_name="snapshots", db_index=False
    )
    at = models.DateTimeField()
    redemptions = models.BigIntegerField()
    customers = models.BigIntegerField()
    granted_minor = models.BigIntegerField()
    taken_back_minor = models.BigIntegerField()
    left_minor = models.BigIntegerField()
    held_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["promo_code", "at"], name="promos_usesnapshot_of_code_once"),
            models.UniqueConstraint(fields=["campaign", "at"], name="promos_usesnapshot_of_campaign_once"),
            models.CheckConstraint(
                condition=Q(campaign__isnull=True, promo_code__isnull=False)
                | Q(campaign__isnull=False, promo_code__isnull=True),
                name="promos_usesnapshot_of_code_or_campaign",
            ),
            models.CheckConstraint(
                condition=Q(
                    redemptions__gte=F("customers"),
                    customers__gte=0,
                    taken_back_minor__gte=0,
                    granted_minor__gte=F("left_minor"),
                    left_minor__gte=F("held_minor"),
                    held_minor__gte=0,
                ),
                name="promos_usesnapshot_parts_fit",
            ),
        ]

    def __str__(self) -> str:
        return f"use of {self.promo_code_id or self.campaign_id} at {self.at}"
