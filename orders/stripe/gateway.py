"""The calls to Stripe's API, and their outcomes. No call is made inside a database transaction.

Only this module and subscriptions.py, which uses `call_stripe`, call the API.

Every call that creates something carries an idempotency key derived from a row of ours, so that a retry gets the same
answer. Every call has time-outs. A call fails in one of two ways:

- `Refused`: Stripe evaluated the request and said no. Nothing was created.
- `Unanswered`: the outcome is unknown. The call timed out, the connection broke, or Stripe answered with 5xx. It is
  unknown too where Stripe did not evaluate this try (a bad key, a rate limit, a lock): an earlier try may have
  succeeded.

The caller decides what follows from either.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from threading import BoundedSemaphore
from typing import Any, TypeVar, cast
from uuid import UUID

import stripe
from django.conf import settings
from django.db import connection
from prometheus_client import Histogram

from billing.use_cases.outside_calls import are_outside_calls_held
from billing.use_cases.processor_settings import processor_keys
from orders.stripe.payloads import Object, Session, read_reference, read_session
from orders.stripe.session_request import SessionRequest, session_params

CONNECT_TIMEOUT_SECONDS = 3.05
READ_TIMEOUT_SECONDS = 12
MAX_NETWORK_RETRIES = 1
# The longest that one call may take, retries included. Leases are longer than this.
MAX_CALL_SECONDS = 60
# So many calls for waiting customers at a time, half of a web process's threads: the others serve what needs no card.
# While Stripe answers within a second, a thread beyond them gets its turn in time.
MAX_WAIT_SECONDS = 2
_calls_for_customers = BoundedSemaphore(settings.STRIPE_CALLS_AT_ONCE)
PAGE_SIZE = 100
# With these Stripe refuses what was requested. Other 4xx are about the key, the rate, or a concurrent request.
_REFUSAL_STATUSES = frozenset({400, 402, 404})

_CALLS = Histogram(
    "qasima_stripe_call_seconds",
    "How long calls to Stripe took, retries included: answered, refused, or unanswered",
    ["outcome"],
    buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32),
)

Result = TypeVar("Result")


class Refused(Exception):
    """Stripe evaluated the request and said no; nothing was created."""


class CustomerUnknown(Refused):
    """Stripe does not know the customer of the request: it was deleted there, or is another account's."""


class ObjectUnknown(Refused):
    """Stripe does not know the object of the request: it is of another account, or of the other mode."""


class AddressRefused(Refused):
    """Stripe takes the e-mail address for none."""


class Unanswered(Exception):
    """The outcome is unknown: Stripe may or may not have done it."""


class NotConfigured(Exception):
    """No secret key is set, or calls are held after a restoration."""


class DebitStatus(StrEnum):
    """The state of a payment by a method that takes days."""

    PROCESSING = "processing"
    PAID = "paid"
    FAILED = "failed"


_DEBIT_STATUS_BY_INTENT_STATUS = {
    "succeeded": DebitStatus.PAID,
    "requires_payment_method": DebitStatus.FAILED,
    "canceled": DebitStatus.FAILED,
}


def is_configured() -> bool:
    """Returns whether a secret key is set at this moment, and calls to Stripe are not held."""
    return bool(processor_keys().secret_key) and not are_outside_calls_held()


def create_customer(*, user_id: str, email: str, order_id: UUID, instead_of: str = "") -> str:
    """Creates a customer at Stripe for an order, and returns Stripe's id.

    The idempotency key is the order's, not the customer's: Stripe repeats an answer of 500 for a day, and a key of
    the customer would block all of their orders that long.

    An address that Stripe refuses is left out: a payment needs none.

    Args: instead_of: an id that Stripe does not know any more. It makes another key, since the order's first key may
    lead to that id.
    Raises: Refused, Unanswered, NotConfigured.
    """
    params: dict[str, Any] = {"metadata": {"user_id": user_id}}
    key = f"customer-{order_id}-{instead_of}" if instead_of else f"customer-{order_id}"
    try:
        return _create_customer(params | {"email": email} if email else params, key=key)
    except AddressRefused:
        # Stripe keeps a key's first answer, a refusal too.
        return _create_customer(params, key=f"{key}-without-address")


def _create_customer(params: dict[str, Any], *, key: str) -> str:
    created = _call_for_customer(lambda client: client.v1.customers.create(params, idempotency_options(key)))  # type: ignore[arg-type]
    return created.id


def update_customer_email(*, customer_id: str, email: str) -> None:
    """Gives a customer at Stripe another e-mail address.

    Raises: AddressRefused, CustomerUnknown, Refused, Unanswered, NotConfigured.
    """
    call_stripe(lambda client: client.v1.customers.update(customer_id, {"email": email}))


def delete_customer(*, customer_id: str) -> None:
    """Deletes a customer at Stripe, with the address, the name and the cards. Payments stay, and their disputes.

    Raises: CustomerUnknown or ObjectUnknown where there is none any more, Refused, Unanswered, NotConfigured.
    """
    call_stripe(lambda client: client.v1.customers.delete(customer_id))


def create_session(request: SessionRequest) -> Session:
    """Creates the order's session, or returns the one that an earlier try created.

    Raises: Refused, CustomerUnknown, Unanswered, NotConfigured.
    """
    params = session_params(request)
    if request.credit_minor:
        coupon = _call_for_customer(
            lambda client: client.v1.coupons.create(
                {
                    "amount_off": request.credit_minor,
                    "currency": request.currency.lower(),
                    "duration": "once",
                    "max_redemptions": 1,
                    "name": "Credit",
                    "metadata": {"order_id": str(request.order_id)},
                },
                idempotency_options(f"credit-{request.order_id}"),
            )
        )
        params["discounts"] = [{"coupon": coupon.id}]
    # Stripe keeps a key's first answer, a refusal too, so another customer needs another key.
    key = f"session-{request.order_id}-{request.customer_id}"
    created = _call_for_customer(
        lambda client: client.v1.checkout.sessions.create(params, idempotency_options(key))  # type: ignore[arg-type]
    )
    return read_session(created.to_dict())


def find_session(*, order_id: UUID, customer_id: str, since: datetime) -> Session | None:
    """Finds the session that carries the order among its customer's. Raises: Refused, Unanswered, NotConfigured."""
    params: Any = {"customer": customer_id, "created": {"gte": int(since.timestamp())}, "limit": PAGE_SIZE}
    sessions = call_stripe(lambda client: list(client.v1.checkout.sessions.list(params).auto_paging_iter()))
    for session in sessions:
        if session.client_reference_id == str(order_id):
            return read_session(session.to_dict())
    return None


def retrieve_session(session_id: str) -> Session:
    """Retrieves the session as it is now. Raises: ObjectUnknown, Refused, Unanswered, NotConfigured."""
    return read_session(call_stripe(lambda client: client.v1.checkout.sessions.retrieve(session_id)).to_dict())


def expire_session(session_id: str) -> Session:
    """Closes the session, so that it cannot be paid any more, and returns it as it is then.

    Stripe refuses to expire a session that is not open. Such a session is returned as it is: it may be complete.
    Raises: ObjectUnknown; Refused; Unanswered, also where the session is still open; NotConfigured.
    """
    try:
        expired = _call_for_customer(lambda client: client.v1.checkout.sessions.expire(session_id))
        return read_session(expired.to_dict())
    except Refused as error:
        session = retrieve_session(session_id)
        if session.status == "open":
            raise Unanswered(str(error)) from error
        return session


def refund_payment(*, refund_id: UUID, payment_intent_id: str, amount_minor: int) -> str:
    """Refunds a card, and returns Stripe's id of the refund. Raises: Refused, Unanswered, NotConfigured.

    A refund that an earlier try created is found by its metadata. Stripe forgets an idempotency key after a day, and
    would then create a second refund.
    """
    for page in list_pages(Resource.REFUNDS, payment_intent=payment_intent_id):
        for refund in page:
            if (refund.get("metadata") or {}).get("refund_id") == str(refund_id):
                return str(refund["id"])
    created = call_stripe(
        lambda client: client.v1.refunds.create(
            {
                "payment_intent": payment_intent_id,
                "amount": amount_minor,
                "metadata": {"refund_id": str(refund_id)},
            },
            idempotency_options(f"refund-{refund_id}"),
        )
    )
    return created.id


def fetch_refunded_minor(*, payment_intent_id: str) -> int:
    """Sums what Stripe has refunded of a payment so far. Raises: Refused, Unanswered, NotConfigured."""
    pages = list_pages(Resource.CHARGES, payment_intent=payment_intent_id)
    return sum(int(charge.get("amount_refunded") or 0) for page in pages for charge in page)


def find_payment_intent(*, invoice_id: str) -> str:
    """Finds the payment that settled an invoice; empty where there is none.

    Raises: Refused, Unanswered, NotConfigured.
    """
    paid = (_read_intent(each) for each in list_invoice_payments(invoice_id) if each.get("status") == "paid")
    return next(filter(None, paid), "")


def find_invoice(*, payment_intent_id: str) -> Object | None:
    """Finds the invoice that a payment settles; None where there is none.

    Raises: Refused, Unanswered, NotConfigured.
    """
    payment = {"type": "payment_intent", "payment_intent": payment_intent_id}
    found = [each for page in list_pages(Resource.INVOICE_PAYMENTS, payment=payment) for each in page]
    # The invoice that it has paid comes first, before one that it was only tried for.
    found.sort(key=lambda each: each.get("status") != "paid")
    invoice_id = next((read_reference(each.get("invoice")) for each in found), "")
    return call_stripe(lambda client: client.v1.invoices.retrieve(invoice_id)).to_dict() if invoice_id else None


def list_invoice_lines(invoice_id: str) -> list[Object]:
    """Lists all lines of an invoice: an event and a list hold the first ones only.

    Raises: Refused, Unanswered, NotConfigured.
    """
    lines = call_stripe(
        lambda client: list(client.v1.invoices.line_items.list(invoice_id, {"limit": PAGE_SIZE}).auto_paging_iter())
    )
    return [line.to_dict() for line in lines]


def list_invoice_payments(invoice_id: str) -> list[Object]:
    """Lists the payments of an invoice. Raises: Refused, Unanswered, NotConfigured."""
    return [each for page in list_pages(Resource.INVOICE_PAYMENTS, invoice=invoice_id) for each in page]


def _read_intent(invoice_payment: Object) -> str:
    return read_reference((invoice_payment.get("payment") or {}).get("payment_intent"))


def fetch_debit_status(session: Session) -> DebitStatus:
    """Retrieves the state of a payment that takes days. The session says nothing: it stays complete and unpaid.

    Raises: Refused, Unanswered, NotConfigured.
    """
    intent_ids = [read_reference(session.raw.get("payment_intent"))]
    if intent_ids == [""]:
        payments = list_invoice_payments(read_reference(session.raw.get("invoice")))
        if any(each.get("status") == "paid" for each in payments):
            return DebitStatus.PAID
        intent_ids = [_read_intent(each) for each in payments]
    statuses = {_fetch_intent_status(intent_id) for intent_id in intent_ids if intent_id}
    if DebitStatus.PAID in statuses:
        return DebitStatus.PAID
    return DebitStatus.FAILED if statuses == {DebitStatus.FAILED} else DebitStatus.PROCESSING


def _fetch_intent_status(intent_id: str) -> DebitStatus:
    status = call_stripe(lambda client: client.v1.payment_intents.retrieve(intent_id)).status
    return _DEBIT_STATUS_BY_INTENT_STATUS.get(status, DebitStatus.PROCESSING)


def create_portal_session(*, customer_id: str, return_url: str) -> str:
    """Creates a billing-portal session, and returns its URL.

    Raises: Refused, CustomerUnknown, Unanswered, NotConfigured.
    """
    created = _call_for_customer(
        lambda client: client.v1.billing_portal.sessions.create({"customer": customer_id, "return_url": return_url})
    )
    return created.url


def retrieve_movement(movement_id: str) -> Object:
    """Retrieves a balance transaction. Raises: ObjectUnknown, Refused, Unanswered, NotConfigured."""
    return call_stripe(lambda client: client.v1.balance_transactions.retrieve(movement_id)).to_dict()


class Resource(StrEnum):
    """The kinds of object that `list_pages` lists."""

    SESSIONS = "sessions"
    CHARGES = "charges"
    DISPUTES = "disputes"
    REFUNDS = "refunds"
    INVOICES = "invoices"
    INVOICE_PAYMENTS = "invoice_payments"
    SUBSCRIPTIONS = "subscriptions"
    SUBSCRIPTION_ITEMS = "subscription_items"
    EVENTS = "events"
    BALANCE_TRANSACTIONS = "balance_transactions"


_PATHS = {Resource.SESSIONS: "checkout/sessions"}


def list_pages(resource: Resource, *, since: datetime | None = None, **filters: Any) -> Iterator[list[Object]]:
    """Lists objects of a kind, newest first. Beside the caller's page at most the next one is in memory.

    Args: since: lists what was created from then on. Raises: Refused, Unanswered, NotConfigured, at any page.
    """
    params = {**filters, "limit": PAGE_SIZE}
    if since is not None:
        params["created"] = {"gte": int(since.timestamp())}
    has_more = True
    while has_more:
        page = _read_page(resource, params)
        has_more = bool(page["has_more"] and page["data"])
        if has_more:
            params["starting_after"] = page["data"][-1]["id"]
        yield page.pop("data")


def _read_page(resource: Resource, params: Mapping[str, Any]) -> dict[str, Any]:
    """Reads a page as plain JSON. The library's own objects take several times the memory."""
    path = f"/v1/{_PATHS.get(resource, resource)}"
    answer = call_stripe(lambda client: client.raw_request("get", path, **params))
    return cast("dict[str, Any]", answer.data)


def idempotency_options(idempotency_key: str) -> Any:
    """Returns the options of a request that Stripe carries out once."""
    return {"idempotency_key": idempotency_key}


def _call_for_customer(call: Callable[[stripe.StripeClient], Result]) -> Result:
    """Calls Stripe while a customer waits. A silent one takes neither all connections of the process nor all threads.

    Raises: Refused, Unanswered, NotConfigured.
    """

    def call_without_connection(client: stripe.StripeClient) -> Result:
        if not connection.in_atomic_block:
            connection.close()
        return call(client)

    if not _calls_for_customers.acquire(timeout=MAX_WAIT_SECONDS):
        raise Unanswered("not sent: too many calls wait")
    try:
        return call_stripe(call_without_connection)
    finally:
        _calls_for_customers.release()


def call_stripe(call: Callable[[stripe.StripeClient], Result]) -> Result:
    """Calls Stripe's API with the current key. Raises: Refused, Unanswered, NotConfigured."""
    keys = processor_keys()
    if not keys.secret_key or are_outside_calls_held():
        raise NotConfigured
    client = stripe.StripeClient(
        keys.secret_key,
        base_addresses={"api": settings.STRIPE_API_BASE},
        max_network_retries=MAX_NETWORK_RETRIES,
        http_client=stripe.RequestsClient(timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)),
    )
    began, outcome = time.monotonic(), "unanswered"
    try:
        result = call(client)
        outcome = "answered"
    except stripe.StripeError as error:
        translated = _translate_error(error)
        outcome = "refused" if isinstance(translated, Refused) else "unanswered"
        raise translated from error
    finally:
        _CALLS.labels(outcome).observe(time.monotonic() - began)
    return result


def _translate_error(error: stripe.StripeError) -> Refused | Unanswered:
    """Translates Stripe's error, without its text: it may quote a key or a card."""
    name = f"{type(error).__name__} {error.http_status or ''} {error.code or ''}".strip()
    status = error.http_status or 0
    if status not in _REFUSAL_STATUSES or isinstance(error, stripe.IdempotencyError):
        return Unanswered(name)
    if error.code == "email_invalid":
        return AddressRefused(name)
    if error.code != "resource_missing":
        return Refused(name)
    return CustomerUnknown(name) if getattr(error, "param", None) == "customer" else ObjectUnknown(name)
