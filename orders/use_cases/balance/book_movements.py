"""Books movements of Stripe's balance (its balance transactions): fees and payouts become card entries.

Charges, refunds and disputes move the balance too. Their amounts are entries already, written when they are settled,
and other parts of a reconciliation compare them. Only their fees are booked here.

The charge of a later month, which Stripe makes by itself, names no order: Stripe is asked for the invoice that it
paid.

The fee of a charge of another business on the account is not booked. A payout is booked in full, so the account must
be this Sovereign's own for the clearing account to agree with Stripe's balance.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from billing.models import Customer
from orders.models import Break, CardEntry, Order, Payment
from orders.stripe import gateway
from orders.stripe.payloads import Object, read_currency, read_invoice_order_id, read_order_id, read_reference
from orders.use_cases.reconciliation.record_break import record_break

Kind = CardEntry.Kind
# Types of balance transaction, in Stripe's words.
PAYOUTS = frozenset({"payout"})
RETURNED_PAYOUTS = frozenset({"payout_cancel", "payout_failure"})
FEES = frozenset({"network_cost", "stripe_fee", "stripe_fx_fee", "tax_fee"})
# Their amounts are entries of payments, refunds and disputes.
SETTLED_ELSEWHERE = frozenset(
    {"charge", "payment", "payment_failure_refund", "payment_refund", "refund", "refund_failure"}
)
_DISPUTES = ("dp_", "du_")


def expected_entries(movement: Object) -> dict[Kind, int]:
    """Returns the amounts that the card entries of this movement have, by kind.

    Args: movement: a balance transaction with its source expanded.
    """
    kind, amount = str(movement.get("type")), int(movement.get("amount") or 0)
    fee = int(movement.get("fee") or 0)
    if kind in PAYOUTS:
        found = {Kind.PAYOUT: amount, Kind.FEE: -fee}
    elif kind in RETURNED_PAYOUTS:
        found = {Kind.PAYOUT_RETURNED: amount, Kind.FEE: -fee}
    elif kind in FEES:
        found = {Kind.FEE: amount - fee}
    else:
        found = {Kind.FEE: -fee}
    return {kind: minor for kind, minor in found.items() if minor}


def is_explained(movement: Object) -> bool:
    """Returns whether the books have a place for a movement of this type."""
    kind, source = str(movement.get("type")), read_reference(movement.get("source"))
    is_dispute = kind == "adjustment" and source.startswith(_DISPUTES)
    return is_dispute or kind in PAYOUTS | RETURNED_PAYOUTS | FEES | SETTLED_ELSEWHERE


def is_in_our_currency(movement: Object) -> bool:
    """Returns whether the movement is money of this deployment."""
    return read_currency(movement) == settings.SOVEREIGN_CURRENCY


def book_movements(movements: Iterable[Object]) -> int:
    """Posts the entries of these movements that are not posted yet, oldest first, and returns how many those are.

    A payout that the bank returned also becomes a break: staff correct the bank account at Stripe.

    Raises: gateway.Unanswered, gateway.NotConfigured. Nothing is posted then.
    Transaction: owns; none is open during a call to Stripe. Idempotency: by the movement's id and the kind of entry.
    """
    ours = [each for each in movements if is_in_our_currency(each)]
    ours.sort(key=lambda each: int(each["created"]))
    owners = Owners(ours)
    posted = set(
        CardEntry.objects.filter(
            kind__in=CardEntry.FROM_BALANCE, stripe_object_id__in=[str(each["id"]) for each in ours]
        ).values_list("stripe_object_id", "kind")
    )
    missing = [
        CardEntry(
            kind=kind,
            amount_minor=minor,
            currency=settings.SOVEREIGN_CURRENCY,
            order_id=owners.order_of(each) or _find_order_of_month(each),
            stripe_object_id=str(each["id"]),
        )
        for each in ours
        if not owners.is_foreign(each)
        for kind, minor in expected_entries(each).items()
        if (str(each["id"]), kind) not in posted
    ]
    returned = {entry.stripe_object_id for entry in missing if entry.kind == Kind.PAYOUT_RETURNED}
    with transaction.atomic():
        # Another run may post the same entries meanwhile.
        CardEntry.objects.bulk_create(missing, ignore_conflicts=True)
        for each in ours:
            if each["id"] in returned:
                record_break(
                    kind=Break.Kind.PAYOUT_RETURNED,
                    object_id=read_reference(each.get("source")) or str(each["id"]),
                    details={"amount": each.get("amount"), "currency": each.get("currency")},
                )
    return len(missing)


class Owners:
    """The orders and customers of the movements' sources. Four queries for any number of movements."""

    def __init__(self, movements: Iterable[Object]) -> None:
        sources = [_source_of(each) for each in movements]
        intents = {read_reference(each.get("payment_intent")) for each in sources} - {""}
        carried = {found for each in sources if (found := read_order_id(each))}
        disputes = {str(each.get("id")) for each in sources if each.get("object") == "dispute"}
        customers = {read_reference(each.get("customer")) for each in sources} - {""}
        payments = Payment.objects.all()
        self._by_intent = dict(
            payments.filter(payment_intent_id__in=intents).values_list("payment_intent_id", "order_id")
        )
        self._carried = set(payments.filter(order_id__in=carried).values_list("order_id", flat=True))
        self._by_dispute: dict[str, UUID | None] = dict(
            CardEntry.objects.filter(stripe_object_id__in=disputes).values_list("stripe_object_id", "order_id")
        )
        self._customers = set(
            Customer.objects.filter(stripe_customer_id__in=customers).values_list("stripe_customer_id", flat=True)
        )

    def order_of(self, movement: Object) -> UUID | None:
        """Returns the order that the movement is about; None for a payout, and for what names no order."""
        source = _source_of(movement)
        carried = read_order_id(source)
        if carried in self._carried:
            return carried
        intent = read_reference(source.get("payment_intent"))
        return self._by_intent.get(intent) or self._by_dispute.get(str(source.get("id")))

    def is_foreign(self, movement: Object) -> bool:
        """Returns whether the movement is a charge, refund or dispute of another business on the account."""
        source = _source_of(movement)
        if source.get("object") not in ("charge", "refund", "dispute") or self.order_of(movement) is not None:
            return False
        return read_reference(source.get("customer")) not in self._customers


def _find_order_of_month(movement: Object) -> UUID | None:
    """Returns the order of the subscription whose later month this charge paid. None for what is no such charge.

    Raises: gateway.Unanswered, gateway.NotConfigured. A refused question leaves the order unknown: the fee is booked.
    """
    intent = read_reference(_source_of(movement).get("payment_intent"))
    try:
        invoice = gateway.find_invoice(payment_intent_id=intent) if intent else None
    except gateway.Refused:
        return None
    carried = read_invoice_order_id(invoice) if invoice else None
    return carried if carried and Order.objects.filter(id=carried).exists() else None


def _source_of(movement: Object) -> dict[str, Any]:
    source = movement.get("source")
    return dict(source) if isinstance(source, dict) else {"id": source}
