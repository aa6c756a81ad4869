"""A checkout tried at once: who it does not serve is told by the careful way, in the same words."""

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


@pytest.mark.parametrize(("key", "told"), [({}, Busy), (KEY, RequestInProgress)], ids=["without a key", "with a key"])
def test_a_lock_waited_for_in_vain_is_told_as_ever(
    buy: Buy, known: Organization, key: dict[str, str], told: type[Exception]
) -> None:
    with other_connection() as other, connection.cursor() as cursor:
        other.execute("UPDATE promos_promocounter SET used = used")
        cursor.execute("SET lock_timeout = '30ms'")
        try:
            with pytest.raises(told):
                buy("m", tenant=known, promo_code="GIFT", **key)
        finally:
            cursor.execute("RESET lock_timeout")
    assert Order.objects.count() == 1
    assert buy("m", tenant=known, promo_code="GIFT", **key).balance_minor == 41_000


def test_inside_a_transaction_it_is_not_tried(buy: Buy, known: Organization) -> None:
    """What others did would not be in it, and a refusal would end it."""
    with transaction.atomic():
        buy("m", tenant=known, promo_code="GIFT")
        transaction.set_rollback(True)
    assert Order.objects.count() == 1
