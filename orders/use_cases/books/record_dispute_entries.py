"""Posts what a dispute does to the card money, and to the credit that the disputed money bought.

The bank takes the amount at once, unless it only inquires. A won dispute gives it back. If it is lost, the credit
that a change of plan gave for the disputed order's unused month is taken back, as far as it is left, and the customer
owes the rest.
"""

from uuid import UUID

from django.db.models import Q, Sum

from billing.actor import Actor
from billing.models import LedgerEntry, Subscription
from billing.use_cases.ledger.take_back_credit import take_back_credit
from orders.locks import lock_order
from orders.models import CardEntry, Order
from orders.stripe.payloads import Object, read_currency

Kind = CardEntry.Kind
_INQUIRY = "warning_"


def record_dispute_entries(dispute: Object, *, order_id: UUID, by: Actor) -> None:
    """Posts the entries that the dispute's state asks for and that are not posted yet.

    A dispute in another currency than its order has no entries: its break shows it to staff.

    Locks: Order, Account. Transaction: joins. Idempotency: an object has one entry of each kind, so events may come
    twice and in any order.
    """
    order = lock_order(order_id=order_id)
    dispute_id, status, amount_minor = str(dispute["id"]), str(dispute.get("status")), int(dispute["amount"])
    if not _counts(dispute, order):
        return
    posted = set(CardEntry.objects.filter(stripe_object_id=dispute_id).values_list("kind", flat=True))
    if Kind.DISPUTE not in posted:
        _post(Kind.DISPUTE, -amount_minor, dispute_id=dispute_id, order=order)
    if status == "won" and Kind.DISPUTE_WON not in posted:
        _post(Kind.DISPUTE_WON, amount_minor, dispute_id=dispute_id, order=order)
    if status == "lost" and Kind.OWED not in posted:
        owed_minor = amount_minor - _take_back(order, dispute_id=dispute_id, most_minor=amount_minor, by=by)
        if owed_minor:
            _post(Kind.OWED, owed_minor, dispute_id=dispute_id, order=order)


def lacks_dispute_entries(dispute: Object, *, order_id: UUID) -> bool:
    """Returns whether an entry is missing that the dispute's state asks for. Two queries."""
    order = Order.objects.get(id=order_id)
    if not _counts(dispute, order):
        return False
    entries = CardEntry.objects.filter(stripe_object_id=str(dispute["id"]))
    posted = set(entries.values_list("kind", flat=True))
    return Kind.DISPUTE not in posted or (dispute.get("status") == "won" and Kind.DISPUTE_WON not in posted)


def _counts(dispute: Object, order: Order) -> bool:
    is_inquiry = str(dispute.get("status")).startswith(_INQUIRY)
    return not is_inquiry and int(dispute["amount"]) > 0 and read_currency(dispute) == order.currency


def _post(kind: Kind, amount_minor: int, *, dispute_id: str, order: Order) -> None:
    CardEntry.objects.create(
        kind=kind, amount_minor=amount_minor, currency=order.currency, order=order, stripe_object_id=dispute_id
    )


def _take_back(order: Order, *, dispute_id: str, most_minor: int, by: Actor) -> int:
    """Takes back what is left of the credit that the disputed subscription's unused month brought, once a dispute.

    Returns: the amount that this dispute took back, now or before.
    """
    reason = f"dispute:{dispute_id}"
    subscription = Subscription.objects.filter(Q(order_id=order.id) | Q(id=order.renews_id)).first()
    if subscription is None:
        return 0
    granted = LedgerEntry.objects.filter(
        kind=LedgerEntry.Kind.GRANT,
        reason=f"proration:{subscription.id}",
        reason__startswith="proration:",  # the condition of the unique index
    ).first()
    if granted is None:
        return 0
    taken = LedgerEntry.objects.filter(account_id=granted.account_id, order_id=order.id, reason=reason)
    before = taken.aggregate(sum=Sum("amount_minor"))["sum"]
    if before is not None:
        return -int(before)
    return take_back_credit(
        granted=granted,
        most_minor=most_minor,
        reason=reason,
        why="a dispute of the payment that it came from was lost",
        order_id=order.id,
        by=by,
    )
