from django.db import transaction

from billing.jobs import enqueue
from billing.models import Customer


def adopt_email(customer: Customer, *, email: str) -> None:
    """Stores the e-mail address of the customer's token, and enqueues the same change of the customer at Stripe.

    Every act of a customer calls it, before the customer's account or an organization is locked. Without an address
    in the token the stored one stays.
    Locks: Customer, if the address differs. Transaction: owns; inside another transaction it is a savepoint.
    Idempotency: the same address again changes nothing.
    """
    if email in ("", customer.email):
        return
    with transaction.atomic():
        customer.email = email
        customer.save(update_fields=["email"])
        if customer.stripe_customer_id:
            enqueue(
                "update_stripe_email",
                lock=f"stripe-email:{customer.stripe_customer_id}",
                user_id=customer.user_id,
            )
