"""The outcomes of a session: paid, declined, or paid by a bank debit that settles or fails later.

The page and the control API call these functions. Events have an order that was observed at Stripe, which promises
none. A declined card leaves the session open, as at Stripe, so that the customer can try another card.
"""

from config.devtools.stripe_sandbox.clock import BILLING
from config.devtools.stripe_sandbox.protocol.errors import invalid
from config.devtools.stripe_sandbox.resources import payments
from config.devtools.stripe_sandbox.resources.billing.discounts import Line, apply_discount
from config.devtools.stripe_sandbox.resources.billing.invoices import (
    intent_of,
    issue_invoice,
    mark_paid,
    note_failure,
)
from config.devtools.stripe_sandbox.resources.billing.subscriptions import make_subscription, set_status
from config.devtools.stripe_sandbox.resources.catalog import count_redemption
from config.devtools.stripe_sandbox.resources.customers import make_customer
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World

DEFAULT_EMAIL = "customer@example.com"


def _require_open(session: Object) -> None:
    if session["status"] != "open":
        raise invalid(f"This Checkout Session has a status of `{session['status']}`.")


def pay(world: World, session: Object, *, email: str | None = None, later: bool = False) -> None:
    """Pay by card at once, or with `later` by a bank debit that settles or fails afterwards.

    Raises: StripeError if the session is not open.
    """
    _require_open(session)
    customer = _customer_of(world, session, email)
    nothing = session["amount_total"] == 0
    method = payments.make_method(world, payments.BANK if later else payments.CARD, customer)
    if session["mode"] == "subscription":
        subscription, invoice = _subscribe(world, session, customer, method)
        intent = intent_of(world, invoice)
    else:
        subscription, invoice, intent = None, None, None if nothing else _intent_of_payment(world, session, customer)
    if intent and later:
        payments.process(world, intent, method)
    elif intent:
        payments.succeed(world, intent, method)
        if invoice:
            mark_paid(world, invoice)
    if subscription:
        # This applies to a pending debit too: Stripe starts the subscription, and ends it if the debit fails.
        set_status(world, subscription, "active")
    if session["_sandbox"]["coupon"]:
        count_redemption(world, session["_sandbox"]["coupon"]["id"])
    world.change(
        session,
        customer=customer["id"] if customer else None,
        customer_details=(session["customer_details"] or {}) | _details(customer, email),
        invoice=invoice["id"] if invoice else None,
        payment_intent=intent["id"] if intent and not invoice else None,
        payment_status="no_payment_required" if nothing else "unpaid" if later else "paid",
        status="complete",
        subscription=subscription["id"] if subscription else None,
        url=None,
    )
    world.record_event("checkout.session.completed", session)


def refuse(world: World, session: Object) -> None:
    """Decline the card. The attempt fails, and the session stays open.

    Raises: StripeError if the session is not open.
    """
    _require_open(session)
    customer = world.store.load(session["customer"] or "", "customer")
    method = payments.make_method(world, payments.CARD, None)
    intent = _attempt_of(world, session, customer)
    payments.fail(world, intent, method)


def settle_debit(world: World, session: Object) -> None:
    """Settle the bank debit.

    Raises: StripeError if no debit is pending.
    """
    intent = _require_processing(world, session)
    payments.settle(world, intent)
    if session["invoice"]:
        mark_paid(world, world.get("invoice", session["invoice"]))
    world.change(session, payment_status="paid")
    world.record_event("checkout.session.async_payment_succeeded", session)


def fail_debit(world: World, session: Object) -> None:
    """Return the bank debit. The subscription becomes past due; the session stays complete and unpaid.

    Raises: StripeError if no debit is pending.
    """
    intent = _require_processing(world, session)
    method = world.get("payment_method", intent["payment_method"])
    payments.fail(world, intent, method, why=payments.BOUNCED)
    if session["invoice"]:
        note_failure(world, world.get("invoice", session["invoice"]))
    world.record_event("checkout.session.async_payment_failed", session)


def success_url(session: Object) -> str:
    """Return the address to which the customer is sent back."""
    url: str = session["success_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _customer_of(world: World, session: Object, email: str | None) -> Object | None:
    known = world.store.load(session["customer"] or "", "customer")
    if known or session["customer_creation"] != "always":
        return known
    return make_customer(world, email=session["customer_email"] or email or DEFAULT_EMAIL)


def _details(customer: Object | None, email: str | None) -> Object:
    known = customer or {"email": email or DEFAULT_EMAIL}
    return {
        "address": known.get("address"),
        "business_name": None,
        "email": known["email"],
        "individual_name": None,
        "name": known.get("name"),
        "phone": known.get("phone"),
        "tax_exempt": "none",
        "tax_ids": [],
    }


def _subscribe(world: World, session: Object, customer: Object | None, method: Object) -> tuple[Object, Object]:
    """Create the subscription and its first invoice, which includes the one-time lines."""
    assert customer is not None  # noqa: S101 - subscription mode always makes one
    lines = [Line(item["price"], item["quantity"], item["description"]) for item in session["_sandbox"]["lines"]]
    data = session["_sandbox"]["data"]
    subscription = make_subscription(
        world,
        customer=customer,
        lines=[line for line in lines if line.price["recurring"]],
        metadata=world.merge_metadata({}, data.get("metadata")),
        method=method,
    )
    fields: Object = {"description": data.get("description")}
    discount = world.store.load(session["_sandbox"]["discount"] or "")
    if discount:
        apply_discount(world, discount, customer=customer["id"], subscription=subscription["id"])
        fields["discounts"] = [discount["id"]]
    world.change(subscription, **fields)
    world.record_event("customer.subscription.created", subscription)
    invoice = issue_invoice(world, subscription, lines, reason="subscription_create")
    return subscription, invoice


def _intent_of_payment(world: World, session: Object, customer: Object | None) -> Object:
    """Return the payment intent of a session in payment mode. A declined attempt may have created it."""
    earlier = world.store.select("payment_intent", _sandbox__session=session["id"])
    if earlier:
        world.change(earlier[0], customer=customer["id"] if customer else None)
        return earlier[0]
    data = session["_sandbox"]["data"]
    return payments.make_intent(
        world,
        amount=session["amount_total"],
        currency=session["currency"],
        customer=customer,
        description=data.get("description"),
        receipt_email=data.get("receipt_email"),
        metadata=world.merge_metadata({}, data.get("metadata")),
        _sandbox={"session": session["id"]},
    )


def _attempt_of(world: World, session: Object, customer: Object | None) -> Object:
    if session["mode"] == "payment":
        return _intent_of_payment(world, session, customer)
    return payments.make_intent(
        world,
        amount=session["amount_total"],
        currency=session["currency"],
        customer=customer,
        clock=BILLING,
        description="Subscription creation",
        setup_future_usage="off_session",
    )


def _require_processing(world: World, session: Object) -> Object:
    if session["invoice"]:
        intent = intent_of(world, world.get("invoice", session["invoice"]))
    else:
        intent = world.store.load(session["payment_intent"] or "", "payment_intent")
    if intent is None or intent["status"] != "processing":
        raise invalid("This Checkout Session has no pending bank debit.")
    return intent
