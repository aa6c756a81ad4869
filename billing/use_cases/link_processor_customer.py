from billing.models import Customer


def link_processor_customer(*, customer_id: int, processor_id: str) -> None:
    """Remembers Stripe's id of a customer; the first one told stays.

    Transaction: joins, one statement.
    """
    Customer.objects.filter(id=customer_id, stripe_customer_id="").update(stripe_customer_id=processor_id)
