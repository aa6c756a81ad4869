"""Copies the fees and payouts of Stripe's balance into the card entries.

A run reads what moved since a week before the newest of these entries was booked, the first run since the first card
payment. It reads a week at a time, oldest first, and books each week at once, so that a run which is interrupted
leaves no gap behind it. What is booked already is dropped page by page, so a busy week does not fill the memory.
"""

from datetime import datetime, timedelta

from django.utils import timezone

from orders.models import CardEntry
from orders.stripe import gateway
from orders.stripe.gateway import Resource
from orders.stripe.payloads import Object
from orders.use_cases.balance.book_movements import book_movements

WEEK = timedelta(days=7)


def mirror_balance(*, since: datetime | None = None, overlap: timedelta = WEEK, now: datetime | None = None) -> int:
    """Books the fees and payouts that are not booked yet, and returns how many entries that were.

    Args: since: reads Stripe's balance from then on; overlap: without it, from so long before the newest entry on.
    Raises: gateway.Refused, gateway.Unanswered, gateway.NotConfigured. What was booked before stays.
    Transaction: owns, one a week; none is open during a call to Stripe. Idempotency: a second run books nothing.
    """
    start, end = since or _find_start(overlap), now or timezone.now()
    booked = 0
    while start is not None and start <= end:
        window = {"gte": int(start.timestamp()), "lt": int((start + WEEK).timestamp())}
        pages = gateway.list_pages(Resource.BALANCE_TRANSACTIONS, created=window, expand=["data.source"])
        booked += book_movements([each for page in pages for each in _unbooked(page)])
        start += WEEK
    return booked


def _unbooked(page: list[Object]) -> list[Object]:
    """Returns the movements of a page without an entry. All entries of a movement are written together."""
    ids = [str(each["id"]) for each in page]
    entries = CardEntry.objects.filter(kind__in=CardEntry.FROM_BALANCE, stripe_object_id__in=ids)
    booked = set(entries.values_list("stripe_object_id", flat=True))
    return [each for each in page if str(each["id"]) not in booked]


def _find_start(overlap: timedelta) -> datetime | None:
    """Returns from when on the balance may hold something new; None where no card has paid yet."""
    entries = CardEntry.objects.order_by("-created_at")
    newest = entries.filter(kind__in=CardEntry.FROM_BALANCE).values_list("created_at", flat=True).first()
    if newest is not None:
        return newest - overlap
    first = entries.values_list("created_at", flat=True).last()
    return first and first - WEEK
