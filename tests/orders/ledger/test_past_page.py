"""The page as of a past instant answers at once for what was redeemed often, and adds it up if it is asked to."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orders.use_cases.top_up import top_up
from promos.models import Campaign, CampaignFigures, CodeFigures, PromoCode, UseSnapshot
from promos.use_cases.past.voucher_at import MAX_APART, MAX_RECOUNTED
from tests.console import client_of, create_user
from tests.factories import CampaignFactory, CustomerFactory, PromoCodeFactory, acting

pytestmark = pytest.mark.django_db(transaction=True)
PAST = reverse("admin:billing_ledgerentry_past")
LINK = "Add up all redemptions, which may take minutes"


@pytest.fixture
def code() -> PromoCode:
    made = PromoCodeFactory.create(
        code="OFTEN", credit_minor=5_000, campaign_id=CampaignFactory.create(name="Big").pk
    )
    top_up(code="OFTEN", by=acting(CustomerFactory.create()))
    return made


def figures_of_the_night(code: PromoCode, *, redemptions: int) -> None:
    parts = {"granted_minor": 9_000, "spent_minor": 2_000, "expired_minor": 1_000, "left_minor": 6_000}
    counts = {"redemptions": redemptions, "customers": redemptions, "paying_customers": 0}
    now = timezone.now()
    CodeFigures.objects.create(promo_code=code, **parts, **counts, last_used_at=now, as_of=now)
    CampaignFigures.objects.create(
        campaign=Campaign.objects.get(name="Big"), **parts, **counts, last_used_at=now, as_of=now
    )


@pytest.fixture
def finance() -> Client:
    return client_of(create_user("finance"))


def past(client: Client, query: str) -> str:
    answer = client.get(f"{PAST}?{query}")
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("query", ["code=often", "campaign=big"])
def test_many_redemptions_are_not_added_up_unasked(finance: Client, code: PromoCode, query: str) -> None:
    figures_of_the_night(code, redemptions=MAX_RECOUNTED + 1)
    shown = past(finance, query)
    assert "Figures of the last night" in shown and LINK in shown
    assert f"{MAX_RECOUNTED + 1:,}" in shown and "6.000" in shown
    assert "Live redemptions" not in shown
    added_up = past(finance, f"{query}&waits=1")
    assert "Live redemptions" in added_up and "5.000" in added_up and LINK not in added_up


@pytest.mark.parametrize("query", ["code=often", "campaign=big"])
def test_few_redemptions_are_added_up_at_once(finance: Client, code: PromoCode, query: str) -> None:
    figures_of_the_night(code, redemptions=MAX_RECOUNTED)
    shown = past(finance, query)
    assert "Live redemptions" in shown and LINK not in shown


@pytest.mark.parametrize("query", ["code=often", "campaign=big"])
def test_the_figures_of_an_instant_near_a_snapshot_are_exact(finance: Client, code: PromoCode, query: str) -> None:
    figures_of_the_night(code, redemptions=MAX_RECOUNTED + 1)
    now = timezone.now()
    nothing = dict.fromkeys(("redemptions", "customers", "granted_minor", "taken_back_minor", "held_minor"), 0)
    field = "promo_code" if query.startswith("code") else "campaign"
    of_it = {field: code if field == "promo_code" else code.campaign}
    UseSnapshot.objects.create(at=now - timedelta(hours=6), left_minor=0, **of_it, **nothing)
    shown = past(finance, query)
    assert "Live redemptions" in shown and "5.000" in shown and LINK not in shown
    far = (now + MAX_APART).isoformat()
    assert LINK in past(finance, urlencode({"at": far}) + "&" + query)
