"""Money that cards paid: each charge belongs to an order's payment or to a later month, for its amount.

A charge that carries no order of ours and is none of our customers' is another business's of the same account.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q

from billing.models import Invoice, Subscription
from orders.locks import lock_order
from orders.models import Break, Order, Payment
from orders.stripe import gateway
from orders.stripe.gateway import Listed, reference_id
from orders.use_cases.payments.request_refund import book_refunded
from orders.use_cases.reconciliation.reconciliation_run import (
    Finding,
    Object,
    ReconciliationRun,
    carried_order,
    known_customers,
)
from orders.use_cases.subscriptions.follow_subscription import details_of, order_id_in, subscription_id_of

Kind = Break.Kind
_KINDS = (Kind.AMOUNT_DIFFERS, Kind.OTHER_CURRENCY, Kind.UNKNOWN_CHARGE, Kind.PAYMENT_NOT_LINKED)


@dataclass(frozen=True, slots=True)
class _Known:
    """What we have about a page of charges."""

    invoice_of: dict[str, str]
    payments: tuple[Payment, ...]
    months: dict[str, Invoice]
    orders: frozenset[Any]
    customers: frozenset[str]

    def payment(self, intent: str, invoice: str) -> Payment | None:
        """The payment that names the intent, else the one that names its invoice."""
        by_intent = (each for each in self.payments if each.payment_intent_id == intent)
        by_invoice = (each for each in self.payments if invoice and each.stripe_invoice_id == invoice)
        return next(by_intent, None) or next(by_invoice, None)


def reconcile_charges(run: ReconciliationRun) -> Iterator[Finding]:
    """Every charge made since the start, with what was given back of it."""
    invoice_of = {
        reference_id(paid["payment"].get("payment_intent")): reference_id(paid["invoice"])
        for page in run.pages(Listed.INVOICE_PAYMENTS, since=run.start, status="paid")
        for paid in page
    }
    for page in run.pages(Listed.CHARGES, since=run.start):
        made = [told for told in page if told["status"] == "succeeded"]
        known = _known(made, invoice_of)
        yield from run.each(made, partial(_compare, run, known))


def _known(page: list[Object], invoice_of: dict[str, str]) -> _Known:
    intents = [reference_id(told.get("payment_intent")) for told in page]
    invoices = [invoice for intent in intents if (invoice := invoice_of.get(intent))]
    carried = [order_id for told in page if (order_id := carried_order(told))]
    named = Q(payment_intent_id__in=[intent for intent in intents if intent]) | Q(stripe_invoice_id__in=invoices)
    return _Known(
        invoice_of=invoice_of,
        payments=tuple(Payment.objects.filter(named)),
        months={each.stripe_invoice_id: each for each in Invoice.objects.filter(stripe_invoice_id__in=invoices)},
        orders=frozenset(Order.objects.filter(id__in=carried).values_list("id", flat=True)),
        customers=known_customers(page),
    )


def _compare(run: ReconciliationRun, known: _Known, told: Object) -> Iterator[Finding]:
    intent = reference_id(told.get("payment_intent"))
    invoice_id = known.invoice_of.get(intent, "")
    payment = known.payment(intent, invoice_id)
    if payment is not None:
        if payment.payment_intent_id != intent and _should_be_linked(run, payment, intent):
            yield _not_linked(run, payment, intent)
        yield from _of_payment(run, payment, told)
    elif invoice_id in known.months:
        yield from _of_month(run, known.months[invoice_id], told)
    elif carried_order(told) in known.orders:
        # Of a session of that order, which is compared there.
        return
    elif reference_id(told.get("customer")) in known.customers or carried_order(told):
        yield from _of_nothing(run, told, intent)


def _should_be_linked(run: ReconciliationRun, payment: Payment, intent: str) -> bool:
    """Whether the job that links it has had its time."""
    if payment.paid_at is None or payment.paid_at > run.settled_before:
        return False
    return not run.is_moving(intent, payment.order_id)


def _not_linked(run: ReconciliationRun, payment: Payment, intent: str) -> Finding:
    def link() -> bool:
        return Payment.objects.filter(pk=payment.pk, payment_intent_id="").update(payment_intent_id=intent) == 1

    return Finding(
        kind=Kind.PAYMENT_NOT_LINKED,
        object_id=intent,
        order_id=payment.order_id,
        details={"ours": payment.payment_intent_id},
        repaired=run.repairs(link),
    )


def _of_payment(run: ReconciliationRun, payment: Payment, told: Object) -> Iterator[Finding]:
    difference = _difference(told, amount_minor=payment.amount_minor, currency=payment.currency)
    if difference is not None:
        details = {"stripe": _money(told), "ours": f"{payment.amount_minor} {payment.currency}"}
        yield Finding(
            kind=difference, object_id=told["id"], order_id=payment.order_id, details=details, for_people=True
        )
        return
    intent = reference_id(told["payment_intent"])
    run.agrees(told["id"], *([intent] if payment.payment_intent_id == intent else []), kinds=_KINDS)
    yield from refunded(run, payment, intent=intent, told_minor=told["amount_refunded"])


def refunded(run: ReconciliationRun, payment: Payment, *, intent: str, told_minor: int) -> Iterator[Finding]:
    """What Stripe gave back of a payment, compared with what is booked."""
    if told_minor == payment.refunded_minor:
        run.agrees(intent, kinds=[Kind.REFUND_DIFFERS])
        return
    if run.is_moving(intent, payment.order_id):
        return
    yield Finding(
        kind=Kind.REFUND_DIFFERS,
        object_id=intent,
        order_id=payment.order_id,
        details={"stripe": told_minor, "ours": payment.refunded_minor},
        repaired=run.repairs(lambda: _booked(run, payment, told_minor)),
        for_people=told_minor < payment.refunded_minor,
    )


def _booked(run: ReconciliationRun, payment: Payment, told_minor: int) -> bool:
    """False where the books say more: what was told to have been given back was not, or came back."""
    with transaction.atomic():
        order = lock_order(order_id=payment.order_id)
        book_refunded(order=order, refunded_minor=told_minor, why="found by reconciliation", by=run.by)
    return order.payment.refunded_minor == told_minor


def _of_month(run: ReconciliationRun, month: Invoice, told: Object) -> Iterator[Finding]:
    """A later month, which Stripe charges by itself; what is given back of it is not in our books."""
    order_id = Subscription.objects.values_list("order_id", flat=True).get(id=month.subscription_id)
    difference = _difference(told, amount_minor=month.amount_minor, currency=month.currency)
    if difference is not None:
        details = {"stripe": _money(told), "ours": f"{month.amount_minor} {month.currency}"}
        yield Finding(kind=difference, object_id=told["id"], order_id=order_id, details=details, for_people=True)
        return
    run.agrees(told["id"], kinds=_KINDS)
    details = {"refunded": told["amount_refunded"], "invoice": month.stripe_invoice_id}
    if told["amount_refunded"]:
        yield Finding(
            kind=Kind.RENEWAL_REFUNDED, object_id=told["id"], order_id=order_id, details=details, for_people=True
        )


def _of_nothing(run: ReconciliationRun, told: Object, intent: str) -> Iterator[Finding]:
    if told["amount_refunded"] >= told["amount"]:
        run.agrees(told["id"], kinds=_KINDS)
        return
    if run.is_moving(told["id"], intent) or (intent and _is_of_ours(gateway.invoice_of(payment_intent_id=intent))):
        return
    details = {"stripe": _money(told), "order": str(carried_order(told) or "")}
    yield Finding(kind=Kind.UNKNOWN_CHARGE, object_id=told["id"], details=details, for_people=True)


def _is_of_ours(invoice: Object | None) -> bool:
    """Whether it is a month of a subscription of an order, which is compared as an invoice or a session."""
    if invoice is None:
        return False
    subscribed = Subscription.objects.filter(stripe_subscription_id=subscription_id_of(invoice) or None)
    order_id = order_id_in(details_of(invoice).get("metadata"))
    return subscribed.exists() or (order_id is not None and Order.objects.filter(id=order_id).exists())


def _difference(told: Object, *, amount_minor: int, currency: str) -> Kind | None:
    if str(told["currency"]).upper() != currency:
        return Kind.OTHER_CURRENCY
    return None if told["amount"] == amount_minor else Kind.AMOUNT_DIFFERS


def _money(told: Object) -> str:
    return f"{told['amount']} {str(told['currency']).upper()}"


def intents_of(page: Iterable[Object]) -> set[str]:
    """The payments that a page's objects are about."""
    return {reference_id(told.get("payment_intent")) for told in page} - {""}
