"""Payouts. The control API makes one, as Stripe's schedule does, and lets it fail; the API only reads them.

A payout takes the whole balance of a currency. It arrives at once, unless the bank returns it later.
"""

from stripe.params import PayoutListParams, PayoutRetrieveParams

from config.devtools.stripe_sandbox.clock import DAY
from config.devtools.stripe_sandbox.protocol.endpoints import endpoint
from config.devtools.stripe_sandbox.protocol.errors import invalid
from config.devtools.stripe_sandbox.protocol.parameters import accept
from config.devtools.stripe_sandbox.resources.accounts import move_balance
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import PRIVATE, World

_CLOSED = ("The bank account has been closed.", "account_closed")


def pay_out(world: World, *, currency: str) -> Object:
    """Pay out the balance.

    Raises: StripeError if there is none.
    """
    unpaid = [
        each
        for each in world.store.select("balance_transaction", currency=currency)
        if not each.get(PRIVATE, {}).get("payout")
    ]
    amount = sum(each["net"] for each in unpaid)
    if amount <= 0:
        raise invalid("You have insufficient funds in your Stripe account.", code="balance_insufficient")
    payout = world.make(
        "payout",
        {
            "amount": amount,
            "application_fee": None,
            "application_fee_amount": None,
            "arrival_date": world.clock.now() + DAY,
            "automatic": True,
            "balance_transaction": None,
            "currency": currency,
            "description": "STRIPE PAYOUT",
            "destination": None,
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "metadata": {},
            "method": "standard",
            "original_payout": None,
            "reconciliation_status": "completed",
            "reversed_by": None,
            "source_type": "card",
            "statement_descriptor": None,
            "status": "in_transit",
            "type": "bank_account",
        },
    )
    moved = move_balance(world, kind="payout", amount=-amount, currency=currency, source=payout["id"])
    for each in (*unpaid, world.get("balance_transaction", moved)):
        world.change(each, **{PRIVATE: {"payout": payout["id"]}})
    world.change(payout, balance_transaction=moved)
    world.record_event("payout.created", payout)
    before = world.change(payout, status="paid")
    world.record_event("payout.updated", payout, before)
    world.record_event("payout.paid", payout)
    return payout


def fail_payout(world: World, payout: Object) -> Object:
    """Let the bank return a payout. The money comes back to the balance."""
    if payout["status"] != "paid":
        raise invalid(f"This payout is {payout['status']}.")
    moved = move_balance(
        world, kind="payout_failure", amount=payout["amount"], currency=payout["currency"], source=payout["id"]
    )
    message, code = _CLOSED
    before = world.change(
        payout, status="failed", failure_balance_transaction=moved, failure_code=code, failure_message=message
    )
    world.record_event("payout.updated", payout, before)
    world.record_event("payout.failed", payout)
    return payout


@endpoint("GET", "/v1/payouts/{id}", accept(PayoutRetrieveParams, ""))
def retrieve(world: World, identifier: str) -> Object:
    """Return one payout."""
    return world.get("payout", identifier)


@endpoint("GET", "/v1/payouts", accept(PayoutListParams, "created ending_before limit starting_after status"))
def list_all(world: World) -> Object:
    """Return the payouts, newest first."""
    given = world.call.given
    wanted = {"status": given["status"]} if "status" in given else {}
    return world.page(world.store.select("payout", **wanted), "/v1/payouts")
