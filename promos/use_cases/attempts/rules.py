"""The names of the rules by which codes are refused, and the values that decided, in words for staff."""

from promos.errors import PromoProblem

RETIRED = "promo_retired"
_SENTENCES = {
    "promo_not_found": "The code is unknown.",
    RETIRED: "The voucher is retired. The customer is told that it is unknown.",
    "card_not_active": "The card's batch is not active. The customer is told that the code is unknown.",
    "promo_inactive": "The voucher or its campaign is not active.",
    "promo_not_started": "The voucher or its campaign has not started.",
    "promo_expired": "The voucher or its campaign has expired.",
    "promo_exhausted": "The cap or the campaign's budget is used up, or the card is redeemed.",
    "promo_already_redeemed": "The customer has redeemed it before.",
}


def rule_names() -> list[str]:
    """Returns the names of all rules, in alphabetical order."""
    return sorted({RETIRED, *(each.rule or each.code for each in _problems(PromoProblem))})


def describe_rule(rule: str) -> str:
    """Returns a sentence that says why the rule refuses a code."""
    return _SENTENCES.get(rule, f"{rule.removeprefix('promo_').replace('_', ' ').capitalize()}.")


def _problems(problem: type[PromoProblem]) -> list[type[PromoProblem]]:
    below = problem.__subclasses__()
    return [*below, *(each for child in below for each in _problems(child))]
