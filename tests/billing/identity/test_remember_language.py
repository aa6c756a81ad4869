"""The language that a customer used last is that of the customer's mails."""

import json

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from billing.language import answer_in
from billing.models import Customer
from billing.use_cases.identity.remember_language import remember_language_of_act
from tests.billing.api.conftest import bearer
from tests.billing.identity.test_pages import mailed_code
from tests.factories import CustomerFactory, PromoCodeFactory

pytestmark = pytest.mark.django_db
ARABIC = {"Accept-Language": "ar"}


def language_of(user_id: str) -> str:
    return Customer.objects.values_list("language", flat=True).get(user_id=user_id)


def test_a_sign_in_in_arabic_is_mailed_and_remembered_in_arabic(client: Client) -> None:
    client.post(reverse("account_login"), {"email": "ada@example.org"}, headers=ARABIC)
    code = mailed_code()
    assert mail.outbox[-1].subject == f"رمز الدخول إلى Sovereign هو {code}"
    client.post(reverse("account_code"), {"code": code}, headers=ARABIC)
    customer = Customer.objects.get()
    assert customer.language == "ar"
    client.post(reverse("language"), {"language": "en"})
    assert language_of(customer.user_id) == "en"


def test_an_act_through_the_api_is_remembered_only_with_a_language(
    client: Client, django_assert_num_queries: object
) -> None:
    CustomerFactory.create(user_id="ada", email="ada@example.org")
    PromoCodeFactory.create(code="TEN")
    identity = bearer(sub="ada", email="ada@example.org", role="customer")

    def redeem(**headers: str) -> int:
        body = json.dumps({"code": "TEN"})
        url = "/api/billing/vouchers/redeem"
        return client.post(url, body, "application/json", headers={**identity, **headers}).status_code

    assert (redeem(), language_of("ada")) == (200, "")
    Customer.objects.update(language="ar")
    with answer_in("ar"):
        remember_language_of_act(user_id="ada")
    assert language_of("ada") == "ar"


def test_a_process_stores_the_same_language_once(django_assert_num_queries: object) -> None:
    CustomerFactory.create(user_id="ada")
    for queries in (1, 0, 0):
        with answer_in("ar"), django_assert_num_queries(queries):  # type: ignore[operator]
            remember_language_of_act(user_id="ada")
    assert language_of("ada") == "ar"
    with django_assert_num_queries(0):  # type: ignore[operator]
        remember_language_of_act(user_id="ada")
