"""The VAT that a price includes, as the journal computes it (books/journal.sql)."""

from collections.abc import Sequence
from datetime import datetime

from billing.local_time import local_day
from orders.models import VatRate

ALL_POINTS = 10_000


def included_vat(amount_minor: int, basis_points: int) -> int:
    """Returns the VAT that an amount includes, half a smallest unit rounded up.

    Args: amount_minor: not negative. basis_points: 500 are 5 percent.
    """
    divisor = ALL_POINTS + basis_points
    return (2 * amount_minor * basis_points + divisor) // (2 * divisor)


def load_rates() -> list[VatRate]:
    """Returns all rates, the latest first. One query."""
    return list(VatRate.objects.order_by("-starts_on"))


def rate_at(rates: Sequence[VatRate], at: datetime) -> VatRate | None:
    """Returns the rate that applies at an instant; None before the first."""
    day = local_day(at)
    return next((rate for rate in rates if rate.starts_on <= day), None)
