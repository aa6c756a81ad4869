"""Limits on one customer's uses: what counts, and where a day, a week and a month begin."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from billing.models import Customer
from promos.errors import PromoCustomerLimit, PromoDailyLimit, PromoMonthlyLimit, PromoWeeklyLimit
from promos.models import Campaign
from promos.use_cases.redeem_code import redeem, release, reserve
from promos.use_cases.redeem_many import preview_redeem_many, redeem_many
from tests.factories import CampaignFactory, CustomerFactory, PromoCodeFactory, acting, actor
from tests.promos.cards.make_batch import active, codes_of, redeem_for
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

# A Wednesday, and the last day of a month. In Muscat the day begins at 20:00 UTC.
NOON = datetime(2027, 3, 31, 8, 0, tzinfo=UTC)
MIDNIGHT = datetime(2027, 3, 31, 20, 0, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


@pytest.fixture
def ada() -> Customer:
    return CustomerFactory.create(user_id="ada")


def limited(settings: Any, **limits: int) -> Campaign:
    settings.SOVEREIGN_TIME_ZONE = "Asia/Muscat"
    return CampaignFactory.create(restrictions=limits)


def redeem_new(customer: Customer, campaign: Campaign, now: datetime) -> Any:
    code = PromoCodeFactory.create(campaign_id=campaign.pk)
    return redeem(code=code.code, user_id=customer.user_id, by=acting(customer), now=now)


@pytest.mark.parametrize(
    ("limit", "refusal", "ends"),
    [
        ("uses_per_day", PromoDailyLimit, MIDNIGHT),
        ("uses_per_week", PromoWeeklyLimit, MIDNIGHT + timedelta(days=4)),
        ("uses_per_month", PromoMonthlyLimit, MIDNIGHT),
    ],
)
def test_a_period_is_one_of_the_sovereigns_calendar(
    ada: Customer, settings: Any, limit: str, refusal: type[Exception], ends: datetime
) -> None:
    campaign = limited(settings, **{limit: 1})
    redeem_new(ada, campaign, NOON)
    with pytest.raises(refusal):
        redeem_new(ada, campaign, ends - MOMENT)
    redeem_new(ada, campaign, ends)
    # A redemption that started before midnight may come after one that started later.
    with pytest.raises(refusal):
        redeem_new(ada, campaign, ends - MOMENT)


def test_a_release_gives_the_use_back_and_a_reservation_counts(ada: Customer, settings: Any) -> None:
    campaign = limited(settings, uses_per_customer=1)
    given_back = redeem_new(ada, campaign, NOON)
    release(redemption=given_back, reason="by mistake", by=actor())
    code = PromoCodeFactory.create(campaign_id=campaign.pk)
    reserve(promo_code=code, customer_id=ada.pk, order_id=uuid4(), now=NOON)
    other = PromoCodeFactory.create(campaign_id=campaign.pk)
    with nothing_changes(), pytest.raises(PromoCustomerLimit):
        reserve(promo_code=other, customer_id=ada.pk, order_id=uuid4(), now=NOON)
    # Other codes of the customer do not count.
    redeem(code=PromoCodeFactory.create().code, user_id="ada", by=acting(ada))


def test_a_batch_limits_the_cards_of_one_customer(ada: Customer) -> None:
    batch = active(restrictions={"uses_per_customer": 2})
    first, second, third = codes_of(batch)
    redeem_for(ada, first)
    redeem_for(ada, second)
    with nothing_changes(), pytest.raises(PromoCustomerLimit):
        redeem_for(ada, third)
    redeem_for(CustomerFactory.create(), third)


def test_a_list_of_users_gets_each_refusal_as_an_outcome(ada: Customer, settings: Any) -> None:
    campaign = limited(settings, uses_per_day=1)
    redeem_new(ada, campaign, NOON)
    code = PromoCodeFactory.create(campaign_id=campaign.pk, restrictions={"customers": ["ada", "bob", "new"]})
    users = ["ada", "bob", "eve", "new"]
    preview = preview_redeem_many(code=code.code, user_ids=users, now=NOON)
    outcomes = redeem_many(code=code.code, user_ids=users, why="a gift", by=actor(), now=NOON)
    refused = {each.user_id: each.refusal and each.refusal.code for each in outcomes}
    assert refused == {"ada": "promo_daily_limit", "bob": None, "eve": "promo_customer_not_eligible", "new": None}
    assert preview == {"redeemed": 2, "promo_daily_limit": 1, "promo_customer_not_eligible": 1}
