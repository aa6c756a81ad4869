"""Refunds: full or partial, never more than the unrefunded part of the charge.

A refund succeeds at once. The control API can let it fail later; then its amount no longer counts as refunded.
Refusals have Stripe's codes: `charge_already_refunded` if nothing is left, and no code if the amount is too large.
"""

from stripe.params import RefundCreateParams, RefundListParams, RefundRetrieveParams, RefundUpdateParams

from config.devtools.stripe_sandbox.money import check_amount, format_amount
from config.devtools.stripe_sandbox.protocol.endpoints import endpoint
from config.devtools.stripe_sandbox.protocol.errors import invalid
from config.devtools.stripe_sandbox.protocol.parameters import accept
from config.devtools.stripe_sandbox.resources.accounts import move_balance
from config.devtools.stripe_sandbox.resources.payments import charge_of_intent
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World


def refund_charge(
    world: World, charge: Object, *, amount: int | None, reason: str | None = None, metadata: Object | None = None
) -> Object:
    """Refund the given amount, or all that is left.

    Raises: StripeError if the charge cannot be refunded by that amount.
    """
    if charge["status"] != "succeeded":
        raise invalid(f"Charge {charge['id']} has not succeeded, so it cannot be refunded.", param="charge")
    if charge["disputed"]:
        raise invalid(f"Charge {charge['id']} has been charged back.", code="charge_disputed")
    left = charge["amount"] - charge["amount_refunded"]
    if left <= 0:
        raise invalid(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    currency = charge["currency"]
    amount = left if amount is None else check_amount(amount, currency, param="amount", lowest=1)
    if amount > left:
        raise invalid(
            f"Refund amount ({format_amount(amount, currency)}) is greater than unrefunded amount on charge"
            f" ({format_amount(left, currency)})",
            param="amount",
        )
    refund = world.make(
        "refund",
        {
            "amount": amount,
            "balance_transaction": None,
            "charge": charge["id"],
            "currency": currency,
            "destination_details": {"card": {"type": "refund"}, "type": "card"},
            "metadata": metadata or {},
            "payment_intent": charge["payment_intent"],
            "reason": reason,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "succeeded",
            "transfer_reversal": None,
        },
    )
    moved = move_balance(world, kind="refund", amount=-amount, currency=currency, source=refund["id"])
    world.change(refund, balance_transaction=moved)
    refunded = charge["amount_refunded"] + amount
    before = world.change(charge, amount_refunded=refunded, refunded=refunded == charge["amount"])
    world.record_event("refund.created", refund)
    world.record_event("charge.refunded", charge, before)
    return refund


def fail_refund(world: World, refund: Object) -> Object:
    """Fail a refund. The money comes back, and the charge is no longer refunded by it."""
    charge = world.get("charge", refund["charge"])
    moved = move_balance(
        world, kind="refund_failure", amount=refund["amount"], currency=refund["currency"], source=refund["id"]
    )
    before = world.change(
        refund, status="failed", failure_reason="expired_or_canceled_card", failure_balance_transaction=moved
    )
    world.change(charge, amount_refunded=charge["amount_refunded"] - refund["amount"], refunded=False)
    world.record_event("refund.updated", refund, before)
    world.record_event("refund.failed", refund)
    world.record_event("charge.refund.updated", refund, before)
    return refund


@endpoint("POST", "/v1/refunds", accept(RefundCreateParams, "amount charge metadata payment_intent reason"))
def create(world: World) -> Object:
    """Refund a charge, given by its id or by its payment intent."""
    given = world.call.given
    if ("charge" in given) == ("payment_intent" in given):
        raise invalid("You must provide exactly one of `charge` or `payment_intent`.")
    if "charge" in given:
        charge = world.get("charge", given["charge"], param="charge")
    else:
        intent = world.get("payment_intent", given["payment_intent"], param="payment_intent")
        charge = charge_of_intent(world, intent, param="payment_intent")
    metadata = world.merge_metadata({}, given.get("metadata"))
    return refund_charge(world, charge, amount=given.get("amount"), reason=given.get("reason"), metadata=metadata)


@endpoint("GET", "/v1/refunds/{id}", accept(RefundRetrieveParams, ""))
def retrieve(world: World, identifier: str) -> Object:
    """Return one refund."""
    return world.get("refund", identifier)


@endpoint("POST", "/v1/refunds/{id}", accept(RefundUpdateParams, "metadata"))
def update(world: World, identifier: str) -> Object:
    """Update a refund's metadata."""
    refund = world.get("refund", identifier)
    before = world.change(refund, metadata=world.merge_metadata(refund, world.call.given.get("metadata")))
    world.record_event("refund.updated", refund, before)
    return refund


@endpoint(
    "GET", "/v1/refunds", accept(RefundListParams, "charge created ending_before limit payment_intent starting_after")
)
def list_all(world: World) -> Object:
    """Return the refunds, newest first."""
    given = world.call.given
    wanted = {name: given[name] for name in ("charge", "payment_intent") if name in given}
    return world.page(world.store.select("refund", **wanted), "/v1/refunds")
