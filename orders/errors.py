"""Errors of the catalog, the checkout and orders: each a class with a stable code, a status and a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

from billing.errors import DomainError, OrganizationNotFound


class UnknownPlan(DomainError):
    code = "unknown_plan"
    message = "unknown plan"


class UnknownApp(DomainError):
    code = "unknown_app"
    message = "unknown app"


class UnknownAddOn(DomainError):
    code = "unknown_addon"
    message = "unknown add-on"


class UnknownBundle(DomainError):
    code = "unknown_bundle"
    message = "unknown bundle"


class BundleIncomplete(DomainError):
    """The order has not all apps of the bundle whose discount it asks for."""

    code = "bundle_incomplete"
    message = "the order does not contain all apps of the bundle"


class CatalogItemNotFound(DomainError):
    """The item does not exist, or is no longer offered."""

    code = "catalog_item_not_found"
    status = 404
    message = "there is no such catalog item"


class InvalidCatalogItem(DomainError):
    code = "invalid_request"
    message = "the catalog item is not valid"


class PriceNotChargeable(DomainError):
    """Stripe cannot charge this price: its last digit, or it is below the smallest charge."""

    code = "price_not_chargeable"
    message = "this price cannot be charged to a card"


class SlugInUse(DomainError):
    code = "slug_in_use"
    status = 409
    message = "the slug cannot change, because orders or other catalog items refer to it"


class DomainNotFound(DomainError):
    code = "domain_not_found"
    status = 404
    message = "there is no such domain"


class InvalidDomain(DomainError):
    code = "invalid_domain"
    message = "this is not a valid domain name"


class DomainAdded(DomainError):
    code = "domain_added"
    status = 409
    message = "the organization has this domain already"


class DomainTaken(DomainError):
    code = "domain_taken"
    status = 409
    message = "another organization has verified this domain, and the DNS still points to it"


class TooManyDomains(DomainError):
    code = "too_many_domains"
    status = 409
    message = "the organization has as many domains as it may have"


class OwnAddressStays(DomainError):
    code = "own_address_stays"
    status = 409
    message = "the organization's own address cannot be removed"


class PaymentProcessorNotConfigured(DomainError):
    code = "payment_processor_not_configured"
    status = 503
    message = "payment processor is not configured, and the credit does not cover this order"


class AlreadySubscribed(DomainError):
    code = "already_subscribed"
    status = 409
    message = "the organization is already subscribed to this plan with these add-ons"


class OrderStale(DomainError):
    """A row changed between the checkout's first read and its locks. The checkout starts again."""

    code = "order_stale"
    status = 409
    message = "the organization or the promo code changed during the checkout: try again"


class PaymentOpen(DomainError):
    """The organization has an open payment. The checkout resolves it, then starts again."""

    code = "payment_in_progress"
    status = 409
    message = "this organization has another open payment: try again"


class PaymentInProgress(DomainError):
    code = "payment_in_progress"
    status = 409
    message = "an earlier payment for this organization is not finished: try again in a few minutes"


class PaymentNotOpen(DomainError):
    code = "payment_not_open"
    status = 409
    message = "this order has no open payment"


class SubscriptionEnded(DomainError):
    code = "subscription_ended"
    status = 409
    message = "the subscription has ended: order a plan to start another one"


class PaymentProcessorError(DomainError):
    code = "payment_processor_error"
    status = 502
    message = (
        "the payment processor did not open a payment, so nothing was charged and no voucher was used: try again"
        " later, and contact support if it fails again"
    )


class ProcessorCustomerNotFound(DomainError):
    code = "processor_customer_not_found"
    status = 404
    message = "this customer has no billing page: the next payment by card creates one"


class PortalFailed(DomainError):
    code = "payment_processor_error"
    status = 502
    message = "the payment processor could not open its billing portal"


class TooManyOrders(DomainError):
    code = "too_many_orders"
    status = 429
    message = "you have placed too many orders today that were free or were not paid: try again later"


class AmountNotChargeable(DomainError):
    code = "amount_not_chargeable"
    status = 409
    message = "the credit does not cover this order, and its total is not an amount that a card can pay"


class NothingOwed(DomainError):
    code = "nothing_owed"
    status = 409
    message = "nothing is owed by this entry any more"


class OrderNotRefundable(DomainError):
    code = "order_not_refundable"
    status = 409
    message = "only a completed order can be refunded"


class AmountNotRefundable(OrderNotRefundable):
    code = "amount_not_refundable"
    message = "this amount cannot be refunded to a card"


class OrderNotFound(DomainError):
    code = "order_not_found"
    status = 404
    message = "there is no such order"


class InvoiceNotFound(DomainError):
    code = "invoice_not_found"
    status = 404
    message = "there is no such invoice"


class OrderNotComplete(DomainError):
    code = "order_not_complete"
    status = 409
    message = "the order is not paid yet"


class ProvisionNotFound(DomainError):
    code = "provision_not_found"
    status = 404
    message = "there is no such provision"


class AppNotFound(DomainError):
    code = "app_not_found"
    status = 404
    message = "there is no such app"


class AppNotDeployable(DomainError):
    code = "app_not_deployable"
    message = "this app cannot be installed"


class InvalidDependencyChoice(DomainError):
    code = "invalid_dependency_choice"
    message = "a choice of a dependency is not valid"


class AppBusy(DomainError):
    code = "app_busy"
    status = 409
    message = "this app is being installed or removed: try again when that is done"


class OrganizationNotRunning(DomainError):
    code = "organization_not_running"
    status = 409
    message = "the organization has no running plan: order one first"


class PlanTooSmall(DomainError):
    code = "plan_too_small"
    status = 409
    message = "the plan is too small for this app"


class AppHasDependents(DomainError):
    code = "app_has_dependents"
    status = 409
    message = "other apps need this app"


class ForecastTooSlow(DomainError):
    """The database had no time to replay the past orders."""

    code = "forecast_too_slow"
    status = 503
    message = "replaying the past orders takes too long now: choose fewer days, or try again later"


class DeploymentSucceeded(DomainError):
    code = "deployment_succeeded"
    status = 409
    message = "every step is complete already"


class DeploymentSuperseded(DomainError):
    code = "deployment_superseded"
    status = 409
    message = "a newer job has changed these apps since: install or remove the app again instead"


class WebhookEndpointNotFound(DomainError):
    code = "webhook_endpoint_not_found"
    status = 404
    message = "there is no such webhook endpoint"


class WebhookEndpointRetired(DomainError):
    code = "webhook_endpoint_retired"
    status = 409
    message = "the endpoint was retired: register another one"


class InvalidWebhookEndpoint(DomainError):
    code = "invalid_request"
    message = "the webhook endpoint is not valid"


class TooManyWebhookEndpoints(DomainError):
    code = "too_many_webhook_endpoints"
    status = 409
    message = "there are as many webhook endpoints as there may be: retire one first"


class WebhookDeliveryNotFound(DomainError):
    code = "webhook_delivery_not_found"
    status = 404
    message = "there is no such delivery"


@contextmanager
def refuse_strangers(error: type[DomainError]) -> Iterator[None]:
    """Raises this error in place of OrganizationNotFound, so that a stranger does not learn what exists."""
    try:
        yield
    except OrganizationNotFound as unknown:
        raise error from unknown


class InvalidMonth(DomainError):
    code = "invalid_request"
    message = "a month is written as 2026-10"


class StatementTooLong(DomainError):
    code = "statement_too_long"
    status = 422
    message = "this month has too many entries for a statement: read them as a list"


class MonthNotOver(DomainError):
    code = "month_not_over"
    status = 409
    message = "this month can be closed an hour after it ends"


class MonthAlreadyClosed(DomainError):
    code = "month_already_closed"
    status = 409
    message = "this month is closed already, or a later one is"


class MonthOutOfOrder(DomainError):
    code = "month_out_of_order"
    status = 409
    message = "the month before must be closed first"


class BooksDoNotFoot(DomainError):
    code = "books_do_not_foot"
    status = 409
    message = "the books do not add up"


class InvalidPosting(DomainError):
    code = "invalid_request"
    message = "the accounts of this event are not valid"


class VatRateTooEarly(DomainError):
    code = "vat_rate_too_early"
    status = 409
    message = "a rate begins after the last one, after the last invoice or receipt, and not in a closed month"


class WrongAmount(DomainError):
    code = "wrong_amount"
    message = "amount: the voucher grants another amount; send its credit, or 0"


class DocumentNotFound(DomainError):
    code = "document_not_found"
    status = 404
    message = "there is no such document"


class NotAnotherSovereign(DomainError):
    code = "not_another_sovereign"
    message = "name the domain of another Sovereign, and the customer's user id there"


class CreditHasVatTreatment(DomainError):
    """Credit whose campaign says when its VAT is due cannot leave: the other Sovereign would tax it again."""

    code = "credit_has_vat_treatment"
    status = 409
    message = "a part of this credit has a VAT treatment of its own, and cannot be moved to another Sovereign"


class MoveNotFound(DomainError):
    code = "move_not_found"
    status = 404
    message = "this customer has no such move"


class TrailRefused(DomainError):
    code = "trail_refused"
    message = "this file is damaged or was changed, or another key signed it"


class TrailForAnother(DomainError):
    code = "trail_for_another"
    status = 409
    message = "this file is for another Sovereign, or in another currency"
