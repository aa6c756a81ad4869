"""A checkout and a redemption cost one round trip, once the session has prepared its statements."""

from functools import partial

import pytest

from billing.models import Customer, Organization
from tests.contract.api_client import by_token
from tests.database_traffic import Traffic, measure_traffic
from tests.large_history import Connection

from .conftest import create_shop
from .customer_actions import new_customers, redeem_voucher

CODES = ("GIFT", "HOT", "OPEN")
# More calls than psycopg makes before it prepares a statement.
WARM_UP_CALLS = 8
ONE_ROUND_TRIP = Traffic(statements=1, round_trips=1)


@pytest.fixture(scope="module")
def customers(empty_database: Connection) -> list[Customer]:
    """Create customers of a shop without history; each is used once."""
    create_shop()
    return new_customers(2 * len(CODES) * (WARM_UP_CALLS + 1))


def check_out(customer: Customer, organization: Organization, code: str) -> None:
    body = {
        "tenant_id": str(organization.id),
        "plan_id": "m",
        "apps": ["wordpress"],
        "addons": ["backup"],
        "promo_code": code,
    }
    answer = by_token("customer", customer.user_id).post("billing/checkout", body, Idempotency_Key="today")
    assert answer.status == 200, answer.content


@pytest.mark.parametrize("code", CODES)
def test_a_checkout_over_http_costs_one_round_trip(customers: list[Customer], code: str) -> None:
    for _ in range(WARM_UP_CALLS + 1):
        customer = customers.pop()
        organization = Organization.objects.get(customer=customer)
        traffic = measure_traffic(partial(check_out, customer, organization, code))
    assert traffic == ONE_ROUND_TRIP


@pytest.mark.parametrize("code", CODES)
def test_a_redemption_costs_one_round_trip(customers: list[Customer], code: str) -> None:
    for _ in range(WARM_UP_CALLS + 1):
        customer = customers.pop()
        traffic = measure_traffic(partial(redeem_voucher, customer, code))
    assert traffic == ONE_ROUND_TRIP
