"""Finds the restriction that a redemption would break. The database decides (restrictions.sql); this names it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import simplejson
from django.db import connection

from promos.errors import (
    PromoAddOnMissing,
    PromoCustomerLimit,
    PromoCustomerNotEligible,
    PromoDailyLimit,
    PromoEmailNotEligible,
    PromoMonthlyLimit,
    PromoNeedsOrder,
    PromoNotFirstOrder,
    PromoOnlyTopUp,
    PromoOrderTooSmall,
    PromoPlanNotEligible,
    PromoWeeklyLimit,
    RestrictionBroken,
)
from promos.models import PromoCode

# The code of a rule's refusal, which restrictions.sql returns → the refusal.
REFUSAL_OF_RULE: dict[str, type[RestrictionBroken]] = {
    refusal.code: refusal
    for refusal in (
        PromoNeedsOrder,
        PromoOnlyTopUp,
        PromoCustomerNotEligible,
        PromoEmailNotEligible,
        PromoPlanNotEligible,
        PromoAddOnMissing,
        PromoOrderTooSmall,
        PromoNotFirstOrder,
        PromoCustomerLimit,
        PromoDailyLimit,
        PromoWeeklyLimit,
        PromoMonthlyLimit,
    )
}
# The refusal → the rule that staff need to see to understand it. Lists of customers are not copied.
_RULES: dict[type[RestrictionBroken], str] = {
    PromoNeedsOrder: "only",
    PromoOnlyTopUp: "only",
    PromoEmailNotEligible: "email_domains",
    PromoPlanNotEligible: "plans",
    PromoAddOnMissing: "addons",
    PromoOrderTooSmall: "minimum_order_minor",
    PromoNotFirstOrder: "first_order_only",
    PromoCustomerLimit: "uses_per_customer",
    PromoDailyLimit: "uses_per_day",
    PromoWeeklyLimit: "uses_per_week",
    PromoMonthlyLimit: "uses_per_month",
}
_FIND = "SELECT promos_find_broken_restriction(%s, %s, %s, %s, {basket}, %s)"
_BASKET = "ROW(%s, %s, %s::jsonb, %s)::promos_basket"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """An order as restrictions see it: its total before credit, its plan and add-ons, and whether it is a first.

    The total is in the smallest unit. The add-ons are ids as text.
    """

    total_minor: int
    plan_id: UUID
    addon_ids: tuple[str, ...]
    is_first: bool


def find_broken_restriction(
    promo_code: PromoCode,
    *,
    customer_id: int | None,
    user_id: str | None,
    email: str,
    order: OrderFacts | None,
    now: datetime,
) -> RestrictionBroken | None:
    """Returns the first restriction of the code or of its campaign that the redemption would break, or None.

    Args: customer_id: None for a user who has never acted. user_id: None for a visitor who is not known; rules about
    customers then count as kept. order: None for a redemption into the balance.
    One query for a restricted code, else none. Transaction: joins; exact where the caller holds the account's lock.
    """
    if not promo_code.restricted:
        return None
    basket: list[Any] = []
    if order is not None:
        basket = [order.total_minor, order.plan_id, simplejson.dumps(order.addon_ids), order.is_first]
    with connection.cursor() as cursor:
        cursor.execute(
            _FIND.format(basket=_BASKET if order else "NULL"),
            [promo_code.pk, customer_id, user_id, email, *basket, now],
        )
        [broken] = cursor.fetchone()
    if not broken:
        return None
    refusal = REFUSAL_OF_RULE[broken]
    values = _rules_that_decided(refusal, promo_code)
    if refusal in (PromoCustomerNotEligible, PromoEmailNotEligible):
        return refusal(email=email, **values)
    if order is None:
        return refusal(**values)
    values |= {"order_total_minor": order.total_minor, "plan": str(order.plan_id)}
    if refusal is PromoAddOnMissing:
        values["order_addons"] = list(order.addon_ids)
    if refusal is not PromoOrderTooSmall:
        return refusal(**values)
    rules = (promo_code.restrictions or {}, promo_code.campaign.restrictions or {})
    minimum_minor = max(each.get("minimum_order_minor", 0) for each in rules)
    return PromoOrderTooSmall(**{**values, "minimum_order_minor": minimum_minor})


def _rules_that_decided(refusal: type[RestrictionBroken], promo_code: PromoCode) -> dict[str, Any]:
    """Returns the rule of the code and of its campaign that refuses so, as they stand. Staff see them."""
    name = _RULES.get(refusal, "")
    restrictions: dict[str, Mapping[str, Any]] = {
        "": promo_code.restrictions or {},
        "campaign_": promo_code.campaign.restrictions or {},
    }
    return {prefix + name: rules[name] for prefix, rules in restrictions.items() if name in rules}
