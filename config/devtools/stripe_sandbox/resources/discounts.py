"""What a coupon takes off: an amount or a share of all lines together, divided over the lines in proportion.

An amount larger than the lines takes all of them off and no more. The same figures serve the session that promises
them and the invoice that charges them, so that the two cannot differ.
"""

from dataclasses import dataclass
from decimal import Decimal

from config.devtools.stripe_sandbox.clock import BILLING, add_interval
from config.devtools.stripe_sandbox.money import percentage, shares
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World


@dataclass(frozen=True)
class Line:
    """One thing that is bought: a price, how often, and what it comes to; amounts in the smallest unit."""

    price: Object
    quantity: int
    description: str
    discount: int = 0

    @property
    def subtotal(self) -> int:
        """Before the discount."""
        amount: int = self.price["unit_amount"] * self.quantity
        return amount

    @property
    def total(self) -> int:
        """After it."""
        return self.subtotal - self.discount


def discounted(lines: list[Line], coupon: Object | None) -> list[Line]:
    """The same lines, each with its part of the discount."""
    if coupon is None:
        return lines
    subtotals = [line.subtotal for line in lines]
    if coupon["amount_off"] is not None:
        off = min(coupon["amount_off"], sum(subtotals))
    else:
        currency = lines[0].price["currency"]
        off = percentage(sum(subtotals), Decimal(str(coupon["percent_off"])), currency)
    parts = shares(off, subtotals)
    return [Line(line.price, line.quantity, line.description, part) for line, part in zip(lines, parts, strict=True)]


def make_discount(world: World, coupon: Object, *, customer: str | None, session: str) -> Object:
    """The coupon as applied to a session, and later to its subscription."""
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
    """From now on it is the subscription's: for one invoice, some months, or for ever."""
    start = world.clock.now(BILLING)
    months = discount["_sandbox"]["coupon"]["duration_in_months"]
    end = add_interval(start, "month", months) if months else None
    world.change(discount, customer=customer, end=end, start=start, subscription=subscription)


def is_over(discount: Object, at: int) -> bool:
    """Whether its months have passed: an invoice of that time gets nothing off any more."""
    return discount["end"] is not None and bool(at >= discount["end"])


def is_for_once(discount: Object) -> bool:
    """Whether its first invoice is its last."""
    return bool(discount["_sandbox"]["coupon"]["duration"] == "once")
