"""Lists are plain arrays that clients read page by page, at the same cost for each page."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoDbBlocker

from billing.models import Customer, Organization
from orders.models import OutboxEvent, WebhookDelivery
from orders.use_cases.books.close_month import close_month
from orders.use_cases.books.month import read_month
from orders.use_cases.catalog.seed_catalog import seed_catalog
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from orders.use_cases.documents.issue_documents import issue_documents
from promos.models import Alert, Campaign
from promos.use_cases.attempts.record_attempt import forget_allowance
from tests.billing.bulk.make_grants import draft as draft_grant
from tests.console import propose_adjustment, refuse_code
from tests.database import restore_pristine
from tests.factories import (
    CampaignFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    acting,
    actor,
    give_credit,
)
from tests.promos.cards.make_batch import draft as draft_batch

from .api_client import Answer, Caller, by_token
from .conftest import WEBHOOK_ID, make_discarded_grant, make_retired_endpoints, make_void_batch
from .endpoints import LISTS
from .json_shapes import assert_refused

pytestmark = pytest.mark.django_db

MANY = 53
CUSTOMER = "walker"
PATHS = [str(each.path) for each in LISTS]
GROWING = [path for path in PATHS if not path.startswith("catalog/")]
# An order has one entry and one document, or more.
MORE = ("billing/balance/entries", "billing/documents", "billing/admin/documents")
# In the order of their serial numbers, or of their lines.
BY_SERIAL = [path for path in PATHS if path.endswith(("/cards", "ranges", "/rows"))]
VOUCHERS = ("billing/vouchers/list", "billing/admin/promos")
_LINK = re.compile(r'<(http://testserver(/api/[^>]+))>; rel="next"')


@pytest.fixture(scope="module", autouse=True)
def history(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Create many rows of every list, all of one customer, for the tests of this module."""
    with django_db_blocker.unblock():
        seed_catalog()
        create_rows()
    yield
    with django_db_blocker.unblock():
        restore_pristine()


def create_rows() -> None:
    PlanFactory.create(slug="odd", price_minor=1)
    PlanFactory.create(slug="even", price_minor=2)
    first = OrganizationFactory.create(customer__user_id=CUSTOMER)
    give_credit(first.customer, 1_000_000)
    make_void_batch(MANY)
    make_retired_endpoints(MANY)
    make_discarded_grant(MANY)
    # The tests before may have recorded as many refusals in this second as a process does.
    forget_allowance()
    month = read_month("2020-01")
    for number in range(MANY):
        PromoCodeFactory.create(code=f"CODE-{number}", max_redemptions=number % 3)
        request = CheckoutRequest(tenant_id=first.id, plan=("odd", "even")[number % 2])
        place_order(request=request, by=acting(first.customer))
        propose_adjustment(first.customer, amount_minor=number + 1)
        refuse_code(f"NO-{number}")
        Alert.objects.create(kind="address", subject=f"203.0.113.{number}", number=101)
        close_month(month=month, why="month end", by=actor())
        month = month.next
        if number:
            OrganizationFactory.create(customer=first.customer)
            CampaignFactory.create(budget_minor=number % 2, status=Campaign.Status.DRAFT)
            draft_batch(f"BATCH-{number}")
            draft_grant("ada,5", name=f"grant-{number}")
    issue_documents()
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(endpoint_id=WEBHOOK_ID, event=event) for event in OutboxEvent.objects.all()
    )
    # Rows of the same moment are ordered by their ids.
    moment = Organization.objects.order_by("created_at")[10].created_at
    Organization.objects.filter(created_at__gt=moment).update(created_at=moment)


@pytest.fixture
def reader() -> Caller:
    """The customer who owns the rows, and who is a superadmin too."""
    return by_token("superadmin", CUSTOMER)


def path_of(path: str) -> str:
    return path.format(tenant=Organization.objects.order_by("created_at", "id").first().id)  # type: ignore[union-attr]


def next_page(answer: Answer) -> str | None:
    """Return the address of the next page."""
    link = answer.headers.get("Link")
    if link is None:
        return None
    found = _LINK.fullmatch(link)
    assert found, link
    return found[2]


def walk(caller: Caller, path: str) -> tuple[list[Any], list[int]]:
    """Return all rows, and the lengths of their pages."""
    rows: list[Any] = []
    lengths: list[int] = []
    following_path: str | None = path
    while following_path:
        answer = caller.get(following_path)
        assert answer.status == 200, answer.content
        rows += answer.body
        lengths.append(len(answer.body))
        assert len(lengths) < 100
        following_path = next_page(answer)
    return rows, lengths


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("limit", [9, 20])
def test_pages_hold_every_row_once(reader: Caller, path: str, limit: int) -> None:
    whole, _ = walk(reader, path_of(path) + "?limit=100")
    rows, lengths = walk(reader, f"{path_of(path)}?limit={limit}")
    assert rows == whole
    assert set(lengths[:-1]) <= {limit}
    assert 1 <= lengths[-1] <= limit
    name = "code" if path in VOUCHERS else "month" if path.endswith("months") else "id"
    if path in BY_SERIAL:
        name = {"cards": "serial", "rows": "line"}.get(path.rpartition("/")[2], "first_serial")
    assert len({row[name] for row in rows}) == len(rows)
    if path in GROWING and path not in MORE:
        assert len(rows) == MANY
    else:
        assert len(rows) >= 3


@pytest.mark.parametrize("path", [path for path in GROWING if path not in BY_SERIAL])
def test_rows_come_newest_first(reader: Caller, path: str) -> None:
    rows, _ = walk(reader, path_of(path) + "?limit=10")
    times = {
        "events": "timestamp",
        "months": "closed_at",
        "alerts": "opened_at",
        "documents": "supplied_at",
    }
    moments = [row[times.get(path.rpartition("/")[2], "created_at")] for row in rows]
    assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize(
    ("path", "usual"),
    [(path, MANY if path in VOUCHERS or path.startswith("catalog/") else 50) for path in PATHS],
)
def test_without_a_limit_a_page_has_its_usual_length(reader: Caller, path: str, usual: int) -> None:
    answer = reader.get(path_of(path))
    if path.startswith("catalog/"):
        assert next_page(answer) is None
    else:
        assert (len(answer.body), next_page(answer) is None) == (usual, usual == MANY)


@pytest.mark.parametrize("path", PATHS)
def test_a_page_costs_the_same_queries_whatever_its_length(reader: Caller, path: str) -> None:
    path = path_of(path)
    second = next_page(reader.get(f"{path}?limit=1"))
    for asked in (f"{path}?limit=1", f"{path}?limit=50", second):
        assert asked
        with CaptureQueriesContext(connection) as queries:
            assert reader.get(asked).status == 200
        # One more reads the caller's role in the organization, the batch, the grant or the endpoint of the path.
        nested = ("billing/invoices/", "billing/batches/", "billing/grants/", "billing/admin/webhooks/")
        assert len(queries) == (2 if path.startswith(nested) else 1)


WRONG_LIMITS = ["0", "-1", "101", "1001", "ten", "1.5", "", "%20", "1e1", "\u0661", "9" * 99, "1;2", "null"]


@pytest.mark.parametrize("path", PATHS)
def test_another_limit_is_refused(reader: Caller, path: str) -> None:
    for limit in WRONG_LIMITS:
        if limit == "101" and path in VOUCHERS:
            continue
        answer = reader.get(f"{path_of(path)}?limit={limit}")
        assert_refused(answer, 400, "invalid_limit", "limit must be a whole number from 1 to 100")
        assert list(answer.body["fields"]) == ["limit"]


def test_vouchers_are_listed_up_to_a_thousand(reader: Caller) -> None:
    for path in VOUCHERS:
        for limit in (101, 1000):
            assert len(reader.get(f"{path}?limit={limit}").body) == MANY


WRONG_CURSORS = [
    "",
    "x",
    "%20",
    "AAAA",
    "bnVsbA",
    "WzEsMl0",
    "W10",
    "e30",
    "\U0001f600",
    "a" * 300,
    "'%20OR%201=1",
    "%ff",
]


@pytest.mark.parametrize("path", PATHS)
def test_an_invented_cursor_is_refused(reader: Caller, path: str) -> None:
    for cursor in WRONG_CURSORS:
        answer = reader.get(f"{path_of(path)}?cursor={cursor}")
        assert_refused(answer, 400, "invalid_cursor", "cursor is not valid for this list")


@pytest.mark.parametrize("path", PATHS)
def test_a_cursor_of_another_list_is_refused_or_starts_a_page(reader: Caller, path: str) -> None:
    for other in ("tenant/orgs", "billing/admin/events", "catalog/plans", "catalog/apps"):
        link = next_page(reader.get(f"{path_of(other)}?limit=1"))
        assert link
        answer = reader.get(f"{path_of(path)}?{urlsplit(link).query}")
        assert answer.status == 200 or answer.code == "invalid_cursor"


def test_the_link_to_the_next_page_keeps_other_parameters(reader: Caller) -> None:
    rows, lengths = walk(reader, "billing/admin/events?type=order.placed&limit=20")
    assert lengths == [20, 20, 13]
    assert {row["type"] for row in rows} == {"order.placed"}
    assert "type=order.placed" in str(next_page(reader.get("billing/admin/events?type=order.placed&limit=20")))


def test_rows_added_between_pages_repeat_none(reader: Caller) -> None:
    first = reader.get("tenant/orgs?limit=5")
    OrganizationFactory.create(customer=Customer.objects.get(user_id=CUSTOMER))
    second = reader.get(next_page(first) or "")
    assert not {row["id"] for row in first.body} & {row["id"] for row in second.body}


def test_pages_hold_only_the_callers_rows() -> None:
    other = by_token("customer", "somebody-else")
    link = next_page(by_token("customer", CUSTOMER).get("tenant/orgs?limit=1"))
    assert link
    assert other.get(link).content == b"[]"
