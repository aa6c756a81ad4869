"""Any address of the console, with any parameters, is answered without a failure."""

import logging
import re
from http import HTTPStatus
from io import StringIO
from typing import Any

import pytest
from django.contrib import admin
from django.db import OperationalError, connection
from django.test import Client

from billing.actor import APPROVER, FINANCE, SUPERADMIN
from billing.admin.console.base import ConsoleAdmin
from config.parts.logs import logging_config
from tests.console import client_of, console_addresses, create_one_of_each, create_user
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db

RUBBISH = ("x", "9" * 40, "a%2Fb", "..%2F%F0%9F%92%A9", "a_00b")
QUERIES = (
    "_to_field=&_popup=1",
    "p=x~y&o=9.x&q=%22%27&all=&e=1&_facets=x&id=&id=x&state=%F0%9F%92%A9",
    "created_at_from=9999-12-31&created_at_to=0001-01-01&kind__exact=&status__exact=%ff&_changelist_filters=%3D%26",
    "account__customer__user_id__regex=(((",
    "s=x&page=2&extended_models=x&p=99999999999999999999999999999999999999",
)
METHODS = ("POST", "HEAD", "OPTIONS", "DELETE")


@pytest.fixture
def client(db: None) -> Client:
    client = client_of(create_user(SUPERADMIN))
    client.raise_request_exception = False
    return client


def all_addresses(key: object) -> list[str]:
    """Return every address of the console, except the one that ends the session."""
    return sorted(each for each in set(console_addresses(key)) if "logout" not in each)


@pytest.mark.parametrize("key", RUBBISH)
def test_rubbish_in_place_of_a_key_is_no_failure(client: Client, key: str) -> None:
    with nothing_changes():
        found = {
            address: client.get(address).status_code for address in all_addresses(key) if "logout" not in address
        }
    assert len(found) > 150
    assert {address: status for address, status in found.items() if status >= HTTPStatus.INTERNAL_SERVER_ERROR} == {}


@pytest.mark.parametrize("query", QUERIES)
def test_rubbish_in_the_query_is_no_failure(client: Client, query: str) -> None:
    keys = create_one_of_each()
    chosen = [
        address
        for key in {str(key) for key in keys.values()}
        for address in all_addresses(key)
        if any(f"/{name.replace('_', '/', 1)}/{key}/" in address for name, known in keys.items() if str(known) == key)
    ] + [address for address in all_addresses("1") if "/1/" not in address]
    found = {address: client.get(f"{address}?{query}").status_code for address in chosen}
    assert {address: status for address, status in found.items() if status >= HTTPStatus.INTERNAL_SERVER_ERROR} == {}


def test_no_method_is_a_failure(client: Client) -> None:
    found = {
        (method, address): client.generic(method, address, "x=1", "application/x-www-form-urlencoded").status_code
        for address in all_addresses("1")
        for method in METHODS
    }
    assert {key: status for key, status in found.items() if status >= HTTPStatus.INTERNAL_SERVER_ERROR} == {}


@pytest.mark.parametrize("address", ["/admin/", "/admin/orders/order/", "/admin/login/?next=/admin/"])
def test_while_the_database_is_away_the_console_says_to_try_again(
    client: Client, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "cursor", fail)
    answer: Any = client.get(address)
    if address.startswith("/admin/login") and answer.status_code == HTTPStatus.OK:
        pytest.fail("the sign-in page reads the session")
    assert (answer.status_code, answer.headers["Retry-After"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "5")
    assert "temporarily unavailable" in answer.content.decode()


def test_a_refused_look_up_is_one_line_of_the_log(client: Client) -> None:
    lines = StringIO()
    handler = logging.StreamHandler(lines)
    config = logging_config(as_json=True, level="INFO", job_level="INFO")
    for name in config["handlers"]["stderr"]["filters"]:
        handler.addFilter(config["filters"][name]["()"]())
    logger = logging.getLogger("django.security")
    logger.addHandler(handler)
    try:
        answer = client.get("/admin/orders/order/?customer__email__startswith=a")
    finally:
        logger.removeHandler(handler)
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert len(lines.getvalue().splitlines()) == 1


def test_no_package_brings_a_page_of_its_own() -> None:
    assert [model for model, page in admin.site._registry.items() if not isinstance(page, ConsoleAdmin)] == []


@pytest.mark.parametrize("role", [APPROVER, FINANCE])
def test_a_page_links_only_to_pages_that_its_reader_may_open(role: str) -> None:
    reader = client_of(create_user(role))
    pages = ["/admin/"]
    for name, key in create_one_of_each().items():
        place = f"/admin/{name.replace('_', '/', 1)}/"
        pages += [place, f"{place}{key}/change/"]
    found: dict[str, str] = {}
    for page in pages:
        answer: Any = reader.get(page)
        if answer.status_code == HTTPStatus.OK:
            found |= {url: page for url in re.findall(r'href="(/admin/[^"?]*)', answer.content.decode())}
    assert len(found) > 15
    closed = {url: page for url, page in found.items() if reader.get(url).status_code == HTTPStatus.FORBIDDEN}
    assert closed == {}
