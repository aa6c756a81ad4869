"""Payment intents, charges, and the payment methods of sessions.

A card payment succeeds at once, or is declined and can be tried again. A bank debit is processed, and settles or
fails later. Not reproduced: making or confirming intents through the API, 3-D Secure, manual capture.
"""

from stripe.params import (
    ChargeListParams,
    ChargeRetrieveParams,
    PaymentIntentListParams,
    PaymentIntentRetrieveParams,
    PaymentIntentUpdateParams,
    PaymentMethodListParams,
    PaymentMethodRetrieveParams,
)

from config.devtools.stripe_sandbox.clock import API
from config.devtools.stripe_sandbox.protocol.endpoints import endpoint
from config.devtools.stripe_sandbox.protocol.errors import invalid
from config.devtools.stripe_sandbox.protocol.parameters import accept
from config.devtools.stripe_sandbox.resources.accounts import move_balance
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World, new_id

CARD = "card"
BANK = "sepa_debit"
DECLINED = ("card_declined", "Your card was declined.")
BOUNCED = ("payment_intent_payment_attempt_failed", "The bank returned the debit.")
_PAGING = "created ending_before limit starting_after"
_NO_BILLING_DETAILS = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}


# --- Payment methods --------------------------------------------------------------------------------------
def make_method(world: World, kind: str, customer: Object | None) -> Object:
    """Create a payment method: a test card or a bank account."""
    card = {
        "brand": "visa",
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "OM",
        "display_brand": "visa",
        "exp_month": 12,
        "exp_year": 2040,
        "fingerprint": "SandboxCard00000",
        "funding": "credit",
        "generated_from": None,
        "last4": "4242",
        "networks": {"available": ["visa"], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    account = {"bank_code": "37040044", "branch_code": "", "country": "DE", "fingerprint": "SandboxBank00000"}
    made = world.make(
        "payment_method",
        {
            "allow_redisplay": "unspecified",
            "billing_details": _billing_details(customer),
            "customer": customer["id"] if customer else None,
            "metadata": {},
            "type": kind,
            kind: card if kind == CARD else account | {"generated_from": None, "last4": "3000"},
        },
    )
    if customer:
        world.record_event("payment_method.attached", made)
    return made


def _billing_details(customer: Object | None) -> Object:
    known = {name: customer[name] for name in ("email", "name", "phone")} if customer else {}
    return _NO_BILLING_DETAILS | known


@endpoint("GET", "/v1/payment_methods/{id}", accept(PaymentMethodRetrieveParams, ""))
def retrieve_method(world: World, identifier: str) -> Object:
    """Return one payment method."""
    return world.get("payment_method", identifier)


@endpoint(
    "GET", "/v1/payment_methods", accept(PaymentMethodListParams, "customer ending_before limit starting_after type")
)
def list_methods(world: World) -> Object:
    """Return the payment methods of a customer."""
    given = world.call.given
    wanted = {name: given[name] for name in ("customer", "type") if name in given}
    return world.page(world.store.select("payment_method", **wanted), "/v1/payment_methods")


# --- Payment intents --------------------------------------------------------------------------------------
def make_intent(
    world: World, *, amount: int, currency: str, customer: Object | None, clock: str = API, **more: object
) -> Object:
    """Create a payment intent that waits for a payment method."""
    identifier = new_id("pi")
    made = world.make(
        "payment_intent",
        {
            "amount": amount,
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "application": None,
            "application_fee_amount": None,
            "automatic_payment_methods": None,
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": "automatic",
            "client_secret": f"{identifier}_secret_{new_id('s')[2:]}",
            "confirmation_method": "automatic",
            "currency": currency,
            "customer": customer["id"] if customer else None,
            "description": None,
            "last_payment_error": None,
            "latest_charge": None,
            "metadata": {},
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_options": {},
            "payment_method_types": [CARD],
            "processing": None,
            "receipt_email": None,
            "review": None,
            "setup_future_usage": None,
            "shipping": None,
            "source": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": "requires_payment_method",
            "transfer_data": None,
            "transfer_group": None,
        }
        | more,
        identifier=identifier,
        clock=clock,
    )
    world.record_event("payment_intent.created", made)
    return made


def succeed(world: World, intent: Object, method: Object, *, clock: str = API) -> Object:
    """Complete the payment. Return its charge."""
    charge = _make_charge(world, intent, method, status="succeeded", clock=clock)
    _paid(world, intent, charge)
    return charge


def process(world: World, intent: Object, method: Object) -> Object:
    """Start a payment that the bank confirms later. Return the pending charge."""
    charge = _make_charge(world, intent, method, status="pending", clock=API)
    world.record_event("charge.pending", charge)
    world.change(
        intent,
        latest_charge=charge["id"],
        payment_method=method["id"],
        payment_method_types=[method["type"]],
        status="processing",
    )
    world.record_event("payment_intent.processing", intent)
    return charge


def settle(world: World, intent: Object) -> Object:
    """Settle a payment that was processing. Return its charge."""
    charge = world.get("charge", intent["latest_charge"])
    world.change(charge, status="succeeded", paid=True, captured=True, amount_captured=charge["amount"])
    _paid(world, intent, charge)
    return charge


def fail(
    world: World, intent: Object, method: Object, *, why: tuple[str, str] = DECLINED, clock: str = API
) -> Object:
    """Fail the attempt; another can follow. Return the failed charge."""
    code, message = why
    pending = world.store.load(intent["latest_charge"] or "", "charge")
    if pending and pending["status"] == "pending":
        charge = pending
    else:
        charge = _make_charge(world, intent, method, status="failed", clock=clock)
    world.change(charge, status="failed", failure_code=code, failure_message=message, outcome=_outcome(failed=True))
    world.record_event("charge.failed", charge)
    error = {
        "charge": charge["id"],
        "code": code,
        "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
        "message": message,
        "payment_method": method,
        "type": "card_error",
    }
    if code == DECLINED[0]:
        error["decline_code"] = "generic_decline"
    world.change(
        intent,
        last_payment_error=error,
        latest_charge=charge["id"],
        payment_method=None,
        processing=None,
        status="requires_payment_method",
    )
    world.record_event("payment_intent.payment_failed", intent)
    return charge


def cancel_intent(world: World, intent: Object, *, reason: str) -> None:
    """Cancel the payment, unless it has already succeeded."""
    if intent["status"] in ("succeeded", "canceled"):
        return
    world.change(intent, status="canceled", canceled_at=world.clock.now(), cancellation_reason=reason)
    world.record_event("payment_intent.canceled", intent)


def _paid(world: World, intent: Object, charge: Object) -> None:
    moved = move_balance(
        world, kind="charge", amount=charge["amount"], currency=charge["currency"], source=charge["id"]
    )
    world.change(charge, balance_transaction=moved)
    world.record_event("charge.succeeded", charge)
    world.change(
        intent,
        amount_received=intent["amount"],
        last_payment_error=None,
        latest_charge=charge["id"],
        payment_method=charge["payment_method"],
        payment_method_types=[charge["payment_method_details"]["type"]],
        status="succeeded",
    )
    world.record_event("payment_intent.succeeded", intent)


@endpoint("GET", "/v1/payment_intents/{id}", accept(PaymentIntentRetrieveParams, "client_secret"))
def retrieve_intent(world: World, identifier: str) -> Object:
    """Return one payment."""
    return world.get("payment_intent", identifier)


@endpoint("POST", "/v1/payment_intents/{id}", accept(PaymentIntentUpdateParams, "description metadata receipt_email"))
def update_intent(world: World, identifier: str) -> Object:
    """Update a payment's description and metadata."""
    intent = world.get("payment_intent", identifier)
    fields = {name: value or None for name, value in world.call.given.items() if name not in ("expand", "metadata")}
    fields["metadata"] = world.merge_metadata(intent, world.call.given.get("metadata"))
    world.change(intent, **fields)
    return intent


@endpoint("GET", "/v1/payment_intents", accept(PaymentIntentListParams, f"{_PAGING} customer"))
def list_intents(world: World) -> Object:
    """Return the payments, newest first."""
    given = world.call.given
    wanted = {"customer": given["customer"]} if "customer" in given else {}
    return world.page(world.store.select("payment_intent", **wanted), "/v1/payment_intents")


# --- Charges ----------------------------------------------------------------------------------------------
def _outcome(*, failed: bool) -> Object:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if failed else "approved_by_network",
        "reason": "generic_decline" if failed else None,
        "risk_level": "normal",
        "seller_message": "The bank did not return any further details." if failed else "Payment complete.",
        "type": "issuer_declined" if failed else "authorized",
    }


def _make_charge(world: World, intent: Object, method: Object, *, status: str, clock: str) -> Object:
    succeeded = status == "succeeded"
    identifier = new_id("ch")
    return world.make(
        "charge",
        {
            "amount": intent["amount"],
            "amount_captured": intent["amount"] if succeeded else 0,
            "amount_refunded": 0,
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": None,
            "billing_details": method["billing_details"],
            "calculated_statement_descriptor": "SANDBOX",
            "captured": succeeded,
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": False,
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "fraud_details": {},
            "metadata": dict(intent["metadata"]),
            "on_behalf_of": None,
            "outcome": _outcome(failed=False),
            "paid": succeeded,
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": {method["type"]: method[method["type"]], "type": method["type"]},
            "radar_options": {},
            "receipt_email": intent["receipt_email"],
            "receipt_number": None,
            "receipt_url": f"{world.base_url}/receipts/{identifier}" if succeeded else None,
            "refunded": False,
            "review": None,
            "shipping": None,
            "source": None,
            "source_transfer": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": status,
            "transfer_data": None,
            "transfer_group": None,
        },
        identifier=identifier,
        clock=clock,
    )


def charge_of_intent(world: World, intent: Object, *, param: str) -> Object:
    """Return the charge that paid the intent.

    Raises: StripeError if nothing has been paid.
    """
    charge = world.store.load(intent["latest_charge"] or "", "charge")
    if charge is None or charge["status"] != "succeeded":
        raise invalid(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.", param=param
        )
    return charge


@endpoint("GET", "/v1/charges/{id}", accept(ChargeRetrieveParams, ""))
def retrieve_charge(world: World, identifier: str) -> Object:
    """Return one charge."""
    return world.get("charge", identifier)


@endpoint("GET", "/v1/charges", accept(ChargeListParams, f"{_PAGING} customer payment_intent"))
def list_charges(world: World) -> Object:
    """Return the charges, newest first."""
    given = world.call.given
    wanted = {name: given[name] for name in ("customer", "payment_intent") if name in given}
    return world.page(world.store.select("charge", **wanted), "/v1/charges")
