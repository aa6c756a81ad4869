"""The restrictions of a campaign, a code or a batch, as its row keeps them: a JSON object, or null for none."""

from typing import Literal, TypedDict

ORDERS, TOP_UPS = "orders", "top_ups"
# Rules about an order. With one of them, a code is redeemed only with an order.
ORDER_RULES = ("plans", "addons", "minimum_order_minor", "first_order_only")
PERIOD_LIMITS = ("uses_per_day", "uses_per_week", "uses_per_month")
USE_LIMITS = ("uses_per_customer", *PERIOD_LIMITS)


class Restrictions(TypedDict, total=False):
    """The rules that are set. An absent one restricts nothing.

    `plans` and `addons` are ids in the catalog: the order's plan is one of them, and it has at least one of the
    add-ons. `minimum_order_minor` is the total before credit. `customers` are user ids and e-mail addresses. The
    limits count live redemptions, in days, weeks (from Monday) and months of `time_zone`.
    """

    only: Literal["orders", "top_ups"]
    plans: list[str]
    addons: list[str]
    minimum_order_minor: int
    first_order_only: bool
    email_domains: list[str]
    customers: list[str]
    uses_per_customer: int
    uses_per_day: int
    uses_per_week: int
    uses_per_month: int
    time_zone: str


def allow_repeats(restrictions: Restrictions | None) -> bool:
    """Returns whether a voucher with these restrictions of its own is redeemed more than once by a customer.

    It is where they limit the uses of a customer, and not to one. promos_allow_repeats (restrictions.sql) decides the
    same in the database.
    """
    rules = restrictions or {}
    return any(name in rules for name in USE_LIMITS) and rules.get("uses_per_customer") != 1
