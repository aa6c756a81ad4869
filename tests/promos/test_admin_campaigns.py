"""Campaigns in the console: each act, and the changes of their budget and end."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest
from django.urls import reverse

from billing.actor import AUDITOR, SOVEREIGN_ADMIN, SUPERADMIN
from billing.models import AuditEntry, User
from promos.models import Campaign
from promos.models.campaign import DEFAULT_CAMPAIGN
from promos.use_cases.redeem_code import redeem
from tests.console import Browser, client_of, create_user, form_errors, shown_messages
from tests.factories import CampaignFactory, CustomerFactory, PromoCodeFactory, acting
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db

ADD = "/admin/promos/campaign/add/"
WHY = "agreed with marketing"
TERMS = {"name": "Spring", "budget": "20.000", "credit_class": "promotional", "owner_email": "", "reason": WHY}


@pytest.fixture
def omar(db: None) -> User:
    return create_user(SOVEREIGN_ADMIN)


@pytest.fixture
def client(omar: User) -> Browser:
    return client_of(omar)


def page_of(campaign: Campaign, act: str = "change") -> str:
    return reverse(f"admin:promos_campaign_{act}", args=[campaign.pk])


def latest_changes() -> Any:
    return AuditEntry.objects.filter(object_type="campaign").latest("created_at").changes


def tools(client: Browser, campaign: Campaign) -> list[str]:
    return [tool.title for tool in client.get(page_of(campaign)).context["tools"]]


def test_a_draft_is_approved_by_somebody_else(client: Browser, omar: User) -> None:
    with only_changes("promos_campaign", "promos_budgetcounter", "billing_auditentry"):
        answer = client.submit(ADD, TERMS, follow=True)
    assert shown_messages(answer) == ["Spring is a draft. Somebody else must approve it."]
    campaign = Campaign.objects.get(name="Spring")
    assert (campaign.budget_minor, campaign.drafted_by, campaign.status) == (20_000, omar.sub, "draft")
    with nothing_changes():
        answer = client.submit(page_of(campaign, "approve"), {"reason": WHY})
    assert "Someone other than the person who drafted" in str(form_errors(answer))
    other = client_of(create_user(SUPERADMIN))
    assert ("Approve" in tools(client, campaign), "Approve" in tools(other, campaign)) == (False, True)
    other.submit(page_of(campaign, "approve"), {"reason": WHY})
    other.submit(page_of(campaign, "activate"), {"reason": WHY})
    campaign.refresh_from_db()
    assert campaign.status == "active"
    assert latest_changes() == {"status": ["approved", "active"]}


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("draft", ["Propose", "Approve", "End", "Change the draft", "Issue a voucher", "What if"]),
        ("approved", ["Activate", "End", "Change the budget", "Change the end", "Issue a voucher", "What if"]),
        ("active", ["Pause", "End", "Change the budget", "Change the end", "Issue a voucher"]),
        ("paused", ["Activate", "End", "Change the budget", "Change the end", "Issue a voucher"]),
        ("ended", []),
    ],
)
def test_a_page_offers_what_its_state_allows(client: Browser, status: str, shown: list[str]) -> None:
    assert tools(client, CampaignFactory.create(status=Campaign.Status(status))) == shown


def test_the_campaign_of_loose_vouchers_offers_nothing(client: Browser) -> None:
    assert tools(client, Campaign.objects.get(pk=DEFAULT_CAMPAIGN)) == []


def test_a_draft_is_changed(client: Browser, omar: User) -> None:
    campaign = CampaignFactory.create(status=Campaign.Status.DRAFT, name="Spring", budget_minor=20_000)
    client.submit(page_of(campaign, "redraft"), {**TERMS, "budget": "5", "hot": "on"})
    campaign.refresh_from_db()
    assert (campaign.budget_minor, campaign.hot, campaign.drafted_by) == (5_000, True, omar.sub)
    assert campaign.counters.count() == 16


def test_a_budget_under_what_is_used_is_refused_at_its_field(client: Browser) -> None:
    campaign = CampaignFactory.create(budget_minor=20_000)
    code = PromoCodeFactory.create(campaign_id=campaign.pk, credit_minor=10_000)
    customer = CustomerFactory.create()
    redeem(code=code.code, user_id=customer.user_id, by=acting(customer))
    with nothing_changes():
        answer = client.submit(page_of(campaign, "budget"), {"budget": "9.999", "reason": WHY})
    assert list(form_errors(answer)) == ["budget"]
    client.submit(page_of(campaign, "budget"), {"budget": "30", "reason": WHY})
    assert latest_changes() == {"budget_minor": [20_000, 30_000]}


def test_the_end_is_moved(client: Browser) -> None:
    campaign = CampaignFactory.create()
    client.submit(page_of(campaign, "window"), {"ends_at": "2099-01-01T00:00", "reason": WHY})
    campaign.refresh_from_db()
    assert campaign.ends_at == datetime(2099, 1, 1, tzinfo=UTC)


def test_a_voucher_is_issued_in_a_campaign(client: Browser) -> None:
    campaign = CampaignFactory.create()
    address = f"{reverse('admin:promos_promocode_add')}?campaign={campaign.pk}"
    form = client.get(address).context["form"]
    assert form["campaign"].value() == str(campaign.pk)
    terms = {"code": "SPRING", "credit": "1", "max_redemptions": "0", "active": "on", "reason": WHY}
    client.submit(reverse("admin:promos_promocode_add"), {**terms, "campaign": str(campaign.pk)})
    assert list(campaign.codes.values_list("code", flat=True)) == ["SPRING"]
    assert "SPRING" in client.get(page_of(campaign)).content.decode()


def test_an_auditor_sees_campaigns_and_changes_none(db: None) -> None:
    campaign = CampaignFactory.create()
    auditor = client_of(create_user(AUDITOR))
    assert tools(auditor, campaign) == []
    for act in ("approve", "activate", "pause", "end", "redraft", "budget", "window"):
        assert auditor.get(page_of(campaign, act)).status_code == HTTPStatus.FORBIDDEN
    assert auditor.get(ADD).status_code == HTTPStatus.FORBIDDEN
