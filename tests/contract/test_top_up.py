"""A voucher redeemed without an order: its answers and refusals, and its idempotency key."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import Customer, IdempotencyKey, LedgerEntry
from orders.models import Order
from promos.models import Redemption
from promos.use_cases.change_code import pause_code, retire_code
from tests.factories import PromoCodeFactory, actor, give_credit
from tests.snapshot import nothing_changes

from .api_client import Answer, Caller, by_session, by_token
from .conftest import Checkout
from .json_shapes import assert_refused, assert_shape
from .response_shapes import BALANCE, TOP_UP

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "5f0c2f4e-top-up"


@pytest.fixture
def carl() -> Caller:
    """Has never acted before."""
    return by_token("customer", "carl")


def top_up(caller: Caller, code: Any = "GIFT", key: str = "") -> Answer:
    return caller.post("billing/vouchers/redeem", {"code": code}, **({"Idempotency_Key": key} if key else {}))


@pytest.mark.parametrize("key", ["", KEY])
def test_the_credit_is_on_the_balance_and_the_answer_says_how_much(carl: Caller, key: str) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=12_250)
    PromoCodeFactory.create(code="MORE", credit_minor=5_000)
    first = top_up(carl, " gift ", key)
    assert first.status == 200
    assert_shape(first.body, TOP_UP)
    assert first.body["code"] == "GIFT"
    assert (first.body["credit_minor"], first.body["credit_balance_minor"]) == (12_250, 12_250)
    second = top_up(carl, "MORE")
    assert (second.body["credit_omr"], second.body["credit_balance_minor"]) == (5, 17_250)
    balance = carl.get("billing/balance")
    assert_shape(balance.body, BALANCE)
    assert balance.body["credit_minor"] == 17_250
    assert [each["reason"] for each in balance.body["entries"]] == ["promo:MORE", "promo:GIFT"]
    assert all("order_id" not in each for each in balance.body["entries"])
    entry = LedgerEntry.objects.get(reason="promo:GIFT")
    assert (entry.actor_id, entry.actor_role, entry.channel) == ("carl", "customer", "api")
    assert Customer.objects.get().email == "carl@example.org"
    assert not Order.objects.exists()


def test_a_session_redeems_as_a_token_does(db: None) -> None:
    PromoCodeFactory.create(code="GIFT")
    caller = by_session("customer", "carl")
    assert top_up(caller).status == 200
    assert Redemption.objects.get().customer.user_id == "carl"


@pytest.mark.parametrize("key", ["", KEY])
def test_each_problem_of_a_code_is_refused_as_in_a_checkout(carl: Caller, checkout: Checkout, key: str) -> None:
    now = timezone.now()
    PromoCodeFactory.create(code="PAUSED")
    pause_code(code="PAUSED", by=actor())
    PromoCodeFactory.create(code="GONE")
    retire_code(code="GONE", by=actor())
    PromoCodeFactory.create(code="EARLY", starts_at=now + timedelta(days=1))
    PromoCodeFactory.create(code="LATE", expires_at=now - timedelta(days=1))
    PromoCodeFactory.create(code="FULL", max_redemptions=1)
    top_up(by_token("customer", "dave"), "FULL")
    PromoCodeFactory.create(code="TWICE")
    ada = by_token("customer", "ada")
    for caller in (carl, ada):
        top_up(caller, "TWICE")
    problems = {
        "NEVER": "promo_not_found",
        "A B": "promo_not_found",
        "GONE": "promo_not_found",
        "PAUSED": "promo_inactive",
        "EARLY": "promo_not_started",
        "LATE": "promo_expired",
        "FULL": "promo_exhausted",
        "TWICE": "promo_already_redeemed",
    }
    with nothing_changes():
        for code, problem in problems.items():
            answer = top_up(carl, code, key)
            assert_refused(answer, 400, problem, "invalid promo code: ")
            ordered = checkout(promo_code=code)
            assert (answer.status, answer.body) == (ordered.status, ordered.body)


def test_a_refusal_of_a_first_act_makes_no_customer(carl: Caller) -> None:
    with nothing_changes():
        for key in ("", KEY):
            assert_refused(top_up(carl, "NEVER", key), 400, "promo_not_found")


def test_the_body_comes_before_the_key_and_the_key_before_the_code(carl: Caller) -> None:
    with nothing_changes():
        assert_refused(top_up(carl, "", "K" * 256), 400, "invalid_request", "code: ")
        assert_refused(top_up(carl, "NEVER", "K" * 256), 400, "invalid_idempotency_key")


def test_the_same_request_again_gets_the_same_answer_byte_for_byte(carl: Caller) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=12_250)
    first = top_up(carl, "GIFT", KEY)
    give_credit(Customer.objects.get(), 1_000)
    retire_code(code="GIFT", by=actor())
    with nothing_changes():
        for same in ("GIFT", " gift "):
            again = top_up(carl, same, KEY)
            assert (again.status, again.content) == (200, first.content)


def test_another_code_under_the_key_is_refused(carl: Caller) -> None:
    PromoCodeFactory.create(code="GIFT")
    PromoCodeFactory.create(code="MORE")
    top_up(carl, "GIFT", KEY)
    with nothing_changes():
        for other in ("MORE", "NEVER"):
            assert_refused(top_up(carl, other, KEY), 422, "idempotency_key_reused")


def test_a_key_serves_a_checkout_or_a_top_up_never_both(checkout: Checkout, ada: Caller) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=50_000)
    PromoCodeFactory.create(code="MORE", credit_minor=50_000)
    ordered = checkout("of an order", promo_code="GIFT")
    redeemed = top_up(ada, "MORE", "of a top-up")
    assert (ordered.status, redeemed.status) == (200, 200)
    PromoCodeFactory.create(code="THIRD")
    with nothing_changes():
        assert_refused(top_up(ada, "THIRD", "of an order"), 422, "idempotency_key_reused")
        assert_refused(top_up(ada, "GIFT", "of an order"), 422, "idempotency_key_reused")
        assert_refused(checkout("of a top-up", plan_id="l"), 422, "idempotency_key_reused")
        assert_refused(checkout("of a top-up", plan_id="l", promo_code="MORE"), 422, "idempotency_key_reused")
        assert checkout("of an order", promo_code="GIFT").content == ordered.content
        assert top_up(ada, "MORE", "of a top-up").content == redeemed.content


def test_a_refusal_is_not_stored(carl: Caller) -> None:
    assert_refused(top_up(carl, "GIFT", KEY), 400, "promo_not_found")
    PromoCodeFactory.create(code="GIFT")
    assert top_up(carl, "GIFT", KEY).status == 200


def test_a_key_is_the_customers_own(ada: Caller, bob: Caller) -> None:
    PromoCodeFactory.create(code="GIFT")
    assert [top_up(caller, "GIFT", KEY).status for caller in (ada, bob)] == [200, 200]
    assert Redemption.objects.count() == 2


def test_after_24_hours_the_key_is_free_for_anything(carl: Caller) -> None:
    PromoCodeFactory.create(code="GIFT")
    PromoCodeFactory.create(code="MORE")
    top_up(carl, "GIFT", KEY)
    stored = IdempotencyKey.objects.get()
    assert stored.expires_at - stored.created_at == timedelta(hours=24)
    day = timedelta(hours=24)
    IdempotencyKey.objects.update(created_at=F("created_at") - day, expires_at=F("expires_at") - day)
    assert_refused(top_up(carl, "GIFT", KEY), 400, "promo_already_redeemed")
    second = top_up(carl, "MORE", KEY)
    assert (second.status, second.body["code"], second.body["credit_balance_minor"]) == (200, "MORE", 20_000)
    assert top_up(carl, "MORE", KEY).content == second.content


def test_a_twin_in_flight_is_refused_with_when_to_retry(carl: Caller) -> None:
    PromoCodeFactory.create(code="FIRST")
    PromoCodeFactory.create(code="GIFT")
    top_up(carl, "FIRST")
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '30ms'")
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT FROM billing_account FOR NO KEY UPDATE")
        with nothing_changes():
            busy, without_key = top_up(carl, "GIFT", KEY), top_up(carl, "GIFT")
    finally:
        other.rollback()
        other.close()
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
    assert_refused(busy, 409, "request_in_progress")
    assert busy.headers["Retry-After"] == "1"
    assert_refused(without_key, 503, "busy")
    assert without_key.headers["Retry-After"] == "1"
    assert top_up(carl, "GIFT", KEY).status == 200


def statements_of(caller: Caller, code: str, key: str = "") -> tuple[int, int]:
    with CaptureQueriesContext(connection) as queries:
        answer = top_up(caller, code, key)
    return answer.status, len(queries)


@pytest.mark.parametrize("hot", [False, True])
def test_what_it_costs_in_statements(carl: Caller, hot: bool) -> None:
    for code in ("FIRST", "GIFT", "MORE"):
        PromoCodeFactory.create(code=code, max_redemptions=9, hot=hot)
    top_up(carl, "FIRST")
    assert statements_of(carl, "GIFT") == (200, 1)
    # A key costs no statement: its answer is stored by the redemption's own.
    assert statements_of(carl, "MORE", KEY) == (200, 1)
    # Tried, read to say why, and then the answer that was stored, with its redemption.
    assert statements_of(carl, "MORE", KEY) == (200, 1 + 2 + 2)
    assert statements_of(carl, "", KEY) == (400, 0)
    # Tried, then read again to say why, and for an attempt whose outcome is unknown; and the refusal is recorded.
    assert statements_of(carl, "GIFT") == (400, 4 + 1)
