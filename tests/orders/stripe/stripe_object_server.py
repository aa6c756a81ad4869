"""Serve Stripe's objects over HTTP: a server that answers GETs from a table of objects and records each request.

The objects have the shapes of API version 2026-08-26.dahlia, without fields that no test reads.
"""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

Object = dict[str, Any]

PATHS = {
    "charge": "charges",
    "checkout.session": "checkout/sessions",
    "coupon": "coupons",
    "customer": "customers",
    "dispute": "disputes",
    "invoice": "invoices",
    "payment_intent": "payment_intents",
    "payment_method": "payment_methods",
    "product": "products",
    "refund": "refunds",
    "subscription": "subscriptions",
}
NOW = 1_795_410_017
MONTH = 30 * 24 * 3600


class StripeObjectServer:
    """Holds `objects` by path. `on_get` runs before each answer; `failing`, if not 0, is the status of each."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.requests: list[str] = []
        self.urls: list[str] = []
        self.keys: set[str] = set()
        self.on_get: Callable[[str], object] = lambda path: None
        self.failing = 0
        stripe = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                stripe.requests.append(f"{self.command} {path}")
                stripe.urls.append(self.path)
                stripe.keys.add(self.headers.get("Authorization", ""))
                found = stripe.objects.get(path)
                body = json.dumps(found or _missing(path))
                stripe.on_get(path)
                status = stripe.failing or (200 if found else 404)
                self._answer(status, json.dumps(_failure()) if stripe.failing else body)

            do_POST = do_DELETE = do_GET

            def _answer(self, status: int, text: str) -> None:
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = _Server(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def put(self, *objects: Object) -> None:
        for each in objects:
            self.objects[f"/v1/{PATHS[each['object']]}/{each['id']}"] = each

    def get(self, identity: str) -> Object:
        return next(each for each in self.objects.values() if each["id"] == identity)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that gave up, since some tests make them do so."""


def _missing(path: str) -> Object:
    return {
        "error": {
            "type": "invalid_request_error",
            "code": "resource_missing",
            "message": f"No such object: '{path}'",
            "param": "id",
        }
    }


def _failure() -> Object:
    return {"error": {"type": "api_error", "message": "Invalid API Key provided: sk_test_the_key_itself"}}


def event(type_: str, about: Object, *, number: int = 1) -> Object:
    """An event about the object in its present state."""
    return {
        "id": f"evt_{number:04}",
        "object": "event",
        "api_version": "2026-08-26.dahlia",
        "created": NOW + number,
        "data": {"object": dict(about)},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": type_,
    }


def paid_order_objects(name: str = "A", *, amount: int = 9_500) -> list[Object]:
    """All objects of one order of 12.000 OMR, of which credit paid 2.500 and a card the rest."""
    ids = {kind: f"{kind}_{name}" for kind in ("cus", "pi", "ch", "sub", "in", "pm", "price", "prod", "di", "txn")}
    session = f"cs_test_{name}"
    common = {"livemode": False, "created": NOW, "metadata": {}}
    customer = {
        **common,
        "id": ids["cus"],
        "object": "customer",
        "email": f"{name.lower()}@example.org",
        "discount": None,
        "default_source": None,
        "invoice_settings": {"default_payment_method": None},
        "metadata": {"user_id": "somebody-else"},
    }
    method = {**common, "id": ids["pm"], "object": "payment_method", "customer": ids["cus"], "type": "card"}
    intent = {
        **common,
        "id": ids["pi"],
        "object": "payment_intent",
        "amount": amount,
        "currency": "omr",
        "customer": ids["cus"],
        "latest_charge": ids["ch"],
        "on_behalf_of": None,
        "payment_method": ids["pm"],
        "status": "succeeded",
        "client_secret": f"{ids['pi']}_secret_of_the_browser",
    }
    charge = {
        **common,
        "id": ids["ch"],
        "object": "charge",
        "amount": amount,
        "amount_refunded": 0,
        "balance_transaction": balance_transaction(ids["txn"], amount=amount, source=ids["ch"]),
        "captured": True,
        "currency": "omr",
        "customer": ids["cus"],
        "disputed": False,
        "paid": True,
        "payment_intent": ids["pi"],
        "payment_method": ids["pm"],
        "payment_method_details": {"type": "card", "card": {"brand": "visa", "last4": "4242"}},
        "refunded": False,
        "refunds": _list([]),
        "source": None,
        "status": "succeeded",
    }
    price = {
        **common,
        "id": ids["price"],
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "currency": "omr",
        "lookup_key": None,
        "nickname": None,
        "product": ids["prod"],
        "recurring": {"interval": "month", "interval_count": 1},
        "type": "recurring",
        "unit_amount": 12_000,
        "unit_amount_decimal": "12000",
    }
    product = {**common, "id": ids["prod"], "object": "product", "active": True, "name": "Small", "type": "service"}
    item = {
        **common,
        "id": f"si_{name}",
        "object": "subscription_item",
        "current_period_start": NOW,
        "current_period_end": NOW + MONTH,
        "price": price,
        "quantity": 1,
        "subscription": ids["sub"],
        "tax_rates": [],
    }
    subscription = {
        **common,
        "id": ids["sub"],
        "object": "subscription",
        "currency": "omr",
        "customer": ids["cus"],
        "default_tax_rates": [],
        "items": _list([item]),
        "latest_invoice": ids["in"],
        "status": "active",
    }
    discount = {
        "id": ids["di"],
        "object": "discount",
        "customer": ids["cus"],
        "end": None,
        "invoice": None,
        "promotion_code": None,
        "source": {"coupon": "CREDIT", "type": "coupon"},
        "start": NOW,
        "subscription": ids["sub"],
    }
    line = {
        **common,
        "id": f"il_{name}",
        "object": "line_item",
        "amount": 12_000,
        "currency": "omr",
        "description": "1 x Small",
        "discountable": True,
        "discounts": [],
        "invoice": ids["in"],
        "period": {"start": NOW, "end": NOW + MONTH},
        "quantity": 1,
        "subscription": ids["sub"],
    }
    payment = {"id": f"inpay_{name}", "object": "invoice_payment", "payment": {"payment_intent": ids["pi"]}}
    invoice = {
        **common,
        "id": ids["in"],
        "object": "invoice",
        "amount_due": amount,
        "amount_paid": amount,
        "currency": "omr",
        "customer": ids["cus"],
        "default_payment_method": None,
        "default_tax_rates": [],
        "discounts": [discount],
        "hosted_invoice_url": f"https://invoice.stripe.com/i/{name}",
        "invoice_pdf": f"https://pay.stripe.com/invoice/{name}/pdf",
        "lines": _list([line]),
        "number": f"{name}-0001",
        "parent": {"subscription_details": {"subscription": ids["sub"]}, "type": "subscription_details"},
        "payments": _list([payment]),
        "period_start": NOW,
        "period_end": NOW,
        "status": "paid",
        "total": amount,
    }
    checkout = {
        **common,
        "id": session,
        "object": "checkout.session",
        "amount_subtotal": 12_000,
        "amount_total": amount,
        "currency": "omr",
        "customer": ids["cus"],
        "invoice": ids["in"],
        "metadata": {"order_id": "of-this-order"},
        "mode": "subscription",
        "payment_intent": None,
        "payment_status": "paid",
        "setup_intent": None,
        "status": "complete",
        "subscription": ids["sub"],
    }
    return [checkout, customer, method, intent, charge, product, subscription, invoice]


def refund_of(charge: Object, *, amount: int, number: int = 1) -> Object:
    """A refund, recorded on its charge."""
    made = {
        "id": f"re_{charge['id'].removeprefix('ch_')}{number}",
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": NOW + number,
        "currency": charge["currency"],
        "failure_balance_transaction": None,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": None,
        "status": "succeeded",
    }
    charge["refunds"]["data"].append(made)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    return made


def dispute_of(charge: Object) -> Object:
    """A dispute over a whole charge."""
    identity = f"dp_{charge['id'].removeprefix('ch_')}"
    charge["disputed"] = True
    return {
        "id": identity,
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transactions": [balance_transaction(f"txn_{identity}", amount=-charge["amount"], source=identity)],
        "charge": charge["id"],
        "created": NOW + 9,
        "currency": charge["currency"],
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": "fraudulent",
        "status": "needs_response",
    }


def balance_transaction(identity: str, *, amount: int, source: str) -> Object:
    return {
        "id": identity,
        "object": "balance_transaction",
        "amount": amount,
        "created": NOW,
        "currency": "omr",
        "fee": 0,
        "net": amount,
        "source": source,
        "status": "available",
        "type": "charge" if amount > 0 else "adjustment",
    }


def _list(data: list[Object]) -> Object:
    return {"object": "list", "data": data, "has_more": False, "url": "/v1/list"}
