"""Scenarios of a checkout, each made of new objects: some succeed, some are refused.

A thread calls a scenario's `act`. If the scenario has `held` rows, another transaction locks them first, waits until
`act` waits for them, calls `meanwhile` if there is one, and commits.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import count
from uuid import UUID, uuid4

from django.db.models import F
from django.utils import timezone

from billing.errors import IdempotencyMismatch, OrganizationNotFound, RequestInProgress
from billing.models import Customer, IdempotencyKey, Organization, Subscription
from orders.errors import PaymentInProgress, PaymentProcessorNotConfigured
from orders.models import AddOn, Order, OrderLine, Payment, Plan
from orders.use_cases.checkout.place_order import CheckoutRequest, PlacedOrder, place_order
from promos.errors import PromoExhausted, PromoInactive
from promos.models import Campaign, PromoCode, Redemption
from promos.use_cases.redeem_code import RedemptionRequest, redeem, redeem_batch
from tests.factories import (
    AddOnFactory,
    CampaignFactory,
    CustomerFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    acting,
    give_credit,
    give_expired_credit,
)
from tests.promos.cards.make_batch import active as active_batch
from tests.promos.cards.make_batch import codes_of

CREDIT_MINOR = 50_000
PREVIOUS_PRICE_MINOR = 9_000
LOCKED_ACCOUNT = "SELECT FROM billing_account WHERE customer_id = %s FOR NO KEY UPDATE"
LOCKED_BUDGET = "SELECT FROM promos_budgetcounter WHERE campaign_id = %s FOR NO KEY UPDATE"
LOCKED_COUNTERS = "SELECT FROM promos_promocounter WHERE promo_code_id = %s FOR NO KEY UPDATE"

# The type of what `act` returns or raises.
End = type[object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    act: Callable[[], object]
    ends: End
    held: tuple[str, int | UUID] | None = None
    meanwhile: Callable[[], object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A customer with a subscribed organization, and the basket and the code of the next checkout."""

    organization: Organization
    plan: Plan
    addon: AddOn
    promo_code: PromoCode | None = None

    @property
    def customer(self) -> Customer:
        return self.organization.customer

    def request(self, *, key: str = "key", body: str = "body") -> CheckoutRequest:
        return CheckoutRequest(
            tenant_id=self.organization.id,
            plan=self.plan.slug,
            addons=(self.addon.slug,),
            promo_code=self.promo_code.code if self.promo_code else "",
            idempotency_key=key,
            fingerprint=body if key else "",
        )

    def buy(self, *, key: str = "key", body: str = "body") -> Callable[[], PlacedOrder]:
        return partial(place_order, request=self.request(key=key, body=body), by=acting(self.customer))

    @property
    def held_account(self) -> tuple[str, int | UUID]:
        return LOCKED_ACCOUNT, self.customer.pk

    @property
    def held_counters(self) -> tuple[str, int | UUID]:
        assert self.promo_code is not None
        return LOCKED_COUNTERS, self.promo_code.id


_numbers = count()


def shop(
    *,
    cap: int | None = 20,
    hot: bool = False,
    price_minor: int = 16_000,
    addon_minor: int = 3_000,
    campaign: Campaign | None = None,
    credit_days: int | None = None,
) -> Shop:
    """Create a shop whose checkout replaces a subscription; `cap` is None for no code and 0 for no cap."""
    organization = OrganizationFactory.create()
    first = PlanFactory.create(price_minor=PREVIOUS_PRICE_MINOR)
    give_credit(organization.customer, first.price_minor)
    place_order(request=CheckoutRequest(tenant_id=organization.id, plan=first.slug), by=acting(organization.customer))
    return Shop(
        organization=organization,
        plan=PlanFactory.create(price_minor=price_minor),
        addon=AddOnFactory.create(price_minor=addon_minor),
        promo_code=None
        if cap is None
        else PromoCodeFactory.create(
            credit_minor=CREDIT_MINOR,
            max_redemptions=cap,
            hot=hot,
            campaign_id=campaign.pk if campaign else None,
            credit_days=credit_days,
        ),
    )


def ordinary_code() -> Scenario:
    return Scenario(act=shop().buy(), ends=PlacedOrder)


def hot_code() -> Scenario:
    return Scenario(act=shop(hot=True).buy(), ends=PlacedOrder)


def expired_credit() -> Scenario:
    """The code's credit expires too, and what is spent is named by lots."""
    shopping = shop(credit_days=30)
    give_expired_credit(shopping.customer, CREDIT_MINOR)
    return Scenario(act=shopping.buy(), ends=PlacedOrder)


def a_card() -> Scenario:
    [code] = codes_of(active_batch(f"CARDS-{next(_numbers)}", size=1))
    shopping = shop(cap=None)
    give_credit(shopping.customer, CREDIT_MINOR)
    request = replace(shopping.request(), promo_code=code)
    return Scenario(act=partial(place_order, request=request, by=acting(shopping.customer)), ends=PlacedOrder)


def redemption_of_a_card() -> Scenario:
    [code] = codes_of(active_batch(f"CARDS-{next(_numbers)}", size=1))
    customer = CustomerFactory.create()
    return Scenario(act=partial(redeem, code=code, user_id=customer.user_id, by=acting(customer)), ends=Redemption)


def code_of_a_budget() -> Scenario:
    return Scenario(act=shop(campaign=CampaignFactory.create(budget_minor=CREDIT_MINOR)).buy(), ends=PlacedOrder)


def redemption_of_a_budget() -> Scenario:
    code = PromoCodeFactory.create(campaign_id=CampaignFactory.create(budget_minor=CREDIT_MINOR).pk)
    customer = CustomerFactory.create()
    request = RedemptionRequest(code=code.code, user_id=customer.user_id, by=acting(customer))
    return Scenario(act=partial(redeem_batch, [request], wait=True), ends=list)


def uncapped_code_without_key() -> Scenario:
    return Scenario(act=shop(cap=0).buy(key=""), ends=PlacedOrder)


def nothing_to_pay() -> Scenario:
    return Scenario(act=shop(cap=None, price_minor=0, addon_minor=0).buy(), ends=PlacedOrder)


def not_covered() -> Scenario:
    """Neither the code nor the unused month covers the basket."""
    price_minor = CREDIT_MINOR + PREVIOUS_PRICE_MINOR
    return Scenario(act=shop(price_minor=price_minor).buy(), ends=PaymentProcessorNotConfigured)


def hot_code_after_a_wait() -> Scenario:
    shopping = shop(cap=2, hot=True)
    return Scenario(act=shopping.buy(), ends=PlacedOrder, held=shopping.held_counters)


def _fill(promo_code: PromoCode | None) -> None:
    assert promo_code is not None
    promo_code.counters.update(used=F("quota"))


def hot_code_exhausted_meanwhile() -> Scenario:
    shopping = shop(cap=2, hot=True)
    return Scenario(
        act=shopping.buy(),
        ends=PromoExhausted,
        held=shopping.held_counters,
        meanwhile=partial(_fill, shopping.promo_code),
    )


def ordinary_code_exhausted_meanwhile() -> Scenario:
    shopping = shop(cap=2)
    return Scenario(
        act=shopping.buy(),
        ends=PromoExhausted,
        held=shopping.held_counters,
        meanwhile=partial(_fill, shopping.promo_code),
    )


def budget_exhausted_meanwhile() -> Scenario:
    campaign = CampaignFactory.create(budget_minor=CREDIT_MINOR)
    return Scenario(
        act=shop(campaign=campaign).buy(),
        ends=PromoExhausted,
        held=(LOCKED_BUDGET, campaign.id),
        meanwhile=partial(campaign.counters.update, used=F("quota")),
    )


def _insert_key(shopping: Shop, *, order_id: UUID | None = None) -> None:
    """Insert the key of a completed order, or of `order_id`, whose payment is still in flight."""
    now = timezone.now()
    IdempotencyKey.objects.create(
        customer=shopping.customer,
        key="key",
        request_hash="body",
        result_id=order_id or uuid4(),
        balance_after_minor=None if order_id else 0,
        created_at=now,
        expires_at=now + timedelta(hours=24),
    )


def key_used_meanwhile() -> Scenario:
    shopping = shop()
    return Scenario(
        act=shopping.buy(),
        ends=PlacedOrder,
        held=shopping.held_account,
        meanwhile=partial(_insert_key, shopping),
    )


def key_used_for_another_body_meanwhile() -> Scenario:
    shopping = shop()
    return Scenario(
        act=shopping.buy(body="another"),
        ends=IdempotencyMismatch,
        held=shopping.held_account,
        meanwhile=partial(_insert_key, shopping),
    )


def open_payment_of(organization: Organization, plan: Plan) -> Order:
    """A pending order of the plan, whose payment is still being opened."""
    now = timezone.now()
    order = Order.objects.create(
        customer=organization.customer,
        organization=organization,
        plan_id=plan.id,
        total_minor=1_000,
        currency="OMR",
        status=Order.Status.PENDING,
        placed_by="test",
        placed_by_role="customer",
        channel="api",
    )
    OrderLine.objects.create(
        order=order, position=1, kind="plan", item_id=plan.id, slug="s", name="S", price_minor=1_000
    )
    Payment.objects.create(
        order=order,
        amount_minor=1_000,
        currency="OMR",
        leased_until=now + timedelta(minutes=2),
        expires_at=now + timedelta(hours=2),
    )
    return order


def _open_payment(shopping: Shop, *, by_twin: bool = False) -> None:
    order = open_payment_of(shopping.organization, shopping.plan)
    if by_twin:
        _insert_key(shopping, order_id=order.id)


def payment_opened_meanwhile() -> Scenario:
    shopping = shop()
    return Scenario(
        act=shopping.buy(),
        ends=PaymentInProgress,
        held=shopping.held_account,
        meanwhile=partial(_open_payment, shopping),
    )


def key_in_flight_meanwhile() -> Scenario:
    shopping = shop()
    return Scenario(
        act=shopping.buy(),
        ends=RequestInProgress,
        held=shopping.held_account,
        meanwhile=partial(_open_payment, shopping, by_twin=True),
    )


def replaces_a_subscription_of_stripe() -> Scenario:
    shopping = shop()
    Subscription.objects.filter(organization=shopping.organization).update(
        paid_by=Subscription.PaidBy.STRIPE, stripe_subscription_id=f"sub_{next(_numbers)}"
    )
    return Scenario(act=shopping.buy(), ends=PlacedOrder)


def _delete(organization: Organization) -> None:
    Organization.objects.filter(id=organization.id).update(
        status=Organization.Status.DELETED, deleted_at=timezone.now()
    )


def organization_deleted_meanwhile() -> Scenario:
    shopping = shop()
    return Scenario(
        act=shopping.buy(),
        ends=OrganizationNotFound,
        held=shopping.held_account,
        meanwhile=partial(_delete, shopping.organization),
    )


def _pause(promo_code: PromoCode | None) -> None:
    assert promo_code is not None
    PromoCode.objects.filter(id=promo_code.id).update(active=False)


def code_paused_meanwhile() -> Scenario:
    shopping = shop()
    return Scenario(
        act=shopping.buy(),
        ends=PromoInactive,
        held=shopping.held_account,
        meanwhile=partial(_pause, shopping.promo_code),
    )


# With ENTRIES_OF_A_CHECKOUT these pass every boundary of the functions that a checkout calls.
CHECKOUTS: tuple[Callable[[], Scenario], ...] = (
    ordinary_code,
    hot_code,
    expired_credit,
    a_card,
    redemption_of_a_card,
    code_of_a_budget,
    redemption_of_a_budget,
    uncapped_code_without_key,
    nothing_to_pay,
    not_covered,
    hot_code_after_a_wait,
    hot_code_exhausted_meanwhile,
    ordinary_code_exhausted_meanwhile,
    budget_exhausted_meanwhile,
    key_used_meanwhile,
    key_used_for_another_body_meanwhile,
    key_in_flight_meanwhile,
    payment_opened_meanwhile,
    replaces_a_subscription_of_stripe,
    organization_deleted_meanwhile,
    code_paused_meanwhile,
)
