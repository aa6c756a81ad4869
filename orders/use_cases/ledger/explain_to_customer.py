"""Explains a balance to its customer in plain words: where the credit came from, and what it paid.

A customer sees no reason of staff, nobody's name, and no campaign.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing.models import Customer
from orders.use_cases.ledger.explain import ExplainedLot, Origin, explain_balance

# The reasons of ledger entries in a customer's words. What stands after the colon is for staff, but for a code.
_WORDS = {
    "order-payment": _("Paid for an order"),
    "proration": _("Unused part of a month"),
    "grant": _("Credit from us"),
    "adjustment": _("Correction"),
    "reversal": _("Taken back"),
    "expiry": _("Credit that expired"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditUse:
    """A use of some credit: the order that it paid, or the reason why it went."""

    words: str
    at: datetime
    amount_minor: int
    order_id: UUID | None
    organization: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditSource:
    """Some credit: where it came from, what is left of it, and its uses, oldest first."""

    words: str
    at: datetime
    amount_minor: int
    left_minor: int
    held_minor: int
    expires_at: datetime | None
    uses: tuple[CreditUse, ...]


def explain_to_customer(*, user_id: str) -> tuple[CreditSource, ...]:
    """Returns the credit of which something is left, the soonest expiry first. Up to seven queries."""
    customer = Customer.objects.select_related("account").filter(user_id=user_id, account__isnull=False).first()
    if customer is None:
        return ()
    return tuple(_source(lot) for lot in explain_balance(customer).lots)


def words_of_reason(reason: str, *, is_credit: bool) -> str:
    """Says in a customer's words why an entry was made, which added to the balance or took from it."""
    kind, _colon, detail = reason.partition(":")
    if kind == "promo":
        return gettext("Voucher %(code)s") % {"code": detail}
    if kind == "reversal" and is_credit:
        return gettext("Given back")
    return str(_WORDS.get(kind, _WORDS["adjustment"]))


def _source(explained: ExplainedLot) -> CreditSource:
    lot, origin = explained.lot, explained.origin
    return CreditSource(
        words=_words_of_origin(origin),
        at=origin.at,
        amount_minor=lot.brought_minor,
        left_minor=lot.left_minor,
        held_minor=lot.held_minor,
        expires_at=lot.expires_at,
        uses=tuple(
            CreditUse(
                words=words_of_reason(use.reason, is_credit=False),
                at=use.at,
                amount_minor=use.part_minor,
                order_id=use.order_id,
                organization=use.organization,
            )
            for use in explained.uses
        ),
    )


def _words_of_origin(origin: Origin) -> str:
    if origin.card_serial is not None:
        return gettext("Card number %(serial)s") % {"serial": origin.card_serial}
    return words_of_reason(origin.reason, is_credit=True)
