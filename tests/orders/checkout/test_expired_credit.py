"""A checkout spends no expired credit, whether or not a job has posted its expiry."""

import pytest

from billing.models import Account, LedgerEntry
from orders.errors import PaymentProcessorNotConfigured
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from tests.factories import (
    OrganizationFactory,
    PlanFactory,
    acting,
    forget_prices,
    give_credit,
    give_expired_credit,
)
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("is_priced", [False, True])
def test_a_checkout_counts_without_expired_credit(is_priced: bool) -> None:
    organization = OrganizationFactory.create()
    ada = organization.customer
    request = CheckoutRequest(tenant_id=organization.id, plan=PlanFactory.create(price_minor=9_000).slug)
    forget_prices()
    give_credit(ada, 8_999)
    give_expired_credit(ada, 50_000)
    for _ in range(1 + is_priced):
        with nothing_changes(), pytest.raises(PaymentProcessorNotConfigured):
            place_order(request=request, by=acting(ada))
    give_credit(ada, 1)
    assert place_order(request=request, by=acting(ada)).balance_minor == 0
    assert Account.objects.get(pk=ada.pk).balance_minor == 0
    assert LedgerEntry.objects.get(kind="expiry").amount_minor == -50_000
