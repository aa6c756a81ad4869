"""Every list of the console: its number of queries, pages, searches, and its answers to invalid parameters."""

from datetime import UTC, datetime
from http import HTTPStatus

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.actor import SUPERADMIN
from billing.models import Customer, LedgerEntry
from billing.use_cases.proof.daily_proof import prove_ledger
from orders.models import Order
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from promos.use_cases.redeem_code import redeem
from tests.console import client_of, create_one_of_each, create_user, place_orders
from tests.factories import (
    AddOnFactory,
    AppFactory,
    BundleFactory,
    CampaignFactory,
    CustomerFactory,
    IndustryFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    UserFactory,
    acting,
    actor,
)
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db

# Every page: the session, the user, the permissions of the user and of the groups, and the number of open proposals.
SHARED = 5
# A list with pages by key reads only its rows.
BY_KEY = SHARED + 1
# A list with numbered pages reads its keys, and then its rows.
NUMBERED = SHARED + 2
QUERIES = {
    "billing_auditentry": BY_KEY,
    "billing_customer": BY_KEY,
    "billing_hold": BY_KEY,
    "billing_invoice": BY_KEY,
    "billing_ledgercheck": BY_KEY,
    "billing_ledgerentry": BY_KEY + 1,  # what the entries belong to
    "billing_ledgerhead": BY_KEY,
    "billing_organization": BY_KEY,
    "billing_subscription": BY_KEY,
    "billing_user": NUMBERED + 1,  # the groups of all users
    "orders_addon": NUMBERED,
    "orders_app": NUMBERED,
    "orders_bundle": NUMBERED,
    "orders_industry": NUMBERED,
    "orders_order": BY_KEY,
    "orders_outboxevent": BY_KEY,
    "orders_plan": NUMBERED,
    "procrastinate_procrastinatejob": BY_KEY,
    "promos_campaign": NUMBERED,
    "promos_promocode": NUMBERED,
    "promos_redemption": BY_KEY,
}
COUNTED = {"billing_user", "promos_campaign", "promos_promocode"} | {
    f"orders_{name}" for name in ("addon", "app", "bundle", "industry", "plan")
}
KEYED = [name for name in QUERIES if name not in COUNTED]
# A record's page: one query for the record and one for each of its tables.
PAGE_QUERIES = {
    "billing_auditentry": SHARED + 2,  # its place in the chain
    "billing_customer": SHARED + 6,  # entries, holds, merged customers, what a merge needs, refused codes
    "billing_hold": SHARED + 1,
    "billing_invoice": SHARED + 1,
    "billing_ledgercheck": SHARED + 1,
    "billing_ledgerentry": SHARED + 1,
    "billing_ledgerhead": SHARED + 1,
    "billing_organization": SHARED + 7,  # subscriptions, invoices, domains, members, history, failed provision
    "billing_subscription": SHARED + 4,  # lines, open payment, invoices
    "orders_order": SHARED + 8,  # lines, redemption, entries, payment, subscription, event, documents
    "orders_outboxevent": SHARED + 1,
    "procrastinate_procrastinatejob": SHARED + 2,  # its events
    "promos_campaign": SHARED + 8,  # history, vouchers, batches, figures, dealers
    "promos_promocode": SHARED + 8,  # history, redemptions, figures, previews, refused codes
    "promos_redemption": SHARED + 2,  # entries
}


@pytest.fixture
def client(db: None) -> Client:
    return client_of(create_user(SUPERADMIN))


def list_of(name: str) -> str:
    return reverse(f"admin:{name}_changelist")


def count_list_queries(client: Client, name: str, number: int) -> int:
    """Open the list, assert that it shows at least this many rows, and return its number of queries."""
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = client.get(list_of(name), {"state": "all"} if name == "promos_promocode" else {})
    assert answer.status_code == HTTPStatus.OK
    assert len(answer.context["cl"].result_list) >= number, name
    return len(queries)


def test_a_list_costs_the_same_for_one_row_and_for_fifty(client: Client) -> None:
    create_one_of_each()
    assert {name: count_list_queries(client, name, 1) for name in QUERIES} == QUERIES
    place_orders(49)
    for factory in (
        AddOnFactory,
        AppFactory,
        BundleFactory,
        CampaignFactory,
        IndustryFactory,
        PlanFactory,
        PromoCodeFactory,
    ):
        factory.create_batch(49)
    UserFactory.create_batch(49, is_staff=True)
    for _ in range(49):
        prove_ledger()
    assert {name: count_list_queries(client, name, 50) for name in QUERIES} == QUERIES


def test_a_list_with_numbered_pages_counts_a_bounded_number_of_rows_ahead(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.admin.console.lists.MAX_COUNTED_AHEAD", 60)
    PromoCodeFactory.create_batch(170)
    shown = [client.get(list_of("promos_promocode"), {"p": page}) for page in (1, 2, 4)]
    assert [len(page.context["cl"].result_list) for page in shown] == [50, 50, 20]
    assert [page.context["cl"].result_count for page in shown] == [111, 161, 170]
    assert ["111+" in shown[0].content.decode(), "170+" in shown[2].content.decode()] == [True, False]
    assert count_list_queries(client, "promos_promocode", 50) == NUMBERED
    keys = {code.pk for page in shown for code in page.context["cl"].result_list}
    assert len(keys) == 120


def test_a_list_narrowed_by_a_voucher_reads_the_key_of_the_voucher_first(client: Client) -> None:
    for code in ("GIFT", "OTHER"):
        PromoCodeFactory.create(code=code)
    for code, user_id in (("GIFT", "ada"), ("GIFT", "bob"), ("OTHER", "ada")):
        redeem(code=code, user_id=user_id, by=actor())

    def shown(**narrowed: str) -> tuple[list[str], str, list[str]]:
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(list_of("promos_redemption"), narrowed)
        shown_list = answer.context["cl"]
        users = sorted(each.customer.user_id for each in shown_list.result_list)
        return users, shown_list.clear_all_filters_qs, [str(each["sql"]) for each in queries]

    users, cleared, sent = shown(promo_code__code="GIFT", status__exact="confirmed")
    assert users == ["ada", "bob"]
    assert cleared == "?promo_code__code=GIFT"
    [rows] = [each for each in sent if 'FROM "promos_redemption"' in each]
    assert '"promos_promocode"."code" =' not in rows
    assert shown(promo_code__code="OTHER", customer__user_id="ada")[0] == ["ada"]
    assert shown(promo_code__campaign__name="General")[0] == ["ada", "ada", "bob"]
    for unknown in ({"promo_code__code": "NOPE"}, {"customer__user_id": "eve"}):
        assert shown(**unknown)[0] == []


def test_a_record_costs_a_query_for_each_of_its_tables(client: Client) -> None:
    keys = create_one_of_each()
    found = {}
    for name in PAGE_QUERIES:
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(reverse(f"admin:{name}_change", args=[keys[name]]))
        assert answer.status_code == HTTPStatus.OK
        found[name] = len(queries)
    assert found == PAGE_QUERIES


@pytest.mark.parametrize("name", KEYED)
def test_a_list_of_records_counts_nothing(client: Client, name: str) -> None:
    create_one_of_each()
    with CaptureQueriesContext(connection) as queries:
        client.get(list_of(name))
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"].upper()]
    # The menu counts the open proposals, which are few.
    assert [sql for sql in counts if 'FROM "billing_proposal"' not in sql] == []


def test_pages_by_key_show_every_row_once(client: Client) -> None:
    CustomerFactory.create_batch(120)
    address, seen = list_of("billing_customer"), []
    pages = 0
    while address:
        cl = client.get(address).context["cl"]
        seen += [customer.pk for customer in cl.result_list]
        address = list_of("billing_customer") + cl.older if cl.older else ""
        pages += 1
    assert (pages, seen) == (3, list(Customer.objects.order_by("-pk").values_list("pk", flat=True)))


def test_the_next_page_keeps_the_filter(client: Client) -> None:
    place_orders(51)
    cl = client.get(list_of("billing_ledgerentry"), {"kind__exact": "spend"}).context["cl"]
    following = client.get(list_of("billing_ledgerentry") + cl.older).context["cl"]
    assert [len(cl.result_list), len(following.result_list)] == [50, 1]
    assert following.result_list[0] == LedgerEntry.objects.filter(kind="spend").earliest("pk")


INVALID_PARAMETERS: list[dict[str, str]] = [
    {"p": "x"},
    {"p": "9" * 30},
    {"o": "99.-1.x"},
    {"_to_field": "password"},
    {"q": "%_'\""},
    {"q": "9" * 5000},
    {"q": "a\0b"},
    {"status__exact": "nonsense"},
    {"password": "x"},
]
INVALID_PARAMETERS_OF = {
    "billing_ledgerentry": [
        {"kind__exact": "nonsense"},
        {"order_id": "nonsense"},
        {"account__customer__user_id": "\N{ARABIC-INDIC DIGIT FIVE}"},
        {"account__customer__pk": "9" * 30},
    ],
    "orders_outboxevent": [{"type": "nonsense"}, {"delivery": "nonsense"}],
    "billing_user": [{"id": "nonsense"}, {"id": "9" * 30}, {"kind": "nonsense"}, {"is_active__exact": "nonsense"}],
    "orders_plan": [{"p": "0"}, {"p": "-1"}, {"all": ""}, {"active__exact": "nonsense"}, {"_facets": "1"}],
    "promos_promocode": [{"p": "2"}, {"state": "nonsense"}, {"e": "1"}],
    "procrastinate_procrastinatejob": [{"state": "nonsense"}, {"status": "nonsense"}],
}
HANDLED = (HTTPStatus.OK, HTTPStatus.FOUND, HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND)


@pytest.mark.parametrize("name", QUERIES)
def test_invalid_parameters_cause_no_server_error(client: Client, name: str) -> None:
    create_one_of_each()
    with nothing_changes():
        for sent in INVALID_PARAMETERS + INVALID_PARAMETERS_OF.get(name, []):
            assert client.get(list_of(name), sent).status_code in HANDLED, sent


DAYS = {
    ("2026-11-01", "2026-11-01"): 1,
    ("", "2026-11-01"): 1,
    ("2026-11-02", ""): 0,
    ("2026-10-31", "2026-10-31"): 0,
    ("yesterday", "2026-02-30"): 1,
    ("0001-01-01", "9999-12-31"): 1,
}


@pytest.mark.parametrize("days", DAYS)
def test_a_filter_by_days_includes_both_days(client: Client, days: tuple[str, str]) -> None:
    organization = OrganizationFactory.create()
    request = CheckoutRequest(tenant_id=organization.pk, plan=PlanFactory.create(price_minor=0).slug)
    now = datetime(2026, 11, 1, 23, 59, 59, tzinfo=UTC)
    place_order(request=request, by=acting(organization.customer), now=now)
    sent = {"created_at_from": days[0], "created_at_to": days[1]}
    answer = client.get(list_of("orders_order"), sent)
    assert len(answer.context["cl"].result_list) == DAYS[days]
    understood = "Write a day as 2026-12-31." not in answer.content.decode()
    assert understood == (DAYS[days] == 0 or "2026-11-01" in days)


@pytest.mark.parametrize("key", ["x", "9" * 30, "00000000-0000-0000-0000-000000000000", "a_00b"])
def test_a_record_that_is_not_there_is_not_found(client: Client, key: str) -> None:
    missing = (HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST)
    for name in PAGE_QUERIES:
        assert client.get(reverse(f"admin:{name}_change", args=[key])).status_code in missing


def test_records_are_found_by_user_id_email_slug_and_id(client: Client) -> None:
    order, other = place_orders(2)
    customer = order.customer
    entry = LedgerEntry.objects.get(order_id=order.pk, kind="spend")
    terms = {
        "billing_customer": [customer.user_id, customer.email, customer.email[:10]],
        "billing_hold": [customer.user_id, str(order.organization_id)],
        "billing_invoice": [customer.email, str(order.pk), order.organization.slug],
        "billing_ledgerentry": [customer.email.upper(), customer.user_id, str(order.pk), str(entry.pk)],
        "billing_organization": [customer.user_id, order.organization.slug, str(order.organization_id)],
        "billing_subscription": [customer.user_id, str(order.pk), order.organization.slug],
        "orders_order": [customer.user_id, customer.email, str(order.pk), order.organization.slug],
        "orders_outboxevent": [str(order.pk), str(order.organization_id)],
        "promos_redemption": [customer.user_id, str(order.pk)],
    }
    for name, wanted in terms.items():
        for term in wanted:
            found = list(client.get(list_of(name), {"q": term}).context["cl"].result_list)
            assert found, (name, term)
            assert not [each for each in found if str(other.customer.pk) in str(vars(each).get("customer_id"))]
    assert (
        len(client.get(list_of("promos_redemption"), {"q": order.promo_code.lower()}).context["cl"].result_list) == 2
    )


@pytest.mark.parametrize(
    ("term", "is_found"),
    [
        *(("noor", True), ("TRAD", True), ("trading al", True), ("7", True), ("light.oman", True), ("نور", True)),
        *(("shop-of", True), ("of-noor", False), ("rading", False), ("noor view", False), ("!&|':*", False)),
    ],
)
def test_organizations_are_found_by_beginnings_of_words(client: Client, term: str, is_found: bool) -> None:
    OrganizationFactory.create(slug="shop-of-noor", name="Al-Noor Trading 7 (light.oman) نور")
    OrganizationFactory.create(slug="sea", name="Sea View")
    found = client.get(list_of("billing_organization"), {"q": term}).context["cl"].result_list
    assert [each.slug for each in found] == (["shop-of-noor"] if is_found else [])


def test_customers_are_found_by_the_beginning_of_their_address(client: Client) -> None:
    CustomerFactory.create(email="Ada_1@example.org")
    CustomerFactory.create(email="adamina@example.org")
    for term, number in (("ada", 2), ("ADA_", 1), ("ada_1@EXAMPLE.org", 1), ("example.org", 0), ("%", 0)):
        assert len(client.get(list_of("billing_customer"), {"q": term}).context["cl"].result_list) == number


def test_a_list_shows_its_filter(client: Client) -> None:
    order, _ = place_orders(2)
    mine = {"customer__user_id": order.customer.user_id}
    answer = client.get(list_of("orders_order"), mine)
    assert list(answer.context["cl"].result_list) == [Order.objects.get(pk=order.pk)]
    assert f'customer <code class="mono">{order.customer.user_id}</code>' in answer.content.decode()


def test_the_menu_search_finds_pages_and_handles_invalid_pages(client: Client) -> None:
    address = reverse("admin:search")
    assert "ledger" in client.get(address, {"s": "ledger"}).content.decode()
    for page in ("0", "2", "x", "-1"):
        assert client.get(address, {"s": "ledger", "page": page}).status_code == HTTPStatus.NOT_FOUND
