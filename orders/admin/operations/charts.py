"""The charts of the console's first page: the last days of vouchers, orders, card payments and refusals."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest

from billing.admin.console.charts import Bar, bar_chart, bars_of_days, days_until, share_chart, total_by_day
from billing.admin.console.display import Panel, list_url
from billing.language import say
from billing.local_time import midnight_of
from orders.models import Order, Payment
from promos.models import Redemption, RefusedAttempt
from promos.use_cases.attempts.measure_use import count_refusals
from promos.use_cases.attempts.rules import describe_rule

# Few enough that the page is quick with a million orders a month.
_DAYS = 14
_MAX_RULES = 6
_MAX_REFUSALS = 20_000
# An order is paid by card at most this long after it is placed: a bank debit takes days.
_LONGEST_PAYMENT = timedelta(days=14)


def first_key(at: datetime) -> UUID:
    """Makes the lowest UUID of version 7 of a moment, from which on the primary key's index finds newer rows."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


def charts(request: HttpRequest, now: datetime) -> Iterator[Panel]:
    """Makes the charts that this member of staff may see; one query for each kind of record."""
    may, days = request.user.has_perm, days_until(now, number=_DAYS)
    since = midnight_of(days[0])
    if may("promos.view_redemption") or may("promos.view_promocode"):
        yield from _redemptions(days, since, with_list=may("promos.view_redemption"))
    if may("orders.view_order"):
        yield _orders(days, since)
    if may("orders.view_payment"):
        yield _revenue(days, since)
    if may("promos.view_refusedattempt"):
        yield _refusals(since)


def _redemptions(days: list[date], since: datetime, *, with_list: bool) -> Iterator[Panel]:
    redemptions = Redemption.objects.filter(pk__gte=first_key(since), reserved_at__gte=since)
    confirmed = Q(status=Redemption.Status.CONFIRMED)
    credit = Sum("credit_minor", filter=confirmed, default=0)
    found = total_by_day(redemptions, "reserved_at", number=Count("pk"), credit_minor=credit)
    url = list_url("promos_redemption", reserved_at_from=days[0].isoformat()) if with_list else ""
    for title, name in (("Redemptions", "number"), ("Credit granted by vouchers", "credit_minor")):
        yield Panel(
            title=title,
            chart=bar_chart(bars_of_days(days, found, name), title=title),
            more_title="Redemptions",
            more_url=url,
        )


def _orders(days: list[date], since: datetime) -> Panel:
    done = Q(status=Order.Status.COMPLETED)
    orders = Order.objects.filter(created_at__gte=since)
    found = total_by_day(orders, "created_at", number=Count("pk", filter=done))
    return Panel(
        title="Completed orders",
        chart=bar_chart(bars_of_days(days, found, "number"), title="Completed orders"),
        more_title="Orders",
        more_url=list_url("orders_order", created_at_from=days[0].isoformat()),
    )


def _revenue(days: list[date], since: datetime) -> Panel:
    paid: QuerySet[Payment] = Payment.objects.filter(
        pk__gte=first_key(since - _LONGEST_PAYMENT), status=Payment.Status.PAID, paid_at__gte=since
    )
    found = total_by_day(paid, "paid_at", revenue_minor=Sum("amount_minor", default=0))
    return Panel(
        title="Revenue of orders by card",
        chart=bar_chart(bars_of_days(days, found, "revenue_minor"), title="Revenue of orders by card"),
        more_title="Payments",
        more_url=list_url("orders_payment"),
    )


def _refusals(since: datetime) -> Panel:
    recent = RefusedAttempt.objects.filter(created_at__gte=since)
    last = recent.order_by("-created_at", "-id").values("created_at")[_MAX_REFUSALS - 1 : _MAX_REFUSALS]
    counted = count_refusals(recent.filter(created_at__gte=Coalesce(Subquery(last), since)))
    bars = [Bar(describe_rule(rule), number, f"{number:,}") for rule, number in counted[:_MAX_RULES]]
    is_capped = sum(number for _, number in counted) >= _MAX_REFUSALS
    return Panel(
        title=say("The last %(number)s refusals", number=f"{_MAX_REFUSALS:,}")
        if is_capped
        else say("Refusals of the last %(number)s days", number=_DAYS),
        chart=share_chart(bars, title="Refusals by reason") if bars else "",
        empty="" if bars else "Nothing was refused.",
        more_title="Refused attempts",
        more_url=list_url("promos_refusedattempt"),
    )
