"""Composes documents: their kind, the VAT that they include, and the snapshot of seller, buyer and lines."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Q

from billing.local_time import local_day, utc_text
from billing.models import Invoice, Subscription
from orders.models import CardEntry, Document, Order, VatRate
from orders.models.basket import Line
from orders.use_cases.documents.movement import Movement
from orders.use_cases.documents.vat import load_rates, points_at, rate_at, vat_of_part

logger = logging.getLogger(__name__)
Cause = Document.Cause


class Part(NamedTuple):
    """An entry that a document is about. `before_minor` was refunded of the same payment before.

    The VAT of single-purpose credit was due when it was sold, and free credit has none (books/vat_of_credit.sql).
    """

    entry_id: UUID
    amount_minor: int
    before_minor: int = 0
    single_minor: int = 0
    free_minor: int = 0

    def vat_minor(self, basis_points: int) -> int:
        """The VAT that it includes."""
        return vat_of_part(
            self.amount_minor,
            basis_points,
            untaxed_minor=self.single_minor + self.free_minor,
            before_minor=self.before_minor,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The orders of some movements, with what documents say of them."""

    orders: dict[UUID, Order]
    spends: dict[UUID, Part]
    credit: dict[UUID, Part]
    payments: dict[tuple[UUID, str], Part]
    months: dict[UUID | str, Invoice]
    rates: list[VatRate]


def compose_documents(movements: Sequence[Movement]) -> Iterator[Document]:
    """Yields the documents of these movements. A sale that credit and a card paid has one document for both.

    The caller saves each before it takes the next, which may correct it.
    """
    sources = _load_sources(movements)
    done: set[UUID | None] = set()
    for movement in movements:
        if movement.order_id not in sources.orders:
            logger.error("entry %s has no document: its order is unknown", movement.id)
        elif movement.id not in done:
            document = _compose(movement, sources)
            done |= {document.ledger_entry_id, document.card_entry_id}
            yield document


# What the entries took from credit or gave back to it, by how its VAT is treated.
_CREDIT = """
SELECT e.id, e.order_id, e.kind, abs(e.amount_minor), abs(part.single_minor), abs(part.free_minor)
  FROM billing_ledgerentry e CROSS JOIN LATERAL orders_vat_parts(e.id, '[]', 'UTC') AS part
 WHERE e.id = ANY (%s) OR (e.order_id = ANY (%s) AND e.kind = 'spend')
"""


def _load_sources(movements: Sequence[Movement]) -> Sources:
    """Six queries."""
    order_ids = [each.order_id for each in movements]
    orders = Order.objects.select_related("customer", "organization", "payment", "renews").prefetch_related("lines")
    with connection.cursor() as cursor:
        cursor.execute(_CREDIT, [[each.id for each in movements if not each.is_card], order_ids])
        rows = cursor.fetchall()
    payments = CardEntry.objects.filter(kind=CardEntry.Kind.PAYMENT, order_id__in=order_ids)
    months = Invoice.objects.filter(Q(order_id__in=order_ids) | Q(subscription__order_id__in=order_ids))
    return Sources(
        orders=orders.in_bulk(order_ids),
        spends={order: Part(key, minor, 0, *parts) for key, order, kind, minor, *parts in rows if kind == "spend"},
        credit={key: Part(key, minor, 0, *parts) for key, _order, _kind, minor, *parts in rows},
        payments={
            (each.order_id, each.stripe_object_id): Part(each.id, each.amount_minor)
            for each in payments
            if each.order_id
        },
        months={key: each for each in months for key in (each.order_id, each.stripe_invoice_id) if key},
        rates=load_rates(),
    )


def _compose(movement: Movement, sources: Sources) -> Document:
    order = sources.orders[movement.order_id]
    rate = rate_at(sources.rates, movement.taxed_at)
    basis_points = points_at(sources.rates, movement.taxed_at)
    credit, card = _parts(movement, order, sources)
    credit_vat_minor = credit.vat_minor(basis_points) if credit else 0
    card_vat_minor = card.vat_minor(basis_points) if card else 0
    cause = _cause(movement, order)
    kind = _kind(cause, has_rate=rate is not None)
    return Document(
        kind=kind,
        cause=cause,
        series=f"{Document.PREFIXES[kind]}-{local_day(movement.at).year}",
        order=order,
        corrects=_find_corrected(movement),
        ledger_entry_id=credit.entry_id if credit else None,
        card_entry_id=card.entry_id if card else None,
        credit_minor=credit.amount_minor if credit else 0,
        card_minor=card.amount_minor if card else 0,
        vat_minor=credit_vat_minor + card_vat_minor,
        basis_points=basis_points,
        currency=order.currency,
        details={
            "seller": {
                "name": settings.SELLER_NAME,
                "address": settings.SELLER_ADDRESS,
                "vat_number": settings.SELLER_VAT_NUMBER,
            },
            "buyer": {
                "organization": order.organization.name,
                "email": order.customer.email,
                "vat_number": order.organization.vat_number,
            },
            "lines": _lines(
                movement, order, sources, total_minor=sum(part.amount_minor for part in (credit, card) if part)
            ),
            **({"bundle": order.bundle} if order.bundle else {}),
            "period": _period(movement, sources),
            "credit_vat_minor": credit_vat_minor,
            "card_vat_minor": card_vat_minor,
            "single_purpose_minor": credit.single_minor if credit else 0,
            "free_minor": credit.free_minor if credit else 0,
        },
        supplied_at=movement.at,
    )


def _parts(movement: Movement, order: Order, sources: Sources) -> tuple[Part | None, Part | None]:
    """Returns the credit's part and the card's. One transaction spends an order's credit and records its payment."""
    if movement.kind in ("spent", Cause.CREDIT_RETURNED):
        own = sources.credit[movement.id]
    else:
        own = Part(movement.id, movement.amount_minor, movement.before_minor)
    payment = getattr(order, "payment", None)
    session = (payment.session_id or str(order.id)) if payment else ""
    if movement.kind == "spent":
        return own, sources.payments.get((order.id, session))
    if movement.kind == "payment":
        return sources.spends.get(order.id) if movement.source == session else None, own
    return (None, own) if movement.is_card else (own, None)


def _cause(movement: Movement, order: Order) -> Document.Cause:
    if movement.kind not in ("spent", "payment"):
        return Cause(movement.kind)
    payment = getattr(order, "payment", None)
    if movement.kind == "payment" and (payment is None or movement.source not in (payment.session_id, str(order.id))):
        return Cause.MONTH
    return Cause.ORDER if order.completed_at else Cause.EARLY_PAYMENT


def _kind(cause: Document.Cause, *, has_rate: bool) -> Document.Kind:
    if cause in Document.CREDITING:
        return Document.Kind.CREDIT_NOTE
    return Document.Kind.INVOICE if has_rate and cause != Cause.EARLY_PAYMENT else Document.Kind.RECEIPT


def _lines(movement: Movement, order: Order, sources: Sources, *, total_minor: int) -> list[dict[str, Any]]:
    """Returns what was sold. What was paid back has no lines: it names the document that it corrects."""
    if movement.kind not in ("spent", "payment"):
        return []
    lines = [Line.of(line) for line in sorted(order.lines.all(), key=lambda line: line.position)]
    month = sources.months.get(movement.source)
    if month is not None and month.order_id != order.id:
        # A later month of the order's subscription, which the card paid, at the VAT of its first day.
        basis_points = points_at(sources.rates, month.period_start)
        lines = [line.at_rate(basis_points) for line in lines]
    if sum(line.price_minor for line in lines) != total_minor:
        # A month of a subscription whose price at Stripe is another one.
        return []
    return [
        {"name": line.name, "price_minor": line.price_minor}
        | ({"name_ar": line.name_ar} if line.name_ar else {})
        | ({"discount_minor": line.discount_minor} if order.bundle else {})
        for line in lines
    ]


def _period(movement: Movement, sources: Sources) -> list[str]:
    """Returns the first instant of the paid month and the first after it; empty where there is none."""
    month = sources.months.get(movement.source) or sources.months.get(movement.order_id)
    if month is None or movement.kind not in ("spent", "payment"):
        return []
    return [utc_text(month.period_start), utc_text(month.period_end)]


def _find_corrected(movement: Movement) -> Document | None:
    """Finds the document that a movement corrects. One query, and two for an unused month."""
    if movement.corrected_entry_id is not None:
        entry_id = movement.corrected_entry_id
        return Document.objects.filter(Q(ledger_entry=entry_id) | Q(card_entry=entry_id)).first()
    if movement.kind != "unused_month":
        return None
    subscription = Subscription.objects.filter(id=movement.source.removeprefix("proration:")).first()
    if subscription is None:
        return None
    paid = Document.objects.filter(cause__in=[Cause.ORDER, Cause.MONTH])
    of_subscription = paid.filter(Q(order=subscription.order_id) | Q(order__renews=subscription))
    return of_subscription.order_by("-supplied_at", "-id").first()
