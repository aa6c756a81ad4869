"""Every page of a list is read by the index that orders it, the first page and a deep one."""

import re
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.models import AuditEntry, Customer, Invoice, LedgerEntry, Organization, Subscription
from orders.models import Order, OutboxEvent, Payment, StripeEvent
from promos.models import Batch, Redemption
from tests.console import client_of, create_user
from tests.contract.api_client import Caller, by_token
from tests.large_history import Connection
from tests.promos.ranges.make_ranges import act, dealer
from tests.query_plans import QueryPlans, record_plans

from .conftest import SMALL

CONSOLE: dict[type[Model], str] = {
    AuditEntry: "billing_auditentry_pkey",
    Customer: "billing_customer_pkey",
    Invoice: "billing_invoice_pkey",
    LedgerEntry: "billing_ledgerentry_pkey",
    Order: "orders_order_pkey",
    Organization: "billing_organization_pkey",
    OutboxEvent: "orders_outboxevent_pkey",
    Payment: "orders_payment_pkey",
    ProcrastinateJob: "procrastinate_jobs_pkey",
    Redemption: "promos_redemption_pkey",
    StripeEvent: "orders_stripeevent_newest",
    Subscription: "billing_subscription_pkey",
}
API = {
    "billing/admin/events": "orders_event_newest",
    "billing/admin/orders": "orders_order_newest",
    "billing/attempts": "promos_refused_in_order",
    "billing/admin/promos": "promos_promocode_live_in_order",
}


@pytest.fixture(scope="module")
def console(grown: Connection) -> Client:
    return client_of(create_user("superadmin"))


@pytest.fixture(scope="module")
def root(grown: Connection) -> Caller:
    return by_token("superadmin")


@pytest.mark.parametrize("model", CONSOLE, ids=lambda model: model.__name__)
def test_console_pages_are_read_by_index(console: Client, model: type[Any]) -> None:
    middle = model.objects.order_by("pk").values_list("pk", flat=True)[model.objects.count() // 2]
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    for page in (address, f"{address}?p={middle}"):
        with record_plans() as made:
            assert console.get(page).status_code == 200
        assert_by_index(made, CONSOLE[model])


@pytest.mark.parametrize("term", ["c-7", "c-7@example.org", "o-7", "GROWN-7", "60007", "nowhere"])
@pytest.mark.parametrize("model", [Invoice, Order, Redemption, Subscription], ids=lambda model: model.__name__)
def test_searches_walk_no_list(console: Client, model: type[Any], term: str) -> None:
    """A list is ordered by its key: a search that no other index serves compares row after row with the term."""
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    with record_plans() as made:
        assert console.get(f"{address}?q={term}").status_code == 200
    assert made.sequential <= SMALL
    assert CONSOLE[model] not in made.indexes


# Searches that find few rows or none → the indexes of which one finds them.
SEARCHES = {
    ("promos_card", "ABCD"): "promos_card_last_characters",
    ("billing_customer", "c-4321@"): "billing_customer_by_email",
    ("billing_organization", "o-4321"): "billing_organization_by_slug",
    ("billing_organization", "nowhere"): "billing_organization_by_word",
    ("billing_auditentry", "nowhere"): "billing_audit_of_object",
    ("orders_outboxevent", "018f0000-0000-7000-8000-000000000000"): "orders_event_order_placed_once",
    ("promos_refusedattempt", "nowhere"): "promos_refused_by_text",
    ("orders_payment", "in_1"): "orders_payment_of_invoice",
}
# Filters by a value that no row has → the index that tells so.
RARE = {
    "billing_auditentry/?channel=worker": "billing_audit_of_origin",
    "billing_auditentry/?actor_role=dealer": "billing_audit_of_origin",
    "billing_invoice/?status__exact=void": "billing_invoice_rare",
    "billing_organization/?status__exact=deleted": "billing_organization_rare",
    "orders_order/?status__exact=refunded": "orders_order_rare",
    "orders_outboxevent/?type=tenant.deleted": "orders_event_of_type",
    "promos_redemption/?status__exact=released": "promos_redemption_rare",
    "promos_refusedattempt/?act=checkout": "promos_refused_of_act",
    "promos_refusedattempt/?channel=page": "promos_refused_of_act",
}


@pytest.mark.parametrize(("name", "term"), SEARCHES)
def test_searches_for_what_few_have_read_by_index(console: Client, name: str, term: str) -> None:
    with record_plans() as made:
        assert console.get(f"{reverse(f'admin:{name}_changelist')}?q={term}").status_code == 200
    assert_by_index(made, SEARCHES[name, term])


@pytest.mark.parametrize("address", RARE)
def test_filters_by_what_few_have_read_by_index(console: Client, address: str) -> None:
    name, _, query = address.partition("/")
    with record_plans() as made:
        assert console.get(reverse(f"admin:{name}_changelist") + query).status_code == 200
    assert_by_index(made, RARE[address])


def test_the_redemptions_of_a_dealers_cards_are_found_by_their_serial_numbers(console: Client) -> None:
    act(Batch.objects.get(promo_code__code="CARDS"), "allocate", 101, 200, dealer=dealer("Souq"))
    with record_plans() as made:
        page = console.get(f"{reverse('admin:promos_redemption_changelist')}?q=souq")
    assert page.status_code == 200
    assert made.sequential <= SMALL
    assert "promos_redemption_once_per_card" in made.indexes
    assert CONSOLE[Redemption] not in made.indexes


@pytest.mark.parametrize("state", ["paused", "not-started", "expired"])
def test_states_that_few_vouchers_have_walk_no_list(console: Client, state: str) -> None:
    with record_plans() as made:
        assert console.get(f"{reverse('admin:promos_promocode_changelist')}?state={state}").status_code == 200
    assert made.sequential <= SMALL
    assert "promos_promocode_live_in_order" not in made.indexes


@pytest.mark.parametrize("path", API)
def test_api_pages_are_read_by_index(root: Caller, path: str) -> None:
    first = root.get(f"{path}?limit=100")
    following = re.search(r"<(.+?)>", first.headers["Link"])
    assert following is not None
    for page in (f"{path}?limit=100", following[1].removeprefix("http://testserver")):
        with record_plans() as made:
            assert root.get(page).status == 200
        assert_by_index(made, API[path])


def assert_by_index(made: QueryPlans, index: str) -> None:
    assert made.sequential <= SMALL
    assert index in made.indexes
