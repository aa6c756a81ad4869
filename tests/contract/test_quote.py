"""The quote of a checkout: what it would do, to the last digit, without a trace, under the preview's limit."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from billing.models import Customer, Organization, Subscription
from orders.models import Order, VatRate
from promos.use_cases.change_code import retire_code
from tests.factories import PromoCodeFactory, actor, give_credit
from tests.snapshot import nothing_changes

from .api_client import Answer, Caller
from .conftest import Checkout
from .json_shapes import assert_refused, assert_shape
from .response_shapes import QUOTE
from .test_preview import REFUSING

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "billing/checkout/quote"


def quote(caller: Caller, tenant: str, **body: Any) -> Answer:
    with nothing_changes():
        answer = caller.post(PATH, {"tenant_id": tenant, "plan_id": "m", **body})
    if answer.status == 200:
        assert_shape(answer.body, QUOTE)
    return answer


def amounts(answer: Answer) -> dict[str, int]:
    """The amounts in the smallest unit, after a check that every other form agrees."""
    names = ("total", "credit_applied", "amount_due", "credit_left", "proration", "next_month")
    for name in names:
        assert answer.body[f"{name}_minor"] == answer.body[f"{name}_baisa"] == answer.body[f"{name}_omr"] * 1_000
    return {name: answer.body[f"{name}_minor"] for name in names}


def give(minor: int) -> None:
    give_credit(Customer.objects.get(user_id="ada"), minor)


def test_credit_and_voucher_pay_first_and_the_checkout_does_the_same(
    checkout: Checkout, ada: Caller, acme: str
) -> None:
    give(4_250)
    PromoCodeFactory.create(code="GIFT", credit_minor=9_000)
    order = {"plan_id": "m", "addons": ["backup"], "promo_code": "gift"}
    answer = quote(ada, acme, **order)
    assert answer.status == 200
    assert amounts(answer) == {
        "total": 12_000,
        "credit_applied": 12_000,
        "amount_due": 0,
        "credit_left": 1_250,
        "proration": 0,
        "next_month": 12_000,
    }
    assert [(line["kind"], line["slug"], line["price_omr"]) for line in answer.body["lines"]] == [
        ("plan", "m", 9),
        ("addon", "backup", 3),
    ]
    assert answer.body["promo"] == {
        "code": "GIFT",
        "credit_minor": 9_000,
        "credit_omr": 9,
        "credit_baisa": 9_000,
        "currency": "OMR",
    }
    assert "refusal" not in answer.body
    placed = checkout(**order)
    assert (placed.status, placed.body["credit_balance_minor"]) == (200, 1_250)


def test_a_bundle_lowers_the_quote_and_the_checkout_alike(checkout: Checkout, ada: Caller, acme: str) -> None:
    give(20_000)
    order = {"plan_id": "m", "addons": ["backup"], "apps": ["wordpress"], "bundle": "starter"}
    answer = quote(ada, acme, **order)
    assert answer.body["total_minor"] == answer.body["next_month_minor"] == 10_800
    assert [line["price_minor"] for line in answer.body["lines"]] == [8_100, 2_700]
    bundle = answer.body["bundle"]
    assert (bundle["slug"], bundle["discount_percent"], bundle["discount_minor"]) == ("starter", 10, 1_200)
    for change, code in (({"apps": []}, "bundle_incomplete"), ({"bundle": "never"}, "unknown_bundle")):
        assert_refused(quote(ada, acme, **{**order, **change}), 400, code)
        with nothing_changes():
            assert_refused(checkout(**{**order, **change}), 400, code)
    assert "bundle" not in quote(ada, acme, **{**order, "bundle": None}).body
    assert checkout(**order).body["credit_balance_minor"] == 9_200


def test_the_vat_of_the_total_is_shown_under_a_rate(ada: Caller, acme: str) -> None:
    """It is rounded as the invoice rounds it: the part that credit pays, and the card's."""
    give(2_000)
    assert "vat" not in quote(ada, acme).body
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)
    answer = quote(ada, acme)
    assert answer.body["vat"] == {
        "basis_points": 500,
        "vat_minor": 95 + 333,
        "vat_omr": Decimal("0.428"),
        "vat_baisa": 428,
        "net_minor": 8_572,
        "net_omr": Decimal("8.572"),
        "net_baisa": 8_572,
        "currency": "OMR",
    }
    assert (answer.body["total_minor"], answer.body["amount_due_minor"]) == (9_000, 7_000)
    VatRate.objects.create(starts_on=date(2021, 4, 17), basis_points=0)
    assert "vat" not in quote(ada, acme).body


def test_what_credit_does_not_cover_is_due(ada: Caller, acme: str) -> None:
    give(2_000)
    answer = quote(ada, acme)
    assert amounts(answer) | {"total": 9_000, "credit_applied": 2_000, "amount_due": 7_000} == amounts(answer)
    assert "promo" not in answer.body
    assert answer.body["refusal"]["code"] == "payment_processor_not_configured"
    assert answer.body["refusal"]["error"].startswith("payment processor is not configured")


@pytest.mark.parametrize("prorates", [True, False])
def test_a_change_of_plan_shows_the_unused_month(
    checkout: Checkout, ada: Caller, acme: str, settings: Any, prorates: bool
) -> None:
    settings.PRORATION = prorates
    give(25_000)
    checkout(plan_id="m")
    now = timezone.now()
    Subscription.objects.update(current_period_end=now + (now - Subscription.objects.get().current_period_start))
    quoted = amounts(quote(ada, acme, plan_id="l"))
    answer = checkout(plan_id="l")
    assert (answer.status, answer.body["credit_balance_minor"]) == (200, quoted["credit_left"])
    reasons = [each["reason"] for each in ada.get("billing/balance").body["entries"]]
    old = Subscription.objects.get(status="canceled")
    assert (f"proration:{old.id}" in reasons) == (quoted["proration"] > 0)
    if not prorates:
        assert quoted["proration"] == 0


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        (None, "promo_not_found"),
        (REFUSING["paused"], "promo_inactive"),
        (REFUSING["not yet started"], "promo_not_started"),
        (REFUSING["expired"], "promo_expired"),
    ],
)
def test_a_code_that_cannot_be_redeemed_adds_nothing_and_says_why(
    checkout: Checkout, ada: Caller, acme: str, terms: Any, code: str
) -> None:
    give(9_000)
    if terms is not None:
        PromoCodeFactory.create(code="GIFT", **terms)
    answer = quote(ada, acme, promo_code="GIFT")
    refused = checkout(promo_code="GIFT")
    assert answer.body["promo"] == refused.body
    assert (refused.status, refused.code) == (400, code)
    assert amounts(answer)["credit_left"] == 0


def test_a_retired_code_looks_like_an_unknown_one(ada: Caller, acme: str) -> None:
    PromoCodeFactory.create(code="GONE")
    retire_code(code="GONE", by=actor())
    assert quote(ada, acme, promo_code="GONE").content == quote(ada, acme, promo_code="NEVER").content


def test_bad_references_are_refused_as_in_a_checkout(checkout: Checkout, ada: Caller, acme: str, bobs: str) -> None:
    for wrong in ({"plan_id": "nope"}, {"apps": ["nope"]}, {"addons": ["nope"]}, {"plan_id": ""}, {"apps": "x"}):
        answer, refused = quote(ada, acme, **wrong), checkout(**wrong)
        assert (answer.status, answer.body) == (refused.status, refused.body)
        assert answer.status == 400
    assert_refused(quote(ada, bobs), 404, "tenant_not_found")
    assert_refused(quote(ada, "nonsense"), 400, "invalid_request")
    Organization.objects.filter(slug="acme").update(status="deleted", deleted_at=timezone.now())
    assert_refused(quote(ada, acme), 404, "tenant_not_found")


def test_the_basket_that_the_organization_has_is_refused_as_in_a_checkout(
    checkout: Checkout, ada: Caller, acme: str
) -> None:
    give(9_000)
    checkout()
    assert_refused(quote(ada, acme), 409, "already_subscribed")


def test_an_identity_is_required(anybody: Caller, acme: str) -> None:
    assert_refused(anybody.post(PATH, {"tenant_id": acme, "plan_id": "m"}), 401, "not_authenticated")


def test_quotes_and_previews_share_one_limit(ada: Caller, acme: str, anybody: Caller, settings: Any) -> None:
    settings.PREVIEW_RATE_LIMIT = "3/min"
    assert [quote(ada, acme, promo_code=f"GUESS-{number}").status for number in range(2)] == [200, 200]
    assert anybody.post("billing/vouchers/redeem-preview", {"code": "GUESS"}).status == 404
    answer = quote(ada, acme, promo_code="GUESS-4")
    assert_refused(answer, 429, "throttled", "too many requests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert not Order.objects.exists()


def test_a_quote_says_when_the_credit_of_the_code_would_expire(ada: Caller, acme: str) -> None:
    expires_at = datetime(2999, 1, 1, tzinfo=UTC)
    PromoCodeFactory.create(code="GIFT", credit_minor=9_000, credit_expires_at=expires_at)
    answer = quote(ada, acme, promo_code="gift")
    assert answer.body["promo"]["credit_expires_at"] == "2999-01-01T00:00:00Z"
    PromoCodeFactory.create(code="LASTING", credit_minor=9_000)
    assert "credit_expires_at" not in quote(ada, acme, promo_code="lasting").body["promo"]
