"""Checkout Sessions and payments: open, complete or expired on both sides, one a order, for the same amount."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import Q

from orders.models import Break, Payment
from orders.stripe import gateway
from orders.stripe.gateway import Debit, Listed, Session, reference_id, session_from
from orders.use_cases.payments.open_payment import undo_checkout
from orders.use_cases.payments.settle_payment import difference_of, settle_overdue
from orders.use_cases.reconciliation.reconciliation_run import (
    UNKNOWN,
    Finding,
    Object,
    ReconciliationRun,
    carried_order,
    known_customers,
)

Kind = Break.Kind
_KINDS = (Kind.SESSION_STATE_DIFFERS, Kind.STRAY_SESSION, Kind.PAID_TWICE)
_WAITING = (Payment.Status.OPEN, Payment.Status.PROCESSING)
_ENDED = (Payment.Status.EXPIRED, Payment.Status.FAILED)
_PAID = (("complete", "paid"), ("complete", "no_payment_required"))
# Both clocks are asked for the window's beginning.
_CLOCKS_DIFFER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Known:
    """What we have about a page of sessions."""

    by_session: dict[str, Payment]
    by_order: dict[UUID, Payment]
    customers: frozenset[str]


def reconcile_sessions(run: ReconciliationRun) -> Iterator[Finding]:
    """Every session made since the start, then every payment whose session was not among them."""
    seen: set[UUID] = set()
    for page in run.pages(Listed.SESSIONS, since=run.start - _CLOCKS_DIFFER):
        known = _known(page)
        seen |= {payment.pk for payment in known.by_session.values()}
        yield from run.each(page, partial(_compare, run, known))
    ours = Payment.objects.filter(Q(requested_at__gte=run.start) | Q(status__in=_WAITING), session_id__isnull=False)
    unseen = ours.filter(status__in=[*_WAITING, Payment.Status.PAID]).iterator(chunk_size=gateway.PAGE)
    others = (each for each in unseen if each.pk not in seen)
    yield from run.unseen(others, partial(_ask_for, run), sees_ours=bool(seen))


def _known(page: list[Object]) -> _Known:
    payments = Payment.objects.filter(
        Q(session_id__in=[told["id"] for told in page])
        | Q(order_id__in=[order_id for told in page if (order_id := carried_order(told))])
    )
    found = list(payments)
    return _Known(
        by_session={str(each.session_id): each for each in found},
        by_order={each.pk: each for each in found},
        customers=known_customers(page),
    )


def _compare(run: ReconciliationRun, known: _Known, told: Object) -> Iterator[Finding]:
    session, order_id = session_from(told), carried_order(told)
    if session.id in known.by_session:
        yield from _own(run, known.by_session[session.id], session)
    elif order_id in known.by_order:
        yield from _another(run, known.by_order[order_id], session)
    elif order_id is not None and session.status != "expired":
        yield from _of_no_order(run, session, is_ours=reference_id(told.get("customer")) in known.customers)


def _ask_for(run: ReconciliationRun, payment: Payment) -> Iterator[Finding]:
    run.reads()
    try:
        session = gateway.retrieve_session(str(payment.session_id))
    except gateway.Refused:
        yield _differs(payment, UNKNOWN, repaired=False)
    else:
        yield from _own(run, payment, session)


def _own(run: ReconciliationRun, payment: Payment, session: Session) -> Iterator[Finding]:
    """The session that the payment names."""
    if payment.status not in _ENDED or _state(session) in _PAID:
        difference = difference_of(payment, session.raw)
        if difference is not None:
            yield _amount(payment, session, difference)
            return
    if _agree(payment, session):
        run.agrees(session.id, kinds=_KINDS)
        return
    if run.is_moving(session.id, payment.order_id):
        return
    # It may have changed since the page was read.
    payment.refresh_from_db()
    if payment.session_id != session.id:
        yield from _another(run, payment, session)
    elif _agree(payment, session):
        return
    elif payment.status in _ENDED and session.status == "open":
        yield _stray(session, payment.order_id, repaired=run.repairs(lambda: _closed(run, payment, session)))
    else:
        yield _differs(
            payment,
            " ".join(_state(session)),
            repaired=run.repairs(lambda: _settled(run, payment, session)),
        )


def _another(run: ReconciliationRun, payment: Payment, session: Session) -> Iterator[Finding]:
    """A session of the order that is not the payment's: its answer was lost, or it was asked for twice."""
    if session.status == "expired":
        run.agrees(session.id, kinds=_KINDS)
        return
    payment.refresh_from_db()
    in_flight = payment.requested_at > run.settled_before or payment.leased_until > run.now
    if in_flight or run.is_moving(session.id, payment.order_id):
        return
    if session.status == "open":
        yield _stray(session, payment.order_id, repaired=run.repairs(lambda: _closed(run, payment, session)))
    elif _state(session) in _PAID and payment.status == Payment.Status.PAID:
        yield from _twice(run, payment, session)
    elif _state(session) in _PAID or gateway.debit_of(session) == Debit.PAID:
        difference = difference_of(payment, session.raw)
        if difference is not None:
            yield _amount(payment, session, difference)
            return
        repaired = run.repairs(lambda: _settled(run, payment, session))
        yield _differs(payment, " ".join(_state(session)), object_id=session.id, repaired=repaired)


def _twice(run: ReconciliationRun, payment: Payment, session: Session) -> Iterator[Finding]:
    intent = reference_id(session.raw.get("payment_intent"))
    if not intent and (invoice_id := reference_id(session.raw.get("invoice"))):
        intent = gateway.payment_intent_of(invoice_id=invoice_id)
    amount_minor = int(session.raw.get("amount_total") or 0)
    if intent and gateway.refunded_of(payment_intent_id=intent) >= amount_minor:
        run.agrees(session.id, kinds=_KINDS)
        return
    details = {"paid": amount_minor, "payment": intent, "first": payment.session_id}
    yield Finding(
        kind=Kind.PAID_TWICE, object_id=session.id, order_id=payment.order_id, details=details, for_people=True
    )


def _of_no_order(run: ReconciliationRun, session: Session, *, is_ours: bool) -> Iterator[Finding]:
    """It says that it is an order's which is not here: another deployment's, or from before a restored backup."""
    may_close = is_ours and session.status == "open"
    repaired = may_close and run.repairs(lambda: _expired(session))
    yield _stray(session, None, repaired=repaired, for_people=not may_close)


def _expired(session: Session) -> bool:
    return gateway.expire_session(session.id).status == "expired"


def _closed(run: ReconciliationRun, payment: Payment, session: Session) -> bool:
    """Nobody was told of it, or its order has ended: closed, unless it was paid in this moment."""
    if payment.status == Payment.Status.REQUESTED:
        undo_checkout(order_id=payment.order_id, by=run.by, why="found by reconciliation")
    now = gateway.expire_session(session.id)
    return now.status == "expired" or _settled(run, payment, now)


def _settled(run: ReconciliationRun, payment: Payment, session: Session) -> bool:
    settle_overdue(order_id=payment.order_id, session=session, by=run.by)
    fresh = Payment.objects.get(pk=payment.pk)
    return fresh.session_id == session.id and _agree(fresh, session)


def _agree(payment: Payment, session: Session) -> bool:
    expected: dict[str, tuple[tuple[str, str], ...]] = {
        Payment.Status.OPEN: (("open", "unpaid"),),
        Payment.Status.PAID: _PAID,
        Payment.Status.EXPIRED: (("expired", "unpaid"),),
        Payment.Status.FAILED: (("expired", "unpaid"), ("complete", "unpaid")),
    }
    if _state(session) in expected.get(payment.status, ()):
        return True
    if _state(session) != ("complete", "unpaid"):
        return False
    # The session stays so whatever becomes of a debit.
    debits = {Payment.Status.PROCESSING: Debit.PROCESSING, Payment.Status.PAID: Debit.PAID}
    return gateway.debit_of(session) == debits.get(Payment.Status(payment.status))


def _state(session: Session) -> tuple[str, str]:
    return session.status, session.payment_status


def _differs(payment: Payment, stripe: str, *, repaired: bool, object_id: str = "") -> Finding:
    return Finding(
        kind=Kind.SESSION_STATE_DIFFERS,
        object_id=object_id or str(payment.session_id),
        order_id=payment.order_id,
        details={"stripe": stripe, "ours": payment.status},
        repaired=repaired,
    )


def _stray(session: Session, order_id: UUID | None, *, repaired: bool, for_people: bool = False) -> Finding:
    details: dict[str, Any] = {"status": session.status, "payment_status": session.payment_status}
    return Finding(
        kind=Kind.STRAY_SESSION,
        object_id=session.id,
        order_id=order_id,
        details=details,
        repaired=repaired,
        for_people=for_people,
    )


def _amount(payment: Payment, session: Session, difference: Kind) -> Finding:
    # As its event would tell of it.
    details = {"asked": payment.amount_minor, "told": session.raw.get("amount_total")}
    return Finding(
        kind=difference,
        object_id=session.id,
        order_id=payment.order_id,
        details=details,
        for_people=True,
    )
