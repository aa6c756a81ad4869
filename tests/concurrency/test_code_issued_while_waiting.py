"""A code that is issued while a redemption waits for another code's lock is not redeemed without its own lock."""

import pytest

from promos.models import Redemption
from promos.use_cases.redeem_code import RedemptionRequest, redeem_batch
from tests.concurrency.threads import ThreadGroup
from tests.concurrency.wait_for import other_connection, wait_for_waiters
from tests.factories import CustomerFactory, PromoCodeFactory, acting

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_code_issued_while_a_redemption_waits_is_left_out() -> None:
    first = PromoCodeFactory.create(code="FIRST", max_redemptions=0)
    ada, bob = CustomerFactory.create(), CustomerFactory.create()
    requests = [
        RedemptionRequest(code=code, user_id=user.user_id, by=acting(user))
        for code, user in (("FIRST", ada), ("SECOND", bob))
    ]
    with other_connection() as other, ThreadGroup(1) as threads:
        other.execute("SELECT pg_advisory_lock(promos_lock_key(%s))", [first.id])
        redeeming = threads.start([lambda: redeem_batch(requests, wait=True)])
        wait_for_waiters(1)
        PromoCodeFactory.create(code="SECOND", max_redemptions=0)
        other.execute("SELECT pg_advisory_unlock(promos_lock_key(%s))", [first.id])
        [redeemed] = redeeming.finish().values
    assert [each is not None for each in redeemed] == [True, False]
    assert list(Redemption.objects.values_list("promo_code__code", flat=True)) == ["FIRST"]
