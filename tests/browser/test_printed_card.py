"""A printed card in a browser, in English and in Arabic: from its sheet to a live organization.

A reader of QR codes takes the place of the phone's camera.
"""

from io import BytesIO

import pytest
import zxingcpp
from django.utils.translation import gettext
from PIL import Image
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from billing.actor import SOVEREIGN_ADMIN
from orders.use_cases.catalog.seed_catalog import seed_catalog
from promos.models import Batch, Redemption
from tests.browser.page_checks import SignIn
from tests.browser.test_shop import assert_bought_once, enter_shop
from tests.journeys.worker import run_worker_beside_browser
from tests.promos.cards.make_batch import active

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("page", [1280], indirect=True, ids=["desktop"])
def test_the_qr_code_of_a_printed_card_leads_to_a_live_organization(
    page: Page, sign_in: SignIn, phone: Page, live_server: LiveServer, settings: Settings
) -> None:
    settings.CARD_REDEEM_URL = f"{live_server.url}/redeem?code={{code}}"
    seed_catalog()
    batch = active(credit_minor=20_000)
    sign_in(SOVEREIGN_ADMIN)
    enter_shop(phone, read_qr_code(print_first_card(page, batch)))
    phone.get_by_role("button", name=gettext("Place the order")).click()
    run_worker_beside_browser()
    expect(phone.get_by_role("heading", name=gettext("Your organization is live"))).to_be_visible()
    assert_bought_once()
    assert Redemption.objects.get().card_serial == batch.first_serial


def print_first_card(page: Page, batch: Batch) -> bytes:
    """Opens the batch's sheet as it goes to the printer. Returns a picture of its first card."""
    page.goto(f"/admin/promos/batch/{batch.pk}/sheets/")
    page.locator("form.ask [name=reason]").fill("for the shops")
    page.get_by_role("button", name="Print").click()
    page.emulate_media(media="print")
    return page.locator("article").first.screenshot()


def read_qr_code(picture: bytes) -> str:
    """Returns the address in the only QR code of the picture."""
    [code] = zxingcpp.read_barcodes(Image.open(BytesIO(picture)))
    return str(code.text)
