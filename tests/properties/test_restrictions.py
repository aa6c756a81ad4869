"""A quote, a checkout, a top-up and its preview answer alike for any restrictions, as a model in Python does."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.models import Customer, Organization
from orders.models.basket import CheckoutRequest
from orders.use_cases.checkout.place_order import place_order
from orders.use_cases.checkout.quote_checkout import quote_checkout
from promos.errors import PromoProblem
from promos.models import Campaign, PromoCode, Redemption
from promos.use_cases.check_eligibility import find_redeemable_into_balance
from promos.use_cases.redeem_code import redeem
from promos.use_cases.restrictions.complete_restrictions import complete_restrictions
from tests.database import restore_pristine
from tests.factories import (
    AddOnFactory,
    CustomerFactory,
    OrganizationFactory,
    PlanFactory,
    acting,
    forget_prices,
    give_credit,
)

NOW = datetime(2027, 1, 31, 9, 30, tzinfo=UTC)
PRICES = {"s": 5_000, "m": 9_000}
ORDER_RULES = {"plans", "addons", "minimum_order_minor", "first_order_only"}


def _is_possible(rules: dict[str, Any]) -> bool:
    """Return whether the rules may stand together: a rule about the order needs an order."""
    return rules.get("only") != "top_ups" or not rules.keys() & ORDER_RULES


RULES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "only": st.sampled_from(["orders", "top_ups"]),
        "plans": st.sampled_from([["s"], ["m"], ["s", "m"]]),
        "addons": st.just(["backup"]),
        "minimum_order_minor": st.sampled_from([5_000, 5_001, 9_000, 12_000]),
        "first_order_only": st.just(True),
        "email_domains": st.sampled_from([["example.org"], ["bank.om"]]),
        "customers": st.sampled_from([["ada"], ["Ada@Example.org"], ["bob"]]),
    },
).filter(_is_possible)
LIMITS = st.fixed_dictionaries(
    {}, optional={"uses_per_customer": st.integers(1, 2), "uses_per_day": st.integers(1, 2)}
)


@dataclass(frozen=True)
class Case:
    """Restrictions of a code and of its campaign, and an order; `used` earlier uses of the campaign's codes."""

    own: dict[str, Any]
    of_campaign: dict[str, Any]
    plan: str
    addon: bool
    bought: bool
    used: int

    def expected(self, *, with_order: bool) -> str:
        """Return the code of the first rule that is broken, or nothing."""
        return self._broken(self.own, with_order, 0) or self._broken(self.of_campaign, with_order, self.used)

    def _broken(self, rules: dict[str, Any], with_order: bool, used: int) -> str:
        total = PRICES[self.plan] + 3_000 * self.addon
        only = "orders" if rules.keys() & ORDER_RULES else rules.get("only")
        broken = {
            "promo_needs_order": only == "orders" and not with_order,
            "promo_only_top_up": only == "top_ups" and with_order,
            "promo_customer_not_eligible": "customers" in rules and rules["customers"] == ["bob"],
            "promo_email_not_eligible": "email_domains" in rules and rules["email_domains"] == ["bank.om"],
            "promo_plan_not_eligible": "plans" in rules and self.plan not in rules["plans"],
            "promo_addon_missing": "addons" in rules and not self.addon,
            "promo_order_too_small": total < rules.get("minimum_order_minor", 0),
            "promo_not_first_order": "first_order_only" in rules and self.bought,
            "promo_customer_limit": used >= rules.get("uses_per_customer", 9),
            "promo_daily_limit": used >= rules.get("uses_per_day", 9),
        }
        return next((code for code, stands in broken.items() if stands), "")


CASES = st.builds(
    Case,
    own=RULES,
    of_campaign=st.builds(lambda rules, limits: {**rules, **limits}, RULES, LIMITS),
    plan=st.sampled_from(["s", "m"]),
    addon=st.booleans(),
    bought=st.booleans(),
    used=st.integers(0, 2),
)


@pytest.fixture(scope="module", autouse=True)
def shop(django_db_setup: None, django_db_blocker: object) -> Iterator[None]:
    """Ada with credit, two organizations and a catalog, for all examples."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        for slug, price_minor in PRICES.items():
            PlanFactory.create(slug=slug, price_minor=price_minor)
        AddOnFactory.create(slug="backup", price_minor=3_000)
        ada = CustomerFactory.create(user_id="ada")
        for slug in ("first", "second"):
            OrganizationFactory.create(customer=ada, slug=slug)
        give_credit(ada, 50_000)
        yield
        restore_pristine()


class Undo(Exception):
    """Ends an example without a trace."""


@settings(max_examples=12)
@given(case=CASES)
def test_preview_quote_and_redemption_answer_alike(case: Case) -> None:
    forget_prices()
    try:
        with transaction.atomic():
            _compare(case)
            raise Undo
    except Undo:
        pass


def _compare(case: Case) -> None:
    customer = Customer.objects.get(user_id="ada")
    first, second = Organization.objects.order_by("slug")
    by = acting(customer)
    if case.bought:
        place_order(request=CheckoutRequest(tenant_id=second.id, plan="m"), by=by, now=NOW)
    code = _code(case, customer)
    request = CheckoutRequest(
        tenant_id=first.id, plan=case.plan, addons=("backup",) if case.addon else (), promo_code=code
    )
    quote = quote_checkout(request=request, by=by, now=NOW)
    assert quote.promo is not None
    ordered = _outcome(lambda: place_order(request=request, by=by, now=NOW))
    assert (quote.promo.problem.code if quote.promo.problem else "") == ordered == case.expected(with_order=True)
    preview = _outcome(
        lambda: find_redeemable_into_balance(
            code=code, customer_id=customer.pk, user_id="ada", email=customer.email, now=NOW
        )
    )
    redeemed = _outcome(lambda: redeem(code=code, user_id="ada", by=by, now=NOW))
    assert preview == redeemed == case.expected(with_order=False)


def _code(case: Case, customer: Customer) -> str:
    """Make the code and its campaign, with earlier uses of the customer."""
    campaign = Campaign.objects.create(
        name="Spring",
        status="active",
        drafted_by="noor",
        approved_by="omar",
        restrictions=complete_restrictions(case.of_campaign),
    )
    terms = {"credit_minor": 10_000, "currency": "OMR", "issued_by": "noor", "campaign": campaign}
    for number in range(case.used):
        Redemption.objects.create(
            promo_code=PromoCode.objects.create(code=f"USED-{number}", **terms),
            customer=customer,
            credit_minor=10_000,
            status="confirmed",
            reserved_at=NOW,
            confirmed_at=NOW,
        )
    return PromoCode.objects.create(code="GIFT", restrictions=complete_restrictions(case.own), **terms).code


def _outcome(act: Any) -> str:
    """Return the refusal's code, or nothing; nothing that the act wrote stays."""
    try:
        with transaction.atomic():
            act()
            raise Undo
    except Undo:
        return ""
    except PromoProblem as refusal:
        return refusal.code
