"""A printed card's link in a browser, on a desk and on a phone: from the QR code to a live organization.

Also without scripts, and on a slow network with every impatient click, in English and Arabic.
"""

import pytest
from django.utils.translation import gettext
from playwright.sync_api import Page, expect

from billing.models import Organization
from orders.models import Order
from orders.use_cases.catalog.seed_catalog import seed_catalog
from orders.web.shop.summary import money
from promos.models import Redemption
from tests.billing.identity.test_pages import mailed_code
from tests.browser.accessibility import assert_accessible
from tests.browser.page_checks import follow
from tests.factories import OrganizationFactory, PromoCodeFactory
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


def enter_shop(page: Page, address: str) -> None:
    """From the address of a card of 20 to the review of an order that its credit covers, in the active language."""
    page.goto(address)
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


@pytest.fixture
def card() -> str:
    """A card of 20 in a full shop. Returns the address that its QR code opens."""
    seed_catalog()
    PromoCodeFactory.create(code="CARD20", credit_minor=20_000)
    return "/redeem?code=card-20"


@pytest.mark.parametrize("phone", [False], indirect=True, ids=["plain"])
def test_a_card_becomes_a_live_organization_without_scripts(phone: Page, card: str) -> None:
    enter_shop(phone, card)
    phone.get_by_role("button", name=gettext("Place the order")).click()
    expect(
        phone.get_by_role("heading", name=gettext("Thank you. We are setting up your organization"))
    ).to_be_visible()
    run_worker_beside_browser()
    # The page loads itself again every few seconds.
    expect(phone.get_by_role("heading", name=gettext("Your organization is live"))).to_be_visible()
    phone.go_back()
    phone.reload()
    expect(phone.get_by_role("heading", name=gettext("Choose a plan"))).to_be_visible()
    assert_bought_once()


def test_impatient_clicks_on_a_slow_network_buy_once(phone: Page, card: str) -> None:
    """As on a weak mobile network: each answer comes 400 ms late, at 400 kbit/s."""
    network = phone.context.new_cdp_session(phone)
    slow = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 25_000}
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", slow)
    enter_shop(phone, card)
    phone.get_by_role("button", name=gettext("Place the order")).dblclick()
    heading = phone.get_by_role("heading", name=gettext("Thank you. We are setting up your organization"))
    expect(heading).to_be_visible()
    phone.go_back()
    expect(phone.get_by_role("heading", name=gettext("Choose a plan"))).to_be_visible()
    phone.go_forward()
    expect(heading).to_be_visible()
    phone.reload()
    expect(heading).to_be_visible()
    assert_bought_once()


def test_the_total_stays_in_sight_beside_many_items(phone: Page, card: str) -> None:
    phone.goto("/shop")
    follow(phone.get_by_role("button", name=gettext("Choose %(plan)s") % {"plan": "S"}, exact=True))
    running = phone.locator("#running")
    expect(running).to_be_in_viewport(ratio=1)
    expect(running).to_contain_text(money(5_000))
    follow(phone.get_by_role("button", name=gettext("Continue to add-ons")))
    phone.locator("[name=addon][value=daily-backup]").check()
    expect(running).to_contain_text(money(8_000))
    expect(running).to_be_in_viewport(ratio=1)


def test_an_address_that_is_taken_is_an_error_until_it_is_changed(phone: Page, card: str) -> None:
    OrganizationFactory.create(slug="ada-bakery")
    phone.goto("/shop")
    follow(phone.get_by_role("button", name=gettext("Choose %(plan)s") % {"plan": "S"}, exact=True))
    phone.goto("/shop/checkout")
    phone.get_by_label(gettext("Name of the organization")).fill("Ada Bakery")
    follow(phone.get_by_role("button", name=gettext("Continue to review")))
    taken = phone.get_by_text(gettext("This address is taken. Choose another one."))
    expect(taken).to_have_count(1)
    phone.locator("#id_slug").fill("ada-bakery-2")
    free = gettext("%(address)s is free.") % {"address": "ada-bakery-2.sovereign.example"}
    expect(phone.get_by_text(free)).to_be_visible()
    expect(taken).to_have_count(0)
