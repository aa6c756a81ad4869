"""A customer reads where the credit came from, and what each part of it paid."""

import pytest

from billing.models import Customer
from billing.use_cases.ledger.post_entry import adjust_credit
from tests.factories import PromoCodeFactory, actor

from .api_client import Caller, by_token
from .conftest import Checkout

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "billing/balance/sources"


def test_a_balance_is_explained_to_its_customer(checkout: Checkout, ada: Caller) -> None:
    PromoCodeFactory.create(code="TWENTY", credit_minor=20_000)
    order = checkout(promo_code="TWENTY").body
    adjust_credit(customer_id=Customer.objects.get().pk, amount_minor=500, why="secret: friend of noor", by=actor())
    answer = ada.get(PATH)
    assert b"noor" not in answer.content
    voucher, correction = answer.body["sources"]
    assert (voucher["words"], voucher["amount_minor"], voucher["held_minor"]) == ("Voucher TWENTY", 20_000, 0)
    [use] = voucher["uses"]
    assert (use["words"], use["order_id"]) == ("Paid for an order", order["order_id"])
    assert voucher["left_minor"] == 20_000 - use["amount_minor"]
    assert (correction["words"], correction["left_minor"], correction["uses"]) == ("Correction", 500, [])
    balance = ada.get("billing/balance").body["credit_minor"]
    assert sum(source["left_minor"] for source in answer.body["sources"]) == balance


def test_words_follow_the_language_of_the_request(checkout: Checkout, ada: Caller) -> None:
    PromoCodeFactory.create(code="TWENTY", credit_minor=20_000)
    checkout(promo_code="TWENTY")
    [source] = ada.get(PATH, Accept_Language="ar").body["sources"]
    assert source["words"] == "القسيمة TWENTY"


def test_nobody_sees_the_credit_of_another_customer(checkout: Checkout) -> None:
    PromoCodeFactory.create(code="TWENTY", credit_minor=20_000)
    checkout(promo_code="TWENTY")
    assert by_token("customer", "eve").get(PATH).body == {"sources": []}
