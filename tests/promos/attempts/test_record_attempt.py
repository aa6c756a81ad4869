"""Every refusal of a code is remembered with its rule and the values that decided, and none makes a request fail."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.actor import CUSTOMER, SUPERADMIN, Actor
from orders.use_cases.prune_expired import prune_expired
from promos.errors import PromoExpired, PromoNotFound, PromoProblem
from promos.models import Campaign, Redemption, RefusedAttempt
from promos.use_cases.attempts import record_attempt as recording
from promos.use_cases.attempts.record_attempt import hashes_of, record_attempt
from promos.use_cases.attempts.rules import rule_names
from promos.use_cases.change_code import retire_code
from promos.use_cases.code_guessing import limit_refused_codes
from promos.use_cases.redeem_code import redeem
from promos.use_cases.restrictions.find_broken_restriction import OrderFacts, find_broken_restriction
from tests.console import client_of, create_user, refuse_code
from tests.factories import (
    AddOnFactory,
    CampaignFactory,
    CustomerFactory,
    PlanFactory,
    PromoCodeFactory,
    actor,
)
from tests.promos.cards.make_batch import active, codes_of, released

pytestmark = pytest.mark.django_db(transaction=True)

ADA = Actor(user_id="ada", role=CUSTOMER, channel="api", address="203.0.113.9")
AT = datetime(2026, 11, 1, tzinfo=UTC)


def refused(code: str) -> RefusedAttempt:
    """Redeem the code as Ada, which fails, and return what staff see of it."""
    with pytest.raises(PromoProblem), limit_refused_codes(code=code, act=RefusedAttempt.Act.REDEMPTION, by=ADA):
        redeem(code=code, user_id="ada", by=ADA)
    return RefusedAttempt.objects.get()


@pytest.mark.parametrize(
    ("terms", "rule", "values"),
    [
        ({"active": False}, "promo_inactive", {"active": False, "campaign_status": "active"}),
        ({"expires_at": AT}, "promo_expired", {"expires_at": AT.isoformat()}),
        ({"starts_at": AT + timedelta(days=9999)}, "promo_not_started", {"starts_at": "2054-03-18T00:00:00+00:00"}),
    ],
)
def test_a_refusal_names_the_values_of_the_code(terms: dict[str, Any], rule: str, values: dict[str, Any]) -> None:
    code = PromoCodeFactory.create(code="GIFT", **terms)
    attempt = refused(" gift ")
    assert (attempt.rule, attempt.values) == (rule, values)
    assert (attempt.code, attempt.promo_code, attempt.card_serial) == ("GIFT", code, None)
    assert (attempt.user_id, attempt.address, attempt.channel) == ("ada", ADA.address, "api")


@pytest.mark.parametrize(
    ("rules", "of_campaign", "rule", "values"),
    [
        ({"only": "orders"}, {}, "promo_needs_order", {"only": "orders"}),
        (
            {"email_domains": ["bank.om"]},
            {},
            "promo_email_not_eligible",
            {"email": "", "email_domains": ["bank.om"]},
        ),
        ({"customers": ["bob"]}, {}, "promo_customer_not_eligible", {"email": ""}),
        (
            {"uses_per_customer": 5, "uses_per_day": 1},
            {"uses_per_day": 2},
            "promo_daily_limit",
            {"uses_per_day": 1, "used": 1, "campaign_uses_per_day": 2, "campaign_used": 1},
        ),
        (
            {"uses_per_customer": 5},
            {"uses_per_month": 1},
            "promo_monthly_limit",
            {"campaign_uses_per_month": 1, "campaign_used": 1},
        ),
    ],
)
def test_a_broken_restriction_brings_the_rule(
    rules: dict[str, Any], of_campaign: dict[str, Any], rule: str, values: dict[str, Any]
) -> None:
    campaign = CampaignFactory.create(restrictions=of_campaign or None)
    PromoCodeFactory.create(code="GIFT", campaign_id=campaign.pk, restrictions=rules)
    if "limit" in rule:
        redeem(code="GIFT", user_id="ada", by=ADA)
    attempt = refused("GIFT")
    assert (attempt.rule, attempt.values) == (rule, values)


def test_a_restriction_on_the_order_brings_the_order() -> None:
    large, small = PlanFactory.create(slug="l", name="Large"), PlanFactory.create(slug="s", name="Small")
    backup, waf = AddOnFactory.create(slug="backup", name="Backup"), AddOnFactory.create(slug="waf", name="Firewall")
    client = client_of(create_user(SUPERADMIN))
    order = OrderFacts(total_minor=5_000, plan_id=small.id, addon_ids=(str(waf.id),), is_first=False)
    expected = {"order_total_minor": 5_000, "plan": str(small.id)}
    rules: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "PLANS": ({"plans": ["l"]}, {"plans": [str(large.id)]}),
        "ADDONS": ({"addons": ["backup"]}, {"addons": [str(backup.id)], "order_addons": [str(waf.id)]}),
        "TOTAL": ({"minimum_order_minor": 9_000}, {"minimum_order_minor": 9_000}),
        "FIRST": ({"first_order_only": True}, {"first_order_only": True}),
        "BALANCE": ({"only": "top_ups"}, {"only": "top_ups"}),
    }
    for code, (given, added) in rules.items():
        found = PromoCodeFactory.create(code=code, restrictions=given)
        broken = find_broken_restriction(
            found, customer_id=None, user_id="ada", email="", order=order, now=timezone.now()
        )
        assert broken is not None and broken.values == expected | added
        attempt = refuse_code(code, broken)
        page = client.get(f"/admin/promos/refusedattempt/{attempt.pk}/change/")
        names = {"PLANS": ("Large", "Small"), "ADDONS": ("Backup", "Firewall")}.get(code, ("Small",))
        assert all(name in page.content.decode() for name in names), code


def test_an_exhausted_code_names_its_cap_or_the_budget() -> None:
    campaign = CampaignFactory.create(budget_minor=5_000, status=Campaign.Status.ACTIVE)
    PromoCodeFactory.create(code="GIFT", max_redemptions=1)
    PromoCodeFactory.create(code="DEAR", credit_minor=9_000, campaign_id=campaign.pk)
    bob = CustomerFactory.create()
    redeem(code="GIFT", user_id=bob.user_id, by=actor())
    assert refused("GIFT").values == {"max_redemptions": 1, "times_redeemed": 1, "credit_minor": 10_000}
    RefusedAttempt.objects.all().delete()
    assert refused("DEAR").values == {"budget_minor": 5_000, "budget_used_minor": 0, "credit_minor": 9_000}


def test_a_code_redeemed_before_names_the_redemption() -> None:
    PromoCodeFactory.create(code="GIFT")
    redeem(code="GIFT", user_id="ada", by=ADA)
    redemption = Redemption.objects.get()
    attempt = refused("GIFT")
    assert attempt.rule == "promo_already_redeemed"
    assert attempt.values["redemption"] == str(redemption.id)
    assert datetime.fromisoformat(attempt.values["redeemed_at"]) == redemption.reserved_at


def test_staff_can_tell_unknown_retired_and_inactive_cards_apart() -> None:
    PromoCodeFactory.create(code="OLD-GIFT")
    retire_code(code="OLD-GIFT", by=actor())
    assert refused("OLD-GIFT").rule == "promo_retired"
    RefusedAttempt.objects.all().delete()
    batch = released()
    card = codes_of(batch)[1]
    attempt = refused(card)
    assert (attempt.rule, attempt.card_serial, attempt.code) == ("card_not_active", batch.first_serial + 1, "")
    assert attempt.values == {"batch_status": "released", "campaign_status": "active"}
    assert card not in str(vars(attempt)) and card.replace("-", "") not in str(vars(attempt))


def test_a_redeemed_card_names_its_redemption() -> None:
    batch = active()
    code = codes_of(batch)[0]
    redeem(code=code, user_id=CustomerFactory.create().user_id, by=actor())
    attempt = refused(code)
    assert (attempt.rule, attempt.values["redemption"]) == ("promo_exhausted", str(Redemption.objects.get().id))


def test_an_unknown_code_is_stored_in_part_and_found_by_its_hash() -> None:
    attempt = refused("gift-2O26-abc")
    assert (attempt.rule, attempt.code, attempt.promo_code, attempt.values) == ("promo_not_found", "GI…BC", None, {})
    assert RefusedAttempt.objects.filter(code_hash__in=hashes_of(" GIFT-2o26-ABC")).get() == attempt
    RefusedAttempt.objects.all().delete()
    assert refused("SHORT").code == "…"


@pytest.mark.parametrize("code", ["nul\0nul", "\ud800-surrogate", "🎁" * 200, "…"])
def test_any_text_can_be_recorded(code: str) -> None:
    assert refuse_code(code).rule == "promo_not_found"


def test_a_refusal_brings_values_of_its_own() -> None:
    PromoCodeFactory.create(code="GIFT", expires_at=AT)
    attempt = refuse_code("GIFT", PromoExpired(plan="m"), by=ADA)
    assert attempt.values == {"expires_at": AT.isoformat(), "plan": "m"}


def test_an_attempt_costs_one_statement_and_a_success_none() -> None:
    PromoCodeFactory.create(code="GIFT")
    redeem(code="GIFT", user_id="ada", by=ADA)
    with CaptureQueriesContext(connection) as queries:
        record_attempt(PromoNotFound(), code="NONE", act=RefusedAttempt.Act.QUOTE, by=ADA)
    assert len(queries) == 1
    assert RefusedAttempt.objects.get().act == "quote"


def test_what_cannot_be_recorded_is_lost_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE promos_refusedattempt RENAME TO promos_away")
        try:
            for code in ("NONE", "NEVER"):
                with pytest.raises(PromoNotFound):
                    with limit_refused_codes(code=code, act=RefusedAttempt.Act.REDEMPTION, by=ADA):
                        redeem(code=code, user_id="ada", by=ADA)
        finally:
            cursor.execute("ALTER TABLE promos_away RENAME TO promos_refusedattempt")
    assert not RefusedAttempt.objects.exists()
    # The first failure pauses the recording, so that later refusals do not wait for a database in trouble.
    with CaptureQueriesContext(connection) as queries:
        record_attempt(PromoNotFound(), code="NONE", act=RefusedAttempt.Act.QUOTE, by=ADA)
    assert not queries


def test_a_process_records_no_more_than_its_allowance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_PER_SECOND", 3)
    monkeypatch.setattr("time.monotonic", lambda: 7.5)
    for number in range(5):
        record_attempt(PromoNotFound(), code=f"NONE-{number}", act=RefusedAttempt.Act.QUOTE, by=ADA)
    assert RefusedAttempt.objects.count() == 3
    monkeypatch.setattr("time.monotonic", lambda: 8.5)
    record_attempt(PromoNotFound(), code="NONE", act=RefusedAttempt.Act.QUOTE, by=ADA)
    assert RefusedAttempt.objects.count() == 4


def test_old_attempts_are_pruned(settings: Any) -> None:
    settings.ATTEMPTS_KEPT_DAYS = 30
    now = timezone.now()
    for days in (29, 31):
        record_attempt(
            PromoNotFound(), code=f"D-{days}", act=RefusedAttempt.Act.QUOTE, by=ADA, now=now - timedelta(days=days)
        )
    assert prune_expired(now=now).attempts == 1
    assert RefusedAttempt.objects.get().created_at == now - timedelta(days=29)


def test_every_rule_has_a_name() -> None:
    assert {"promo_retired", "card_not_active", "promo_not_found", "promo_expired"} <= set(rule_names())
