"""Refusals of proposals and of the console's forms."""

from .base import DomainError


class ApprovalRequired(DomainError):
    """The act exceeds a limit. It was proposed instead, and takes effect once another member of staff approves it."""

    code = "approval_required"
    status = 409
    message = "this was proposed, and takes effect when another member of staff approves it"


class ProposalNotFound(DomainError):
    code = "proposal_not_found"
    status = 404
    message = "there is no such proposal"


class ProposalDecided(DomainError):
    code = "proposal_decided"
    status = 409
    message = "this proposal was already decided or withdrawn"


class ProposalExpired(DomainError):
    code = "proposal_expired"
    status = 409
    message = "this proposal has expired: propose it again"


class ProposalStale(DomainError):
    """The proposal has failed, because the state that it was proposed on has changed."""

    code = "proposal_stale"
    status = 409
    message = "this changed after it was proposed, so nothing was done: propose it again"


class OwnProposal(DomainError):
    code = "own_proposal"
    status = 403
    message = "nobody may decide their own proposal: ask another member of staff"


class NotOwnProposal(DomainError):
    code = "not_own_proposal"
    status = 403
    message = "only the member of staff who proposed this can withdraw it"


class FormExpired(DomainError):
    """A form of the console came without its token, or long after its page was shown."""

    code = "form_expired"
    status = 409
    message = "this form is no longer valid: open the page again"


class RecordChanged(DomainError):
    """The record that a form of the console shows has changed since."""

    code = "record_changed"
    status = 409
    message = "this was changed after you opened the page, so nothing was done: open the page again to see the change"


class SubmissionInProgress(DomainError):
    """The same form of the console was sent before, and its effect has not ended."""

    code = "submission_in_progress"
    status = 409
    message = "this form was sent already, and is still being carried out: open the page again to see the result"
