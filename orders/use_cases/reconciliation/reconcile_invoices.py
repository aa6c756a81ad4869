"""Compares the months that Stripe charges by itself: each that is paid there is paid here.

The first month of an order is compared with its session (reconcile_sessions.py).
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from django.db import transaction

from billing.models import Invoice, Subscription
from orders.models import Break
from orders.stripe.gateway import Resource
from orders.stripe.payloads import (
    Object,
    bills_month,
    lists_all_lines,
    read_currency,
    read_invoice_paid_at,
    read_subscription_id,
)
from orders.use_cases.payments.find_event_owner import with_all_lines
from orders.use_cases.reconciliation.reconciliation_run import Finding, ReconciliationRun
from orders.use_cases.subscriptions.follow_subscription import (
    PAID_AFTER_END,
    apply_paid_invoice,
    describe_not_followed,
)

Kind = Break.Kind
_KINDS = (Kind.INVOICE_MISSING, Kind.AMOUNT_DIFFERS, Kind.OTHER_CURRENCY)


def reconcile_invoices(run: ReconciliationRun) -> Iterator[Finding]:
    """Compares every paid invoice of our subscriptions that was created since the start."""
    for page in run.list_pages(Resource.INVOICES, since=run.start, status="paid"):
        months = [document for document in page if document.get("billing_reason") != "subscription_create"]
        ours = Invoice.objects.filter(stripe_invoice_id__in=[document["id"] for document in months])
        known = {each.stripe_invoice_id: each for each in ours}
        named = Subscription.objects.exclude(stripe_subscription_id="").filter(
            stripe_subscription_id__in=[read_subscription_id(document) for document in months]
        )
        subscriptions = {each.stripe_subscription_id: each for each in named}
        yield from run.compare_each(months, partial(_compare, run, known, subscriptions))


def _compare(
    run: ReconciliationRun, known: Mapping[str, Invoice], subscriptions: Mapping[str, Subscription], document: Object
) -> Iterator[Finding]:
    subscription, ours = subscriptions.get(read_subscription_id(document)), known.get(document["id"])
    if subscription is None:
        return
    currency, amount_minor = read_currency(document), int(document["amount_paid"])
    details: dict[str, Any] = {
        "stripe": f"{amount_minor} {currency}",
        "ours": f"{ours.status} {ours.amount_minor} {ours.currency}" if ours else "unknown",
    }
    is_paid = ours is not None and ours.status == Invoice.Status.PAID
    kind = Kind.INVOICE_MISSING
    if not bills_month(document):
        kind = Kind.INVOICE_NOT_FOLLOWED
        details = describe_not_followed(document)
    elif currency != subscription.currency:
        kind = Kind.OTHER_CURRENCY
    elif ours is not None and is_paid and ours.amount_minor != amount_minor:
        kind = Kind.AMOUNT_DIFFERS
    elif is_paid:
        run.close_breaks(document["id"], kinds=_KINDS)
        return
    if run.is_in_flight(document["id"]):
        return
    repaired = kind == Kind.INVOICE_MISSING and run.repair_with(lambda: _book_invoice(run, document))
    yield Finding(
        kind=kind,
        object_id=document["id"],
        order_id=subscription.order_id,
        details=details,
        repaired=repaired,
        needs_staff=kind != Kind.INVOICE_MISSING,
    )


def _book_invoice(run: ReconciliationRun, document: Object) -> bool:
    paid_at = read_invoice_paid_at(document) or run.now
    if not lists_all_lines(document):
        document = with_all_lines(document)
    with transaction.atomic():
        return apply_paid_invoice(document, as_of=paid_at) in ("renewed", PAID_AFTER_END)
