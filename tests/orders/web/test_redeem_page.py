"""The pages on which a customer redeems a voucher and reads the account."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from billing.models import LedgerEntry, OrganizationMember, User
from billing.queries import balance_of
from promos.models import Redemption
from promos.use_cases.change_code import retire_code
from tests.factories import CampaignFactory, OrganizationFactory, PlanFactory, PromoCodeFactory, UserFactory, actor
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db

YEAR_2031 = datetime(2031, 1, 1, tzinfo=UTC)


@pytest.fixture
def customer(client: Client) -> User:
    user = UserFactory.create(email="ada@example.org")
    client.force_login(user)
    return user


def attempt_of(page: Any) -> str:
    return str(page.context["form"]["attempt"].value())


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_a_card_opens_the_page_with_its_code_and_the_button_adds_the_credit(client: Client, customer: User) -> None:
    PromoCodeFactory.create(code="CARD50", credit_minor=50_000, description="For new shops")
    page = client.get(reverse("redeem"), {"code": "card50"})
    assert page.status_code == 200
    for shown in ("CARD50", "50.000 OMR", "For new shops", "No end date", "Add to my balance"):
        assert shown in text_of(page)
    answer = client.post(reverse("redeem"), {"code": "CARD50", "attempt": attempt_of(page)})
    assert (answer.status_code, answer.headers["Location"]) == (302, reverse("account"))
    account = text_of(client.get(reverse("account")))
    assert "50.000 OMR was added to your balance by the voucher CARD50." in account
    assert "Voucher CARD50" in account
    assert balance_of(user_id=customer.sub).credit_minor == 50_000
    assert LedgerEntry.objects.get().channel == "page"


def test_the_page_says_how_many_months_the_credit_pays(client: Client) -> None:
    PlanFactory.create(name="S", price_minor=5_000)
    medium = PlanFactory.create(name="M", price_minor=9_000)
    for name, price, active in (("Flexi", 0, True), ("XL", 30_000, True), ("Old", 1_000, False)):
        PlanFactory.create(name=name, price_minor=price, active=active)
    PromoCodeFactory.create(code="CARD10", credit_minor=10_000)
    PromoCodeFactory.create(code="ONLYM", credit_minor=10_000, restrictions={"plans": [str(medium.pk)]})
    page = client.get(reverse("redeem"), {"code": "card10"})
    assert page.context["offer"].buys == ["2 months of plan S", "1 month of plan M"]
    assert "<li>2 months of plan S</li><li>1 month of plan M</li>" in text_of(page)
    assert client.get(reverse("redeem"), {"code": "onlym"}).context["offer"].buys == ["1 month of plan M"]
    arabic = client.get(reverse("redeem"), {"code": "card10"}, HTTP_ACCEPT_LANGUAGE="ar")
    assert arabic.context["offer"].buys == ["شهران من الباقة S", "شهر واحد من الباقة M"]


@pytest.mark.parametrize(
    ("of_code", "of_campaign", "sentence"),
    [
        ({"credit_days": 1}, {}, "<p>The credit is valid for 1 day after you redeem the voucher.</p>"),
        ({}, {"credit_expires_at": YEAR_2031}, "<p>The credit is valid until 1 January 2031, 00:00 UTC.</p>"),
        (
            {"credit_days": 90, "credit_expires_at": YEAR_2031},
            {},
            "<p>The credit is valid for 90 days after you redeem the voucher."
            " It expires on 1 January 2031, 00:00 UTC at the latest.</p>",
        ),
    ],
)
def test_the_page_says_how_long_credit_is_valid(
    client: Client, of_code: dict[str, Any], of_campaign: dict[str, Any], sentence: str
) -> None:
    PromoCodeFactory.create(code="GIFT", campaign_id=CampaignFactory.create(**of_campaign).pk, **of_code)
    assert sentence in text_of(client.get(reverse("redeem"), {"code": "GIFT"}))


def test_the_account_says_what_expires_next(client: Client, customer: User) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=5_000, credit_expires_at=YEAR_2031)
    client.post(reverse("redeem"), {"code": "GIFT"})
    assert "5.000 OMR of your credit expires on 1 January 2031, 00:00 UTC." in text_of(client.get(reverse("account")))


def test_the_same_form_sent_twice_redeems_once_and_shows_the_same_result(client: Client, customer: User) -> None:
    PromoCodeFactory.create(code="CARD50")
    attempt = attempt_of(client.get(reverse("redeem"), {"code": "CARD50"}))
    for _ in range(2):
        answer = client.post(reverse("redeem"), {"code": "CARD50", "attempt": attempt})
        assert (answer.status_code, answer.headers["Location"]) == (302, reverse("account"))
    assert Redemption.objects.count() == 1


@pytest.mark.parametrize(
    "typed",
    ["card-50", " CARD 50 ", "CARD\u201150", "card\u0665\u0660", "\uff23\uff21\uff32\uff2450", "card\u00a050"],
)
def test_a_code_is_found_as_people_type_it(client: Client, typed: str) -> None:
    PromoCodeFactory.create(code="CARD50")
    assert "<code>CARD50</code>" in text_of(client.get(reverse("redeem"), {"code": typed}))


def test_a_code_with_a_dash_of_its_own_is_found(client: Client) -> None:
    PromoCodeFactory.create(code="CARD-50")
    assert "<code>CARD-50</code>" in text_of(client.get(reverse("redeem"), {"code": "card\u201350"}))


def test_a_visitor_sees_the_credit_and_keeps_the_code_through_signing_in(client: Client) -> None:
    PromoCodeFactory.create(code="CARD50")
    page = client.get(reverse("redeem"), {"code": "CARD50"})
    assert "Sign in or sign up to redeem" in text_of(page)
    with nothing_changes():
        answer = client.post(reverse("redeem"), {"code": "CARD50", "attempt": attempt_of(page)})
    target = urlsplit(answer.headers["Location"])
    assert target.path == reverse("account_login")
    assert parse_qs(target.query) == {"next": [f"{reverse('redeem')}?code=CARD50"]}


def test_unknown_and_retired_codes_look_the_same(client: Client) -> None:
    PromoCodeFactory.create(code="RETIRED1")
    retire_code(code="RETIRED1", by=actor())
    unknown, retired = (client.get(reverse("redeem"), {"code": code}) for code in ("UNKNOWN1", "RETIRED1"))
    assert unknown.status_code == retired.status_code == 200
    pages = [re.sub('name="csrfmiddlewaretoken" value="[^"]*"', "", text_of(each)) for each in (unknown, retired)]
    assert pages[0].replace("UNKNOWN1", "RETIRED1") == pages[1]
    assert "This voucher cannot be redeemed: not found." in text_of(unknown)


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        (lambda now: {"active": False}, "not active"),
        (lambda now: {"expires_at": now - timedelta(days=1)}, "expired"),
        (lambda now: {"starts_at": now + timedelta(days=1)}, "not valid yet"),
    ],
)
def test_a_voucher_that_has_ended_says_so(client: Client, customer: User, terms: Any, sentence: str) -> None:
    PromoCodeFactory.create(code="CARD50", **terms(timezone.now()))
    for answer in (
        client.get(reverse("redeem"), {"code": "CARD50"}),
        client.post(reverse("redeem"), {"code": "CARD50"}),
    ):
        assert f"This voucher cannot be redeemed: {sentence}." in text_of(answer)
    assert not Redemption.objects.exists()


@pytest.mark.parametrize("code", ["x" * 201, "\ud800", "<script>", "%00"])
def test_rubbish_is_refused_at_the_field(client: Client, customer: User, code: str) -> None:
    text = code.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    for answer in (client.get(reverse("redeem"), {"code": text}), client.post(reverse("redeem"), {"code": text})):
        assert answer.status_code == 200
        assert "errorlist" in text_of(answer)


def test_guessing_is_limited_as_in_the_api(client: Client, customer: User, settings: Settings) -> None:
    settings.REFUSED_CODE_RATE_LIMIT = "2/min"
    settings.PREVIEW_RATE_LIMIT = "2/min"
    posts = [client.post(reverse("redeem"), {"code": f"GUESS{each}"}).status_code for each in range(3)]
    looks = [client.get(reverse("redeem"), {"code": f"GUESS{each}"}).status_code for each in range(3)]
    assert posts == [200, 200, 429]
    assert looks == [200, 200, 429]


def test_the_account_needs_a_customer_and_comes_back_after_signing_in(client: Client) -> None:
    answer = client.get(reverse("account"))
    assert answer.headers["Location"] == f"{reverse('account_login')}?next=%2Faccount"


def test_an_address_that_is_not_proved_joins_no_organization_and_is_not_stored(client: Client) -> None:
    invited = OrganizationMember.objects.create(
        organization=OrganizationFactory.create(), email="eve@example.org", role="member"
    )
    client.force_login(UserFactory.create(email=invited.email))
    with nothing_changes():
        page = text_of(client.get(reverse("account")))
    assert "You have no orders yet." in page
    assert invited.email in page
    PromoCodeFactory.create(code="CARD50")
    assert client.post(reverse("redeem"), {"code": "CARD50"}).status_code == 302
    assert Redemption.objects.get().customer.email == ""


def test_the_account_of_a_new_customer_is_empty(
    client: Client, customer: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(6):
        page = text_of(client.get(reverse("account")))
    assert "0.000 OMR" in page
    assert "Nothing yet." in page
    assert "You have no orders yet." in page


def test_a_voucher_for_orders_is_led_to_the_shop(client: Client, customer: User) -> None:
    PromoCodeFactory.create(code="SHOP", restrictions={"minimum_order_minor": 5_000, "customers": [customer.sub]})
    for _ in range(2):
        page = text_of(client.get(reverse("redeem"), {"code": "shop"}))
        conditions = "Only with an order. Only for orders of at least 5.000 OMR. Only for certain customers."
        assert conditions in page
        assert "It is valid only with an order." in page
        assert "Use it in the shop" in page
        assert ("Add to my balance" in page, "Sign in or sign up to redeem" in page) == (False, False)
        client.logout()
