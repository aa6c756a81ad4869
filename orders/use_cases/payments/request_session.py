"""Requests an order's session from Stripe, and finds one that an earlier request made.

Each request of an order has the same keys and names the same customer, so Stripe makes one session, however often it
is requested. No call is made inside a database transaction.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from billing.actor import Actor
from billing.local_time import local_day
from billing.use_cases.link_processor_customer import link_processor_customer, replace_processor_customer
from orders.models import Order, Payment
from orders.models.basket import Line
from orders.stripe import gateway
from orders.stripe.payloads import Session
from orders.stripe.session_request import SessionRequest
from orders.use_cases.checkout.complete_order import basket_of

_CLOCKS_DIFFER = timedelta(minutes=10)


def request_session(order: Order, *, by: Actor) -> Session:
    """Requests the session, a second time for a new customer where Stripe no longer knows ours."""
    customer_id = _recorded_customer(order)
    try:
        return gateway.create_session(_session_request(order, customer_id=customer_id))
    except gateway.CustomerUnknown:
        customer_id = _replace_customer(order, unknown=customer_id, by=by)
        return gateway.create_session(_session_request(order, customer_id=customer_id))


def _recorded_customer(order: Order) -> str:
    """Returns Stripe's customer of the session, and records it first, so that every attempt names the same one."""
    if not order.payment.stripe_customer_id:
        if not order.customer.stripe_customer_id:
            made = gateway.create_customer(
                user_id=order.customer.user_id, email=order.customer.email, order_id=order.id
            )
            link_processor_customer(customer_id=order.customer_id, processor_id=made)
        _record_customer(order, instead_of="")
    return order.payment.stripe_customer_id


def _replace_customer(order: Order, *, unknown: str, by: Actor) -> str:
    """Creates a customer in place of one that was deleted at Stripe, or belongs to another Stripe account."""
    order.customer.refresh_from_db()
    if order.customer.stripe_customer_id == unknown:
        made = gateway.create_customer(
            user_id=order.customer.user_id, email=order.customer.email, order_id=order.id, instead_of=unknown
        )
        replace_processor_customer(customer_id=order.customer_id, unknown=unknown, processor_id=made, by=by)
    _record_customer(order, instead_of=unknown)
    return order.payment.stripe_customer_id


def _record_customer(order: Order, *, instead_of: str) -> None:
    # Another order or attempt may have recorded its customer first.
    order.customer.refresh_from_db()
    Payment.objects.filter(pk=order.pk, stripe_customer_id=instead_of).update(
        stripe_customer_id=order.customer.stripe_customer_id
    )
    order.payment.refresh_from_db(fields=["stripe_customer_id"])


def _session_request(order: Order, *, customer_id: str) -> SessionRequest:
    lines = basket_of(order).lines
    is_renewal = order.kind == Order.Kind.RENEWAL
    return SessionRequest(
        order_id=order.id,
        tenant_id=order.organization_id,
        lines=(_remainder(order, lines),) if is_renewal else lines,
        credit_minor=0 if is_renewal else order.credit_applied_minor,
        recurring=not is_renewal,
        currency=order.currency,
        customer_id=customer_id,
        expires_at=order.payment.expires_at,
    )


def _remainder(order: Order, lines: tuple[Line, ...]) -> Line:
    """Returns the part of a renewal that credit does not cover, as one line, charged once."""
    month = local_day(order.period_start).isoformat() if order.period_start else ""
    names = ", ".join(line.name for line in lines)
    return replace(lines[0], name=f"Month from {month}: {names}"[:250], price_minor=order.payment.amount_minor)


def find_session(order: Order, *, now: datetime) -> Session | None:
    """Returns the session that Stripe has for an order, or None if it has none and will not make one later.

    A request with the order's keys returns the session that Stripe made before. If it made none, the request makes
    one for the caller to close, so that an earlier request still in flight cannot make it later. Stripe forgets a key
    after a day, and may keep an answer of 500 under it; then this searches the customer's sessions.
    Raises: gateway.Unanswered, gateway.NotConfigured.
    """
    customer_id = order.payment.stripe_customer_id or order.customer.stripe_customer_id
    if not customer_id:
        # The customer is recorded before a session is requested.
        return None
    try:
        return gateway.create_session(_session_request(order, customer_id=customer_id))
    except (gateway.Refused, gateway.Unanswered) as error:
        since = order.payment.requested_at - _CLOCKS_DIFFER
        try:
            found = gateway.find_session(order_id=order.id, customer_id=customer_id, since=since)
        except gateway.Refused:
            found = None
        is_over = isinstance(error, gateway.Refused) or order.payment.expires_at <= now
        if found is None and not is_over:
            raise
        return found
