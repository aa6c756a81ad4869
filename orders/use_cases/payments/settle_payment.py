"""Settles an order when its Checkout Session has ended: paid, failed or expired.

The news may come twice, late, and in any order, from a webhook, the sweeper, a checkout or a reconciliation. Each
function locks the order, and decides from Stripe's object and the order's state under that lock.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from billing.actor import Actor
from billing.errors import InsufficientCredit
from billing.jobs import enqueue
from billing.locks import lock_account, lock_organization
from billing.models import Organization, Subscription
from billing.models.organizations.subscription import ENDED_STATUSES
from billing.use_cases.ledger.hold_credit import capture_hold, release_hold
from billing.use_cases.ledger.post_entry import spend_credit
from orders.locks import lock_order
from orders.models import Break, Order, Payment, StripeEvent
from orders.models.payment import BEFORE_COMPLETION
from orders.stripe import gateway
from orders.stripe.gateway import DebitStatus
from orders.stripe.payloads import (
    Object,
    Session,
    read_currency,
    read_reference,
    read_session,
    read_subscription_id,
)
from orders.use_cases.checkout.complete_order import complete_order
from orders.use_cases.mail.queue_mail import Mail, queue_mail
from orders.use_cases.payments.open_payment import answer_checkout, record_session
from orders.use_cases.payments.request_refund import request_refund
from orders.use_cases.reconciliation.record_break import record_break
from orders.use_cases.subscriptions.complete_renewal import complete_renewal, is_still_due
from orders.use_cases.subscriptions.credit_unused_month import credit_unused_month


def settle_session(*, order_id: UUID, session: Session, by: Actor) -> str:
    """Settles an order by the state of its session, as the session's webhook would. Returns: the outcome."""
    if session.status == "complete":
        if session.payment_status == "unpaid":
            return settle_processing(order_id=order_id)
        return settle_paid(order_id=order_id, session=session.raw, by=by)
    if session.status == "expired":
        return settle_unpaid(order_id=order_id, failed=False)
    return "unchanged"


def settle_session_and_debit(*, order_id: UUID, session: Session, by: Actor) -> str:
    """Settles an order whose events are overdue. Where a debit pays for it, the debit's state is fetched from Stripe.

    Returns: the outcome. Raises: gateway.Refused, gateway.Unanswered, gateway.NotConfigured. What was settled before
    the failed call stays settled.
    """
    outcome = settle_session(order_id=order_id, session=session, by=by)
    if session.status != "complete" or session.payment_status != "unpaid":
        return outcome
    debit = gateway.fetch_debit_status(session)
    if debit == DebitStatus.PAID:
        return settle_paid(order_id=order_id, session=session.raw, by=by)
    return settle_debit_failed(order_id=order_id, session=session.raw) if debit == DebitStatus.FAILED else outcome


def settle_debit_failed(*, order_id: UUID, session: Object) -> str:
    """Settles an order whose payment by a method that takes days has failed, and ends its subscription at Stripe."""
    outcome = settle_unpaid(order_id=order_id, failed=True)
    is_paid = Payment.objects.filter(order_id=order_id, status=Payment.Status.PAID).exists()
    subscription_id = read_subscription_id(session)
    if subscription_id and not is_paid:
        # Stripe started the subscription with the first attempt, and would charge again, even if the order has ended.
        enqueue("cancel_stripe_subscription", subscription_id=subscription_id)
    return outcome


def settle_paid(*, order_id: UUID, session: Object, by: Actor) -> str:
    """Completes the order of a paid session, once: the held credit is spent.

    If the credit was released before the payment arrived, it is taken again. If it is no longer there, or the
    organization has moved on, the card is refunded and a break shows it to staff.

    Returns: the outcome, a word for the inbox.
    Locks: Order, Account, Organization. Transaction: owns. Idempotency: by the order's state.
    """
    with transaction.atomic():
        order = lock_order(order_id=order_id)
        payment = order.payment
        if payment.status == Payment.Status.PAID:
            return _record_second_payment(order, session)
        difference = find_difference(payment, session)
        if difference is not None:
            record_break(
                kind=difference,
                object_id=str(session["id"]),
                order_id=order.id,
                details={
                    "requested": payment.amount_minor,
                    "paid": session.get("amount_total"),
                    "currency": session.get("currency"),
                },
            )
            return difference.value
        if payment.status != Payment.Status.REQUESTED:
            return _settle_paid_order(order, session, by=by)
        # It was paid before the answer of Stripe was recorded here. The answer is recorded first, and the checkout
        # answers with the balance after the payment.
        order = record_session(order_id=order_id, session=read_session(session), by=by)
        outcome = _settle_paid_order(order, session, by=by)
        answer_checkout(order)
        return outcome


def _settle_paid_order(order: Order, session: Object, *, by: Actor) -> str:
    payment = order.payment
    lock_account(customer_id=order.customer_id)
    # A payment for a deleted organization is refunded.
    order.organization = lock_organization(organization_id=order.organization_id)
    _mark_paid(payment, session)
    if order.status != Order.Status.PENDING:
        return _settle_after_release(order, by=by)
    if _is_superseded(order):
        # The order lost its purpose while the session was open. The payment counts as late.
        return _cancel_and_refund(order, by=by)
    try:
        _spend(order, by=by)
    except InsufficientCredit:
        # The order counted on the unused month of a subscription that has ended meanwhile.
        return _cancel_and_refund(order, by=by)
    _complete(order, now=payment.paid_at or timezone.now())
    return "completed"


def _spend(order: Order, *, by: Actor) -> None:
    """Spends the order's credit, with the unused month of the subscription that it replaces.

    Raises: InsufficientCredit, and nothing has changed.
    """
    with transaction.atomic():
        if order.kind == Order.Kind.PURCHASE:
            credit_unused_month(order=order, by=by)
        if not order.credit_applied_minor:
            return
        if order.status == Order.Status.PENDING and not order.proration_minor:
            capture_hold(order_id=order.id, by=by)
            return
        # An order has one spend, which pays with the unused month too. A released order holds nothing any more.
        release_hold(order_id=order.id)
        spend_credit(customer_id=order.customer_id, amount_minor=order.credit_applied_minor, order_id=order.id, by=by)


def _cancel_and_refund(order: Order, *, by: Actor) -> str:
    release_hold(order_id=order.id)
    order.status = Order.Status.CANCELLED
    order.save(update_fields=["status"])
    return _refund_late_payment(order, by=by)


def _complete(order: Order, *, now: datetime) -> None:
    if order.kind == Order.Kind.RENEWAL:
        complete_renewal(order=order, now=now)
    else:
        complete_order(order=order, now=now)
        _requeue_early_events(order)


def _requeue_early_events(order: Order) -> None:
    """Settles again the subscription's events that came before the order was complete."""
    order_id = str(order.id)
    early = StripeEvent.objects.filter(
        # The places that payloads.read_order_id and read_invoice_order_id read.
        Q(payload__data__object__metadata__order_id=order_id)
        | Q(payload__data__object__parent__subscription_details__metadata__order_id=order_id)
        | Q(payload__data__object__subscription_details__metadata__order_id=order_id),
        outcome=BEFORE_COMPLETION,
        received_at__gte=order.created_at,
    )
    event_ids = list(early.order_by("occurred_at", "received_at").values_list("id", flat=True))
    StripeEvent.objects.filter(id__in=event_ids).update(settled_at=None)
    for event_id in event_ids:
        enqueue("settle_stripe_event", event_id=event_id)


def _settle_after_release(order: Order, *, by: Actor) -> str:
    """Settles a payment that arrived after the order's credit was released."""
    if not _is_superseded(order):
        try:
            _spend(order, by=by)
        except InsufficientCredit:
            pass
        else:
            _complete(order, now=timezone.now())
            return "completed_late"
    return _refund_late_payment(order, by=by)


def _refund_late_payment(order: Order, *, by: Actor) -> str:
    record_break(
        kind=Break.Kind.PAID_AFTER_RELEASE,
        object_id=order.payment.session_id or str(order.id),
        order_id=order.id,
        details={"refunded": order.payment.amount_minor},
    )
    request_refund(order=order, card_minor=order.payment.amount_minor, reason="paid after the order had ended", by=by)
    if order.payment.stripe_subscription_id:
        enqueue("cancel_stripe_subscription", subscription_id=order.payment.stripe_subscription_id)
    return "refunded_late"


def _is_superseded(order: Order) -> bool:
    """Returns whether a payment for the order serves nothing any more.

    The order was cancelled, its organization is deleted, was suspended by staff, or has a newer order's subscription,
    or the renewed month is not due.
    """
    if order.status == Order.Status.CANCELLED or order.organization.status == Organization.Status.DELETED:
        return True
    if order.kind == Order.Kind.RENEWAL:
        return not is_still_due(order)
    if order.organization.suspended_by_staff:
        return True
    return (
        Subscription.objects.filter(organization_id=order.organization_id, created_at__gt=order.created_at)
        .exclude(status__in=ENDED_STATUSES)
        .exists()
    )


def settle_processing(*, order_id: UUID) -> str:
    """Records that the customer pays by a method that takes days. The hold stays until the payment ends."""
    with transaction.atomic():
        payment = lock_order(order_id=order_id).payment
        if payment.status != Payment.Status.OPEN:
            return "unchanged"
        payment.status = Payment.Status.PROCESSING
        payment.save(update_fields=["status"])
        return "processing"


def settle_unpaid(*, order_id: UUID, failed: bool) -> str:
    """Settles an order whose session ended without a payment. Held credit is released; a voucher's credit stays.

    Args: failed: True where a payment that takes days failed, False where the session expired.
    Locks: Order, Account. Transaction: owns. Idempotency: by the order's state.
    """
    with transaction.atomic():
        order = lock_order(order_id=order_id)
        payment = order.payment
        if order.status != Order.Status.PENDING or payment.status == Payment.Status.REQUESTED:
            return "unchanged"
        if payment.status == Payment.Status.PROCESSING and not failed:
            # A complete session does not expire: this event is stale.
            return "unchanged"
        lock_account(customer_id=order.customer_id)
        release_hold(order_id=order.id)
        order.status = Order.Status.FAILED if failed else Order.Status.EXPIRED
        order.save(update_fields=["status"])
        payment.status = Payment.Status.FAILED if failed else Payment.Status.EXPIRED
        payment.closed_at = timezone.now()
        payment.save(update_fields=["status", "closed_at"])
        if failed:
            queue_mail(Mail.PAYMENT_FAILED, order.id)
        return order.status


def _record_second_payment(order: Order, session: Object) -> str:
    if order.payment.session_id == session["id"]:
        return "unchanged"
    record_break(kind=Break.Kind.PAID_TWICE, object_id=str(session["id"]), order_id=order.id)
    return "paid_twice"


def find_difference(payment: Payment, session: Object) -> Break.Kind | None:
    """Compares a session's currency and amount with the payment's; None where they agree."""
    if read_currency(session) != payment.currency:
        return Break.Kind.OTHER_CURRENCY
    if session.get("amount_total") != payment.amount_minor:
        return Break.Kind.AMOUNT_DIFFERS
    return None


def _mark_paid(payment: Payment, session: Object) -> None:
    payment.status, payment.paid_at, payment.needs_stripe_cleanup = Payment.Status.PAID, timezone.now(), False
    payment.session_id = str(session["id"])
    payment.stripe_subscription_id = read_reference(session.get("subscription"))
    payment.stripe_invoice_id = read_reference(session.get("invoice"))
    payment.payment_intent_id = read_reference(session.get("payment_intent"))
    payment.save()
    if not payment.payment_intent_id and payment.stripe_invoice_id:
        # A subscription's session does not name its payment intent. Events of refunds and disputes do.
        enqueue("link_payment_intent", order_id=str(payment.order_id))
