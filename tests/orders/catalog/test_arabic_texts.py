"""The catalog's Arabic texts: on pages, on an order, in its mail and documents; English where there is none."""

from datetime import date
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from django.utils.translation import override

from billing.models import Customer
from orders.models import AddOn, Bundle, CardEntry, Document, Order, Plan, VatRate
from orders.models.basket import CheckoutRequest
from orders.use_cases.catalog.seed_catalog import seed_catalog
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.documents.describe_document import describe_document
from orders.use_cases.documents.issue_documents import issue_documents
from orders.use_cases.mail.queue_mail import Mail
from orders.use_cases.mail.send_mail import send_mail
from promos.use_cases.restrictions.describe_restrictions import describe_to_customers
from tests.factories import OrganizationFactory, acting, give_credit
from tests.orders.web.shop.conftest import Visitor, text_of

pytestmark = pytest.mark.django_db

BACKUP = "نسخ احتياطي يومي"


@pytest.fixture
def placed(db: None) -> Order:
    """An order of the starting catalog's starter pack with daily backups."""
    seed_catalog()
    pack = Bundle.objects.get(slug="starter-pack")
    organization = OrganizationFactory.create()
    give_credit(organization.customer, 50_000)
    request = CheckoutRequest(
        tenant_id=organization.pk,
        plan="flexi",
        apps=tuple(pack.apps),
        addons=("daily-backup",),
        bundle="starter-pack",
    )
    place_order(request=request, by=acting(organization.customer))
    return Order.objects.get()


def test_an_order_keeps_both_names_of_its_day(placed: Order) -> None:
    AddOn.objects.update(name="Other", name_ar="أخرى")
    lines = {line.name: line.name_ar for line in placed.lines.all()}
    assert lines == {"Flexi": "مرنة", "Daily Backup": BACKUP}
    assert placed.bundle is not None and placed.bundle["name_ar"] == "حزمة البداية"


def test_the_mail_of_an_order_is_in_the_customers_language(placed: Order) -> None:
    send_mail(mail=Mail.PAYMENT_RECEIVED, subject_id=placed.pk)
    assert "  Daily Backup: " in str(mail.outbox[-1].body)
    Customer.objects.update(language="ar")
    send_mail(mail=Mail.PAYMENT_RECEIVED, subject_id=placed.pk)
    body = str(mail.outbox[-1].body)
    assert f"  {BACKUP}: " in body and "  مرنة: " in body and "حزمة البداية" in body
    assert "Daily Backup" not in body


def test_a_document_is_in_the_readers_language(placed: Order) -> None:
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)
    CardEntry.objects.create(kind="payment", amount_minor=10, currency="OMR", order=placed, stripe_object_id="cs_1")
    issue_documents(until=timezone.now())
    [document] = [each for each in Document.objects.filter(order=placed) if each.lines]
    named = {}
    for language in ("en", "ar"):
        with override(language):
            named[language] = [name for name, _ in describe_document(document).lines]
    assert named["en"][:2] == ["Flexi", "Daily Backup"]
    assert named["ar"][:2] == ["مرنة", BACKUP] and "حزمة البداية" in named["ar"][2]


def test_the_shop_is_searched_in_both_languages(client: Any) -> None:
    seed_catalog()
    visitor = Visitor(client)
    visitor.post("shop", plan="m")
    arabic = {"accept-language": "ar"}

    def found(words: str) -> list[str]:
        page = client.get("/shop/apps", {"q": words}, headers=arabic)
        return [card.app.slug for card in page.context["apps"] if card.is_shown]

    assert "nextcloud" in found("التقويمات") and "nextcloud" in found("calendars")
    assert "vaultwarden" in found("أمان") and "vaultwarden" in found("security")
    page = text_of(client.get("/shop/apps", headers=arabic))
    assert "حزمة التواصل" in page and "المطاعم" in page and "Comms Hub" not in page
    assert "Comms Hub" in text_of(client.get("/shop/apps"))


def test_an_item_without_arabic_is_shown_in_english(client: Any) -> None:
    seed_catalog()
    Plan.objects.filter(slug="flexi").update(name_ar="", features_ar=[])
    page = text_of(client.get("/shop", headers={"accept-language": "ar"}))
    assert "Flexi" in page and "CPU on demand" in page


def test_a_restriction_names_its_plan_in_the_readers_language(db: None) -> None:
    seed_catalog()
    rules: Any = {"plans": [str(Plan.objects.get(slug="flexi").pk)]}
    assert describe_to_customers(rules) == ["Only with the plan Flexi."]
    with override("ar"):
        assert describe_to_customers(rules) == ["مع الباقة مرنة فقط."]
