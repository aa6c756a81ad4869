"""The names of the rules by which codes are refused, and the values that decided, in words for staff."""

from django.utils.translation import gettext_lazy as _

from promos.errors import PromoProblem

RETIRED = "promo_retired"
_SENTENCES = {
    "promo_not_found": _("The code is unknown."),
    RETIRED: _("The voucher is retired. The customer sees that it is unknown."),
    "card_not_active": _("The card's range or batch is not active. The customer sees that the code is unknown."),
    "promo_inactive": _("The voucher or its campaign is not active."),
    "promo_not_started": _("The voucher or its campaign has not started."),
    "promo_expired": _("The voucher or its campaign has expired."),
    "promo_exhausted": _("The cap or the campaign's budget is used up, or the card is redeemed."),
    "promo_already_redeemed": _("The customer has redeemed it before."),
    "promo_invalid": _("It cannot be redeemed."),
    "promo_needs_order": _("It is restricted to orders, and was redeemed into the balance."),
    "promo_only_top_up": _("It is restricted to the balance, and was used with an order."),
    "promo_customer_not_eligible": _("It is restricted to other customers."),
    "promo_email_not_eligible": _("It is restricted to e-mail addresses at other domains."),
    "promo_plan_not_eligible": _("It is restricted to other plans."),
    "promo_addon_missing": _("It is restricted to orders with other add-ons."),
    "promo_order_too_small": _("The order's total is below the minimum of the voucher or its campaign."),
    "promo_not_first_order": _("It is restricted to a first order, and the customer has another one."),
    "promo_customer_limit": _("The customer has reached the limit of uses per customer."),
    "promo_daily_limit": _("The customer has reached the limit of uses in a day."),
    "promo_weekly_limit": _("The customer has reached the limit of uses in a week."),
    "promo_monthly_limit": _("The customer has reached the limit of uses in a month."),
}


def rule_names() -> list[str]:
    """Returns the names of all rules, in alphabetical order."""
    return sorted({RETIRED, *(each.rule or each.code for each in _problems(PromoProblem))})


def describe_rule(rule: str) -> str:
    """Returns a sentence that says why the rule refuses a code."""
    return str(_SENTENCES.get(rule) or f"{rule.removeprefix('promo_').replace('_', ' ').capitalize()}.")


def _problems(problem: type[PromoProblem]) -> list[type[PromoProblem]]:
    below = problem.__subclasses__()
    return [*below, *(each for child in below for each in _problems(child))]
