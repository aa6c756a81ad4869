"""Restrictions of vouchers and campaigns: as staff send and get them, and in top-ups, checkouts and quotes."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from billing.models import AuditEntry, Customer, Organization
from orders.models import AddOn, Plan
from promos.models import PromoCode
from tests.contract.issuing_shapes import CAMPAIGN, VOUCHER
from tests.factories import CampaignFactory, PromoCodeFactory, give_credit, ids_of
from tests.snapshot import nothing_changes

from .api_client import Answer, Caller, by_token
from .conftest import Checkout, tenant_of
from .json_shapes import assert_refused, assert_shape

pytestmark = pytest.mark.django_db(transaction=True)

ISSUE = "billing/vouchers/issue"
CREDIT_OMR = 60


def issue(noor: Caller, restrictions: Any, code: str = "GIFT", **terms: Any) -> Answer:
    return noor.post(ISSUE, {"code": code, "credit_omr": CREDIT_OMR, "restrictions": restrictions, **terms})


def top_up(caller: Caller, code: str = "GIFT") -> Answer:
    return caller.post("billing/vouchers/redeem", {"code": code})


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A restriction, an order of Ada that it refuses and one that it allows, and the refusal of her top-up."""

    restrictions: dict[str, Any]
    top_up: str = "promo_needs_order"
    refused: dict[str, Any] | None = None
    refusal: str = ""
    why: str = ""
    allowed: dict[str, Any] | None = field(default_factory=dict)


RULES = {
    "only orders": Rule(restrictions={"only": "orders"}),
    "only top-ups": Rule(
        restrictions={"only": "top_ups"},
        top_up="",
        refused={},
        refusal="promo_only_top_up",
        why="it is not valid with an order: redeem it into your balance first",
        allowed=None,
    ),
    "plans": Rule(
        restrictions={"plans": ["l", "xl"]},
        refused={"plan_id": "m"},
        refusal="promo_plan_not_eligible",
        why="it is not valid for this plan",
        allowed={"plan_id": "l"},
    ),
    "add-ons": Rule(
        restrictions={"addons": ["backup", "waf"]},
        refused={"addons": ["disaster-recovery"]},
        refusal="promo_addon_missing",
        why="it is valid only with certain add-ons, and the order has none of them",
        allowed={"addons": ["disaster-recovery", "backup"]},
    ),
    "minimum order": Rule(
        restrictions={"minimum_order_omr": 12},
        refused={"plan_id": "m"},
        refusal="promo_order_too_small",
        why="it is valid only for orders of at least 12.000 OMR",
        allowed={"plan_id": "m", "addons": ["backup"]},
    ),
    "first order": Rule(restrictions={"first_order_only": True}),
    "e-mail domains": Rule(restrictions={"email_domains": ["Example.ORG", "bank.om"]}, top_up=""),
    "customers": Rule(restrictions={"customers": ["ada"]}, top_up=""),
    "customers by address": Rule(restrictions={"customers": ["Ada@Example.org", "eve"]}, top_up=""),
    "other domains": Rule(
        restrictions={"email_domains": ["bank.om", "ample.org"]},
        top_up="promo_email_not_eligible",
        refused={},
        refusal="promo_email_not_eligible",
        why="it is not valid for your e-mail address",
        allowed=None,
    ),
    "other customers": Rule(
        restrictions={"customers": ["bob", "carl@example.org"]},
        top_up="promo_customer_not_eligible",
        refused={},
        refusal="promo_customer_not_eligible",
        why="it was issued to other customers",
        allowed=None,
    ),
}


@pytest.mark.parametrize("of_campaign", [False, True], ids=["voucher", "campaign"])
@pytest.mark.parametrize("name", RULES)
def test_each_rule_refuses_and_allows_alike_in_quote_checkout_and_top_up(
    noor: Caller, checkout: Checkout, ada: Caller, *, name: str, of_campaign: bool
) -> None:
    acme = str(Organization.objects.get().id)
    rule = RULES[name]
    if of_campaign:
        drafted = noor.post("billing/campaigns", {"name": "Spring", "restrictions": rule.restrictions})
        for act, by in (("approve", by_token("superadmin")), ("activate", noor)):
            by.post(f"billing/campaigns/{drafted.body['id']}/{act}", {"reason": "agreed"})
        assert issue(noor, None, campaign_id=drafted.body["id"]).status == 200
    else:
        assert issue(noor, rule.restrictions).status == 200

    def quoted(body: dict[str, Any]) -> str:
        answer = ada.post("billing/checkout/quote", {"tenant_id": acme, "plan_id": "m", "promo_code": "GIFT", **body})
        assert answer.status == 200
        return str(answer.body["promo"].get("code" if "error" in answer.body["promo"] else "", ""))

    if rule.refused is not None:
        with nothing_changes():
            assert quoted(rule.refused) == rule.refusal
            answer = checkout(promo_code="GIFT", **rule.refused)
            assert_refused(answer, 400, rule.refusal, f"invalid promo code: {rule.why}")
            # A second time, now that the process has priced the basket.
            assert checkout(promo_code="GIFT", **rule.refused).body == answer.body
    if rule.top_up:
        with nothing_changes():
            assert_refused(top_up(ada), 400, rule.top_up, "invalid promo code: ")
    if rule.allowed is not None:
        assert quoted(rule.allowed) == ""
        assert checkout(promo_code="GIFT", **rule.allowed).body["paid_by_credit"]
    elif not rule.top_up:
        assert top_up(ada).body["credit_omr"] == CREDIT_OMR


def test_a_first_order_is_one_before_which_nothing_was_bought(
    noor: Caller, checkout: Checkout, ada: Caller, bob: Caller, bobs: str
) -> None:
    issue(noor, {"first_order_only": True})
    give_credit(Customer.objects.get(user_id="ada"), 9_000)
    assert checkout().status == 200
    other = tenant_of(ada, "other")
    with nothing_changes():
        for tenant in (other, other):
            order = {"tenant_id": tenant, "plan_id": "l", "promo_code": "GIFT"}
            assert_refused(
                ada.post("billing/checkout", order),
                400,
                "promo_not_first_order",
                "invalid promo code: it is valid only for a first order",
            )
    assert bob.post("billing/checkout", {"tenant_id": bobs, "plan_id": "m", "promo_code": "GIFT"}).status == 200


@pytest.mark.parametrize(
    ("limit", "refusal"),
    [
        ("uses_per_customer", "promo_customer_limit"),
        ("uses_per_day", "promo_daily_limit"),
        ("uses_per_week", "promo_weekly_limit"),
        ("uses_per_month", "promo_monthly_limit"),
    ],
)
def test_a_campaign_limits_the_uses_of_one_customer_over_all_its_vouchers(
    checkout: Checkout, ada: Caller, bob: Caller, *, limit: str, refusal: str
) -> None:
    campaign = CampaignFactory.create(restrictions={limit: 2})
    for code in ("ONE", "TWO", "THREE"):
        PromoCodeFactory.create(code=code, campaign_id=campaign.pk)
    assert top_up(ada, "ONE").status == 200
    assert checkout(promo_code="TWO").status == 200
    with nothing_changes():
        assert_refused(top_up(ada, "THREE"), 400, refusal, "invalid promo code: you have used it as often as ")
        assert_refused(checkout(plan_id="l", promo_code="THREE"), 400, refusal)
        order = {"tenant_id": str(Organization.objects.get().id), "plan_id": "l", "promo_code": "THREE"}
        assert ada.post("billing/checkout/quote", order).body["promo"]["code"] == refusal
    assert top_up(bob, "THREE").status == 200


@pytest.mark.parametrize(
    ("limits", "refusal", "why"),
    [
        ({"uses_per_customer": 2}, "promo_customer_limit", "you have used it as often as one customer may"),
        ({"uses_per_month": 2}, "promo_monthly_limit", "you have used it as often as is allowed in one month"),
    ],
)
def test_a_customer_redeems_a_voucher_as_often_as_its_own_limits_allow(
    noor: Caller, checkout: Checkout, ada: Caller, bob: Caller, *, limits: dict[str, int], refusal: str, why: str
) -> None:
    assert issue(noor, limits, max_redemptions=4).status == 200
    order = {"tenant_id": str(Organization.objects.get().id), "plan_id": "l", "promo_code": "GIFT"}
    assert checkout(promo_code="GIFT").status == 200
    assert ada.post("billing/checkout/quote", order).body["promo"]["credit_omr"] == CREDIT_OMR
    answer = top_up(ada)
    assert (answer.status, answer.body["code"]) == (200, "GIFT")
    with nothing_changes():
        assert_refused(top_up(ada), 400, refusal, f"invalid promo code: {why}")
        assert_refused(checkout(plan_id="l", promo_code="GIFT"), 400, refusal)
        assert ada.post("billing/checkout/quote", order).body["promo"]["code"] == refusal
    assert top_up(bob).status == 200
    [row] = noor.get("billing/vouchers/list").body
    assert (row["times_redeemed"], row["max_redemptions"]) == (3, 4)
    assert limits.items() <= row["restrictions"].items()
    # Set back to once: each customer who has redeemed it has done so.
    assert issue(noor, None).body["times_redeemed"] == 3
    for caller in (ada, bob):
        assert_refused(top_up(caller), 400, "promo_already_redeemed")


def test_the_record_holds_ids_and_one_form_of_each_rule(noor: Caller, shop: None) -> None:
    sent = {
        "plans": ["XL", "l", "l"],
        "addons": ids_of(AddOn, "backup"),
        "minimum_order_omr": 20.5,
        "first_order_only": False,
        "email_domains": [" @Bank.OM "],
        "customers": ["Ada@Example.org", "user-7", "user-7"],
        "uses_per_day": None,
    }
    answer = issue(noor, sent)
    assert_shape(answer.body, VOUCHER)
    assert answer.body["restrictions"] == {
        "only": "orders",
        "plans": sorted(ids_of(Plan, "l", "xl")),
        "addons": ids_of(AddOn, "backup"),
        "minimum_order_minor": 20_500,
        "minimum_order_omr": 20.5,
        "minimum_order_baisa": 20_500,
        "currency": "OMR",
        "first_order_only": False,
        "email_domains": ["bank.om"],
        "customers": ["ada@example.org", "user-7"],
        "uses_per_customer": None,
        "uses_per_day": None,
        "uses_per_week": None,
        "uses_per_month": None,
        "time_zone": None,
    }
    assert noor.get("billing/vouchers/list").body == [answer.body]
    audited = AuditEntry.objects.get(action="promo_code.issued").changes["restrictions"]
    assert audited == [None, PromoCode.objects.get(code="GIFT").restrictions]
    # Clients send a listed row back whole, or only what their form shows.
    with nothing_changes():
        assert noor.post(ISSUE, answer.content).body == answer.body
        assert noor.post(ISSUE, {"code": "GIFT"}).body == answer.body
    for nothing in (None, {}, {"plans": [], "minimum_order_minor": 0, "only": None}):
        issue(noor, sent)
        assert issue(noor, nothing, reason="open to all").body["restrictions"] is None
    cleared = AuditEntry.objects.filter(action="promo_code.changed").latest("id")
    assert (cleared.changes["restrictions"][1], cleared.reason) == (None, "open to all")


@pytest.mark.parametrize(
    ("restrictions", "at"),
    [
        ([], "restrictions"),
        ("orders", "restrictions"),
        ({"only": "gifts"}, "restrictions.only"),
        ({"plans": ["nope"]}, "restrictions.plans"),
        ({"plans": "l"}, "restrictions.plans"),
        ({"addons": ["l"]}, "restrictions.addons"),
        ({"minimum_order_omr": -1}, "restrictions.minimum_order_omr"),
        ({"minimum_order_omr": 1, "minimum_order_minor": 2}, "restrictions.minimum_order_omr"),
        ({"first_order_only": "yes"}, "restrictions.first_order_only"),
        ({"email_domains": ["bank"]}, "restrictions.email_domains"),
        ({"email_domains": ["a@bank.om"]}, "restrictions.email_domains"),
        ({"customers": [""]}, "restrictions.customers.0"),
        ({"customers": ["x" * 256]}, "restrictions.customers.0"),
        ({"uses_per_day": 0}, "restrictions.uses_per_day"),
        ({"uses_per_week": 1.5}, "restrictions.uses_per_week"),
        ({"only": "top_ups", "first_order_only": True}, "restrictions.only"),
    ],
)
def test_bad_restrictions_are_told_by_field(noor: Caller, shop: None, restrictions: Any, at: str) -> None:
    with nothing_changes():
        for answer in (
            issue(noor, restrictions),
            noor.post("billing/campaigns", {"name": "Spring", "restrictions": restrictions}),
        ):
            assert answer.status == 400
            assert at in answer.body["fields"], answer.body


def test_a_campaign_keeps_its_restrictions_once_it_is_approved(noor: Caller, root: Caller, shop: None) -> None:
    made = noor.post("billing/campaigns", {"name": "Spring", "restrictions": {"uses_per_day": 1}})
    assert made.status == 201
    assert_shape(made.body, CAMPAIGN)
    path = f"billing/campaigns/{made.body['id']}"
    rules = made.body["restrictions"]
    assert (rules["uses_per_day"], rules["time_zone"], rules["only"]) == (1, "UTC", None)
    assert noor.call("PUT", path, {"purpose": "spring"}).body["restrictions"] == rules
    changed = noor.call("PUT", path, {"restrictions": {"plans": ["l"]}}).body["restrictions"]
    assert (changed["only"], changed["uses_per_day"]) == ("orders", None)
    assert root.post(f"{path}/approve", {"reason": "agreed"}).status == 200
    with nothing_changes():
        assert_refused(noor.call("PUT", path, {"restrictions": None}), 409, "campaign_state")
    later = {"ends_at": "2099-01-01T00:00:00Z", "reason": "longer"}
    assert noor.post(f"{path}/window", later).body.get("restrictions", changed) == changed


def test_the_public_preview_leaves_rules_about_customers_and_orders_to_the_checkout(
    noor: Caller, anybody: Caller, shop: None
) -> None:
    issue(noor, {"plans": ["l"], "customers": ["bob"]})
    answer = anybody.post("billing/vouchers/redeem-preview", {"code": "GIFT"})
    assert (answer.status, answer.body["accepting_redemptions"]) == (200, True)
    assert answer.body["conditions"] == [
        "Only with an order.",
        "Only with the plan L.",
        "Only for certain customers.",
    ]
    assert b"bob" not in answer.content
