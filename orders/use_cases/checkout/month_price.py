"""The price of a subscription's next month. It is that of its first order, at the VAT of the month's first day.

Where the prices of the first order include VAT, a new rate changes nothing but the VAT's part of the price.
"""

from billing.models import Subscription
from orders.models import OrderLine
from orders.models.basket import Line
from orders.use_cases.documents.vat import load_rates, points_at


def month_lines(subscription: Subscription) -> list[Line]:
    """Returns what the next month consists of, at its prices. One query, two where VAT is added to the prices."""
    lines = OrderLine.objects.filter(order_id=subscription.order_id).order_by("position")
    sold = [Line.of(line) for line in lines]
    if all(line.net_minor is None for line in sold):
        return sold
    basis_points = points_at(load_rates(), subscription.current_period_end)
    return [line.at_rate(basis_points) for line in sold]


def next_month_minor(subscription: Subscription) -> int:
    """Returns what the next month costs. One query, two where VAT is added to the prices."""
    lines = month_lines(subscription)
    if all(line.net_minor is None for line in lines):
        return subscription.amount_minor
    return sum(line.price_minor for line in lines)
