"""A card pays in the shop what credit does not cover, to its end or given up: without scripts and in Arabic too."""

from collections.abc import Iterator

import pytest
from django.test import Client
from django.utils.translation import gettext, override
from playwright.sync_api import Browser, Page, expect

from billing.models import Customer
from billing.queries import balance_of
from orders.models import Order
from orders.use_cases.catalog.seed_catalog import seed_catalog
from orders.web.shop.summary import money
from tests.billing.identity.test_pages import mailed_code
from tests.browser.accessibility import assert_accessible
from tests.browser.card_checkout import CardCheckout, card_checkout, sandbox
from tests.factories import PromoCodeFactory, UserFactory
from tests.journeys.worker import run_worker_beside_browser
from tests.payments.renewals.subscribed_tenant import CREDIT_MINOR, PRICE_MINOR, tenant_with_open_session

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["card_checkout", "sandbox"]


@pytest.fixture(params=[(True, "en"), (False, "en"), (True, "ar")], ids=["scripts", "plain", "Arabic"])
def shopper(request: pytest.FixtureRequest, browser: Browser, card_checkout: CardCheckout) -> Iterator[Page]:
    """A phone at the shop, with and without scripts, also in Arabic. Texts of the test are in its language."""
    has_scripts, language = request.param
    context = browser.new_context(
        base_url=card_checkout.url,
        viewport={"width": 360, "height": 800},
        locale=language,
        java_script_enabled=has_scripts,
        # The policy was made before the sandbox had its port, so a form could not lead there.
        bypass_csp=True,
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    with override(language):
        yield page
    context.close()


def order_by_card(page: Page) -> None:
    """Buy plan L with a voucher of 10 as a new customer, up to Stripe's page."""
    seed_catalog()
    PromoCodeFactory.create(code="CARD10", credit_minor=10_000)
    page.goto("/shop")
    page.get_by_role("button", name=gettext("Choose %(plan)s") % {"plan": "L"}, exact=True).click()
    page.get_by_role("checkbox", name="Ghost").check()
    page.get_by_role("button", name=gettext("Continue to add-ons")).click()
    page.get_by_role("button", name=gettext("Continue to checkout")).click()
    page.get_by_label(gettext("Name of the organization")).fill("Ada Bakery")
    page.get_by_label(gettext("Voucher code")).fill("card 10")
    page.get_by_role("button", name=gettext("Check")).click()
    expect(page.get_by_text(gettext("%(credit)s of credit.") % {"credit": money(10_000)})).to_be_visible()
    page.get_by_role("button", name=gettext("Continue to review")).click()
    page.get_by_label(gettext("E-mail address")).fill("ada@example.org")
    page.get_by_role("button", name=gettext("Mail me a code")).click()
    page.get_by_label(gettext("Code")).fill(mailed_code())
    page.get_by_role("button", name=gettext("Sign in")).click()
    page.get_by_role("button", name=gettext("Order and pay %(due)s by card") % {"due": money(6_000)}).click()
    expect(page.get_by_role("button", name="Pay 6.000 OMR", exact=True)).to_be_visible()


def credit() -> tuple[int, int]:
    """The customer's balance, and the held part of it."""
    balance = balance_of(user_id=Customer.objects.get().user_id)
    return balance.credit_minor, balance.held_minor


def test_a_refused_card_then_a_good_one_makes_the_organization(shopper: Page, card_checkout: CardCheckout) -> None:
    order_by_card(shopper)
    shopper.get_by_role("button", name="Refuse the card").click()
    shopper.get_by_role("link", name="Leave without paying").click()
    expect(shopper.get_by_role("heading", name=gettext("Your order waits for the payment"))).to_be_visible()
    held = gettext("%(held)s of your credit are held for this order until %(until)s.")
    expect(shopper.get_by_text((held % {"held": money(10_000), "until": ""}).strip(" ."))).to_be_visible()
    shopper.get_by_role("link", name=gettext("Pay by card")).click()
    shopper.get_by_role("button", name="Pay 6.000 OMR").click()
    expect(shopper.get_by_role("heading", name=gettext("Thank you. Your payment is being confirmed"))).to_be_visible()
    # The real worker, because it also sets the organization up.
    card_checkout.stripe.do("webhooks/flush")
    run_worker_beside_browser()
    card_checkout.settle()
    # Without scripts the page loads itself again every few seconds.
    expect(shopper.get_by_role("heading", name=gettext("Your organization is live"))).to_be_visible(timeout=15_000)
    assert [order.status for order in Order.objects.all()] == ["completed"]
    assert credit() == (0, 0)
    assert [each["amount"] for each in card_checkout.stripe.charges() if each["paid"]] == [6_000]


def test_a_payment_that_is_given_up_leaves_the_credit(shopper: Page, card_checkout: CardCheckout) -> None:
    order_by_card(shopper)
    shopper.goto("/account")
    shopper.get_by_role("link", name=gettext("Finish or give up this payment")).click()
    shopper.get_by_role("button", name=gettext("Give the payment up")).click()
    expect(shopper.get_by_role("heading", name=gettext("This order was not paid"))).to_be_visible()
    expect(
        shopper.get_by_text(gettext("The credit of the voucher %(code)s stays on your balance.") % {"code": "CARD10"})
    ).to_be_visible()
    card_checkout.settle()
    assert [order.status for order in Order.objects.all()] == ["expired"]
    assert credit() == (10_000, 0)
    assert card_checkout.stripe.charges() == []


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_voucher_pays_the_month_that_is_past_due(
    browser: Browser, card_checkout: CardCheckout, language: str
) -> None:
    """Credit did not cover the month, so Stripe waits for a card; the voucher's credit pays it instead."""
    tenant = tenant_with_open_session(card_checkout.stripe)
    PromoCodeFactory.create(code="TOPUP", credit_minor=10_000)
    user = UserFactory.create(sub=tenant.organization.customer.user_id, email=tenant.organization.customer.email)
    client = Client()
    client.force_login(user)
    context = browser.new_context(base_url=card_checkout.url, locale=language, viewport={"width": 390, "height": 800})
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": card_checkout.url}])
    page = context.new_page()
    page.set_default_timeout(15_000)
    with override(language):
        page.goto(f"/account/organizations/{tenant.organization.id}")
        expect(page.get_by_text(gettext("The month is not paid. Pay it until"))).to_be_visible()
        assert_accessible(page)
        page.goto("/redeem?code=topup")
        page.get_by_role("button", name=gettext("Add to my balance")).click()
        expect(page.get_by_text(gettext("It paid the month that was due."))).to_be_visible()
        page.goto(f"/account/organizations/{tenant.organization.id}")
        expect(page.get_by_text(gettext("Renews on"))).to_be_visible()
        expect(page.get_by_text(gettext("The month is not paid. Pay it until"))).to_have_count(0)
    context.close()
    assert tenant.status == ("active", "active")
    assert tenant.credit == (CREDIT_MINOR + 10_000 - PRICE_MINOR, 0)
    assert card_checkout.stripe.charges() == []
    card_checkout.settle()
    assert tenant.credit == (CREDIT_MINOR + 10_000 - PRICE_MINOR, 0)
