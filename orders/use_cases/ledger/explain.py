"""Explains a balance by its lots, their origin and their uses, and an order or a month by what paid it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from billing.models import Customer, Invoice, LedgerEntry
from billing.use_cases.past.position_at import LotAt, PositionAt, position_at
from orders.errors import InvoiceNotFound, OrderNotFound
from orders.models import CardEntry, Order
from orders.use_cases.ledger.allocate_credit import Part, allocate_credit


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The entry that brought credit, and what is behind it: redemption, code or card, batch, campaign and people."""

    entry_id: UUID
    at: datetime
    kind: str
    reason: str
    note: str
    amount_minor: int
    actor_id: str
    redemption_id: UUID | None
    code: str | None
    card_serial: int | None
    batch: str | None
    batch_approved_by: str | None
    campaign_id: UUID | None
    campaign: str | None
    campaign_approved_by: str | None
    issued_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A part of credit that an entry took: for an order, or by an expiry or a correction."""

    entry_id: UUID
    at: datetime
    kind: str
    reason: str
    order_id: UUID | None
    organization: str | None
    part_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedLot:
    """The rest of some credit, its origin and its uses."""

    lot: LotAt
    origin: Origin
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedBalance:
    """A customer's balance, explained lot by lot."""

    customer: Customer
    position: PositionAt
    lots: tuple[ExplainedLot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A part of an order that some credit paid."""

    part_minor: int
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedOrder:
    """An order, the credit that paid it by its origin, and the payments and refunds of its card.

    `sources` are the credit that still pays for it, `given_back_minor` the part that went back to the balance.
    `month` is the invoice of a month that Stripe charges, which has no order of its own: `order` began its
    subscription.
    """

    order: Order
    sources: tuple[Source, ...]
    card: tuple[CardEntry, ...]
    given_back_minor: int = 0
    month: Invoice | None = None

    @property
    def customer(self) -> Customer:
        return self.order.customer

    @property
    def total_minor(self) -> int:
        return self.month.amount_minor if self.month else self.order.total_minor

    @property
    def due_by_card_minor(self) -> int:
        return self.month.amount_minor if self.month else self.order.amount_due_minor

    @property
    def credit_minor(self) -> int:
        """Returns the credit that paid it, with what was given back since."""
        return sum(source.part_minor for source in self.sources) + self.given_back_minor


# Stripe's ids of invoices begin so.
_STRIPE_INVOICE = "in_"
_ORIGINS = """
SELECT e.id, e.created_at, e.kind, e.reason, e.note, e.amount_minor, e.actor_id, r.id, c.code, r.card_serial,
       CASE WHEN b.id IS NOT NULL THEN c.code END, nullif(b.approved_by, ''), g.id, g.name, nullif(g.approved_by, ''),
       coalesce(b.created_by, c.issued_by)
  FROM unnest(%s::uuid[]) AS wanted (id)
  JOIN billing_ledgerentry e ON e.id = wanted.id
  LEFT JOIN promos_redemption r ON r.id = e.redemption_id
  LEFT JOIN promos_promocode c ON c.id = r.promo_code_id
  LEFT JOIN promos_batch b ON b.promo_code_id = c.id
  LEFT JOIN promos_campaign g ON g.id = c.campaign_id
"""
_USES = """
SELECT e.id, e.created_at, e.kind, e.reason, e.order_id, organization.name
  FROM unnest(%s::uuid[]) AS wanted (id)
  JOIN billing_ledgerentry e ON e.id = wanted.id
  LEFT JOIN orders_order o ON o.id = e.order_id
  LEFT JOIN billing_organization organization ON organization.id = o.organization_id
"""


def explain_balance(customer: Customer) -> ExplainedBalance:
    """Explains a customer's balance of now, lot by lot. Six queries, however many lots."""
    position = position_at(customer, at=timezone.now(), with_lots=True)
    keys = {lot.entry_id for lot in position.lots}
    parts = [part for part in allocate_credit(account_id=customer.pk) if part.lot_id in keys]
    origins, uses = _origins(keys), _uses(parts)
    return ExplainedBalance(
        customer=customer,
        position=position,
        lots=tuple(
            ExplainedLot(lot=lot, origin=origins[lot.entry_id], uses=uses.get(lot.entry_id, ()))
            for lot in position.lots
        ),
    )


def explain_order(order_id: UUID) -> ExplainedOrder:
    """Explains what paid an order, also that of a month that credit renewed. Raises: OrderNotFound."""
    order = Order.objects.select_related("organization", "customer", "renews").filter(pk=order_id).first()
    if order is None:
        raise OrderNotFound
    spend = LedgerEntry.objects.filter(order_id=order_id, kind=LedgerEntry.Kind.SPEND).first()
    parts = [] if spend is None else allocate_credit(account_id=spend.account_id, of_entry=spend)
    origins = _origins({part.lot_id for part in parts})
    # Stripe's invoices of later months name the same order; each explains its own month.
    card = _card_entries().filter(order=order).exclude(stripe_object_id__startswith=_STRIPE_INVOICE)
    return ExplainedOrder(
        order=order,
        sources=tuple(Source(part_minor=part.minor, origin=origins[part.lot_id]) for part in parts),
        card=tuple(card),
        given_back_minor=-spend.amount_minor - sum(part.minor for part in parts) if spend else 0,
    )


def explain_month(invoice_id: UUID) -> ExplainedOrder:
    """Explains what paid the month of an invoice: its order, or a charge by Stripe. Raises: InvoiceNotFound."""
    invoice = Invoice.objects.select_related("subscription").filter(pk=invoice_id).first()
    if invoice is None:
        raise InvoiceNotFound
    if invoice.order_id is not None:
        return explain_order(invoice.order_id)
    order = Order.objects.select_related("organization", "customer").get(pk=invoice.subscription.order_id)
    card = _card_entries().filter(stripe_object_id=invoice.stripe_invoice_id)
    return ExplainedOrder(order=order, sources=(), card=tuple(card), month=invoice)


def _card_entries() -> QuerySet[CardEntry]:
    kinds = (CardEntry.Kind.PAYMENT, CardEntry.Kind.REFUND)
    return CardEntry.objects.filter(kind__in=kinds).order_by("created_at", "pk")


def _origins(keys: Iterable[UUID]) -> dict[UUID, Origin]:
    with connection.cursor() as cursor:
        cursor.execute(_ORIGINS, [list(keys)])
        names = list(Origin.__dataclass_fields__)
        return {row[0]: Origin(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()}


def _uses(parts: Sequence[Part]) -> dict[UUID, tuple[Use, ...]]:
    """Returns what took from each lot, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_USES, [list({part.entry_id for part in parts})])
        entries = {row[0]: row for row in cursor.fetchall()}
    found: dict[UUID, tuple[Use, ...]] = {}
    for part in parts:
        entry_id, at, kind, reason, order_id, organization = entries[part.entry_id]
        use = Use(
            entry_id=entry_id,
            at=at,
            kind=kind,
            reason=reason,
            order_id=order_id,
            organization=organization,
            part_minor=part.minor,
        )
        found[part.lot_id] = (*found.get(part.lot_id, ()), use)
    return found
