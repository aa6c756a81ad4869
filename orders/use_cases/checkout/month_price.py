"""The price of a subscription's month. It is that of its first order, at the VAT of the month's first day.

Where the prices of the first order include VAT, a new rate changes nothing but the VAT's part of the price.
"""

from collections.abc import Iterable
from datetime import datetime

from billing.models import Subscription
from orders.models import OrderLine
from orders.models.basket import Line
from orders.use_cases.documents.vat import load_rates, points_at


def month_lines(subscription: Subscription, *, starts_at: datetime) -> list[Line]:
    """Returns what a month consists of, at its prices. One query, two where VAT is added to the prices."""
    lines = OrderLine.objects.filter(order_id=subscription.order_id).order_by("position")
    sold = [Line.of(line) for line in lines]
    if not has_net_prices(sold):
        return sold
    basis_points = points_at(load_rates(), starts_at)
    return [line.at_rate(basis_points) for line in sold]


def month_minor(subscription: Subscription, *, starts_at: datetime) -> int:
    """Returns what a month costs. One query, two where VAT is added to the prices."""
    lines = month_lines(subscription, starts_at=starts_at)
    return sum(line.price_minor for line in lines) if has_net_prices(lines) else subscription.amount_minor


def next_month_minor(subscription: Subscription) -> int:
    """Returns what the next month costs. One query, two where VAT is added to the prices."""
    return month_minor(subscription, starts_at=subscription.current_period_end)


def has_net_prices(lines: Iterable[Line]) -> bool:
    """Returns whether VAT is added to any of the prices."""
    return any(line.net_minor is not None for line in lines)
