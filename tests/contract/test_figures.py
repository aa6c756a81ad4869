"""The figures of vouchers, campaigns, batches and dealers over the API are those of the console's pages."""

import pytest
from django.utils import timezone

from billing.local_time import local_day
from billing.models import Customer
from billing.use_cases.ledger.post_entry import adjust_credit
from orders.use_cases.figures.refresh_figures import refresh_figures
from promos.errors import PromoExhausted
from promos.models import Campaign, Redemption
from promos.use_cases.redeem_code import redeem, release
from tests.console import refuse_code
from tests.factories import CampaignFactory, CustomerFactory, PromoCodeFactory, actor
from tests.promos.cards.make_batch import active, codes_of, redeem_for
from tests.promos.ranges.make_ranges import act, dealer

from .api_client import Caller, by_token
from .json_shapes import assert_refused

pytestmark = pytest.mark.django_db

MONEY = {"granted": 4_000, "spent": 1_500, "expired": 0, "outstanding": 2_500}


@pytest.fixture
def noor() -> Caller:
    return by_token("sovereign-admin", "noor")


def money(**amounts: int) -> dict[str, object]:
    minor = {f"{name}_minor": amount for name, amount in amounts.items()}
    omr = {f"{name}_omr": amount / 1000 for name, amount in amounts.items()}
    return {**minor, **omr, **{f"{name}_baisa": amount for name, amount in amounts.items()}, "currency": "OMR"}


def test_the_figures_of_a_voucher_and_its_campaign_add_up(noor: Caller) -> None:
    campaign = CampaignFactory.create(name="Spring", status=Campaign.Status.ACTIVE)
    PromoCodeFactory.create(code="GIFT", credit_minor=2_000, campaign_id=campaign.pk)
    for _ in range(3):
        redeem(code="GIFT", user_id=CustomerFactory.create().user_id, by=actor())
    given_back, spent, _ = Redemption.objects.order_by("id")
    release(redemption=given_back, reason="by mistake", by=actor())
    adjust_credit(customer_id=spent.customer_id, amount_minor=-1_500, why="a spend", by=actor())
    refuse_code("GIFT", PromoExhausted())
    refresh_figures()
    for code in ("gift", "GIFT", "nope"):
        by_token("customer", "ada").post("billing/vouchers/redeem-preview", {"code": code})
    path = f"billing/campaigns/{campaign.pk}/figures"
    answer = noor.get(path + "?days=2")
    assert answer.status == 200
    credit = answer.body["credit"]
    assert credit | money(**MONEY) == credit
    assert (credit["redemptions"], credit["customers"], credit["paying_customers"]) == (2, 2, 0)
    assert (credit["conversion_percent"], credit["as_of"] is None) == (0, False)
    use = answer.body["use"]
    assert use | {"previewed": 2, "begun": 3, "reserved": 0, "confirmed": 2, "released": 1} == use
    assert (use["granted_minor"], use["reserved_credit_minor"]) == (4_000, 0)
    assert answer.body["dealers"] == []
    yesterday, today = answer.body["by_day"]
    assert today == {"day": str(local_day(timezone.now())), "begun": 3, "confirmed": 2, **money(granted=4_000)}
    assert yesterday["begun"] == 0
    assert answer.body["refusals"] == [
        {
            "rule": "promo_exhausted",
            "description": "The cap or the campaign's budget is used up, or the card is redeemed.",
            "attempts": 1,
        }
    ]
    assert noor.get("billing/vouchers/figures/gift?days=2").body == answer.body
    assert by_token("finance").get(path + "?days=2").body == {
        name: value for name, value in answer.body.items() if name != "refusals"
    }


def test_the_figures_of_a_batch_and_its_dealer(noor: Caller) -> None:
    batch, mall = active("SHOPS-1", size=3), dealer()
    act(batch, "allocate", 1, 2, dealer=mall)
    act(batch, "activate", 1)
    mall.refresh_from_db()
    redeem_for(CustomerFactory.create(), codes_of(batch)[0])
    path, page = f"billing/batches/{batch.promo_code_id}/figures", f"billing/dealers/{mall.public_id}/figures"
    before = noor.get(path).body
    assert (before["credit"]["as_of"], before["use"]["confirmed"], len(before["by_day"])) == (None, 1, 30)
    assert noor.get(page).body == {"as_of": None, "allocated": 0, "activated": 0, "redeemed": 0, **money(credit=0)}
    refresh_figures()
    answer = noor.get(path).body
    assert answer["credit"]["outstanding_minor"] == 5_000
    held = {"allocated": 2, "activated": 1, "redeemed": 1, **money(credit=5_000)}
    assert answer["dealers"] == [{"dealer_id": str(mall.public_id), "name": mall.name, **held}]
    found = noor.get(page).body
    assert found | {"allocated": 2, "activated": 1, "redeemed": 1, **money(credit=5_000)} == found


def test_unknown_records_and_days(noor: Caller) -> None:
    unknown = "01890000-0000-7000-8000-000000000000"
    assert_refused(noor.get("billing/vouchers/figures/NOPE"), 404, "promo_not_found")
    assert_refused(noor.get(f"billing/campaigns/{unknown}/figures"), 404, "campaign_not_found")
    assert_refused(noor.get(f"billing/batches/{unknown}/figures"), 404, "batch_not_found")
    assert_refused(noor.get(f"billing/dealers/{unknown}/figures"), 404, "dealer_not_found")
    PromoCodeFactory.create(code="GIFT")
    for days in ("0", "367", "x", ""):
        assert "days" in noor.get(f"billing/vouchers/figures/GIFT?days={days}").body["fields"]
    assert not Customer.objects.exists()
