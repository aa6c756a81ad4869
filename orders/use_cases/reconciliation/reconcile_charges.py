"""Compares charges: each belongs to an order's payment or to a later month, and has its amount.

A charge that carries no order of ours and is of none of our customers belongs to another business on the account.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from billing.models import Invoice, Subscription
from orders.locks import lock_order
from orders.models import Break, Order, Payment
from orders.stripe import gateway
from orders.stripe.gateway import Resource
from orders.stripe.payloads import (
    Object,
    read_currency,
    read_invoice_order_id,
    read_order_id,
    read_reference,
    read_subscription_id,
)
from orders.use_cases.books.record_month_refund import record_month_refund
from orders.use_cases.payments.request_refund import record_refunded_total
from orders.use_cases.reconciliation.reconciliation_run import (
    Finding,
    ReconciliationRun,
    find_our_customers,
)

Kind = Break.Kind
_KINDS = (Kind.AMOUNT_DIFFERS, Kind.OTHER_CURRENCY, Kind.UNKNOWN_CHARGE, Kind.PAYMENT_NOT_LINKED)


@dataclass(frozen=True, slots=True)
class _ChargeRows:
    """Our rows about a page of charges."""

    invoice_ids: dict[str, str]
    payments: tuple[Payment, ...]
    months: dict[str, Invoice]
    order_ids: frozenset[UUID]
    customer_ids: frozenset[str]

    def find_payment(self, intent: str, invoice: str) -> Payment | None:
        """Finds the payment that names the intent, else the one that names its invoice."""
        by_intent = (each for each in self.payments if each.payment_intent_id == intent)
        by_invoice = (each for each in self.payments if invoice and each.stripe_invoice_id == invoice)
        return next(by_intent, None) or next(by_invoice, None)


def reconcile_charges(run: ReconciliationRun) -> Iterator[Finding]:
    """Compares every charge since the start, with what was refunded of it."""
    invoice_ids = {
        read_reference(paid["payment"].get("payment_intent")): read_reference(paid["invoice"])
        for page in run.list_pages(Resource.INVOICE_PAYMENTS, since=run.start, status="paid")
        for paid in page
    }
    for page in run.list_pages(Resource.CHARGES, since=run.start):
        succeeded = [document for document in page if document["status"] == "succeeded"]
        rows = _load_rows(succeeded, invoice_ids)
        yield from run.compare_each(succeeded, partial(_compare, run, rows))


def _load_rows(page: list[Object], invoice_ids: dict[str, str]) -> _ChargeRows:
    intents = [read_reference(document.get("payment_intent")) for document in page]
    invoices = [invoice for intent in intents if (invoice := invoice_ids.get(intent))]
    carried = [order_id for document in page if (order_id := read_order_id(document))]
    named = Q(payment_intent_id__in=[intent for intent in intents if intent]) | Q(stripe_invoice_id__in=invoices)
    return _ChargeRows(
        invoice_ids=invoice_ids,
        payments=tuple(Payment.objects.filter(named)),
        months={each.stripe_invoice_id: each for each in Invoice.objects.filter(stripe_invoice_id__in=invoices)},
        order_ids=frozenset(Order.objects.filter(id__in=carried).values_list("id", flat=True)),
        customer_ids=find_our_customers(page),
    )


def _compare(run: ReconciliationRun, rows: _ChargeRows, document: Object) -> Iterator[Finding]:
    intent = read_reference(document.get("payment_intent"))
    invoice_id = rows.invoice_ids.get(intent, "")
    payment = rows.find_payment(intent, invoice_id)
    if payment is not None:
        if payment.payment_intent_id != intent and _link_is_overdue(run, payment, intent):
            yield _report_unlinked(run, payment, intent)
        yield from _compare_with_payment(run, payment, document)
    elif invoice_id in rows.months:
        yield from _compare_with_month(run, rows.months[invoice_id], document)
    elif read_order_id(document) in rows.order_ids:
        # A charge of another session of that order: the sessions are compared in reconcile_sessions.py.
        return
    elif read_reference(document.get("customer")) in rows.customer_ids or read_order_id(document):
        yield from _check_unknown(run, document, intent)


def _link_is_overdue(run: ReconciliationRun, payment: Payment, intent: str) -> bool:
    """Returns whether the job that links the payment to its intent should have run by now."""
    if payment.paid_at is None or payment.paid_at > run.in_flight_since:
        return False
    return not run.is_in_flight(intent, payment.order_id)


def _report_unlinked(run: ReconciliationRun, payment: Payment, intent: str) -> Finding:
    def link() -> bool:
        return Payment.objects.filter(pk=payment.pk, payment_intent_id="").update(payment_intent_id=intent) == 1

    return Finding(
        kind=Kind.PAYMENT_NOT_LINKED,
        object_id=intent,
        order_id=payment.order_id,
        details={"ours": payment.payment_intent_id},
        repaired=run.repair_with(link),
    )


def _compare_with_payment(run: ReconciliationRun, payment: Payment, document: Object) -> Iterator[Finding]:
    difference = _find_difference(document, amount_minor=payment.amount_minor, currency=payment.currency)
    if difference is not None:
        details = {"stripe": _format_amount(document), "ours": f"{payment.amount_minor} {payment.currency}"}
        yield Finding(
            kind=difference, object_id=document["id"], order_id=payment.order_id, details=details, needs_staff=True
        )
        return
    intent = read_reference(document["payment_intent"])
    run.close_breaks(document["id"], *([intent] if payment.payment_intent_id == intent else []), kinds=_KINDS)
    yield from compare_refunded(run, payment, intent=intent, stripe_minor=document["amount_refunded"])


def compare_refunded(
    run: ReconciliationRun, payment: Payment, *, intent: str, stripe_minor: int
) -> Iterator[Finding]:
    """Compares what Stripe refunded of a payment with the books."""
    if stripe_minor == payment.refunded_minor:
        run.close_breaks(intent, kinds=[Kind.REFUND_DIFFERS])
        return
    if run.is_in_flight(intent, payment.order_id):
        return
    yield Finding(
        kind=Kind.REFUND_DIFFERS,
        object_id=intent,
        order_id=payment.order_id,
        details={"stripe": stripe_minor, "ours": payment.refunded_minor},
        repaired=run.repair_with(lambda: _book_refunds(run, payment, stripe_minor)),
        needs_staff=stripe_minor < payment.refunded_minor,
    )


def _book_refunds(run: ReconciliationRun, payment: Payment, stripe_minor: int) -> bool:
    """Books the refunds; False where the books say more than Stripe: a refund failed, or the bank returned it."""
    with transaction.atomic():
        order = lock_order(order_id=payment.order_id)
        record_refunded_total(order=order, refunded_minor=stripe_minor, reason="found by reconciliation", by=run.by)
    return order.payment.refunded_minor == stripe_minor


def _compare_with_month(run: ReconciliationRun, month: Invoice, document: Object) -> Iterator[Finding]:
    """Compares the charge of a later month, which Stripe charges by itself, and posts what was refunded of it."""
    order_id = Subscription.objects.values_list("order_id", flat=True).get(id=month.subscription_id)
    difference = _find_difference(document, amount_minor=month.amount_minor, currency=month.currency)
    if difference is not None:
        details = {"stripe": _format_amount(document), "ours": f"{month.amount_minor} {month.currency}"}
        yield Finding(kind=difference, object_id=document["id"], order_id=order_id, details=details, needs_staff=True)
        return
    run.close_breaks(document["id"], kinds=_KINDS)
    details = {"refunded": document["amount_refunded"], "invoice": month.stripe_invoice_id}
    if document["amount_refunded"]:
        run.repair_with(partial(_post_month_refund, month, document["amount_refunded"]))
        yield Finding(
            kind=Kind.RENEWAL_REFUNDED, object_id=document["id"], order_id=order_id, details=details, needs_staff=True
        )


def _post_month_refund(month: Invoice, refunded_minor: int) -> bool:
    with transaction.atomic():
        return record_month_refund(month=month, refunded_minor=refunded_minor)


def _check_unknown(run: ReconciliationRun, document: Object, intent: str) -> Iterator[Finding]:
    if document["amount_refunded"] >= document["amount"]:
        run.close_breaks(document["id"], kinds=_KINDS)
        return
    if run.is_in_flight(document["id"], intent) or (
        intent and _bills_our_subscription(gateway.find_invoice(payment_intent_id=intent))
    ):
        return
    details = {"stripe": _format_amount(document), "order": str(read_order_id(document) or "")}
    yield Finding(kind=Kind.UNKNOWN_CHARGE, object_id=document["id"], details=details, needs_staff=True)


def _bills_our_subscription(invoice: Object | None) -> bool:
    """Returns whether the invoice bills a subscription or order of ours; others compare those."""
    if invoice is None:
        return False
    subscribed = Subscription.objects.filter(stripe_subscription_id=read_subscription_id(invoice) or None)
    order_id = read_invoice_order_id(invoice)
    return subscribed.exists() or (order_id is not None and Order.objects.filter(id=order_id).exists())


def _find_difference(document: Object, *, amount_minor: int, currency: str) -> Kind | None:
    if read_currency(document) != currency:
        return Kind.OTHER_CURRENCY
    return None if document["amount"] == amount_minor else Kind.AMOUNT_DIFFERS


def _format_amount(document: Object) -> str:
    return f"{document['amount']} {read_currency(document)}"


def read_payment_intents(page: Iterable[Object]) -> set[str]:
    """Reads the payment intents that a page's objects are about."""
    return {read_reference(document.get("payment_intent")) for document in page} - {""}
