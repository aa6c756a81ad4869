"""The customers' pages in Arabic, on a desk and on a phone: sound, small, accessible, and free of English."""

import re

import pytest
from playwright.sync_api import Page, expect

from orders.models import AddOn, App, Bundle, Industry, Plan
from orders.use_cases.catalog.seed_catalog import seed_catalog
from tests.browser.accessibility import assert_accessible
from tests.factories import PromoCodeFactory

pytestmark = pytest.mark.django_db(transaction=True)

# Codes, addresses, names of products and units that are the same in Arabic.
LATIN = {"CARD", "sovereign", "example", "English", "Sovereign", "QR"}


def words_in_latin(page: Page) -> set[str]:
    """Return the words in Latin letters that a reader sees, without those of the catalog."""
    names = {"S", "M", "L", "XL"}
    for kind in (Plan, App, AddOn, Bundle, Industry):
        for item in kind.objects.all():
            texts = [str(value) for value in vars(item).values() if isinstance(value, (str, list))]
            names |= {word for text in texts for word in re.findall(r"[A-Za-z]+", text)}
    return set(re.findall(r"[A-Za-z]{2,}", page.inner_text("body"))) - names - LATIN


def test_the_shop_is_in_arabic(page: Page) -> None:
    seed_catalog()
    PromoCodeFactory.create(code="CARD20", credit_minor=20_000, description="")
    page.set_extra_http_headers({"Accept-Language": "ar-OM,ar"})

    def check(heading: str) -> None:
        expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()
        assert page.locator("html").get_attribute("dir") == "rtl"
        assert words_in_latin(page) == set()
        assert_accessible(page)

    page.goto("/redeem?code=card%D9%A2%D9%A0")
    expect(page.get_by_text("20.000")).to_be_visible()
    check("استخدم قسيمة")
    page.get_by_role("button", name="استخدمها في المتجر").click()
    check("اختر باقة")
    page.get_by_role("button", name="اختر M", exact=True).click()
    page.get_by_label("WordPress").check()
    expect(page.get_by_text("تطبيق واحد: WordPress")).to_be_visible()
    check("اختر التطبيقات")
    page.get_by_role("button", name="متابعة إلى الإضافات").click()
    page.get_by_role("button", name="متابعة إلى إتمام الطلب").click()
    check("إتمام الطلب")
    page.get_by_label("اسم المؤسسة").fill("مخبز")
    page.locator("#id_slug").fill("bakery")
    page.get_by_role("button", name="متابعة إلى المراجعة").click()
    check("تسجيل الدخول")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Sign in", level=1)).to_be_visible()
    assert page.locator("html").get_attribute("dir") == "ltr"
