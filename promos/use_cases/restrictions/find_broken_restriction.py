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
# The refusal → which uses its limit counts.
_COUNTED: dict[type[RestrictionBroken], str] = {
    PromoCustomerLimit: "in_all",
    PromoDailyLimit: "in_day",
    PromoWeeklyLimit: "in_week",
    PromoMonthlyLimit: "in_month",
}
_COUNT = "SELECT {counted} FROM promos_count_uses(%s::jsonb, %s, %s, %s, %s)"
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
    One query for a restricted code, else none; where a limit on uses is reached, one more counts them for staff.
    Transaction: joins; exact where the caller holds the account's lock.
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
    if refusal in _COUNTED:
        values |= _uses_that_decided(refusal, promo_code, customer_id=customer_id, now=now)
    elif refusal in (PromoCustomerNotEligible, PromoEmailNotEligible):
        values["email"] = email
    elif order is not None:
        values |= _parts_that_decided(refusal, promo_code, order)
    return refusal(**values)


def _parts_that_decided(refusal: type[RestrictionBroken], promo_code: PromoCode, order: OrderFacts) -> dict[str, Any]:
    """Returns the parts of the order that the rule compares."""
    parts: dict[str, Any] = {"order_total_minor": order.total_minor, "plan": str(order.plan_id)}
    if refusal is PromoAddOnMissing:
        parts["order_addons"] = list(order.addon_ids)
    if refusal is PromoOrderTooSmall:
        rules = _restrictions_of(promo_code).values()
        parts["minimum_order_minor"] = max(each.get("minimum_order_minor", 0) for each in rules)
    return parts


def _rules_that_decided(refusal: type[RestrictionBroken], promo_code: PromoCode) -> dict[str, Any]:
    """Returns the rule of the code and of its campaign that refuses so, as they stand. Staff see them."""
    name = _RULES.get(refusal, "")
    return {prefix + name: rules[name] for prefix, rules in _restrictions_of(promo_code).items() if name in rules}


def _restrictions_of(promo_code: PromoCode) -> dict[str, Mapping[str, Any]]:
    """Returns the restrictions of the code and of its campaign, by what precedes the names of their values."""
    return {"": promo_code.restrictions or {}, "campaign_": promo_code.campaign.restrictions or {}}


def _uses_that_decided(
    refusal: type[RestrictionBroken], promo_code: PromoCode, *, customer_id: int | None, now: datetime
) -> dict[str, int]:
    """Counts the customer's uses by the code's limit and by its campaign's. One query for each."""
    found = {}
    with connection.cursor() as cursor:
        for prefix, rules in _restrictions_of(promo_code).items():
            if _RULES[refusal] in rules:
                campaign = promo_code.campaign_id if prefix else None
                arguments: list[Any] = [simplejson.dumps(rules), promo_code.pk, campaign, customer_id, now]
                cursor.execute(_COUNT.format(counted=_COUNTED[refusal]), arguments)
                [found[f"{prefix}used"]] = cursor.fetchone()
    return found
