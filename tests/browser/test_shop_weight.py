"""The customers' pages are light for a first visit, load nothing from elsewhere, and do not shift."""

from dataclasses import dataclass, field

import pytest
from django.utils.translation import gettext
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from orders.use_cases.catalog.seed_catalog import seed_catalog
from tests.billing.identity.test_pages import mailed_code
from tests.browser.page_checks import follow
from tests.browser.test_every_page import open_page
from tests.customer_pages import create_pages
from tests.factories import PromoCodeFactory

pytestmark = pytest.mark.django_db(transaction=True)

MAX_FIRST_PAGE, MAX_PAGE = 50_000, 100_000
# By their names: visitors come to these first.
FIRST_PAGES = {"landing", "redeem", "shop", "account_login"}
_OBSERVE = """
new PerformanceObserver(list => { for (const each of list.getEntries()) if (!each.hadRecentInput)
    window.shifted = (window.shifted || 0) + each.value }).observe({type: "layout-shift", buffered: true})
"""


@dataclass
class Wire:
    """Counts the bytes and requests of a page by the browser's own protocol."""

    page: Page
    addresses: list[str] = field(default_factory=list)
    size: int = 0

    def __post_init__(self) -> None:
        network = self.page.context.new_cdp_session(self.page)
        network.send("Network.enable")
        # Every page is measured as if it were the first one that the browser sees.
        network.send("Network.setCacheDisabled", {"cacheDisabled": True})
        network.on("Network.requestWillBeSent", lambda event: self.addresses.append(event["request"]["url"]))
        network.on("Network.loadingFinished", self._add)

    def _add(self, event: dict[str, int]) -> None:
        self.size += event["encodedDataLength"]

    def assert_light(self, *, limit: int, host: str) -> None:
        """Asserts what the page in the window took, and begins to count anew."""
        self.page.wait_for_load_state("networkidle")
        assert 0 < self.size < limit, (self.page.url, self.size)
        assert [each for each in self.addresses if not each.startswith((host, "data:"))] == []
        assert self.page.evaluate("window.shifted || 0") == 0, self.page.url
        painted = self.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        print(f"{self.page.url}: {self.size} bytes, {len(self.addresses)} requests, {painted:.0f} ms to content")
        self.addresses.clear()
        self.size = 0


def test_the_pages_are_light_whole_and_still(page: Page, live_server: object, language: str) -> None:
    seed_catalog()
    PromoCodeFactory.create(code="CARD20", credit_minor=20_000)
    page.set_extra_http_headers({"Accept-Language": language})
    page.add_init_script(_OBSERVE)
    wire, host = Wire(page), str(live_server)
    for first in ("/", "/redeem?code=card20", "/shop"):
        page.goto(first)
        wire.assert_light(limit=MAX_FIRST_PAGE, host=host)
    page.get_by_role("button", name=gettext("Choose %(plan)s") % {"plan": "M"}, exact=True).click()
    for button, next_page in (
        ("Continue to add-ons", "/shop/add-ons"),
        ("Continue to checkout", "/shop/checkout"),
    ):
        wire.assert_light(limit=MAX_PAGE, host=host)
        follow(page.get_by_role("button", name=gettext(button)))
        expect(page).to_have_url(f"{host}{next_page}")
    wire.assert_light(limit=MAX_PAGE, host=host)
    page.get_by_label(gettext("Name of the organization")).fill("Ada Bakery")
    page.get_by_label(gettext("Voucher code")).fill("card 20")
    follow(page.get_by_role("button", name=gettext("Continue to review")))
    wire.assert_light(limit=MAX_PAGE, host=host)
    page.get_by_label(gettext("E-mail address")).fill("ada@example.org")
    follow(page.get_by_role("button", name=gettext("Mail me a code")))
    wire.assert_light(limit=MAX_PAGE, host=host)
    page.get_by_label(gettext("Code")).fill(mailed_code())
    follow(page.get_by_role("button", name=gettext("Sign in")))
    expect(page.get_by_role("heading", name=gettext("Review your order"))).to_be_visible()
    wire.assert_light(limit=MAX_PAGE, host=host)
    follow(page.get_by_role("button", name=gettext("Place the order")))
    title = gettext("Thank you. We are setting up your organization")
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    wire.assert_light(limit=MAX_PAGE, host=host)


def test_every_page_is_light_whole_and_still(browser: Browser, live_server: LiveServer, language: str) -> None:
    pages = create_pages(rows=2)
    for who, client in pages.clients.items():
        page = open_page(browser, live_server, client, language=language)
        page.add_init_script(_OBSERVE)
        wire = Wire(page)
        for name, address in pages.addresses[who]:
            page.goto(address)
            wire.assert_light(limit=MAX_FIRST_PAGE if name in FIRST_PAGES else MAX_PAGE, host=live_server.url)
        page.context.close()
