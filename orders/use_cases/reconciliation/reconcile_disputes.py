"""Compares disputes: each has its card entries, and staff have seen it and its loss, also where events were lost."""

from collections.abc import Iterator
from functools import partial
from uuid import UUID

from django.db import transaction

from billing.models import Subscription
from orders.models import Break, Payment
from orders.stripe import gateway
from orders.stripe.gateway import Resource
from orders.stripe.payloads import Object, read_reference, read_subscription_id
from orders.use_cases.books.record_dispute_entries import lacks_dispute_entries, record_dispute_entries
from orders.use_cases.reconciliation.reconcile_charges import read_payment_intents
from orders.use_cases.reconciliation.reconciliation_run import Finding, ReconciliationRun
from orders.use_cases.reconciliation.record_break import is_lost, record_dispute


def reconcile_disputes(run: ReconciliationRun) -> Iterator[Finding]:
    """Compares every dispute that was opened since the start, except those of other businesses on the account."""
    for page in run.list_pages(Resource.DISPUTES, since=run.start):
        named = Payment.objects.filter(payment_intent_id__in=read_payment_intents(page))
        orders = dict(named.values_list("payment_intent_id", "order_id"))
        yield from run.compare_each(page, partial(_compare, run, orders))


def _compare(run: ReconciliationRun, orders: dict[str, UUID], dispute: Object) -> Iterator[Finding]:
    intent = read_reference(dispute.get("payment_intent"))
    order_id, is_known = orders.get(intent), _is_known(dispute)
    if is_known and (order_id is None or not lacks_dispute_entries(dispute, order_id=order_id)):
        return
    if run.is_in_flight(dispute["id"], intent):
        return
    order_id = order_id or _find_order_of_month(intent)
    if order_id is None:
        return
    with transaction.atomic():
        record_dispute_entries(dispute, order_id=order_id, by=run.by)
        if is_known:
            return
        found = record_dispute(dispute, order_id=order_id)
    yield Finding(
        kind=Break.Kind.DISPUTE,
        object_id=found.object_id,
        order_id=order_id,
        details=found.details,
        needs_staff=True,
    )


def _is_known(dispute: Object) -> bool:
    """Returns whether a break, open or closed by staff, names the order and says of the dispute what Stripe says."""
    known = Break.objects.filter(kind=Break.Kind.DISPUTE, object_id=dispute["id"], order_id__isnull=False)
    return (known.filter(details__status="lost") if is_lost(dispute) else known).exists()


def _find_order_of_month(intent: str) -> UUID | None:
    """Finds the order whose subscription a later month's charge paid for. Rare, so it asks Stripe for the invoice."""
    invoice = gateway.find_invoice(payment_intent_id=intent) if intent else None
    if invoice is None:
        return None
    subscription = read_subscription_id(invoice)
    found = Subscription.objects.filter(stripe_subscription_id=subscription or None)
    return found.values_list("order_id", flat=True).first()
