"""The VAT that a price includes, as the journal computes it (books/journal.sql)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from billing.local_time import local_day
from orders.models import VatRate
from orders.models.charge import ALL_POINTS

_POINTS_OF_PERCENT = 100


class CreditPaid(NamedTuple):
    """The credit that pays for a sale, and its single-purpose and free parts, smallest unit."""

    amount_minor: int = 0
    single_minor: int = 0
    free_minor: int = 0

    @property
    def untaxed_minor(self) -> int:
        """The part without VAT: that of single-purpose credit was due when it was sold, and free credit has none."""
        return self.single_minor + self.free_minor


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


def vat_of_part(amount_minor: int, basis_points: int, *, untaxed_minor: int = 0, before_minor: int = 0) -> int:
    """Returns the VAT that one part of a sale includes: what credit paid, or what a card paid.

    Each part is rounded by itself. Several refunds of a payment are rounded on their total.

    Args: untaxed_minor: what has no VAT here. before_minor: what was refunded of the same payment before.
    """
    total_minor = before_minor + amount_minor - untaxed_minor
    return included_vat(total_minor, basis_points) - included_vat(before_minor, basis_points)


def vat_of_sale(credit: CreditPaid, card_minor: int, *, basis_points: int) -> IncludedVat | None:
    """Returns the VAT of a sale that credit and a card pay, as its invoice has it; None without a rate."""
    if not basis_points:
        return None
    return IncludedVat(
        basis_points=basis_points,
        total_minor=credit.amount_minor + card_minor,
        vat_minor=vat_of_part(credit.amount_minor, basis_points, untaxed_minor=credit.untaxed_minor)
        + vat_of_part(card_minor, basis_points),
    )


def percent_text(basis_points: int) -> str:
    """Formats a rate in percent."""
    return f"{basis_points / _POINTS_OF_PERCENT:g}%"
