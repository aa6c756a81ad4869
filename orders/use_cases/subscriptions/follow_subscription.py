"""Stripe-paid subscriptions follow Stripe's events: renewals, failed payments, changes, the end.

Events come late and in any order: one that is older than what was heeded last changes no state, and a period never
goes back. Stripe's times are whole seconds: where two events of one say different things, Stripe is asked by a job.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from billing.actor import Actor, system_actor
from billing.models import Invoice, Subscription
from orders.jobs import enqueue
from orders.locks import lock_followed_subscription, lock_order
from orders.models import Break, Order, StripeEvent
from orders.stripe import gateway
from orders.stripe.gateway import reference_id
from orders.use_cases.mail.queue_mail import Mail, queue_mail
from orders.use_cases.reconciliation.record_break import record_break
from orders.use_cases.subscriptions.record_subscription_event import record_subscription_event
from orders.use_cases.subscriptions.suspend_unpaid import suspend_unpaid

Object = Mapping[str, Any]

# The outcome of an event of an order that is not complete yet; its completion has it settled again.
BEFORE_COMPLETION = "before_completion"
# The outcome of a payment for a month that nobody gets: a break of its own shows the money to staff.
PAID_AFTER_END = "paid_after_end"


def invoice_paid(invoice: Object, event: StripeEvent) -> str:
    """A month was paid: the invoice is stored, the subscription active for its period."""
    return book_paid_invoice(invoice, told_at=event.occurred_at)


def book_paid_invoice(invoice: Object, *, told_at: datetime) -> str:
    """A month was paid by then, whoever told of it.

    Locks: Order where the subscription is not known yet, Subscription. Transaction: joins.
    """
    subscription = _locked(subscription_id_of(invoice), details_of(invoice).get("metadata"))
    if subscription is None:
        return _not_ours_yet(invoice, details_of(invoice).get("metadata"))
    if str(invoice.get("currency", "")).upper() != subscription.currency:
        return _other_currency(invoice, subscription)
    if invoice.get("billing_reason") == "subscription_create":
        # The order's completion made this one; here it gets Stripe's name and document.
        Invoice.objects.filter(order_id=subscription.order_id).update(
            stripe_invoice_id=invoice["id"], pdf_url=invoice.get("invoice_pdf") or ""
        )
        return "first_invoice"
    if subscription.canceled_at is not None and told_at > subscription.canceled_at:
        return _paid_after_end(invoice, subscription)
    start, end = _period(invoice)
    is_known = Invoice.objects.filter(stripe_invoice_id=invoice["id"], status=Invoice.Status.PAID).exists()
    stored = _store(invoice, subscription, status=Invoice.Status.PAID, period=(start, end))
    fields = []
    if end > subscription.current_period_end:
        subscription.current_period_start, subscription.current_period_end = start, end
        fields += ["current_period_start", "current_period_end"]
    if _is_newer(told_at, subscription) and subscription.status == Subscription.Status.PAST_DUE:
        subscription.status, subscription.last_stripe_event_at = Subscription.Status.ACTIVE, told_at
        fields += ["status", "last_stripe_event_at"]
    if fields:
        subscription.save(update_fields=fields)
    record_subscription_event("subscription.renewed", subscription, period=(start, end))
    if not is_known:
        queue_mail(Mail.RENEWED, stored.id)
    return "renewed"


def invoice_failed(invoice: Object, event: StripeEvent) -> str:
    """A month could not be charged: the invoice stays open, the subscription is past due."""
    subscription = _locked(subscription_id_of(invoice), details_of(invoice).get("metadata"))
    if subscription is None:
        return _not_ours_yet(invoice, details_of(invoice).get("metadata"))
    if str(invoice.get("currency", "")).upper() != subscription.currency:
        return _other_currency(invoice, subscription)
    if Invoice.objects.filter(stripe_invoice_id=invoice["id"], status=Invoice.Status.PAID).exists():
        return "older"
    # The month of one that has ended is asked of nobody; the job that ends it at Stripe makes it void there.
    status = Invoice.Status.VOID if subscription.status == Subscription.Status.CANCELED else Invoice.Status.OPEN
    stored = _store(invoice, subscription, status=status, period=_period(invoice))
    changes = _is_newer(event.occurred_at, subscription) and subscription.status == Subscription.Status.ACTIVE
    if changes:
        subscription.status, subscription.last_stripe_event_at = Subscription.Status.PAST_DUE, event.occurred_at
        subscription.save(update_fields=["status", "last_stripe_event_at"])
    # The subscription's own event may have come first: what has a link for the customer is this one.
    if subscription.status == Subscription.Status.PAST_DUE and record_subscription_event(
        "subscription.past_due", subscription, period=_period(invoice)
    ):
        queue_mail(Mail.PAST_DUE, stored.id, event_id=event.id)
    return "past_due" if changes else "unchanged"


def subscription_changed(told: Object, event: StripeEvent) -> str:
    """The subscription is as Stripe says, unless something newer was heeded; an ended one stays ended."""
    subscription = _locked(str(told["id"]), told.get("metadata"))
    if subscription is None:
        return _not_ours_yet(told, told.get("metadata"))
    if not _is_newer(event.occurred_at, subscription):
        return "older"
    status = str(told.get("status", ""))
    if event.type == "customer.subscription.deleted":
        status = Subscription.Status.CANCELED.value
    elif event.occurred_at == subscription.last_stripe_event_at and status != subscription.status:
        enqueue("ask_stripe_subscription", subscription_id=subscription.stripe_subscription_id)
        return "asked"
    by = system_actor(channel="webhook", user_id=event.id)
    return follow(subscription, told, status=status, told_at=event.occurred_at, by=by)


def ask_subscription(*, stripe_id: str, by: Actor) -> str:
    """Stripe is asked what a subscription is now, of which events of one second say different things.

    Raises: gateway.Refused, gateway.Unanswered, gateway.NotConfigured, for the job to try again.
    Locks: Organization, Subscription. Transaction: owns, after the call.
    """
    told = gateway.retrieve_subscription(stripe_id)
    with transaction.atomic():
        subscription = lock_followed_subscription(stripe_id=stripe_id)
        if subscription is None or subscription.last_stripe_event_at is None:
            return "unchanged"
        # Of that second still: an event of what came after it is newer than this answer, and is heeded.
        return follow(
            subscription, told, status=str(told["status"]), told_at=subscription.last_stripe_event_at, by=by
        )


def follow(subscription: Subscription, told: Object, *, status: str, told_at: datetime, by: Actor) -> str:
    """Makes ours what Stripe's is: its status and period; what has ended stays ended, a period never goes back.

    One that ends at Stripe, unpaid or cancelled there, leaves an organization that nobody pays for: it is suspended.
    So it is where Stripe has given up on the card, and is set to call that unpaid and to bill on.
    What ended here first, for another order or with the organization, stays as it is.
    The caller holds the organization's and the subscription's locks. Transaction: joins.
    """
    was = subscription.status
    if was == Subscription.Status.CANCELED:
        return "older"
    if status not in Subscription.Status.values:
        return "ignored"
    has_ended = status in (Subscription.Status.CANCELED, Subscription.Status.UNPAID)
    subscription.status = Subscription.Status.CANCELED if has_ended else Subscription.Status(status)
    subscription.last_stripe_event_at = told_at
    period = _subscription_period(told)
    if period is not None and period[1] > subscription.current_period_end:
        subscription.current_period_start, subscription.current_period_end = period
    if has_ended:
        subscription.canceled_at = told_at
    subscription.save()
    if has_ended:
        _suspend(subscription, told, was=was, by=by)
    return subscription.status


def _suspend(subscription: Subscription, told: Object, *, was: str, by: Actor) -> None:
    why = (told.get("cancellation_details") or {}).get("reason") or told.get("status")
    suspend_unpaid(
        subscription,
        was=was,
        period=(subscription.current_period_start, subscription.current_period_end),
        by=by,
        reason=f"ended at Stripe: {why}",
    )
    # It may go on there, and its open invoice could still be paid.
    enqueue("cancel_stripe_subscription", subscription_id=subscription.stripe_subscription_id)


def _locked(stripe_id: str, metadata: Object | None) -> Subscription | None:
    """The subscription, locked; None where there is none, which its order's lock then keeps so.

    Locks: Order where there is none yet, Organization, Subscription. Transaction: joins.
    """
    if not stripe_id:
        return None
    found = lock_followed_subscription(stripe_id=stripe_id)
    order_id = order_id_in(metadata) if found is None else None
    if order_id is None or not Order.objects.filter(id=order_id).exists():
        return found
    # Races with the order's completion, which looks for what came before it.
    lock_order(order_id=order_id)
    return lock_followed_subscription(stripe_id=stripe_id)


def order_id_in(metadata: Object | None) -> UUID | None:
    """The order that an object of Stripe's carries; None where it carries none."""
    try:
        return UUID(str((metadata or {}).get("order_id")))
    except ValueError:
        return None


def _is_newer(told_at: datetime, subscription: Subscription) -> bool:
    return subscription.last_stripe_event_at is None or told_at >= subscription.last_stripe_event_at


def details_of(invoice: Object) -> Object:
    """What an invoice says of its subscription; API versions before 2025-03-31 said it on the invoice itself."""
    parent = invoice.get("parent") or {}
    return parent.get("subscription_details") or invoice.get("subscription_details") or {}


def subscription_id_of(invoice: Object) -> str:
    """Stripe's id of the subscription that an invoice is for; empty where it is for none."""
    return reference_id(details_of(invoice).get("subscription") or invoice.get("subscription"))


def _period(invoice: Object) -> tuple[datetime, datetime]:
    lines = (invoice.get("lines") or {}).get("data") or []
    period = (lines[0].get("period") if lines else None) or {
        "start": invoice.get("period_start"),
        "end": invoice.get("period_end"),
    }
    return _moment(period["start"]), _moment(period["end"])


def _subscription_period(told: Object) -> tuple[datetime, datetime] | None:
    items = (told.get("items") or {}).get("data") or []
    holder = items[0] if items and items[0].get("current_period_end") else told
    if not holder.get("current_period_start") or not holder.get("current_period_end"):
        return None
    return _moment(holder["current_period_start"]), _moment(holder["current_period_end"])


def _moment(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), tz=UTC)


def _store(
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
            "pdf_url": invoice.get("invoice_pdf") or "",
        },
    )
    return stored


def _paid_after_end(invoice: Object, subscription: Subscription) -> str:
    """One that was open when its subscription ended can still be paid at Stripe, for a month that nobody gets."""
    stored = _store(invoice, subscription, status=Invoice.Status.PAID, period=_period(invoice))
    record_break(
        kind=Break.Kind.PAID_AFTER_RELEASE,
        object_id=str(invoice["id"]),
        order_id=subscription.order_id,
        details={"paid": stored.amount_minor},
    )
    return PAID_AFTER_END


def _other_currency(invoice: Object, subscription: Subscription) -> str:
    record_break(
        kind=Break.Kind.OTHER_CURRENCY,
        object_id=str(invoice["id"]),
        order_id=subscription.order_id,
        details={"currency": invoice.get("currency")},
    )
    return Break.Kind.OTHER_CURRENCY.value


def _not_ours_yet(thing: Object, metadata: Object | None) -> str:
    """Of an order whose session we have not heard of yet: its completion will write what this tells."""
    order_id = order_id_in(metadata)
    if order_id is not None and Order.objects.filter(id=order_id).exists():
        return BEFORE_COMPLETION
    record_break(kind=Break.Kind.UNKNOWN_OBJECT, object_id=str(thing["id"]), details={"object": thing.get("object")})
    return Break.Kind.UNKNOWN_OBJECT.value
