"""Refunds: what is asked for is asked of Stripe, and what Stripe gave back of older payments is booked.

Those of payments within the window are compared with their charges.
"""

from collections.abc import Iterator
from functools import partial

from orders import gateway
from orders.gateway import Listed
from orders.models import Break, Payment, Refund
from orders.use_cases.look_at_stripe import Finding, Look
from orders.use_cases.reconcile_charges import intents_of, refunded
from orders.use_cases.request_refund import send_refund

Kind = Break.Kind


def reconcile_refunds(look: Look) -> Iterator[Finding]:
    """Every refund made or asked for since the start."""
    asked: set[str] = set()
    for page in look.pages(Listed.REFUNDS, since=look.start):
        yield from _of_older(look, intents_of(page), asked)
    done = Refund.objects.filter(status=Refund.Status.DONE, closed_at__gte=look.start)
    intents = done.exclude(payment__payment_intent_id="").values_list("payment__payment_intent_id", flat=True)
    yield from _of_older(look, set(intents), asked)
    waiting = Refund.objects.select_related("payment").filter(status=Refund.Status.REQUESTED)
    yield from look.each(waiting.filter(requested_at__lte=look.settled_before), partial(_not_sent, look))


def _of_older(look: Look, intents: set[str], asked: set[str]) -> Iterator[Finding]:
    older = Payment.objects.filter(
        payment_intent_id__in=intents - asked, status=Payment.Status.PAID, paid_at__lt=look.start
    )
    asked |= intents
    yield from look.each(list(older), partial(_compare, look))


def _compare(look: Look, payment: Payment) -> Iterator[Finding]:
    look.reads()
    intent = payment.payment_intent_id
    told_minor = gateway.refunded_of(payment_intent_id=intent)
    payment.refresh_from_db()
    yield from refunded(look, payment, intent=intent, told_minor=told_minor)


def _not_sent(look: Look, refund: Refund) -> Iterator[Finding]:
    if look.is_moving(refund.payment.order_id):
        return
    yield Finding(
        kind=Kind.REFUND_NOT_SENT,
        object_id=str(refund.id),
        order_id=refund.payment.order_id,
        details={"amount": refund.amount_minor},
        repaired=look.repairs(
            lambda: send_refund(refund_id=refund.id, by=look.by).status == Refund.Status.DONE,
        ),
    )
