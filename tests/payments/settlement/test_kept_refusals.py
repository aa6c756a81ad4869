"""Why the payment processor opened no session is kept on the payment, and staff see it."""

from dataclasses import replace

import pytest
from django.urls import reverse
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.actor import SUPERADMIN
from billing.models import Customer
from billing.use_cases.adopt_email import adopt_email
from orders.errors import PaymentProcessorError
from orders.models import Payment
from orders.use_cases.checkout.place_order import place_order
from tests.console import client_of, create_user
from tests.factories import acting
from tests.payments import stripe_failures
from tests.payments.buyer import buy, new_buyer
from tests.payments.stripe_failures import LASTING, fault_for
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)


def shown_to_staff(payment: Payment) -> str:
    page = client_of(create_user(SUPERADMIN)).get(reverse("admin:orders_payment_change", args=[payment.pk]))
    return page.content.decode()


def test_the_reason_of_a_refusal_is_kept_on_the_payment_and_shown_to_staff(stripe: Stripe) -> None:
    buyer = new_buyer()
    stripe.fault(**fault_for(stripe_failures.CREATE_CUSTOMER, "400", LASTING))
    with pytest.raises(PaymentProcessorError):
        place_order(request=buyer.request, by=replace(acting(buyer.customer), email=""))
    payment = Payment.objects.get()
    assert payment.refusal.startswith("processor refused: InvalidRequestError 400")
    assert payment.refusal in shown_to_staff(payment)


def test_a_processor_that_does_not_answer_is_a_reason_too(stripe: Stripe) -> None:
    buyer = new_buyer()
    stripe.fault(**fault_for(stripe_failures.CREATE_SESSION, "503-before", LASTING))
    with pytest.raises(PaymentProcessorError):
        buyer.check_out()
    assert Payment.objects.get().refusal.startswith("processor did not answer: ")


def test_a_payment_that_was_not_refused_has_no_reason(stripe: Stripe) -> None:
    new_buyer().check_out()
    payment = Payment.objects.get()
    assert payment.refusal == ""
    assert "Why it failed" not in shown_to_staff(payment)


def test_an_address_that_only_the_processor_refuses_stops_no_payment(stripe: Stripe) -> None:
    buyer = new_buyer()
    Customer.objects.update(email="no address")
    placed = place_order(request=buyer.request, by=replace(acting(buyer.customer), email=""))
    assert placed.session_url
    [customer] = stripe.all("customers")
    assert customer["email"] is None


def test_an_address_that_only_the_processor_refuses_fails_no_job(stripe: Stripe) -> None:
    buy(stripe)
    adopt_email(Customer.objects.get(), email="no address")
    run_until_idle(stripe)
    assert Customer.objects.get().email == "no address"
    assert not ProcrastinateJob.objects.exclude(status="succeeded").filter(task_name="update_stripe_email").exists()
