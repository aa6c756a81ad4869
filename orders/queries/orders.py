"""Orders, with their payments and documents. Each function is one query."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import OuterRef, Q, QuerySet
from django.utils import timezone

from billing.models import Subscription
from billing.models.organizations.subscription import ENDED_STATUSES
from billing.queries import exists_per_row
from orders.models import Document, Order, Payment
from promos.models import PromoCode


def find_open_order(*, organization_id: UUID) -> Order | None:
    """Returns the organization's order that waits for a payment, with it; there is at most one. One query."""
    return (
        Order.objects.select_related("payment", "customer")
        .filter(organization_id=organization_id, status=Order.Status.PENDING)
        .first()
    )


def count_orders_today(*, user_id: str, statuses: Sequence[str], free: bool, now: datetime) -> int:
    """Counts the purchases in these states that the user placed within a day: free ones, or ones with a price."""
    return Order.objects.filter(
        Q(total_minor=0) if free else Q(total_minor__gt=0),
        customer__user_id=user_id,
        kind=Order.Kind.PURCHASE,
        status__in=statuses,
        created_at__gt=now - timedelta(days=1),
    ).count()


def is_first_order(*, customer_id: int | None, organization_id: UUID) -> bool:
    """Returns whether an order of this organization would be the customer's first. One query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT orders_is_first_order(%s, %s)", [customer_id, organization_id])
        [is_first] = cursor.fetchone()
    return bool(is_first)


def orders_of(*, user_id: str) -> QuerySet[Order, Order]:
    """Returns the user's own orders, newest first, with their organizations and payments. One query."""
    own = Order.objects.select_related("organization", "payment").filter(customer__user_id=user_id)
    return own.order_by("-created_at", "-id")


def documents_of(*, user_id: str | None) -> QuerySet[Document, Document]:
    """Returns the documents of one user, or of all if none is given, newest first. One query."""
    documents = Document.objects.select_related("order", "corrects").order_by("-supplied_at", "-id")
    return documents if user_id is None else documents.filter(order__customer__user_id=user_id)


def orders_for_staff() -> QuerySet[Order, Order]:
    """Returns every order with its customer, and of its code whether it was retired since and whether it is a card's.

    One query.
    """
    of_card = PromoCode.objects.filter(id=OuterRef("promo_code_id"), for_cards=True)
    retired = PromoCode.objects.filter(id=OuterRef("promo_code_id"), retired_at__isnull=False)
    return Order.objects.select_related("customer").annotate(
        promo_deleted=exists_per_row(retired), promo_is_card=exists_per_row(of_card)
    )


def open_payments(*, now: datetime | None = None) -> QuerySet[Payment, Payment]:
    """Returns the payments that can be made now, with their orders: Stripe's page is open, and not past its end."""
    open_still = Payment.objects.filter(status=Payment.Status.OPEN, expires_at__gt=now or timezone.now())
    return open_still.select_related("order")


def open_payment_of(*, organization_id: UUID) -> Payment | None:
    """Returns the payment that the organization's month or order waits for; there is at most one. One query."""
    waiting = open_payments().filter(order__organization_id=organization_id, order__status=Order.Status.PENDING)
    return waiting.first()


def end_of_grace(subscription: Subscription) -> datetime | None:
    """Returns when the subscription ends unless the month that is due is paid before; None where none is due."""
    since = subscription.past_due_since
    # Only credit's is known: Stripe counts the days of what it charges itself.
    if since is None or subscription.status in ENDED_STATUSES:
        return None
    return since + timedelta(days=settings.RENEWAL_GRACE_DAYS)
