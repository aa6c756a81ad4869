"""A list of Stripe's objects is read to its end, page by page, as plain JSON."""

import gc
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import stripe

from orders.stripe.gateway import Resource, list_pages
from tests.orders.stripe.stripe_object_server import StripeObjectServer

pytestmark = pytest.mark.django_db

PATH = "/v1/balance_transactions"


def page_of(*ids: str, has_more: bool) -> dict[str, Any]:
    data = [{"id": each, "object": "balance_transaction", "source": {"object": "charge"}} for each in ids]
    return {"id": PATH, "object": "list", "data": data, "has_more": has_more, "url": PATH}


@pytest.fixture
def server(settings: Any) -> Iterator[StripeObjectServer]:
    server = StripeObjectServer()
    server.start()
    settings.STRIPE_API_BASE = server.url
    settings.INITIAL_STRIPE_SECRET_KEY = "sk_test_pages"
    yield server
    server.stop()


def test_pages_are_plain_json_and_the_last_one_ends_the_list(server: StripeObjectServer) -> None:
    pages = [page_of("txn_4", "txn_3", has_more=True), page_of("txn_2", "txn_1", has_more=False)]
    server.objects[PATH] = pages.pop(0)
    server.on_get = lambda _: server.objects.update({PATH: pages.pop(0)} if pages else {})
    read = []
    for page in list_pages(Resource.BALANCE_TRANSACTIONS, expand=["data.source"]):
        # The library's objects would take several times the memory, and the next page comes beside them.
        # A weak proxy whose object is gone has a type, but no class to ask for.
        assert not [each for each in gc.get_objects() if issubclass(type(each), stripe.StripeObject)]
        read += [each["id"] for each in page]
    assert read == ["txn_4", "txn_3", "txn_2", "txn_1"]
    assert [parse_qs(urlsplit(each).query).get("starting_after") for each in server.urls] == [None, ["txn_3"]]


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        (Resource.SESSIONS, "/v1/checkout/sessions"),
        (Resource.CHARGES, "/v1/charges"),
        (Resource.DISPUTES, "/v1/disputes"),
        (Resource.REFUNDS, "/v1/refunds"),
        (Resource.INVOICES, "/v1/invoices"),
        (Resource.INVOICE_PAYMENTS, "/v1/invoice_payments"),
        (Resource.SUBSCRIPTIONS, "/v1/subscriptions"),
        (Resource.SUBSCRIPTION_ITEMS, "/v1/subscription_items"),
        (Resource.EVENTS, "/v1/events"),
        (Resource.BALANCE_TRANSACTIONS, "/v1/balance_transactions"),
    ],
)
def test_each_kind_of_object_is_listed_at_its_address(
    server: StripeObjectServer, resource: Resource, path: str
) -> None:
    server.objects[path] = page_of("first_1", has_more=False)
    assert [[each["id"] for each in page] for page in list_pages(resource)] == [["first_1"]]
