from contextlib import suppress

from billing.models import Customer
from orders.stripe import gateway


def send_email_to_stripe(*, user_id: str) -> None:
    """Gives Stripe's customer the address that is stored now. Deletes Stripe's customer of an erased customer.

    It deletes the whole customer there, because Stripe refuses to remove only the address. If Stripe does not know
    the customer any more, it does nothing: the next payment creates another one. An address that Stripe refuses is
    kept here only.

    Raises: gateway.Refused, gateway.Unanswered.
    """
    customer = Customer.objects.get(user_id=user_id)
    processor_id = customer.stripe_customer_id
    if processor_id and (customer.email or customer.erased_at):
        with suppress(gateway.CustomerUnknown, gateway.ObjectUnknown, gateway.AddressRefused):
            if customer.erased_at:
                gateway.delete_customer(customer_id=processor_id)
            else:
                gateway.update_customer_email(customer_id=processor_id, email=customer.email)
