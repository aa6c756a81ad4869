"""The answers of a checkout and the list of orders say what VAT the total includes, as the quote does."""

from datetime import date

import pytest
from pytest_django import Settings

from billing.models import Customer
from orders.models import VatRate
from tests.factories import forget_prices, give_credit

from .api_client import Caller
from .conftest import Checkout
from .json_shapes import assert_shape
from .response_shapes import CHECKOUT, ORDER, VAT

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rate(ada: Caller, acme: str) -> None:
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)
    give_credit(Customer.objects.get(user_id=ada.user_id), 50_000)


@pytest.mark.usefixtures("rate")
@pytest.mark.parametrize("included", [True, False])
def test_a_checkout_names_the_vat_of_its_quote(
    checkout: Checkout, ada: Caller, acme: str, settings: Settings, included: bool
) -> None:
    settings.PRICES_INCLUDE_VAT = included
    forget_prices()
    quoted = ada.post("billing/checkout/quote", {"tenant_id": acme, "plan_id": "m", "addons": ["backup"]})
    first = checkout("a-key", addons=["backup"])
    assert_shape(first.body, CHECKOUT)
    assert_shape(first.body["vat"], VAT)
    named = first.body["vat"]
    parts = (571, 11_429) if included else (600, 12_000)
    assert (named["vat_minor"], named["net_minor"], named["basis_points"]) == (*parts, 500)
    assert named == quoted.body["vat"]
    assert checkout("a-key", addons=["backup"]).content == first.content


@pytest.mark.usefixtures("rate")
def test_a_free_order_has_a_vat_of_nothing(checkout: Checkout) -> None:
    answer = checkout(plan_id="flexi")
    assert (answer.status, answer.body["vat"]["vat_minor"], answer.body["vat"]["net_minor"]) == (200, 0, 0)


@pytest.mark.usefixtures("rate")
def test_each_order_of_the_list_has_its_vat(checkout: Checkout, salim: Caller) -> None:
    checkout(addons=["backup"])
    checkout(plan_id="l")
    orders = salim.get("billing/admin/orders").body
    assert_shape(orders, [ORDER])
    for order in orders:
        assert order["vat"]["vat_minor"] + order["vat"]["net_minor"] == order["amount_minor"]
    assert (orders[1]["vat"]["vat_minor"], orders[1]["vat"]["basis_points"]) == (571, 500)


@pytest.mark.parametrize("starts_on", [None, date(2100, 1, 1)])
def test_there_is_no_vat_before_the_first_rate(
    checkout: Checkout, ada: Caller, salim: Caller, acme: str, starts_on: date | None
) -> None:
    if starts_on:
        VatRate.objects.create(starts_on=starts_on, basis_points=500)
    give_credit(Customer.objects.get(user_id=ada.user_id), 50_000)
    assert "vat" not in checkout().body
    assert "vat" not in salim.get("billing/admin/orders").body[0]
