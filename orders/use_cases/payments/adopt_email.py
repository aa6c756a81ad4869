from contextlib import suppress

from django.db import transaction

from billing.jobs import enqueue
from billing.models import Customer
from billing.use_cases.ensure_customer import update_email
from orders.stripe import gateway


def adopt_email(*, user_id: str, email: str) -> None:
    """Stores the e-mail address of a user's token, and enqueues the same change of the customer at Stripe.

    Call it before the customer's account is locked. Locks: Customer, if the address differs. Transaction: owns;
    inside another transaction it is a savepoint. Idempotency: the same address again changes nothing.
    """
    known = Customer.objects.filter(user_id=user_id).values_list("email", "stripe_customer_id").first()
    if not email or known is None or known[0] == email:
        return
    with transaction.atomic():
        update_email(user_id=user_id, email=email)
        if known[1]:
            enqueue("update_stripe_email", lock=f"stripe-email:{known[1]}", user_id=user_id)


def send_email_to_stripe(*, user_id: str) -> None:
    """Gives Stripe's customer the address that is stored now.

    A customer that Stripe does not know any more needs none: the next payment creates another one. An address that
    Stripe refuses is kept here only.
    Raises: gateway.Refused, gateway.Unanswered.
    """
    customer = Customer.objects.get(user_id=user_id)
    if customer.stripe_customer_id and customer.email:
        with suppress(gateway.CustomerUnknown, gateway.ObjectUnknown, gateway.AddressRefused):
            gateway.update_customer_email(customer_id=customer.stripe_customer_id, email=customer.email)
