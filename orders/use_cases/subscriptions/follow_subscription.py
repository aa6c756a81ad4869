"""Applies Stripe's events to the subscriptions that Stripe charges: renewals, failed payments, changes, the end.

Events come late and in any order. An event that is older than the last applied one changes no state, and a period
never goes back. Stripe's times are whole seconds: where two events of the same second disagree, a job retrieves the
subscription from Stripe.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from billing.actor import Actor, system_actor
from billing.jobs import enqueue
from billing.models import Invoice, Subscription
from billing.models.organizations.subscription import ENDED_STATUSES
from orders.locks import lock_followed_subscription, lock_order
from orders.models import Break, Order, StripeEvent
from orders.models.payment import BEFORE_COMPLETION
from orders.stripe import subscriptions as stripe_subscriptions
from orders.stripe.payloads import (
    OTHER_INTERVAL,
    Object,
    Period,
    bills_month,
    lists_all_lines,
    read_currency,
    read_end_reason,
    read_invoice_order_id,
    read_invoice_period,
    read_invoice_price,
    read_link,
    read_monthly_price,
    read_order_id,
    read_subscription_id,
    read_subscription_period,
)
from orders.use_cases.checkout.month_price import month_minor
from orders.use_cases.mail.queue_mail import Mail, queue_mail
from orders.use_cases.reconciliation.record_break import record_break
from orders.use_cases.subscriptions.record_subscription_event import record_subscription_event
from orders.use_cases.subscriptions.suspend_unpaid import suspend_unpaid

# The outcome of an invoice whose event lacks the subscription's lines. A job retrieves them.
RETRIEVING_LINES = "retrieving_lines"
# The outcome of an invoice that was not paid, and bills no month.
NO_MONTH = "no_month"
# The outcome of a payment for a month after the subscription's end. A break shows the money to staff.
PAID_AFTER_END = "paid_after_end"


def apply_paid_invoice_event(invoice: Object, event: StripeEvent) -> str:
    """Applies a paid invoice; a job retrieves its lines first, where the event does not hold the subscription's.

    Stripe is not asked about an invoice of no known subscription: it may be another account's.
    """
    lacks_lines = bills_month(invoice) and read_invoice_period(invoice) is None and not lists_all_lines(invoice)
    if lacks_lines and _lock_subscription(read_subscription_id(invoice), read_invoice_order_id(invoice)) is not None:
        enqueue("settle_long_invoice", event_id=event.id)
        return RETRIEVING_LINES
    return apply_paid_invoice(invoice, as_of=event.occurred_at)


def apply_paid_invoice(invoice: Object, *, as_of: datetime) -> str:
    """Stores a paid month's invoice, and makes the subscription active for its period.

    An invoice that bills no month is a change or an item that staff made at Stripe: it becomes a break.

    Args: as_of: when the invoice was paid, or the time of the event that says so. Returns: the outcome.
    Locks: Order where the subscription is not known yet, Organization, Subscription. Transaction: joins.
    """
    subscription = _lock_subscription(read_subscription_id(invoice), read_invoice_order_id(invoice))
    if subscription is None:
        return _record_unknown(invoice, read_invoice_order_id(invoice))
    if read_currency(invoice) != subscription.currency:
        return _record_other_currency(invoice, subscription)
    if invoice.get("billing_reason") == "subscription_create":
        # The order's completion wrote the first invoice. Stripe's id and document are added to it.
        Invoice.objects.filter(order_id=subscription.order_id).update(
            stripe_invoice_id=invoice["id"], pdf_url=read_link(invoice, "invoice_pdf")
        )
        return "first_invoice"
    if subscription.canceled_at is not None and as_of > subscription.canceled_at:
        return _record_paid_after_end(invoice, subscription)
    period = read_invoice_period(invoice)
    if period is None or not bills_month(invoice):
        return _record_not_followed(invoice, subscription)
    known = Invoice.objects.filter(stripe_invoice_id=invoice["id"], status=Invoice.Status.PAID).first()
    stored = _store_invoice(invoice, subscription, status=Invoice.Status.PAID, period=period)
    _follow_paid_month(subscription, period, as_of=as_of)
    record_subscription_event("subscription.renewed", subscription, period=period)
    if known is None:
        queue_mail(Mail.RENEWED, stored.id)
    elif known.order_id is not None:
        # Credit has paid this month. If the card has paid it as well, the job returns the credit.
        enqueue("settle_month_at_stripe", lock=f"order:{known.order_id}", order_id=str(known.order_id))
    # Stripe may have the price of a later month already.
    ours_minor, charged_minor = month_minor(subscription, starts_at=period[0]), read_invoice_price(invoice)
    if charged_minor not in (None, ours_minor):
        record_price_change(subscription, charged_minor, ours_minor=ours_minor)
    return "renewed"


def _follow_paid_month(subscription: Subscription, period: Period, *, as_of: datetime) -> None:
    fields = []
    if period[1] > subscription.current_period_end:
        subscription.current_period_start, subscription.current_period_end = period
        fields += ["current_period_start", "current_period_end"]
    if _is_newer(as_of, subscription) and subscription.status == Subscription.Status.PAST_DUE:
        subscription.status, subscription.last_stripe_event_at = Subscription.Status.ACTIVE, as_of
        fields += ["status", "last_stripe_event_at"]
    if fields:
        subscription.save(update_fields=fields)


def apply_failed_invoice(invoice: Object, event: StripeEvent) -> str:
    """Stores a month that could not be charged as an open invoice, and makes the subscription past due."""
    subscription = _lock_subscription(read_subscription_id(invoice), read_invoice_order_id(invoice))
    if subscription is None:
        return _record_unknown(invoice, read_invoice_order_id(invoice))
    if read_currency(invoice) != subscription.currency:
        return _record_other_currency(invoice, subscription)
    if Invoice.objects.filter(stripe_invoice_id=invoice["id"], status=Invoice.Status.PAID).exists():
        return "older"
    # A month of a cancelled subscription is not collected. The job that ends the subscription voids it at Stripe.
    status = Invoice.Status.VOID if subscription.status == Subscription.Status.CANCELED else Invoice.Status.OPEN
    period = read_invoice_period(invoice)
    if period is None or not bills_month(invoice):
        # It asks for no month's price. The subscription's own event says if it is past due.
        return NO_MONTH
    stored = _store_invoice(invoice, subscription, status=status, period=period)
    changes = _is_newer(event.occurred_at, subscription) and subscription.status == Subscription.Status.ACTIVE
    if changes:
        subscription.status, subscription.last_stripe_event_at = Subscription.Status.PAST_DUE, event.occurred_at
        subscription.save(update_fields=["status", "last_stripe_event_at"])
    # The subscription's own event may have come first, but only this one holds the customer's link to pay.
    if subscription.status == Subscription.Status.PAST_DUE and record_subscription_event(
        "subscription.past_due", subscription, period=period
    ):
        queue_mail(Mail.PAST_DUE, stored.id, event_id=event.id)
    return "past_due" if changes else "unchanged"


def apply_subscription_event(document: Object, event: StripeEvent) -> str:
    """Applies a change of the subscription itself, unless a newer event was applied; an ended one stays ended."""
    subscription = _lock_subscription(str(document["id"]), read_order_id(document))
    if subscription is None:
        return _record_unknown(document, read_order_id(document))
    if not _is_newer(event.occurred_at, subscription):
        return "older"
    status = str(document.get("status", ""))
    if event.type == "customer.subscription.deleted":
        status = Subscription.Status.CANCELED.value
    elif event.occurred_at == subscription.last_stripe_event_at and status != subscription.status:
        enqueue("refetch_stripe_subscription", subscription_id=subscription.stripe_subscription_id)
        return "refetching"
    by = system_actor(channel="webhook", user_id=event.id)
    if status not in ENDED_STATUSES:
        _compare_price(subscription, document)
    return apply_subscription_state(subscription, document, status=status, as_of=event.occurred_at, by=by)


def refetch_subscription(*, stripe_id: str, by: Actor) -> str:
    """Retrieves a subscription from Stripe and applies its state, after events of the same second disagreed.

    Raises: gateway.Refused, gateway.Unanswered, gateway.NotConfigured; the job retries.
    Locks: Organization, Subscription. Transaction: owns, after the call.
    """
    document = stripe_subscriptions.retrieve_subscription(stripe_id)
    with transaction.atomic():
        subscription = lock_followed_subscription(stripe_id=stripe_id)
        if subscription is None or subscription.last_stripe_event_at is None:
            return "unchanged"
        # The state counts as of that same second, so that an event of a later change is newer and is applied.
        return apply_subscription_state(
            subscription,
            document,
            status=str(document["status"]),
            as_of=subscription.last_stripe_event_at,
            by=by,
        )


def apply_subscription_state(
    subscription: Subscription, document: Object, *, status: str, as_of: datetime, by: Actor
) -> str:
    """Gives our subscription the status and period that Stripe's has. A period never goes back.

    A subscription that ends at Stripe leaves its organization unpaid: the organization is suspended. Stripe may be
    set to keep an unpaid subscription, call it `unpaid`, and go on billing: that counts as ended. A subscription that
    ended here first, replaced by another order or deleted with its organization, stays as it is.

    The caller holds the organization's and the subscription's locks. Returns: the outcome. Transaction: joins.
    """
    before = subscription.status
    if before == Subscription.Status.CANCELED:
        return "older"
    if status not in Subscription.Status.values:
        record_break(
            kind=Break.Kind.SUBSCRIPTION_STATE_DIFFERS,
            object_id=subscription.stripe_subscription_id,
            order_id=subscription.order_id,
            details={"stripe": status, "ours": before},
        )
        return "unknown_status"
    has_ended = status in (Subscription.Status.CANCELED, Subscription.Status.UNPAID)
    subscription.status = Subscription.Status.CANCELED if has_ended else Subscription.Status(status)
    subscription.last_stripe_event_at = as_of
    if not subscription.cancel_to_send:
        # Its owner may have cancelled it in Stripe's portal. What is to be sent is newer than what Stripe knows.
        subscription.cancel_at_period_end = document.get("cancel_at_period_end") is True
    period = read_subscription_period(document)
    if period is not None and period[1] > subscription.current_period_end:
        subscription.current_period_start, subscription.current_period_end = period
    if has_ended:
        subscription.canceled_at = as_of
    subscription.save()
    if has_ended:
        suspend_unpaid(
            subscription,
            status_before=before,
            period=(subscription.current_period_start, subscription.current_period_end),
            by=by,
            reason=f"ended at Stripe: {read_end_reason(document)}",
        )
        # Stripe may go on billing, and an open invoice could still be paid.
        enqueue("cancel_stripe_subscription", subscription_id=subscription.stripe_subscription_id)
    return subscription.status


def _lock_subscription(stripe_id: str, order_id: UUID | None) -> Subscription | None:
    """Locks the subscription; where there is none yet, its order's lock keeps it from being created.

    Locks: Order where there is none yet, Organization, Subscription. Transaction: joins.
    """
    if not stripe_id:
        return None
    found = lock_followed_subscription(stripe_id=stripe_id)
    if found is not None or order_id is None or not Order.objects.filter(id=order_id).exists():
        return found
    # Races with the order's completion, which settles again the events that came before it.
    lock_order(order_id=order_id)
    return lock_followed_subscription(stripe_id=stripe_id)


def _is_newer(occurred_at: datetime, subscription: Subscription) -> bool:
    return subscription.last_stripe_event_at is None or occurred_at >= subscription.last_stripe_event_at


def _store_invoice(
    invoice: Object, subscription: Subscription, *, status: Invoice.Status, period: tuple[datetime, datetime]
) -> Invoice:
    amount = invoice.get("amount_paid") if status == Invoice.Status.PAID else invoice.get("amount_due")
    stored, _ = Invoice.objects.update_or_create(
        stripe_invoice_id=invoice["id"],
        defaults={
            "customer_id": subscription.customer_id,
            "organization_id": subscription.organization_id,
            "subscription": subscription,
            "amount_minor": int(amount or 0),
            "currency": subscription.currency,
            "status": status,
            "period_start": period[0],
            "period_end": period[1],
            "pdf_url": read_link(invoice, "invoice_pdf"),
        },
    )
    return stored


def _record_paid_after_end(invoice: Object, subscription: Subscription) -> str:
    """Records a payment for a month after the end: an invoice that was open then can still be paid at Stripe."""
    period = read_invoice_period(invoice)
    if period is not None and bills_month(invoice):
        _store_invoice(invoice, subscription, status=Invoice.Status.PAID, period=period)
    record_break(
        kind=Break.Kind.PAID_AFTER_RELEASE,
        object_id=str(invoice["id"]),
        order_id=subscription.order_id,
        details={"paid": int(invoice.get("amount_paid") or 0)},
    )
    return PAID_AFTER_END


def _compare_price(subscription: Subscription, document: Object) -> None:
    """Compares the price of Stripe's subscription, which may be of the paid month or of the next one, with ours."""
    charged_minor = read_monthly_price(document)
    if charged_minor in (None, subscription.amount_minor):
        return
    months = read_subscription_period(document) or ()
    if charged_minor not in [month_minor(subscription, starts_at=each) for each in months]:
        record_price_change(subscription, charged_minor, ours_minor=subscription.amount_minor)


def record_price_change(subscription: Subscription, charged_minor: int | None, *, ours_minor: int) -> None:
    """Records a price that is not ours as a break: price, quantity or interval were changed at Stripe.

    Args: charged_minor: what Stripe charges a month before discounts; None if that is not known.
    """
    other_interval = charged_minor == OTHER_INTERVAL
    record_break(
        kind=Break.Kind.SUBSCRIPTION_CHANGED,
        object_id=subscription.stripe_subscription_id,
        order_id=subscription.order_id,
        details={
            "stripe": "another interval" if other_interval else charged_minor,
            "ours": ours_minor,
        },
    )


def _record_not_followed(invoice: Object, subscription: Subscription) -> str:
    record_break(
        kind=Break.Kind.INVOICE_NOT_FOLLOWED,
        object_id=str(invoice["id"]),
        order_id=subscription.order_id,
        details=describe_not_followed(invoice),
    )
    return Break.Kind.INVOICE_NOT_FOLLOWED.value


def record_lost_invoice(invoice: Object) -> str:
    """Records a paid invoice whose lines Stripe does not know any more as a break. Transaction: joins."""
    subscription = _lock_subscription(read_subscription_id(invoice), read_invoice_order_id(invoice))
    if subscription is None:
        return _record_unknown(invoice, read_invoice_order_id(invoice))
    return _record_not_followed(invoice, subscription)


def describe_not_followed(invoice: Object) -> dict[str, Any]:
    """Returns the details of the invoice's break: the same each time, so that one that staff closed stays closed."""
    return {"paid": int(invoice.get("amount_paid") or 0), "reason": invoice.get("billing_reason")}


def _record_other_currency(invoice: Object, subscription: Subscription) -> str:
    record_break(
        kind=Break.Kind.OTHER_CURRENCY,
        object_id=str(invoice["id"]),
        order_id=subscription.order_id,
        details={"currency": invoice.get("currency")},
    )
    return Break.Kind.OTHER_CURRENCY.value


def _record_unknown(document: Object, order_id: UUID | None) -> str:
    """Records an object of no known subscription as a break, unless its order may still complete."""
    if order_id is not None and Order.objects.filter(id=order_id).exists():
        return BEFORE_COMPLETION
    record_break(
        kind=Break.Kind.UNKNOWN_OBJECT, object_id=str(document["id"]), details={"object": document.get("object")}
    )
    return Break.Kind.UNKNOWN_OBJECT.value
