"""The only place that talks to Stripe; never inside a database transaction.

Every call that makes something carries an idempotency key derived from our own row, so that asking again gets the
same answer, and has time-outs. Two failures are told apart: Stripe looked at the request and said no (`Refused`), and
nobody knows (`Unanswered`: a time-out, a broken connection, 5xx; also where Stripe did not look at all, because of a
key, a limit or a lock: an earlier try of the same request may have gone through). What follows is the caller's
decision.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import stripe
from django.conf import settings

from billing.use_cases.processor_settings import processor_keys
from orders.models.basket import Line

CONNECT_SECONDS = 3.05
ANSWER_SECONDS = 12
RETRIES = 1
PAGE = 100
# Stripe looked at what was asked; other 4xx are about who asks, how often, or beside what.
_CONSIDERED = frozenset({400, 402, 404})
# How long one call may keep a process busy at the most, all tries included; leases are longer than this.
CALL_SECONDS = 60

Answer = TypeVar("Answer")


class Refused(Exception):
    """Stripe answered that it will not; nothing was made."""


class CustomerUnknown(Refused):
    """Stripe knows no customer by the id that was asked with: deleted there, or of another account."""


class Unanswered(Exception):
    """Nobody knows whether Stripe did it."""


class NotConfigured(Exception):
    """There is no secret key."""


class Debit(StrEnum):
    """What became of a payment by a method that takes days."""

    PROCESSING = "processing"
    PAID = "paid"
    FAILED = "failed"


_DEBITS = {"succeeded": Debit.PAID, "requires_payment_method": Debit.FAILED, "canceled": Debit.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRequest:
    """A Checkout Session to ask for: the lines' full prices by the month, credit off the first month only; or, where
    it is not recurring, the lines' prices once.

    Amounts in the currency's smallest unit. The same order always asks with the same values: Stripe refuses a key
    that comes back with others. One whose customer was replaced asks under a key of its own.
    """

    order_id: UUID
    tenant_id: UUID
    lines: tuple[Line, ...]
    credit_minor: int
    currency: str
    customer_id: str
    expires_at: datetime
    recurring: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A Checkout Session as Stripe tells it: `status` is open, complete or expired."""

    id: str
    url: str
    status: str
    payment_status: str
    raw: Mapping[str, Any]


def is_configured() -> bool:
    """Whether a secret key is set at this moment."""
    return bool(processor_keys().secret_key)


def create_customer(*, user_id: str, email: str, order_id: UUID, instead_of: str = "") -> str:
    """Stripe's id of a customer of ours, made for an order, under its key.

    A key of the customer's own would keep every one of their orders waiting a day for an answer of 500, which Stripe
    gives again. Args: instead_of: an id that Stripe does not know any more; the order's first key may lead to it.
    Raises: Refused, Unanswered, NotConfigured.
    """
    params: dict[str, Any] = {"metadata": {"user_id": user_id}}
    if email:
        params["email"] = email
    key = f"customer-{order_id}-{instead_of}" if instead_of else f"customer-{order_id}"
    made = _ask(lambda client: client.v1.customers.create(params, _key(key)))  # type: ignore[arg-type]
    return made.id


def create_session(asked: SessionRequest) -> Session:
    """Opens the order's session, or finds it again. Raises: Refused, CustomerUnknown, Unanswered, NotConfigured."""
    params = _session_params(asked)
    if asked.credit_minor:
        coupon = _ask(
            lambda client: client.v1.coupons.create(
                {
                    "amount_off": asked.credit_minor,
                    "currency": asked.currency.lower(),
                    "duration": "once",
                    "max_redemptions": 1,
                    "name": "Credit",
                    "metadata": {"order_id": str(asked.order_id)},
                },
                _key(f"credit-{asked.order_id}"),
            )
        )
        params["discounts"] = [{"coupon": coupon.id}]
    # A key stands for what it was first used with, a refusal too: another customer needs another.
    key = f"session-{asked.order_id}-{asked.customer_id}"
    made = _ask(
        lambda client: client.v1.checkout.sessions.create(params, _key(key))  # type: ignore[arg-type]
    )
    return session_from(made.to_dict())


def find_session(*, order_id: UUID, customer_id: str, since: datetime) -> Session | None:
    """The session that carries the order, among its customer's. Raises: Refused, Unanswered, NotConfigured."""
    asked: Any = {"customer": customer_id, "created": {"gte": int(since.timestamp())}, "limit": 100}
    made = _ask(lambda client: list(client.v1.checkout.sessions.list(asked).auto_paging_iter()))
    for each in made:
        if each.client_reference_id == str(order_id):
            return session_from(each.to_dict())
    return None


def retrieve_session(session_id: str) -> Session:
    """The session as it is now. Raises: Refused, Unanswered, NotConfigured."""
    return session_from(_ask(lambda client: client.v1.checkout.sessions.retrieve(session_id)).to_dict())


def expire_session(session_id: str) -> Session:
    """Closes the session, so that nobody can pay it any more, and says what it is now.

    A session that is no longer open is not refused but told: it may be complete.
    Raises: Refused, Unanswered also where it is still open, NotConfigured.
    """
    try:
        return session_from(_ask(lambda client: client.v1.checkout.sessions.expire(session_id)).to_dict())
    except Refused as error:
        session = retrieve_session(session_id)
        if session.status == "open":
            raise Unanswered(str(error)) from error
        return session


def refund_payment(*, refund_id: UUID, payment_intent_id: str, amount_minor: int) -> str:
    """Gives a card its money back; Stripe's id of the refund. Raises: Refused, Unanswered, NotConfigured.

    One that was made is found by what it carries: the key is forgotten after a day, and a second one would be made.
    """
    earlier = _ask(lambda client: client.v1.refunds.list({"payment_intent": payment_intent_id, "limit": 100}))
    for each in earlier.data:
        if (each.to_dict().get("metadata") or {}).get("refund_id") == str(refund_id):
            return each.id
    made = _ask(
        lambda client: client.v1.refunds.create(
            {
                "payment_intent": payment_intent_id,
                "amount": amount_minor,
                "metadata": {"refund_id": str(refund_id)},
            },
            _key(f"refund-{refund_id}"),
        )
    )
    return made.id


def payment_intent_of(*, invoice_id: str) -> str:
    """The payment that settled an invoice; empty where there is none. Raises: Refused, Unanswered, NotConfigured."""
    found = _ask(lambda client: client.v1.invoice_payments.list({"invoice": invoice_id, "status": "paid"}))
    for each in found.data:
        if each.payment.payment_intent:
            return reference_id(each.payment.payment_intent)
    return ""


def debit_of(session: Session) -> Debit:
    """How a payment that takes days has gone so far: the session stays complete and unpaid after a failed one.

    Raises: Refused, Unanswered, NotConfigured.
    """
    intent_id = reference_id(session.raw.get("payment_intent"))
    if not intent_id:
        invoice_id = reference_id(session.raw.get("invoice"))
        found = _ask(lambda client: client.v1.invoice_payments.list({"invoice": invoice_id})).data
        if any(each.status == "paid" for each in found):
            return Debit.PAID
        intents = [reference_id(each.payment.payment_intent) for each in found if each.payment.payment_intent]
        if not intents:
            return Debit.PROCESSING
        intent_id = intents[0]
    status = _ask(lambda client: client.v1.payment_intents.retrieve(intent_id)).status
    return _DEBITS.get(status, Debit.PROCESSING)


def cancel_subscription(subscription_id: str) -> None:
    """Ends a subscription at once; one that has ended already is no failure. Raises: Unanswered, NotConfigured."""
    try:
        _ask(lambda client: client.v1.subscriptions.cancel(subscription_id))
    except Refused as error:
        # One that has ended cannot be cancelled; any other would go on charging the card.
        if not _has_ended(subscription_id):
            raise Unanswered(str(error)) from error


def void_open_invoices(*, subscription_id: str) -> None:
    """Lets nobody pay a subscription's unpaid invoices any more.

    Raises: Unanswered, NotConfigured; Refused where one was paid meanwhile, which is not open when asked again.
    """
    for page in pages(Listed.INVOICES, subscription=subscription_id, status="open"):
        for each in page:
            _ask(partial(_void, str(each["id"])))


def _void(invoice_id: str, client: stripe.StripeClient) -> stripe.Invoice:
    return client.v1.invoices.void_invoice(invoice_id)


def _has_ended(subscription_id: str) -> bool:
    try:
        return retrieve_subscription(subscription_id)["status"] in ("canceled", "incomplete_expired")
    except Refused:
        return True


def refunded_of(*, payment_intent_id: str) -> int:
    """What the card got back of a payment so far. Raises: Refused, Unanswered, NotConfigured."""
    charges = _ask(lambda client: client.v1.charges.list({"payment_intent": payment_intent_id}))
    return sum(charge.amount_refunded for charge in charges.data)


class Listed(StrEnum):
    """What Stripe lists."""

    SESSIONS = "sessions"
    CHARGES = "charges"
    REFUNDS = "refunds"
    INVOICES = "invoices"
    INVOICE_PAYMENTS = "invoice_payments"
    SUBSCRIPTIONS = "subscriptions"
    EVENTS = "events"


_LISTS: Mapping[Listed, Callable[[stripe.StripeClient], Any]] = {
    Listed.SESSIONS: lambda client: client.v1.checkout.sessions,
    Listed.CHARGES: lambda client: client.v1.charges,
    Listed.REFUNDS: lambda client: client.v1.refunds,
    Listed.INVOICES: lambda client: client.v1.invoices,
    Listed.INVOICE_PAYMENTS: lambda client: client.v1.invoice_payments,
    Listed.SUBSCRIPTIONS: lambda client: client.v1.subscriptions,
    Listed.EVENTS: lambda client: client.v1.events,
}


def pages(of: Listed, *, since: datetime | None = None, **asked: Any) -> Iterator[list[Mapping[str, Any]]]:
    """What Stripe has of a kind, newest first, one page in memory at a time.

    Args: since: of what was made from then on. Raises: Refused, Unanswered, NotConfigured, at any page.
    """
    wanted = {**asked, "limit": PAGE}
    if since is not None:
        wanted["created"] = {"gte": int(since.timestamp())}
    while True:
        page = _list(of, wanted)
        yield [each.to_dict() for each in page.data]
        if not page.has_more:
            return
        wanted["starting_after"] = page.data[-1].id


def _list(of: Listed, wanted: Mapping[str, Any]) -> Any:
    return _ask(lambda client: _LISTS[of](client).list(dict(wanted)))


def invoice_of(*, payment_intent_id: str) -> Mapping[str, Any] | None:
    """The invoice that a payment is for; None where it is for none. Raises: Refused, Unanswered, NotConfigured."""
    payment = {"type": "payment_intent", "payment_intent": payment_intent_id}
    found = _list(Listed.INVOICE_PAYMENTS, {"payment": payment}).data
    if not found:
        return None
    invoice_id = reference_id(found[0].invoice)
    return _ask(lambda client: client.v1.invoices.retrieve(invoice_id)).to_dict()


def retrieve_subscription(subscription_id: str) -> Mapping[str, Any]:
    """A subscription as it is now. Raises: Refused, Unanswered, NotConfigured."""
    return _ask(lambda client: client.v1.subscriptions.retrieve(subscription_id)).to_dict()


def create_portal_session(*, customer_id: str, return_url: str) -> str:
    """The address of a billing-portal session. Raises: Refused, CustomerUnknown, Unanswered, NotConfigured."""
    made = _ask(
        lambda client: client.v1.billing_portal.sessions.create({"customer": customer_id, "return_url": return_url})
    )
    return made.url


def _session_params(asked: SessionRequest) -> dict[str, Any]:
    metadata = {"order_id": str(asked.order_id), "tenant_id": str(asked.tenant_id)}
    every_month = {"recurring": {"interval": "month"}} if asked.recurring else {}
    return {
        "mode": "subscription" if asked.recurring else "payment",
        "customer": asked.customer_id,
        "client_reference_id": str(asked.order_id),
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": asked.currency.lower(),
                    "unit_amount": line.price_minor,
                    **every_month,
                    "product_data": {"name": line.name, "metadata": {"slug": line.slug}},
                },
            }
            for line in asked.lines
        ],
        "metadata": metadata,
        ("subscription_data" if asked.recurring else "payment_intent_data"): {"metadata": metadata},
        "expires_at": int(asked.expires_at.timestamp()),
        "success_url": settings.CHECKOUT_SUCCESS_URL,
        "cancel_url": settings.CHECKOUT_CANCEL_URL,
    }


def session_from(told: Mapping[str, Any]) -> Session:
    """A session from Stripe's own object, of an answer or of an event."""
    return Session(
        id=str(told["id"]),
        url=told.get("url") or "",
        status=told.get("status") or "",
        payment_status=told.get("payment_status") or "",
        raw=told,
    )


def reference_id(reference: Any) -> str:
    """Stripe's references are ids, or the objects themselves where they were expanded."""
    if isinstance(reference, Mapping | stripe.StripeObject):
        reference = reference["id"]
    return str(reference or "")


def _key(name: str) -> Any:
    return {"idempotency_key": name}


def _ask(call: Callable[[stripe.StripeClient], Answer]) -> Answer:
    keys = processor_keys()
    if not keys.secret_key:
        raise NotConfigured
    client = stripe.StripeClient(
        keys.secret_key,
        base_addresses={"api": settings.STRIPE_API_BASE},
        max_network_retries=RETRIES,
        http_client=stripe.RequestsClient(timeout=(CONNECT_SECONDS, ANSWER_SECONDS)),
    )
    try:
        return call(client)
    except stripe.StripeError as error:
        raise _failure(error) from error


def _failure(error: stripe.StripeError) -> Refused | Unanswered:
    """Stripe's error, without its text: it may quote a key or a card."""
    what = f"{type(error).__name__} {error.http_status or ''} {error.code or ''}".strip()
    status = error.http_status or 0
    if status not in _CONSIDERED or isinstance(error, stripe.IdempotencyError):
        return Unanswered(what)
    is_customer = error.code == "resource_missing" and getattr(error, "param", None) == "customer"
    return CustomerUnknown(what) if is_customer else Refused(what)
