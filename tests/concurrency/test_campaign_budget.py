"""A campaign's budget and its codes' caps are exact together while three of ten transactions roll back.

32 clients redeem three codes of one campaign and cards of its batch, some alone and some inside a transaction that
may roll back. A control that reads the budget before it writes goes over it.
"""

import random
from collections import Counter
from functools import partial

import pytest
from django.db import transaction
from django.db.models import Sum

from billing.models import Customer
from billing.use_cases.ledger.verify_ledger import verify_ledger
from promos.errors import BudgetBelowUsed, PromoExhausted, PromoInactive
from promos.models import BudgetCounter, Campaign, PromoCode, Redemption
from promos.models.redemption import LIVE_STATUSES
from promos.use_cases.campaigns.change_state import pause_campaign
from promos.use_cases.campaigns.change_terms import change_budget
from promos.use_cases.redeem_code import redeem, release
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.concurrency.redeem_in import redeem_in
from tests.concurrency.schema_changes import GATE, PASS_GATE, dropped_constraint, replaced_function
from tests.concurrency.threads import ThreadGroup, in_background
from tests.concurrency.wait_for import other_connection, wait_for_waiters
from tests.factories import CampaignFactory, CustomerFactory, PromoCodeFactory, acting, actor
from tests.promos.cards.make_batch import active, codes_of

THREADS = 32
ROUNDS = 25
ROLLED_BACK_SHARE = 0.3
# Credits that fit the budget only in some combinations, and caps that together allow more than the budget.
CREDITS, CAPS, CARD_CREDIT, BUDGET = (3_000, 5_000, 7_000), (4, 0, 3), 4_000, 50_000

pytestmark = pytest.mark.django_db(transaction=True)
either_campaign = pytest.mark.parametrize("hot", [False, True], ids=["ordinary", "hot"])

READ_THEN_WRITE = f"""
CREATE OR REPLACE FUNCTION promos_claim_budget(campaign uuid, wanted bigint, rush boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  room boolean;
BEGIN
  SELECT sum(used) + wanted <= sum(quota) INTO room FROM promos_budgetcounter WHERE campaign_id = campaign;
  {PASS_GATE}
  IF room THEN
    UPDATE promos_budgetcounter SET used = used + wanted
     WHERE id = (SELECT min(id) FROM promos_budgetcounter WHERE campaign_id = campaign);
  END IF;
  RETURN room;
END $$
"""


class RolledBack(Exception):
    """A transaction fails after it redeemed the code."""


def granted(campaign: Campaign) -> int:
    live = Redemption.objects.filter(promo_code__campaign=campaign, status__in=LIVE_STATUSES)
    return int(live.aggregate(total=Sum("credit_minor"))["total"] or 0)


def redeem_or_roll_back(customer: Customer, promo_code: PromoCode, *, ending: str, card: str = "") -> str:
    """Redeems the code, or a card with these terms, alone or in a transaction that commits or rolls back."""
    try:
        if ending == "batch":
            redeem(code=card or promo_code.code, user_id=customer.user_id, by=acting(customer))
        else:
            with transaction.atomic():
                redeem(code=card or promo_code.code, user_id=customer.user_id, by=acting(customer))
                if ending == "rolled back":
                    raise RolledBack
    except RolledBack:
        return "rolled back"
    except PromoExhausted:
        live = Redemption.objects.filter(promo_code=promo_code, status__in=LIVE_STATUSES).count()
        full = promo_code.capped and live >= promo_code.max_redemptions
        assert full or granted(promo_code.campaign) + promo_code.credit_minor > BUDGET, "a false refusal"
        return "exhausted"
    return "confirmed"


@either_campaign
def test_budget_and_caps_are_exact_together_and_no_refusal_is_false(hot: bool) -> None:
    chance = random.Random(20_261_127)
    customers = CustomerFactory.create_batch(THREADS)
    outcomes: Counter[str] = Counter()
    with ThreadGroup(THREADS) as threads:
        for number in range(ROUNDS):
            campaign = CampaignFactory.create(name=f"Round {number}", budget_minor=BUDGET, hot=hot)
            codes = [
                PromoCodeFactory.create(
                    code=f"R{number}-{credit}",
                    credit_minor=credit,
                    max_redemptions=cap,
                    hot=hot,
                    campaign_id=campaign.pk,
                )
                for credit, cap in zip(CREDITS, CAPS, strict=True)
            ]
            batch = active(f"CARDS-{number}", size=THREADS, credit_minor=CARD_CREDIT, campaign_id=campaign.pk)
            calls = []
            for customer, card in zip(customers, codes_of(batch), strict=True):
                [ending] = chance.choices(["rolled back", "batch", "committed"], [ROLLED_BACK_SHARE, 0.35, 0.35])
                chosen = chance.choice([*codes, batch.promo_code])
                calls.append(
                    partial(
                        redeem_or_roll_back,
                        customer,
                        chosen,
                        ending=ending,
                        card=card if chosen.for_cards else "",
                    )
                )
            outcome = threads.race(calls)
            assert outcome.refusals == {}
            outcomes += Counter(outcome.values)
            counters = BudgetCounter.objects.filter(campaign=campaign)
            assert counters.aggregate(used=Sum("used"))["used"] == granted(campaign) <= BUDGET
    assert min(outcomes[each] for each in ("confirmed", "exhausted", "rolled back")) > 0
    for by_card in (True, False):
        assert Redemption.objects.filter(card_serial__isnull=not by_card, status__in=LIVE_STATUSES).exists()
    assert verify_redemptions() is None
    assert verify_ledger().sound


@either_campaign
def test_releases_and_budget_changes_race_with_redemptions(hot: bool) -> None:
    campaign = CampaignFactory.create(budget_minor=60_000, hot=hot)
    code = PromoCodeFactory.create(campaign_id=campaign.pk, credit_minor=5_000)
    holders = CustomerFactory.create_batch(8)
    made = [redeem(code=code.code, user_id=each.user_id, by=acting(each)) for each in holders]

    def set_budget(budget_minor: int) -> str:
        try:
            change_budget(campaign_id=campaign.pk, budget_minor=budget_minor, by=actor(), reason="for a test")
        except BudgetBelowUsed:
            return "below used"
        return "changed"

    def give_back(number: int) -> str:
        release(redemption=made[number], reason="for a test", by=actor())
        return "released"

    def take(customer: Customer) -> str:
        try:
            redeem(code=code.code, user_id=customer.user_id, by=acting(customer))
        except PromoExhausted:
            return "exhausted"
        return "confirmed"

    others = CustomerFactory.create_batch(16)
    with ThreadGroup(THREADS) as threads:
        outcome = threads.race(
            [
                *(partial(give_back, number) for number in range(8)),
                *(partial(set_budget, budget) for budget in (35_000, 80_000, 0, 1_000, 45_000, 100_000, 0, 70_000)),
                *(partial(take, each) for each in others),
            ]
        )
    assert outcome.refusals == {}
    assert outcome.values.count("released") == 8
    assert granted(campaign) == 5_000 * outcome.values.count("confirmed")
    assert verify_redemptions() is None
    assert verify_ledger().sound


@either_campaign
def test_a_redemption_waits_for_budget_that_may_come_free(hot: bool) -> None:
    campaign = CampaignFactory.create(budget_minor=10_000, hot=hot)
    code = PromoCodeFactory.create(campaign_id=campaign.pk, credit_minor=10_000)
    latecomer = CustomerFactory.create()
    with other_connection() as other:
        redeem_in(other, code.code, CustomerFactory.create())
        late = partial(redeem, code=code.code, user_id=latecomer.user_id, by=acting(latecomer))
        with in_background(late) as waiting:
            wait_for_waiters(1)
            other.rollback()
            assert waiting.finish().refusals == {}
    assert granted(campaign) == 10_000
    assert verify_redemptions() is None


def test_pause_waits_for_a_redemption_in_flight_and_stops_the_next() -> None:
    campaign = CampaignFactory.create()
    code = PromoCodeFactory.create(campaign_id=campaign.pk)
    first, second = CustomerFactory.create_batch(2)
    with other_connection() as other:
        redeem_in(other, code.code, first)
        with in_background(partial(pause_campaign, campaign_id=campaign.pk, by=actor(), reason="stop")) as pausing:
            wait_for_waiters(1)
            other.commit()
            assert pausing.finish().refusals == {}
    with pytest.raises(PromoInactive):
        redeem(code=code.code, user_id=second.user_id, by=acting(second))
    assert Redemption.objects.filter(promo_code=code).count() == 1


def test_control_a_claim_that_reads_and_then_writes_goes_over_the_budget() -> None:
    campaign = CampaignFactory.create(budget_minor=10_000)
    code = PromoCodeFactory.create(campaign_id=campaign.pk, credit_minor=10_000)
    customers = CustomerFactory.create_batch(2)
    with (
        dropped_constraint("promos_budgetcounter", "promos_budgetcounter_used_within_quota"),
        replaced_function("promos_claim_budget", READ_THEN_WRITE),
        other_connection() as gatekeeper,
        ThreadGroup(2) as threads,
    ):
        gatekeeper.execute("SELECT pg_advisory_lock(%s)", [GATE])
        in_flight = threads.start(
            [partial(redeem_or_roll_back, each, code, ending="committed") for each in customers]
        )
        wait_for_waiters(2)
        gatekeeper.execute("SELECT pg_advisory_unlock(%s)", [GATE])
        assert in_flight.finish().values == ["confirmed"] * 2
        assert granted(campaign) == 20_000
        fault = verify_redemptions()
        assert fault == (
            f"campaign {campaign.name}",
            "20000 granted by live redemptions, 20000 counted, budget 10000 of 10000",
        )
