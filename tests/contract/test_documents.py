"""Customers read their own invoices, receipts and credit notes; staff read all."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from billing.models import Customer
from orders.models import Document, VatRate
from orders.use_cases.documents.issue_documents import issue_documents
from tests.factories import give_credit

from .api_client import Caller, by_token
from .conftest import Checkout
from .json_shapes import assert_refused, assert_shape, identity, moment, text, whole

pytestmark = pytest.mark.django_db(transaction=True)

STATEMENT_MONEY = {f"{name}_{form}" for name in ("opening", "closing") for form in ("minor", "omr", "baisa")}
DOCUMENT = {
    "id": identity,
    "number": text,
    "kind": text,
    "cause": text,
    "order_id": identity,
    "tenant_id": identity,
    "vat_basis_points": whole,
    "credit_minor": whole,
    "card_minor": whole,
    "supplied_at": moment,
    "issued_at": moment,
    "currency": text,
}


def test_a_customer_reads_an_invoice_and_strangers_do_not(
    checkout: Checkout, ada: Caller, bob: Caller, acme: str
) -> None:
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)
    give_credit(Customer.objects.get(), 20_000)
    placed = checkout(plan_id="m", addons=["backup"])
    assert placed.status == 200
    issue_documents(until=timezone.now() + timedelta(milliseconds=1))

    [found] = ada.get("billing/documents").body
    invoice = dict(found)
    assert invoice.pop("seller") == {"name": "Sovereign", "address": "", "vat_number": ""}
    assert set(invoice.pop("buyer")) == {"organization", "email", "vat_number"}
    assert [line["price_minor"] for line in invoice.pop("lines")] == [9_000, 3_000]
    assert invoice.pop("corrects") == ""
    for name, minor in {"total": 12_000, "net": 11_429, "vat": 571}.items():
        amounts = [invoice.pop(f"{name}_{form}") for form in ("minor", "baisa", "omr")]
        assert amounts == [minor, minor, pytest.approx(Decimal(minor) / 1000)]
    assert_shape(invoice, DOCUMENT)
    assert (found["kind"], found["cause"], found["vat_basis_points"]) == ("invoice", "order", 500)
    assert (found["order_id"], found["tenant_id"]) == (placed.body["order_id"], acme)

    path = f"billing/documents/{found['id']}"
    assert ada.get(path).body == found
    assert (bob.get(path).status, bob.get("billing/documents").body) == (404, [])
    assert by_token("finance").get("billing/admin/documents").body == [found]
    assert Document.objects.count() == 1


def test_a_customer_reads_the_statement_of_a_month(ada: Caller, bob: Caller, acme: str) -> None:
    give_credit(Customer.objects.get(), 20_000)
    path = f"billing/statements/{timezone.localdate():%Y-%m}"
    found = ada.get(path).body
    assert set(found) == {"month", "is_over", "entries", *STATEMENT_MONEY, "currency"}
    assert (found["opening_minor"], found["closing_minor"], found["is_over"]) == (0, 20_000, False)
    [entry] = found["entries"]
    assert (entry["words"], entry["amount_minor"], entry["balance_minor"]) == ("Correction", 20_000, 20_000)
    assert (entry["order_id"], entry["organization"]) == (None, "")
    assert (bob.get(path).body["entries"], bob.get(path).body["closing_minor"]) == ([], 0)
    assert ada.call("GET", f"{path}/pdf").content.startswith(b"%PDF-")
    for wrong in ("2026-13", "2999-01", "nonsense"):
        assert_refused(ada.get(f"billing/statements/{wrong}"), 400, "invalid_request")
