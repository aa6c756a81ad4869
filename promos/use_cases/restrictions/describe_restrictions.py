"""Describes restrictions in sentences: all of them to staff, and to customers without other customers' names."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.conf import settings

from billing.money import format_money
from promos.models.restrictions import TOP_UPS, Restrictions
from promos.use_cases.restrictions.sold_items import SoldItem, load_sold_items

MAX_NAMED_CUSTOMERS = 20


def describe_to_staff(restrictions: Restrictions | None) -> list[str]:
    """Returns a sentence for each rule. One query where a rule names plans or add-ons, else none."""
    return _describe(restrictions or {}, _SENTENCES)


def describe_to_customers(*restrictions: Restrictions | None) -> list[str]:
    """Returns a sentence for each rule of a code and its campaign, each once. A query each as `describe_to_staff`."""
    sentences = {**_SENTENCES, **_DISCREET_SENTENCES}
    return list(dict.fromkeys(text for each in restrictions for text in _describe(each or {}, sentences)))


def _describe(rules: Mapping[str, Any], sentences: Mapping[str, Callable[[Any], str]]) -> list[str]:
    sold = load_sold_items() if "plans" in rules or "addons" in rules else {}
    values = {**rules, **{rule: _names(rules[rule], sold[rule]) for rule in ("plans", "addons") if rule in rules}}
    return [sentence(values[rule]) for rule, sentence in sentences.items() if rule in values]


def _only(value: str) -> str:
    return "Only into the balance, not with an order." if value == TOP_UPS else "Only with an order."


def _minimum(minor: int) -> str:
    return f"Only for orders of at least {format_money(minor, currency=settings.SOVEREIGN_CURRENCY)}."


def _customers(customers: Sequence[str]) -> str:
    rest = len(customers) - MAX_NAMED_CUSTOMERS
    named = ", ".join(customers[:MAX_NAMED_CUSTOMERS])
    return f"Only for these customers: {named}{f' and {rest:,} more' if rest > 0 else ''}."


def _names(ids: Sequence[str], items: Sequence[SoldItem]) -> list[str]:
    names = {item.id: item.name for item in items}
    return [names.get(each, each) for each in ids]


def _limit(period: str) -> Callable[[int], str]:
    return lambda count: f"At most {'once' if count == 1 else f'{count:,} times'} per customer{period}."


_SENTENCES: dict[str, Callable[[Any], str]] = {
    "only": _only,
    "plans": lambda names: f"Only with {'the plan' if len(names) == 1 else 'one of the plans'} {', '.join(names)}.",
    "addons": lambda names: (
        f"Only with {'the add-on' if len(names) == 1 else 'one of the add-ons'} {', '.join(names)}."
    ),
    "minimum_order_minor": _minimum,
    "first_order_only": lambda _: "Only for a customer's first order.",
    "email_domains": lambda domains: f"Only for e-mail addresses at {', '.join(domains)}.",
    "customers": _customers,
    "uses_per_customer": _limit(""),
    "uses_per_day": _limit(" and day"),
    "uses_per_week": _limit(" and week"),
    "uses_per_month": _limit(" and month"),
}
_DISCREET_SENTENCES: dict[str, Callable[[Any], str]] = {
    "email_domains": lambda _: "Only for certain e-mail addresses.",
    "customers": lambda _: "Only for certain customers.",
}
