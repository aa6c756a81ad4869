"""The checkout and the review: one order however often the form is sent, and nothing where it is refused."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import Organization, User
from billing.queries import balance_of
from orders.models import Order, Plan, VatRate
from promos.models import Redemption
from tests.factories import CustomerFactory, OrganizationFactory, PromoCodeFactory, give_credit
from tests.orders.web.shop.conftest import Visitor, text_of
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db


def test_a_voucher_pays_for_an_organization_and_leads_to_its_progress(buyer: Visitor, user: User) -> None:
    PromoCodeFactory.create(code="CARD20", credit_minor=20_000)
    buyer.choose(addons=("backup",))
    assert buyer.check_out(code="card 20").headers["Location"] == reverse("shop-review")
    page = buyer.get("shop-review")
    shown = {name: page.context[name] for name in ("total", "credit", "due", "left", "next_month", "promo_credit")}
    assert shown == {
        "total": "12.000 OMR",
        "credit": "12.000 OMR",
        "due": "0.000 OMR",
        "left": "8.000 OMR",
        "next_month": "12.000 OMR",
        "promo_credit": "20.000 OMR",
    }
    answer = buyer.place()
    order = Order.objects.get()
    assert answer.headers["Location"] == reverse("shop-order", args=[order.id])
    assert (order.status, order.channel, order.promo_code) == ("completed", "page", "CARD20")
    assert order.organization.slug == "ada-bakery" and order.organization.name == "Ada Bakery"
    assert balance_of(user_id=user.sub).credit_minor == 8_000
    assert "We are setting up your organization" in text_of(buyer.client.get(answer.headers["Location"]))
    assert buyer.get("shop-review").headers["Location"] == reverse("shop")


def test_the_review_says_when_the_credit_of_the_voucher_expires(buyer: Visitor) -> None:
    PromoCodeFactory.create(code="SHORT", credit_minor=20_000, credit_expires_at=datetime(2999, 1, 1, tzinfo=UTC))
    buyer.choose()
    buyer.check_out(code="short")
    assert "It expires on 1 January 2999" in text_of(buyer.get("shop-review"))


def test_the_review_shows_the_vat_number_for_the_invoice(buyer: Visitor) -> None:
    buyer.choose()
    buyer.check_out()
    assert "VAT number" not in text_of(buyer.get("shop-review"))
    buyer.check_out(vat_number="om 1100-123")
    assert "VAT number: OM1100123" in text_of(buyer.get("shop-review"))


def test_the_review_shows_the_vat_that_the_total_includes(buyer: Visitor) -> None:
    buyer.choose(addons=("backup",))
    buyer.check_out()
    assert "VAT" not in text_of(buyer.get("shop-review"))
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)
    page = buyer.get("shop-review")
    assert "Includes VAT 5%" in text_of(page)
    assert (page.context["vat"], page.context["total"], page.context["due"]) == (
        "0.571 OMR",
        "12.000 OMR",
        "12.000 OMR",
    )


def test_a_card_that_is_used_in_the_shop_stands_in_the_checkout(visitor: Visitor) -> None:
    PromoCodeFactory.create(code="CARD20", credit_minor=20_000)
    answer = visitor.post("redeem", code="card 20", shop="1")
    assert answer.headers["Location"] == reverse("shop")
    visitor.choose()
    page = text_of(visitor.get("shop-checkout"))
    assert 'value="card 20"' in page and "20.000 OMR of credit." in page
    assert not Redemption.objects.exists()


def test_the_same_form_places_one_order_however_often_it_is_sent(buyer: Visitor, user: User) -> None:
    PromoCodeFactory.create(code="CARD20", credit_minor=20_000)
    buyer.choose()
    buyer.check_out(code="CARD20")
    form, basket = buyer.form(), buyer.client.session["shop"]
    answers = [buyer.place(form).headers["Location"] for _ in range(2)]
    # A twin was sent before the first answer arrived: its session still has the basket, and no order.
    session = buyer.client.session
    session["shop"] = basket
    del session["shop_placed"]
    session.save()
    answers.append(buyer.place(form).headers["Location"])
    assert answers == [reverse("shop-order", args=[Order.objects.get().id])] * 3
    assert Redemption.objects.count() == 1 and Organization.objects.count() == 1


def test_a_refused_order_changes_nothing_but_reserves_the_address(buyer: Visitor, user: User) -> None:
    PromoCodeFactory.create(code="CARD5", credit_minor=5_000)
    buyer.choose()
    buyer.check_out(code="CARD5")
    page = buyer.get("shop-review")
    assert "Payment processor is not configured" in text_of(page)
    form = {name: str(page.context[name]) for name in ("attempt", "shown")}
    refused = buyer.place(form)
    assert refused.status_code == 409 and "Nothing was ordered." in text_of(refused)
    assert not Order.objects.exists() and not Redemption.objects.exists()
    assert Organization.objects.get().status == "pending"
    # The next try is for the same organization.
    give_credit(Organization.objects.get().customer, 4_000)
    assert buyer.place().status_code == 302
    assert Order.objects.get().organization == Organization.objects.get()


def test_a_changed_price_or_basket_orders_nothing_until_it_was_shown(buyer: Visitor) -> None:
    buyer.choose()
    buyer.check_out()
    form = buyer.form()
    Plan.objects.filter(slug="m").update(price_minor=8_000)
    with nothing_changes():
        answer = buyer.place(form)
    assert answer.status_code == 409 and "has changed. Nothing was ordered" in text_of(answer)
    assert "8.000 OMR" in text_of(answer)


def test_a_code_that_cannot_be_redeemed_is_dropped_on_request(buyer: Visitor) -> None:
    buyer.choose()
    assert "cannot be redeemed: not found" in text_of(
        buyer.client.get(buyer.check_out(code="NOPE12").headers["Location"])
    )
    assert buyer.post("shop-review", **{"drop-code": "1"}).headers["Location"] == reverse("shop-review")
    assert "NOPE12" not in text_of(buyer.get("shop-review"))


def test_a_visitor_signs_in_before_the_review_and_keeps_the_basket(visitor: Visitor, user: User) -> None:
    visitor.choose()
    visitor.check_out()
    answer = visitor.get("shop-review")
    assert answer.headers["Location"] == f"{reverse('account_login')}?next=%2Fshop%2Freview"
    visitor.client.force_login(user)
    assert "Ada Bakery" in text_of(visitor.get("shop-review"))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"slug": "taken"}, "This address is taken."),
        ({"slug": "Ω"}, "Use 3 to 31 of the letters"),
        ({"slug": "", "name": "مخبز"}, "Enter an address."),
        ({"name": ""}, "Enter a name."),
        ({"organization": "nobody"}, "Select a valid choice."),
    ],
)
def test_a_wrong_organization_is_refused_at_its_field(buyer: Visitor, fields: dict[str, str], sentence: str) -> None:
    OrganizationFactory.create(slug="taken")
    buyer.choose()
    answer = buyer.check_out(**fields)
    assert answer.status_code == 200 and sentence in text_of(answer)
    assert buyer.get("shop-review").headers["Location"] == reverse("shop-checkout")


def test_the_address_and_the_voucher_are_answered_while_the_customer_types(visitor: Visitor) -> None:
    OrganizationFactory.create(slug="taken")
    PromoCodeFactory.create(code="CARD5", credit_minor=5_000)
    visitor.choose()

    def type_in(**fields: str) -> str:
        return text_of(visitor.client.post(reverse("shop-checkout"), fields, headers={"X-Live": "1"}))

    assert "ada-bakery.sovereign.example is free." in type_in(name="Ada Bakery")
    assert "This address is taken." in type_in(name="Ada Bakery", slug="taken")
    assert "5.000 OMR of credit." in type_in(code="card-5")
    assert "This voucher cannot be redeemed: not found." in type_in(code="nope1")
    # Without a script a button asks, and the answer stands on the page that follows.
    assert visitor.check_out(code="CARD5", check="1").headers["Location"] == reverse("shop-checkout")
    assert "5.000 OMR of credit." in text_of(visitor.get("shop-checkout"))


def test_another_customers_organization_and_order_are_not_there(
    buyer: Visitor, client_of: Callable[[str], Visitor]
) -> None:
    PromoCodeFactory.create(code="CARD20", credit_minor=20_000)
    buyer.choose()
    buyer.check_out(code="CARD20")
    order = buyer.place().headers["Location"]
    organization = Organization.objects.get()
    stranger = client_of("eve")
    assert stranger.client.get(order).status_code == 404
    assert stranger.post("shop-give-up", Order.objects.get().id).status_code == 404
    stranger.choose()
    assert "Select a valid choice." in text_of(stranger.check_out(organization=str(organization.id)))
    session = stranger.client.session
    session["shop"] = {**session["shop"], "organization": str(organization.id)}
    session.save()
    assert stranger.get("shop-review").headers["Location"] == reverse("shop-checkout")
    assert Client().get(order).status_code == 302


@pytest.mark.parametrize("organizations", [1, 50])
def test_checkout_and_review_cost_the_same_queries_for_any_number_of_organizations(
    buyer: Visitor, user: User, django_assert_num_queries: Any, organizations: int
) -> None:
    owner = CustomerFactory.create(user_id=user.sub, email=user.email)
    for number in range(organizations):
        owned = OrganizationFactory.create(customer=owner, slug=f"mine-{number}")
    buyer.choose()
    buyer.check_out(organization=str(owned.id))
    for name, queries in {"shop-checkout": 9, "shop-review": 13}.items():
        with django_assert_num_queries(queries):
            page = buyer.get(name)
        assert page.status_code == 200 and len(page.content) < 50_000
