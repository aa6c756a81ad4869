"""Refusals. A class is a stable code, an HTTP status and a sentence for people; nothing parses the sentence.

An impossible state is not a refusal: it raises at once as what it is.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import psycopg
from django.db import IntegrityError


class DomainError(Exception):
    """A refusal that changed nothing.

    `code` is stable and for programs, `message` is for people. `retry_after` (seconds) is given where the
    same request may succeed later, `fields` where single inputs are at fault.
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
    ) -> None:
        self.text = message or self.message
        self.fields = fields
        self.retry_after = retry_after
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


class InsufficientCredit(DomainError):
    code = "insufficient_credit"
    status = 409
    message = "the available credit does not cover this amount"


class HoldNotActive(DomainError):
    code = "hold_not_active"
    status = 409
    message = "the hold was captured or released already"


class OrderHasHold(DomainError):
    code = "order_has_hold"
    status = 409
    message = "the order holds credit already"


class OrderAlreadySpent(DomainError):
    code = "order_already_spent"
    status = 409
    message = "the order was paid from credit already"


class EntryNotFound(DomainError):
    code = "entry_not_found"
    status = 404
    message = "no such ledger entry"


class EntryOfRedemption(DomainError):
    code = "entry_of_redemption"
    status = 409
    message = "this credit came from a redemption: release the redemption instead"


class EntryAlreadyReversed(DomainError):
    code = "entry_already_reversed"
    status = 409
    message = "the ledger entry was reversed already"


class OrganizationNotFound(DomainError):
    code = "tenant_not_found"
    status = 404
    message = "no such organization"


class SlugTaken(DomainError):
    code = "slug_taken"
    status = 409
    message = "slug is already taken"


class SubscriptionNotFound(DomainError):
    code = "subscription_not_found"
    status = 404
    message = "no subscription"


class InvalidProcessorKey(DomainError):
    code = "invalid_processor_key"
    message = "the key is not one of Stripe's"


class ProcessorSettingsUnreadable(DomainError):
    """SECRET_KEY is another than the one that encrypted the stored keys."""

    code = "processor_settings_unreadable"
    status = 503
    message = "the stored Stripe keys cannot be decrypted"


class Busy(DomainError):
    code = "busy"
    status = 503
    message = "the service is busy: try again"


@contextmanager
def translate_violations(refusals: Mapping[str, type[DomainError]]) -> Iterator[None]:
    """Turns the violation of a named constraint into the refusal it stands for; around one statement.

    `refusals` maps constraint names to refusals. Every other violation is an impossible state and passes on.
    """
    try:
        yield
    except IntegrityError as error:
        refusal = refusals.get(violated_constraint(error))
        if refusal is None:
            raise
        raise refusal from error


def violated_constraint(error: BaseException) -> str:
    """The name of the constraint that the database says was violated; empty where it names none."""
    cause = error.__cause__
    return (cause.diag.constraint_name or "") if isinstance(cause, psycopg.Error) else ""
