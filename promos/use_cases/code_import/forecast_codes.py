"""Forecasts what the vouchers of a file would cost, for the person who approves their import."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

from billing.errors import DomainError
from billing.use_cases.proposals.kinds import Difference
from promos.models.restrictions import USE_LIMITS, Restrictions
from promos.use_cases.approvals.written_terms import write_term
from promos.use_cases.code_import.read_codes import CodeRow
from promos.use_cases.forecasts.forecast_offer import Offer, forecast_offer, offer_in_campaign

# Past orders are replayed once for each of the different terms in a file. More would take too long.
MAX_DIFFERENT_TERMS = 5


class _Forecast(NamedTuple):
    """The figures of the codes of a file that have the same terms."""

    campaign_id: str | None
    codes: int
    offer: Offer
    figures: Mapping[str, Any]


def forecast_lines_of_codes(rows: Iterable[CodeRow]) -> list[Difference]:
    """Returns the figures for a proposal to issue these codes; nothing where there are none, or no past orders.

    Codes with the same terms are forecast together. The costs of different terms are added up, at most to what is
    left of the budget of their campaign.
    """
    alike = Counter(json.dumps([row.terms, row.campaign_id], sort_keys=True) for row in rows)
    if len(alike) > MAX_DIFFERENT_TERMS:
        return [Difference("Expected cost", "", "not known: the file has too many different terms")]
    try:
        found = [_forecast(written, codes) for written, codes in alike.items()]
    except DomainError as error:
        return [Difference("Expected cost", "", f"not known: {error.text}")]
    if not any(each.figures["orders"] for each in found):
        return []
    return [
        Difference("Expected cost", "", write_term("credit_minor", _total(found, "expected_minor"))),
        Difference("Worst cost", "", write_term("credit_minor", _total(found, "worst_minor"))),
        Difference("Past orders that qualify", "", "; ".join(map(_qualified, found))),
    ]


def _forecast(written: str, codes: int) -> _Forecast:
    terms, campaign_id = json.loads(written)
    starts_at, ends_at = (terms[name] and datetime.fromisoformat(terms[name]) for name in ("starts_at", "expires_at"))
    offer = offer_in_campaign(
        credit_minor=terms["credit_minor"],
        max_redemptions=terms["max_redemptions"] * codes,
        starts_at=starts_at,
        ends_at=ends_at,
        restrictions=terms.get("restrictions"),
        campaign_id=UUID(campaign_id) if campaign_id else None,
    )
    offer = _with_uses_of_all(offer, codes)
    return _Forecast(campaign_id, codes, offer, forecast_offer(offer))


def _with_uses_of_all(offer: Offer, codes: int) -> Offer:
    """Returns the offer with the uses that a customer has of all the codes: they limit a customer one by one."""
    first, *others = offer.restrictions
    own: dict[str, Any] = dict(first or {})
    own |= {name: own[name] * codes for name in USE_LIMITS if name in own}
    if offer.once_per_customer:
        own["uses_per_customer"] = codes
    restrictions = (cast(Restrictions, own), *others)
    return replace(offer, restrictions=restrictions, once_per_customer=False)


def _total(found: Sequence[_Forecast], name: str) -> int:
    costs, budgets = Counter[str | None](), {each.campaign_id: each.offer.budget_minor for each in found}
    for each in found:
        costs[each.campaign_id] += each.figures[name]
    return sum(
        cost if (budget := budgets[campaign_id]) is None else min(cost, budget) for campaign_id, cost in costs.items()
    )


def _qualified(found: _Forecast) -> str:
    credit = write_term("credit_minor", found.offer.credit_minor)
    return f"{found.figures['qualified_orders']:,} of {found.figures['orders']:,} ({found.codes:,} x {credit})"
