"""The pages of a voucher, a batch and a campaign show their use and the reasons of refusals."""

import re
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from billing.actor import SOVEREIGN_ADMIN, SUPERADMIN, SUPPORT
from orders.use_cases.figures.refresh_figures import LATEST_COMMIT, refresh_figures
from promos.errors import PromoExhausted
from promos.models import Campaign, CampaignFigures, CodeFigures, Redemption
from promos.use_cases.redeem_code import redeem, release
from tests.console import client_of, create_user, refuse_code
from tests.factories import CampaignFactory, CustomerFactory, PromoCodeFactory, actor
from tests.promos.cards.make_batch import active, codes_of, redeem_for
from tests.promos.ranges.make_ranges import act, dealer

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(db: None) -> Client:
    return client_of(create_user(SUPERADMIN))


def page_of(client: Client, model: str, key: object) -> Any:
    answer = client.get(reverse(f"admin:{model}_change", args=[key]))
    assert answer.status_code == HTTPStatus.OK
    return answer


def use_of(client: Client, model: str, key: object) -> dict[str, str]:
    """Return the facts of the panel of use, without markup."""
    [panel] = [each for each in page_of(client, model, key).context["panels"] if each.title == "Use"]
    return {fact.title: str(fact.value).partition(">")[2].partition("<")[0] or fact.value for fact in panel.facts}


def test_use_adds_up_for_a_voucher_and_its_campaign(client: Client) -> None:
    campaign = CampaignFactory.create(name="Spring", status=Campaign.Status.ACTIVE)
    gift = PromoCodeFactory.create(code="GIFT", credit_minor=2_000, campaign_id=campaign.pk, max_redemptions=9)
    other = PromoCodeFactory.create(code="OTHER", credit_minor=500, campaign_id=campaign.pk)
    for code in ("GIFT", "GIFT", "OTHER"):
        redeem(code=code, user_id=CustomerFactory.create().user_id, by=actor())
    release(redemption=Redemption.objects.filter(promo_code=gift).first(), reason="by mistake", by=actor())
    refuse_code("GIFT", PromoExhausted())
    shown = ("Redemptions begun", "Confirmed", "Released", "Credit granted")
    expected = {
        ("promos_promocode", gift.pk): ("2", "1", "1", "2.000 OMR"),
        ("promos_promocode", other.pk): ("1", "1", "0", "0.500 OMR"),
        ("promos_campaign", campaign.pk): ("3", "2", "1", "2.500 OMR"),
    }
    for (model, key), figures in expected.items():
        found = use_of(client, model, key)
        assert tuple(found[name] for name in shown) == figures
    for model, key in (("promos_promocode", gift.pk), ("promos_campaign", campaign.pk)):
        assert "budget is used up, or the card is redeemed" in page_of(client, model, key).content.decode()
    # Counted at night or live, the figures are the same.
    refresh_figures(now=timezone.now() + LATEST_COMMIT)
    assert CodeFigures.objects.filter(promo_code=gift, use__refused={"promo_exhausted": 1}).exists()
    for (model, key), figures in expected.items():
        found = use_of(client, model, key)
        assert tuple(found[name] for name in shown) == figures
    redeem(code="OTHER", user_id=CustomerFactory.create().user_id, by=actor())
    refuse_code("GIFT", PromoExhausted())
    found = use_of(client, "promos_campaign", campaign.pk)
    assert tuple(found[name] for name in shown) == ("4", "3", "1", "3.000 OMR")
    assert "<span>2</span></dd>" in page_of(client, "promos_promocode", gift.pk).content.decode()
    listed = client.get(reverse("admin:promos_promocode_changelist")).content.decode()
    assert '<progress class="use-bar" value="1" max="9"' in listed


def test_a_batch_shows_its_use_and_a_chart_that_can_be_read(client: Client) -> None:
    batch = active()
    code = codes_of(batch)[0]
    redeem_for(CustomerFactory.create(), code)
    assert use_of(client, "promos_batch", batch.pk)["Confirmed"] == "1"
    page = page_of(client, "promos_batch", batch.pk).content.decode()
    assert page.count('class="chart-bar"') == 30
    assert "Redemptions of the last 30 days" in page
    for term in (code, code[-4:], str(batch.first_serial)):
        answer = client.get(reverse("admin:promos_redemption_changelist"), {"q": term})
        assert str(Redemption.objects.get().pk) in answer.content.decode()


def test_the_pages_of_a_batch_and_its_campaign_show_its_dealers(client: Client) -> None:
    campaign = CampaignFactory.create(name="Spring", status=Campaign.Status.ACTIVE)
    batches = [active(name, size=4, campaign_id=campaign.pk) for name in ("SHOPS-1", "SHOPS-2")]
    mall, souq = dealer("Muscat Mall"), dealer("Nizwa Souq")
    act(batches[0], "allocate", 1, 2, dealer=mall)
    act(batches[0], "activate", 1)
    act(batches[0], "allocate", 3, dealer=souq)
    act(batches[1], "allocate", 1, 3, dealer=mall)
    redeem_for(CustomerFactory.create(), codes_of(batches[0])[0])
    assert dealers_of(client, "promos_batch", batches[0].pk) == []
    refresh_figures()
    assert dealers_of(client, "promos_batch", batches[0].pk) == [
        ("Muscat Mall", "2", "1", "1", "5.000 OMR"),
        ("Nizwa Souq", "1", "0", "0", "0.000 OMR"),
    ]
    assert dealers_of(client, "promos_campaign", campaign.pk) == [
        ("Muscat Mall", "5", "1", "1", "5.000 OMR"),
        ("Nizwa Souq", "1", "0", "0", "0.000 OMR"),
    ]
    page = page_of(client, "promos_campaign", campaign.pk).content.decode()
    assert all(reverse("admin:promos_batch_change", args=[batch.pk]) in page for batch in batches)
    seen_by_support = dealers_of(client_of(create_user(SUPPORT)), "promos_batch", batches[0].pk)
    assert seen_by_support == dealers_of(client, "promos_batch", batches[0].pk)
    listed = reverse("admin:promos_batch_changelist")
    for query, expected in (
        ({"promo_code__campaign__name": "Spring"}, 2),
        ({"promo_code__campaign__name": "Summer"}, 0),
        ({"q": "spring"}, 2),
        ({"q": "nizwa"}, 1),
    ):
        assert client.get(listed, query).content.decode().count(">SHOPS-") == expected, query


def dealers_of(client: Client, model: str, key: object) -> list[tuple[str, ...]]:
    """Return the rows of the panel of dealers without markup."""
    [panel] = [each for each in page_of(client, model, key).context["panels"] if each.title.startswith("By dealer")]
    return [tuple(strip_tags(str(cell)) for cell in row) for row in panel.rows]


def test_figures_cost_the_same_for_one_redemption_and_for_many(client: Client) -> None:
    gift = PromoCodeFactory.create(code="GIFT")
    counts = []
    for number in (1, 25):
        for _ in range(number):
            redeem(code="GIFT", user_id=CustomerFactory.create().user_id, by=actor())
            refuse_code("GIFT", PromoExhausted())
        with CaptureQueriesContext(connection) as queries:
            page_of(client, "promos_promocode", gift.pk)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_first_page_draws_what_the_member_of_staff_may_see(client: Client) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=2_000)
    redeem(code="GIFT", user_id=CustomerFactory.create().user_id, by=actor())
    refuse_code("GIFT", PromoExhausted())
    charts = {panel.title: panel for panel in client.get(reverse("admin:index")).context["charts"]}
    assert list(charts) == [
        "Redemptions",
        "Credit granted by vouchers",
        "Completed orders",
        "Revenue of orders by card",
        "Refusals of the last 14 days",
    ]
    assert "highest: 2.000 OMR" in charts["Credit granted by vouchers"].chart
    assert "1" in charts["Refusals of the last 14 days"].chart
    noor = client_of(create_user(SOVEREIGN_ADMIN)).get(reverse("admin:index")).context["charts"]
    seen = [(panel.title, bool(panel.more_url)) for panel in noor]
    # An issuer sees what came of the vouchers, and not the list of the customers who redeemed them.
    assert seen == [
        ("Redemptions", False),
        ("Credit granted by vouchers", False),
        ("Refusals of the last 14 days", True),
    ]


@pytest.mark.parametrize(
    ("model", "last"), [("promos_redemption", "last"), ("promos_refusedattempt", "last_refused")]
)
def test_lists_of_a_campaign_of_many_vouchers_begin_at_its_last_row(
    client: Client, monkeypatch: pytest.MonkeyPatch, model: str, last: str
) -> None:
    monkeypatch.setattr("promos.admin.campaign_lists._MAX_CODES", 1)
    campaigns = [CampaignFactory.create(name=name, status=Campaign.Status.ACTIVE) for name in ("Spring", "Autumn")]
    for campaign, code in zip((*campaigns, *campaigns), ("GIFT", "OTHER", "MORE", "REST"), strict=True):
        PromoCodeFactory.create(code=code, credit_minor=500, campaign_id=campaign.pk)

    def use(*codes: str) -> None:
        for code in codes:
            redeem(code=code, user_id=CustomerFactory.create().user_id, by=actor())
            refuse_code(code, PromoExhausted())

    def listed(campaign: str = "Spring") -> list[str]:
        answer = client.get(reverse(f"admin:{model}_changelist"), {"promo_code__campaign__name": campaign})
        return [each.promo_code.code for each in answer.context["cl"].result_list]

    use("GIFT", "OTHER", "MORE", "GIFT")
    assert listed() == ["GIFT", "MORE", "GIFT"]
    # As if the night had been two hours later, so that what began until now lies before it.
    refresh_figures(now=timezone.now() + timedelta(hours=3))
    use("REST", "MORE")
    assert (listed(), listed("Autumn")) == (["MORE", "GIFT", "MORE", "GIFT"], ["REST", "OTHER"])
    # What the figures know to be empty is not read.
    figures = CampaignFigures.objects.get(campaign__name="Spring")
    assert figures.use is not None
    for instant in ((timezone.now() - timedelta(hours=2)).isoformat(), None):
        CampaignFigures.objects.update(use={**figures.use, last: instant})
        assert listed() == []


def test_a_list_counts_a_bounded_number_of_uses_of_a_voucher_without_a_cap(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promos.admin.states.MAX_COUNTED_USES", 2)
    campaign = CampaignFactory.create(name="Spring", status=Campaign.Status.ACTIVE)
    PromoCodeFactory.create(code="OPEN", credit_minor=500, campaign_id=campaign.pk)

    def shown() -> set[str]:
        addresses = (
            reverse("admin:promos_promocode_changelist"),
            reverse("admin:promos_campaign_change", args=[campaign.pk]),
        )
        pages = [strip_tags(client.get(each).content.decode()) for each in addresses]
        return {found for page in pages for found in re.findall(r"(?:more than )?\d+(?: last night)?, no cap", page)}

    for expected in ("1, no cap", "2, no cap", "more than 2, no cap", "more than 2, no cap"):
        redeem(code="OPEN", user_id=CustomerFactory.create().user_id, by=actor())
        assert shown() == {expected}
    refresh_figures()
    assert shown() == {"4 last night, no cap"}
