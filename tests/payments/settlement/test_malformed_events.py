"""Signed events with malformed content are refused with 400 before anything is stored.

A signature says who sent an event, not that its content can be stored and settled.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from config.devtools.stripe_sandbox.signatures import Manner, signature_of
from orders.stripe import event_format, payloads
from orders.stripe.event_format import MalformedEvent, check_event
from orders.use_cases.payments import settle_event, settle_payment
from orders.use_cases.subscriptions import follow_subscription
from tests.payments.stripe_server import WEBHOOK_SECRET, Object, Stripe
from tests.payments.webhook_delivery import ENDPOINT_TYPES, WEBHOOK
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)


def event(**changes: Any) -> Object:
    """An event that is well-formed, unless the changes make it another."""
    return {
        "id": "evt_1",
        "object": "event",
        "type": "charge.refunded",
        "created": 1_790_000_000,
        "data": {"object": {"id": "ch_1", "object": "charge"}},
        **changes,
    }


def about(type_: str, **fields: Any) -> Object:
    return event(type=type_, data={"object": {"id": "xx_1", **fields}})


def post_signed(body: bytes) -> Any:
    signature = signature_of(body, WEBHOOK_SECRET, Manner()) or ""
    return Client().post(WEBHOOK, body, content_type="application/json", headers={"Stripe-Signature": signature})


SESSION, CHARGE, INVOICE, SUBSCRIPTION = (
    "checkout.session.completed",
    "charge.refunded",
    "invoice.paid",
    "customer.subscription.updated",
)
MALFORMED: dict[str, Object] = {
    "empty": {},
    "no data": {"object": "event", "id": "evt_1", "type": "x", "created": 1},
    "a number for an id": event(id=1),
    "an empty id": event(id=""),
    "an id of 300 characters": event(id="evt_" + "x" * 296),
    "an id with a line break": event(id="evt_\n1"),
    "a NUL in the id": event(id="evt_\u0000"),
    "a type of 300 characters": event(type="x" * 300),
    "an empty type": event(type=""),
    "a list for a type": event(type=["charge.refunded"]),
    "created as a text": event(created="1790000000"),
    "created of 10^20": event(created=10**20),
    "created just after the year 9999": event(created=253_402_300_800),
    "a negative created": event(created=-1),
    "created with a fraction": event(created=1.5),
    "created true": event(created=True),
    "created null": event(created=None),
    "data as a list": event(data=[]),
    "an object as a list": event(data={"object": []}),
    "no id of the object": event(data={"object": {"object": "charge"}}),
    "an object's id of 300 characters": event(data={"object": {"id": "x" * 300}}),
    "an object's id as a number, of a type that is not settled": event(
        type="price.created", data={"object": {"id": 5}}
    ),
    "an API version as a number": event(api_version=2025),
    "a request of 300 characters": event(request={"id": "x" * 300}),
    "livemode as a text": event(livemode="no"),
    "a lone surrogate": event(data={"object": {"id": "ch_1", "description": "\ud83d"}}),
    "a lone surrogate as a name": event(data={"object": {"id": "ch_1", "\ude00": 1}}),
    "a NUL in the object": event(data={"object": {"id": "ch_1", "description": "a\u0000b"}}),
    "NaN": about(CHARGE, amount_refunded=float("nan")),
    "NaN in a field that is not read": about(CHARGE, metadata={"x": float("nan")}),
    "Infinity": about(CHARGE, amount_refunded=float("inf")),
    "an amount as a text": about(CHARGE, amount_refunded="much"),
    "an amount as a list": about(CHARGE, amount_refunded=[1]),
    "an amount beyond the column": about(CHARGE, amount_refunded=2**63),
    "a negative amount": about(INVOICE, amount_paid=-1),
    "metadata as a text": about(SESSION, metadata="order"),
    "a reference of 300 characters": about(SESSION, subscription="sub_" + "x" * 300),
    "a reference without an id": about(SESSION, payment_intent={"object": "payment_intent"}),
    "a reference as a number": about(CHARGE, payment_intent=5),
    "lines as a list": about(INVOICE, lines=[]),
    "a line as a text": about(INVOICE, lines={"data": ["line"]}),
    "a period as a text": about(INVOICE, lines={"data": [{"period": "month"}]}),
    "a period that starts as a text": about(INVOICE, lines={"data": [{"period": {"start": "now", "end": 2}}]}),
    "a period beyond the year 9999": about(INVOICE, period_start=1, period_end=10**20),
    "a parent as a text": about(INVOICE, parent="sub_1"),
    "a document as a number": about(INVOICE, invoice_pdf=5),
    "a script for a document": about(INVOICE, invoice_pdf="javascript:alert(1)"),
    "a script for a page": about(INVOICE, hosted_invoice_url="JavaScript:alert(1)"),
    "a document without TLS": about(INVOICE, invoice_pdf="http://example.org/invoice.pdf"),
    "a document with a NUL": about(INVOICE, invoice_pdf="https://example.org/\x00"),
    "items as a list": about(SUBSCRIPTION, items=[]),
    "an item's period as a text": about(SUBSCRIPTION, items={"data": [{"current_period_end": "later"}]}),
    "a status as a number": about(SUBSCRIPTION, status=5),
    "the end of the period as a text": about(SUBSCRIPTION, cancel_at_period_end="no"),
    "a reason as a list": about(SUBSCRIPTION, cancellation_details=[]),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_signed_event_with_malformed_content_is_refused(stripe: Stripe, case: str) -> None:
    with nothing_changes():
        answer = post_signed(json.dumps(MALFORMED[case]).encode())
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_webhook")


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b'"event"', b"{", b"\xff\xfe", b"[" * 100_000),
        json.dumps(event()).encode().replace(b"1790000000", b"1e400"),
        json.dumps(event()).encode().replace(b'"evt_1"', b'"evt_\xed\xa0\x80"'),
        json.dumps(event()).encode().replace(b"1790000000", b"9" * 5_000),
    ],
    ids=[
        "nothing",
        "null",
        "a list",
        "a text",
        "broken off",
        "no UTF-8",
        "deep",
        "1e400",
        "surrogate",
        "5000 digits",
    ],
)
def test_a_signed_body_that_is_not_an_event_is_refused(stripe: Stripe, body: bytes) -> None:
    with nothing_changes():
        answer = post_signed(body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_webhook")


@pytest.mark.parametrize("type_", [*ENDPOINT_TYPES, "price.created"])
def test_an_event_passes_whatever_stripe_may_leave_out_or_add(type_: str) -> None:
    """Stripe adds fields and values at any time, and leaves out or nulls most fields."""
    check_event(event(type=type_, data={"object": {"id": "xx_1"}}))
    nulls = dict.fromkeys(FIELDS_READ - {"id", "object", "data", "created", "type"})
    check_event(
        event(type=type_, api_version=None, request=None, livemode=None, data={"object": {"id": "xx_1"} | nulls})
    )
    added = {"id": "xx_1", "object": "thing", "new_field": [{"deep": None}], "status": "a_new_word"}
    check_event(
        event(type=type_, api_version="2031-01-01.name", request="req_1", data={"object": added}, context=None)
    )
    with pytest.raises(MalformedEvent):
        check_event(event(type=type_, data={"object": {"id": 5}}))


# Where the objects of events are read, and each field that is read there. `order_id` is in the metadata, and is
# parsed by a function that accepts everything.
READ = r'(?:\.get\(|(?<=\w)\[)"([a-z_]+)"[\]),]'
READERS = (payloads, settle_event, settle_payment, follow_subscription)
FIELDS_READ = frozenset(
    name for module in READERS for name in re.findall(READ, Path(module.__file__ or "").read_text(encoding="utf-8"))
) - {"order_id"}


def test_every_field_that_is_read_of_an_event_has_a_checked_form() -> None:
    """A reader of another field fails here until the form of that field is checked too."""
    assert {"amount_refunded", "lines", "current_period_end", "billing_reason"} <= FIELDS_READ
    checked = Path(event_format.__file__).read_text(encoding="utf-8")
    assert [name for name in sorted(FIELDS_READ) if f"{name}=" not in checked and f'"{name}":' not in checked] == []


def test_a_link_of_an_event_is_read_in_one_place() -> None:
    """A link that is not https would run or leak in the browser of the customer who opens it."""
    product = Path(payloads.__file__).parents[2]
    pattern = re.compile(r'\.get\("(invoice_pdf|hosted_invoice_url)"|\["(invoice_pdf|hosted_invoice_url)"\]')
    readers = [
        path.name
        for app in ("billing", "promos", "orders")
        for path in (product / app).rglob("*.py")
        if pattern.search(path.read_text(encoding="utf-8"))
    ]
    assert readers == []


@pytest.mark.parametrize(
    ("link", "stored"),
    [
        ("https://pay.stripe.com/invoice/1/pdf", "https://pay.stripe.com/invoice/1/pdf"),
        ("https://pay.stripe.com/" + "x" * 600, "https://pay.stripe.com/" + "x" * 600),
        ("https://pay.stripe.com/" + "x" * 3_000, ""),
        ("http://pay.stripe.com/invoice/1/pdf", ""),
        ("javascript:alert(1)//https://pay.stripe.com", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_link_is_https_and_fits_its_column(link: str | None, stored: str) -> None:
    assert payloads.read_link({"invoice_pdf": link}, "invoice_pdf") == stored
