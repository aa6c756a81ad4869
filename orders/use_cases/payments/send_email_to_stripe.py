from contextlib import suppress

from billing.models import Customer
from orders.stripe import gateway


def send_email_to_stripe(*, user_id: str) -> None:
    """Gives Stripe's customer the address that is stored now; none for an erased customer.

    A customer that Stripe does not know any more needs none: the next payment creates another one. An address that
    Stripe refuses is kept here only.
    Raises: gateway.Refused, gateway.Unanswered.
    """
    customer = Customer.objects.get(user_id=user_id)
    if customer.stripe_customer_id and (customer.email or customer.erased_at):
        with suppress(gateway.CustomerUnknown, gateway.ObjectUnknown, gateway.AddressRefused):
            gateway.update_customer_email(customer_id=customer.stripe_customer_id, email=customer.email)
