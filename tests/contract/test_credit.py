"""Customers see their own balance, subscriptions and invoices, and no one else's."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.local_time import utc_text
from billing.models import Customer, Invoice
from billing.use_cases.ledger.hold_credit import hold_credit
from billing.use_cases.ledger.post_entry import adjust_credit, grant_credit
from tests.factories import PromoCodeFactory, actor, give_credit
from tests.snapshot import nothing_changes

from .api_client import Caller, by_token
from .conftest import Checkout, tenant_of
from .json_shapes import assert_refused, assert_shape
from .response_shapes import BALANCE, INVOICE, SUBSCRIPTION

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("role", ["customer", "superadmin", "sovereign-admin", "auditor"])
def test_a_new_customer_has_zeros(role: str) -> None:
    with nothing_changes():
        answer = by_token(role, "never-seen").get("billing/balance")
    assert (answer.status, answer.body) == (
        200,
        {
            "credit_omr": 0,
            "credit_minor": 0,
            "credit_baisa": 0,
            "currency": "OMR",
            "held_minor": 0,
            "available_minor": 0,
            "entries": [],
            "next_expiry": None,
            "lots": [],
        },
    )


def test_the_balance_shows_the_credit_and_its_entries(checkout: Checkout, ada: Caller, acme: str) -> None:
    PromoCodeFactory.create(code="WELCOME50", credit_minor=50_250)
    order_id = checkout(promo_code="WELCOME50").body["order_id"]
    answer = ada.get("billing/balance")
    assert_shape(answer.body, BALANCE)
    entries = answer.body.pop("entries")
    assert ada.get("billing/balance/entries").body == entries
    assert answer.body == {
        "credit_omr": answer.body["credit_omr"],
        "credit_minor": 41_250,
        "credit_baisa": 41_250,
        "currency": "OMR",
        "held_minor": 0,
        "available_minor": 41_250,
        "next_expiry": None,
        "lots": [],
    }
    assert b'"credit_omr":41.25' in answer.content
    shown = [(entry["reason"], entry["amount_minor"], entry["amount_baisa"], entry["order_id"]) for entry in entries]
    assert shown == [
        ("order-payment", -9_000, -9_000, order_id),
        ("promo:WELCOME50", 50_250, 50_250, order_id),
    ]
    assert [str(entry["amount_omr"]) for entry in entries] == ["-9", "50.25"]


def test_an_entry_without_an_order_names_none(ada: Caller, acme: str) -> None:
    give_credit(Customer.objects.get(), 5_000)
    [entry] = ada.get("billing/balance").body["entries"]
    assert "order_id" not in entry


def test_held_credit_is_part_of_the_credit_and_not_available(ada: Caller, acme: str) -> None:
    customer = Customer.objects.get()
    give_credit(customer, 5_000)
    hold_credit(customer_id=customer.pk, amount_minor=2_000, order_id=uuid4())
    body = ada.get("billing/balance").body
    assert (body["credit_minor"], body["held_minor"], body["available_minor"]) == (5_000, 2_000, 3_000)


def test_credit_that_expires_says_when(ada: Caller, acme: str) -> None:
    customer, expiry = Customer.objects.get(), timezone.now() + timedelta(days=30)
    give_credit(customer, 5_000)
    grant_credit(customer_id=customer.pk, amount_minor=2_000, reason="gift", expires_at=expiry, by=actor())
    with CaptureQueriesContext(connection) as queries:
        body = ada.get("billing/balance").body
    assert len(queries) == 2
    assert_shape(body, BALANCE)
    at = utc_text(expiry)
    assert body["next_expiry"] == {"amount_minor": 2_000, "expires_at": at}
    assert body["lots"] == [
        {"amount_minor": 2_000, "expires_at": at, "credit_class": "promotional"},
        {"amount_minor": 5_000, "expires_at": None, "credit_class": "promotional"},
    ]


def test_the_20_newest_entries_cost_one_query_whatever_the_history(ada: Caller, acme: str) -> None:
    customer = Customer.objects.get()
    for amount in range(1, 26):
        adjust_credit(customer_id=customer.pk, amount_minor=amount, why=f"number {amount}", by=actor())
    with CaptureQueriesContext(connection) as queries:
        body = ada.get("billing/balance").body
    assert len(queries) == 1
    assert [entry["amount_minor"] for entry in body["entries"]] == list(range(25, 5, -1))
    assert body["credit_minor"] == sum(range(1, 26))


def test_a_balance_is_the_callers_own(ada: Caller, bob: Caller, acme: str) -> None:
    give_credit(Customer.objects.get(user_id="ada"), 5_000)
    assert bob.get("billing/balance").body["credit_minor"] == 0


def test_a_subscription_is_found_by_organization_or_newest(checkout: Checkout, ada: Caller, acme: str) -> None:
    second = tenant_of(ada, "second")
    checkout(plan_id="flexi")
    ada.post("billing/checkout", {"tenant_id": second, "plan_id": "flexi", "addons": ["waf"]})
    of_acme, of_second, newest = (ada.get(f"billing/subscription{each}") for each in (f"/{acme}", f"/{second}", ""))
    for answer in (of_acme, of_second, newest):
        assert answer.status == 200
        assert_shape(answer.body, SUBSCRIPTION)
    assert (of_acme.body["tenant_id"], of_second.body["tenant_id"]) == (acme, second)
    assert newest.content == of_second.content
    assert (of_acme.body["status"], of_acme.body["paid_by"], of_acme.body["canceled_at"]) == (
        "active",
        "credit",
        None,
    )
    start = datetime.fromisoformat(of_acme.body["current_period_start"])
    end = datetime.fromisoformat(of_acme.body["current_period_end"])
    assert timedelta(days=28) <= end - start <= timedelta(days=31)


def test_a_cancelled_subscription_says_so(checkout: Checkout, ada: Caller, acme: str) -> None:
    checkout(plan_id="flexi")
    ada.delete(f"tenant/orgs/{acme}")
    body = ada.get(f"billing/subscription/{acme}").body
    assert body["status"] == "canceled"
    assert_shape(body, SUBSCRIPTION)


def test_without_a_subscription_it_is_not_found(checkout: Checkout, ada: Caller, bob: Caller, acme: str) -> None:
    assert_refused(ada.get("billing/subscription"), 404, "subscription_not_found")
    assert_refused(ada.get(f"billing/subscription/{acme}"), 404, "subscription_not_found")
    checkout(plan_id="flexi")
    for path in (f"/{acme}", "", f"/{uuid4()}"):
        assert_refused(bob.get(f"billing/subscription{path}"), 404, "subscription_not_found")


def test_invoices_are_listed_newest_first_by_organization_and_for_all(
    checkout: Checkout, ada: Caller, bob: Caller, acme: str
) -> None:
    second = tenant_of(ada, "second")
    give_credit(Customer.objects.get(), 30_250)
    for plan in ("m", "l"):
        checkout(plan_id=plan)
    ada.post("billing/checkout", {"tenant_id": second, "plan_id": "odd"})
    answer = ada.get("billing/invoices")
    assert answer.status == 200
    assert_shape(answer.body, [INVOICE])
    assert [(each["amount_minor"], each["status"]) for each in answer.body] == [
        (5_250, "paid"),
        (16_000, "paid"),
        (9_000, "paid"),
    ]
    assert b'"amount_omr":5.25' in answer.content and b'"amount_omr":16,' in answer.content
    assert [each["amount_minor"] for each in ada.get(f"billing/invoices/{acme}").body] == [16_000, 9_000]
    assert [each["amount_minor"] for each in ada.get(f"billing/invoices/{second}").body] == [5_250]
    for path in ("", f"/{acme}"):
        assert bob.get(f"billing/invoices{path}").content == b"[]"


def test_an_invoice_links_to_its_document(checkout: Checkout, ada: Caller, acme: str) -> None:
    checkout(plan_id="flexi")
    [invoice] = ada.get("billing/invoices").body
    assert invoice["pdf_url"] == ""
    Invoice.objects.update(pdf_url="https://pay.example/i/1.pdf")
    assert ada.get("billing/invoices").body[0]["pdf_url"] == "https://pay.example/i/1.pdf"


def test_without_invoices_the_list_is_empty(ada: Caller, acme: str) -> None:
    for path in ("", f"/{acme}", f"/{uuid4()}"):
        assert ada.get(f"billing/invoices{path}").content == b"[]"
