"""A release returns its slot to a counter that has one in use, even if the counters change while it waits."""

from functools import partial

import pytest
from django.db import transaction

from promos.models import PromoCode, Redemption
from promos.use_cases.redeem_code import redeem, release
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.concurrency.threads import ThreadGroup, race
from tests.concurrency.wait_for import wait_for_waiters
from tests.factories import CustomerFactory, PromoCodeFactory, acting, actor

pytestmark = pytest.mark.django_db(transaction=True)


def redeemed(promo_code: PromoCode) -> Redemption:
    customer = CustomerFactory.create()
    return redeem(code=promo_code.code, user_id=customer.user_id, by=acting(customer))


def used(promo_code: PromoCode) -> list[int]:
    return list(promo_code.counters.order_by("id").values_list("used", flat=True))


def test_a_release_that_waited_returns_its_slot_to_a_counter_in_use() -> None:
    promo_code = PromoCodeFactory.create(max_redemptions=3, hot=True)
    ours, theirs = redeemed(promo_code), redeemed(promo_code)
    assert used(promo_code) == [1, 1, 0]

    with ThreadGroup(1) as threads:
        with transaction.atomic():
            release(redemption=theirs, reason="theirs", by=actor())
            assert used(promo_code) == [0, 1, 0]
            waiting = threads.start([partial(release, redemption=ours, reason="ours", by=actor())])
            wait_for_waiters(1)
            [newer] = race([partial(redeemed, promo_code)]).values
            assert used(promo_code) == [0, 1, 1]
            release(redemption=newer, reason="newer", by=actor())
            assert used(promo_code) == [0, 0, 1]
        [released] = waiting.finish().values

    assert released is not None
    assert released.status == "released"
    assert used(promo_code) == [0, 0, 0]
    assert verify_redemptions() is None
