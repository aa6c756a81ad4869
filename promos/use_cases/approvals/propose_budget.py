"""The kind of proposal that changes the budget of a campaign."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from billing.actor import Actor
from billing.use_cases.proposals.kinds import Arguments, Difference, Kind, Result
from billing.use_cases.proposals.propose import Outcome, run_or_propose
from promos.models import Campaign
from promos.use_cases.approvals.written_terms import write_term
from promos.use_cases.campaigns.change_terms import change_budget
from promos.use_cases.campaigns.draft_campaign import find_for_change

# No budget counts as more than every limit.
_UNLIMITED = 10**15


def change_budget_or_propose(*, campaign_id: UUID, budget_minor: int, by: Actor, reason: str) -> Outcome:
    """Changes the budget as `change_budget` does; proposes it where it is raised above a limit of the actor's role.

    Raises: as `change_budget` does.
    """
    arguments = {"campaign_id": str(campaign_id), "budget_minor": budget_minor}
    return run_or_propose(CAMPAIGN_BUDGET, arguments, why=reason, by=by)


def _describe(arguments: Arguments, state: Any) -> str:
    return f"Change the budget of {Campaign.objects.get(pk=arguments['campaign_id'])}"


def _lock_state(arguments: Arguments) -> dict[str, Any]:
    campaign = find_for_change(UUID(arguments["campaign_id"]))
    return {"draft": campaign.status == Campaign.Status.DRAFT, "budget_minor": campaign.budget_minor}


def _differences(arguments: Arguments, state: Any) -> Sequence[Difference]:
    return [
        Difference(
            "Budget",
            write_term("budget_minor", state["budget_minor"]),
            write_term("budget_minor", arguments["budget_minor"]),
        )
    ]


def _measure(arguments: Arguments, state: Any) -> Mapping[str, int]:
    """Returns the new budget where it is raised. Somebody else approves a draft with its budget anyway."""
    before, after = (each or _UNLIMITED for each in (state["budget_minor"], arguments["budget_minor"]))
    return {"raise_budget": after if after > before and not state["draft"] else 0}


def _run(arguments: Arguments, why: str, by: Actor) -> Result:
    campaign_id, budget_minor = UUID(arguments["campaign_id"]), arguments["budget_minor"]
    changed = change_budget(campaign_id=campaign_id, budget_minor=budget_minor, by=by, reason=why)
    return Result(
        f"The budget of {changed} is {write_term('budget_minor', budget_minor)}.", *_subject(arguments), value=changed
    )


def _subject(arguments: Arguments) -> tuple[str, str]:
    return "promos_campaign", arguments["campaign_id"]


CAMPAIGN_BUDGET = Kind(
    name="campaign_budget",
    describe=_describe,
    lock_state=_lock_state,
    differences=_differences,
    measure=_measure,
    run=_run,
    subject=_subject,
)
