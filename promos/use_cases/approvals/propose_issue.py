"""The kind of proposal that issues a code, or gives an existing one other terms."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from billing.actor import Actor
from billing.use_cases.proposals.kinds import Arguments, Difference, Kind, Result
from billing.use_cases.proposals.propose import Outcome, carried_out, run_or_propose
from promos.locks import lock_code_exclusively
from promos.models import Campaign, PromoCode
from promos.queries import normal_code
from promos.use_cases.approvals.written_terms import INSTANTS, as_json, write_term
from promos.use_cases.forecasts.forecast_offer import Offer, forecast_lines_of, offer_in_campaign
from promos.use_cases.issue_code import MAX_CAP, GivenTerms, Terms, issue_code, with_complete_restrictions

_NAMES = {
    "credit_minor": "Credit",
    "description": "Description",
    "active": "Active",
    "max_redemptions": "Cap",
    "hot": "Expect a rush",
    "starts_at": "Valid from",
    "expires_at": "Valid until",
    "restrictions": "Restrictions",
    "credit_days": "Credit lasts (days)",
    "credit_expires_at": "Credit expires",
}


def issue_or_propose(
    *,
    code: str,
    terms: Terms | GivenTerms,
    by: Actor,
    reason: str,
    campaign_id: UUID | None = None,
    reason_of_proposal: str = "",
) -> Outcome:
    """Issues a code as `issue_code` does; proposes it where it exceeds a limit of the actor's role.

    Args: campaign_id: as for `issue_code`. reason_of_proposal: the reason of a proposal where none is given.
    Raises: as `issue_code` does; ReasonRequired for a proposal without a reason.
    """
    arguments = issue_arguments(code=code, terms=with_complete_restrictions(terms), campaign_id=campaign_id)
    return run_or_propose(CODE_ISSUE, arguments, why=reason, by=by, why_propose=reason_of_proposal)


def issued_or_refused(outcome: Outcome) -> PromoCode:
    """Returns the code that was issued. Raises: ApprovalRequired, with the id of the proposal made instead."""
    return cast(PromoCode, carried_out(outcome).value)


def issue_arguments(*, code: str, terms: Terms | GivenTerms, campaign_id: UUID | None = None) -> Arguments:
    """Returns the arguments of an issue: the code, the terms that are given, and the campaign."""
    given = asdict(terms) if isinstance(terms, Terms) else dict(terms)
    return {
        "code": normal_code(code),
        "terms": as_json(given),
        "campaign_id": str(campaign_id) if campaign_id else None,
    }


def _describe(arguments: Arguments, state: Any) -> str:
    verb = "Issue" if state is None else "Bring back" if state["retired_at"] else "Change"
    return f"{verb} {arguments['code']}"


def _lock_state(arguments: Arguments) -> dict[str, Any] | None:
    """Returns the code's present terms; None before it exists."""
    found = PromoCode.objects.filter(code=arguments["code"]).first()
    if found is None:
        return None
    # Races with another member of staff who changes the code, so the code is read again under the lock.
    lock_code_exclusively(promo_code_id=found.pk)
    found.refresh_from_db()
    terms = {field.name: getattr(found, field.name) for field in fields(Terms)}
    return as_json({**terms, "retired_at": found.retired_at})


def _differences(arguments: Arguments, state: Any) -> Sequence[Difference]:
    after = _complete(arguments, state)
    before = {name: "" if state is None else write_term(name, state.get(name)) for name in _NAMES}
    lines = [
        Difference(title, before[name], write_term(name, after[name]))
        for name, title in _NAMES.items()
        if before[name] != write_term(name, after[name])
    ]
    if state is None and arguments["campaign_id"]:
        campaign = Campaign.objects.filter(pk=arguments["campaign_id"]).first()
        lines.append(Difference("Campaign", "", str(campaign or "")))
    if state and state["retired_at"]:
        lines.append(Difference("State", "retired", "live"))
    if state is None or state["retired_at"]:
        # Such a voucher cannot be redeemed, so its lock keeps no customer waiting.
        lines += forecast_lines_of(_offer(arguments, after))
    return lines


def _offer(arguments: Arguments, terms: Mapping[str, Any]) -> Offer:
    own = PromoCode.objects.filter(code=arguments["code"]).values_list("campaign_id", flat=True).first()
    given, terms = arguments["campaign_id"], _with_instants(terms)
    return offer_in_campaign(
        credit_minor=terms["credit_minor"],
        max_redemptions=terms["max_redemptions"],
        starts_at=terms["starts_at"],
        ends_at=terms["expires_at"],
        restrictions=terms["restrictions"],
        campaign_id=own or (UUID(given) if given else None),
    )


def _with_instants(terms: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: datetime.fromisoformat(value) if name in INSTANTS and value else value for name, value in terms.items()
    }


def _measure(arguments: Arguments, state: Any) -> Mapping[str, int]:
    """Returns credit and cap where they are new or raised. No cap counts as more than every cap."""
    after, is_live = _complete(arguments, state), state is not None and not state["retired_at"]
    figures = {"issue_credit": (after["credit_minor"], state["credit_minor"] if state else 0)}
    figures["issue_cap"] = (_cap(after), _cap(state) if state else 0)
    return {name: new for name, (new, old) in figures.items() if not is_live or new > old}


def _cap(terms: Mapping[str, Any]) -> int:
    return terms["max_redemptions"] or MAX_CAP + 1


def _complete(arguments: Arguments, state: Any) -> dict[str, Any]:
    return {**asdict(Terms(credit_minor=0)), **(state or {}), **arguments["terms"]}


def _run(arguments: Arguments, why: str, by: Actor) -> Result:
    terms = _with_instants(arguments["terms"])
    campaign_id = UUID(arguments["campaign_id"]) if arguments["campaign_id"] else None
    made = issue_code(
        code=arguments["code"], terms=cast(GivenTerms, terms), by=by, reason=why, campaign_id=campaign_id
    )
    return Result(f"{made.code} is issued with these terms.", "promos_promocode", str(made.pk), made)


def _subject(arguments: Arguments) -> tuple[str, str]:
    key = PromoCode.objects.filter(code=arguments["code"]).values_list("pk", flat=True).first()
    return ("promos_promocode", str(key)) if key else ("", "")


CODE_ISSUE = Kind(
    name="code_issue",
    describe=_describe,
    lock_state=_lock_state,
    differences=_differences,
    measure=_measure,
    run=_run,
    subject=_subject,
)
