"""Refusals of the catalog, the checkout and what follows from an order."""

from billing.errors import DomainError


class UnknownPlan(DomainError):
    code = "unknown_plan"
    message = "unknown plan"


class UnknownApp(DomainError):
    code = "unknown_app"
    message = "unknown app"


class UnknownAddOn(DomainError):
    code = "unknown_addon"
    message = "unknown add-on"


class PaymentProcessorNotConfigured(DomainError):
    code = "payment_processor_not_configured"
    status = 503
    message = "payment processor is not configured, and the credit does not cover this order"


class AlreadySubscribed(DomainError):
    code = "already_subscribed"
    status = 409
    message = "the organization is subscribed to this plan with these add-ons already"


class IdempotencyMismatch(DomainError):
    code = "idempotency_key_reused"
    status = 422
    message = "the idempotency key was used for another request"


class RequestInProgress(DomainError):
    code = "request_in_progress"
    status = 409
    message = "a request with this idempotency key is still being processed"


class OrderStale(DomainError):
    """What the checkout saw changed before it had its locks: it looks again."""

    code = "order_stale"
    status = 409
    message = "the organization or the promo code changed meanwhile: try again"


class PaymentOpen(DomainError):
    """The organization has an open payment: the checkout resolves it, then looks again."""

    code = "payment_in_progress"
    status = 409
    message = "an open payment of this organization must be resolved first"


class PaymentInProgress(DomainError):
    code = "payment_in_progress"
    status = 409
    message = "a payment of this organization is being processed"


class PaymentProcessorError(DomainError):
    code = "payment_processor_error"
    status = 502
    message = "the payment processor could not open a payment; nothing was charged and no voucher was used"


class AmountNotChargeable(DomainError):
    code = "amount_not_chargeable"
    status = 409
    message = "the remainder cannot be charged to a card: a price has more decimals than the processor takes"


class OrderNotRefundable(DomainError):
    code = "order_not_refundable"
    status = 409
    message = "this order cannot be refunded by this amount"
