from datetime import datetime
from uuid import UUID

from django.utils import timezone

from billing.models import Subscription
from orders.models import Order
from orders.use_cases.subscriptions.complete_renewal import RENEWABLE_STATUSES


def find_due_subscriptions(*, now: datetime | None = None) -> list[UUID]:
    """Finds the subscriptions that a renewal run handles. Two queries.

    Due ones come first, the longest due before the others. Then come those that have ended while the payment of a
    renewal is open: that payment is to be closed.
    """
    moment = now or timezone.now()
    due = list(
        Subscription.objects.filter(
            paid_by=Subscription.PaidBy.CREDIT, status__in=RENEWABLE_STATUSES, current_period_end__lte=moment
        )
        .order_by("current_period_end", "id")
        .values_list("id", flat=True)
    )
    known = set(due)
    ended = Order.objects.filter(kind=Order.Kind.RENEWAL, status=Order.Status.PENDING).exclude(
        renews__status__in=RENEWABLE_STATUSES
    )
    return due + [each for each in ended.values_list("renews_id", flat=True) if each and each not in known]
