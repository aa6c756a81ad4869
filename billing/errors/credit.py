"""Refusals of the ledger, of holds and of the payment processor's settings."""

from .base import DomainError


class InvalidAmount(DomainError):
    code = "invalid_amount"
    message = "the amount is not valid"


class ReasonRequired(DomainError):
    code = "reason_required"
    message = "a reason is required"


class InvalidBatch(DomainError):
    code = "invalid_batch"
    message = "the batch is not valid"


class BulkGrantNotFound(DomainError):
    code = "bulk_grant_not_found"
    status = 404
    message = "there is no such bulk grant"


class BulkGrantStateRefuses(DomainError):
    code = "bulk_grant_state"
    status = 409
    message = "the state of the bulk grant does not allow this"


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
    message = "there is no such ledger entry"


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


class SubscriptionNotFound(DomainError):
    code = "subscription_not_found"
    status = 404
    message = "there is no subscription"


class InvalidProcessorKey(DomainError):
    code = "invalid_processor_key"
    message = "this is not a Stripe key"


class NoLedgerSigningSecret(DomainError):
    """A head cannot be signed: this Sovereign has no LEDGER_SIGNING_SECRET."""

    code = "no_ledger_signing_secret"
    status = 409
    message = "the ledger cannot be sealed: LEDGER_SIGNING_SECRET is not set"


class ProcessorSettingsUnreadable(DomainError):
    """The stored keys were encrypted with a SECRET_KEY that this process does not know."""

    code = "processor_settings_unreadable"
    status = 503
    message = "the stored Stripe keys cannot be decrypted"
