"""Issuing creates a code, changes its terms or brings it back; the redemptions already made keep counting."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from billing.models import AuditEntry
from billing.money import MAX_MINOR
from promos.errors import CapBelowUsed, InvalidPromo, PromoExhausted
from promos.models import PromoCode, PromoCounter
from promos.queries import live_codes
from promos.use_cases.change_code import pause_code, retire_code
from promos.use_cases.issue_code import MAX_CAP, Terms, issue_code
from promos.use_cases.redeem_code import redeem, reserve
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.factories import ADDRESS, CustomerFactory, PromoCodeFactory, acting, actor
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ADMIN = actor("sovereign-admin", user_id="omar")


def issue(**terms: Any) -> PromoCode:
    return issue_code(code="GIFT", terms=Terms(**{"credit_minor": 5_000, **terms}), by=ADMIN)


def redeemed(times: int) -> None:
    for _ in range(times):
        customer = CustomerFactory.create()
        redeem(code="GIFT", user_id=customer.user_id, by=acting(customer))


def counters() -> list[tuple[int, int]]:
    return list(PromoCounter.objects.order_by("id").values_list("used", "quota"))


def use(code: PromoCode) -> int:
    return int(getattr(code, "times_redeemed", -1))


def test_issued_code_has_its_terms_and_its_issuer() -> None:
    with only_changes("promos_promocode", "promos_promocounter", "billing_auditentry"):
        made = issue_code(
            code=" gift-1 ",
            terms=Terms(
                credit_minor=5_000,
                description="A gift",
                max_redemptions=50,
                starts_at=NOW,
                expires_at=NOW + timedelta(days=1),
            ),
            by=ADMIN,
        )
    stored = PromoCode.objects.get()
    assert (stored.code, stored.credit_minor, stored.currency) == ("GIFT-1", 5_000, "OMR")
    assert (stored.description, stored.active, stored.max_redemptions) == ("A gift", True, 50)
    assert (stored.starts_at, stored.expires_at) == (NOW, NOW + timedelta(days=1))
    assert (stored.retired_at, stored.issued_by, stored.hot) == (None, "omar", False)
    assert use(made) == 0
    assert counters() == [(0, 50)]


def test_an_issue_is_audited_with_its_actor_time_address_and_reason() -> None:
    issue_code(code="GIFT", terms=Terms(credit_minor=5_000), by=ADMIN, reason="Ramadan")
    audit = AuditEntry.objects.get()
    assert (audit.action, audit.object_type, audit.object_id) == ("promo_code.issued", "promo_code", "GIFT")
    assert (audit.actor_id, audit.actor_role, audit.actor_email) == ("omar", "sovereign-admin", "omar@example.org")
    assert (audit.channel, audit.address, audit.reason) == ("api", ADDRESS, "Ramadan")
    assert audit.changes["credit_minor"] == [None, 5_000]
    assert audit.changes["max_redemptions"] == [None, 0]


def test_change_of_terms_is_audited_with_before_and_after() -> None:
    issue()
    issue(credit_minor=7_000, expires_at=NOW)
    audit = AuditEntry.objects.order_by("created_at").last()
    assert audit is not None
    assert audit.action == "promo_code.changed"
    assert audit.changes == {"credit_minor": [5_000, 7_000], "expires_at": [None, NOW.isoformat()]}
    assert PromoCode.objects.get().issued_by == "omar"


def test_same_terms_again_change_nothing() -> None:
    issue(max_redemptions=7, hot=True, starts_at=NOW)
    with nothing_changes():
        issue(max_redemptions=7, hot=True, starts_at=NOW)


@pytest.mark.parametrize(
    ("hot", "cap", "expected"),
    [
        (False, 50, [(0, 50)]),
        (False, 0, []),
        (True, 0, []),
        (True, 3, [(0, 1)] * 3),
        (True, 16, [(0, 1)] * 16),
        (True, 50, [(0, 4)] * 2 + [(0, 3)] * 14),
    ],
)
def test_slots_are_distributed_among_the_counters(hot: bool, cap: int, expected: list[tuple[int, int]]) -> None:
    issue(max_redemptions=cap, hot=hot)
    assert counters() == expected


def test_retired_code_is_brought_back_with_its_count() -> None:
    issue(max_redemptions=3)
    redeemed(2)
    retire_code(code="GIFT", by=ADMIN)
    assert list(live_codes()) == []
    back = issue(max_redemptions=3)
    assert (back.retired_at, use(back)) == (None, 2)
    assert [code.code for code in live_codes()] == ["GIFT"]
    redeemed(1)
    with pytest.raises(PromoExhausted):
        redeemed(1)
    audit = AuditEntry.objects.order_by("created_at").last()
    assert audit is not None
    assert list(audit.changes) == ["retired_at"]


def test_issue_resumes_a_paused_code_unless_it_says_inactive() -> None:
    issue()
    pause_code(code="GIFT", by=ADMIN)
    assert issue(active=False).active is False
    assert issue().active is True


@pytest.mark.parametrize("hot", [False, True])
def test_cap_is_not_lowered_below_its_use(hot: bool) -> None:
    issue(max_redemptions=20, hot=hot)
    redeemed(3)
    with nothing_changes(), pytest.raises(CapBelowUsed):
        issue(max_redemptions=2, hot=hot, credit_minor=1, description="another")
    assert use(issue(max_redemptions=3, hot=hot)) == 3
    with pytest.raises(PromoExhausted):
        redeemed(1)


def test_cap_is_raised_and_keeps_the_count() -> None:
    issue(max_redemptions=2)
    redeemed(2)
    assert use(issue(max_redemptions=4)) == 2
    assert counters() == [(2, 4)]
    redeemed(2)
    with pytest.raises(PromoExhausted):
        redeemed(1)
    assert verify_redemptions() is None


def test_cap_is_removed_and_keeps_the_count() -> None:
    issue(max_redemptions=2)
    redeemed(2)
    assert use(issue(max_redemptions=0)) == 2
    assert counters() == []
    redeemed(3)
    assert [use(code) for code in live_codes()] == [5]
    assert verify_redemptions() is None


def test_cap_is_put_on_an_uncapped_code_with_redemptions() -> None:
    issue()
    redeemed(3)
    with nothing_changes(), pytest.raises(CapBelowUsed):
        issue(max_redemptions=2)
    assert use(issue(max_redemptions=4)) == 3
    assert counters() == [(3, 4)]
    redeemed(1)
    with pytest.raises(PromoExhausted):
        redeemed(1)
    assert verify_redemptions() is None


def test_reserved_slots_count_as_used_when_the_cap_changes() -> None:
    code = issue(max_redemptions=2)
    reserve(promo_code=code, customer_id=CustomerFactory.create().pk, order_id=UUID(int=1))
    redeemed(1)
    with nothing_changes(), pytest.raises(CapBelowUsed):
        issue(max_redemptions=1)
    assert use(issue(max_redemptions=3)) == 2
    assert counters() == [(2, 3)]
    assert use(issue(max_redemptions=0)) == 2
    assert use(issue(max_redemptions=2, hot=True)) == 2
    with pytest.raises(PromoExhausted):
        redeemed(1)
    assert verify_redemptions() is None


def test_ordinary_code_becomes_hot_and_ordinary_again_with_its_count() -> None:
    issue(max_redemptions=20)
    redeemed(5)
    assert use(issue(max_redemptions=20, hot=True)) == 5
    assert len(counters()) == 16
    assert (sum(used for used, _ in counters()), sum(quota for _, quota in counters())) == (5, 20)
    redeemed(5)
    assert use(issue(max_redemptions=20, hot=False)) == 10
    assert counters() == [(10, 20)]
    redeemed(10)
    with pytest.raises(PromoExhausted):
        redeemed(1)
    assert verify_redemptions() is None


@pytest.mark.parametrize("cap", [5, 6, 15, 16, 17, 31, 33])
def test_hot_code_with_redemptions_has_exactly_its_cap_of_slots(cap: int) -> None:
    issue(max_redemptions=40)
    redeemed(5)
    issue(max_redemptions=cap, hot=True)
    assert (sum(used for used, _ in counters()), sum(quota for _, quota in counters())) == (5, cap)
    redeemed(cap - 5)
    with pytest.raises(PromoExhausted):
        redeemed(1)
    assert verify_redemptions() is None


@pytest.mark.parametrize(
    ("code", "terms", "fields"),
    [
        ("AB", {}, {"code"}),
        ("A" * 65, {}, {"code"}),
        ("", {}, {"code"}),
        ("GIFT CARD", {}, {"code"}),
        ("GIFT!", {}, {"code"}),
        ("GIFT\u0416", {}, {"code"}),
        ("GIFT", {"credit_minor": 0}, {"credit"}),
        ("GIFT", {"credit_minor": -1}, {"credit"}),
        ("GIFT", {"credit_minor": MAX_MINOR + 1}, {"credit"}),
        ("GIFT", {"max_redemptions": -1}, {"max_redemptions"}),
        ("GIFT", {"max_redemptions": MAX_CAP + 1}, {"max_redemptions"}),
        ("GIFT", {"starts_at": NOW, "expires_at": NOW}, {"expires_at"}),
        ("!", {"credit_minor": 0, "max_redemptions": -1}, {"code", "credit", "max_redemptions"}),
    ],
)
def test_invalid_terms_are_refused_and_named(code: str, terms: dict[str, Any], fields: set[str]) -> None:
    with nothing_changes(), pytest.raises(InvalidPromo) as caught:
        issue_code(code=code, terms=Terms(**{"credit_minor": 5_000, **terms}), by=ADMIN)
    assert caught.value.fields is not None
    assert set(caught.value.fields) == fields


def test_largest_terms_are_accepted() -> None:
    made = issue_code(code="Z" * 64, terms=Terms(credit_minor=MAX_MINOR, max_redemptions=MAX_CAP, hot=True), by=ADMIN)
    assert sum(PromoCounter.objects.values_list("quota", flat=True)) == MAX_CAP
    assert (made.credit_minor, len(made.code)) == (MAX_MINOR, 64)


def test_factory_makes_a_code_with_its_counters() -> None:
    PromoCodeFactory.create(max_redemptions=20, hot=True)
    assert len(counters()) == 16
