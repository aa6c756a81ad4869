"""What customers of a grown Sovereign do; each is known by a number, and has an organization."""

from collections.abc import Iterator
from itertools import count

from billing.actor import Actor
from billing.models import Customer, Organization
from orders.use_cases.place_order import Placed, Request, place_order
from promos.models import Redemption
from promos.use_cases.redeem_code import redeem
from tests.factories import acting

_next: Iterator[int] = count(1)


def somebody() -> Customer:
    """Another customer each time, with a history."""
    return Customer.objects.get(user_id=f"c-{next(_next)}")


def buy(customer: Customer, *, code: str = "GIFT", plan: str = "m") -> Placed:
    """A checkout that credit covers, with a voucher and a key."""
    request = Request(
        tenant_id=Organization.objects.get(customer=customer).id,
        plan=plan,
        apps=("wordpress",),
        addons=("backup",),
        promo_code=code,
        idempotency_key="today",
        fingerprint="f" * 64,
    )
    return place_order(request=request, by=actor(customer))


def use(customer: Customer, code: str) -> Redemption:
    return redeem(code=code, user_id=customer.user_id, by=actor(customer))


def actor(customer: Customer) -> Actor:
    return acting(customer)
