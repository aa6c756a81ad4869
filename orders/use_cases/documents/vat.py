"""The VAT that a price includes, as the journal computes it (books/journal.sql)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.local_time import local_day
from orders.models import VatRate
from orders.models.charge import ALL_POINTS

_POINTS_OF_PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class IncludedVat:
    """The VAT that a total includes, smallest unit."""

    basis_points: int
    total_minor: int
    vat_minor: int

    @property
    def net_minor(self) -> int:
        """The total without VAT."""
        return self.total_minor - self.vat_minor

    @property
    def rate(self) -> str:
        """The rate as people write it: `5%`."""
        return percent_text(self.basis_points)


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


def points_at(rates: Sequence[VatRate], at: datetime) -> int:
    """Returns the basis points that apply at an instant; 0 before the first rate."""
    rate = rate_at(rates, at)
    return rate.basis_points if rate else 0


def find_included_vat(*parts_minor: int, at: datetime) -> IncludedVat | None:
    """Finds the VAT that these parts of a total include at an instant; None without a rate. One query."""
    return vat_of_parts(*parts_minor, basis_points=points_at(load_rates(), at))


def vat_of_parts(*parts_minor: int, basis_points: int) -> IncludedVat | None:
    """Returns the VAT that these parts of a total include; None without a rate.

    Each part is rounded by itself, as its document rounds what credit paid and what a card paid.
    """
    if not basis_points:
        return None
    return IncludedVat(
        basis_points=basis_points,
        total_minor=sum(parts_minor),
        vat_minor=sum(included_vat(part, basis_points) for part in parts_minor),
    )


def percent_text(basis_points: int) -> str:
    """Formats a rate in percent."""
    return f"{basis_points / _POINTS_OF_PERCENT:g}%"
