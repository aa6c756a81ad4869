"""Refusals of the billing app. Each class has a stable code, an HTTP status and a sentence for people.

No code may parse the sentence. An impossible state is not a refusal: it raises its own exception at once.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import psycopg
from django.db import IntegrityError, OperationalError
from psycopg import errors as postgres


class DomainError(Exception):
    """A request was refused, and nothing was changed.

    `code` is for programs and never changes; `message` is for people. `retry_after`, in seconds, says that the same
    request may succeed later. `fields` says what is wrong with each input. `extra` are further members of the answer.
    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 400
    message: ClassVar[str] = "the request was refused"

    def __init__(
        self,
        message: str | None = None,
        *,
        fields: dict[str, list[str]] | None = None,
        retry_after: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.text = message or self.message
        self.fields = fields
        self.retry_after = retry_after
        self.extra = extra
        super().__init__(self.text)


class InvalidAmount(DomainError):
    code = "invalid_amount"
    message = "the amount is not valid"


class ReasonRequired(DomainError):
    code = "reason_required"
    message = "a reason is required"


class InvalidBatch(DomainError):
    code = "invalid_batch"
    message = "the batch is not valid"


class CustomerNotFound(DomainError):
    code = "customer_not_found"
    status = 404
    message = "no such customer"


class CustomerMerged(DomainError):
    """The customer was merged into another one, which acts in its place."""

    code = "customer_merged"
    status = 409
    message = "this account was merged into another one: sign in with that one"


class SameCustomer(DomainError):
    code = "same_customer"
    message = "into: a customer cannot be merged into itself"


class CustomerIsStaff(DomainError):
    code = "customer_is_staff"
    status = 409
    message = "one of the two is a member of staff: end the staff role first"


class CustomerHasOpenPayment(DomainError):
    code = "customer_has_open_payment"
    status = 409
    message = "one of the two has an open payment: wait for it, or cancel it first"


class TwoCardSubscribers(DomainError):
    """Stripe cannot move a subscription from one of its customers to another."""

    code = "two_card_subscribers"
    status = 409
    message = "both customers pay a subscription by card at Stripe: end the subscriptions of one of them first"


class InsufficientCredit(DomainError):
    code = "insufficient_credit"
    status = 409
    message = "the available credit does not cover this amount"


class HoldNotActive(DomainError):
    code = "hold_not_active"
    status = 409
    message = "this hold was already captured or released"


class OrderHasHold(DomainError):
    code = "order_has_hold"
    status = 409
    message = "this order already holds credit"


class OrderAlreadySpent(DomainError):
    code = "order_already_spent"
    status = 409
    message = "this order was already paid from credit"


class EntryNotFound(DomainError):
    code = "entry_not_found"
    status = 404
    message = "no such ledger entry"


class EntryOfRedemption(DomainError):
    code = "entry_of_redemption"
    status = 409
    message = "this credit came from a redemption: release the redemption instead"


class EntryNotReversible(DomainError):
    code = "entry_not_reversible"
    status = 409
    message = "this ledger entry cannot be reversed"


class EntryAlreadyReversed(DomainError):
    code = "entry_already_reversed"
    status = 409
    message = "this ledger entry was already reversed"


class OrganizationNotFound(DomainError):
    code = "tenant_not_found"
    status = 404
    message = "no such organization"


class OrganizationSuspended(DomainError):
    """Staff suspended the organization, and only staff make it active again."""

    code = "organization_suspended"
    status = 409
    message = "this organization is suspended: contact support"


class OrganizationRoleTooLow(DomainError):
    """The caller is a member of the organization, and the caller's role does not allow the act."""

    code = "organization_role_too_low"
    status = 403
    message = "your role in this organization does not allow this"


class StatusNotAllowed(DomainError):
    code = "status_not_allowed"
    status = 409
    message = "the organization cannot get this status now"


class AlreadyMember(DomainError):
    code = "already_member"
    status = 409
    message = "this person is already a member of the organization, or invited"


class MemberNotFound(DomainError):
    code = "member_not_found"
    status = 404
    message = "no such member"


class OwnerNotRemovable(DomainError):
    code = "owner_not_removable"
    status = 403
    message = "the owner of an organization cannot be removed"


class TooManyOrganizations(DomainError):
    code = "too_many_organizations"
    status = 409
    message = "you have as many organizations as one customer may have; a deleted one counts for a day"


class TooManyMembers(DomainError):
    code = "too_many_members"
    status = 409
    message = "the organization has as many members as it may have"


class TooManyInvitations(DomainError):
    code = "too_many_invitations"
    status = 429
    message = "too many people were invited today: try again later"


class SlugTaken(DomainError):
    code = "slug_taken"
    status = 409
    message = "slug is already taken"


class SlugReserved(DomainError):
    code = "slug_reserved"
    status = 409
    message = "slug is reserved"


class SubscriptionNotFound(DomainError):
    code = "subscription_not_found"
    status = 404
    message = "no subscription"


class InvalidProcessorKey(DomainError):
    code = "invalid_processor_key"
    message = "this is not a Stripe key"


class ProcessorSettingsUnreadable(DomainError):
    """The stored keys were encrypted with a SECRET_KEY that this process does not know."""

    code = "processor_settings_unreadable"
    status = 503
    message = "the stored Stripe keys cannot be decrypted"


class Busy(DomainError):
    code = "busy"
    status = 503
    message = "the service is busy: try again"


class OutcomeUnknown(DomainError):
    """The connection to the database was lost after the request was sent: unlike other errors, it may have worked."""

    code = "outcome_unknown"
    status = 503
    message = (
        "the connection to the database was lost, so it is unknown whether this was done: before you try again, look"
        " at billing/subscription and billing/balance"
    )


class TooManyAttempts(DomainError):
    code = "throttled"
    status = 429
    message = "too many attempts: try again later"


class InvalidAddress(DomainError):
    code = "invalid_request"
    message = "email: enter an e-mail address"


class MailNotConfigured(DomainError):
    code = "mail_not_configured"
    status = 503
    message = "this service cannot send mail"


class SignInRefused(DomainError):
    """The proof of an identity is wrong. Every 401 of signing in is one of these."""

    code = "sign_in_refused"
    status = 401
    message = "signing in failed"


class WrongCode(SignInRefused):
    code = "wrong_code"
    message = "this code is wrong or has expired"


class WrongPassword(SignInRefused):
    code = "wrong_credentials"
    message = "the e-mail address or the password is wrong"


class SecondFactorRequired(SignInRefused):
    code = "second_factor_required"
    message = "enter the code of your authenticator app"


class WrongSecondFactor(SignInRefused):
    code = "wrong_second_factor"
    message = "this code of your authenticator app is wrong"


class InvalidRefreshToken(SignInRefused):
    code = "invalid_refresh_token"
    message = "the session has ended: sign in again"


class ProviderNotConfigured(DomainError):
    code = "not_configured"
    status = 404
    message = "this service has no identity provider to sign in with"


class ProviderRefused(DomainError):
    code = "provider_refused"
    message = "the identity provider did not confirm this sign-in: start again"


class ProviderUnavailable(DomainError):
    code = "identity_provider_unavailable"
    status = 503
    message = "the identity provider cannot be reached: try again"


class RedirectNotAllowed(DomainError):
    code = "redirect_not_allowed"
    message = "redirect_uri: sign-in may not end at this address"


class UserNotFound(DomainError):
    code = "user_not_found"
    status = 404
    message = "this user does not exist"


class IdempotencyMismatch(DomainError):
    code = "idempotency_key_reused"
    status = 422
    message = "this idempotency key was already used for a different request"


class RequestInProgress(DomainError):
    code = "request_in_progress"
    status = 409
    message = "a request with this idempotency key is still being processed"


class ApprovalRequired(DomainError):
    """The act exceeds a limit. It was proposed instead, and takes effect once another member of staff approves it."""

    code = "approval_required"
    status = 409
    message = "this needs the approval of another member of staff: it was proposed, and not carried out yet"


class ProposalNotFound(DomainError):
    code = "proposal_not_found"
    status = 404
    message = "no such proposal"


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


@contextmanager
def translate_violations(refusals: Mapping[str, type[DomainError]]) -> Iterator[None]:
    """Raises a refusal in place of the violation of a named constraint. Wrap exactly one statement in it.

    `refusals` maps constraint names to refusals. The violation of any other constraint is an impossible state, and
    its IntegrityError propagates.
    """
    try:
        yield
    except IntegrityError as error:
        refusal = refusals.get(violated_constraint(error))
        if refusal is None:
            raise
        raise refusal from error


@contextmanager
def translate_lock_errors(*, key: str | None, on_deadlock: type[DomainError]) -> Iterator[None]:
    """Raises RequestInProgress if waiting for a lock timed out, or Busy for a request without a key.

    Args: on_deadlock: the error to raise if the database ended a deadlock, so that the caller starts again.
    """
    try:
        yield
    except OperationalError as error:
        if isinstance(error.__cause__, postgres.LockNotAvailable):
            raise (RequestInProgress if key else Busy)(retry_after=1) from error
        if isinstance(error.__cause__, postgres.DeadlockDetected):
            raise on_deadlock from error
        raise


def violated_constraint(error: BaseException) -> str:
    """The name of the violated constraint, as the database reports it; empty if it reports none."""
    cause = error.__cause__
    return (cause.diag.constraint_name or "") if isinstance(cause, psycopg.Error) else ""
