"""Redeeming a code outside an order: the redemption and its credit, together or not at all."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import AuditEntry, Customer, LedgerEntry
from billing.queries import balance_of
from billing.use_cases.ledger.verify_ledger import verify_ledger
from promos.errors import (
    PromoAlreadyRedeemed,
    PromoExhausted,
    PromoExpired,
    PromoInactive,
    PromoNotFound,
    PromoNotStarted,
    PromoProblem,
)
from promos.models import PromoCode, PromoCounter, Redemption
from promos.queries import live_codes
from promos.use_cases.change_code import pause_code, resume_code, retire_code
from promos.use_cases.issue_code import Terms, issue_code
from promos.use_cases.redeem_code import redeem
from promos.use_cases.verify_redemptions import verify_redemptions
from tests.consistency import times_redeemed
from tests.factories import ADDRESS, CustomerFactory, PromoCodeFactory, acting, actor
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
STAFF = actor()


@pytest.fixture
def ada() -> Customer:
    return CustomerFactory.create(user_id="ada")


@pytest.fixture
def bob() -> Customer:
    return CustomerFactory.create(user_id="bob")


def assert_refused(error: type[PromoProblem], *, code: str, customer: Customer, now: datetime = NOW) -> None:
    with nothing_changes(), pytest.raises(PromoProblem) as caught:
        redeem(code=code, user_id=customer.user_id, by=acting(customer), now=now)
    assert caught.type is error
    assert str(caught.value).startswith("invalid promo code: ")


@pytest.mark.parametrize("terms", [{"max_redemptions": 5}, {"max_redemptions": 50, "hot": True}, {}])
def test_it_is_one_statement_without_begin_and_commit(ada: Customer, terms: dict[str, Any]) -> None:
    PromoCodeFactory.create(code="GIFT", **terms)
    with CaptureQueriesContext(connection) as queries:
        redeem(code="GIFT", user_id="ada", by=acting(ada))
    [sent] = queries.captured_queries
    assert str(sent["sql"]).startswith("SELECT * FROM promos_redeem_and_read(")


def test_refusal_is_three_statements_and_that_of_a_new_user_too(ada: Customer) -> None:
    """One that tries, and two that find out why it did nothing; none writes a customer."""
    PromoCodeFactory.create(code="DRAFT", active=False)
    for user in ("ada", "never-seen"):
        with CaptureQueriesContext(connection) as queries, pytest.raises(PromoInactive):
            redeem(code="DRAFT", user_id=user, by=actor("customer", user_id=user))
        assert [str(sent["sql"]).split()[0] for sent in queries.captured_queries] == ["SELECT"] * 3


def test_issue_redeem_credit(ada: Customer) -> None:
    issue_code(code="welcome50", terms=Terms(credit_minor=50_000), by=STAFF)
    assert [code.code for code in live_codes()] == ["WELCOME50"]
    assert balance_of(user_id="ada").credit_minor == 0

    redemption = redeem(code="WELCOME50", user_id="ada", by=acting(ada), now=NOW)

    found = balance_of(user_id="ada")
    assert (found.credit_minor, found.held_minor) == (50_000, 0)
    assert [(entry.amount_minor, entry.reason) for entry in found.entries] == [(50_000, "promo:WELCOME50")]
    assert times_redeemed("WELCOME50") == 1
    assert (redemption.status, redemption.credit_minor, redemption.order_id) == ("confirmed", 50_000, None)
    assert redemption.reserved_at == redemption.confirmed_at == NOW
    entry = LedgerEntry.objects.get()
    assert (entry.redemption_id, entry.actor_id, entry.address) == (redemption.id, "ada", ADDRESS)


def test_redemption_touches_no_row_of_the_code_itself(ada: Customer) -> None:
    PromoCodeFactory.create(code="OPEN")
    PromoCodeFactory.create(code="CAPPED", max_redemptions=5)
    tables = ("promos_redemption", "billing_ledgerentry", "billing_account")
    with only_changes(*tables):
        redeem(code="OPEN", user_id="ada", by=acting(ada))
    with only_changes(*tables, "promos_promocounter"):
        redeem(code="CAPPED", user_id="ada", by=acting(ada))


@pytest.mark.parametrize("text", ["welcome", "WELCOME", "  WelCome\t", "\nWELCOME\n"])
def test_code_is_found_whatever_its_case_and_the_space_around_it(ada: Customer, text: str) -> None:
    PromoCodeFactory.create(code="WELCOME", credit_minor=7)
    redeem(code=text, user_id="ada", by=acting(ada))
    assert balance_of(user_id="ada").credit_minor == 7


def test_same_customer_twice_is_refused_and_credited_once(ada: Customer) -> None:
    PromoCodeFactory.create(code="ONCE", credit_minor=25_000, max_redemptions=10)
    redeem(code="ONCE", user_id="ada", by=acting(ada), now=NOW)
    with pytest.raises(PromoAlreadyRedeemed, match="already redeemed"):
        redeem(code="ONCE", user_id="ada", by=acting(ada), now=NOW)
    assert_refused(PromoAlreadyRedeemed, code="ONCE", customer=ada)
    assert balance_of(user_id="ada").credit_minor == 25_000
    assert times_redeemed("ONCE") == 1


def test_two_customers_are_both_credited(ada: Customer, bob: Customer) -> None:
    PromoCodeFactory.create(code="BOTH", credit_minor=25_000, max_redemptions=10)
    redeem(code="BOTH", user_id="ada", by=acting(ada))
    redeem(code="BOTH", user_id="bob", by=acting(bob))
    assert [balance_of(user_id=name).credit_minor for name in ("ada", "bob")] == [25_000, 25_000]
    assert times_redeemed("BOTH") == 2


def test_one_customer_redeems_several_codes(ada: Customer) -> None:
    for number in (1, 2, 3):
        PromoCodeFactory.create(code=f"GIFT-{number}", credit_minor=number)
        redeem(code=f"GIFT-{number}", user_id="ada", by=acting(ada))
    assert [(entry.amount_minor, entry.reason) for entry in balance_of(user_id="ada").entries] == [
        (3, "promo:GIFT-3"),
        (2, "promo:GIFT-2"),
        (1, "promo:GIFT-1"),
    ]


def test_unknown_code_is_not_found(ada: Customer) -> None:
    assert_refused(PromoNotFound, code="NOSUCH", customer=ada)
    assert_refused(PromoNotFound, code="", customer=ada)


def test_refusal_leaves_no_customer_behind() -> None:
    with nothing_changes(), pytest.raises(PromoNotFound):
        redeem(code="NOSUCH", user_id="never-seen", by=actor("customer", user_id="never-seen"))


def test_retired_code_is_not_found_and_absent_from_the_list(ada: Customer) -> None:
    PromoCodeFactory.create(code="GONE")
    retire_code(code="GONE", by=STAFF)
    assert list(live_codes()) == []
    assert_refused(PromoNotFound, code="GONE", customer=ada)


def test_retired_code_is_not_found_also_by_who_redeemed_it(ada: Customer) -> None:
    PromoCodeFactory.create(code="GONE", credit_minor=5)
    redeem(code="GONE", user_id="ada", by=acting(ada))
    retire_code(code="GONE", by=STAFF)
    assert_refused(PromoNotFound, code="GONE", customer=ada)
    assert balance_of(user_id="ada").credit_minor == 5


def test_paused_code_is_not_active_until_it_is_resumed(ada: Customer) -> None:
    PromoCodeFactory.create(code="PAUSE")
    pause_code(code="PAUSE", by=STAFF)
    assert_refused(PromoInactive, code="PAUSE", customer=ada)
    assert [code.code for code in live_codes()] == ["PAUSE"]
    resume_code(code="PAUSE", by=STAFF)
    redeem(code="PAUSE", user_id="ada", by=acting(ada))
    assert balance_of(user_id="ada").credit_minor == 10_000


def test_code_that_was_issued_inactive_is_not_active(ada: Customer) -> None:
    PromoCodeFactory.create(code="DRAFT", active=False)
    assert_refused(PromoInactive, code="DRAFT", customer=ada)


def test_code_is_valid_from_its_start_up_to_and_without_its_end(ada: Customer, bob: Customer) -> None:
    end = NOW + timedelta(days=1)
    PromoCodeFactory.create(code="WINDOW", starts_at=NOW, expires_at=end)
    assert_refused(PromoNotStarted, code="WINDOW", customer=ada, now=NOW - MOMENT)
    assert_refused(PromoExpired, code="WINDOW", customer=ada, now=end)
    redeem(code="WINDOW", user_id="ada", by=acting(ada), now=NOW)
    redeem(code="WINDOW", user_id="bob", by=acting(bob), now=end - MOMENT)
    assert times_redeemed("WINDOW") == 2


@pytest.mark.parametrize("hot", [False, True])
@pytest.mark.parametrize("cap", [1, 3, 17])
def test_exhausted_code_is_refused_and_the_count_stays_at_its_cap(ada: Customer, cap: int, hot: bool) -> None:
    PromoCodeFactory.create(code="FEW", max_redemptions=cap, hot=hot)
    for _ in range(cap):
        other = CustomerFactory.create()
        redeem(code="FEW", user_id=other.user_id, by=acting(other))
    assert_refused(PromoExhausted, code="FEW", customer=ada)
    assert times_redeemed("FEW") == cap
    assert Redemption.objects.count() == cap


def test_uncapped_code_has_no_counter_and_is_counted_by_its_redemptions(ada: Customer, bob: Customer) -> None:
    PromoCodeFactory.create(code="OPEN")
    for customer in (ada, bob):
        redeem(code="OPEN", user_id=customer.user_id, by=acting(customer))
    assert PromoCounter.objects.count() == 0
    assert times_redeemed("OPEN") == 2


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"retired_at": NOW, "active": False, "expires_at": NOW}, PromoNotFound),
        ({"active": False, "starts_at": NOW + MOMENT}, PromoInactive),
        ({"active": False, "expires_at": NOW}, PromoInactive),
    ],
)
def test_first_of_several_problems_is_named(
    ada: Customer, changes: dict[str, object], error: type[PromoProblem]
) -> None:
    PromoCodeFactory.create(code="MANY")
    PromoCode.objects.filter(code="MANY").update(**changes)
    assert_refused(error, code="MANY", customer=ada)


def test_every_problem_has_its_own_code_and_sentence() -> None:
    problems = [
        PromoNotFound,
        PromoInactive,
        PromoNotStarted,
        PromoExpired,
        PromoExhausted,
        PromoAlreadyRedeemed,
    ]
    assert [problem.code for problem in problems] == [
        "promo_not_found",
        "promo_inactive",
        "promo_not_started",
        "promo_expired",
        "promo_exhausted",
        "promo_already_redeemed",
    ]
    assert len({str(problem()) for problem in problems}) == 6
    assert {problem.status for problem in problems} == {400}


def test_redemption_keeps_the_credit_of_its_day(ada: Customer, bob: Customer) -> None:
    PromoCodeFactory.create(code="GROWS", credit_minor=5)
    redeem(code="GROWS", user_id="ada", by=acting(ada))
    issue_code(code="GROWS", terms=Terms(credit_minor=8), by=STAFF)
    redeem(code="GROWS", user_id="bob", by=acting(bob))
    assert [balance_of(user_id=name).credit_minor for name in ("ada", "bob")] == [5, 8]
    assert verify_ledger().sound
    assert verify_redemptions() is None


def test_redemption_is_no_change_of_the_code_and_not_audited_as_one(ada: Customer) -> None:
    PromoCodeFactory.create(code="OPEN")
    redeem(code="OPEN", user_id="ada", by=acting(ada))
    assert list(AuditEntry.objects.values_list("action", flat=True)) == ["promo_code.issued"]
