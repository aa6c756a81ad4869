"""The shop's pages are light for a first visit, load nothing from elsewhere, and do not shift."""

from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Page, expect

from orders.use_cases.catalog.seed_catalog import seed_catalog
from tests.browser.page_checks import follow
from tests.factories import PromoCodeFactory

pytestmark = pytest.mark.django_db(transaction=True)

MAX_FIRST_PAGE, MAX_PAGE = 50_000, 100_000
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


def test_the_pages_are_light_whole_and_still(page: Page, live_server: object) -> None:
    seed_catalog()
    PromoCodeFactory.create(code="CARD20", credit_minor=20_000)
    page.add_init_script(_OBSERVE)
    wire, host = Wire(page), str(live_server)
    for first in ("/", "/redeem?code=card20", "/shop"):
        page.goto(first)
        wire.assert_light(limit=MAX_FIRST_PAGE, host=host)
    page.get_by_role("button", name="Choose M", exact=True).click()
    for button, next_page in (
        ("Continue to add-ons", "/shop/add-ons"),
        ("Continue to checkout", "/shop/checkout"),
    ):
        wire.assert_light(limit=MAX_PAGE, host=host)
        follow(page.get_by_role("button", name=button))
        expect(page).to_have_url(f"{host}{next_page}")
    wire.assert_light(limit=MAX_PAGE, host=host)
