"""Takes all of a customer's credit out of this Sovereign, for the one that is to have it."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from billing.actor import Actor
from billing.errors import CustomerHasOpenPayment, NoLedgerSigningSecret, ReasonRequired
from billing.locks import lock_account
from billing.models import Account, AuditEntry, Customer
from billing.models.keys import uuid7
from billing.money import format_money
from billing.text import has_visible_text
from billing.use_cases.ledger.post_entry import MOVED_OUT, adjust_credit
from billing.use_cases.proof.signing import signing_key
from billing.use_cases.proposals.kinds import Arguments, Difference, Kind, Result
from billing.use_cases.proposals.propose import carried_out, run_or_propose
from billing.use_cases.record_audit import record_audit
from orders.errors import CreditHasVatTreatment, NotAnotherSovereign
from orders.use_cases.customers.plan_merge import find_customer

MOVED = "customer.moved_out"
_TREATED = """
SELECT EXISTS (SELECT FROM billing_lots_at(%s, %s, now()) AS l CROSS JOIN LATERAL orders_vat_treatment(l.entry) AS t
                WHERE l.rest_minor > 0 AND t.treatment <> 'multi_purpose')
"""


def move_credit_out(*, user_id: str, to_domain: str, to_user_id: str, why: str, by: Actor) -> str:
    """Takes out all credit of a customer for a customer of another Sovereign; returns the id of the move.

    Where the amount exceeds a limit of the actor's role, it is proposed instead.

    Raises: CustomerNotFound, CustomerMerged, CustomerErased, ReasonRequired, NoLedgerSigningSecret,
    NotAnotherSovereign, CustomerHasOpenPayment, CreditHasVatTreatment, ApprovalRequired.
    Locks: Account. Transaction: owns.
    """
    arguments = {"customer_id": find_customer(user_id=user_id).pk, "to": to_domain, "to_user_id": to_user_id}
    with transaction.atomic():
        outcome = run_or_propose(CREDIT_OUT, arguments, why=why, by=by)
    return str(carried_out(outcome).value)


def moves_of(customer: Customer) -> list[AuditEntry]:
    """Returns the audit entries of all moves of a customer, the oldest first."""
    found = AuditEntry.objects.filter(object_type="customer", object_id=str(customer.pk), action=MOVED)
    return list(found.order_by("created_at", "id"))


def _take_out(arguments: Arguments, why: str, by: Actor) -> str:
    _check(arguments, why)
    account = lock_account(customer_id=arguments["customer_id"])
    if account.held_minor:
        raise CustomerHasOpenPayment
    _check_vat(account)
    move_id = str(uuid7())
    if account.balance_minor:
        adjust_credit(
            customer_id=account.pk,
            amount_minor=-account.balance_minor,
            reason=f"{MOVED_OUT}{move_id}",
            why=why,
            by=by,
        )
    record_audit(
        action=MOVED,
        object_type="customer",
        object_id=str(account.pk),
        by=by,
        changes={
            "move": [None, move_id],
            "to": [None, arguments["to"]],
            "to_user_id": [None, arguments["to_user_id"]],
            "credit_minor": [account.balance_minor, 0],
        },
        reason=why,
    )
    return move_id


def _check(arguments: Arguments, why: str) -> None:
    if not has_visible_text(why):
        raise ReasonRequired
    if not signing_key():
        raise NoLedgerSigningSecret
    if not arguments["to"] or not arguments["to_user_id"] or arguments["to"] == settings.SOVEREIGN_DOMAIN:
        raise NotAnotherSovereign


def _check_vat(account: Account) -> None:
    """Refuses credit whose campaign says when its VAT is due: the other Sovereign would not know it."""
    with connection.cursor() as cursor:
        cursor.execute(_TREATED, [account.pk, account.version])
        [is_treated] = cursor.fetchone()
    if is_treated:
        raise CreditHasVatTreatment


def _describe(arguments: Arguments, state: Any) -> str:
    return f"Move the credit of {Customer.objects.get(pk=arguments['customer_id'])} to {arguments['to']}"


def _lock_state(arguments: Arguments) -> dict[str, int]:
    account = lock_account(customer_id=arguments["customer_id"])
    return {"balance_minor": account.balance_minor}


def _differences(arguments: Arguments, state: Any) -> Sequence[Difference]:
    before, after = (
        format_money(minor, currency=settings.SOVEREIGN_CURRENCY) for minor in (state["balance_minor"], 0)
    )
    return [
        Difference("Credit", before, after),
        Difference("To", "", f"{arguments['to_user_id']} of {arguments['to']}"),
    ]


def _measure(arguments: Arguments, state: Any) -> Mapping[str, int]:
    return {"adjust_credit": state["balance_minor"]}


def _run(arguments: Arguments, why: str, by: Actor) -> Result:
    move_id = _take_out(arguments, why, by)
    return Result(f"The credit is taken out. Write the file of move {move_id}.", *_subject(arguments), value=move_id)


def _subject(arguments: Arguments) -> tuple[str, str]:
    return "billing_customer", str(arguments["customer_id"])


CREDIT_OUT = Kind(
    name="credit_out",
    describe=_describe,
    lock_state=_lock_state,
    differences=_differences,
    measure=_measure,
    run=_run,
    subject=_subject,
)
