"""Orders, events, jobs and the first page of the console, as an auditor reads them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from billing.actor import AUDITOR, SOVEREIGN_ADMIN, SUPERADMIN
from billing.models import LedgerEntry, Subscription
from billing.use_cases.ledger.hold_credit import hold_credit
from orders.models import Document, Order, OutboxEvent
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from orders.use_cases.documents.issue_documents import issue_documents
from orders.use_cases.payments.request_refund import refund_order
from promos.models import Redemption
from promos.use_cases.change_code import pause_code, retire_code
from tests.console import NO_ROLE, client_of, create_user, place_orders
from tests.factories import (
    AddOnFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    acting,
    actor,
    give_credit,
)

pytestmark = pytest.mark.django_db

ORDERS = "/admin/orders/order/"
RETIRED = '<span class="struck"><code class="mono">WELCOME</code></span> <span class="badge badge-bad">retired</span>'


@pytest.fixture
def client(db: None) -> Client:
    return client_of(create_user(AUDITOR))


def page_of(name: str, key: object) -> str:
    return reverse(f"admin:{name}_change", args=[key])


@pytest.fixture
def order(db: None) -> Order:
    """A plan of 9.000 and an add-on of 3.000 OMR, paid from a voucher of 50.000."""
    organization = OrganizationFactory.create(slug="acme")
    PromoCodeFactory.create(code="WELCOME", credit_minor=50_000)
    PlanFactory.create(slug="m", name="Medium", price_minor=9_000)
    AddOnFactory.create(slug="backup", name="Daily backup", price_minor=3_000)
    request = CheckoutRequest(tenant_id=organization.pk, plan="m", addons=("backup",), promo_code="WELCOME")
    return Order.objects.get(pk=place_order(request=request, by=acting(organization.customer)).order_id)


def test_the_list_shows_who_bought_what_for_how_much(client: Client, order: Order) -> None:
    page = client.get(ORDERS).content.decode()
    for text in (str(order.customer), "acme", "WELCOME", "12.000 OMR", "0.000 OMR", "completed"):
        assert text in page


def test_list_and_page_show_that_the_code_was_retired_later(client: Client, order: Order) -> None:
    addresses = (ORDERS, page_of("orders_order", order.pk))
    assert not any("retired" in client.get(address).content.decode() for address in addresses)
    retire_code(code="WELCOME", by=actor())
    assert all(RETIRED in client.get(address).content.decode() for address in addresses)


def test_the_page_links_to_the_documents_of_the_order(client: Client, order: Order) -> None:
    address = page_of("orders_order", order.pk)
    assert "None was issued yet." in client.get(address).content.decode()
    issue_documents()
    refund_order(order_id=order.pk, card_minor=None, why="changed mind", by=actor())
    issue_documents()
    receipt, note = Document.objects.order_by("supplied_at")
    with CaptureQueriesContext(connection) as counted:
        page = client.get(address).content.decode()
    assert len(counted) == ORDER_QUERIES
    for document in (receipt, note):
        assert f'href="{page_of("orders_document", document.pk)}">{document.name}</a>' in page
    assert f'href="/admin/orders/document/?order_id={order.pk}"' in page


# The session and the user with permissions, the figures beside the menu, the order, and each panel.
ORDER_QUERIES = 12


def test_the_page_links_to_everything_that_the_order_caused(client: Client, order: Order) -> None:
    page = client.get(page_of("orders_order", order.pk)).content.decode()
    followed: dict[str, list[Any]] = {
        "billing_customer": [order.customer.pk],
        "billing_organization": [order.organization_id],
        "billing_ledgerentry": [entry.pk for entry in LedgerEntry.objects.filter(order_id=order.pk)],
        "promos_redemption": [Redemption.objects.get(order_id=order.pk).pk],
        "promos_promocode": [order.promo_code_id],
        "billing_subscription": [Subscription.objects.get(order_id=order.pk).pk],
        "orders_outboxevent": [OutboxEvent.objects.get(order_id=order.pk).pk],
    }
    assert len(followed["billing_ledgerentry"]) == 2
    for name, keys in followed.items():
        for key in keys:
            assert f'href="{page_of(name, key)}"' in page
            assert client.get(page_of(name, key)).status_code == 200
    for text in ("Medium", "Daily backup", "9.000 OMR", "3.000 OMR", "+50.000 OMR", "-12.000 OMR"):
        assert text in page


def test_the_page_says_when_the_subscription_ended(client: Client, order: Order) -> None:
    ended = datetime(2999, 1, 1, 12, 30, 15, tzinfo=UTC)
    Subscription.objects.filter(order_id=order.pk).update(status="canceled", canceled_at=ended)
    assert "2999-01-01 12:30:15" in client.get(page_of("orders_order", order.pk)).content.decode()


def test_an_event_is_shown_with_its_exact_amounts(client: Client, order: Order) -> None:
    event = OutboxEvent.objects.get(order_id=order.pk)
    page = client.get(page_of("orders_outboxevent", event.pk)).content.decode()
    assert "&quot;amount_minor&quot;: 12000" in page
    assert "pending" in page
    pending = client.get("/admin/orders/outboxevent/", {"delivery": "pending"}).context["cl"]
    delivered = client.get("/admin/orders/outboxevent/", {"delivery": "delivered"}).context["cl"]
    assert (list(pending.result_list), list(delivered.result_list)) == ([event], [])


def test_a_job_that_failed_is_found_with_its_order(client: Client, order: Order) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = 'failed' WHERE task_name = 'provision_organization' RETURNING id"
        )
        (number,) = cursor.fetchone()
    found = client.get("/admin/procrastinate/procrastinatejob/", {"state": "failed"})
    assert [job.pk for job in found.context["cl"].result_list] == [number]
    page = client.get(page_of("procrastinate_procrastinatejob", number)).content.decode()
    assert f'href="{page_of("orders_order", order.pk)}"' in page
    assert "Queued" in page


# --- The first page ---------------------------------------------------------------------------------------------


def figures(client: Client) -> dict[str, tuple[str, str]]:
    """The first page's figures without their markup: title → value and note."""
    answer = client.get(reverse("admin:index"))
    shown = answer.context["figures"]
    return {
        each.title: (str(each.value).split(">")[-2 if "<" in str(each.value) else 0].split("<")[0], each.note)
        for each in shown
    }


def test_the_first_page_adds_up(client: Client, order: Order) -> None:
    PromoCodeFactory.create(code="PAUSED")
    pause_code(code="PAUSED", by=actor())
    PromoCodeFactory.create(code="GONE")
    retire_code(code="GONE", by=actor())
    other = OrganizationFactory.create().customer
    give_credit(other, 1_500)
    hold_credit(customer_id=other.pk, amount_minor=500, order_id=order.organization_id)
    Order.objects.filter(pk=order.pk).update(created_at=timezone.now())
    assert figures(client) == {
        "Live vouchers": ("1", "of 2 that are not retired"),
        "Redemptions today": ("1", "50.000 OMR granted"),
        "Orders today": ("1", "1 completed"),
        "Credit outstanding": ("39.500 OMR", "of 2 customers"),
        "Held": ("0.500 OMR", "for payments that are open"),
        "Waiting for payment": ("0", "0.000 OMR due by card"),
        "Past due": ("0", "subscriptions whose month is not paid"),
        "Breaks": ("0", "between Stripe and our books, to be resolved"),
        "Alerts": ("0", "of codes and cards, to be looked at"),
        "Unfinished jobs": ("2", "waiting or running"),  # its organization, and its receipt
        "Failed jobs": ("0", "given up after all attempts"),
    }


def test_yesterdays_orders_and_redemptions_are_not_todays(client: Client) -> None:
    organization = OrganizationFactory.create()
    code = PromoCodeFactory.create(credit_minor=9_000)
    request = CheckoutRequest(tenant_id=organization.pk, plan=PlanFactory.create().slug, promo_code=code.code)
    place_order(request=request, by=acting(organization.customer), now=timezone.now() - timedelta(days=1))
    found = figures(client)
    assert (found["Orders today"][0], found["Redemptions today"][0]) == ("0", "0")


def test_an_empty_sovereign_has_a_first_page(client: Client) -> None:
    assert {value for value, _ in figures(client).values()} == {"0", "0.000 OMR"}


@pytest.mark.parametrize(("role", "queries"), [(SUPERADMIN, 20), (AUDITOR, 19), (SOVEREIGN_ADMIN, 9), (NO_ROLE, 4)])
def test_the_first_page_costs_the_same_for_one_order_and_for_many(role: str, queries: int) -> None:
    client = client_of(create_user(role))
    for number in (1, 20):
        place_orders(number)
        with CaptureQueriesContext(connection) as counted:
            client.get(reverse("admin:index"))
        assert len(counted) == queries


@pytest.mark.parametrize(
    ("role", "titles"),
    [(SOVEREIGN_ADMIN, {"Live vouchers", "Alerts"}), (NO_ROLE, set())],
)
def test_a_figure_is_shown_only_to_staff_who_may_see_its_list(role: str, titles: set[str]) -> None:
    assert figures(client_of(create_user(role))).keys() == titles


def test_staff_without_a_role_see_a_notice() -> None:
    page = client_of(create_user(NO_ROLE)).get(reverse("admin:index")).content.decode()
    assert "You have no role yet." in page
