"""The confirmation of an adjustment says whether it is carried out or only proposed."""

import pytest
from django.urls import reverse
from pytest_django import Settings

from tests.console import client_of, create_user
from tests.factories import CustomerFactory, give_credit

pytestmark = pytest.mark.django_db
CARRIED_OUT = "The entry stays in the ledger permanently, with your name."
PROPOSED = "It takes effect once another member of staff has approved it."


@pytest.mark.parametrize(
    ("role", "amount", "shown", "absent"),
    [
        ("support", "1.000", PROPOSED, CARRIED_OUT),
        ("superadmin", "5.000", CARRIED_OUT, PROPOSED),
        ("superadmin", "-5.001", PROPOSED, CARRIED_OUT),
    ],
)
def test_the_confirmation_says_what_follows(
    settings: Settings, role: str, amount: str, shown: str, absent: str
) -> None:
    settings.APPROVAL_LIMITS = {"adjust_credit": {"*": 5_000}}
    customer = CustomerFactory.create()
    give_credit(customer, 9_000)
    client = client_of(create_user(role))
    page = reverse("admin:billing_customer_adjust", args=[customer.pk])
    token = client.get(page).content.decode().split('name="form_token" value="')[1].split('"')[0]
    answer = client.post(page, {"amount": amount, "reason": "a complaint", "form_token": token})
    text = answer.content.decode()
    assert shown in text and absent not in text
