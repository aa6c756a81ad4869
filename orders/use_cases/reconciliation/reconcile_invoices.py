"""The months that Stripe charges by itself: each paid there is paid here. An order's first is its session's."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial

from django.db import transaction

from billing.models import Invoice, Subscription
from orders.models import Break
from orders.stripe.gateway import Listed
from orders.use_cases.reconciliation.reconciliation_run import Finding, Object, ReconciliationRun
from orders.use_cases.subscriptions.follow_subscription import PAID_AFTER_END, book_paid_invoice, subscription_id_of

Kind = Break.Kind
_KINDS = (Kind.INVOICE_MISSING, Kind.AMOUNT_DIFFERS, Kind.OTHER_CURRENCY)


def reconcile_invoices(run: ReconciliationRun) -> Iterator[Finding]:
    """Every paid invoice of a subscription of ours that was made since the start."""
    for page in run.pages(Listed.INVOICES, since=run.start, status="paid"):
        months = [told for told in page if told.get("billing_reason") != "subscription_create"]
        ours = Invoice.objects.filter(stripe_invoice_id__in=[told["id"] for told in months])
        known = {each.stripe_invoice_id: each for each in ours}
        named = Subscription.objects.exclude(stripe_subscription_id="").filter(
            stripe_subscription_id__in=[subscription_id_of(told) for told in months]
        )
        subscriptions = {each.stripe_subscription_id: each for each in named}
        yield from run.each(months, partial(_compare, run, known, subscriptions))


def _compare(
    run: ReconciliationRun, known: Mapping[str, Invoice], subscriptions: Mapping[str, Subscription], told: Object
) -> Iterator[Finding]:
    subscription, ours = subscriptions.get(subscription_id_of(told)), known.get(told["id"])
    if subscription is None:
        return
    currency, amount_minor = str(told["currency"]).upper(), int(told["amount_paid"])
    details = {
        "stripe": f"{amount_minor} {currency}",
        "ours": f"{ours.status} {ours.amount_minor} {ours.currency}" if ours else "unknown",
    }
    is_paid = ours is not None and ours.status == Invoice.Status.PAID
    kind = Kind.INVOICE_MISSING
    if currency != subscription.currency:
        kind = Kind.OTHER_CURRENCY
    elif ours is not None and is_paid and ours.amount_minor != amount_minor:
        kind = Kind.AMOUNT_DIFFERS
    elif is_paid:
        run.agrees(told["id"], kinds=_KINDS)
        return
    if run.is_moving(told["id"]):
        return
    repaired = kind == Kind.INVOICE_MISSING and run.repairs(lambda: _booked(run, told))
    yield Finding(
        kind=kind,
        object_id=told["id"],
        order_id=subscription.order_id,
        details=details,
        repaired=repaired,
        for_people=kind != Kind.INVOICE_MISSING,
    )


def _booked(run: ReconciliationRun, told: Object) -> bool:
    seconds = (told.get("status_transitions") or {}).get("paid_at")
    paid_at = datetime.fromtimestamp(int(seconds), tz=UTC) if seconds else run.now
    with transaction.atomic():
        return book_paid_invoice(told, told_at=paid_at) in ("renewed", PAID_AFTER_END)
