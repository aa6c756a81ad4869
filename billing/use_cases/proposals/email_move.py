"""The kind of proposal that moves a customer to another e-mail address."""

from collections.abc import Mapping, Sequence
from typing import Any

from billing.actor import Actor
from billing.models import Customer
from billing.use_cases.identity.addresses import normalize_address
from billing.use_cases.identity.move_email import lock_person, move_email
from billing.use_cases.proposals.kinds import Arguments, Difference, Kind, Result
from billing.use_cases.proposals.propose import Outcome, run_or_propose


def move_email_or_propose(*, customer_id: int, address: str, why: str, by: Actor) -> Outcome:
    """Moves the customer as `move_email` does; proposes it where the actor's role needs an approval for that.

    Raises: as `move_email` does.
    """
    arguments = {"customer_id": customer_id, "address": normalize_address(address)}
    return run_or_propose(EMAIL_MOVE, arguments, why=why, by=by)


def _describe(arguments: Arguments, state: Any) -> str:
    return f"Move {Customer.objects.get(pk=arguments['customer_id'])} to {arguments['address']}"


def _lock_state(arguments: Arguments) -> dict[str, str]:
    customer, user = lock_person(customer_id=arguments["customer_id"])
    return {"user": user.email, "customer": customer.email}


def _differences(arguments: Arguments, state: Any) -> Sequence[Difference]:
    return [Difference("E-mail", state["user"], arguments["address"])]


def _measure(arguments: Arguments, state: Any) -> Mapping[str, int]:
    """Returns one: a limit of 0 makes each move a proposal."""
    return {"move_email": 1}


def _run(arguments: Arguments, why: str, by: Actor) -> Result:
    moved = move_email(customer_id=arguments["customer_id"], address=arguments["address"], why=why, by=by)
    return Result(f"The customer signs in as {moved.email} now.", *_subject(arguments), value=moved)


def _subject(arguments: Arguments) -> tuple[str, str]:
    return "billing_customer", str(arguments["customer_id"])


EMAIL_MOVE = Kind(
    name="email_move",
    describe=_describe,
    lock_state=_lock_state,
    differences=_differences,
    measure=_measure,
    run=_run,
    subject=_subject,
)
