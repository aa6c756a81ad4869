"""The snapshots that a job stores several times a day, and the figures of other instants that follow from them."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from billing.use_cases.ledger.post_entry import grant_credit
from orders.use_cases.customers.merge_customers import merge_customers
from orders.use_cases.figures.refresh_figures import refresh_figures
from promos.models import PromoCode, Redemption, UseSnapshot
from promos.use_cases.past import store_snapshots as snapshots
from promos.use_cases.past.figures_at import Figures, Scope, figures_at, recount
from promos.use_cases.past.store_snapshots import STEP, store_snapshots
from promos.use_cases.redeem_code import redeem, release
from tests.factories import CampaignFactory, CustomerFactory, PromoCodeFactory, acting, actor

pytestmark = pytest.mark.django_db(transaction=True)
FIGURES = ("redemptions", "customers", "granted_minor", "taken_back_minor", "left_minor", "held_minor")
USERS = ("ada", "bob", "cyd")
MARGIN = timedelta(minutes=6)


@pytest.fixture
def scope(monkeypatch: pytest.MonkeyPatch) -> Scope:
    """A campaign with two codes, of which three customers redeemed one that gives expiring credit."""
    monkeypatch.setattr(snapshots, "MAX_RECOUNTED", 1)
    campaign = CampaignFactory.create(name="Big")
    for code in ("OFTEN", "RARE"):
        PromoCodeFactory.create(code=code, credit_minor=5_000, credit_days=2, campaign_id=campaign.pk)
    for user in USERS:
        redeem(code="OFTEN", user_id=user, by=acting(CustomerFactory.create(user_id=user)))
    redeem(code="RARE", user_id="ada", by=actor())
    refresh_figures()
    return Scope("campaign", campaign.pk)


def stored(at: datetime) -> list[Figures]:
    """The figures of the campaign and of its code."""
    found = UseSnapshot.objects.filter(at=at).order_by("promo_code__code")
    return [Figures(**{name: getattr(each, name) for name in FIGURES}) for each in found]


def last_instant(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=now.astimezone(UTC).hour // 2 * 2, minute=0, second=0, microsecond=0)


@pytest.mark.parametrize("recounts", [True, False])
def test_a_run_stores_every_second_hour_since_the_first_redemption_once(scope: Scope, recounts: bool) -> None:
    last = last_instant(timezone.now() + timedelta(days=4))
    assert store_snapshots(now=last + MARGIN, recounts=recounts) == 2 * 48
    assert store_snapshots(now=last + MARGIN, recounts=recounts) == 0
    often = Scope("promo_code", PromoCode.objects.get(code="OFTEN").pk)
    for step in range(48):
        at = last - step * STEP
        assert stored(at) == [recount(often, at=at), recount(scope, at=at)]
    # The credit lives two days, and no job has posted its expiry.
    assert stored(last - 47 * STEP)[1] == Figures(
        redemptions=4, customers=3, granted_minor=20_000, taken_back_minor=0, left_minor=20_000, held_minor=0
    )
    assert stored(last)[1].left_minor == 0
    assert store_snapshots(now=last + STEP + MARGIN) == 2


def test_a_recount_ends_the_mistake_of_an_earlier_snapshot(scope: Scope) -> None:
    last = last_instant(timezone.now() + timedelta(days=1))
    wrong = asdict(recount(scope, at=last)) | {"redemptions": 99}
    UseSnapshot.objects.create(campaign_id=scope.key, at=last, **wrong)
    store_snapshots(now=last + STEP + MARGIN, recounts=True)
    assert stored(last + STEP)[1] == recount(scope, at=last + STEP)


def test_what_is_rarely_used_has_no_snapshot(scope: Scope) -> None:
    store_snapshots(now=timezone.now() + timedelta(days=1))
    assert UseSnapshot.objects.exists()
    assert not UseSnapshot.objects.filter(promo_code__code="RARE").exists()


def test_a_snapshot_of_the_last_minutes_waits_for_their_transactions(scope: Scope) -> None:
    last = last_instant(timezone.now() + timedelta(days=1))
    store_snapshots(now=last + timedelta(minutes=4))
    assert not stored(last)
    store_snapshots(now=last + timedelta(minutes=6))
    assert stored(last)


@pytest.mark.parametrize("snapshot", ["before", "between", "after"])
def test_figures_follow_from_a_snapshot_across_releases_and_merges(scope: Scope, snapshot: str) -> None:
    instants = {"before": timezone.now()}
    figures_before = recount(scope, at=instants["before"])
    release(redemption=Redemption.objects.get(customer__user_id="bob"), reason="a mistake", by=actor())
    instants["between"] = timezone.now()
    merge_customers(merged_user_id="cyd", into_user_id="ada", reason="the same person", by=actor())
    ada = Redemption.objects.filter(customer__user_id="ada")[0].customer_id
    grant_credit(customer_id=ada, amount_minor=1, reason="gift", by=actor())
    instants["after"] = timezone.now()
    kept = figures_before if snapshot == "before" else recount(scope, at=instants[snapshot])
    UseSnapshot.objects.create(campaign_id=scope.key, at=instants[snapshot], **asdict(kept))
    for at in instants.values():
        assert figures_at(scope, at=at) == recount(scope, at=at)
    assert recount(scope, at=instants["before"]) == figures_before
