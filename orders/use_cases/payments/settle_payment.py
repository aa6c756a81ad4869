"""T3: what a Checkout Session's end means for its order. Each may come twice, late, and in any order.

All are decided under the order's lock, from what Stripe said and what the order is by then.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from billing.actor import Actor
from billing.errors import InsufficientCredit
from billing.locks import lock_account
from billing.models import Organization, Subscription
from billing.models.subscription import ENDED_STATUSES
from billing.use_cases.hold_credit import capture_hold, release_hold
from billing.use_cases.post_entry import spend_credit
from orders.jobs import enqueue
from orders.locks import lock_order
from orders.models import Break, Order, Payment, StripeEvent
from orders.stripe import gateway
from orders.stripe.gateway import Debit, Session, reference_id, session_from
from orders.use_cases.checkout.complete_order import complete_order
from orders.use_cases.mail.queue_mail import Mail, queue_mail
from orders.use_cases.payments.open_payment import record_session
from orders.use_cases.payments.request_refund import request_refund
from orders.use_cases.reconciliation.record_break import record_break
from orders.use_cases.subscriptions.complete_renewal import complete_renewal, is_wanted
from orders.use_cases.subscriptions.follow_subscription import BEFORE_COMPLETION


def settle_session(*, order_id: UUID, session: Session, by: Actor) -> str:
    """Settles an order by what Stripe says of its session now, as its webhook would."""
    if session.status == "complete":
        if session.payment_status == "unpaid":
            return settle_processing(order_id=order_id)
        return settle_paid(order_id=order_id, session=session.raw, by=by)
    if session.status == "expired":
        return settle_unpaid(order_id=order_id, failed=False)
    return "unchanged"


def settle_overdue(*, order_id: UUID, session: Session, by: Actor) -> str:
    """Settles an order whose events should have come by now; a debit's payment is asked for as well.

    Raises: gateway.Refused, gateway.Unanswered, gateway.NotConfigured, with nothing changed that is not so.
    """
    done = settle_session(order_id=order_id, session=session, by=by)
    if session.status != "complete" or session.payment_status != "unpaid":
        return done
    debit = gateway.debit_of(session)
    if debit == Debit.PAID:
        return settle_paid(order_id=order_id, session=session.raw, by=by)
    return settle_debit_failed(order_id=order_id, session=session.raw) if debit == Debit.FAILED else done


def settle_debit_failed(*, order_id: UUID, session: Mapping[str, Any]) -> str:
    """A payment that takes days has failed: as if the session had ended, and Stripe charges nothing any more."""
    done = settle_unpaid(order_id=order_id, failed=True)
    is_paid = Payment.objects.filter(order_id=order_id, status=Payment.Status.PAID).exists()
    if session.get("subscription") and not is_paid:
        # Stripe began it with the first try, and would try to charge it again; also where the order had ended before.
        enqueue("cancel_stripe_subscription", subscription_id=reference_id(session["subscription"]))
    return done


def settle_paid(*, order_id: UUID, session: Mapping[str, Any], by: Actor) -> str:
    """The session is paid: the held credit is spent and the order complete, once.

    A payment that arrives after the credit was released takes it again; where it is gone, or the organization has
    moved on, the card gets its money back and staff are told.

    Args: session: Stripe's Checkout Session. Returns: what was done, a word for the inbox.
    Locks: Order, Account, Organization. Transaction: owns. Idempotency: by the order's state.
    """
    with transaction.atomic():
        order = lock_order(order_id=order_id)
        payment = order.payment
        if payment.status == Payment.Status.PAID:
            return _paid_again(order, session)
        difference = difference_of(payment, session)
        if difference is not None:
            record_break(
                kind=difference,
                object_id=str(session["id"]),
                order_id=order.id,
                details={
                    "asked": payment.amount_minor,
                    "told": session.get("amount_total"),
                    "currency": session.get("currency"),
                },
            )
            return difference.value
        if payment.status == Payment.Status.REQUESTED:
            # Paid before our own T2 was written: the session's answer is recorded first.
            record_session(order_id=order.id, session=session_from(session), by=by)
            order = lock_order(order_id=order_id)
            payment = order.payment
        lock_account(customer_id=order.customer_id)
        # Races with its end: a payment for one that is gone is given back.
        order.organization = Organization.objects.select_for_update(no_key=True).get(id=order.organization_id)
        _mark_paid(payment, session)
        if order.status != Order.Status.PENDING:
            return _settle_late(order, by=by)
        if _overtaken(order):
            # What was to be paid ended while the session was open: as if the payment had come after the release.
            release_hold(order_id=order.id)
            order.status = Order.Status.CANCELLED
            order.save(update_fields=["status"])
            return _refuse_late(order, by=by)
        if order.credit_applied_minor:
            capture_hold(order_id=order.id, by=by)
        _complete(order, now=payment.paid_at or timezone.now())
        return "completed"


def _complete(order: Order, *, now: datetime) -> None:
    if order.kind == Order.Kind.RENEWAL:
        complete_renewal(order=order, now=now)
    else:
        complete_order(order=order, now=now)
        _requeue_early_events(order)


def _requeue_early_events(order: Order) -> None:
    """Has the events of the order's subscription settled that came before there was one to follow."""
    told_of = str(order.id)
    early = StripeEvent.objects.filter(
        Q(payload__data__object__metadata__order_id=told_of)
        | Q(payload__data__object__parent__subscription_details__metadata__order_id=told_of)
        | Q(payload__data__object__subscription_details__metadata__order_id=told_of),
        outcome=BEFORE_COMPLETION,
        received_at__gte=order.created_at,
    )
    event_ids = list(early.order_by("occurred_at", "received_at").values_list("id", flat=True))
    StripeEvent.objects.filter(id__in=event_ids).update(settled_at=None)
    for event_id in event_ids:
        enqueue("settle_stripe_event", event_id=event_id)


def _settle_late(order: Order, *, by: Actor) -> str:
    """The credit was given back before the money came."""
    if not _overtaken(order):
        try:
            if order.credit_applied_minor:
                spend_credit(
                    customer_id=order.customer_id,
                    amount_minor=order.credit_applied_minor,
                    order_id=order.id,
                    by=by,
                )
        except InsufficientCredit:
            pass
        else:
            _complete(order, now=timezone.now())
            return "completed_late"
    return _refuse_late(order, by=by)


def _refuse_late(order: Order, *, by: Actor) -> str:
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


def _overtaken(order: Order) -> bool:
    """Whether the organization is gone, a newer order has given it what it has, or the month is not due any more."""
    if order.organization.status == Organization.Status.DELETED:
        return True
    if order.kind == Order.Kind.RENEWAL:
        return not is_wanted(order)
    return (
        Subscription.objects.filter(organization_id=order.organization_id, created_at__gt=order.created_at)
        .exclude(status__in=ENDED_STATUSES)
        .exists()
    )


def settle_processing(*, order_id: UUID) -> str:
    """The customer chose a method that takes days: the hold stays until Stripe tells how it ended."""
    with transaction.atomic():
        payment = lock_order(order_id=order_id).payment
        if payment.status != Payment.Status.OPEN:
            return "unchanged"
        payment.status = Payment.Status.PROCESSING
        payment.save(update_fields=["status"])
        return "processing"


def settle_unpaid(*, order_id: UUID, failed: bool) -> str:
    """The session ended without money: the held credit goes back; a redeemed voucher's credit stays.

    Args: failed: an asynchronous payment failed; otherwise the session expired.
    Locks: Order, Account. Transaction: owns. Idempotency: by the order's state.
    """
    with transaction.atomic():
        order = lock_order(order_id=order_id)
        payment = order.payment
        if order.status != Order.Status.PENDING or payment.status == Payment.Status.REQUESTED:
            return "unchanged"
        if payment.status == Payment.Status.PROCESSING and not failed:
            # A completed session does not expire; what says so came late.
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


def _paid_again(order: Order, session: Mapping[str, Any]) -> str:
    if order.payment.session_id == session["id"]:
        return "unchanged"
    record_break(kind=Break.Kind.PAID_TWICE, object_id=str(session["id"]), order_id=order.id)
    return "paid_twice"


def difference_of(payment: Payment, session: Mapping[str, Any]) -> Break.Kind | None:
    """In what a session is not what was asked for; None where it is."""
    if str(session.get("currency", "")).upper() != payment.currency:
        return Break.Kind.OTHER_CURRENCY
    if session.get("amount_total") != payment.amount_minor:
        return Break.Kind.AMOUNT_DIFFERS
    return None


def _mark_paid(payment: Payment, session: Mapping[str, Any]) -> None:
    payment.status, payment.paid_at, payment.needs_stripe_cleanup = Payment.Status.PAID, timezone.now(), False
    payment.session_id = str(session["id"])
    payment.stripe_subscription_id = reference_id(session.get("subscription"))
    payment.stripe_invoice_id = reference_id(session.get("invoice"))
    payment.payment_intent_id = reference_id(session.get("payment_intent"))
    payment.save()
    if not payment.payment_intent_id and payment.stripe_invoice_id:
        # A subscription's session does not name the payment; refunds and disputes will.
        enqueue("link_payment_intent", order_id=str(payment.order_id))
