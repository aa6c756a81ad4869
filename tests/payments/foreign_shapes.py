"""Events in every shape that Stripe documents: order, presence and types vary, so no reader may rely on them.

`vary_event` changes an event of the sandbox as other API versions, settings and dashboards at Stripe would write it.
What the event says stays the same: the same money, of the same object, for the same month.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

from tests.payments.stripe_server import Object

DAY = 86_400
# Each may be an id, or the object itself.
REFERENCES = ("customer", "invoice", "subscription", "payment_intent", "charge", "latest_invoice", "payment_method")
# Fields that the service reads and can do without.
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


@dataclass(frozen=True, slots=True)
class Draw:
    """Makes the choices of one event: `choose` picks one of several, by whatever drives the test."""

    choose: Callable[[tuple[str, ...]], str]

    def flag(self) -> bool:
        return self.choose(("no", "yes")) == "yes"


def vary_event(event: Object, draw: Draw) -> Object:
    """Return the event as Stripe may also send it."""
    varied = copy.deepcopy(event)
    document = varied["data"]["object"]
    kind = document["object"]
    vary = {"invoice": vary_invoice, "subscription": vary_subscription, "charge": vary_charge}.get(kind)
    if vary is not None:
        vary(document, draw)
    if kind == "dispute":
        document["reason"] = draw.choose(("fraudulent", "a_reason_of_2031"))
    expand_references(document, draw)
    for name in OPTIONAL:
        choice = draw.choose(("kept", "null", "absent"))
        if choice == "null" and name in document:
            document[name] = None
        elif choice == "absent":
            document.pop(name, None)
    if draw.flag():
        document["a_field_of_2031"] = {"object": "list", "data": None, "has_more": True}
    if draw.flag():
        varied |= {
            "api_version": draw.choose(("2019-12-03", "2025-03-31.basil", "2031-01-01.later")),
            "request": None,
        }
    return varied


def expand_references(document: Object, draw: Draw) -> None:
    for name in REFERENCES:
        if isinstance(document.get(name), str) and draw.flag():
            document[name] = {"id": document[name], "object": name, "deleted": True}


def vary_invoice(invoice: Object, draw: Draw) -> None:
    lines = invoice["lines"]["data"]
    is_month = invoice["billing_reason"] == "subscription_cycle"
    if is_month:
        invoice["billing_reason"] = draw.choose(("subscription_cycle", "a_cycle_of_2031"))
        extra = [make(lines[0]) for make in (pending_item, proration, of_another, usage) if draw.flag()]
        lines[:] = [*extra, *lines] if draw.flag() else [*lines, *extra]
    if draw.flag():
        lines.reverse()
    if is_month and draw.choose(("complete", "complete", "first ones only")) == "first ones only":
        # The rest is on the next page. The month's own lines may be there.
        invoice["lines"] |= {"has_more": True, "data": [pending_item(lines[0]) for _ in range(10)]}
    if draw.flag():
        make_invoice_old(invoice)


def make_invoice_old(invoice: Object) -> None:
    """As API versions before 2025-03-31."""
    details = invoice.pop("parent")["subscription_details"]
    invoice["subscription"] = details["subscription"]
    invoice["subscription_details"] = {"metadata": details["metadata"]}
    for line in invoice["lines"]["data"]:
        parent = line.pop("parent")
        item = parent.get("subscription_item_details") or {}
        line["type"] = "subscription" if item and not item.get("proration") else "invoiceitem"
        line["proration"] = bool(item.get("proration"))


def pending_item(line: Object) -> Object:
    at = line["period"]["start"]
    parent = {"type": "invoice_item_details", "invoice_item_details": {"proration": False}}
    return {**line, "id": "il_pending", "parent": parent, "amount": 700, "period": {"start": at, "end": at}}


def proration(line: Object) -> Object:
    details = {**line["parent"]["subscription_item_details"], "proration": True}
    end = line["period"]["start"] + 5 * DAY
    parent = {"type": "subscription_item_details", "subscription_item_details": details}
    return {**line, "id": "il_proration", "parent": parent, "amount": -300, "period": {"start": 2 * DAY, "end": end}}


def of_another(line: Object) -> Object:
    details = {**line["parent"]["subscription_item_details"], "subscription": "sub_of_another"}
    parent = {"type": "subscription_item_details", "subscription_item_details": details}
    far = line["period"]["end"] + 900 * DAY
    return {**line, "parent": parent, "subscription": "sub_of_another", "period": {"start": far, "end": far + DAY}}


def usage(line: Object) -> Object:
    start = line["period"]["start"]
    return {**line, "id": "il_usage", "amount": 0, "period": {"start": start - 30 * DAY, "end": start}}


def vary_subscription(subscription: Object, draw: Draw) -> None:
    items = subscription["items"]["data"]
    if draw.flag():
        items.reverse()
    if draw.flag():
        # Its price is an id, or not a whole number of the smallest unit.
        items[0]["price"] = draw.choose(("price_1", "price_2")) if draw.flag() else {"unit_amount": None}
        items[0].pop("plan", None)
    if draw.flag():
        # As API versions before 2025-03-31.
        for item in items:
            period = {name: item.pop(name) for name in ("current_period_start", "current_period_end")}
            subscription |= period


def vary_charge(charge: Object, draw: Draw) -> None:
    if draw.flag():
        charge["metadata"] = {} if draw.flag() else None
    if draw.flag():
        charge["refunds"] = None
