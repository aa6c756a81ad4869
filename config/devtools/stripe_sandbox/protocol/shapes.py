"""Varies Stripe's objects within what Stripe documents: order, presence, types, pages and words that are added later.

A client must not rely on the one shape that the sandbox would otherwise always send. `vary_event` changes an event as
other API versions, settings and dashboards would write it. `Shapes` does the same to the answers of the API, which
come in the client's own version: it is on while the control call `shapes` has set a seed. The meaning stays the same:
the same money, of the same object, for the same month.
"""

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass

from config.devtools.stripe_sandbox.store import Object

DAY = 86_400
# An object that holds a list holds its first items only.
EMBEDDED_ITEMS = 10
# Each may be an id, or the object itself.
REFERENCES = ("customer", "invoice", "subscription", "payment_intent", "charge", "latest_invoice", "payment_method")
# Versions of the API, oldest first; the last one is not there yet. The date decides the shape of an event.
VERSIONS = ("2019-12-03", "2024-06-20", "2025-03-31.basil", "2026-08-26.dahlia", "2031-01-01.later")
# From this version on an invoice, a subscription and a charge name each other in other places than before.
BASIL = "2025-03-31"
# From this version on a charge does not hold its refunds.
WITHOUT_REFUNDS = "2022-11-15"
# Fields that an event may leave out, or hold as null.
OPTIONAL = (
    "cancellation_details",
    "hosted_invoice_url",
    "invoice_pdf",
    "livemode",
    "period_end",
    "period_start",
    "reason",
    "status_transitions",
    "url",
)
# Fields of an answer that are null where Stripe has nothing to say, by kind. They decide nothing about money.
NULLABLE = {
    "charge": ("balance_transaction", "outcome", "payment_method_details", "receipt_url", "statement_descriptor"),
    "checkout.session": ("amount_subtotal", "customer_details", "metadata", "total_details"),
    "dispute": ("network_reason_code", "payment_method_details"),
    "invoice": ("account_name", "hosted_invoice_url", "invoice_pdf"),
    "payment_intent": ("description", "last_payment_error", "payment_method_options", "processing"),
    "refund": ("balance_transaction", "destination_details", "reason", "receipt_number", "status"),
    "subscription": ("cancellation_details", "default_payment_method", "description", "payment_settings"),
}
# Words of an answer to which Stripe adds new ones, by kind. They decide nothing about money.
OPEN_WORDS = {
    "charge": ("calculated_statement_descriptor",),
    "checkout.session": ("mode", "submit_type", "ui_mode"),
    "customer": ("tax_exempt",),
    "dispute": ("reason",),
    "invoice": ("collection_method",),
    "payment_intent": ("capture_method", "confirmation_method"),
    "refund": ("reason", "status"),
    "subscription": ("collection_method",),
}


# Finds an object by its id, as a client sees it.
Find = Callable[[str], Object | None]


@dataclass(frozen=True, slots=True)
class Draw:
    """Makes the choices for one object: `choose` picks one of several."""

    choose: Callable[[tuple[str, ...]], str]

    def flag(self) -> bool:
        return self.choose(("no", "yes")) == "yes"


class Shapes:
    """Varies the answers to the requests of one client.

    The choices for an object depend on the seed and the object's id only, so its lines have one order on all pages.
    """

    def __init__(self, seed: int, find: Find) -> None:
        self._seed = seed
        self._find = find
        self.page_size = 1 + seed % 3

    def vary_answer(self, answer: Object, *, expanded: bool) -> Object:
        """Return the answer as Stripe may also send it. Args: expanded: whether the client chose what is expanded."""
        for item in answer["data"] if answer.get("object") == "list" else [answer]:
            self._vary(item, expanded=expanded)
        return answer

    def order_lines(self, lines: list[Object]) -> list[Object]:
        """Return the lines of an invoice, with other lines among them."""
        if not lines or lines[0]["object"] != "line_item" or not lines[0].get("parent"):
            return lines
        return add_lines(copy.deepcopy(lines), self._draw(lines[0]["invoice"]))

    def _vary(self, item: Object, *, expanded: bool) -> None:
        kind = item.get("object", "")
        draw = self._draw(str(item.get("id")))
        if kind == "event":
            item |= vary_event(item, draw, self._find)
        if kind == "event" or item.get("deleted"):
            return
        if kind == "invoice":
            lines = self.order_lines(item["lines"]["data"])
            item["lines"] |= {"data": lines[:EMBEDDED_ITEMS], "has_more": len(lines) > EMBEDDED_ITEMS}
        if vary := _ANSWERS.get(kind):
            vary(item, draw)
        if kind == "invoice_payment":
            expand_references(item["payment"], draw, self._find)
        vary_words(item, draw)
        if not expanded:
            expand_references(item, draw, self._find)
        if draw.flag():
            item["a_field_of_2031"] = {"object": "list", "data": None, "has_more": True}

    def _draw(self, name: str) -> Draw:
        return Draw(random.Random(f"{self._seed} {name}").choice)  # noqa: S311 - a test's choice, not a secret


def vary_words(item: Object, draw: Draw) -> None:
    """Vary the fields that decide nothing: they may be null, or a word that Stripe adds later."""
    kind = item.get("object", "")
    for name in NULLABLE.get(kind, ()):
        if name in item and draw.flag():
            item[name] = None
    for name in OPEN_WORDS.get(kind, ()):
        if item.get(name) and draw.flag():
            item[name] = "a_word_of_2031"


def vary_event(event: Object, draw: Draw, find: Find) -> Object:
    """Return the event as Stripe may also send it, to an endpoint of any version of the API."""
    varied = copy.deepcopy(event)
    document = varied["data"]["object"]
    kind = document["object"]
    vary = {"invoice": vary_invoice, "subscription": vary_subscription, "charge": vary_charge}.get(kind)
    if vary is not None:
        vary(document, draw)
    if kind == "dispute":
        document["reason"] = draw.choose(("fraudulent", "a_reason_of_2031"))
    version = draw.choose(VERSIONS)
    varied["api_version"] = version
    if make_old := _OLD.get(kind) if version < BASIL else None:
        make_old(document, version)
    expand_references(document, draw, find)
    for name in OPTIONAL:
        choice = draw.choose(("kept", "null", "absent"))
        if choice == "null" and name in document:
            document[name] = None
        elif choice == "absent":
            document.pop(name, None)
    if draw.flag():
        document["a_field_of_2031"] = {"object": "list", "data": None, "has_more": True}
    if draw.flag():
        varied["request"] = draw.choose(("req_1", "")) or None
    return varied


def expand_references(document: Object, draw: Draw, find: Find) -> None:
    """Put the whole object in place of an id, or the little that is left of one that was deleted."""
    for name in REFERENCES:
        reference = document.get(name)
        if isinstance(reference, str) and reference and draw.flag():
            found = find(reference) if draw.choose(("whole", "deleted")) == "whole" else None
            document[name] = found or {"id": reference, "object": name, "deleted": True}


def vary_invoice(invoice: Object, draw: Draw) -> None:
    lines = invoice["lines"]["data"]
    is_month = invoice["billing_reason"] == "subscription_cycle"
    if is_month:
        invoice["billing_reason"] = draw.choose(("subscription_cycle", "a_cycle_of_2031"))
        lines[:] = add_lines(lines, draw)
    elif draw.flag():
        lines.reverse()
    if is_month and draw.choose(("complete", "complete", "first ones only")) == "first ones only":
        # The rest is on the next page. The month's own lines may be there.
        first = [pending_item(lines[0]) for _ in range(EMBEDDED_ITEMS)]
        invoice["lines"] |= {"has_more": True, "data": first}


def vary_reason(invoice: Object, draw: Draw) -> None:
    if invoice["billing_reason"] == "subscription_cycle":
        invoice["billing_reason"] = draw.choose(("subscription_cycle", "a_cycle_of_2031"))


def add_lines(lines: list[Object], draw: Draw) -> list[Object]:
    """Return the lines that bill the month with lines that bill something else, in any order."""
    own = next((line for line in lines if line["parent"]["subscription_item_details"]), None)
    if own is not None:
        extra = [make(own) for make in (pending_item, proration, of_another, usage) if draw.flag()]
        if draw.choose(("few", "few", "many")) == "many":
            extra += [pending_item(own, number) for number in range(1, EMBEDDED_ITEMS + 1)]
        lines = [*extra, *lines] if draw.flag() else [*lines, *extra]
    return lines[::-1] if draw.flag() else lines


def make_invoice_old(invoice: Object, version: str) -> None:
    details = invoice.pop("parent")["subscription_details"]
    invoice["subscription"] = details["subscription"]
    invoice["subscription_details"] = {"metadata": details["metadata"]}
    for line in invoice["lines"]["data"]:
        parent = line.pop("parent")
        item = parent.get("subscription_item_details") or {}
        line["type"] = "subscription" if item and not item.get("proration") else "invoiceitem"
        line["proration"] = bool(item.get("proration"))
        line["price"] = line.pop("pricing", None)
    invoice["paid"] = invoice["status"] == "paid"
    invoice["discount"] = next(iter(invoice.get("discounts") or []), None)


def make_subscription_old(subscription: Object, version: str) -> None:
    items = subscription["items"]["data"]
    for item in items:
        subscription |= {name: item.pop(name) for name in ("current_period_start", "current_period_end")}
    only = items[0] if len(items) == 1 else {}
    subscription |= {"plan": only.get("plan"), "quantity": only.get("quantity")}


def make_charge_old(charge: Object, version: str) -> None:
    if version < WITHOUT_REFUNDS:
        refunds = {"object": "list", "data": [], "has_more": bool(charge["amount_refunded"])}
        charge["refunds"] = {**refunds, "url": f"/v1/charges/{charge['id']}/refunds"}


def pending_item(line: Object, number: int = 0) -> Object:
    at = line["period"]["start"]
    details = {"proration": False}
    parent = {"type": "invoice_item_details", "invoice_item_details": details, "subscription_item_details": None}
    return {
        **line,
        "id": f"il_pending{number or ''}",
        "parent": parent,
        "amount": 700,
        "period": {"start": at, "end": at},
    }


def proration(line: Object) -> Object:
    details = {**line["parent"]["subscription_item_details"], "proration": True}
    end = line["period"]["start"] + 5 * DAY
    parent = {"type": "subscription_item_details", "subscription_item_details": details}
    return {**line, "id": "il_proration", "parent": parent, "amount": -300, "period": {"start": 2 * DAY, "end": end}}


def of_another(line: Object) -> Object:
    details = {**line["parent"]["subscription_item_details"], "subscription": "sub_of_another"}
    parent = {"type": "subscription_item_details", "subscription_item_details": details}
    far = line["period"]["end"] + 900 * DAY
    return {
        **line,
        "id": "il_another",
        "parent": parent,
        "subscription": "sub_of_another",
        "period": {"start": far, "end": far + DAY},
    }


def usage(line: Object) -> Object:
    start = line["period"]["start"]
    return {**line, "id": "il_usage", "amount": 0, "period": {"start": start - 30 * DAY, "end": start}}


def vary_subscription(subscription: Object, draw: Draw) -> None:
    items = subscription["items"]["data"]
    vary_items(subscription, draw)
    if draw.flag():
        # As a price of old API versions, or of those that have more than one amount.
        items[0]["price"] = draw.choose(("price_1", "price_2")) if draw.flag() else {"unit_amount": None}
        items[0].pop("plan", None)


def vary_items(subscription: Object, draw: Draw) -> None:
    items = subscription["items"]["data"]
    if draw.flag():
        items.reverse()
    if draw.flag():
        # A price that is not a whole number of the smallest unit, or has tiers, has no amount.
        items[0]["price"]["unit_amount"] = None


def vary_charge(charge: Object, draw: Draw) -> None:
    if draw.flag():
        charge["metadata"] = {} if draw.flag() else None
    if draw.flag():
        charge["refunds"] = None


# What an object of an earlier version looks like.
_OLD: dict[str, Callable[[Object, str], None]] = {
    "charge": make_charge_old,
    "invoice": make_invoice_old,
    "subscription": make_subscription_old,
}
_ANSWERS: dict[str, Callable[[Object, Draw], None]] = {
    "charge": vary_charge,
    "invoice": vary_reason,
    "subscription": vary_items,
}
