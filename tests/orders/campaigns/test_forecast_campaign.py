"""A forecast judges past orders as a redemption judges a new one, and is stored with the campaign."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.actor import SOVEREIGN_ADMIN
from orders.errors import ForecastTooSlow
from orders.models import Order
from orders.use_cases.campaigns import replay_orders as replaying
from orders.use_cases.campaigns.forecast_campaign import Question, forecast_campaign
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from promos.errors import CampaignStateRefuses, InvalidCampaign
from promos.models import Campaign
from promos.models.restrictions import Restrictions
from promos.use_cases.approvals.approve_campaign import CAMPAIGN_APPROVAL, propose_campaign
from promos.use_cases.campaigns.draft_campaign import CampaignTerms, change_draft
from promos.use_cases.restrictions.find_broken_restriction import OrderFacts, find_broken_restriction
from tests.console import client_of, create_user
from tests.factories import (
    CampaignFactory,
    CustomerFactory,
    OrganizationFactory,
    PromoCodeFactory,
    acting,
    actor,
    give_credit,
)
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)


@pytest.fixture
def past(catalog: None) -> None:
    """Three customers bought: one large order, two small ones, and one of them a second time; one used a voucher."""
    PromoCodeFactory.create(code="OLD", credit_minor=1_000)
    for name, plan, days_ago, code in (
        ("ada", "l", 9, ""),
        ("bob", "m", 8, "OLD"),
        ("eve", "m", 7, ""),
        ("bob", "l", 2, ""),
        ("eve", "flexi", 100, ""),
    ):
        customer = CustomerFactory.create(
            user_id=name, email=f"{name}@{'bank.om' if name == 'ada' else 'example.org'}"
        )
        organization = OrganizationFactory.create(customer=customer)
        give_credit(customer, 20_000)
        request = CheckoutRequest(tenant_id=organization.id, plan=plan, promo_code=code)
        place_order(request=request, by=acting(customer), now=NOW - timedelta(days=days_ago))


def forecast(*, credit_minor: int = 5_000, max_redemptions: int = 0, **terms: Any) -> dict[str, Any]:
    campaign = CampaignFactory.create(status=Campaign.Status.DRAFT, **terms)
    question = Question(credit_minor=credit_minor, max_redemptions=max_redemptions, days=30)
    made = forecast_campaign(campaign_id=campaign.pk, question=question, by=actor(), now=NOW)
    assert made.forecast == Campaign.objects.get(pk=campaign.pk).forecast
    return made.forecast or {}


def test_without_rules_each_customer_counts_once(past: None) -> None:
    found = forecast()
    assert (found["orders"], found["qualified_orders"], found["qualified_customers"]) == (4, 4, 3)
    assert (found["worst_redemptions"], found["worst_minor"]) == (3, 15_000)
    assert (found["expected_redemptions"], found["expected_minor"]) == (0, 0)  # a quarter of three used a code
    assert (found["ceiling_minor"], found["full_after_days"], found["sampled_one_in"]) == (None, None, 1)


def test_cap_and_budget_limit_the_cost(past: None) -> None:
    assert forecast(max_redemptions=2)["worst_minor"] == 10_000
    found = forecast(max_redemptions=2, budget_minor=9_999)
    assert (found["worst_minor"], found["ceiling_minor"], found["full_after_days"]) == (5_000, 5_000, 21)


@pytest.mark.parametrize(
    "rules",
    [
        Restrictions(plans=["l"]),
        Restrictions(minimum_order_minor=10_000),
        Restrictions(first_order_only=True),
        Restrictions(email_domains=["bank.om"]),
        Restrictions(customers=["bob"]),
        Restrictions(addons=["backup"]),
        Restrictions(only="top_ups"),
    ],
)
def test_a_past_order_is_refused_as_a_redemption_with_it_would_be(past: None, rules: Restrictions) -> None:
    found = forecast(restrictions=rules)
    campaign = CampaignFactory.create(restrictions=rules)
    code = PromoCodeFactory.create(campaign_id=campaign.pk)
    refused: dict[str, int] = {}
    for order in Order.objects.filter(created_at__gt=NOW - timedelta(days=30)).select_related("customer"):
        earlier = Order.objects.filter(customer=order.customer, created_at__lt=order.created_at)
        broken = find_broken_restriction(
            code,
            customer_id=None,
            user_id=order.customer.user_id,
            email=order.customer.email,
            order=OrderFacts(
                total_minor=order.total_minor,
                plan_id=order.plan_id,
                addon_ids=tuple(order.addons),
                is_first=not earlier.exists(),
            ),
            now=NOW,
        )
        if broken:
            refused[broken.code] = refused.get(broken.code, 0) + 1
    assert found["refused"] == refused
    assert found["qualified_orders"] == 4 - sum(refused.values())
    assert refused


def test_limits_count_the_orders_that_would_have_used_it(past: None) -> None:
    assert forecast(restrictions=Restrictions(uses_per_customer=2))["worst_redemptions"] == 4
    assert forecast(restrictions=Restrictions(uses_per_customer=2, uses_per_month=1))["worst_redemptions"] == 3


def test_many_orders_are_sampled_by_customer(past: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "MAX_REPLAYED", 2)
    found = forecast(restrictions=Restrictions(uses_per_customer=9))
    assert found["sampled_one_in"] == 2
    assert found["orders"] in (0, 2, 4, 6, 8)
    assert found["worst_redemptions"] == found["orders"]


def test_a_replay_that_takes_too_long_is_refused(past: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "MAX_SECONDS", 0.05)
    monkeypatch.setattr(replaying, "_REPLAY", "SELECT pg_sleep(9) WHERE %(one_in)s > 0")
    campaign = CampaignFactory.create(status=Campaign.Status.DRAFT)
    with nothing_changes(), pytest.raises(ForecastTooSlow):
        forecast_campaign(campaign_id=campaign.pk, question=Question(credit_minor=1), by=actor())


def test_only_what_has_not_started_is_forecast(db: None) -> None:
    campaign = CampaignFactory.create()
    with nothing_changes(), pytest.raises(CampaignStateRefuses):
        forecast_campaign(campaign_id=campaign.pk, question=Question(credit_minor=1), by=actor())
    with nothing_changes(), pytest.raises(InvalidCampaign) as refused:
        wrong = Question(credit_minor=0, max_redemptions=-1, days=0)
        forecast_campaign(campaign_id=campaign.pk, question=wrong, by=actor())
    assert set(refused.value.fields or {}) == {"credit", "max_redemptions", "days"}


def test_the_person_who_approves_sees_the_figures_and_whether_they_are_stale(past: None) -> None:
    campaign = CampaignFactory.create(status=Campaign.Status.DRAFT, name="Spring")
    client = client_of(create_user(SOVEREIGN_ADMIN))
    page = f"/admin/promos/campaign/{campaign.pk}/"
    client.submit(f"{page}forecast/", {"credit": "5", "max_redemptions": "2", "days": ""}, follow=True)
    shown = client.get(f"{page}approve/").content.decode()
    assert "Worst cost" in shown
    proposal = propose_campaign(campaign_id=campaign.pk, by=actor(), reason="for spring")
    lines = {each.name: each.after for each in CAMPAIGN_APPROVAL.differences(proposal.arguments, proposal.state)}
    worst = Campaign.objects.get(pk=campaign.pk).forecast or {}
    assert lines["Worst cost"] == f"{worst['worst_minor'] / 1000:.3f} OMR"
    assert "Out of date" not in shown
    change_draft(campaign_id=campaign.pk, terms=CampaignTerms(name="Spring", budget_minor=9_000), by=actor())
    assert "Out of date" in client.get(f"{page}change/").content.decode()
