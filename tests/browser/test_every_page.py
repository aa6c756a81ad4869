"""On every page of customers axe finds nothing, wide and narrow, light and dark, in English and Arabic.

The pages are those of `tests.customer_pages`, which a new page must join.
"""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from tests.browser.accessibility import ALL_RULES, COLOR_RULES, find_violations
from tests.customer_pages import create_pages

pytestmark = pytest.mark.django_db(transaction=True)

LANGUAGES = {"English": "en", "Arabic": "ar"}
WIDTHS = (390, 1280)
# Also those at which axe is not asked must not scroll sideways.
ALL_WIDTHS = (320, *WIDTHS, 2560)
_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_HEIGHT = "document.documentElement.scrollHeight"


def check(page: Page, address: str) -> list[str]:
    """Opens the page, and returns what is wrong with it at any width and in any colours."""
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": WIDTHS[-1], "height": 900})
    page.goto(address)
    found = [] if page.title().strip() else ["it has no title"]
    for width in ALL_WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if excess := page.evaluate(_OVERFLOW):
            found.append(f"at {width}: {excess} pixels too wide")
        if width not in WIDTHS:
            continue
        # A bar at the window's edge covers what is scrolled below it, so the window is as tall as the page.
        page.set_viewport_size({"width": width, "height": page.evaluate(_HEIGHT)})
        seen = find_violations(page, options=ALL_RULES)
        page.emulate_media(color_scheme="dark")
        seen += [f"dark {each}" for each in find_violations(page, options=COLOR_RULES)]
        page.emulate_media(color_scheme="light")
        found += [f"at {width}: {each}" for each in seen]
    return found


@pytest.fixture
def contexts(browser: Browser, live_server: LiveServer) -> Iterator[list[BrowserContext]]:
    opened: list[BrowserContext] = []
    yield opened
    for each in opened:
        each.close()


def open_page(browser: Browser, server: LiveServer, client: Client, *, language: str) -> Page:
    """Opens a browser with the session of the client."""
    headers = {"Accept-Language": language}
    context = browser.new_context(base_url=server.url, extra_http_headers=headers, reduced_motion="reduce")
    key = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": key, "value": client.cookies[key].value, "url": server.url}])
    page = context.new_page()
    page.set_default_timeout(15_000)
    return page


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
def test_axe_finds_nothing_on_the_pages_of_customers(
    browser: Browser, live_server: LiveServer, contexts: list[BrowserContext], language: str
) -> None:
    pages = create_pages(rows=2)
    opened = {}
    for client in pages.clients.values():
        opened[id(client)] = open_page(browser, live_server, client, language=language)
        contexts.append(opened[id(client)].context)
    found = {address: wrong for _, client, address in pages if (wrong := check(opened[id(client)], address))}
    assert found == {}
