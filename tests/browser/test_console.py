"""The console in a browser, on a desk and on a phone: a sovereign admin's voucher, an auditor's ledger."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from billing.actor import AUDITOR, SOVEREIGN_ADMIN, SUPERADMIN
from billing.models import AuditEntry, Customer, LedgerEntry
from billing.queries import balance_of
from billing.use_cases.record_audit import record_audit
from promos.models import PromoCode
from tests.browser.page_checks import SignIn, assert_sound
from tests.concurrency.console_forms import adjusting, refunding_credit, releasing, resending_an_event
from tests.console import place_orders, propose_adjustment
from tests.factories import CustomerFactory, PromoCodeFactory, actor, give_credit

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_sovereign_admin_issues_pauses_and_retires_a_voucher(page: Page, sign_in: SignIn) -> None:
    omar = sign_in(SOVEREIGN_ADMIN)
    page.get_by_role("link", name="Issue a voucher").click()
    page.get_by_label("Code").fill("welcome50")
    page.get_by_label("Credit (OMR)").fill("50.0001")
    page.get_by_label("Cap").fill("50")
    page.get_by_label("Reason").fill("Launch")
    page.get_by_role("button", name="Issue").click()
    expect(page.get_by_text("OMR has at most 3 decimals")).to_be_visible()
    assert not PromoCode.objects.exists()

    page.get_by_label("Credit (OMR)").fill("50")
    page.get_by_label("Valid until").fill("2099-12-31T23:59")
    page.get_by_role("button", name="Issue").click()
    expect(page.get_by_text("WELCOME50 is issued.")).to_be_visible()
    facts = page.locator(".facts")
    for text in ("Live", "0 of 50", "50.000 OMR", "until 2099-12-31 23:59"):
        expect(facts.get_by_text(text, exact=True)).to_be_visible()
    assert_sound(page)

    page.get_by_role("link", name="Pause").click()
    page.get_by_label("Reason").fill("Looking into misuse")
    page.get_by_role("button", name="Pause WELCOME50").click()
    expect(page.get_by_text("Paused: WELCOME50.")).to_be_visible()
    expect(facts.get_by_text("Paused", exact=True)).to_be_visible()

    page.get_by_role("link", name="Retire").click()
    page.get_by_label("Reason").fill("Replaced")
    page.get_by_role("button", name="Retire WELCOME50").click()
    expect(facts.get_by_text("Retired", exact=True)).to_be_visible()
    history = page.locator(".panel", has_text="History")
    expect(history.locator("tbody tr")).to_have_count(3)
    expect(history.get_by_text(f"{omar.email} (sovereign-admin)")).to_have_count(3)

    page.goto("/admin/promos/promocode/")
    expect(page.get_by_text("Nothing here")).to_be_visible()
    page.get_by_role("navigation", name="State").get_by_role("link", name="Retired", exact=True).click()
    expect(page.locator(".result-list").get_by_text("WELCOME50")).to_be_visible()
    changes = AuditEntry.objects.filter(object_type="promo_code")
    actions = changes.order_by("pk").values_list("action", "reason")
    assert list(actions) == [
        ("promo_code.issued", "Launch"),
        ("promo_code.paused", "Looking into misuse"),
        ("promo_code.retired", "Replaced"),
    ]


def test_vouchers_are_chosen_in_the_list_and_paused_together(page: Page, sign_in: SignIn) -> None:
    for code in ("ONE", "TWO", "SIX"):
        PromoCodeFactory.create(code=code)
    sign_in(SOVEREIGN_ADMIN)
    page.goto("/admin/promos/promocode/")
    for code in ("ONE", "SIX"):
        page.locator("tr", has_text=code).locator("input.action-select").check()
    page.get_by_label("Select action to run").select_option("Pause")
    page.get_by_role("button", name="Run").click()
    page.get_by_label("Reason").fill("Misuse")
    page.get_by_role("button", name="Pause 2 vouchers").click()
    expect(page.get_by_text("Paused: ONE, SIX.")).to_be_visible()
    assert set(PromoCode.objects.filter(active=True).values_list("code", flat=True)) == {"TWO"}


def test_an_auditor_reads_the_ledger_and_has_no_buttons(page: Page, sign_in: SignIn) -> None:
    order = place_orders(1)[0]
    sign_in(AUDITOR)
    spent = LedgerEntry.objects.get(order_id=order.pk, kind="spend")
    for address in (
        "/admin/billing/ledgerentry/",
        f"/admin/billing/ledgerentry/{spent.pk}/change/",
        f"/admin/billing/customer/{order.customer.pk}/change/",
        f"/admin/orders/order/{order.pk}/change/",
        f"/admin/promos/promocode/{order.promo_code_id}/change/",
    ):
        page.goto(address)
        expect(page.get_by_text(re.compile(r"-9\.000 OMR|10\.000 OMR")).first).to_be_visible()
        for name in ("Reverse", "Adjust credit", "Pause", "Retire", "Issue a voucher", "Save", "Delete", "Run"):
            expect(page.get_by_role("button", name=name)).to_have_count(0)
            expect(page.get_by_role("link", name=name)).to_have_count(0)
        assert_sound(page)
    page.goto("/admin/billing/ledgerentry/")
    expect(page.locator(".result-list tbody")).to_have_count(2)


def test_a_superadmin_adjusts_credit_after_seeing_what_it_becomes(page: Page, sign_in: SignIn) -> None:
    ada: Customer = CustomerFactory.create(user_id="ada", email="ada@example.org")
    give_credit(ada, 50_000)
    sign_in(SUPERADMIN)
    page.goto("/admin/billing/customer/")
    page.locator(".result-list").get_by_role("link", name="ada@example.org").click()
    page.get_by_role("link", name="Adjust credit").click()
    page.get_by_label("Amount (OMR)").fill("-1.250")
    page.get_by_label("Reason").fill("Double booking")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator(".facts").get_by_text("48.750 OMR")).to_be_visible()
    page.get_by_role("button", name="Adjust the credit").click()
    expect(page.get_by_text("The credit of ada@example.org is adjusted by -1.250 OMR.")).to_be_visible()
    assert balance_of(user_id="ada").credit_minor == 48_750
    assert_sound(page)


def test_the_menu_leads_everywhere(page: Page, sign_in: SignIn) -> None:
    order = place_orders(1)[0]
    long = "the marketing agency's list, as approved by the board before the national day"
    staff = actor(user_id="noor", role=SOVEREIGN_ADMIN, email="noor.al-balushi@sovereign-cloud.example")
    record_audit(
        action="user.signed_out_everywhere", object_type="order", object_id=str(order.pk), by=staff, reason=long
    )
    propose_adjustment(order.customer, by=staff)
    sign_in(SUPERADMIN)
    menu = page.locator("#nav-sidebar-apps a")
    addresses = [address for address in menu.evaluate_all("links => links.map(link => link.href)") if address]
    assert len(addresses) == 55
    for address in addresses:
        answer = page.goto(address)
        assert answer is not None
        assert answer.ok
        assert_sound(page)


# Counts the clicks, and notes when the page ends whether its button was disabled.
NOTE_THE_BUTTON = """() => {
  const button = document.querySelector("form.ask [type=submit]");
  let clicks = 0;
  document.addEventListener("pointerdown", () => { clicks += 1; });
  addEventListener("pagehide", () => {
    sessionStorage.clicks = clicks;
    sessionStorage.disabled = button.disabled;
  });
}"""


@pytest.mark.parametrize("page", [1280], ids=["desktop"], indirect=True)
@pytest.mark.parametrize("act", ["adjust", "refund", "release", "resend"])
def test_a_double_click_on_an_act_takes_effect_once(page: Page, sign_in: SignIn, act: str) -> None:
    form = {"adjust": adjusting, "refund": refunding_credit, "release": releasing, "resend": resending_an_event}[
        act
    ]()
    sign_in(SUPERADMIN)
    page.goto(form.address)
    for name, value in {"reason": "Twice", **form.inputs}.items():
        field = page.locator(f"form.ask [name={name}]")
        if field.count() and field.get_attribute("type") != "hidden":
            field.fill(value)
    if act == "adjust":
        with page.expect_navigation():
            page.get_by_role("button", name="Continue").click()
    rows, sent = form.made._default_manager.count(), list[str]()
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.evaluate(NOTE_THE_BUTTON)
    page.locator("form.ask button[type=submit]").dblclick(no_wait_after=True)
    expect(page.locator("form.ask")).to_have_count(0)
    assert page.evaluate("[sessionStorage.clicks, sessionStorage.disabled]") == ["2", "true"]
    assert len(sent) == 1
    assert form.made._default_manager.count() == rows + 1


def test_a_chosen_file_is_named(page: Page, sign_in: SignIn, tmp_path: Path) -> None:
    """On each page that takes a file, and without an error of a script, which fails each of these tests."""
    sign_in(SOVEREIGN_ADMIN)
    file = tmp_path / "codes.csv"
    file.write_text("code,credit,cap\nGIFT,5,1")
    for address in ("/admin/promos/promocode/import/", "/admin/billing/bulkgrant/add/"):
        page.goto(address)
        page.locator("form.ask [type=file]").set_input_files(file)
        expect(page.locator("form.ask [type=text][disabled]")).to_have_value("codes.csv")
        assert_sound(page)
