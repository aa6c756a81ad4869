"""The main jobs of each role in a browser: from the draft of a campaign, over a printed card, to the figures."""

import csv
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from billing.actor import APPROVER, AUDITOR, DEALER, FINANCE, SOVEREIGN_ADMIN, SUPPORT
from billing.models import LedgerEntry
from orders.use_cases.figures.refresh_figures import refresh_figures
from promos.models import Batch, Campaign, Card, Redemption
from tests.billing.identity.test_pages import mailed_code
from tests.browser.page_checks import PASSWORD, assert_sound, fact, follow, panel
from tests.browser.shots import shoot
from tests.console import create_user, place_orders
from tests.journeys.worker import run_worker_beside_browser

pytestmark = pytest.mark.django_db(transaction=True)
CARDS = 10_000
Open = Callable[[], Page]


@pytest.fixture
def window(browser: Browser, live_server: LiveServer) -> Iterator[Open]:
    """Opens windows of people who share nothing. An error of a script fails the test."""
    failed: list[str] = []
    expect.set_options(timeout=20_000)
    with ExitStack() as stack:
        stack.callback(expect.set_options, timeout=5_000)

        def open_window() -> Page:
            context = browser.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 900})
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(20_000)
            page.on("pageerror", lambda error: failed.append(f"{error} ({page.url})"))
            return page

        yield open_window
    assert failed == []


class Desk:
    """A member of staff with one role, in a window of the console."""

    def __init__(self, page: Page, role: str) -> None:
        self.page, self.role, self.user = page, role, create_user(role)
        self.user.set_password(PASSWORD)
        self.user.save()
        page.goto("/admin/")
        page.get_by_label("Username").fill(self.user.username)
        page.locator("#id_password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        self.see("overview")

    def see(self, name: str) -> None:
        """Checks that the page is sound, and takes it if screenshots are asked for."""
        assert_sound(self.page)
        shoot(self.page, f"{self.role}-{name}")

    def open(self, address: str, name: str = "") -> None:
        self.page.goto(address)
        if name:
            self.see(name)

    def send(self, button: str, shot: str = "", /, **inputs: str) -> None:
        """Fills in the form of the page by the names of its fields, and sends it."""
        form = self.page.locator("form.ask")
        expect(form).to_be_visible()
        reason = {"reason": "as agreed"} if form.locator("[name=reason]").count() else {}
        for field, value in {**reason, **inputs}.items():
            found = form.locator(f"[name={field}]")
            if found.evaluate("field => field.tagName") == "SELECT":
                found.select_option(value)
            else:
                found.fill(value)
        if shot:
            self.see(shot)
        form.get_by_role("button", name=button).click()

    def act(self, link: str, button: str = "", shot: str = "", /, **inputs: str) -> None:
        """Follows a tool of a record's page, and sends the form behind it."""
        follow(self.page.get_by_role("link", name=link, exact=True))
        self.send(button or link, shot, **inputs)

    def sees(self, text: str) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible()


def sign_in_to_shop(page: Page, email: str) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_role("button", name="Mail me a code").click()
    page.get_by_label("Code").fill(mailed_code())
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text(f"You are signed in as {email}").first).to_be_visible()


def test_each_role_does_its_main_jobs(window: Open, tmp_path: Path) -> None:
    place_orders(3)
    noor, amal = Desk(window(), SOVEREIGN_ADMIN), Desk(window(), APPROVER)
    draft_and_start_campaign(noor, amal)
    codes = issue_batch(noor, amal, tmp_path)
    activate_some_cards(noor, Desk(window(), DEALER))
    redeem_and_be_refused(window(), codes)
    find_out_why(Desk(window(), SUPPORT))
    pause_and_see_figures(noor, Desk(window(), FINANCE), Desk(window(), AUDITOR))


def draft_and_start_campaign(noor: Desk, amal: Desk) -> None:
    noor.open("/admin/promos/campaign/add/")
    noor.send("Save the draft", "campaign-draft", name="Spring", budget="60000", purpose="More shops")
    noor.sees("Spring is a draft")
    noor.act("What if", "Replay past orders", "what-if", credit="5", max_redemptions="10000")
    noor.sees("The past orders are replayed")
    expect(fact(noor.page, "Past orders that qualify")).to_contain_text("3 of 3")
    noor.see("campaign-with-forecast")
    noor.act("Propose", "Propose", "campaign-propose")
    approve(amal, "Spring", "campaign")
    noor.open(noor.page.url)
    campaign = Campaign.objects.get(name="Spring")
    noor.open(f"/admin/promos/campaign/{campaign.pk}/change/")
    noor.act("Activate")
    noor.sees("Spring is active")


def approve(amal: Desk, title: str, name: str) -> None:
    """Finds the newest proposal in the approver's inbox, reads it and approves it."""
    amal.open("/admin/billing/proposal/", f"{name}-inbox")
    follow(amal.page.locator(".result-list a", has_text=title).first)
    expect(panel(amal.page, "Exact difference")).to_be_visible()
    amal.see(f"{name}-proposal")
    amal.act("Approve", "Approve", f"{name}-approve")
    expect(fact(amal.page, "State")).to_have_text("approved")


def issue_batch(noor: Desk, amal: Desk, folder: Path) -> list[str]:
    """Drafts, approves, generates, releases, exports, prints and activates a batch. Returns its codes as printed."""
    campaign = Campaign.objects.get(name="Spring")
    noor.open("/admin/promos/batch/add/")
    noor.send("Draft", "batch-too-weak", name="SHOPS-5", credit="5", size=str(CARDS), pattern="######")
    noor.sees("too easy to guess")
    noor.see("batch-refused")
    inputs = {"name": "SHOPS-5", "credit": "5", "size": str(CARDS), "pattern": "####-####-####"}
    noor.send("Draft", "batch-draft", campaign=str(campaign.pk), **inputs)
    noor.act("Propose", "Propose", "batch-propose")
    approve(amal, "SHOPS-5", "batch")
    batch = Batch.objects.get(promo_code__code="SHOPS-5")
    page = f"/admin/promos/batch/{batch.pk}/change/"
    noor.open(page)
    noor.act("Generate")
    run_worker_beside_browser()
    noor.open(page, "batch-generated")
    expect(fact(noor.page, "Generated")).to_contain_text("10,000 of 10,000")
    noor.act("Release")
    follow(noor.page.get_by_role("link", name="Export CSV", exact=True))
    with noor.page.expect_download() as download:
        noor.send("Export CSV", "batch-export")
    download.value.save_as(folder / "cards.csv")
    rows = list(csv.DictReader((folder / "cards.csv").read_text().splitlines()))
    assert (len(rows), rows[0]["credit"]) == (CARDS, "5.000")
    noor.open(page)
    noor.act("Print", "Print", "batch-print", last=str(batch.first_serial + 11))
    expect(noor.page.locator("svg")).to_have_count(12)
    shoot(noor.page, "sovereign-admin-sheets")
    noor.open(page)
    noor.act("Activate")
    return [row["code"] for row in rows]


def activate_some_cards(noor: Desk, majid: Desk) -> None:
    """Two hundred cards go to a dealer, who activates the first hundred."""
    batch = Batch.objects.get(promo_code__code="SHOPS-5")
    first = batch.first_serial
    noor.open("/admin/promos/dealer/add/")
    noor.send("Add", "dealer-add", name="Muttrah Kiosk", user_id=majid.user.sub)
    noor.open(f"/admin/promos/batch/{batch.pk}/change/")
    span = {"first": str(first), "last": str(first + 199)}
    noor.act("Act on cards", "Carry out", "cards-allocate", act="allocate", **span)
    noor.sees("An allocation needs a dealer")
    noor.see("cards-allocate-refused")
    noor.page.locator("form.ask [name=dealer]").select_option(label="Muttrah Kiosk")
    noor.page.locator("form.ask").get_by_role("button", name="Carry out").click()
    noor.sees("Allocated: 200 of 200 cards.")
    noor.see("batch-with-ranges")
    majid.open("/admin/promos/cardrange/", "ranges")
    follow(majid.page.locator(".result-list a").first)
    majid.see("range")
    follow(majid.page.locator("a", has_text="Activate").first)
    majid.send("Activate", "range-act", last=str(first + 99))
    majid.sees("Activated: 100 of 100 cards.")


def redeem_and_be_refused(page: Page, codes: list[str]) -> None:
    """A customer redeems an active card, and is refused one that its dealer has not activated."""
    sign_in_to_shop(page, "ada@example.org")
    page.goto(f"/redeem?code={codes[7].lower()}")
    shoot(page, "customer-redeem")
    page.get_by_role("button", name="Add to my balance").click()
    expect(page.get_by_text("5.000 OMR was added to your balance").first).to_be_visible()
    assert_sound(page)
    shoot(page, "customer-redeemed")
    page.goto("/redeem")
    page.get_by_label("Voucher code").fill(codes[150])
    page.get_by_role("button", name="Check the code").click()
    expect(page.get_by_text("This voucher cannot be redeemed: not found.")).to_be_visible()
    shoot(page, "customer-refused")


def find_out_why(huda: Desk) -> None:
    """From a customer's complaint to the reason in three clicks."""
    huda.open("/admin/billing/customer/")
    huda.page.locator("#searchbar").fill("ada@example.org")
    huda.page.locator("#searchbar").press("Enter")
    follow(huda.page.locator(".result-list").get_by_role("link", name="ada@example.org"))
    huda.see("customer")
    refused = panel(huda.page, "Refused attempts")
    follow(refused.locator("tbody a").first)
    huda.sees("card")
    huda.see("refused-attempt")
    expect(fact(huda.page, "Why")).to_contain_text("not active")


def pause_and_see_figures(noor: Desk, fatima: Desk, salim: Desk) -> None:
    campaign = Campaign.objects.get(name="Spring")
    page = f"/admin/promos/campaign/{campaign.pk}/change/"
    noor.open(page)
    noor.act("Pause")
    noor.sees("Spring is paused")
    refresh_figures()
    noor.open(page, "campaign-paused")
    expect(fact(noor.page, "Redemptions begun")).to_have_text("1")
    fatima.open("/admin/billing/ledgerentry/totals/", "ledger-totals")
    fatima.open(page, "campaign")
    expect(fact(fatima.page, "Granted")).to_have_text("5.000 OMR")
    salim.open(page, "campaign")
    expect(salim.page.get_by_role("link", name="Activate", exact=True)).to_have_count(0)
    entry = LedgerEntry.objects.get(redemption_id=Redemption.objects.get(card_serial__isnull=False).pk)
    salim.open(f"/admin/billing/ledgerentry/{entry.pk}/change/", "entry")
    assert Card.objects.count() == CARDS
