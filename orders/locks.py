"""Row locks of orders; the first in the order that billing.locks states."""

from uuid import UUID

from billing.models import Organization, Subscription

from .models import Order


def lock_order(*, order_id: UUID) -> Order:
    """The order with payment, organization and customer, its own row locked and read afresh.

    Raises: Order.DoesNotExist.
    """
    # Races with the answer of Stripe, webhooks, the sweeper and a second checkout, all for this order.
    Order.objects.select_for_update(no_key=True).only("id").get(id=order_id)
    # In a statement of its own: one that has waited reads the locked row afresh, and what it joins as it was before.
    return Order.objects.select_related("payment", "organization", "customer").get(id=order_id)


def lock_subscription(*, subscription_id: UUID) -> Subscription:
    """The subscription with its customer and organization, its own row locked and read afresh.

    After Order, Account and Organization in the order of locks, as in place_order.sql and complete_order.
    """
    # Races with a second run of the renewal, a payment for it, a new checkout and the organization's end.
    return (
        Subscription.objects.select_for_update(no_key=True, of=("self",))
        .select_related("customer", "organization")
        .get(id=subscription_id)
    )


def lock_followed_subscription(*, stripe_id: str) -> Subscription | None:
    """The subscription that Stripe charges, locked with its organization; None where there is none of the name."""
    found = Subscription.objects.filter(stripe_subscription_id=stripe_id).only("organization_id").first()
    if found is None:
        return None
    # Races with a checkout for the organization, and with its end; it is suspended where nothing pays any more.
    Organization.objects.select_for_update(no_key=True).get(id=found.organization_id)
    return lock_subscription(subscription_id=found.id)
