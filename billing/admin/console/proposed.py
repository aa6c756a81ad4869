from django.http import HttpRequest

from billing.admin.console.display import change_url
from billing.admin.console.submission import Done
from billing.use_cases.proposals.propose import Outcome


def done_or_proposed(outcome: Outcome, request: HttpRequest, *, url: str = "") -> Done:
    """Returns the message and page of an act that was carried out, or proposed because it exceeds a limit.

    Args: url: the page that shows the act; by default that of the record. A member of staff who does not see
    proposals goes there too.
    """
    if outcome.proposal:
        sees_proposals = request.user.has_perm("billing.view_proposal")
        return Done(
            "This needs the approval of another member of staff: it is proposed, and not carried out yet.",
            change_url("billing_proposal", outcome.proposal.pk) if sees_proposals or not url else url,
        )
    if outcome.result is None:
        raise ValueError("an act was neither carried out nor proposed")
    return Done(outcome.result.message, url or change_url(outcome.result.model, outcome.result.key))
