"""Run renewals at chosen times, and read what they left: orders, invoices, events, jobs and mails."""

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


def worker_actor() -> Actor:
    return system_actor(channel="worker", user_id="renewals")


def newest_subscription() -> Subscription:
    """The newest subscription."""
    return Subscription.objects.order_by("created_at", "id").latest("created_at")


def renew(now: datetime, of: Subscription | None = None) -> list[RenewalOutcome]:
    return renew_subscription(subscription_id=(of or newest_subscription()).id, by=worker_actor(), now=now)


def renewal_orders() -> list[Order]:
    """The orders of renewals, oldest first."""
    return list(Order.objects.filter(kind=Order.Kind.RENEWAL).order_by("created_at", "id"))


def invoiced_months(status: Invoice.Status) -> list[datetime]:
    """The starts of the months whose invoices have this status."""
    return list(Invoice.objects.filter(status=status).order_by("period_start").values_list("period_start", flat=True))


def event_data(kind: str) -> list[dict[str, Any]]:
    """The data of the events of this type, oldest first."""
    return [event.data for event in OutboxEvent.objects.filter(type=kind).order_by("created_at", "id")]


def balance_and_held() -> tuple[int, int]:
    """The balance and the held credit of the only customer."""
    account = Account.objects.get()
    return account.balance_minor, account.held_minor


def queued_jobs(name: str) -> list[dict[str, Any]]:
    """The arguments of the waiting jobs with this name, oldest first; without those that are for later."""
    waiting = ProcrastinateJob.objects.filter(task_name=name, status="todo", scheduled_at=None)
    return list(waiting.order_by("id").values_list("args", flat=True))


def queued_mails() -> list[str]:
    """The kinds of the mails that wait to be sent."""
    return [job["mail"] for job in queued_jobs("send_mail")]


def settle_event_of_type(type_: str, stripe_object: dict[str, Any], *, event_id: str = "") -> str:
    """Receive and settle an event of this type about the object, and return the outcome."""
    identity = event_id or f"evt_{uuid4().hex}"
    receive_event(
        {
            "id": identity,
            "object": "event",
            "type": type_,
            "created": int(timezone.now().timestamp()),
            "data": {"object": stripe_object},
        }
    )
    return settle_event(event_id=identity)


def mails_after_receipt() -> list[str]:
    """The kinds of the waiting mails after the receipt of the purchase, which credit paid."""
    receipt, *later = queued_mails()
    assert receipt == "payment_received"
    return later
