from billing.admin.console.display import change_url
from billing.admin.console.submission import Done
from billing.use_cases.proposals.propose import Outcome


def done_or_proposed(outcome: Outcome) -> Done:
    """Returns the message and page of an act that was carried out, or proposed because it exceeds a limit."""
    if outcome.proposal:
        return Done(
            "This needs the approval of another member of staff: it is proposed, and not carried out yet.",
            change_url("billing_proposal", outcome.proposal.pk),
        )
    if outcome.result is None:
        raise ValueError("an act was neither carried out nor proposed")
    return Done(outcome.result.message, change_url(outcome.result.model, outcome.result.key))
