"""Runs renewals of a subscription that credit pays, on chosen days."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.actor import Actor, system_actor
from billing.models import Account, Invoice, Subscription
from orders.models import Order, OutboxEvent
from orders.use_cases.payments.settle_event import receive_event, settle_event
from orders.use_cases.subscriptions.renew_subscription import RenewalOutcome, renew_subscription

START = datetime(2027, 1, 31, 9, 30, tzinfo=UTC)
DUE = datetime(2027, 2, 28, 9, 30, tzinfo=UTC)
NEXT = datetime(2027, 3, 31, 9, 30, tzinfo=UTC)
GRACE_END = DUE + timedelta(days=7)


def worker() -> Actor:
    return system_actor(channel="worker", user_id="renewals")


def subscription() -> Subscription:
    """The newest one."""
    return Subscription.objects.order_by("created_at", "id").latest("created_at")


def renew(now: datetime, of: Subscription | None = None) -> list[RenewalOutcome]:
    return renew_subscription(subscription_id=(of or subscription()).id, by=worker(), now=now)


def renewals() -> list[Order]:
    """Orders of renewals, oldest first."""
    return list(Order.objects.filter(kind=Order.Kind.RENEWAL).order_by("created_at", "id"))


def invoices(status: Invoice.Status) -> list[datetime]:
    """The starts of the months whose invoices are in this state."""
    return list(Invoice.objects.filter(status=status).order_by("period_start").values_list("period_start", flat=True))


def told(kind: str) -> list[dict[str, Any]]:
    """The data of the events of one kind, oldest first."""
    return [event.data for event in OutboxEvent.objects.filter(type=kind).order_by("created_at", "id")]


def credit() -> tuple[int, int]:
    """Balance and held credit of the one customer."""
    account = Account.objects.get()
    return account.balance_minor, account.held_minor


def jobs(name: str) -> list[dict[str, Any]]:
    """The arguments of the jobs of one name that wait, oldest first."""
    waiting = ProcrastinateJob.objects.filter(task_name=name, status="todo")
    return list(waiting.order_by("id").values_list("args", flat=True))


def mails() -> list[str]:
    """The kinds of letters that wait to be sent."""
    return [job["mail"] for job in jobs("send_mail")]


def deliver(type_: str, thing: dict[str, Any], *, event_id: str = "") -> str:
    """An event of Stripe's, received and settled; what was done about it."""
    identity = event_id or f"evt_{uuid4().hex}"
    receive_event(
        {
            "id": identity,
            "object": "event",
            "type": type_,
            "created": int(timezone.now().timestamp()),
            "data": {"object": thing},
        }
    )
    return settle_event(event_id=identity)


def later_mails() -> list[str]:
    """The kinds of letters that wait after the receipt of the purchase, which credit paid."""
    receipt, *later = mails()
    assert receipt == "payment_received"
    return later
