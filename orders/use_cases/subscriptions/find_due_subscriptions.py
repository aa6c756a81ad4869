from datetime import datetime
from uuid import UUID

from django.utils import timezone

from billing.models import Subscription
from orders.models import Order
from orders.use_cases.subscriptions.complete_renewal import RENEWABLE


def find_due_subscriptions(*, now: datetime | None = None) -> list[UUID]:
    """The subscriptions that the renewal has to look at, longest due first, then those that ended meanwhile and
    have a payment of theirs open. Two queries.
    """
    moment = now or timezone.now()
    due = list(
        Subscription.objects.filter(
            paid_by=Subscription.PaidBy.CREDIT, status__in=RENEWABLE, current_period_end__lte=moment
        )
        .order_by("current_period_end", "id")
        .values_list("id", flat=True)
    )
    known = set(due)
    ended = Order.objects.filter(kind=Order.Kind.RENEWAL, status=Order.Status.PENDING).exclude(
        renews__status__in=RENEWABLE
    )
    return due + [each for each in ended.values_list("renews_id", flat=True) if each and each not in known]
