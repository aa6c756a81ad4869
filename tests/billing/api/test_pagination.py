import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from billing.models import Customer

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.billing.api.probe")]

START = datetime(2026, 1, 1, tzinfo=UTC)


def make(count: int) -> list[str]:
    """Create customers, every two with the same creation time, and return their user ids, newest first."""
    rows = [Customer(user_id=f"c{n:03}", created_at=START + timedelta(hours=n // 2)) for n in range(count)]
    Customer.objects.bulk_create(rows)
    return [row.user_id for row in reversed(rows)]


def next_url(answer: Any) -> str | None:
    link: str | None = answer.headers.get("Link")
    if link is None:
        return None
    assert link.startswith("<") and link.endswith('>; rel="next"')
    return link[1:].split(">")[0]


def cursor(*values: Any) -> str:
    return urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def test_a_list_is_a_plain_array_newest_first(api: Client) -> None:
    names = make(5)
    answer = api.get("/api/customers")
    assert answer.json() == names
    assert "Link" not in answer.headers


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7])
def test_pages_hold_every_row_once_even_rows_of_the_same_moment(api: Client, limit: int) -> None:
    names = make(7)
    seen: list[str] = []
    url: str | None = f"/api/customers?limit={limit}&type=a%20b"
    while url:
        answer = api.get(url)
        assert len(answer.json()) <= limit
        seen += answer.json()
        url = next_url(answer)
    assert seen == names


def test_the_next_address_is_absolute_and_keeps_the_query(api: Client) -> None:
    make(3)
    url = next_url(api.get("/api/customers?limit=2&type=a%20b"))
    assert url is not None
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.path) == ("http", "testserver", "/api/customers")
    query = parse_qs(parts.query)
    assert (query["limit"], query["type"], len(query["cursor"])) == (["2"], ["a b"], 1)


def test_the_next_address_is_relative_where_a_gateway_took_the_prefix(api: Client, settings: Any) -> None:
    make(3)
    settings.API_PREFIX = ""
    url = next_url(api.get("/api/customers?limit=2"))
    assert url is not None and url.startswith("?")


def test_rows_added_between_pages_neither_repeat_nor_hide_others(api: Client) -> None:
    names = make(6)
    first = api.get("/api/customers?limit=3")
    Customer.objects.create(user_id="newer", created_at=START + timedelta(days=9))
    Customer.objects.filter(user_id=names[1]).delete()
    url = next_url(first)
    assert url is not None
    assert first.json() + api.get(url).json() == names


def test_fifty_rows_are_given_unless_asked_otherwise(api: Client) -> None:
    names = make(101)
    assert api.get("/api/customers").json() == names[:50]
    assert api.get("/api/customers?limit=100").json() == names[:100]


@pytest.mark.parametrize("limit", ["0", "101", "-1", "", "x", "1.0", "1e1", "٣", "9" * 5000, " 1", "+1"])
def test_a_limit_out_of_range_is_a_400(api: Client, limit: str) -> None:
    answer = api.get("/api/customers", {"limit": limit})
    sentence = "limit must be a whole number from 1 to 100"
    assert answer.status_code == 400
    assert answer.json() == {"error": sentence, "code": "invalid_limit", "fields": {"limit": [sentence]}}


@pytest.mark.parametrize(
    "given",
    [
        "",
        "x",
        "é",
        "====",
        "a" * 201,
        cursor(),
        cursor("2026-01-01T00:00:00+00:00"),
        cursor("2026-01-01T00:00:00+00:00", "1", "2"),
        cursor("2026-01-01T00:00:00", "1"),
        cursor("2026-01-01T00:00:00+00:00", "x"),
        cursor("2026-01-01T00:00:00+00:00", 1),
        cursor("2026-01-01T00:00:00+00:00", None),
        cursor(5, "1"),
        cursor("later", "1"),
        urlsafe_b64encode(b"[" * 120).decode(),
        urlsafe_b64encode(b"5").decode(),
        urlsafe_b64encode(b"\xff").decode(),
    ],
)
def test_a_cursor_that_no_list_gave_is_a_400(api: Client, given: str) -> None:
    answer = api.get("/api/customers", {"cursor": given})
    assert answer.status_code == 400
    assert answer.json() == {"error": "cursor is not valid for this list", "code": "invalid_cursor"}


@pytest.mark.parametrize(
    "given",
    [
        cursor("2026-01-01T00:00:00+00:00", "9" * 30),
        cursor("0001-01-01T00:00:00+14:00", "1"),
        cursor("9999-12-31T23:59:59-14:00", "1"),
    ],
)
def test_an_invented_cursor_is_no_failure(api: Client, given: str) -> None:
    make(2)
    assert api.get("/api/customers", {"cursor": given}).status_code == 200


@pytest.mark.parametrize("count", [1, 50])
def test_a_page_costs_one_query(api: Client, django_assert_num_queries: Any, count: int) -> None:
    make(count)
    with django_assert_num_queries(1):
        api.get("/api/customers")
