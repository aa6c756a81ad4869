"""A checkout that its batch does not place is placed, or refused, alone: with the same answer as without a batch."""

import pytest
from django.db import connection, transaction

from billing.errors import Busy, RequestInProgress
from billing.models import Customer, Organization
from orders.models import Order
from orders.use_cases.checkout.checkout_context import priced_before
from orders.use_cases.checkout.place_order import CheckoutRequest
from tests.concurrency.wait_for import other_connection
from tests.factories import OrganizationFactory, PromoCodeFactory, give_credit
from tests.orders.conftest import Buy

pytestmark = pytest.mark.django_db(transaction=True)

KEY = {"idempotency_key": "k-1", "fingerprint": "f" * 64}


@pytest.fixture
def known(buy: Buy, acme: Organization, ada: Customer) -> Organization:
    """Another organization of Ada's, whose basket of plan m was priced when acme bought it."""
    PromoCodeFactory.create(code="GIFT", credit_minor=50_000, max_redemptions=5)
    give_credit(ada, 9_000)
    buy("m")
    assert priced_before(CheckoutRequest(tenant_id=acme.id, plan="m")) is not None
    return OrganizationFactory.create(customer=ada, slug="branch")


@pytest.mark.parametrize(
    ("key", "refusal"), [({}, Busy), (KEY, RequestInProgress)], ids=["without a key", "with a key"]
)
def test_lock_that_is_waited_for_in_vain_is_refused_as_without_a_batch(
    buy: Buy, known: Organization, key: dict[str, str], refusal: type[Exception]
) -> None:
    with other_connection() as other, connection.cursor() as cursor:
        other.execute("UPDATE promos_promocounter SET used = used")
        cursor.execute("SET lock_timeout = '30ms'")
        try:
            with pytest.raises(refusal):
                buy("m", tenant=known, promo_code="GIFT", **key)
        finally:
            cursor.execute("RESET lock_timeout")
    assert Order.objects.count() == 1
    assert buy("m", tenant=known, promo_code="GIFT", **key).balance_minor == 41_000


def test_inside_a_transaction_no_batch_is_joined(buy: Buy, known: Organization) -> None:
    """The batch would commit, whatever becomes of the transaction."""
    with transaction.atomic():
        buy("m", tenant=known, promo_code="GIFT")
        transaction.set_rollback(True)
    assert Order.objects.count() == 1
