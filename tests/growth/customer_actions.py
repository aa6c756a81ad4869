"""Redeems and buys for customers of a large history; each customer has a number and an organization."""

from collections.abc import Iterator
from itertools import count

from django.db import connection

from billing.models import Customer, Organization
from orders.use_cases.checkout.place_order import CheckoutRequest, PlacedOrder, place_order
from promos.models import Redemption
from promos.use_cases.redeem_code import Redeemed, RedemptionRequest, redeem, redeem_batch
from tests.factories import OrganizationFactory, acting

_numbers: dict[str, Iterator[int]] = {}


def next_customer() -> Customer:
    """Return a customer with a history, another one at each call."""
    numbers = _numbers.setdefault(str(connection.settings_dict["NAME"]), count(1))
    return Customer.objects.get(user_id=f"c-{next(numbers)}")


def new_customers(number: int) -> list[Customer]:
    """Create customers with an organization and no history."""
    return [
        OrganizationFactory.create(customer__user_id=f"new-{each}", slug=f"new-{each}").customer
        for each in range(number)
    ]


def buy(customer: Customer, *, code: str = "GIFT") -> PlacedOrder:
    """Place an order that credit covers, with a voucher and an idempotency key."""
    request = CheckoutRequest(
        tenant_id=Organization.objects.get(customer=customer).id,
        plan="m",
        apps=("wordpress",),
        addons=("backup",),
        promo_code=code,
        idempotency_key="today",
        fingerprint="f" * 64,
    )
    return place_order(request=request, by=acting(customer))


def redeem_in_a_batch(customers: list[Customer], code: str) -> list[Redeemed | None]:
    """Redeem the code for all customers in one batch."""
    return redeem_batch([RedemptionRequest(code=code, user_id=each.user_id, by=acting(each)) for each in customers])


def redeem_voucher(customer: Customer, code: str) -> Redemption:
    return redeem(code=code, user_id=customer.user_id, by=acting(customer))
