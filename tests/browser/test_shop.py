"""A printed card's link in a browser, on a desk and on a phone: from the QR code to a live organization.

Also without scripts in English and Arabic, and on a slow network with every impatient click.
"""

from collections.abc import Iterator

import pytest
from django.utils.translation import gettext, override
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from billing.models import Organization
from orders.models import Order
from orders.use_cases.catalog.seed_catalog import seed_catalog
from orders.web.shop.summary import money
from promos.models import Redemption
from tests.billing.identity.test_pages import mailed_code
from tests.browser.accessibility import assert_accessible
from tests.browser.page_checks import follow
from tests.factories import PromoCodeFactory
from tests.journeys.worker import run_worker_beside_browser

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_card_becomes_a_live_organization(page: Page) -> None:
    seed_catalog()
    PromoCodeFactory.create(code="CARD20", credit_minor=20_000)
    page.goto("/")
    assert_accessible(page)
    page.goto("/redeem?code=card-20")
    assert_accessible(page)
    follow(page.get_by_role("button", name="Use it in the shop"))
    assert_accessible(page)
    page.get_by_role("button", name="Choose S", exact=True).click()
    page.get_by_role("searchbox", name="Search").fill("wordp")
    expect(page.get_by_role("checkbox", name="Nextcloud")).to_be_hidden()
    page.get_by_role("checkbox", name="WordPress").check()
    # The summary changes without a button.
    expect(page.get_by_text("One app: WordPress")).to_be_visible()
    page.get_by_role("button", name="Use plan M").click()
    expect(page.get_by_role("checkbox", name="WordPress")).to_be_checked()
    page.get_by_text("Start with a bundle").click()
    assert_accessible(page)
    page.get_by_role("button", name="Continue to add-ons").click()
    page.get_by_label("Daily Backup").check()
    expect(page.locator("#summary .total")).to_contain_text("12.000 OMR")
    assert_accessible(page)
    page.get_by_role("button", name="Continue to checkout").click()
    expect(page.get_by_text("20.000 OMR of credit.")).to_be_visible()
    page.get_by_label("Name of the organization").fill("Ada Bakery")
    expect(page.get_by_text("ada-bakery.sovereign.example is free.")).to_be_visible()
    assert_accessible(page)
    follow(page.get_by_role("button", name="Continue to review"))
    assert_accessible(page)
    page.get_by_label("E-mail address").fill("ada@example.org")
    follow(page.get_by_role("button", name="Mail me a code"))
    assert_accessible(page)
    page.get_by_label("Code").fill(mailed_code())
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".due")).to_contain_text("0.000 OMR")
    assert_accessible(page)
    page.get_by_role("button", name="Place the order").dblclick()
    expect(page.get_by_role("heading", name="We are setting up your organization")).to_be_visible()
    assert_accessible(page)
    run_worker_beside_browser()
    # The page follows the setup by itself.
    expect(page.get_by_role("heading", name="Your organization is live")).to_be_visible()
    expect(page.get_by_role("link", name="ada-bakery.sovereign.example")).to_be_visible()
    assert_accessible(page)
    page.go_back()
    expect(page.get_by_role("heading", name="Choose a plan")).to_be_visible()
    assert (Order.objects.count(), Organization.objects.count(), Redemption.objects.count()) == (1, 1, 1)
    for address in ("/account", "/account/orders"):
        page.goto(address)
        assert_accessible(page)
    page.goto("/account")
    follow(page.get_by_role("link", name="Ada Bakery", exact=True))
    assert_accessible(page)


def enter_shop(page: Page) -> None:
    """From the card's QR code to the review of an order that its credit covers, in the active language."""
    seed_catalog()
    PromoCodeFactory.create(code="CARD20", credit_minor=20_000)
    page.goto("/redeem?code=card-20")
    follow(page.get_by_role("button", name=gettext("Use it in the shop")))
    follow(page.get_by_role("button", name=gettext("Choose %(plan)s") % {"plan": "M"}, exact=True))
    page.get_by_role("checkbox", name="WordPress").check()
    follow(page.get_by_role("button", name=gettext("Continue to add-ons")))
    follow(page.get_by_role("button", name=gettext("Continue to checkout")))
    page.get_by_label(gettext("Name of the organization")).fill("Ada Bakery")
    follow(page.get_by_role("button", name=gettext("Continue to review")))
    page.get_by_label(gettext("E-mail address")).fill("ada@example.org")
    follow(page.get_by_role("button", name=gettext("Mail me a code")))
    page.get_by_label(gettext("Code")).fill(mailed_code())
    follow(page.get_by_role("button", name=gettext("Sign in")))
    expect(page.locator(".due")).to_contain_text(money(0))


def assert_bought_once() -> None:
    assert (Order.objects.count(), Organization.objects.count(), Redemption.objects.count()) == (1, 1, 1)
    assert Order.objects.get().status == Order.Status.COMPLETED


@pytest.fixture(params=["en", "ar"], ids=["English", "Arabic"])
def plain_page(request: pytest.FixtureRequest, browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    """A phone without scripts. Texts of the test are in its language."""
    context = browser.new_context(
        base_url=live_server.url,
        viewport={"width": 390, "height": 800},
        locale=request.param,
        java_script_enabled=False,
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    with override(request.param):
        yield page
    context.close()


def test_a_card_becomes_a_live_organization_without_scripts(plain_page: Page) -> None:
    enter_shop(plain_page)
    plain_page.get_by_role("button", name=gettext("Place the order")).click()
    expect(
        plain_page.get_by_role("heading", name=gettext("Thank you. We are setting up your organization"))
    ).to_be_visible()
    run_worker_beside_browser()
    # The page loads itself again every few seconds.
    expect(plain_page.get_by_role("heading", name=gettext("Your organization is live"))).to_be_visible()
    plain_page.go_back()
    plain_page.reload()
    expect(plain_page.get_by_role("heading", name=gettext("Choose a plan"))).to_be_visible()
    assert_bought_once()


def test_impatient_clicks_on_a_slow_network_buy_once(page: Page) -> None:
    """As on a weak mobile network: each answer comes 400 ms late, at 400 kbit/s."""
    network = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 25_000}
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", slow)
    enter_shop(page)
    page.get_by_role("button", name="Place the order").dblclick()
    heading = page.get_by_role("heading", name="We are setting up your organization")
    expect(heading).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Choose a plan")).to_be_visible()
    page.go_forward()
    expect(heading).to_be_visible()
    page.reload()
    expect(heading).to_be_visible()
    assert_bought_once()
