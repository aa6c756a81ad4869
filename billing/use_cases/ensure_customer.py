from django.conf import settings
from django.db import transaction

from billing.errors import CustomerErased, CustomerMerged
from billing.models import Account, Customer
from billing.use_cases.adopt_email import adopt_email


def ensure_customer(*, user_id: str, email: str = "") -> Customer:
    """Returns the customer of a platform user, creating the customer and its account on first use.

    A new e-mail address replaces the stored one, also at Stripe.

    Raises: CustomerMerged, CustomerErased. Locks: Customer, if the address differs. Transaction: joins.
    Idempotency: concurrent first requests create one customer; the second waits for the first.
    """
    found = Customer.objects.filter(user_id=user_id, account__isnull=False).first()
    if found is not None:
        if found.merged_into_id is not None:
            raise CustomerMerged
        if found.erased_at is not None:
            raise CustomerErased
        adopt_email(found, email=email)
        return found
    with transaction.atomic():
        Customer.objects.bulk_create([Customer(user_id=user_id, email=email)], ignore_conflicts=True)
        customer = Customer.objects.get(user_id=user_id)
        Account.objects.bulk_create(
            [Account(customer=customer, currency=settings.SOVEREIGN_CURRENCY)], ignore_conflicts=True
        )
    return customer
