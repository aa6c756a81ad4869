"""Compares Checkout Sessions with payments: one session an order, with the same state and amount on both sides."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import Q

from orders.models import Break, Order, Payment
from orders.models.payment import WAITING_STATUSES
from orders.stripe import gateway
from orders.stripe.gateway import DebitStatus, Resource
from orders.stripe.payloads import Object, Session, read_order_id, read_reference, read_session
from orders.use_cases.payments.close_lost_payment import cancel_lost_payment
from orders.use_cases.payments.open_payment import undo_checkout
from orders.use_cases.payments.settle_payment import find_difference, settle_session_and_debit
from orders.use_cases.reconciliation.reconciliation_run import (
    UNKNOWN,
    Finding,
    ReconciliationRun,
    find_our_customers,
)

Kind = Break.Kind
_KINDS = (Kind.SESSION_STATE_DIFFERS, Kind.STRAY_SESSION, Kind.PAID_TWICE)
_ENDED = (Payment.Status.EXPIRED, Payment.Status.FAILED)
_PAID = (("complete", "paid"), ("complete", "no_payment_required"))
# Stripe's clock and ours may differ: sessions are listed from this much earlier.
MAX_CLOCK_DIFFERENCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _SessionRows:
    """Our rows about a page of sessions."""

    by_session: dict[str, Payment]
    by_order: dict[UUID, Payment]
    customer_ids: frozenset[str]


def reconcile_sessions(run: ReconciliationRun) -> Iterator[Finding]:
    """Compares every session since the start, then every payment whose session was not among them."""
    seen: set[UUID] = set()
    for page in run.list_pages(Resource.SESSIONS, since=run.start - MAX_CLOCK_DIFFERENCE):
        rows = _load_rows(page)
        seen |= {payment.pk for payment in rows.by_session.values()}
        yield from run.compare_each(page, partial(_compare, run, rows))
    ours = Payment.objects.filter(
        Q(requested_at__gte=run.start) | Q(status__in=WAITING_STATUSES), session_id__isnull=False
    )
    unlisted = ours.filter(status__in=[*WAITING_STATUSES, Payment.Status.PAID]).iterator(chunk_size=gateway.PAGE_SIZE)
    waiting: list[Payment] = []
    if run.repair:
        # Those of another account are closed too, of which compare_unlisted would compare only the first ones.
        waiting = [each for each in ours.filter(status__in=WAITING_STATUSES) if each.pk not in seen]
        yield from run.compare_each(waiting, partial(_retrieve_and_compare, run))
    repaired = {each.pk for each in waiting}
    others = (each for each in unlisted if each.pk not in seen | repaired)
    yield from run.compare_unlisted(others, partial(_retrieve_and_compare, run), any_listed=bool(seen))


def _load_rows(page: list[Object]) -> _SessionRows:
    payments = Payment.objects.filter(
        Q(session_id__in=[document["id"] for document in page])
        | Q(order_id__in=[order_id for document in page if (order_id := read_order_id(document))])
    )
    found = list(payments)
    return _SessionRows(
        by_session={str(each.session_id): each for each in found},
        by_order={each.pk: each for each in found},
        customer_ids=find_our_customers(page),
    )


def _compare(run: ReconciliationRun, rows: _SessionRows, document: Object) -> Iterator[Finding]:
    session, order_id = read_session(document), read_order_id(document)
    if session.id in rows.by_session:
        yield from _compare_own(run, rows.by_session[session.id], session)
    elif order_id in rows.by_order:
        yield from _compare_other(run, rows.by_order[order_id], session)
    elif order_id is not None and session.status != "expired":
        yield from _report_unknown_order(
            run, session, is_ours=read_reference(document.get("customer")) in rows.customer_ids
        )


def _retrieve_and_compare(run: ReconciliationRun, payment: Payment) -> Iterator[Finding]:
    run.forget_recent_events()
    try:
        session = gateway.retrieve_session(str(payment.session_id))
    except gateway.ObjectUnknown:
        repaired = payment.status in WAITING_STATUSES and run.repair_with(lambda: _cancel(run, payment))
        yield _report_state_difference(payment, UNKNOWN, repaired=repaired)
    else:
        yield from _compare_own(run, payment, session)


def _compare_own(run: ReconciliationRun, payment: Payment, session: Session) -> Iterator[Finding]:
    """Compares the session that the payment names."""
    if payment.status not in _ENDED or _read_state(session) in _PAID:
        difference = find_difference(payment, session.raw)
        if difference is not None:
            yield _report_amount_difference(payment, session, difference)
            return
    if _states_agree(payment, session):
        run.close_breaks(session.id, kinds=_KINDS)
        return
    if run.is_in_flight(session.id, payment.order_id):
        return
    # The payment may have changed since the page was read.
    payment.refresh_from_db()
    if payment.session_id != session.id:
        yield from _compare_other(run, payment, session)
    elif _states_agree(payment, session):
        return
    elif payment.status in _ENDED and session.status == "open":
        yield _report_stray(
            session, payment.order_id, repaired=run.repair_with(lambda: _close(run, payment, session))
        )
    else:
        yield _report_state_difference(
            payment,
            " ".join(_read_state(session)),
            repaired=run.repair_with(lambda: _settle(run, payment, session)),
        )


def _compare_other(run: ReconciliationRun, payment: Payment, session: Session) -> Iterator[Finding]:
    """Compares another session of the order: Stripe's answer was lost, or the session was requested twice."""
    if session.status == "expired":
        run.close_breaks(session.id, kinds=_KINDS)
        return
    payment.refresh_from_db()
    in_flight = payment.requested_at > run.in_flight_since or payment.leased_until > run.now
    if in_flight or run.is_in_flight(session.id, payment.order_id):
        return
    if session.status == "open":
        yield _report_stray(
            session, payment.order_id, repaired=run.repair_with(lambda: _close(run, payment, session))
        )
    elif _read_state(session) in _PAID and payment.status == Payment.Status.PAID:
        yield from _check_paid_twice(run, payment, session)
    elif _read_state(session) in _PAID or gateway.fetch_debit_status(session) == DebitStatus.PAID:
        difference = find_difference(payment, session.raw)
        if difference is not None:
            yield _report_amount_difference(payment, session, difference)
            return
        repaired = run.repair_with(lambda: _settle(run, payment, session))
        yield _report_state_difference(
            payment, " ".join(_read_state(session)), object_id=session.id, repaired=repaired
        )


def _check_paid_twice(run: ReconciliationRun, payment: Payment, session: Session) -> Iterator[Finding]:
    intent = read_reference(session.raw.get("payment_intent"))
    if not intent and (invoice_id := read_reference(session.raw.get("invoice"))):
        intent = gateway.find_payment_intent(invoice_id=invoice_id)
    amount_minor = int(session.raw.get("amount_total") or 0)
    if intent and gateway.fetch_refunded_minor(payment_intent_id=intent) >= amount_minor:
        run.close_breaks(session.id, kinds=_KINDS)
        return
    details = {"paid": amount_minor, "payment": intent, "first": payment.session_id}
    yield Finding(
        kind=Kind.PAID_TWICE, object_id=session.id, order_id=payment.order_id, details=details, needs_staff=True
    )


def _report_unknown_order(run: ReconciliationRun, session: Session, *, is_ours: bool) -> Iterator[Finding]:
    """Reports a session of an order that is not here: another deployment's, or from before a restored backup."""
    may_close = is_ours and session.status == "open"
    repaired = may_close and run.repair_with(lambda: _expire(session))
    yield _report_stray(session, None, repaired=repaired, needs_staff=not may_close)


def _expire(session: Session) -> bool:
    return gateway.expire_session(session.id).status == "expired"


def _close(run: ReconciliationRun, payment: Payment, session: Session) -> bool:
    """Closes a session that no customer has a link to, or whose order has ended; settles it if it was just paid."""
    if payment.status == Payment.Status.REQUESTED:
        undo_checkout(order_id=payment.order_id, by=run.by, why="found by reconciliation")
    closed = gateway.expire_session(session.id)
    return closed.status == "expired" or _settle(run, payment, closed)


def _cancel(run: ReconciliationRun, payment: Payment) -> bool:
    """Cancels the order of a session that Stripe does not know."""
    order = cancel_lost_payment(order_id=payment.order_id, why="Stripe does not know the session", by=run.by)
    return order.status != Order.Status.PENDING


def _settle(run: ReconciliationRun, payment: Payment, session: Session) -> bool:
    settle_session_and_debit(order_id=payment.order_id, session=session, by=run.by)
    fresh = Payment.objects.get(pk=payment.pk)
    return fresh.session_id == session.id and _states_agree(fresh, session)


def _states_agree(payment: Payment, session: Session) -> bool:
    expected: dict[str, tuple[tuple[str, str], ...]] = {
        Payment.Status.OPEN: (("open", "unpaid"),),
        Payment.Status.PAID: _PAID,
        Payment.Status.EXPIRED: (("expired", "unpaid"),),
        Payment.Status.FAILED: (("expired", "unpaid"), ("complete", "unpaid")),
    }
    if _read_state(session) in expected.get(payment.status, ()):
        return True
    if _read_state(session) != ("complete", "unpaid"):
        return False
    # A debit leaves the session complete and unpaid, whatever its outcome.
    debits = {Payment.Status.PROCESSING: DebitStatus.PROCESSING, Payment.Status.PAID: DebitStatus.PAID}
    return gateway.fetch_debit_status(session) == debits.get(Payment.Status(payment.status))


def _read_state(session: Session) -> tuple[str, str]:
    return session.status, session.payment_status


def _report_state_difference(payment: Payment, stripe: str, *, repaired: bool, object_id: str = "") -> Finding:
    return Finding(
        kind=Kind.SESSION_STATE_DIFFERS,
        object_id=object_id or str(payment.session_id),
        order_id=payment.order_id,
        details={"stripe": stripe, "ours": payment.status},
        repaired=repaired,
    )


def _report_stray(session: Session, order_id: UUID | None, *, repaired: bool, needs_staff: bool = False) -> Finding:
    details: dict[str, Any] = {"status": session.status, "payment_status": session.payment_status}
    return Finding(
        kind=Kind.STRAY_SESSION,
        object_id=session.id,
        order_id=order_id,
        details=details,
        repaired=repaired,
        needs_staff=needs_staff,
    )


def _report_amount_difference(payment: Payment, session: Session, difference: Kind) -> Finding:
    # The details that settle_paid records, less the currency.
    details = {"requested": payment.amount_minor, "paid": session.raw.get("amount_total")}
    return Finding(
        kind=difference,
        object_id=session.id,
        order_id=payment.order_id,
        details=details,
        needs_staff=True,
    )
