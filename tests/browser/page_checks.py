"""Find facts and panels on a page, and check that the page is sound."""

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from billing.models import User

PASSWORD = "nine-brass-lanterns"
SignIn = Callable[[str], User]


def assert_sound(page: Page) -> None:
    """Asserts that the page has a title and is no wider than the window, and that console forms have a CSRF token."""
    expect(page).to_have_title(re.compile(r"\S"))
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    if "/admin/" in page.url:
        # A list scrolls by itself, so that the window does not show that its last columns are out of sight.
        lists = page.locator(".simplebar-content-wrapper:has(.result-list)")
        assert lists.evaluate_all("lists => lists.map(list => list.scrollWidth > list.clientWidth)") in ([], [False])
        assert page.locator("form[method=post]:not(:has([name=csrfmiddlewaretoken]))").count() == 0


def follow(link: Locator) -> None:
    """Clicks a link or button, and waits for the next page: without that, a check may still see the old one."""
    with link.page.expect_navigation():
        link.click()


def fact(page: Page, title: str) -> Locator:
    """Returns the value that a page of the console shows under that title."""
    return page.locator(".facts > div", has=page.get_by_text(title, exact=True)).locator("dd").first


def panel(page: Page, title: str) -> Locator:
    """Returns the table or facts that a page of the console shows under that heading."""
    return page.locator(".panel", has=page.get_by_role("heading", name=title, exact=True))
