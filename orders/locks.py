"""Locks rows of orders and subscriptions. billing/locks.py states the order of all locks."""

from uuid import UUID

from django.db import connection

from billing.locks import lock_organization
from billing.models import Subscription

from .errors import WebhookEndpointNotFound
from .models import Break, DeadLetter, DocumentCursor, Order, OutboxEvent, WebhookEndpoint


def lock_order(*, order_id: UUID) -> Order:
    """Locks the order's row, and reads it with its payment, organization and customer.

    Raises: Order.DoesNotExist.
    """
    # Races with the answer of Stripe, webhooks, the sweeper and a second checkout, all for this order.
    Order.objects.select_for_update(no_key=True).only("id").get(id=order_id)
    # A second statement, because a statement that waited for the lock reads joined rows as they were before the wait.
    return Order.objects.select_related("payment", "organization", "customer").get(id=order_id)


def lock_break(*, break_id: UUID) -> Break:
    """Locks the break's row, and reads it. Raises: Break.DoesNotExist."""
    # Races with a second member of staff.
    return Break.objects.select_for_update(no_key=True).get(id=break_id)


def lock_event(*, event_id: UUID) -> OutboxEvent:
    """Locks the outgoing event's row, and reads it. Raises: OutboxEvent.DoesNotExist."""
    # Races with its delivery, and with a second member of staff.
    return OutboxEvent.objects.select_for_update(no_key=True).get(id=event_id)


def lock_dead_letter(*, dead_letter_id: UUID) -> DeadLetter:
    """Locks the dead letter's row, and reads it. Raises: DeadLetter.DoesNotExist."""
    # Races with a second member of staff.
    return DeadLetter.objects.select_for_update(no_key=True).get(id=dead_letter_id)


def lock_document_cursor() -> DocumentCursor:
    """Locks the row that says up to where documents are issued, and reads it. It comes before all other locks."""
    # Races with another process that issues documents. The series are locked under it.
    return DocumentCursor.objects.select_for_update(no_key=True).get()


def lock_webhook_endpoint(*, endpoint_id: UUID) -> WebhookEndpoint:
    """Locks the endpoint's row, and reads it. Raises: WebhookEndpointNotFound."""
    # Races with the round that records its deliveries, and with a second member of staff.
    endpoint = WebhookEndpoint.objects.select_for_update(no_key=True).filter(pk=endpoint_id).first()
    if endpoint is None:
        raise WebhookEndpointNotFound
    return endpoint


def lock_subscription(*, subscription_id: UUID) -> Subscription:
    """Locks the subscription's row, and reads it with its customer and organization.

    It is locked after Order, Account and Organization.
    """
    # Races with a second run of the renewal, a payment for it, a new checkout and the organization's deletion.
    return (
        Subscription.objects.select_for_update(no_key=True, of=("self",))
        .select_related("customer", "organization")
        .get(id=subscription_id)
    )


def lock_followed_subscription(*, stripe_id: str) -> Subscription | None:
    """Locks a subscription that Stripe charges, after its organization; None where Stripe's id is unknown here."""
    found = Subscription.objects.filter(stripe_subscription_id=stripe_id).only("organization_id").first()
    if found is None:
        return None
    # The caller may suspend the organization.
    lock_organization(organization_id=found.organization_id)
    return lock_subscription(subscription_id=found.id)


def share_catalog() -> None:
    """Keeps the removal of a catalog item waiting until the transaction ends. It is taken after the accounts."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(orders_catalog_lock_key())")


def wait_for_orders_in_flight() -> None:
    """Waits until each order is committed that may have read the catalog as it was before.

    Transaction: its own, so that new orders wait only as long.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(orders_catalog_lock_key())")
