"""Refusals that any request can meet: busy, too many, repeated, or of unknown outcome."""

from .base import DomainError


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


class IdempotencyMismatch(DomainError):
    code = "idempotency_key_reused"
    status = 422
    message = "this idempotency key was already used for a different request"


class RequestInProgress(DomainError):
    code = "request_in_progress"
    status = 409
    message = "a request with this idempotency key is still being processed"


class OutsideCallsHeld(DomainError):
    """The database was restored from a backup, and nothing leaves it until an operator says so."""

    code = "outside_calls_held"
    status = 503
    message = "this service was restored from a backup: it sends nothing until its operator releases it"


class InvalidFile(DomainError):
    """A file cannot be read, or has bad rows: each is named by its line."""

    code = "invalid_file"
    message = "the file is not valid"
