"""A browser for the pages, and the test's separate server."""

from collections.abc import Iterator

import pytest
from django.utils.translation import override
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from billing.models import User
from tests.browser.page_checks import PASSWORD, SignIn
from tests.console import create_user

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, for as long as one module needs it.

    Playwright keeps an event loop running in this thread, beside which Django's models must be allowed; other
    modules need neither.
    """
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(params=[1280, 390], ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    """An empty page at the server's address. Any error of a script or of the browser fails the test."""
    width: int = request.param
    context = browser.new_context(base_url=live_server.url, viewport={"width": width, "height": 900})
    page = context.new_page()
    page.set_default_timeout(15_000)
    failed: list[str] = []

    def note(error: Error) -> None:
        failed.append(str(error))

    def note_complaint(message: ConsoleMessage) -> None:
        if message.type == "error":
            failed.append(f"{message.text} ({page.url})")

    page.on("pageerror", note)
    page.on("console", note_complaint)
    yield page
    context.close()
    assert failed == []


@pytest.fixture(params=["en", "ar"], ids=["English", "Arabic"])
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    """Runs the test in each language: `gettext` then returns what the pages show."""
    with override(request.param):
        yield request.param


@pytest.fixture
def phone(request: pytest.FixtureRequest, browser: Browser, live_server: LiveServer, language: str) -> Iterator[Page]:
    """A phone of a reader of that language, with scripts unless the parameter is False."""
    context = browser.new_context(
        base_url=live_server.url,
        viewport={"width": 390, "height": 800},
        locale=language,
        java_script_enabled=getattr(request, "param", True),
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    yield page
    context.close()


@pytest.fixture
def sign_in(page: Page) -> SignIn:
    """Signs in a new member of staff with this role, by the console's form."""

    def as_member(role: str) -> User:
        user = create_user(role)
        user.set_password(PASSWORD)
        user.save()
        page.goto("/admin/")
        page.get_by_label("Username").fill(user.username)
        page.locator("#id_password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        return user

    return as_member
