"""Writes off what a customer owes after a lost dispute: a card entry of its own, posted as a loss."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.money import format_money
from billing.text import has_visible_text
from billing.use_cases.proposals.kinds import Arguments, Difference, Kind, Result
from billing.use_cases.proposals.propose import Outcome, run_or_propose
from billing.use_cases.record_audit import record_audit
from orders.errors import NothingOwed
from orders.locks import lock_order
from orders.models import CardEntry


def write_off_or_propose(*, entry_id: UUID, why: str, by: Actor) -> Outcome:
    """Writes off as `write_off` does; proposes it where the amount exceeds a limit of the actor's role.

    Raises: as `write_off` does.
    """
    return run_or_propose(WRITE_OFF, {"entry_id": str(entry_id)}, why=why, by=by)


def write_off(*, entry_id: UUID, why: str, by: Actor) -> CardEntry:
    """Writes off all that is owed by this card entry.

    Raises: ReasonRequired, NothingOwed. Locks: Order. Transaction: owns; inside another's it is a savepoint.
    """
    if not has_visible_text(why):
        raise ReasonRequired
    with transaction.atomic():
        owed = _lock_owed(entry_id)
        left_minor = left_owed(owed)
        if not left_minor:
            raise NothingOwed
        written = CardEntry.objects.create(
            kind=CardEntry.Kind.WRITTEN_OFF,
            amount_minor=-left_minor,
            currency=owed.currency,
            order_id=owed.order_id,
            stripe_object_id=owed.stripe_object_id,
        )
        record_audit(
            action="order.owed_written_off",
            object_type="order",
            object_id=str(owed.order_id),
            by=by,
            changes={"owed_minor": [left_minor, 0]},
            reason=why,
        )
        return written


def left_owed(owed: CardEntry) -> int:
    """Returns what is still owed by this entry, smallest unit. One query."""
    if owed.kind != CardEntry.Kind.OWED:
        return 0
    written = CardEntry.objects.filter(kind=CardEntry.Kind.WRITTEN_OFF, stripe_object_id=owed.stripe_object_id)
    return owed.amount_minor + sum(written.values_list("amount_minor", flat=True))


def _lock_owed(entry_id: UUID) -> CardEntry:
    owed = CardEntry.objects.filter(pk=entry_id, kind=CardEntry.Kind.OWED).first()
    if owed is None or owed.order_id is None:
        raise NothingOwed
    # Races with another write-off of the same amount.
    lock_order(order_id=owed.order_id)
    return owed


def _find(arguments: Arguments) -> CardEntry:
    return CardEntry.objects.select_related("order__customer").get(pk=arguments["entry_id"])


def _describe(arguments: Arguments, state: Any) -> str:
    owed = _find(arguments)
    customer = owed.order and owed.order.customer
    return f"Write off {format_money(state['left_minor'], currency=owed.currency)} that {customer} owes"


def _lock_state(arguments: Arguments) -> dict[str, Any]:
    owed = _lock_owed(UUID(arguments["entry_id"]))
    return {"left_minor": left_owed(owed), "currency": owed.currency}


def _differences(arguments: Arguments, state: Any) -> Sequence[Difference]:
    before, after = (format_money(each, currency=state["currency"]) for each in (state["left_minor"], 0))
    return [Difference("Owed after a lost dispute", before, after)]


def _measure(arguments: Arguments, state: Any) -> Mapping[str, int]:
    return {"write_off": state["left_minor"]}


def _run(arguments: Arguments, why: str, by: Actor) -> Result:
    written = write_off(entry_id=UUID(arguments["entry_id"]), why=why, by=by)
    money = format_money(-written.amount_minor, currency=written.currency)
    return Result(f"{money} are written off.", "orders_cardentry", str(written.pk))


WRITE_OFF = Kind(
    name="write_off",
    describe=_describe,
    lock_state=_lock_state,
    differences=_differences,
    measure=_measure,
    run=_run,
    subject=lambda arguments: ("orders_cardentry", arguments["entry_id"]),
)
