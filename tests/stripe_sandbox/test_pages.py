"""The pages a person sees, through HTTP: what they say and where their buttons lead."""

from typing import Any

import pytest
import stripe

from tests.stripe_sandbox.create_sessions import CANCEL_URL, line, open_session, open_with_credit
from tests.stripe_sandbox.sandbox_process import Answer, SandboxProcess


def press(sandbox: SandboxProcess, session: stripe.checkout.Session, form: str) -> Answer:
    return sandbox.request("POST", f"/c/pay/{session.id}", form)


def page(sandbox: SandboxProcess, url: str | None) -> str:
    assert url is not None
    answer = sandbox.request("GET", url.removeprefix(sandbox.url))
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    return answer.text


def test_page_shows_lines_discount_and_exact_total(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    session = open_with_credit(client)
    shown = page(sandbox, session.url)
    for text in (
        "Sandbox: a stand-in for Stripe",
        "Plan M",
        "12.000 OMR",
        "Backup",
        "3.000 OMR",
        "15.000 OMR",
        "-7.340 OMR",
        '<td class=amount id="total">7.660 OMR</td>',
        "Pay 7.660 OMR",
        "Then 15.000 OMR every month.",
        "order-1",
        "Refuse the card",
        "Pay asynchronously (bank debit)",
        f'href="{CANCEL_URL}"',
    ):
        assert text in shown, text


def test_pay_button_leads_back_to_the_shop(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    session = open_with_credit(client)
    answer = press(sandbox, session, "action=pay")
    assert (answer.status, answer.headers["Location"]) == (303, f"http://shop.example/done?session={session.id}")
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"
    assert "This checkout is complete" in page(sandbox, session.url)
    # Back button, pressed again: the page tells, nothing is paid twice.
    assert press(sandbox, session, "action=pay").headers["Location"] == f"/c/pay/{session.id}"
    assert len(client.v1.charges.list().data) == 1


def test_refused_card_comes_back_to_the_page(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    session = open_with_credit(client)
    answer = press(sandbox, session, "action=refuse")
    assert answer.headers["Location"] == f"/c/pay/{session.id}?declined=1"
    assert "Your card was declined" in page(sandbox, answer.headers["Location"])
    assert press(sandbox, session, "action=pay").headers["Location"].startswith("http://shop.example/done")


def test_bank_debit_leads_back_and_says_that_it_is_on_its_way(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    session = open_with_credit(client)
    press(sandbox, session, "action=pay_async")
    assert "The bank debit is on its way." in page(sandbox, session.url)
    assert "Debit arrives" in page(sandbox, "/")
    assert sandbox.request("POST", f"/overview/sessions/{session.id}/settle_async").status == 303
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


def test_expired_session_says_so(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    session = open_session(client)
    client.v1.checkout.sessions.expire(session.id)
    assert "This checkout has expired" in page(sandbox, session.url)
    assert press(sandbox, session, "action=pay").headers["Location"] == f"/c/pay/{session.id}"
    assert client.v1.charges.list().data == []


def test_page_asks_for_an_address_where_none_is_known(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    session = open_session(client)
    assert 'name="email"' in page(sandbox, session.url)
    press(sandbox, session, "action=pay&email=eve%40example.org")
    assert [each.email for each in client.v1.customers.list().data] == ["eve@example.org"]
    assert 'name="email"' not in page(sandbox, open_with_credit(client).url)


def test_nothing_to_pay_has_one_button(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    coupon = client.v1.coupons.create({"percent_off": 100, "duration": "once"})
    shown = page(sandbox, open_session(client, discounts=[{"coupon": coupon.id}]).url)
    assert "Subscribe, nothing to pay today" in shown
    assert "Refuse the card" not in shown


def test_names_cannot_bring_html(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    evil = "<script>alert(1)</script>"
    session = open_session(client, line_items=[line(evil, 1_000)], client_reference_id=evil)
    shown = page(sandbox, session.url)
    assert evil not in shown
    assert "&lt;script&gt;" in shown
    assert evil not in page(sandbox, "/")


def test_portal_ends_and_keeps_a_subscription(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    session = open_with_credit(client)
    sandbox.session(session.id, "pay")
    subscription: Any = client.v1.checkout.sessions.retrieve(session.id).subscription
    portal = client.v1.billing_portal.sessions.create(
        {"customer": str(session.customer), "return_url": "http://shop.example/account"}
    )
    shown = page(sandbox, portal.url)
    assert "15.000 OMR" in shown
    assert 'href="http://shop.example/account"' in shown
    path = portal.url.removeprefix(sandbox.url)
    sandbox.request("POST", f"{path}/{subscription}/end")
    assert client.v1.subscriptions.retrieve(subscription).cancel_at_period_end is True
    assert "Keep it" in page(sandbox, portal.url)
    sandbox.request("POST", f"{path}/{subscription}/keep")
    assert client.v1.subscriptions.retrieve(subscription).cancel_at_period_end is False
    assert len(sandbox.events("customer.subscription.updated")) == 3


def test_portal_of_another_customer_changes_nothing(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    session = open_with_credit(client)
    sandbox.session(session.id, "pay")
    subscription: Any = client.v1.checkout.sessions.retrieve(session.id).subscription
    stranger = client.v1.customers.create({})
    portal = client.v1.billing_portal.sessions.create({"customer": stranger.id})
    sandbox.request("POST", f"{portal.url.removeprefix(sandbox.url)}/{subscription}/end")
    assert client.v1.subscriptions.retrieve(subscription).cancel_at_period_end is False


def test_hosted_invoice_can_be_paid_and_printed(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    sandbox.session(open_with_credit(client).id, "pay")
    sandbox.control("POST", "cards", {"behaviour": "declines"})
    sandbox.control("POST", "clock", {"months": 1})
    invoice = client.v1.invoices.list({"status": "open"}).data[0]
    assert "Pay 15.000 OMR" in page(sandbox, invoice.hosted_invoice_url)
    assert invoice.invoice_pdf is not None
    document = sandbox.request("GET", invoice.invoice_pdf.removeprefix(sandbox.url))
    assert (document.headers["Content-Type"], document.body[:8]) == ("application/pdf", b"%PDF-1.4")
    assert b"(Total   15.000 OMR) Tj" in document.body
    declined = sandbox.request("POST", f"/i/{invoice.id}/pay").headers["Location"]
    assert "The card was declined." in page(sandbox, declined)
    sandbox.control("POST", "cards", {"behaviour": "pays"})
    sandbox.request("POST", f"/i/{invoice.id}/pay")
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"
    assert "Pay 15.000 OMR" not in page(sandbox, invoice.hosted_invoice_url)


def test_receipt_says_what_was_paid_and_refunded(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    sandbox.session(open_with_credit(client).id, "pay")
    charge = client.v1.charges.list().data[0]
    client.v1.refunds.create({"charge": charge.id, "amount": 1_000})
    shown = page(sandbox, charge.receipt_url)
    assert "7.660 OMR paid" in shown
    assert "1.000 OMR refunded" in shown


def test_overview_lets_time_pass_and_cards_fail(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    sandbox.session(open_with_credit(client).id, "pay")
    assert sandbox.request("POST", "/overview/cards/declines").status == 303
    assert sandbox.request("POST", "/overview/month").status == 303
    shown = page(sandbox, "/")
    assert "past_due" in shown
    assert "Let saved cards pay" in shown


@pytest.mark.parametrize("path", ["/c/pay/cs_test_x", "/i/in_x", "/p/session/bps_x", "/receipts/ch_x", "/nowhere"])
def test_an_unknown_page_is_404(sandbox: SandboxProcess, path: str) -> None:
    answer = sandbox.request("GET", path)
    assert (answer.status, "There is nothing here" in answer.text) == (404, True)
    assert sandbox.request("POST", path, "action=pay").status == 404
