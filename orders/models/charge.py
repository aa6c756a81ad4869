"""The amounts that Stripe can charge: integer arithmetic, and the one place where a payment is rounded."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

from billing.currencies import CURRENCIES

ALL_POINTS = 10_000


def charge_step(currency: str) -> int:
    """Amounts that Stripe charges are multiples of this many of the currency's smallest unit."""
    return CURRENCIES[currency].charge_step


def split_total(*, total_minor: int, credit_minor: int, currency: str, minimum_minor: int) -> tuple[int, int] | None:
    """Returns (credit applied, amount charged) for a total; None where the remainder cannot be charged.

    As much credit as there is, rounded down so that the rest is chargeable: a multiple of the currency's step, at
    least and at most what the processor charges at all. What is not applied stays in the balance. The two always add
    up to the total: nothing is lost or invented.

    Args: minimum_minor: the least that the processor charges, smallest unit.
    """
    due = total_minor - min(credit_minor, total_minor)
    wanted = max(due, minimum_minor) if due else 0
    charged = _round_up(wanted, charge_step(currency))
    limit = min(total_minor, CURRENCIES[currency].maximum_charge_minor)
    return (total_minor - charged, charged) if charged <= limit else None


def price_with_vat(net_minor: int, basis_points: int, *, currency: str) -> int:
    """Returns what a catalog price without VAT costs with it.

    It is rounded once, half up, to an amount that the processor charges, so that a card can pay any basket. Without
    VAT it is the catalog's price.

    Args: net_minor: not negative, smallest unit. basis_points: 500 are 5 percent.
    """
    if not basis_points:
        return net_minor
    unit = ALL_POINTS * charge_step(currency)
    return (2 * net_minor * (ALL_POINTS + basis_points) + unit) // (2 * unit) * charge_step(currency)


def discount_prices(prices_minor: Sequence[int], *, percent: int, currency: str) -> list[int]:
    """Returns the prices less a discount. Their sum is rounded once, up to an amount that Stripe can charge.

    Each price is the difference of two rounded running sums, so that the prices add up to the rounded sum.

    Args: percent: 0 to 100.
    """
    step = charge_step(currency)
    before = list(accumulate(prices_minor, initial=0))
    after = [min(each, _round_up(each * (100 - percent), 100 * step) // 100) for each in before]
    return [later - earlier for earlier, later in pairwise(after)]


def nearest_charges(amount_minor: int, *, currency: str, minimum_minor: int) -> list[int]:
    """Returns the amount alone if the processor can charge it, else the nearest smaller and larger ones that it can.

    Above the largest charge there is no larger one. Zero needs no charge, so it always counts as one that can be
    charged.

    Args: minimum_minor: the least that the processor charges, smallest unit.
    """
    step = charge_step(currency)
    minimum_minor = _round_up(minimum_minor, step)
    if amount_minor < minimum_minor:
        return [0, minimum_minor] if amount_minor else [0]
    largest = CURRENCIES[currency].maximum_charge_minor // step * step
    return sorted({min(amount_minor // step * step, largest), min(_round_up(amount_minor, step), largest)})


def _round_up(amount_minor: int, step: int) -> int:
    return -(-amount_minor // step) * step
