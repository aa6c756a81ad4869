"""Invoices of subscriptions: issued, finalized at once, collected, voided or paid.

An invoice charges all items of the subscription in full, minus a valid coupon. A coupon with duration `once`
applies to the first invoice only. Stripe keeps a renewal's invoice as a draft for an hour; the sandbox finalizes it
at once. A declined renewal is retried after 3, 5 and 7 days and then cancels the subscription. Stripe's own
schedule is a setting of the account. Not reproduced: invoices made through the API, credit notes, taxes, customer
balances.
"""

from typing import Any

from stripe.params import (
    InvoiceLineItemListParams,
    InvoiceListParams,
    InvoicePaymentListParams,
    InvoicePaymentRetrieveParams,
    InvoicePayParams,
    InvoiceRetrieveParams,
    InvoiceUpdateParams,
    InvoiceVoidInvoiceParams,
)

from config.devtools.stripe_sandbox.clock import BILLING, DAY
from config.devtools.stripe_sandbox.protocol.endpoints import endpoint
from config.devtools.stripe_sandbox.protocol.errors import declined, invalid
from config.devtools.stripe_sandbox.protocol.parameters import accept
from config.devtools.stripe_sandbox.resources import payments
from config.devtools.stripe_sandbox.resources.billing.bills import invoice_fields
from config.devtools.stripe_sandbox.resources.billing.discounts import Line, applies_once, apply_coupon, is_over
from config.devtools.stripe_sandbox.resources.billing.subscriptions import end_subscription, set_status
from config.devtools.stripe_sandbox.store import Object
from config.devtools.stripe_sandbox.world import World

RETRY_DAYS = (3, 5, 7)


def issue_invoice(world: World, subscription: Object, lines: list[Line], *, reason: str) -> Object:
    """Create and finalize the invoice of a period. An invoice of zero is paid at once."""
    customer = world.get("customer", subscription["customer"])
    now = world.clock.now(BILLING)
    discount = world.store.load(subscription["discounts"][0]) if subscription["discounts"] else None
    if discount and is_over(discount, now):
        discount = None
        world.change(subscription, discounts=[])
    lines = apply_coupon(lines, discount["_sandbox"]["coupon"] if discount else None)
    fields = invoice_fields(world, subscription, customer=customer, lines=lines, discount=discount, reason=reason)
    invoice = world.make("invoice", fields, identifier=fields.pop("id"), clock=BILLING)
    if discount and applies_once(discount):
        world.change(subscription, discounts=[])
    world.change(subscription, latest_invoice=invoice["id"])
    world.record_event("invoice.created", invoice)
    number = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04}"
    world.change(customer, next_invoice_sequence=customer["next_invoice_sequence"] + 1, currency=invoice["currency"])
    world.change(
        invoice,
        effective_at=now,
        ending_balance=0,
        hosted_invoice_url=f"{world.base_url}/i/{invoice['id']}",
        invoice_pdf=f"{world.base_url}/i/{invoice['id']}/pdf",
        number=number,
        status="open",
        status_transitions=invoice["status_transitions"] | {"finalized_at": now},
    )
    world.record_event("invoice.finalized", invoice)
    if invoice["total"] == 0:
        mark_paid(world, invoice)
    else:
        _open_payment(world, invoice, customer)
    return invoice


def _open_payment(world: World, invoice: Object, customer: Object) -> None:
    intent = payments.make_intent(
        world,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=customer,
        clock=BILLING,
        description="Subscription creation"
        if invoice["billing_reason"].endswith("create")
        else "Subscription update",
        setup_future_usage="off_session",
        receipt_email=customer["email"],
        _sandbox={"invoice": invoice["id"]},
    )
    world.make(
        "invoice_payment",
        {
            "amount_paid": None,
            "amount_requested": invoice["amount_due"],
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": True,
            "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        },
    )


def payment_of(world: World, invoice: Object) -> Object | None:
    """Return the link between the invoice and its payment intent. None if the invoice was zero."""
    found = world.store.select("invoice_payment", invoice=invoice["id"])
    return found[0] if found else None


def intent_of(world: World, invoice: Object) -> Object | None:
    """Return the payment intent of the invoice."""
    payment = payment_of(world, invoice)
    return world.get("payment_intent", payment["payment"]["payment_intent"]) if payment else None


def mark_paid(world: World, invoice: Object, *, out_of_band: bool = False) -> None:
    """Mark the invoice as paid, and activate its subscription. Out of band, its own payment is cancelled."""
    now = world.clock.now(BILLING)
    world.change(
        invoice,
        amount_paid=invoice["amount_due"],
        amount_remaining=0,
        attempted=True,
        attempt_count=invoice["attempt_count"] + (1 if invoice["amount_due"] else 0),
        auto_advance=False,
        next_payment_attempt=None,
        status="paid",
        status_transitions=invoice["status_transitions"] | {"paid_at": now},
    )
    payment = payment_of(world, invoice)
    if payment and out_of_band:
        transitions = payment["status_transitions"] | {"canceled_at": now}
        world.change(payment, status="canceled", status_transitions=transitions)
    elif payment:
        transitions = payment["status_transitions"] | {"paid_at": now}
        world.change(payment, amount_paid=invoice["amount_due"], status="paid", status_transitions=transitions)
        world.record_event("invoice_payment.paid", payment)
    world.record_event("invoice.paid", invoice)
    world.record_event("invoice.payment_succeeded", invoice)
    subscription = subscription_of(world, invoice)
    if subscription["status"] in ("incomplete", "past_due") and subscription["latest_invoice"] == invoice["id"]:
        set_status(world, subscription, "active")


def subscription_of(world: World, invoice: Object) -> Object:
    """Return the subscription of the invoice."""
    return world.get("subscription", invoice["parent"]["subscription_details"]["subscription"])


def card_pays(world: World, customer: str) -> bool:
    """Tell whether the customer's saved card pays. The control API decides that, for all or for one customer."""
    cards = world.store.setting("cards", {"default": "pays", "customers": {}})
    behaviour = cards["customers"].get(customer, cards["default"])
    return bool(behaviour == "pays")


def collect(world: World, invoice: Object) -> bool:
    """Charge the saved card. Return whether it paid."""
    subscription = subscription_of(world, invoice)
    intent = intent_of(world, invoice)
    method = world.store.load(subscription["default_payment_method"] or "", "payment_method")
    if intent is None or method is None:
        return False
    if card_pays(world, invoice["customer"]):
        payments.succeed(world, intent, method, clock=BILLING)
        mark_paid(world, invoice)
        return True
    payments.fail(world, intent, method, clock=BILLING)
    note_failure(world, invoice)
    return False


def note_failure(world: World, invoice: Object) -> None:
    """Record a declined payment. The subscription becomes past due, or ends after the last attempt."""
    attempts = invoice["attempt_count"] + 1
    again = attempts <= len(RETRY_DAYS)
    next_at = world.clock.now(BILLING) + RETRY_DAYS[attempts - 1] * DAY if again else None
    world.change(invoice, attempted=True, attempt_count=attempts, auto_advance=again, next_payment_attempt=next_at)
    world.record_event("invoice.payment_failed", invoice)
    subscription = subscription_of(world, invoice)
    if subscription["status"] == "canceled":
        return
    if next_at is None:
        end_subscription(world, subscription, reason="payment_failed")
        return
    set_status(world, subscription, "past_due")
    world.store.set_timer(BILLING, next_at, "collect", invoice["id"])


def collect_again(world: World, invoice: Object) -> None:
    """Charge an open invoice again, by the retry schedule."""
    if invoice["status"] == "open" and subscription_of(world, invoice)["status"] != "canceled":
        collect(world, invoice)


@endpoint("GET", "/v1/invoices/{id}", accept(InvoiceRetrieveParams, ""))
def retrieve(world: World, identifier: str) -> Object:
    """Return one invoice."""
    return world.get("invoice", identifier)


@endpoint("POST", "/v1/invoices/{id}", accept(InvoiceUpdateParams, "description footer metadata"))
def update(world: World, identifier: str) -> Object:
    """Update an invoice's description and metadata."""
    invoice = world.get("invoice", identifier)
    fields: dict[str, Any] = {
        name: world.call.given[name] or None for name in ("description", "footer") if name in world.call.given
    }
    fields["metadata"] = world.merge_metadata(invoice, world.call.given.get("metadata"))
    before = world.change(invoice, **fields)
    world.record_event("invoice.updated", invoice, before)
    return invoice


@endpoint(
    "GET",
    "/v1/invoices",
    accept(InvoiceListParams, "created customer ending_before limit starting_after status subscription"),
)
def list_all(world: World) -> Object:
    """Return the invoices, newest first."""
    given = world.call.given
    wanted: Object = {name: given[name] for name in ("customer", "status") if name in given}
    if "subscription" in given:
        wanted["parent__subscription_details__subscription"] = given["subscription"]
    return world.page(world.store.select("invoice", **wanted), "/v1/invoices")


@endpoint("GET", "/v1/invoices/{id}/lines", accept(InvoiceLineItemListParams, "ending_before limit starting_after"))
def list_lines(world: World, identifier: str) -> Object:
    """Return the lines of an invoice."""
    return world.page(world.get("invoice", identifier)["lines"]["data"], f"/v1/invoices/{identifier}/lines")


@endpoint("POST", "/v1/invoices/{id}/pay", accept(InvoicePayParams, "paid_out_of_band"))
def pay(world: World, identifier: str) -> Object:
    """Charge the saved card now, or record that the invoice was paid elsewhere.

    Raises: StripeError card_declined (402). The attempt counts.
    """
    invoice = world.get("invoice", identifier)
    if invoice["status"] == "paid":
        raise invalid("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] != "open":
        raise invalid(f"Invoices with a status of {invoice['status']} cannot be paid.")
    if world.call.given.get("paid_out_of_band"):
        intent = intent_of(world, invoice)
        if intent:
            payments.cancel_intent(world, intent, reason="requested_by_customer")
        mark_paid(world, invoice, out_of_band=True)
    elif not collect(world, invoice):
        raise declined()
    return world.reload(invoice)


@endpoint("POST", "/v1/invoices/{id}/void", accept(InvoiceVoidInvoiceParams, ""))
def void(world: World, identifier: str) -> Object:
    """Void an open invoice permanently."""
    invoice = world.get("invoice", identifier)
    if invoice["status"] not in ("open", "uncollectible"):
        raise invalid(
            f"You can only pass in open or uncollectible invoices. This invoice isn't: it is {invoice['status']}."
        )
    now = world.clock.now(BILLING)
    world.change(
        invoice,
        auto_advance=False,
        next_payment_attempt=None,
        status="void",
        status_transitions=invoice["status_transitions"] | {"voided_at": now},
    )
    intent = intent_of(world, invoice)
    if intent:
        payments.cancel_intent(world, intent, reason="void_invoice")
    world.record_event("invoice.voided", invoice)
    return invoice


@endpoint("GET", "/v1/invoice_payments/{id}", accept(InvoicePaymentRetrieveParams, ""))
def retrieve_payment(world: World, identifier: str) -> Object:
    """Return one link between invoice and payment."""
    return world.get("invoice_payment", identifier)


@endpoint(
    "GET",
    "/v1/invoice_payments",
    accept(InvoicePaymentListParams, "created ending_before invoice limit payment starting_after status"),
)
def list_payments(world: World) -> Object:
    """Return the links, by invoice or by payment intent."""
    given = world.call.given
    wanted: Object = {name: given[name] for name in ("invoice", "status") if name in given}
    if "payment_intent" in given.get("payment", {}):
        wanted["payment__payment_intent"] = given["payment"]["payment_intent"]
    return world.page(world.store.select("invoice_payment", **wanted), "/v1/invoice_payments")
