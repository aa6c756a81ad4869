"""A voucher's link in a browser, on a desk and on a phone: a visitor signs up and has its credit."""

import pytest
from playwright.sync_api import Page, expect

from billing.models import Customer
from billing.queries import balance_of
from tests.billing.identity.test_pages import mailed_code
from tests.browser.page_checks import assert_sound
from tests.factories import PromoCodeFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_visitor_with_a_card_signs_up_and_has_its_credit(page: Page) -> None:
    PromoCodeFactory.create(code="CARD50", credit_minor=50_000, description="Fifty rials for new shops")
    page.goto("/redeem")
    assert_sound(page)
    page.get_by_label("Voucher code").fill("unknown-1")
    page.get_by_role("button", name="Check the code").click()
    expect(page.get_by_text("This voucher cannot be redeemed: not found.")).to_be_visible()
    assert_sound(page)
    page.goto("/redeem?code=card%2050")
    assert_sound(page)
    page.get_by_role("button", name="Sign in or sign up to redeem").click()
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_role("button", name="Mail me a code").click()
    page.get_by_label("Code").fill(mailed_code())
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("50.000 OMR")).to_be_visible()
    page.get_by_role("button", name="Add to my balance").dblclick()
    expect(page.get_by_text("50.000 OMR was added to your balance by the voucher CARD50.")).to_be_visible()
    expect(page.get_by_role("heading", name="Account")).to_be_visible()
    assert_sound(page)
    assert balance_of(user_id=Customer.objects.get().user_id).credit_minor == 50_000
