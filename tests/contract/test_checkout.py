"""Checkout without a card: the answers when credit covers the total, and when it does not."""

from typing import Any

import pytest

from billing.models import Customer, LedgerEntry
from billing.use_cases.ledger.hold_credit import hold_credit
from orders.models import Order, Plan
from promos.use_cases.change_code import retire_code
from tests.factories import PromoCodeFactory, actor, give_credit
from tests.snapshot import nothing_changes, only_changes

from .api_client import Answer, Caller
from .conftest import FIFTY_OMR, Checkout, tenant_of
from .json_shapes import assert_refused, assert_shape
from .response_shapes import CHECKOUT
from .test_preview import REFUSING

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "billing/checkout"
NOT_CONFIGURED = "payment processor is not configured"


def give(caller: Caller, amount_minor: int) -> None:
    give_credit(Customer.objects.get(user_id=caller.user_id), amount_minor)


def read_record(answer: Answer) -> tuple[int, Any, Any, Any]:
    body = answer.body
    return answer.status, body["paid_by_credit"], body["credit_balance"], body["credit_balance_minor"]


def test_a_voucher_that_covers_the_order_pays_it(checkout: Checkout, ada: Caller, acme: str) -> None:
    PromoCodeFactory.create(code="WELCOME50", credit_minor=50_000, max_redemptions=5)
    with only_changes(
        "billing_account",
        "billing_invoice",
        "billing_ledgerentry",
        "billing_organization",
        "billing_subscription",
        "orders_order",
        "orders_orderline",
        "orders_outboxevent",
        "procrastinate_events",
        "procrastinate_jobs",
        "promos_promocounter",
        "promos_redemption",
    ):
        answer = checkout(addons=["backup"], apps=["wordpress"], promo_code="welcome50")
    assert_shape(answer.body, CHECKOUT)
    assert read_record(answer) == (200, True, 38, 38_000)
    assert answer.body["order_id"] == str(Order.objects.get().id)
    assert [(entry.reason, entry.amount_minor) for entry in LedgerEntry.objects.order_by("version")] == [
        ("promo:WELCOME50", 50_000),
        ("order-payment", -12_000),
    ]
    subscription = ada.get(f"billing/subscription/{acme}").body
    assert (subscription["status"], subscription["amount_minor"]) == ("active", 12_000)


def test_whole_balances_are_integers_and_others_exact(checkout: Checkout, ada: Caller, settings: Any) -> None:
    settings.PRORATION = False
    give(ada, 30_000)
    assert b'"credit_balance":21,' in checkout().content
    assert b'"credit_balance":15.75,' in checkout(plan_id="odd").content


def test_plan_and_add_ons_are_named_by_id_or_slug(checkout: Checkout, ada: Caller, acme: str) -> None:
    give(ada, 9_000)
    plan = Plan.objects.get(slug="m")
    assert checkout(plan_id=str(plan.id).upper()).status == 200
    assert_refused(checkout(plan_id="m"), 409, "already_subscribed")


@pytest.mark.parametrize("nothing", [{}, {"apps": None, "addons": None, "promo_code": None}, {"promo_code": "  "}])
def test_optional_fields_may_be_absent_null_or_blank(checkout: Checkout, acme: str, nothing: Any) -> None:
    assert read_record(checkout(plan_id="flexi", **nothing)) == (200, True, 0, 0)


def test_a_total_of_zero_writes_no_ledger_row(checkout: Checkout, acme: str) -> None:
    assert read_record(checkout(plan_id="flexi", addons=["waf"])) == (200, True, 0, 0)
    assert not LedgerEntry.objects.exists()


def test_a_refused_checkout_spends_no_voucher(checkout: Checkout, ada: Caller, noor: Caller, acme: str) -> None:
    """A voucher of 10 OMR for an order of 50 without a card processor is refused, and still pays for a plan of 9."""
    noor.post("billing/vouchers/issue", {"code": "TEN", "credit_omr": 10, "max_redemptions": 1})
    with nothing_changes():
        for key in ("", "a-key"):
            assert_refused(
                checkout(key, **FIFTY_OMR, promo_code="TEN"),
                503,
                "payment_processor_not_configured",
                NOT_CONFIGURED,
            )
    assert noor.get("billing/vouchers/list").body[0]["times_redeemed"] == 0
    assert ada.get("billing/balance").body["entries"] == []
    assert noor.post("billing/vouchers/redeem-preview", {"code": "TEN"}).status == 200
    assert read_record(checkout("a-key", plan_id="m", promo_code="TEN")) == (200, True, 1, 1_000)
    assert noor.get("billing/vouchers/list").body[0]["times_redeemed"] == 1
    with nothing_changes():
        assert_refused(checkout(plan_id="l", promo_code="TEN"), 400, "promo_already_redeemed")


def test_one_baisa_short_is_short(checkout: Checkout, ada: Caller, acme: str) -> None:
    give(ada, 8_999)
    with nothing_changes():
        assert_refused(checkout(), 503, "payment_processor_not_configured", NOT_CONFIGURED)
    give(ada, 1)
    assert read_record(checkout()) == (200, True, 0, 0)


def test_held_credit_does_not_pay(checkout: Checkout, ada: Caller, acme: str) -> None:
    give(ada, 9_000)
    customer = Customer.objects.get(user_id="ada")
    hold_credit(customer_id=customer.pk, amount_minor=1, order_id=Plan.objects.get(slug="m").id)
    with nothing_changes():
        assert_refused(checkout(), 503, "payment_processor_not_configured")


def test_another_basket_replaces_the_subscription(checkout: Checkout, ada: Caller, acme: str) -> None:
    give(ada, 40_000)
    first = checkout()
    assert_refused(checkout(), 409, "already_subscribed")
    assert checkout(addons=["backup"]).status == 200
    assert ada.get(f"billing/subscription/{acme}").body["amount_minor"] == 12_000
    assert first.body["credit_balance_minor"] == 31_000
    assert len(ada.get("billing/invoices").body) == 2


UNKNOWN: dict[str, tuple[dict[str, Any], str, str]] = {
    "plan": ({"plan_id": "nope"}, "unknown_plan", "plan_id"),
    "plan id": ({"plan_id": "11111111-1111-4111-8111-111111111111"}, "unknown_plan", "plan_id"),
    "app as plan": ({"plan_id": "wordpress"}, "unknown_plan", "plan_id"),
    "app": ({"apps": ["wordpress", "nope"]}, "unknown_app", "apps"),
    "add-on": ({"addons": ["backup", "nope"]}, "unknown_addon", "addons"),
    "plan as add-on": ({"addons": ["m"]}, "unknown_addon", "addons"),
    "markup": ({"plan_id": "<b>m</b>"}, "unknown_plan", "plan_id"),
    "sql": ({"plan_id": "m' OR '1'='1"}, "unknown_plan", "plan_id"),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_an_unknown_item_is_refused_by_name(checkout: Checkout, ada: Caller, case: str) -> None:
    body, code, field = UNKNOWN[case]
    give(ada, 100_000)
    with nothing_changes():
        answer = checkout(**body)
    assert_refused(answer, 400, code, "unknown ")
    assert list(answer.body["fields"]) == [field]


def test_a_withdrawn_item_is_unknown(checkout: Checkout, ada: Caller) -> None:
    give(ada, 100_000)
    Plan.objects.filter(slug="m").update(active=False)
    with nothing_changes():
        assert_refused(checkout(), 400, "unknown_plan")


PROMO_PROBLEMS = {
    "promo_not_found": "invalid promo code: not found",
    "promo_inactive": "invalid promo code: not active",
    "promo_not_started": "invalid promo code: ",
    "promo_expired": "invalid promo code: expired",
    "promo_exhausted": "invalid promo code: exhausted",
}


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        (None, "promo_not_found"),
        (REFUSING["paused"], "promo_inactive"),
        (REFUSING["not yet started"], "promo_not_started"),
        (REFUSING["expired"], "promo_expired"),
        ({"max_redemptions": 1}, "promo_exhausted"),
    ],
)
@pytest.mark.parametrize("plan", ["m", "xl"])
def test_each_promo_problem_has_its_own_code(
    *, checkout: Checkout, ada: Caller, bob: Caller, bobs: str, terms: Any, code: str, plan: str
) -> None:
    """The promo problem is reported before missing credit, for a covered plan and an uncovered one."""
    give(ada, 9_000)
    if terms is not None:
        PromoCodeFactory.create(code="GIFT", **terms)
    if code == "promo_exhausted":
        bob.post(PATH, {"tenant_id": bobs, "plan_id": "s", "promo_code": "GIFT"})
    with nothing_changes():
        assert_refused(checkout(plan_id=plan, promo_code="gift"), 400, code, PROMO_PROBLEMS[code])


def test_a_retired_code_is_not_found_like_an_unknown_one(checkout: Checkout, acme: str) -> None:
    PromoCodeFactory.create(code="GONE")
    retire_code(code="GONE", by=actor())
    with nothing_changes():
        retired, unknown = checkout(promo_code="GONE"), checkout(promo_code="NEVER")
    assert retired.status == unknown.status == 400
    assert retired.content == unknown.content


def test_each_customer_redeems_a_code_once(
    checkout: Checkout, ada: Caller, bob: Caller, bobs: str, noor: Caller
) -> None:
    PromoCodeFactory.create(code="QUARTER", credit_minor=25_000)
    assert read_record(checkout(promo_code="QUARTER")) == (200, True, 16, 16_000)
    with nothing_changes():
        answer = checkout(plan_id="l", promo_code="quarter")
    assert_refused(answer, 400, "promo_already_redeemed", "invalid promo code: already redeemed")
    assert ada.get("billing/balance").body["credit_minor"] == 16_000
    assert read_record(bob.post(PATH, {"tenant_id": bobs, "plan_id": "m", "promo_code": "QUARTER"}))[3] == 16_000
    assert noor.get("billing/vouchers/list").body[0]["times_redeemed"] == 2


def test_an_organization_of_another_customer_is_not_found(ada: Caller, root: Caller, bobs: str, acme: str) -> None:
    give(ada, 9_000)
    with nothing_changes():
        assert_refused(ada.post(PATH, {"tenant_id": bobs, "plan_id": "m"}), 404, "tenant_not_found")
        assert_refused(root.post(PATH, {"tenant_id": acme, "plan_id": "m"}), 404, "tenant_not_found")


def test_a_deleted_organization_is_not_found(checkout: Checkout, ada: Caller, acme: str) -> None:
    give(ada, 9_000)
    ada.delete(f"tenant/orgs/{acme}")
    with nothing_changes():
        assert_refused(checkout(), 404, "tenant_not_found")


def test_staff_may_buy_for_organizations_of_their_own(shop: None, salim: Caller) -> None:
    tenant = tenant_of(salim, "salims")
    assert read_record(salim.post(PATH, {"tenant_id": tenant, "plan_id": "flexi"})) == (200, True, 0, 0)
