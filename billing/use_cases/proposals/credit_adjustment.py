"""The kind of proposal that corrects a customer's balance."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings

from billing.actor import Actor
from billing.locks import lock_account
from billing.models import Customer
from billing.money import format_money
from billing.use_cases.ledger.post_entry import adjust_credit
from billing.use_cases.proposals.kinds import Arguments, Difference, Kind, Result
from billing.use_cases.record_audit import record_audit


def adjustment_arguments(*, customer_id: int, amount_minor: int) -> Arguments:
    """Returns the arguments of an adjustment. Args: amount_minor: smallest unit, negative to take credit away."""
    return {"customer_id": customer_id, "amount_minor": amount_minor}


def _describe(arguments: Arguments, state: Any) -> str:
    customer = Customer.objects.get(pk=arguments["customer_id"])
    return f"Adjust the credit of {customer} by {_money(arguments['amount_minor'], signed=True)}"


def _lock_state(arguments: Arguments) -> dict[str, int]:
    account = lock_account(customer_id=arguments["customer_id"])
    return {"balance_minor": account.balance_minor, "held_minor": account.held_minor}


def _differences(arguments: Arguments, state: Any) -> Sequence[Difference]:
    before, change = state["balance_minor"], arguments["amount_minor"]
    return [
        Difference("Credit", _money(before), _money(before + change)),
        Difference("Available", _money(before - state["held_minor"]), _money(before - state["held_minor"] + change)),
    ]


def _measure(arguments: Arguments, state: Any) -> Mapping[str, int]:
    return {"adjust_credit": abs(arguments["amount_minor"])}


def _run(arguments: Arguments, why: str, by: Actor) -> Result:
    customer_id, amount_minor = arguments["customer_id"], arguments["amount_minor"]
    adjust_credit(customer_id=customer_id, amount_minor=amount_minor, why=why, by=by)
    record_audit(
        action="customer.credit_adjusted",
        object_type="customer",
        object_id=str(customer_id),
        by=by,
        changes={"amount_minor": [0, amount_minor]},
        reason=why,
    )
    customer = Customer.objects.get(pk=customer_id)
    return Result(f"The credit of {customer} is adjusted by {_money(amount_minor)}.", *_subject(arguments))


def _subject(arguments: Arguments) -> tuple[str, str]:
    return "billing_customer", str(arguments["customer_id"])


def _money(minor: int, *, signed: bool = False) -> str:
    text = format_money(minor, currency=settings.SOVEREIGN_CURRENCY)
    return f"+{text}" if signed and minor > 0 else text


CREDIT_ADJUSTMENT = Kind(
    name="credit_adjustment",
    describe=_describe,
    lock_state=_lock_state,
    differences=_differences,
    measure=_measure,
    run=_run,
    subject=_subject,
)
