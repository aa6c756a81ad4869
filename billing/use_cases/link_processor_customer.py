from django.db import transaction

from billing.actor import Actor
from billing.models import Customer
from billing.use_cases.record_audit import record_audit


def link_processor_customer(*, customer_id: int, processor_id: str) -> None:
    """Remembers Stripe's id of a customer; the first one told stays.

    Transaction: joins, one statement.
    """
    Customer.objects.filter(id=customer_id, stripe_customer_id="").update(stripe_customer_id=processor_id)


def replace_processor_customer(*, customer_id: int, unknown: str, processor_id: str, by: Actor) -> None:
    """Forgets an id that Stripe does not know any more for a new one; one that was replaced already stays.

    Transaction: owns.
    """
    with transaction.atomic():
        replaced = Customer.objects.filter(id=customer_id, stripe_customer_id=unknown)
        if replaced.update(stripe_customer_id=processor_id):
            record_audit(
                action="customer.processor_customer_replaced",
                object_type="customer",
                object_id=str(customer_id),
                by=by,
                changes={"stripe_customer_id": [unknown, processor_id]},
                reason="the payment processor does not know the customer any more",
            )
