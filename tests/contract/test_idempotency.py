"""Idempotency-Key over HTTP: one order for one key, per customer, for 24 hours; refusals are not stored."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from billing.models import Customer, IdempotencyKey
from orders.models import Order
from tests.factories import PromoCodeFactory, give_credit
from tests.snapshot import nothing_changes

from .api_client import Caller
from .conftest import Checkout
from .json_shapes import assert_refused

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "5f0c2f4e-first"


def give(caller: Caller, amount_minor: int) -> None:
    give_credit(Customer.objects.get(user_id=caller.user_id), amount_minor)


def test_the_same_request_again_gets_the_same_answer_byte_for_byte(checkout: Checkout, ada: Caller) -> None:
    PromoCodeFactory.create(code="GIFT", credit_minor=12_250)
    body: dict[str, Any] = {"promo_code": "GIFT", "apps": ["wordpress"]}
    first = checkout(KEY, **body)
    give(ada, 50_000)
    with nothing_changes():
        for _ in range(2):
            again = checkout(KEY, **body)
            assert (again.status, again.content) == (200, first.content)
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    "same",
    [
        {"promo_code": " gift "},
        {"promo_code": "GIFT", "addons": []},
        {"promo_code": "GIFT", "apps": None, "unknown": "ignored"},
    ],
)
def test_an_equivalent_body_is_the_same_request(checkout: Checkout, acme: str, same: Any) -> None:
    PromoCodeFactory.create(code="GIFT")
    first = checkout(KEY, promo_code="GIFT")
    with nothing_changes():
        assert checkout(KEY, **same).content == first.content


@pytest.mark.parametrize(
    "other",
    [{"plan_id": "s"}, {"addons": ["backup"]}, {"apps": ["wordpress"]}, {"promo_code": "GIFT"}],
)
def test_another_body_under_the_key_is_refused(checkout: Checkout, ada: Caller, other: Any, acme: str) -> None:
    PromoCodeFactory.create(code="GIFT")
    give(ada, 50_000)
    checkout(KEY)
    with nothing_changes():
        assert_refused(checkout(KEY, **other), 422, "idempotency_key_reused", "this idempotency key was already used")


def test_a_refusal_is_not_stored(checkout: Checkout, ada: Caller, acme: str) -> None:
    with nothing_changes():
        assert checkout(KEY).status == 503
        assert checkout(KEY, plan_id="nope").status == 400
        assert checkout(KEY, promo_code="NEVER").status == 400
    give(ada, 9_000)
    assert checkout(KEY).status == 200
    assert checkout(KEY).status == 200


def test_a_key_is_the_customers_own(checkout: Checkout, ada: Caller, bob: Caller, bobs: str) -> None:
    give(ada, 9_000)
    give(bob, 16_000)
    first = checkout(KEY)
    other = bob.post("billing/checkout", {"tenant_id": bobs, "plan_id": "l"}, Idempotency_Key=KEY)
    assert (first.status, other.status) == (200, 200)
    assert first.body["order_id"] != other.body["order_id"]


def test_after_24_hours_the_key_is_free_for_anything(checkout: Checkout, ada: Caller, settings: Any) -> None:
    settings.PRORATION = False
    give(ada, 25_000)
    first = checkout(KEY)
    stored = IdempotencyKey.objects.get()
    assert stored.expires_at - stored.created_at == timedelta(hours=24)
    day = timedelta(hours=24)
    IdempotencyKey.objects.update(created_at=F("created_at") - day, expires_at=F("expires_at") - day)
    second = checkout(KEY, plan_id="l")
    assert (second.status, second.body["credit_balance_minor"]) == (200, 0)
    assert second.body["order_id"] != first.body["order_id"]


def test_a_retry_while_the_first_request_is_in_flight_is_refused_with_retry_after(
    checkout: Checkout, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(ada, 9_000)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '30ms'")
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT FROM billing_account FOR NO KEY UPDATE")
        with nothing_changes():
            busy = checkout(KEY)
        without_key = checkout()
    finally:
        other.rollback()
        other.close()
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
    assert_refused(busy, 409, "request_in_progress")
    assert busy.headers["Retry-After"] == "1"
    assert_refused(without_key, 503, "busy")
    assert without_key.headers["Retry-After"] == "1"
    assert checkout(KEY).status == 200


@pytest.mark.parametrize("key", ["k", "K" * 255, "a b~!\"#$%&'()*+,-./:;<=>?@[]^_`{|}", "0"])
def test_a_key_is_any_printable_ascii(checkout: Checkout, key: str, acme: str) -> None:
    first = checkout(key, plan_id="flexi")
    assert first.status == 200
    assert checkout(key, plan_id="flexi").content == first.content
    assert IdempotencyKey.objects.get().key == key


@pytest.mark.parametrize("key", ["K" * 256, "cl\u00e9", "a\tb", "a\x7fb"])
def test_another_key_is_refused(checkout: Checkout, key: str, acme: str) -> None:
    with nothing_changes():
        answer = checkout(key, plan_id="flexi")
    assert_refused(answer, 400, "invalid_idempotency_key", "Idempotency-Key must be")


def test_without_a_key_nothing_is_stored(checkout: Checkout, acme: str) -> None:
    assert checkout(plan_id="flexi").status == 200
    assert checkout("   ", plan_id="s").status == 503
    assert not IdempotencyKey.objects.exists()
