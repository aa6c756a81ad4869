"""Discounts: a coupon takes off an amount or a percentage of all lines, divided over the lines in proportion.

A discount is never larger than the sum of the lines. The session that shows the amounts and the invoice that charges
them use the same functions, so that the two cannot differ.
"""

from dataclasses import dataclass
from decimal import Decimal

from config.devtools.stripe_sandbox.clock import BILLING, add_interval
from config.devtools.stripe_sandbox.money import percentage_of, split_in_proportion
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World


@dataclass(frozen=True)
class Line:
    """A line of a session or invoice: a price, a quantity and a discount, in the smallest unit."""

    price: Object
    quantity: int
    description: str
    discount: int = 0

    @property
    def subtotal(self) -> int:
        """The amount before the discount."""
        amount: int = self.price["unit_amount"] * self.quantity
        return amount

    @property
    def total(self) -> int:
        """The amount after the discount."""
        return self.subtotal - self.discount


def apply_coupon(lines: list[Line], coupon: Object | None) -> list[Line]:
    """Return the lines, each with its part of the discount."""
    if coupon is None:
        return lines
    subtotals = [line.subtotal for line in lines]
    if coupon["amount_off"] is not None:
        off = min(coupon["amount_off"], sum(subtotals))
    else:
        currency = lines[0].price["currency"]
        off = percentage_of(sum(subtotals), Decimal(str(coupon["percent_off"])), currency)
    parts = split_in_proportion(off, subtotals)
    return [Line(line.price, line.quantity, line.description, part) for line, part in zip(lines, parts, strict=True)]


def make_discount(world: World, coupon: Object, *, customer: str | None, session: str) -> Object:
    """Create the discount of a session, which later passes to its subscription."""
    return world.make(
        "discount",
        {
            "checkout_session": session,
            "customer": customer,
            "customer_account": None,
            "end": None,
            "invoice": None,
            "invoice_item": None,
            "promotion_code": None,
            "source": {"coupon": coupon["id"], "type": "coupon"},
            "start": world.clock.now(BILLING),
            "subscription": None,
            "subscription_item": None,
            "_sandbox": {"coupon": coupon},
        },
    )


def apply_discount(world: World, discount: Object, *, customer: str, subscription: str) -> None:
    """Apply the discount to a subscription: for one invoice, some months, or forever."""
    start = world.clock.now(BILLING)
    months = discount["_sandbox"]["coupon"]["duration_in_months"]
    end = add_interval(start, "month", months) if months else None
    world.change(discount, customer=customer, end=end, start=start, subscription=subscription)


def is_over(discount: Object, at: int) -> bool:
    """Tell whether the discount has ended at that time."""
    return discount["end"] is not None and bool(at >= discount["end"])


def applies_once(discount: Object) -> bool:
    """Tell whether the discount applies to the first invoice only."""
    return bool(discount["_sandbox"]["coupon"]["duration"] == "once")
