"""How a session ends: paid, refused, paid by a bank debit that settles or fails later.

Called by the page and by the control API. Events come in an order that Stripe has been seen to use; it promises none.
A refused card leaves the session open, as at Stripe: the customer may try another one.
"""

from config.devtools.stripe_sandbox.clock import BILLING
from config.devtools.stripe_sandbox.errors import invalid
from config.devtools.stripe_sandbox.resources import payments
from config.devtools.stripe_sandbox.resources.catalog import count_redemption
from config.devtools.stripe_sandbox.resources.customers import make_customer
from config.devtools.stripe_sandbox.resources.discounts import Line, apply_discount
from config.devtools.stripe_sandbox.resources.invoices import intent_of, issue_invoice, mark_paid, note_failure
from config.devtools.stripe_sandbox.resources.subscriptions import make_subscription, set_status
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World

SOMEBODY = "customer@example.com"


def _require_open(session: Object) -> None:
    if session["status"] != "open":
        raise invalid(f"This Checkout Session has a status of `{session['status']}`.")


def pay(world: World, session: Object, *, email: str | None = None, later: bool = False) -> None:
    """The customer pays: by card at once, or `later` by a bank debit that is only asked for now.

    Raises: StripeError where the session is not open.
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
        # Also while a debit is on its way: Stripe starts the subscription and takes it back if the debit fails.
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
    world.tell("checkout.session.completed", session)


def refuse(world: World, session: Object) -> None:
    """The bank declines the card: an attempt that failed, and a session that is still open.

    Raises: StripeError where the session is not open.
    """
    _require_open(session)
    customer = world.store.load(session["customer"] or "", "customer")
    method = payments.make_method(world, payments.CARD, None)
    intent = _attempt_of(world, session, customer)
    payments.fail(world, intent, method)


def settle(world: World, session: Object) -> None:
    """The bank debit has arrived.

    Raises: StripeError where none is on its way.
    """
    intent = _require_processing(world, session)
    payments.settle(world, intent)
    if session["invoice"]:
        mark_paid(world, world.get("invoice", session["invoice"]))
    world.change(session, payment_status="paid")
    world.tell("checkout.session.async_payment_succeeded", session)


def fail_debit(world: World, session: Object) -> None:
    """The bank debit came back: the subscription is past due, the session complete and unpaid.

    Raises: StripeError where none is on its way.
    """
    intent = _require_processing(world, session)
    method = world.get("payment_method", intent["payment_method"])
    payments.fail(world, intent, method, why=payments.BOUNCED)
    if session["invoice"]:
        note_failure(world, world.get("invoice", session["invoice"]))
    world.tell("checkout.session.async_payment_failed", session)


def success_url(session: Object) -> str:
    """Where the customer is sent back to."""
    url: str = session["success_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _customer_of(world: World, session: Object, email: str | None) -> Object | None:
    known = world.store.load(session["customer"] or "", "customer")
    if known or session["customer_creation"] != "always":
        return known
    return make_customer(world, email=session["customer_email"] or email or SOMEBODY)


def _details(customer: Object | None, email: str | None) -> Object:
    known = customer or {"email": email or SOMEBODY}
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
    """The subscription and its first invoice, which one-time lines are on too."""
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
    world.tell("customer.subscription.created", subscription)
    invoice = issue_invoice(world, subscription, lines, reason="subscription_create")
    return subscription, invoice


def _intent_of_payment(world: World, session: Object, customer: Object | None) -> Object:
    """The payment of a session in payment mode; a refused attempt has made it already."""
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
        raise invalid("No bank debit of this Checkout Session is on its way.")
    return intent
