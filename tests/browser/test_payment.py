"""The pay path in a browser, on a desk and on a phone: from the checkout to what staff see of it afterwards."""

from datetime import timedelta
from typing import Any
from urllib.error import HTTPError

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from billing.actor import AUDITOR, SUPERADMIN, system_actor
from billing.models import LedgerEntry, Subscription
from billing.queries import balance_of
from orders.models import Order, Payment
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.subscriptions.renew_subscription import RenewalOutcome, renew_subscription
from tests.browser.card_checkout import CardCheckout, card_checkout, sandbox
from tests.browser.page_checks import SignIn, assert_sound, fact, panel
from tests.factories import acting, give_credit
from tests.payments.buyer import Buyer, new_buyer, order_status

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["card_checkout", "sandbox"]

OTHER_KEY = "sk_test_PaymentsOtherKeyOfTheTests9876"


@pytest.fixture
def buyer() -> Buyer:
    """A basket of 19.000, of which credit of 2.345 and a voucher of 10.000 leave 6.660 for the card."""
    return new_buyer()


def pay(page: Page, card_checkout: CardCheckout, placed: Any) -> None:
    """Follow the payment link, pay, and return to the service, as the customer."""
    page.goto(placed["session_url"])
    page.get_by_role("button", name="Pay 6.660 OMR").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    card_checkout.settle()


def see_order(page: Page, placed: Any) -> None:
    page.goto(reverse("admin:orders_order_change", args=[placed["order_id"]]))


def see_customer(page: Page, buyer: Buyer) -> None:
    page.goto(reverse("admin:billing_customer_change", args=[buyer.customer.pk]))


def credit_of(buyer: Buyer) -> tuple[int, int]:
    """The balance, and the held part of it."""
    balance = balance_of(user_id=buyer.customer.user_id)
    return balance.credit_minor, balance.held_minor


def test_a_customer_pays_the_remainder_by_card(
    page: Page, card_checkout: CardCheckout, buyer: Buyer, sign_in: SignIn
) -> None:
    placed = card_checkout.check_out(buyer)
    page.goto(placed["session_url"])
    expect(page.locator("tbody tr")).to_contain_text(
        [buyer.plan.name, buyer.addon.name, "Subtotal", "Credit", "Total due today"]
    )
    expect(page.locator(".amount")).to_have_text(
        ["16.000 OMR", "3.000 OMR", "19.000 OMR", "-12.340 OMR", "6.660 OMR"]
    )
    assert_sound(page)
    page.get_by_role("button", name="Pay 6.660 OMR").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert page.url == f"{card_checkout.url}/checkout/success?session={card_checkout.session_id_of(placed)}"
    expect(page.get_by_text("You get a receipt by e-mail")).to_be_visible()
    assert_sound(page)

    card_checkout.settle()
    sign_in(AUDITOR)
    see_order(page, placed)
    expect(fact(page, "State")).to_have_text("completed")
    expect(fact(page, "Paid from credit")).to_have_text("12.340 OMR")
    expect(fact(page, "Paid by card")).to_have_text("6.660 OMR")
    expect(panel(page, "Card payment").get_by_text("paid", exact=True)).to_be_visible()
    expect(panel(page, "Ledger").locator("tbody tr")).to_have_count(2)
    expect(panel(page, "Ledger").locator(".badge")).to_have_text(["grant", "spend"])
    expect(panel(page, "Ledger").locator(".amount")).to_have_text(
        ["+10.000 OMR", "12.345 OMR", "-12.340 OMR", "0.005 OMR"]
    )
    assert_sound(page)
    see_customer(page, buyer)
    expect(fact(page, "Held for open payments")).to_have_text("0.000 OMR")
    expect(fact(page, "Available")).to_have_text("0.005 OMR")


def test_a_customer_pays_with_another_card_after_a_refused_one(
    page: Page, card_checkout: CardCheckout, buyer: Buyer
) -> None:
    placed = card_checkout.check_out(buyer)
    page.goto(placed["session_url"])
    page.get_by_role("button", name="Refuse the card").click()
    expect(page.get_by_role("alert")).to_contain_text("Your card was declined. Nothing was charged")
    card_checkout.settle()
    assert (order_status(placed["order_id"]), credit_of(buyer)) == ("pending", (12_345, 12_340))
    page.get_by_role("button", name="Pay 6.660 OMR").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    card_checkout.settle()
    assert (order_status(placed["order_id"]), credit_of(buyer)) == ("completed", (5, 0))
    assert [each["amount"] for each in card_checkout.stripe.charges() if each["paid"]] == [6_660]


def test_a_customer_who_leaves_resumes_the_same_payment(
    page: Page, card_checkout: CardCheckout, buyer: Buyer, sign_in: SignIn
) -> None:
    placed = card_checkout.check_out(buyer)
    page.goto(placed["session_url"])
    page.get_by_role("link", name="Leave without paying").click()
    expect(page.get_by_role("heading", name="Nothing was charged")).to_be_visible()
    assert page.url == f"{card_checkout.url}/checkout/cancel"
    assert_sound(page)

    sign_in(SUPERADMIN)
    see_order(page, placed)
    expect(fact(page, "State")).to_have_text("pending")
    waiting = panel(page, "Waiting for payment")
    expect(waiting.get_by_text("6.660 OMR")).to_be_visible()
    expect(waiting.get_by_role("link", name="Open the payment page")).to_have_attribute("href", placed["session_url"])
    expect(waiting.locator(".copyable")).to_have_text(placed["session_url"])
    assert_sound(page)

    again = card_checkout.check_out(buyer.wanting(key="second"))
    assert again == placed
    assert len(card_checkout.stripe.sessions()) == 1
    assert credit_of(buyer) == (12_345, 12_340)


def test_the_back_button_and_a_second_tab_do_not_pay_twice(
    page: Page, card_checkout: CardCheckout, buyer: Buyer
) -> None:
    placed = card_checkout.check_out(buyer)
    other_tab = page.context.new_page()
    other_tab.goto(placed["session_url"])
    pay(page, card_checkout, placed)

    page.reload()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    page.go_back()
    page.reload()
    expect(page.get_by_role("heading", name="This checkout is complete")).to_be_visible()
    other_tab.get_by_role("button", name="Pay 6.660 OMR").click()
    expect(other_tab.get_by_role("heading", name="This checkout is complete")).to_be_visible()
    other_tab.get_by_role("link", name="Return to the shop").click()
    expect(other_tab.get_by_role("heading", name="Thank you")).to_be_visible()

    card_checkout.settle()
    assert [each["amount"] for each in card_checkout.stripe.charges()] == [6_660]
    assert LedgerEntry.objects.filter(order_id=placed["order_id"], kind="spend").count() == 1
    assert (order_status(placed["order_id"]), credit_of(buyer)) == ("completed", (5, 0))


def test_an_expired_session_says_so_and_releases_the_credit(
    page: Page, card_checkout: CardCheckout, buyer: Buyer, sign_in: SignIn
) -> None:
    placed = card_checkout.check_out(buyer)
    card_checkout.stripe.do(f"sessions/{card_checkout.session_id_of(placed)}/expire")
    page.goto(placed["session_url"])
    expect(page.get_by_role("heading", name="This checkout has expired")).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)
    page.get_by_role("link", name="Return to the shop").click()
    expect(page.get_by_role("heading", name="Nothing was charged")).to_be_visible()

    card_checkout.settle()
    sign_in(SUPERADMIN)
    see_order(page, placed)
    expect(fact(page, "State")).to_have_text("expired")
    expect(fact(page, "By card, not taken")).to_have_text("6.660 OMR")
    expect(panel(page, "Waiting for payment")).to_have_count(0)
    see_customer(page, buyer)
    expect(fact(page, "Credit")).to_have_text("12.345 OMR")
    expect(fact(page, "Held for open payments")).to_have_text("0.000 OMR")
    assert card_checkout.stripe.charges() == []


def test_a_full_refund_returns_card_money_and_credit(
    page: Page, card_checkout: CardCheckout, buyer: Buyer, sign_in: SignIn
) -> None:
    placed = card_checkout.check_out(buyer)
    pay(page, card_checkout, placed)
    sign_in(SUPERADMIN)
    see_order(page, placed)
    page.get_by_role("link", name="Refund", exact=True).click()
    expect(fact(page, "Left on the card")).to_have_text("6.660 OMR")
    assert_sound(page)
    page.get_by_role("button", name="Refund").click()
    expect(page.get_by_text("This field is required.")).to_be_visible()
    card_checkout.settle()
    assert order_status(placed["order_id"]) == "completed"

    page.get_by_label("Reason").fill("Ordered twice")
    page.get_by_role("button", name="Refund").click()
    expect(page.get_by_text("The refund was requested.")).to_be_visible()
    card_checkout.settle()
    see_order(page, placed)
    expect(fact(page, "State")).to_have_text("refunded")
    refunds = panel(page, "Refunds").locator("tbody tr")
    expect(refunds).to_have_count(1)
    expect(refunds).to_contain_text(["Ordered twice"])
    expect(refunds.locator(".badge")).to_have_text("done")
    expect(panel(page, "Ledger").locator(".badge")).to_have_text(["grant", "spend", "reversal"])
    expect(page.get_by_role("link", name="Refund", exact=True)).to_have_count(0)
    assert [each["amount_refunded"] for each in card_checkout.stripe.charges()] == [6_660]
    assert credit_of(buyer) == (12_345, 0)
    assert {each["status"] for each in card_checkout.stripe.subscriptions()} == {"canceled"}


def test_changed_keys_take_effect_at_once_and_are_never_shown(
    page: Page, card_checkout: CardCheckout, buyer: Buyer, sign_in: SignIn
) -> None:
    sign_in(SUPERADMIN)
    page.goto(reverse("admin:billing_processorsettings_changelist"))
    card_checkout.stripe.do("keys", secret_key=OTHER_KEY)
    page.get_by_label("Secret key", exact=True).fill(OTHER_KEY)
    page.get_by_label("Reason").fill("Rotated")
    page.get_by_role("button", name="Change the keys").click()
    expect(fact(page, "Secret key")).to_have_text("set, ends in 9876")
    assert OTHER_KEY not in page.content()
    assert_sound(page)
    card_checkout.check_out(buyer)
    assert card_checkout.stripe.requests(method="POST")[-1]["secret_key_last4"] == "9876"

    page.get_by_label("Clear: Secret key").check()
    page.get_by_label("Reason").fill("Contract ended")
    page.get_by_role("button", name="Change the keys").click()
    expect(fact(page, "Secret key")).to_have_text("not set")
    with pytest.raises(HTTPError, match="503"):
        card_checkout.check_out(new_buyer())


def past_due(buyer: Buyer) -> Subscription:
    """Make a subscription whose first month credit paid, with a credit of 2.345 for the month that is due."""
    give_credit(buyer.customer, 19_000)
    then = timezone.now() - timedelta(days=32)
    placed = place_order(request=buyer.wanting(promo_code=None).request, by=acting(buyer.customer), now=then)
    subscription = Subscription.objects.get(order_id=placed.order_id)
    by = system_actor(channel="worker", user_id="renewals")
    assert renew_subscription(subscription_id=subscription.id, by=by) == [RenewalOutcome.PAST_DUE]
    return subscription


def test_a_past_due_month_is_paid_by_the_link_in_the_console(
    page: Page, card_checkout: CardCheckout, buyer: Buyer, sign_in: SignIn
) -> None:
    subscription = past_due(buyer)
    sign_in(SUPERADMIN)
    page.get_by_role("link", name="Past due").click()
    page.locator(".result-list").get_by_role("link").first.click()
    expect(fact(page, "State")).to_have_text("past due")
    expect(fact(page, "Ends unless paid by")).to_be_visible()
    waiting = panel(page, "Waiting for payment")
    expect(waiting.get_by_text("2.340 OMR")).to_be_visible()
    assert_sound(page)
    with page.expect_popup() as popup:
        waiting.get_by_role("link", name="Open the payment page").click()
    customer = popup.value
    expect(customer.locator("#total")).to_have_text("16.660 OMR")
    customer.get_by_role("button", name="Pay 16.660 OMR").click()
    expect(customer.get_by_role("heading", name="Thank you")).to_be_visible()

    card_checkout.settle()
    page.reload()
    expect(fact(page, "State")).to_have_text("active")
    expect(panel(page, "Waiting for payment")).to_have_count(0)
    expect(panel(page, "Invoices").locator(".badge")).to_have_text(["paid", "paid"])
    subscription.refresh_from_db()
    assert (subscription.status, subscription.past_due_since) == ("active", None)
    assert Order.objects.get(renews=subscription).status == "completed"
    assert Payment.objects.get().status == "paid"
    assert credit_of(buyer) == (5, 0)
