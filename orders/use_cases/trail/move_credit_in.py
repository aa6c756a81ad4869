"""Brings the credit of a customer of another Sovereign in, once, as the verified file of its move says."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.locks import lock_account
from billing.models import AuditEntry, Customer
from billing.money import format_money
from billing.text import has_visible_text
from billing.use_cases.ensure_customer import ensure_customer
from billing.use_cases.ledger.post_entry import MOVED_IN, adjust_credit
from billing.use_cases.proposals.kinds import Arguments, Difference, Kind, Result
from billing.use_cases.proposals.propose import carried_out, run_or_propose
from billing.use_cases.record_audit import record_audit
from orders.errors import TrailForAnother
from orders.use_cases.trail.read_trail import Trail

MOVED = "customer.moved_in"


def move_credit_in(trail: Trail, *, why: str, by: Actor) -> bool:
    """Gives the credit of a move to the customer that it names. Returns whether it was done now, not before.

    Where the amount exceeds a limit of the actor's role, it is proposed instead.

    Raises: TrailForAnother, ReasonRequired, CustomerMerged, CustomerErased, ApprovalRequired. Locks: Account.
    Transaction: owns. Idempotency: a move is brought in once, however often it is read.
    """
    if trail.to_domain != settings.SOVEREIGN_DOMAIN or trail.currency != settings.SOVEREIGN_CURRENCY:
        raise TrailForAnother
    if not has_visible_text(why):
        raise ReasonRequired
    with transaction.atomic():
        customer = ensure_customer(user_id=trail.to_user_id)
        lock_account(customer_id=customer.pk)
        if is_moved_in(customer, trail.move_id):
            return False
        outcome = run_or_propose(CREDIT_IN, _arguments(customer, trail), why=why, by=by)
    carried_out(outcome)
    return True


def is_moved_in(customer: Customer, move_id: str) -> bool:
    """Returns whether the customer got the credit of this move."""
    own = AuditEntry.objects.filter(object_type="customer", object_id=str(customer.pk), action=MOVED)
    return own.filter(changes__move=[None, move_id]).exists()


def _arguments(customer: Customer, trail: Trail) -> Arguments:
    return {
        "customer_id": customer.pk,
        "move": trail.move_id,
        "from": trail.from_domain,
        "from_user_id": trail.user_id,
        "sha256": trail.sha256,
        "credit": [
            [each.credit_class, each.expires_at and each.expires_at.isoformat(), each.amount_minor]
            for each in trail.credit
        ],
    }


def _bring_in(arguments: Arguments, why: str, by: Actor) -> None:
    account = lock_account(customer_id=arguments["customer_id"])
    for number, (credit_class, expires_at, amount_minor) in enumerate(arguments["credit"], start=1):
        adjust_credit(
            customer_id=account.pk,
            amount_minor=amount_minor,
            credit_class=credit_class,
            expires_at=datetime.fromisoformat(expires_at) if expires_at else None,
            reason=f"{MOVED_IN}{arguments['move']}:{number}",
            why=why,
            by=by,
        )
    record_audit(
        action=MOVED,
        object_type="customer",
        object_id=str(account.pk),
        by=by,
        changes={
            **{name: [None, arguments[name]] for name in ("move", "from", "from_user_id", "sha256")},
            "credit_minor": [account.balance_minor, account.balance_minor + _total(arguments)],
        },
        reason=why,
    )


def _total(arguments: Arguments) -> int:
    return sum(amount_minor for _, _, amount_minor in arguments["credit"])


def _describe(arguments: Arguments, state: Any) -> str:
    return f"Bring in the credit of {Customer.objects.get(pk=arguments['customer_id'])} from {arguments['from']}"


def _lock_state(arguments: Arguments) -> dict[str, bool]:
    account = lock_account(customer_id=arguments["customer_id"])
    return {"is_moved_in": is_moved_in(account.customer, arguments["move"])}


def _differences(arguments: Arguments, state: Any) -> Sequence[Difference]:
    added = format_money(_total(arguments), currency=settings.SOVEREIGN_CURRENCY)
    return [
        Difference("Credit", "", f"+{added}"),
        Difference("From", "", f"{arguments['from_user_id']} of {arguments['from']}"),
    ]


def _measure(arguments: Arguments, state: Any) -> Mapping[str, int]:
    return {"adjust_credit": _total(arguments)}


def _run(arguments: Arguments, why: str, by: Actor) -> Result:
    _bring_in(arguments, why, by)
    return Result(f"The credit from {arguments['from']} is brought in.", *_subject(arguments))


def _subject(arguments: Arguments) -> tuple[str, str]:
    return "billing_customer", str(arguments["customer_id"])


CREDIT_IN = Kind(
    name="credit_in",
    describe=_describe,
    lock_state=_lock_state,
    differences=_differences,
    measure=_measure,
    run=_run,
    subject=_subject,
)
