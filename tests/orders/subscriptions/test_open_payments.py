"""The link of an open payment: where staff and the customer find it, how long it is shown, and to whom it is not."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from billing.actor import AUDITOR, SOVEREIGN_ADMIN, SUPERADMIN
from billing.models import Customer, Invoice, Organization, Subscription
from orders.models import Order, Payment
from orders.use_cases.subscriptions.renew_subscription import RenewalOutcome
from tests.console import client_of, create_user
from tests.contract.api_client import by_token
from tests.contract.json_shapes import assert_shape
from tests.contract.response_shapes import INVOICE, SUBSCRIPTION
from tests.factories import give_credit
from tests.orders.conftest import Buy
from tests.orders.subscriptions.run_renewals import (
    DUE,
    GRACE_END,
    START,
    newest_subscription,
    renew,
    renewal_orders,
    settle_event_of_type,
)
from tests.orders.subscriptions.stripe_checkout_stub import StripeCheckoutStub, stripe
from tests.snapshot import nothing_changes

__all__ = ["stripe"]

LINK = "https://pay.example/cs_1"
ANCHOR = f'<a class="ref" href="{LINK}" target="_blank" rel="noopener noreferrer">Open the payment page</a>'


@pytest.fixture
def past_due(stripe: StripeCheckoutStub, ada: Customer, buy: Buy) -> Subscription:
    """Acme's month of 9.000 is due, the balance is 2.345, and Stripe was asked for the rest."""
    give_credit(ada, 9_000)
    buy("m", now=START)
    give_credit(ada, 2_345)
    assert renew(DUE) == [RenewalOutcome.PAST_DUE]
    return newest_subscription()


@pytest.fixture
def pending(stripe: StripeCheckoutStub, ada: Customer, buy: Buy) -> Order:
    """An order of 9.000 that waits for a card; credit pays 2.340 of it."""
    give_credit(ada, 2_345)
    return Order.objects.get(id=buy("m").order_id)


def staff_pages(order: Order) -> list[str]:
    """Every page of the console that shows the order's open payment."""
    records: dict[str, UUID | None] = {"orders_order": order.pk, "orders_payment": order.pk}
    records |= {
        "billing_subscription": Subscription.objects.values_list("pk", flat=True).first(),
        "billing_invoice": Invoice.objects.filter(order_id=order.pk).values_list("pk", flat=True).first(),
    }
    return [reverse(f"admin:{name}_change", args=[key]) for name, key in records.items() if key]


def shown(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def get_as_ada(path: str) -> Any:
    """Returns the body of the API's answer to Ada."""
    answer = by_token("customer", "ada").get(path)
    assert answer.status == 200
    return answer.body


# --- Staff ------------------------------------------------------------------------------------------------
def test_every_page_of_a_past_due_month_shows_staff_the_link(past_due: Subscription) -> None:
    client = client_of(create_user(SUPERADMIN))
    (order,) = renewal_orders()
    addresses = staff_pages(order)
    assert len(addresses) == 4
    ends = order.payment.expires_at
    for address in addresses:
        page = shown(client, address)
        assert ANCHOR in page
        assert f'<span class="copyable" title="Click to select all of it">{LINK}</span>' in page
        for text in ("Waiting for payment", "6.660 OMR", "2.340 OMR", f"{ends:%Y-%m-%d %H:%M:%S}"):
            assert text in page
        assert "the month from 2027-02-28" in page


def test_the_subscription_page_shows_when_it_became_past_due_and_when_it_ends(past_due: Subscription) -> None:
    page = shown(client_of(create_user(AUDITOR)), reverse("admin:billing_subscription_change", args=[past_due.pk]))
    assert "Past due since" in page and f"{DUE:%Y-%m-%d %H:%M:%S}" in page
    assert "Ends unless paid by" in page and f"{GRACE_END:%Y-%m-%d %H:%M:%S}" in page


def test_the_first_page_counts_open_payments_and_links_to_them(past_due: Subscription) -> None:
    client = client_of(create_user(AUDITOR))
    figures = {each.title: each for each in client.get(reverse("admin:index")).context["figures"]}
    waiting, unpaid = figures["Waiting for payment"], figures["Past due"]
    assert (waiting.value, waiting.note, unpaid.value) == ("1", "6.660 OMR due by card", "1")
    for figure in (waiting, unpaid):
        assert len(client.get(figure.url).context["cl"].result_list) == 1


def test_the_pages_of_a_new_order_show_staff_the_link(pending: Order) -> None:
    client = client_of(create_user(SUPERADMIN))
    for address in staff_pages(pending):
        page = shown(client, address)
        assert ANCHOR in page
        assert "a new order" in page


def test_an_auditor_sees_the_amount_due_but_not_the_link(past_due: Subscription) -> None:
    client = client_of(create_user(AUDITOR))
    for address in staff_pages(renewal_orders()[0]):
        page = shown(client, address)
        assert "6.660 OMR" in page and "A superadmin sees the link to pay." in page
        assert "pay.example" not in page


def test_other_staff_may_not_open_these_pages(past_due: Subscription) -> None:
    client = client_of(create_user(SOVEREIGN_ADMIN))
    assert {client.get(address).status_code for address in staff_pages(renewal_orders()[0])} == {403}


@pytest.mark.parametrize("how", ["paid", "expired", "its time is over", "processing"])
def test_a_link_that_can_no_longer_be_paid_is_not_shown(
    past_due: Subscription, stripe: StripeCheckoutStub, how: str
) -> None:
    (order,) = renewal_orders()
    addresses = staff_pages(order)
    if how == "expired":
        settle_event_of_type("checkout.session.expired", stripe.sessions["cs_1"] | {"status": "expired"})
    elif how == "its time is over":
        Payment.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    else:
        done = stripe.pay(stripe.sessions["cs_1"], processing=how == "processing")
        settle_event_of_type("checkout.session.completed", done)
    client = client_of(create_user(SUPERADMIN))
    for address in addresses:
        page = shown(client, address)
        assert "pay.example" not in page and "Waiting for payment" not in page
    assert get_as_ada("billing/subscription")["open_payment"] is None
    assert [each["open_payment"] for each in get_as_ada("billing/invoices")] == [None, None]


def test_without_an_open_payment_the_page_says_what_happens_next(
    past_due: Subscription, stripe: StripeCheckoutStub
) -> None:
    settle_event_of_type("checkout.session.expired", stripe.sessions["cs_1"] | {"status": "expired"})
    address = reverse("admin:billing_subscription_change", args=[past_due.pk])
    client = client_of(create_user(AUDITOR))
    assert "No payment page is open now." in shown(client, address)
    Subscription.objects.update(paid_by="stripe")
    assert "Stripe retries the card automatically" in shown(client, address)


def test_a_session_address_that_is_not_http_is_not_a_link(pending: Order) -> None:
    Payment.objects.update(session_url="javascript:alert(1)")
    assert 'href="javascript' not in shown(client_of(create_user(SUPERADMIN)), staff_pages(pending)[0])


# --- The customer -----------------------------------------------------------------------------------------
def test_subscription_and_invoice_show_the_customer_the_link(past_due: Subscription) -> None:
    (order,) = renewal_orders()
    waits = {
        "order_id": str(order.pk),
        "payment_url": LINK,
        "amount_minor": 6_660,
        "amount_baisa": 6_660,
        "currency": "OMR",
        "credit_held_minor": 2_340,
        "expires_at": f"{order.payment.expires_at:%Y-%m-%dT%H:%M:%SZ}",
    }
    found = get_as_ada(f"billing/subscription/{past_due.organization_id}")
    assert_shape(found, SUBSCRIPTION)
    assert (found["status"], found["past_due_since"]) == ("past_due", f"{DUE:%Y-%m-%dT%H:%M:%SZ}")
    assert found["grace_ends_at"] == f"{GRACE_END:%Y-%m-%dT%H:%M:%SZ}"
    assert str(found["open_payment"].pop("amount_omr")) == "6.66"
    assert found["open_payment"] == waits
    due, first = get_as_ada("billing/invoices")
    assert_shape([due, first], [INVOICE])
    assert (due["status"], due["open_payment"]["payment_url"], first["open_payment"]) == ("open", LINK, None)


def test_a_customer_does_not_see_the_payments_of_others(past_due: Subscription) -> None:
    bob = by_token("customer", "bob")
    assert bob.get(f"billing/subscription/{past_due.organization_id}").status == 404
    assert bob.get("billing/invoices").body == []


def test_the_subscription_shows_the_open_payment_of_the_basket_that_replaces_it(
    past_due: Subscription, buy: Buy
) -> None:
    placed = buy("l", now=DUE + timedelta(hours=1))
    found = get_as_ada("billing/subscription")["open_payment"]
    assert (found["order_id"], found["payment_url"]) == (str(placed.order_id), placed.session_url)


def test_reading_these_pages_changes_nothing(past_due: Subscription) -> None:
    client = client_of(create_user(SUPERADMIN))
    with nothing_changes():
        for address in staff_pages(renewal_orders()[0]):
            client.get(address)
        get_as_ada("billing/subscription")
        get_as_ada("billing/invoices")


def test_many_open_invoices_cost_as_many_queries_as_one(past_due: Subscription, acme: Organization) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as counted:
            get_as_ada("billing/invoices")
        return len(counted)

    assert queries() == 2
    first = Invoice.objects.get(status="open")
    for month in range(1, 20):
        Invoice.objects.create(
            subscription=past_due,
            customer_id=first.customer_id,
            organization=acme,
            amount_minor=9_000,
            currency="OMR",
            status="open",
            period_start=first.period_start + timedelta(days=31 * month),
            period_end=first.period_end + timedelta(days=31 * month),
        )
    assert queries() == 2
