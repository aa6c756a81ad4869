"""The console's first page: key figures, each with a link to the list that it counts, and charts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.admin.console.display import Column, Panel, Text, Tool, amount, list_url
from billing.admin.console.pages import may_open, open_panel
from billing.language import say
from billing.local_time import local_day, midnight_of
from billing.models import Account, Subscription
from billing.money import format_money
from orders.models import Break, Order, Payment
from orders.queries.orders import open_payments
from promos.admin.redemptions import code_link
from promos.admin.states import (
    MAX_COUNTED,
    State,
    codes_as_listed,
    count_live_and_unretired,
    format_usage,
    state_badge,
    state_of,
    with_state,
)
from promos.models import Alert, Redemption

from .operations.charts import charts, first_key
from .operations.jobs import UNFINISHED
from .orders import orders_panel

_MAX_PANEL_ROWS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number with its title, a note, and a link."""

    title: str
    value: Text
    note: str
    url: str
    alarming: bool = False


def first_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Adds the figures, charts and tables that this member of staff may see to the site's context; one query each."""
    now = timezone.now()
    tools = []
    if request.user.has_perm("promos.add_promocode"):
        tools.append(Tool("Issue a voucher", reverse("admin:promos_promocode_add"), "primary"))
    return {
        **context,
        "title": say("Overview"),
        "crumbs": [(say("Overview"), "")],
        "tools": tools,
        "figures": [each for each in _figures(request, now) if may_open(request, each.url)],
        "charts": list(charts(request, now)),
        "panels": [open_panel(request, panel) for panel in _panels(request, now)],
    }


def _figures(request: HttpRequest, now: datetime) -> Iterator[Figure]:
    may = request.user.has_perm
    midnight = midnight_of(local_day(now))
    if may("promos.view_promocode"):
        yield _live_codes(now)
    if may("promos.view_redemption"):
        yield _redemptions(midnight)
    if may("orders.view_order"):
        yield _orders(midnight)
    if may("billing.view_customer"):
        yield from _credit()
    if may("orders.view_payment"):
        yield _payments()
    if may("billing.view_subscription"):
        yield _past_due()
    if may("orders.view_break"):
        yield _breaks()
    if may("promos.view_alert"):
        yield _alerts()
    if may("procrastinate.view_procrastinatejob"):
        yield from _jobs()


def _panels(request: HttpRequest, now: datetime) -> Iterator[Panel]:
    if request.user.has_perm("promos.view_promocode"):
        newest = with_state(codes_as_listed().filter(retired_at__isnull=True), now=now)
        yield Panel(
            title="Newest vouchers",
            columns=[Column("Code"), Column("State"), Column("Used"), Column("Credit", right=True)],
            rows=[
                (code_link(each), state_badge(state_of(each)), format_usage(each), amount(each.credit_minor))
                for each in newest.order_by("-created_at", "-id")[:_MAX_PANEL_ROWS]
            ],
            empty="No voucher was issued yet.",
            more_title="All vouchers",
            more_url=list_url("promos_promocode"),
        )
    if request.user.has_perm("orders.view_order"):
        yield orders_panel()


def _live_codes(now: datetime) -> Figure:
    live, every = count_live_and_unretired(now=now)
    return Figure(
        title="Live vouchers",
        value=f"{live:,}",
        note=say(
            "of the newest %(number)s that are not retired"
            if every == MAX_COUNTED
            else "of %(number)s that are not retired",
            number=f"{every:,}",
        ),
        url=list_url("promos_promocode", state=State.LIVE.value),
    )


def _redemptions(midnight: datetime) -> Figure:
    # A key of UUID version 7 begins with its time, so the primary key's index finds today's rows.
    today = Redemption.objects.filter(pk__gte=first_key(midnight), reserved_at__gte=midnight)
    found = today.aggregate(number=Count("pk"), credit=Coalesce(Sum("credit_minor"), 0))
    return Figure(
        title="Redemptions today",
        value=f"{found['number']:,}",
        note=_granted(found["credit"]),
        url=list_url("promos_redemption", reserved_at_from=f"{midnight:%Y-%m-%d}"),
    )


def _orders(midnight: datetime) -> Figure:
    today = Order.objects.filter(created_at__gte=midnight)
    found = today.aggregate(number=Count("pk"), done=Count("pk", filter=Q(status=Order.Status.COMPLETED)))
    return Figure(
        title="Orders today",
        value=f"{found['number']:,}",
        note=say("%(number)s completed", number=f"{found['done']:,}"),
        url=list_url("orders_order", created_at_from=f"{midnight:%Y-%m-%d}"),
    )


def _credit() -> Iterator[Figure]:
    zero = Coalesce(Sum("balance_minor"), 0), Coalesce(Sum("held_minor"), 0)
    found = Account.objects.aggregate(outstanding=zero[0], held=zero[1], customers=Count("pk"))
    yield Figure(
        title="Credit outstanding",
        value=amount(int(found["outstanding"])),
        note=say("of %(number)s customers", number=f"{found['customers']:,}"),
        url=list_url("billing_customer"),
    )
    yield Figure(
        title="Held",
        value=amount(int(found["held"])),
        note="for payments that are open",
        url=list_url("billing_hold", status__exact="active"),
    )


def _payments() -> Figure:
    found = open_payments().aggregate(number=Count("pk"), due=Coalesce(Sum("amount_minor"), 0))
    return Figure(
        title="Waiting for payment",
        value=f"{found['number']:,}",
        note=say(
            "%(amount)s due by card", amount=format_money(int(found["due"]), currency=settings.SOVEREIGN_CURRENCY)
        ),
        url=list_url("orders_payment", status__exact=Payment.Status.OPEN.value),
    )


def _past_due() -> Figure:
    unpaid = Subscription.objects.filter(status=Subscription.Status.PAST_DUE)
    return Figure(
        title="Past due",
        value=f"{unpaid.count():,}",
        note="subscriptions whose month is not paid",
        url=list_url("billing_subscription", status__exact=Subscription.Status.PAST_DUE.value),
    )


def _breaks() -> Figure:
    number = Break.objects.filter(closed_at__isnull=True).count()
    return Figure(
        title="Breaks",
        value=f"{number:,}",
        note="between Stripe and our books, to be resolved",
        url=list_url("orders_break"),
        alarming=number > 0,
    )


def _alerts() -> Figure:
    number = Alert.objects.filter(closed_at__isnull=True).count()
    return Figure(
        title="Alerts",
        value=f"{number:,}",
        note="of codes and cards, to be looked at",
        url=list_url("promos_alert"),
        alarming=number > 0,
    )


def _jobs() -> Iterator[Figure]:
    counted = ProcrastinateJob.objects.filter(status__in=[*UNFINISHED, "failed"]).aggregate(
        unfinished=Count("pk", filter=Q(status__in=UNFINISHED)), failed=Count("pk", filter=Q(status="failed"))
    )
    yield Figure(
        title="Unfinished jobs",
        value=f"{counted['unfinished']:,}",
        note="waiting or running",
        url=list_url("procrastinate_procrastinatejob", state="unfinished"),
    )
    yield Figure(
        title="Failed jobs",
        value=f"{counted['failed']:,}",
        note="given up after all attempts",
        url=list_url("procrastinate_procrastinatejob", state="failed"),
        alarming=counted["failed"] > 0,
    )


def _granted(minor: int) -> str:
    return say("%(amount)s granted", amount=format_money(int(minor), currency=settings.SOVEREIGN_CURRENCY))
