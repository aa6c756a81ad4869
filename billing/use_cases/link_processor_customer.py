from django.db import transaction

from billing.actor import Actor
from billing.models import Customer
from billing.use_cases.record_audit import record_audit


def link_processor_customer(*, customer_id: int, processor_id: str) -> None:
    """Stores Stripe's id of a customer, unless one is stored already.

    Transaction: joins, one statement.
    """
    Customer.objects.filter(id=customer_id, stripe_customer_id="").update(stripe_customer_id=processor_id)


def replace_processor_customer(*, customer_id: int, unknown: str, processor_id: str, by: Actor) -> None:
    """Replaces an id that Stripe no longer knows by a new one. If it was already replaced, nothing changes.

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
                reason="the payment processor no longer knows the customer",
            )
