"""A system tops up the balance of a customer whom it names."""

from django.utils import timezone

from billing.errors import CustomerNotFound
from billing.models import Customer
from orders.errors import WrongAmount
from promos.errors import PromoProblem
from promos.use_cases.check_eligibility import find_redeemable_into_balance


def find_customer(*, user_id: str) -> Customer:
    """Returns a customer who has acted before. Raises: CustomerNotFound, also for one that was merged."""
    customer = Customer.objects.filter(user_id=user_id, merged_into=None).first()
    if customer is None:
        raise CustomerNotFound
    return customer


def check_amount(*, code: str, customer: Customer, amount_minor: int) -> None:
    """Refuses an amount that is not the credit of the code; 0 states none.

    A code that cannot be redeemed passes: the redemption names its reason, or answers as it did before.

    Raises: WrongAmount. Two queries at most, none for 0.
    """
    if not amount_minor:
        return
    try:
        found = find_redeemable_into_balance(
            code=code, customer_id=customer.id, user_id=customer.user_id, email=customer.email, now=timezone.now()
        )
    except PromoProblem:
        return
    if found.credit_minor != amount_minor:
        raise WrongAmount
