"""Describes restrictions in sentences: all of them to staff, and to customers without other customers' names."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing.money import local_money
from promos.models.restrictions import TOP_UPS, Restrictions
from promos.use_cases.restrictions.sold_items import SoldItem, load_sold_items

MAX_NAMED_CUSTOMERS = 20


def ngettext_noop(singular: str, plural: str) -> tuple[str, str]:
    """Marks a sentence in both numbers for translation, and returns both."""
    return singular, plural


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
    return _("Only into the balance, not with an order.") if value == TOP_UPS else _("Only with an order.")


def _minimum(minor: int) -> str:
    amount = local_money(minor, currency=settings.SOVEREIGN_CURRENCY)
    return _("Only for orders of at least %(amount)s.") % {"amount": amount}


def _customers(customers: Sequence[str]) -> str:
    rest = len(customers) - MAX_NAMED_CUSTOMERS
    named = ", ".join(customers[:MAX_NAMED_CUSTOMERS])
    return f"Only for these customers: {named}{f' and {rest:,} more' if rest > 0 else ''}."


def _names(ids: Sequence[str], items: Sequence[SoldItem]) -> list[str]:
    names = {item.id: item.local_name for item in items}
    return [names.get(each, each) for each in ids]


def _plans(names: Sequence[str]) -> str:
    sentence = ngettext("Only with the plan %(names)s.", "Only with one of the plans %(names)s.", len(names))
    return sentence % {"names": _(", ").join(names)}


def _addons(names: Sequence[str]) -> str:
    sentence = ngettext("Only with the add-on %(names)s.", "Only with one of the add-ons %(names)s.", len(names))
    return sentence % {"names": _(", ").join(names)}


def _limit(once: str, often: str) -> Callable[[int], str]:
    return lambda count: ngettext(once, often, count) % {"count": f"{count:,}"}


_SENTENCES: dict[str, Callable[[Any], str]] = {
    "only": _only,
    "plans": _plans,
    "addons": _addons,
    "minimum_order_minor": _minimum,
    "first_order_only": lambda _value: _("Only for a customer's first order."),
    "email_domains": lambda domains: f"Only for e-mail addresses at {', '.join(domains)}.",
    "customers": _customers,
    "uses_per_customer": _limit(
        *ngettext_noop("At most once per customer.", "At most %(count)s times per customer.")
    ),
    "uses_per_day": _limit(
        *ngettext_noop("At most once per customer and day.", "At most %(count)s times per customer and day.")
    ),
    "uses_per_week": _limit(
        *ngettext_noop("At most once per customer and week.", "At most %(count)s times per customer and week.")
    ),
    "uses_per_month": _limit(
        *ngettext_noop("At most once per customer and month.", "At most %(count)s times per customer and month.")
    ),
}
_DISCREET_SENTENCES: dict[str, Callable[[Any], str]] = {
    "email_domains": lambda _value: _("Only for certain e-mail addresses."),
    "customers": lambda _value: _("Only for certain customers."),
}
