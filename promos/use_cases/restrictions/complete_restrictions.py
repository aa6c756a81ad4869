"""Checks restrictions as they are entered, and gives them the one form in which they are stored.

A code's or a batch's own restrictions add to its campaign's: a redemption keeps to both. So what was approved with a
campaign cannot be loosened by a code of it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from django.conf import settings

from billing.actor import MAX_USER_ID_LENGTH, is_user_id
from billing.language import say
from billing.money import MAX_MINOR
from billing.text import normal_email
from promos.errors import InvalidRestrictions
from promos.models.restrictions import ORDER_RULES, ORDERS, PERIOD_LIMITS, TOP_UPS, USE_LIMITS, Restrictions
from promos.use_cases.restrictions.sold_items import load_sold_items

# The row of a code is read with each of its redemptions, so its lists stay short.
MAX_CUSTOMERS = 1_000
MAX_DOMAINS = 100
MAX_USES = 1_000_000
MAX_CUSTOMER_LENGTH = MAX_USER_ID_LENGTH
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9][a-z0-9-]*[a-z0-9]")
_MAX_DOMAIN_LENGTH = 253


def complete_restrictions(given: Mapping[str, Any] | None) -> Restrictions | None:
    """Returns the restrictions as they are stored, or None where no rule is set.

    A rule that is empty, zero, false or null is not set. Plans and add-ons are given by id or slug.

    Raises: InvalidRestrictions, which names each bad rule. One query where it names plans or add-ons, else none.
    """
    rules: dict[str, Any] = {name: value for name, value in (given or {}).items() if value and name != "time_zone"}
    problems: dict[str, list[str]] = {}
    if "plans" in rules or "addons" in rules:
        _resolve_items(rules, problems)
    if "email_domains" in rules:
        rules["email_domains"] = _domains(rules["email_domains"], problems)
    if "customers" in rules:
        rules["customers"] = _customers(rules["customers"], problems)
    _check_figures(rules, problems)
    order_rules = [name for name in ORDER_RULES if name in rules]
    if order_rules and rules.setdefault("only", ORDERS) == TOP_UPS:
        problems["only"] = ["a rule about the order needs an order"]
    if rules.get("only", ORDERS) not in (ORDERS, TOP_UPS):
        problems["only"] = [say("one of %(names)s", names=f"{ORDERS}, {TOP_UPS}")]
    if problems:
        raise InvalidRestrictions(fields={f"restrictions.{name}": texts for name, texts in problems.items()})
    if any(name in rules for name in PERIOD_LIMITS):
        rules["time_zone"] = settings.SOVEREIGN_TIME_ZONE
    return cast(Restrictions, rules) or None


def _resolve_items(rules: dict[str, Any], problems: dict[str, list[str]]) -> None:
    sold = load_sold_items()
    for rule in ("plans", "addons"):
        ids = {key: item.id for item in sold[rule] for key in (item.slug, item.id)}
        wanted: Sequence[str] = rules.get(rule, ())
        unknown = [each for each in wanted if each.strip().lower() not in ids]
        if unknown:
            names = ", ".join(unknown)[:280]
            is_plan = rule == "plans"
            problems[rule] = [
                say("there is no plan %(names)s", names=names)
                if is_plan
                else say("there is no add-on %(names)s", names=names)
            ]
        elif wanted:
            rules[rule] = sorted({ids[each.strip().lower()] for each in wanted})


def _domains(given: Sequence[str], problems: dict[str, list[str]]) -> list[str]:
    domains = sorted({normal_email(f"@{each.strip().lstrip('@')}").lstrip("@") for each in given})
    wrong = [each for each in domains if len(each) > _MAX_DOMAIN_LENGTH or not _DOMAIN.fullmatch(each)]
    if wrong:
        problems["email_domains"] = [say("write a domain as example.com: %(names)s", names=", ".join(wrong)[:260])]
    elif len(domains) > MAX_DOMAINS:
        problems["email_domains"] = [say("at most %(number)s domains", number=MAX_DOMAINS)]
    return domains


def _customers(given: Sequence[str], problems: dict[str, list[str]]) -> list[str]:
    customers = sorted({normal_email(each) if "@" in each else each.strip() for each in given})
    if not all(is_user_id(each) for each in customers):
        sentence = say("user ids or e-mail addresses of at most %(number)s characters", number=MAX_CUSTOMER_LENGTH)
        problems["customers"] = [sentence]
    elif len(customers) > MAX_CUSTOMERS:
        problems["customers"] = [
            say("at most %(number)s customers: issue cards for more", number=f"{MAX_CUSTOMERS:,}")
        ]
    return customers


def _check_figures(rules: dict[str, Any], problems: dict[str, list[str]]) -> None:
    for name in USE_LIMITS:
        if not 1 <= rules.get(name, 1) <= MAX_USES:
            problems[name] = [say("1 to %(number)s", number=f"{MAX_USES:,}")]
    if not 0 <= rules.get("minimum_order_minor", 0) <= MAX_MINOR:
        problems["minimum_order"] = ["0 (none) or a positive amount"]
