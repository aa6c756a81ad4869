from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q

from billing.language import say

MAX_CREDIT_DAYS = 3_650


class CreditLife(models.Model):
    """The life of credit: some days from the redemption on, until an instant, whichever ends sooner, or for ever.

    A code's own life counts before its campaign's. promos_credit_expiry (redeem.sql) computes the instant.
    """

    credit_days = models.IntegerField(
        null=True, blank=True, help_text="The credit expires so many days of 24 hours after the redemption."
    )
    credit_expires_at = models.DateTimeField(null=True, blank=True, help_text="The credit expires at this instant.")

    class Meta:
        abstract = True

    @property
    def limits_credit(self) -> bool:
        return self.credit_days is not None or self.credit_expires_at is not None

    def credit_expiry(self, *, redeemed_at: datetime) -> datetime | None:
        """Returns when the credit of a redemption at this instant expires by this row alone; None for never."""
        ends = [] if self.credit_expires_at is None else [self.credit_expires_at]
        if self.credit_days is not None:
            ends.append(redeemed_at + timedelta(days=self.credit_days))
        return min(ends, default=None)


def credit_life_check(table: str) -> models.CheckConstraint:
    """Makes the constraint of a table with these columns."""
    return models.CheckConstraint(
        condition=Q(credit_days__isnull=True) | Q(credit_days__gte=1, credit_days__lte=MAX_CREDIT_DAYS),
        name=f"{table}_credit_days_in_bounds",
    )


def credit_days_problems(credit_days: int | None) -> dict[str, list[str]]:
    """Returns what is wrong with a number of days, by field."""
    if credit_days is None or 1 <= credit_days <= MAX_CREDIT_DAYS:
        return {}
    return {"credit_days": [say("1 to %(number)s days", number=f"{MAX_CREDIT_DAYS:,}")]}
