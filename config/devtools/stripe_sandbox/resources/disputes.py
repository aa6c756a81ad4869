"""Disputes. The control API opens and decides them; the API only reads them.

The sandbox does not reproduce evidence, inquiries or the effect of a missed deadline.
"""

from stripe.params import DisputeListParams, DisputeRetrieveParams

from config.devtools.stripe_sandbox.clock import DAY
from config.devtools.stripe_sandbox.protocol.endpoints import endpoint
from config.devtools.stripe_sandbox.protocol.errors import invalid
from config.devtools.stripe_sandbox.protocol.parameters import accept
from config.devtools.stripe_sandbox.resources.accounts import move_balance
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World, public

RESPONSE_DUE_SECONDS = 7 * DAY


def open_dispute(world: World, charge: Object, *, amount: int | None = None, reason: str = "fraudulent") -> Object:
    """Open a dispute. The bank takes the money back until the dispute is decided."""
    if charge["status"] != "succeeded" or charge["disputed"]:
        raise invalid(f"Charge {charge['id']} cannot be disputed.")
    amount = charge["amount"] - charge["amount_refunded"] if amount is None else amount
    dispute = world.make(
        "dispute",
        {
            "amount": amount,
            "balance_transactions": [],
            "charge": charge["id"],
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": {"enhanced_evidence": {}},
            "evidence_details": {
                "due_by": world.clock.now() + RESPONSE_DUE_SECONDS,
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": False,
            "metadata": {},
            "network_reason_code": None,
            "payment_intent": charge["payment_intent"],
            "reason": reason,
            "status": "needs_response",
        },
    )
    world.change(charge, disputed=True)
    world.record_event("charge.dispute.created", dispute)
    _move(world, dispute, -amount)
    world.record_event("charge.dispute.funds_withdrawn", dispute)
    return dispute


def close_dispute(world: World, dispute: Object, *, status: str) -> Object:
    """Decide a dispute: `won` returns the money to the account, `lost` does not."""
    if status not in ("won", "lost"):
        raise invalid("Invalid status: must be one of won, lost", param="status")
    before = world.change(dispute, status=status)
    if status == "won":
        _move(world, dispute, dispute["amount"])
        world.record_event("charge.dispute.funds_reinstated", dispute)
    world.record_event("charge.dispute.closed", dispute, before)
    return dispute


def _move(world: World, dispute: Object, amount: int) -> None:
    moved = move_balance(world, kind="adjustment", amount=amount, currency=dispute["currency"], source=dispute["id"])
    movements = [*dispute["balance_transactions"], public(world.get("balance_transaction", moved))]
    world.change(dispute, balance_transactions=movements)


@endpoint("GET", "/v1/disputes/{id}", accept(DisputeRetrieveParams, ""))
def retrieve(world: World, identifier: str) -> Object:
    """Return one dispute."""
    return world.get("dispute", identifier)


@endpoint(
    "GET",
    "/v1/disputes",
    accept(DisputeListParams, "charge created ending_before limit payment_intent starting_after"),
)
def list_all(world: World) -> Object:
    """Return the disputes, newest first."""
    given = world.call.given
    wanted = {name: given[name] for name in ("charge", "payment_intent") if name in given}
    return world.page(world.store.select("dispute", **wanted), "/v1/disputes")
