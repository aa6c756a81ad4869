"""Pause, resume, retire: each changes a live code's state, once, and names its actor."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from billing.models import AuditEntry
from promos.errors import LiveCodeNotFound
from promos.models import PromoCode
from promos.queries import live_codes
from promos.use_cases.change_code import pause_code, resume_code, retire_code
from promos.use_cases.redeem_code import redeem
from tests.factories import ADDRESS, CustomerFactory, PromoCodeFactory, acting, actor
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db(transaction=True)

ADMIN = actor("sovereign-admin", user_id="omar")
CHANGES: list[Callable[..., PromoCode]] = [pause_code, resume_code, retire_code]


@pytest.fixture
def code() -> PromoCode:
    return PromoCodeFactory.create(code="GIFT", max_redemptions=5)


def last_audit() -> AuditEntry:
    return AuditEntry.objects.order_by("-created_at", "-id")[0]


def test_pause_and_resume_are_audited_with_actor_and_reason(code: PromoCode) -> None:
    with only_changes("promos_promocode", "billing_auditentry"):
        paused = pause_code(code=" gift ", by=ADMIN, reason="too many")
    assert (paused.active, PromoCode.objects.get().active) == (False, False)
    audit = last_audit()
    assert (audit.action, audit.object_id, audit.changes) == (
        "promo_code.paused",
        "GIFT",
        {"active": [True, False]},
    )
    assert (audit.actor_id, audit.reason, audit.address) == ("omar", "too many", ADDRESS)
    assert resume_code(code="GIFT", by=ADMIN).active is True
    assert (last_audit().action, last_audit().changes) == ("promo_code.resumed", {"active": [False, True]})


def test_second_pause_and_resume_of_an_active_code_change_nothing(code: PromoCode) -> None:
    with nothing_changes():
        assert resume_code(code="GIFT", by=ADMIN).active is True
    pause_code(code="GIFT", by=ADMIN)
    with nothing_changes():
        assert pause_code(code="GIFT", by=ADMIN).active is False


def test_retired_code_keeps_its_row_its_redemptions_and_its_count(code: PromoCode) -> None:
    ada = CustomerFactory.create(user_id="ada")
    redeem(code="GIFT", user_id="ada", by=acting(ada))
    before = timezone.now()
    with only_changes("promos_promocode", "billing_auditentry"):
        retired = retire_code(code="GIFT", by=ADMIN, reason="campaign over")
    assert retired.retired_at is not None
    assert before <= retired.retired_at <= timezone.now()
    assert getattr(retired, "times_redeemed", None) == 1
    assert list(live_codes()) == []
    audit = last_audit()
    assert (audit.action, audit.reason) == ("promo_code.retired", "campaign over")
    assert audit.changes == {"retired_at": [None, retired.retired_at.isoformat()]}


@pytest.mark.parametrize("change", CHANGES)
def test_unknown_code_is_no_live_code(change: Callable[..., PromoCode]) -> None:
    with nothing_changes(), pytest.raises(LiveCodeNotFound):
        change(code="NOSUCH", by=ADMIN)


@pytest.mark.parametrize("change", CHANGES)
def test_retired_code_is_no_live_code(code: PromoCode, change: Callable[..., PromoCode]) -> None:
    retire_code(code="GIFT", by=ADMIN)
    with nothing_changes(), pytest.raises(LiveCodeNotFound):
        change(code="GIFT", by=ADMIN)
