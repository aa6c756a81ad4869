"""The subscriptions that tests of renewals start from."""

import pytest

from billing.models import Customer, Organization, Subscription
from orders.use_cases.subscriptions.renew_subscription import RenewalOutcome
from tests.factories import give_credit
from tests.orders.conftest import Buy
from tests.orders.subscriptions.run_renewals import (
    DUE,
    START,
    newest_subscription,
    renew,
)
from tests.orders.subscriptions.stripe_checkout_stub import StripeCheckoutStub, stripe

__all__ = ["stripe"]


@pytest.fixture
def past_due(stripe: StripeCheckoutStub, ada: Customer, acme: Organization, buy: Buy) -> Subscription:
    """Acme's month of 9.000 is due, the balance is 2.345, and a Stripe session is open for the rest."""
    give_credit(ada, 9_000)
    buy("m", now=START)
    Organization.objects.update(status=Organization.Status.ACTIVE)
    give_credit(ada, 2_345)
    assert renew(DUE) == [RenewalOutcome.PAST_DUE]
    return newest_subscription()
