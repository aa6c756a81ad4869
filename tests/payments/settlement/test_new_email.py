"""A new e-mail address of the token is taken over at the next act: by the customer's row, and by Stripe."""

from dataclasses import replace

import pytest

from billing.actor import CUSTOMER
from billing.models import Customer
from orders.models.basket import CheckoutRequest
from orders.use_cases.checkout.checkout_context import forget_priced_baskets
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.top_up import top_up
from tests.contract.api_client import by_token
from tests.factories import OrganizationFactory, PlanFactory, PromoCodeFactory, acting, give_credit
from tests.payments.buyer import buy
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_new_email_of_the_token_reaches_the_customer_and_stripe_at_the_next_payment(stripe: Stripe) -> None:
    buyer, _ = buy(stripe)
    customer = Customer.objects.get()
    wanted = buyer.wanting(plan=PlanFactory.create(price_minor=40_000), promo_code=None, key="second")
    place_order(request=wanted.request, by=replace(acting(customer), email="new@example.org"))
    run_until_idle(stripe)
    customer.refresh_from_db()
    assert customer.email == "new@example.org"
    assert stripe.get(f"customers/{customer.stripe_customer_id}")["email"] == "new@example.org"


def test_a_new_email_of_the_token_reaches_the_customer_and_stripe_at_a_top_up(stripe: Stripe) -> None:
    buy(stripe)
    customer = Customer.objects.get()
    PromoCodeFactory.create(code="GIFT")
    top_up(code="GIFT", by=replace(acting(customer), email="new@example.org"))
    run_until_idle(stripe)
    customer.refresh_from_db()
    assert customer.email == "new@example.org"
    assert stripe.get(f"customers/{customer.stripe_customer_id}")["email"] == "new@example.org"


@pytest.mark.parametrize("act", ["cancel", "portal", "rename"])
def test_a_new_email_of_the_token_reaches_the_customer_and_stripe_at_another_act(stripe: Stripe, act: str) -> None:
    buyer, _ = buy(stripe)
    run_until_idle(stripe)
    api = by_token(CUSTOMER, buyer.customer.user_id, email="new@example.org")
    at = str(buyer.organization.pk)
    assert api.get(f"billing/subscription/{at}").status == 200
    assert Customer.objects.get().email != "new@example.org"
    answer = {
        "cancel": lambda: api.post(f"billing/subscription/{at}/cancel", {"at": "period_end"}),
        "portal": lambda: api.post(f"billing/portal/{at}", {}),
        "rename": lambda: api.call("PUT", f"tenant/orgs/{at}", {"name": "Renamed"}),
    }[act]()
    assert answer.status == 200
    run_until_idle(stripe)
    customer = Customer.objects.get()
    assert customer.email == "new@example.org"
    assert stripe.get(f"customers/{customer.stripe_customer_id}")["email"] == "new@example.org"


@pytest.mark.parametrize("batched", [False, True], ids=["alone", "batched"])
def test_a_new_email_of_the_token_reaches_the_customer_and_stripe_at_an_order_that_credit_pays(
    stripe: Stripe, batched: bool
) -> None:
    buyer, _ = buy(stripe)
    customer = Customer.objects.get()
    run_until_idle(stripe)
    give_credit(customer, 100_000)
    second = OrganizationFactory.create(customer=customer)
    request = CheckoutRequest(tenant_id=second.id, plan=buyer.plan.slug)
    if not batched:
        forget_priced_baskets()
    placed = place_order(request=request, by=replace(acting(customer), email="new@example.org"))
    assert not placed.paid_by_card
    run_until_idle(stripe)
    customer.refresh_from_db()
    assert customer.email == "new@example.org"
    assert stripe.get(f"customers/{customer.stripe_customer_id}")["email"] == "new@example.org"
