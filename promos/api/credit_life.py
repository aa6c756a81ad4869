"""The life of credit in requests, the same for vouchers, campaigns and batches."""

from billing.api.fields import WholeNumberField
from promos.models.credit_life import MAX_CREDIT_DAYS


def credit_days_field() -> WholeNumberField:
    """Makes the field of the days after which credit expires."""
    return WholeNumberField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MAX_CREDIT_DAYS,
        help_text="The credit expires so many days after the redemption, at the latest at `credit_expires_at`.",
    )
