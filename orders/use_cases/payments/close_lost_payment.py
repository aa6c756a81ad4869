"""Closes a payment that no event will end: Stripe does not know its session, or no keys are configured any more.

That happens when the keys become those of another Stripe account, or of live mode instead of test mode.
"""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.locks import lock_account
from billing.text import has_visible_text
from billing.use_cases.ledger.hold_credit import release_hold
from billing.use_cases.record_audit import record_audit
from orders.errors import PaymentInProgress, PaymentNotOpen, PaymentProcessorError
from orders.locks import lock_order
from orders.models import Break, Order, Payment
from orders.models.payment import WAITING_STATUSES
from orders.stripe import gateway
from orders.stripe.payloads import Session
from orders.use_cases.payments.settle_payment import settle_session_and_debit
from orders.use_cases.reconciliation.close_break import close_resolved_breaks


def close_lost_payment(*, order_id: UUID, why: str, by: Actor) -> Order:
    """Closes an open payment on behalf of staff: the held credit is available, the organization can order again.

    A session that Stripe knows is closed there first, and its order is settled by the state it has then: it may be
    complete. A session that Stripe does not know is closed here only, and so is one that cannot be asked for because
    no keys are configured. If money arrives later, it is refunded, and a break shows it to staff.

    Returns: the order, `cancelled` or as it was settled. Raises: ReasonRequired, Order.DoesNotExist; PaymentNotOpen;
    PaymentInProgress while a bank processes the payment; PaymentProcessorError if Stripe does not answer.
    Transaction: owns, after the calls to Stripe. Idempotency: a closed payment is not open.
    """
    if not has_visible_text(why):
        raise ReasonRequired
    order = Order.objects.select_related("payment").get(id=order_id)
    payment: Payment | None = getattr(order, "payment", None)
    if payment is None or payment.status not in WAITING_STATUSES:
        raise PaymentNotOpen
    session = _end_session(payment)
    if session is None:
        return cancel_lost_payment(order_id=order_id, why=why, by=by)
    settle_session_and_debit(order_id=order_id, session=session, by=by)
    order.refresh_from_db()
    if order.status == Order.Status.PENDING:
        raise PaymentInProgress
    _record_closing(order, payment, why=why, by=by)
    return order


def cancel_lost_payment(*, order_id: UUID, why: str, by: Actor) -> Order:
    """Cancels the order of a payment whose session Stripe does not know, and releases the held credit.

    Locks: Order, Account. Transaction: owns. Idempotency: only an open or processing payment is cancelled.
    """
    with transaction.atomic():
        order = lock_order(order_id=order_id)
        payment = order.payment
        if order.status != Order.Status.PENDING or payment.status not in WAITING_STATUSES:
            return order
        lock_account(customer_id=order.customer_id)
        release_hold(order_id=order.id)
        order.status = Order.Status.CANCELLED
        order.save(update_fields=["status"])
        _record_closing(order, payment, why=why, by=by)
        is_open = payment.status == Payment.Status.OPEN
        payment.status = Payment.Status.EXPIRED if is_open else Payment.Status.FAILED
        payment.closed_at, payment.refusal = timezone.now(), why[:200]
        payment.save(update_fields=["status", "closed_at", "refusal"])
        close_resolved_breaks(
            kinds=[Break.Kind.SESSION_STATE_DIFFERS], object_ids=[payment.session_id or ""], why=why, by=by
        )
        return order


def _end_session(payment: Payment) -> Session | None:
    """Closes the session at Stripe; None where Stripe does not know it, or cannot be asked for lack of keys."""
    session_id = payment.session_id or ""
    try:
        if payment.status == Payment.Status.OPEN:
            return gateway.expire_session(session_id)
        return gateway.retrieve_session(session_id)
    except (gateway.ObjectUnknown, gateway.NotConfigured):
        return None
    except (gateway.Refused, gateway.Unanswered) as error:
        raise PaymentProcessorError("the payment processor did not answer; the payment is still open") from error


def _record_closing(order: Order, payment: Payment, *, why: str, by: Actor) -> None:
    """Records the closing with its outcome: the state that the order has now."""
    record_audit(
        action="payment.closed",
        object_type="order",
        object_id=str(order.id),
        by=by,
        changes={"session": [payment.session_id, None], "status": [Order.Status.PENDING.value, order.status]},
        reason=why,
    )
