"""Codes cannot be found by guessing in checkouts and top-ups: refused codes are limited."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing.models import RateLimitWindow
from promos.models import Redemption
from promos.use_cases.code_guessing import forget_blocked
from tests.factories import PromoCodeFactory

from .api_client import Answer, Caller, by_token
from .conftest import tenant_of

pytestmark = pytest.mark.django_db(transaction=True)

TOP_UP = "billing/vouchers/redeem"


def top_up(caller: Caller, code: str) -> Answer:
    return caller.post(TOP_UP, {"code": code})


def from_address(address: str, user_id: str) -> Caller:
    caller = by_token("customer", user_id)
    caller.client.defaults["REMOTE_ADDR"] = address
    return caller


def test_a_customer_past_the_limit_learns_nothing_of_any_code(shop: None, settings: Any) -> None:
    settings.REFUSED_CODE_RATE_LIMIT = "3/min"
    ada = by_token("customer", "ada")
    tenant = tenant_of(ada, "acme")
    PromoCodeFactory.create(code="GIFT")
    PromoCodeFactory.create(code="OVER", expires_at=timezone.now() - timedelta(days=1))
    PromoCodeFactory.create(code="PAUSED", active=False)
    order = {"tenant_id": tenant, "plan_id": "m"}
    assert top_up(ada, "NEVER-WAS").code == "promo_not_found"
    assert ada.post("billing/checkout", {**order, "promo_code": "OVER"}).code == "promo_expired"
    assert top_up(ada, "PAUSED").code == "promo_inactive"
    refused = [top_up(ada, code) for code in ("NEVER-WAS", "OVER", "PAUSED", "GIFT")]
    refused.append(ada.post("billing/checkout", {**order, "promo_code": "GIFT"}))
    for answer in refused:
        assert (answer.status, answer.code, answer.body) == (429, "throttled", refused[0].body)
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert not Redemption.objects.exists()
    # A checkout without a code, and another customer, go on.
    assert ada.post("billing/checkout", {**order, "plan_id": "flexi"}).status in (200, 503)
    assert top_up(by_token("customer", "eve"), "GIFT").status == 200


def test_the_limit_holds_in_a_process_that_has_just_started(shop: None, settings: Any) -> None:
    settings.REFUSED_CODE_RATE_LIMIT = "2/min"
    ada = by_token("customer", "ada")
    assert [top_up(ada, f"NO-{number}").status for number in range(3)] == [400, 400, 429]
    forget_blocked()
    # The first guess is counted in the database, and its refusal says nothing of the code.
    assert [top_up(ada, "NO-9").status, top_up(ada, "NO-9").status] == [429, 429]


def test_codes_that_honest_customers_send_in_a_rush_are_not_counted(shop: None, settings: Any) -> None:
    settings.REFUSED_CODE_RATE_LIMIT = "1/min"
    PromoCodeFactory.create(code="LAST", max_redemptions=1)
    ada, eve = by_token("customer", "ada"), by_token("customer", "eve")
    assert top_up(ada, "LAST").status == 200
    assert {top_up(ada, "LAST").code for _ in range(5)} == {"promo_already_redeemed"}
    assert {top_up(eve, "LAST").code for _ in range(5)} == {"promo_exhausted"}
    assert not RateLimitWindow.objects.exists()


@pytest.mark.parametrize(
    ("addresses", "allowed"),
    [
        (["192.0.2.1"], 10),
        (["2001:db8::1", "2001:db8::2"], 10),
        ([f"2001:db8:0:{number:x}::1" for number in range(256)], 40),
        ([f"2001:db8:0:{number:x}00::1" for number in range(256)], 160),
    ],
    ids=["an address", "a /64", "a /56", "a /48"],
)
def test_many_customers_of_one_network_share_a_limit(
    shop: None, settings: Any, addresses: list[str], allowed: int
) -> None:
    settings.REFUSED_CODE_RATE_LIMIT = "1/min"
    statuses = [
        top_up(from_address(addresses[number % len(addresses)], f"user-{number}"), "NEVER-WAS").status
        for number in range(allowed + 3)
    ]
    assert statuses == [400] * allowed + [429] * 3


def test_parallel_guesses_pass_the_limit_by_none(shop: None, settings: Any) -> None:
    settings.REFUSED_CODE_RATE_LIMIT = "5/min"
    statuses: list[int] = []

    def guess(number: int) -> None:
        statuses.append(top_up(by_token("customer", "ada"), f"GUESS-{number}").status)

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [400] * 5 + [429] * 11


@pytest.mark.parametrize(("step", "allowed"), [(1, 4), (256, 16)])
def test_a_preview_is_limited_by_the_networks_of_its_address(
    anybody: Caller, settings: Any, step: int, allowed: int
) -> None:
    settings.PREVIEW_RATE_LIMIT = "1/min"
    statuses = []
    for number in range(allowed + 2):
        anybody.client.defaults["REMOTE_ADDR"] = f"2001:db8:0:{number * step:x}::1"
        statuses.append(anybody.post("billing/vouchers/redeem-preview", {"code": "NEVER-WAS"}).status)
    assert statuses == [404] * allowed + [429] * 2
