"""The owner of an organization changes its plan and cancels it, in a browser, in English and in Arabic."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from django.utils.translation import gettext, override
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from billing.models import Customer, Organization, Subscription, User
from billing.queries import balance_of
from orders.models.basket import CheckoutRequest
from orders.use_cases.catalog.seed_catalog import seed_catalog
from orders.use_cases.checkout.place_order import place_order
from orders.web.shop.summary import money
from tests.browser.accessibility import assert_accessible
from tests.browser.page_checks import follow
from tests.factories import CustomerFactory, OrganizationFactory, UserFactory, acting, give_credit
from tests.journeys.worker import run_worker_beside_browser

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bakery() -> Organization:
    """An organization on plan M for 9 a month, whose owner has 20 left."""
    seed_catalog()
    user = UserFactory.create(email="ada@example.org")
    customer = CustomerFactory.create(user_id=user.sub, email=user.email)
    give_credit(customer, 29_000)
    bakery = OrganizationFactory.create(customer=customer, slug="ada-bakery", name="Ada Bakery")
    place_order(request=CheckoutRequest(tenant_id=bakery.pk, plan="m", apps=("wordpress",)), by=acting(customer))
    return bakery


@pytest.fixture(params=["en", "ar"], ids=["English", "Arabic"])
def page(
    request: pytest.FixtureRequest, browser: Browser, live_server: LiveServer, bakery: Organization
) -> Iterator[Page]:
    """A phone of the owner at the organization's page. Texts of the test are in its language."""
    run_worker_beside_browser()
    client = Client()
    client.force_login(User.objects.get(sub=bakery.customer.user_id))
    context = browser.new_context(
        base_url=live_server.url, locale=request.param, viewport={"width": 390, "height": 800}
    )
    key = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": key, "value": client.cookies[key].value, "url": live_server.url}])
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.goto(f"/account/organizations/{bakery.id}")
    with override(request.param):
        yield page
    context.close()


def press(page: Page, words: str) -> None:
    follow(page.get_by_role("button", name=gettext(words), exact=True))


def credit() -> int:
    return balance_of(user_id=Customer.objects.get().user_id).credit_minor


def test_a_larger_plan_costs_only_what_the_paid_month_leaves(page: Page, bakery: Organization) -> None:
    press(page, "Change the plan or add-ons")
    expect(page.get_by_text(gettext("In your basket"))).to_be_visible()
    follow(page.get_by_role("button", name=gettext("Choose %(plan)s") % {"plan": "L"}, exact=True))
    expect(page.get_by_role("checkbox", name="WordPress")).to_be_checked()
    press(page, "Continue to add-ons")
    press(page, "Continue to checkout")
    press(page, "Continue to review")
    # A moment of the month has passed.
    paid = gettext("with %(proration)s of the month that you have paid") % {"proration": money(8_999)}
    expect(page.get_by_text(paid)).to_be_visible()
    assert_accessible(page)
    press(page, "Place the order")
    run_worker_beside_browser()
    expect(page.get_by_role("heading", name=gettext("Your organization is live"))).to_be_visible()
    page.goto(f"/account/organizations/{bakery.id}")
    facts = page.locator(".facts")
    expect(facts).to_contain_text("L")
    expect(facts).to_contain_text(money(16_000))
    assert credit() == 20_000 + 8_999 - 16_000


def test_a_subscription_is_cancelled_resumed_and_ended(page: Page) -> None:
    press(page, "Cancel at the end of the month")
    expect(page.get_by_text(gettext("The subscription is cancelled."))).to_be_visible()
    expect(page.get_by_text(gettext("Cancelled. It ends on"))).to_be_visible()
    assert_accessible(page)
    press(page, "Resume the subscription")
    expect(page.get_by_text(gettext("The subscription goes on."))).to_be_visible()
    expect(page.get_by_text(gettext("Renews on"))).to_be_visible()
    page.get_by_text(gettext("End it today instead")).click()
    press(page, "End the subscription now")
    expect(page.get_by_text(gettext("Ended"), exact=True)).to_be_visible()
    assert_accessible(page)
    assert Subscription.objects.get().status == Subscription.Status.CANCELED
    assert credit() == 20_000
