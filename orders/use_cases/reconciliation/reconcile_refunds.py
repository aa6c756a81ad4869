"""Compares refunds: each requested one was sent to Stripe, and each that Stripe made is in the books.

Refunds of payments from before the run's start are compared here. Those of later payments are compared with their
charges (reconcile_charges.py).
"""

from collections.abc import Iterator
from functools import partial

from orders.models import Break, Payment, Refund
from orders.stripe import gateway
from orders.stripe.gateway import Resource
from orders.use_cases.payments.request_refund import send_refund
from orders.use_cases.reconciliation.reconcile_charges import compare_refunded, read_payment_intents
from orders.use_cases.reconciliation.reconciliation_run import Finding, ReconciliationRun

Kind = Break.Kind


def reconcile_refunds(run: ReconciliationRun) -> Iterator[Finding]:
    """Compares every refund that was made or requested since the start."""
    compared: set[str] = set()
    for page in run.list_pages(Resource.REFUNDS, since=run.start):
        yield from _compare_older(run, read_payment_intents(page), compared)
    done = Refund.objects.filter(status=Refund.Status.DONE, closed_at__gte=run.start)
    intents = done.exclude(payment__payment_intent_id="").values_list("payment__payment_intent_id", flat=True)
    yield from _compare_older(run, set(intents), compared)
    waiting = Refund.objects.select_related("payment").filter(status=Refund.Status.REQUESTED)
    yield from run.compare_each(waiting.filter(requested_at__lte=run.in_flight_since), partial(_check_sent, run))


def _compare_older(run: ReconciliationRun, intents: set[str], compared: set[str]) -> Iterator[Finding]:
    older = Payment.objects.filter(
        payment_intent_id__in=intents - compared, status=Payment.Status.PAID, paid_at__lt=run.start
    )
    compared |= intents
    yield from run.compare_each(list(older), partial(_compare, run))


def _compare(run: ReconciliationRun, payment: Payment) -> Iterator[Finding]:
    run.forget_recent_events()
    intent = payment.payment_intent_id
    stripe_minor = gateway.fetch_refunded_minor(payment_intent_id=intent)
    payment.refresh_from_db()
    yield from compare_refunded(run, payment, intent=intent, stripe_minor=stripe_minor)


def _check_sent(run: ReconciliationRun, refund: Refund) -> Iterator[Finding]:
    if run.is_in_flight(refund.payment.order_id):
        return
    yield Finding(
        kind=Kind.REFUND_NOT_SENT,
        object_id=str(refund.id),
        order_id=refund.payment.order_id,
        details={"amount": refund.amount_minor},
        repaired=run.repair_with(
            lambda: send_refund(refund_id=refund.id, by=run.by).status == Refund.Status.DONE,
        ),
    )
