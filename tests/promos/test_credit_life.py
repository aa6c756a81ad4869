"""Codes and campaigns give their credit a life: days after the redemption, or an instant."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from billing.models import Account, LedgerEntry
from promos.errors import InvalidPromo, PromoExpired
from promos.models import PromoCode, Redemption
from promos.use_cases.issue_code import Terms, issue_code
from promos.use_cases.redeem_code import confirm, redeem, reserve
from tests.factories import CampaignFactory, CustomerFactory, PromoCodeFactory, acting, actor

pytestmark = pytest.mark.django_db

NOW = timezone.now()
DAY = timedelta(days=1)
DATE = datetime(2031, 1, 1, tzinfo=UTC)
LIVES: list[tuple[dict[str, Any], dict[str, Any], datetime | None]] = [
    ({}, {}, None),
    ({"credit_days": 3}, {}, NOW + 3 * DAY),
    ({"credit_expires_at": DATE}, {}, DATE),
    ({}, {"credit_days": 90}, NOW + 90 * DAY),
    ({}, {"credit_expires_at": DATE}, DATE),
    ({"credit_days": 3}, {"credit_expires_at": DATE}, NOW + 3 * DAY),
    ({"credit_expires_at": DATE}, {"credit_days": 90}, DATE),
    ({"credit_expires_at": DATE, "credit_days": 3}, {}, NOW + 3 * DAY),
    ({"credit_expires_at": NOW + DAY, "credit_days": 3}, {}, NOW + DAY),
]


@pytest.mark.parametrize(("of_code", "of_campaign", "expiry"), LIVES)
def test_credit_lasts_as_the_code_says_or_else_its_campaign(
    of_code: dict[str, Any], of_campaign: dict[str, Any], expiry: datetime | None
) -> None:
    campaign = CampaignFactory.create(credit_class="sold", **of_campaign)
    code = PromoCodeFactory.create(code="GIFT", campaign_id=campaign.pk, **of_code)
    ada = CustomerFactory.create(user_id="ada")
    redeem(code="GIFT", user_id="ada", by=acting(ada), now=NOW)
    grant = LedgerEntry.objects.get(kind="grant")
    assert (grant.expires_at, grant.credit_class) == (expiry, "sold")
    assert Redemption.objects.get().credit_expires_at == expiry
    assert Account.objects.get(pk=ada.pk).next_expiry == expiry
    assert PromoCode.objects.get(pk=code.pk).expiry_of_credit(redeemed_at=NOW) == expiry


def test_reserved_credit_expires_as_if_it_had_been_granted_at_once() -> None:
    code = PromoCodeFactory.create(code="GIFT", credit_days=3)
    ada = CustomerFactory.create(user_id="ada")
    code = PromoCode.objects.get(pk=code.pk)
    reserved = reserve(promo_code=code, customer_id=ada.pk, order_id=code.pk, now=NOW)
    confirm(redemption=reserved, by=acting(ada))
    assert LedgerEntry.objects.get(kind="grant").expires_at == NOW + 3 * DAY


@pytest.mark.parametrize("at", ["code", "campaign"])
def test_a_code_whose_credit_has_expired_is_refused(at: str) -> None:
    life: dict[str, Any] = {"credit_expires_at": NOW}
    of_campaign, of_code = (life, {}) if at == "campaign" else ({}, life)
    campaign = CampaignFactory.create(**of_campaign)
    PromoCodeFactory.create(code="GIFT", campaign_id=campaign.pk, **of_code)
    ada = CustomerFactory.create(user_id="ada")
    with pytest.raises(PromoExpired):
        redeem(code="GIFT", user_id="ada", by=acting(ada), now=NOW)
    redeem(code="GIFT", user_id="ada", by=acting(ada), now=NOW - timedelta(microseconds=1))


def test_a_top_up_first_posts_what_has_expired() -> None:
    for name, life in (("OLD", {"credit_days": 1}), ("NEW", {})):
        PromoCodeFactory.create(code=name, credit_minor=10, **life)
    ada = CustomerFactory.create(user_id="ada")
    redeem(code="OLD", user_id="ada", by=acting(ada), now=NOW - 2 * DAY)
    redeem(code="NEW", user_id="ada", by=acting(ada), now=NOW)
    kinds = LedgerEntry.objects.order_by("version").values_list("kind", "balance_after_minor")
    assert list(kinds) == [("grant", 10), ("expiry", 0), ("grant", 10)]


@pytest.mark.parametrize(
    ("life", "field"),
    [
        ({"credit_days": 0}, "credit_days"),
        ({"credit_days": 3_651}, "credit_days"),
    ],
)
def test_a_life_has_a_positive_number_of_days(life: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidPromo) as refused:
        issue_code(code="GIFT", terms=Terms(credit_minor=1, **life), by=actor())
    assert list(refused.value.fields or ()) == [field]


def test_sql_and_python_agree_on_the_expiry() -> None:
    for number, (of_code, of_campaign, _) in enumerate(LIVES):
        campaign = CampaignFactory.create(**of_campaign)
        code = PromoCodeFactory.create(code=f"GIFT{number}", campaign_id=campaign.pk, **of_code)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT promos_credit_expiry(p, g, %s) FROM promos_promocode p"
                " JOIN promos_campaign g ON g.id = p.campaign_id WHERE p.id = %s",
                [NOW, code.pk],
            )
            assert cursor.fetchone() == (PromoCode.objects.get(pk=code.pk).expiry_of_credit(redeemed_at=NOW),)
