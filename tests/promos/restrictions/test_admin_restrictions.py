"""Restrictions in the console: entered on a campaign, a voucher and a batch, refused at their fields, and shown."""

from typing import Any

import pytest
from django.urls import reverse

from billing.actor import SOVEREIGN_ADMIN
from billing.models import AuditEntry
from orders.models import Plan
from promos.models import Batch, Campaign, PromoCode
from tests.console import Browser, client_of, create_user, form_errors
from tests.factories import CampaignFactory, PlanFactory, PromoCodeFactory
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db

WHY = "agreed with marketing"
CAMPAIGN = {"name": "Spring", "budget": "20.000", "credit_class": "promotional", "reason": WHY}
VOUCHER = {"code": "GIFT", "credit": "1", "max_redemptions": "0", "active": "on", "reason": WHY}
BATCH = {
    "name": "SHOPS-1",
    "credit": "5",
    "size": "3",
    "pattern": "####-####-####",
    "alphabet": "letters",
    "reason": WHY,
}
ADD = {
    "campaign": ("admin:promos_campaign_add", CAMPAIGN),
    "voucher": ("admin:promos_promocode_add", VOUCHER),
    "batch": ("admin:promos_batch_add", BATCH),
}


@pytest.fixture
def client(db: None) -> Browser:
    return client_of(create_user(SOVEREIGN_ADMIN))


@pytest.fixture
def plan() -> Plan:
    return PlanFactory.create(slug="m", name="Medium")


def stored(kind: str) -> Any:
    if kind == "campaign":
        return Campaign.objects.get(name="Spring").restrictions
    return (PromoCode.objects.get() if kind == "voucher" else Batch.objects.get().promo_code).restrictions


@pytest.mark.parametrize("kind", ADD)
def test_restrictions_are_entered_shown_and_audited(client: Browser, plan: Plan, kind: str) -> None:
    address, terms = ADD[kind]
    entered = {
        "plans": [str(plan.pk)],
        "minimum_order": "20",
        "first_order_only": "on",
        "email_domains": "Bank.om, example.org",
        "customers": "Ada@Example.org\r\nuser-7",
        **({} if kind == "voucher" else {"uses_per_day": "2"}),
    }
    page = client.submit(reverse(address), {**terms, **entered}, follow=True)
    limits = {} if kind == "voucher" else {"uses_per_day": 2, "time_zone": "UTC"}
    assert stored(kind) == {
        "only": "orders",
        "plans": [str(plan.pk)],
        "minimum_order_minor": 20_000,
        "first_order_only": True,
        "email_domains": ["bank.om", "example.org"],
        "customers": ["ada@example.org", "user-7"],
        **limits,
    }
    assert AuditEntry.objects.latest("pk").changes["restrictions"] == [None, stored(kind)]
    facts = {fact.title: str(fact.value) for fact in page.context["facts"]}
    for sentence in (
        "Only with the plan Medium.",
        "Only for orders of at least 20.000 OMR.",
        "Only for these customers: ada@example.org, user-7.",
    ):
        assert sentence in facts["Restrictions"]
    assert "Restricted" in client.get(reverse(address.replace("_add", "_changelist"))).content.decode()


@pytest.mark.parametrize(
    ("field", "entered"),
    [
        ("only", {"only": "top_ups", "minimum_order": "1"}),
        ("only", {"only": "gifts"}),
        ("plans", {"plans": ["5f0c2f4e-0000-4000-8000-000000000000"]}),
        ("minimum_order", {"minimum_order": "-1"}),
        ("minimum_order", {"minimum_order": "many"}),
        ("email_domains", {"email_domains": "bank"}),
        ("customers", {"customers": "x" * 256}),
        ("uses_per_week", {"uses_per_week": "0"}),
    ],
)
@pytest.mark.parametrize("kind", ["campaign", "batch"])
def test_bad_input_is_told_at_its_field(
    client: Browser, plan: Plan, *, kind: str, field: str, entered: dict[str, Any]
) -> None:
    address, terms = ADD[kind]
    with nothing_changes():
        answer = client.submit(reverse(address), {**terms, **entered})
    assert list(form_errors(answer)) == [field]
    assert b'folded" open>' in answer.content


def test_terms_that_are_saved_unchanged_keep_the_restrictions(client: Browser, plan: Plan) -> None:
    code = PromoCodeFactory.create(
        code="GIFT", restrictions={"plans": ["m"], "customers": ["ada", "bob"], "minimum_order_minor": 5_000}
    )
    page = reverse("admin:promos_promocode_change", args=[code.pk])
    form = client.get(page).context["form"]
    shown = {name: form[name].value() for name in form.fields if form[name].value()}
    assert (shown["plans"], shown["customers"]) == ([str(plan.pk)], "ada\nbob")
    sent = {**shown, "credit": "10.000", "max_redemptions": "0", "minimum_order": "5.000", "reason": WHY}
    before = PromoCode.objects.values().get()
    client.submit(page, sent)
    assert PromoCode.objects.values().get() == before
    client.submit(page, {**sent, "plans": [], "minimum_order": "", "only": "", "customers": "ada"})
    code.refresh_from_db()
    assert code.restrictions == {"customers": ["ada"]}


def test_a_draft_is_changed_and_its_vouchers_show_the_campaigns_rules(client: Browser) -> None:
    campaign = CampaignFactory.create(status="draft", name="Spring", restrictions={"only": "top_ups"})
    code = PromoCodeFactory.create(campaign_id=campaign.pk)
    page = client.get(reverse("admin:promos_promocode_change", args=[code.pk]))
    facts = {fact.title: str(fact.value) for fact in page.context["facts"]}
    assert facts["Restrictions of its campaign"] == "Only into the balance, not with an order."
    client.submit(reverse("admin:promos_campaign_redraft", args=[campaign.pk]), CAMPAIGN)
    assert stored("campaign") is None
