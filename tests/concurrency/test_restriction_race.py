"""Limits on one customer's uses, while 32 clients of that customer redeem at the same moment."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from billing.use_cases.ensure_customer import ensure_customer
from orders.models.basket import CheckoutRequest
from orders.use_cases.checkout.place_order import place_order
from promos.errors import PromoCustomerLimit, PromoDailyLimit
from promos.models import Redemption
from promos.use_cases.redeem_code import RedemptionRequest, redeem_batch, release
from tests.concurrency.schema_changes import replaced_function
from tests.concurrency.test_top_up_race import assert_sound, redeem_as
from tests.concurrency.threads import ThreadGroup
from tests.factories import CampaignFactory, OrganizationFactory, PlanFactory, PromoCodeFactory, acting, actor

THREADS = 32
LIMIT = 3

pytestmark = pytest.mark.django_db(transaction=True)

# The check in a version that counts nothing: the control.
COUNTS_NOTHING = """
CREATE OR REPLACE FUNCTION promos_within_restrictions(wanted promos_redemption_to_write[])
RETURNS promos_redemption_to_write[] LANGUAGE sql AS $$ SELECT wanted $$
"""


def codes_of_a_limited_campaign(count: int) -> list[str]:
    campaign = CampaignFactory.create(restrictions={"uses_per_day": LIMIT})
    return [PromoCodeFactory.create(campaign_id=campaign.pk).code for _ in range(count)]


@pytest.mark.parametrize("known", [True, False], ids=["known", "first act"])
def test_of_32_top_ups_of_a_customer_exactly_the_daily_limit_redeem(known: bool) -> None:
    codes = codes_of_a_limited_campaign(THREADS)
    if known:
        ensure_customer(user_id="ada")
    with ThreadGroup(THREADS) as threads:
        outcome = threads.race([partial(redeem_as, "ada", code) for code in codes])
    assert (len(outcome.values), outcome.refusals) == (LIMIT, {PromoDailyLimit: THREADS - LIMIT})
    assert_sound()


def test_top_ups_and_orders_of_a_customer_share_the_daily_limit() -> None:
    codes = codes_of_a_limited_campaign(THREADS)
    plan = PlanFactory.create(price_minor=9_000)
    first = OrganizationFactory.create()
    tenants = [first, *(OrganizationFactory.create(customer=first.customer) for _ in range(THREADS // 2 - 1))]
    by = acting(first.customer)

    def order(tenant: Any, code: str) -> object:
        return place_order(request=CheckoutRequest(tenant_id=tenant.id, plan=plan.slug, promo_code=code), by=by)

    calls: list[Callable[[], object]] = [
        *(partial(order, tenant, code) for tenant, code in zip(tenants, codes, strict=False)),
        *(partial(redeem_as, by.user_id, code) for code in codes[len(tenants) :]),
    ]
    with ThreadGroup(THREADS) as threads:
        outcome = threads.race(calls)
    assert (len(outcome.values), outcome.refusals) == (LIMIT, {PromoDailyLimit: THREADS - LIMIT})
    assert Redemption.objects.count() == LIMIT
    assert_sound()


@pytest.mark.parametrize("known", [True, False], ids=["known", "first act"])
def test_of_32_top_ups_with_one_repeatable_voucher_exactly_the_limit_redeem(known: bool) -> None:
    code = PromoCodeFactory.create(max_redemptions=20, restrictions={"uses_per_customer": LIMIT})
    if known:
        ensure_customer(user_id="ada")
    with ThreadGroup(THREADS) as threads:
        outcome = threads.race([partial(redeem_as, "ada", code.code)] * THREADS)
        assert (len(outcome.values), outcome.refusals) == (LIMIT, {PromoCustomerLimit: THREADS - LIMIT})
        # Two are given back, while 32 clients redeem again.
        given_back: list[Callable[[], object]] = [
            partial(release, redemption=each, reason="by mistake", by=actor())
            for each in Redemption.objects.all()[:2]
        ]
        redeem_again: list[Callable[[], object]] = [partial(redeem_as, "ada", code.code)] * (THREADS - 2)
        again = threads.race([*given_back, *redeem_again])
    live = Redemption.objects.filter(status="confirmed")
    assert live.count() == len(again.values) - 2 + LIMIT - 2 <= LIMIT
    assert live.filter(use_number=None).count() == 1
    assert_sound()


def redeem_without_explanation(code: str) -> bool:
    """Redeem in a statement of its own, which alone enforces the limit."""
    request = RedemptionRequest(code=code, user_id="ada", by=actor("customer", user_id="ada"))
    return redeem_batch([request], wait=True) != [None]


def test_control_a_check_that_counts_nothing_goes_over_the_limit() -> None:
    ensure_customer(user_id="ada")
    with ThreadGroup(8) as threads:
        checked = threads.race([partial(redeem_without_explanation, code) for code in codes_of_a_limited_campaign(8)])
        with replaced_function("promos_within_restrictions", COUNTS_NOTHING):
            codes = codes_of_a_limited_campaign(8)
            unchecked = threads.race([partial(redeem_without_explanation, code) for code in codes])
    assert (sum(checked.values), sum(unchecked.values)) == (LIMIT, 8)
