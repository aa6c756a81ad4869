"""A shop with a small catalog, and Ada, who buys for her organization acme."""

from collections.abc import Callable
from typing import Any

import pytest

from billing.models import Customer, Organization
from orders.use_cases.checkout.place_order import CheckoutRequest, PlacedOrder, place_order
from tests.factories import (
    AddOnFactory,
    AppFactory,
    CustomerFactory,
    OrganizationFactory,
    PlanFactory,
    acting,
)

Buy = Callable[..., PlacedOrder]


@pytest.fixture
def catalog(transactional_db: None) -> None:
    for slug, price_minor in {"flexi": 0, "m": 9_000, "l": 16_000, "huge": 50_000}.items():
        PlanFactory.create(slug=slug, price_minor=price_minor)
    for slug, price_minor in {"backup": 3_000, "support": 5_000}.items():
        AddOnFactory.create(slug=slug, price_minor=price_minor)
    AddOnFactory.create(slug="waf", price_minor=0, included=True)
    for slug in ("wordpress", "ghost"):
        AppFactory.create(slug=slug)


@pytest.fixture
def ada(catalog: None) -> Customer:
    return CustomerFactory.create(user_id="ada")


@pytest.fixture
def acme(ada: Customer) -> Organization:
    return OrganizationFactory.create(customer=ada, slug="acme", name="Acme")


@pytest.fixture
def buy(acme: Organization) -> Buy:
    """Places an order for acme, by its owner; anything of `CheckoutRequest` may be given, and `now`."""

    def buy(plan: str = "m", *, tenant: Organization = acme, now: Any = None, **request: Any) -> PlacedOrder:
        asked = CheckoutRequest(**{"tenant_id": tenant.id, "plan": plan, **request})
        return place_order(request=asked, by=acting(tenant.customer), now=now)

    return buy
