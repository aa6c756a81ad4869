"""Check a page with axe-core, in its light and its dark colours."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.page_checks import assert_sound

_AXE = Axe()
MAX_PAGE_BYTES = 50_000


def assert_accessible(page: Page) -> None:
    """Assert that the page is sound and small, and that axe finds nothing in it."""
    assert_sound(page)
    assert len(page.content().encode()) < MAX_PAGE_BYTES
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        found = _AXE.run(page).response["violations"]
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == [], (page.url, scheme)
