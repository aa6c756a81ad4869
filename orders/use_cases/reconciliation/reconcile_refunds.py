"""Refunds: what is asked for is asked of Stripe, and what Stripe gave back of older payments is booked.

Those of payments within the window are compared with their charges.
"""

from collections.abc import Iterator
from functools import partial

from orders.models import Break, Payment, Refund
from orders.stripe import gateway
from orders.stripe.gateway import Listed
from orders.use_cases.payments.request_refund import send_refund
from orders.use_cases.reconciliation.reconcile_charges import intents_of, refunded
from orders.use_cases.reconciliation.reconciliation_run import Finding, ReconciliationRun

Kind = Break.Kind


def reconcile_refunds(run: ReconciliationRun) -> Iterator[Finding]:
    """Every refund made or asked for since the start."""
    asked: set[str] = set()
    for page in run.pages(Listed.REFUNDS, since=run.start):
        yield from _of_older(run, intents_of(page), asked)
    done = Refund.objects.filter(status=Refund.Status.DONE, closed_at__gte=run.start)
    intents = done.exclude(payment__payment_intent_id="").values_list("payment__payment_intent_id", flat=True)
    yield from _of_older(run, set(intents), asked)
    waiting = Refund.objects.select_related("payment").filter(status=Refund.Status.REQUESTED)
    yield from run.each(waiting.filter(requested_at__lte=run.settled_before), partial(_not_sent, run))


def _of_older(run: ReconciliationRun, intents: set[str], asked: set[str]) -> Iterator[Finding]:
    older = Payment.objects.filter(
        payment_intent_id__in=intents - asked, status=Payment.Status.PAID, paid_at__lt=run.start
    )
    asked |= intents
    yield from run.each(list(older), partial(_compare, run))


def _compare(run: ReconciliationRun, payment: Payment) -> Iterator[Finding]:
    run.reads()
    intent = payment.payment_intent_id
    told_minor = gateway.refunded_of(payment_intent_id=intent)
    payment.refresh_from_db()
    yield from refunded(run, payment, intent=intent, told_minor=told_minor)


def _not_sent(run: ReconciliationRun, refund: Refund) -> Iterator[Finding]:
    if run.is_moving(refund.payment.order_id):
        return
    yield Finding(
        kind=Kind.REFUND_NOT_SENT,
        object_id=str(refund.id),
        order_id=refund.payment.order_id,
        details={"amount": refund.amount_minor},
        repaired=run.repairs(
            lambda: send_refund(refund_id=refund.id, by=run.by).status == Refund.Status.DONE,
        ),
    )
