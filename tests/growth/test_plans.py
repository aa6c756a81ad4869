"""Every hot query reads by its index, and no table that grows from end to end; as it is planned, nested ones too."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from billing.models import Organization
from billing.queries import invoices_of, organizations_of, slug_is_free, subscription_of
from billing.use_cases.hold_credit import capture, hold
from billing.use_cases.post_entry import adjust
from billing.use_cases.post_entry import reverse as reverse_entry
from orders.queries import find_open_order, open_payment_of
from promos.models import PromoCode
from promos.use_cases import redeem_code
from tests.factories import acting
from tests.factories import actor as staff
from tests.plans import plans_made

from .acting import buy, somebody

pytestmark = pytest.mark.usefixtures("grown")

# Tables that do not grow with what customers do.
SMALL = {
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "billing_processorsettings",
    "billing_user",
    "billing_user_groups",
    "billing_user_user_permissions",
    "django_content_type",
    "django_session",
    "orders_addon",
    "orders_app",
    "orders_plan",
}
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def _release() -> None:
    customer = somebody()
    redemption = redeem_code.reserve(
        promo_code=PromoCode.objects.get(code="HOT"), customer_id=customer.pk, order_id=uuid4()
    )
    redeem_code.confirm(redemption=redemption, by=acting(customer))
    redeem_code.release(redemption=redemption, reason="by mistake", by=staff())


def _correct() -> None:
    entry = adjust(customer_id=somebody().pk, amount_minor=5_000, why="by mistake", by=staff())
    reverse_entry(entry_id=entry.id, why="undone", by=staff())


def _hold() -> None:
    customer, order_id = somebody(), uuid4()
    hold(customer_id=customer.pk, amount_minor=500, order_id=order_id)
    capture(order_id=order_id, by=acting(customer))


def _of_customers() -> None:
    customer = somebody()
    organization = Organization.objects.get(customer=customer)
    subscription_of(user_id=customer.user_id)
    subscription_of(user_id=customer.user_id, organization_id=organization.id)
    list(invoices_of(user_id=customer.user_id)[:51])
    list(organizations_of(user_id=customer.user_id)[:51])
    slug_is_free("o-7")
    find_open_order(organization_id=organization.id)
    open_payment_of(organization_id=organization.id)


ACTS: dict[str, tuple[Callable[[], object], set[str]]] = {
    "checkout": (
        lambda: buy(somebody()),
        {
            "billing_account_pkey",
            "billing_customer_user_id_key",
            "billing_organization_pkey",
            "billing_subscription_one_live_per_organization",
            "billing_subscription_pkey",
            "orders_idempotencykey_once",
            "orders_order_one_open_per_organization",
            "orders_order_pkey",
            "promos_promocode_code_key",
            "promos_promocode_pkey",
            "promos_redemption_once_per_customer",
        },
    ),
}


@pytest.mark.parametrize("name", ACTS)
def test_what_is_done_often_reads_by_index(name: str) -> None:
    act, by_index = ACTS[name]
    with plans_made() as made:
        act()
    assert made.sequential <= SMALL
    assert by_index <= made.indexes
