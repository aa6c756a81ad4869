"""On every page of the console axe finds nothing.

All pages are checked wide, light and in English; one page of each kind also in dark colours, and narrow in Arabic.
Pages that the same template renders are of one kind.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from billing.actor import SUPERADMIN
from tests.browser.accessibility import ALL_RULES, COLOR_RULES, find_violations
from tests.browser.page_checks import assert_sound
from tests.console import client_of, console_addresses, create_one_of_each, create_user

pytestmark = pytest.mark.django_db(transaction=True)

WIDE, NARROW = 1280, 390
MENU = "#nav-sidebar"
_KEY = "any-key"


def console_pages(client: Client, keys: dict[str, object]) -> dict[str, str]:
    """Returns the address of each page that this user sees, with the template that renders it."""
    found: dict[str, str] = {}
    for address in _addresses(keys):
        answer: Any = client.get(address)
        if (
            not answer.streaming
            and answer.status_code == HTTPStatus.OK
            and "</html>" in answer.content.decode(errors="replace")
        ):
            found[address] = str(answer.templates[0].name) if answer.templates else address
    return found


def _addresses(keys: dict[str, object]) -> list[str]:
    """Returns the address of each page, those of a record with the key of a record of that model."""
    found = set()
    for address in console_addresses(_KEY):
        app, _, model = address.removeprefix("/admin/").partition("/")
        key = keys.get(f"{app}_{model.partition('/')[0]}")
        if _KEY not in address or key:
            found.add(address.replace(_KEY, str(key)))
    return sorted(each for each in found if "logout" not in each)


@pytest.fixture
def open_page(browser: Browser, live_server: LiveServer, request: pytest.FixtureRequest) -> Callable[..., Page]:
    """Opens a browser with the session of the client."""

    def open_browser(client: Client, *, width: int, language: str = "en", scheme: Any = "light") -> Page:
        context = browser.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": 900},
            extra_http_headers={"Accept-Language": language},
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        request.addfinalizer(context.close)
        key = settings.SESSION_COOKIE_NAME
        context.add_cookies([{"name": key, "value": client.cookies[key].value, "url": live_server.url}])
        return context.new_page()

    return open_browser


def test_axe_finds_nothing_on_the_pages_of_the_console(open_page: Callable[..., Page]) -> None:
    client = client_of(create_user(SUPERADMIN))
    pages = console_pages(client, create_one_of_each())
    one_of_each_kind = list({template: address for address, template in pages.items()}.values())
    assert len(pages) > 100

    found: dict[str, list[str]] = {}

    def check(page: Page, address: str, options: dict[str, Any]) -> None:
        page.goto(address)
        assert_sound(page)
        # Every page has the same menu, which takes axe longer than the rest.
        if seen := find_violations(page, options=options, without="" if address in one_of_each_kind else MENU):
            found.setdefault(address, []).extend(seen)

    light = open_page(client, width=WIDE)
    dark = open_page(client, width=WIDE, scheme="dark")
    arabic = open_page(client, width=NARROW, language="ar")
    for address in pages:
        check(light, address, ALL_RULES)
    for address in one_of_each_kind:
        check(dark, address, COLOR_RULES)
        check(arabic, address, ALL_RULES)
    assert found == {}
