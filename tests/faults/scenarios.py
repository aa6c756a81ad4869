"""Ways through the functions of a checkout, each made of fresh objects: some end well, some are refused.

A scenario's `act` is made in a thread. Where rows are `held`, another transaction has them locked, waits until
`act` stands before them, does `meanwhile` and commits; or rolls back where there is nothing to do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import count
from uuid import UUID, uuid4

from django.db import IntegrityError
from django.db.models import F
from django.utils import timezone

from billing.errors import OrganizationNotFound
from billing.models import Customer, LedgerEntry, Organization, Subscription
from billing.use_cases.hold_credit import capture_hold, hold_credit
from billing.use_cases.post_entry import grant_credit
from orders.errors import (
    IdempotencyMismatch,
    PaymentInProgress,
    PaymentProcessorNotConfigured,
    RequestInProgress,
)
from orders.models import AddOn, IdempotencyKey, Order, OrderLine, Payment, Plan
from orders.use_cases.checkout.place_order import CheckoutRequest, PlacedOrder, place_order
from promos.errors import CapBelowUsed, CreditSpent, PromoExhausted, PromoInactive, PromoNotFound
from promos.models import PromoCode, Redemption
from promos.use_cases.issue_code import Terms, issue_code
from promos.use_cases.redeem_code import redeem, release, reserve
from tests.factories import (
    AddOnFactory,
    CustomerFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    acting,
    actor,
    give_credit,
)

CREDIT_MINOR = 50_000
LOCKED_ACCOUNT = "SELECT FROM billing_account WHERE customer_id = %s FOR NO KEY UPDATE"
LOCKED_COUNTERS = "SELECT FROM promos_promocounter WHERE promo_code_id = %s FOR NO KEY UPDATE"

# What acting ends in: the type of what is returned or raised.
End = type[object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    act: Callable[[], object]
    ends: End
    held: tuple[str, int | UUID] | None = None
    meanwhile: Callable[[], object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A customer with an organization that is subscribed already, a basket and a code to buy it with."""

    organization: Organization
    plan: Plan
    addon: AddOn
    promo_code: PromoCode | None = None

    @property
    def customer(self) -> Customer:
        return self.organization.customer

    def buy(self, *, key: str = "key", body: str = "body") -> Callable[[], PlacedOrder]:
        request = CheckoutRequest(
            tenant_id=self.organization.id,
            plan=self.plan.slug,
            addons=(self.addon.slug,),
            promo_code=self.promo_code.code if self.promo_code else "",
            idempotency_key=key,
            fingerprint=body if key else "",
        )
        return partial(place_order, request=request, by=acting(self.customer))

    @property
    def held_account(self) -> tuple[str, int | UUID]:
        return LOCKED_ACCOUNT, self.customer.pk

    @property
    def held_counters(self) -> tuple[str, int | UUID]:
        assert self.promo_code is not None
        return LOCKED_COUNTERS, self.promo_code.id


_numbers = count()


def shop(*, cap: int | None = 20, hot: bool = False, price_minor: int = 16_000, addon_minor: int = 3_000) -> Shop:
    """Opens a shop whose checkout would replace a subscription; `cap` None for no code, 0 for no cap."""
    organization = OrganizationFactory.create()
    first = PlanFactory.create(price_minor=9_000)
    give_credit(organization.customer, first.price_minor)
    place_order(request=CheckoutRequest(tenant_id=organization.id, plan=first.slug), by=acting(organization.customer))
    return Shop(
        organization=organization,
        plan=PlanFactory.create(price_minor=price_minor),
        addon=AddOnFactory.create(price_minor=addon_minor),
        promo_code=None
        if cap is None
        else PromoCodeFactory.create(credit_minor=CREDIT_MINOR, max_redemptions=cap, hot=hot),
    )


def ordinary_code() -> Scenario:
    return Scenario(act=shop().buy(), ends=PlacedOrder)


def hot_code() -> Scenario:
    return Scenario(act=shop(hot=True).buy(), ends=PlacedOrder)


def uncapped_code_without_key() -> Scenario:
    return Scenario(act=shop(cap=0).buy(key=""), ends=PlacedOrder)


def nothing_to_pay() -> Scenario:
    return Scenario(act=shop(cap=None, price_minor=0, addon_minor=0).buy(), ends=PlacedOrder)


def not_covered() -> Scenario:
    return Scenario(act=shop(price_minor=CREDIT_MINOR).buy(), ends=PaymentProcessorNotConfigured)


def hot_code_waited_for() -> Scenario:
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


def _twin_was_faster(shopping: Shop, *, order_id: UUID | None = None) -> None:
    """Of another order, which is complete; or of one whose payment is still being asked for."""
    now = timezone.now()
    IdempotencyKey.objects.create(
        customer=shopping.customer,
        key="key",
        request_hash="body",
        order_id=order_id or uuid4(),
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
        meanwhile=partial(_twin_was_faster, shopping),
    )


def key_used_for_another_body_meanwhile() -> Scenario:
    shopping = shop()
    return Scenario(
        act=shopping.buy(body="another"),
        ends=IdempotencyMismatch,
        held=shopping.held_account,
        meanwhile=partial(_twin_was_faster, shopping),
    )


def _payment_was_opened(shopping: Shop, *, by_twin: bool = False) -> None:
    now = timezone.now()
    order = Order.objects.create(
        customer=shopping.customer,
        organization=shopping.organization,
        plan_id=shopping.plan.id,
        total_minor=1_000,
        currency="OMR",
        status=Order.Status.PENDING,
        placed_by="test",
        placed_by_role="customer",
        channel="api",
    )
    OrderLine.objects.create(
        order=order, position=1, kind="plan", item_id=shopping.plan.id, slug="s", name="S", price_minor=1_000
    )
    Payment.objects.create(
        order=order,
        amount_minor=1_000,
        currency="OMR",
        leased_until=now + timedelta(minutes=2),
        expires_at=now + timedelta(hours=2),
    )
    if by_twin:
        _twin_was_faster(shopping, order_id=order.id)


def payment_opened_meanwhile() -> Scenario:
    shopping = shop()
    return Scenario(
        act=shopping.buy(),
        ends=PaymentInProgress,
        held=shopping.held_account,
        meanwhile=partial(_payment_was_opened, shopping),
    )


def key_in_flight_meanwhile() -> Scenario:
    shopping = shop()
    return Scenario(
        act=shopping.buy(),
        ends=RequestInProgress,
        held=shopping.held_account,
        meanwhile=partial(_payment_was_opened, shopping, by_twin=True),
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


def redeemed_outside_an_order() -> Scenario:
    customer, promo_code = CustomerFactory.create(), PromoCodeFactory.create(max_redemptions=2)
    act = partial(redeem, code=promo_code.code, user_id=customer.user_id, by=acting(customer))
    return Scenario(act=act, ends=Redemption)


def redeemed_by_a_newcomer() -> Scenario:
    user_id = f"newcomer-{next(_numbers)}"
    act = partial(redeem, code=PromoCodeFactory.create().code, user_id=user_id, by=actor(user_id=user_id))
    return Scenario(act=act, ends=Redemption)


def redeemed_with_another_address() -> Scenario:
    customer, promo_code = CustomerFactory.create(), PromoCodeFactory.create()
    act = partial(
        redeem, code=promo_code.code, user_id=customer.user_id, email="new@example.org", by=acting(customer)
    )
    return Scenario(act=act, ends=Redemption)


def redeemed_a_code_that_there_is_not() -> Scenario:
    customer = CustomerFactory.create()
    return Scenario(
        act=partial(redeem, code="NO-SUCH-CODE", user_id=customer.user_id, by=acting(customer)), ends=PromoNotFound
    )


def redeemed_a_code_that_is_used_up() -> Scenario:
    code, customer = _redeemed(max_redemptions=1).promo_code.code, CustomerFactory.create()
    return Scenario(
        act=partial(redeem, code=code, user_id=customer.user_id, by=acting(customer)), ends=PromoExhausted
    )


def reserved_for_an_order() -> Scenario:
    customer, promo_code = CustomerFactory.create(), PromoCodeFactory.create(max_redemptions=2)
    act = partial(reserve, promo_code=promo_code, customer_id=customer.pk, order_id=uuid4())
    return Scenario(act=act, ends=Redemption)


def _redeemed(**terms: object) -> Redemption:
    customer, promo_code = CustomerFactory.create(), PromoCodeFactory.create(**terms)
    return redeem(code=promo_code.code, user_id=customer.user_id, by=acting(customer))


def released() -> Scenario:
    redemption = _redeemed(max_redemptions=2)
    return Scenario(act=partial(release, redemption=redemption, reason="test", by=actor()), ends=Redemption)


def released_of_a_hot_code() -> Scenario:
    redemption = _redeemed(max_redemptions=20, hot=True)
    return Scenario(act=partial(release, redemption=redemption, reason="test", by=actor()), ends=Redemption)


def released_after_it_was_spent() -> Scenario:
    shopping = shop()
    placed = shopping.buy()()
    redemption = Redemption.objects.get(order_id=placed.order_id)
    return Scenario(act=partial(release, redemption=redemption, reason="test", by=actor()), ends=CreditSpent)


def _issue(code: str, cap: int) -> Callable[[], PromoCode]:
    terms = Terms(credit_minor=CREDIT_MINOR, max_redemptions=cap, hot=True)
    return partial(issue_code, code=code, terms=terms, by=actor())


def cap_changed() -> Scenario:
    return Scenario(act=_issue(_redeemed(max_redemptions=3).promo_code.code, 30), ends=PromoCode)


def cap_below_use() -> Scenario:
    redemption = _redeemed(max_redemptions=3)
    other = CustomerFactory.create()
    redeem(code=redemption.promo_code.code, user_id=other.user_id, by=acting(other))
    return Scenario(act=_issue(redemption.promo_code.code, 1), ends=CapBelowUsed)


def code_issued() -> Scenario:
    return Scenario(act=_issue(f"FRESH-{next(_numbers)}", 5), ends=PromoCode)


def held_and_captured() -> Scenario:
    customer, order_id = CustomerFactory.create(), uuid4()
    give_credit(customer, CREDIT_MINOR)
    hold_credit(customer_id=customer.pk, amount_minor=CREDIT_MINOR, order_id=order_id)
    return Scenario(act=partial(capture_hold, order_id=order_id, by=actor()), ends=LedgerEntry)


def _post_raw(*, account_id: int, reverses: LedgerEntry | None = None, amount_minor: int = 1) -> Callable[[], object]:
    entry = LedgerEntry(
        account_id=account_id,
        kind="reversal" if reverses else "grant",
        amount_minor=amount_minor,
        reason="test",
        note="test",
        reverses=reverses,
        actor_id="test",
        actor_role="system",
        channel="command",
    )
    return partial(entry.save, force_insert=True)


def reversal_of_another_amount() -> Scenario:
    customer = CustomerFactory.create()
    entry = grant_credit(customer_id=customer.pk, amount_minor=CREDIT_MINOR, reason="test", by=actor())
    return Scenario(act=_post_raw(account_id=customer.pk, reverses=entry), ends=IntegrityError)


def entry_without_an_account() -> Scenario:
    return Scenario(act=_post_raw(account_id=-1), ends=IntegrityError)


def grant_that_takes() -> Scenario:
    customer = CustomerFactory.create()
    return Scenario(act=_post_raw(account_id=customer.pk, amount_minor=-1), ends=IntegrityError)


# Between them these pass every boundary of the functions that a checkout is made of.
THROUGH_A_CHECKOUT: tuple[Callable[[], Scenario], ...] = (
    ordinary_code,
    hot_code,
    uncapped_code_without_key,
    nothing_to_pay,
    not_covered,
    hot_code_waited_for,
    hot_code_exhausted_meanwhile,
    ordinary_code_exhausted_meanwhile,
    key_used_meanwhile,
    key_used_for_another_body_meanwhile,
    key_in_flight_meanwhile,
    payment_opened_meanwhile,
    replaces_a_subscription_of_stripe,
    organization_deleted_meanwhile,
    code_paused_meanwhile,
    redeemed_outside_an_order,
    redeemed_with_another_address,
    redeemed_a_code_that_there_is_not,
    redeemed_a_code_that_is_used_up,
    # Late: a newcomer whose redemption fails has become a customer all the same.
    redeemed_by_a_newcomer,
    reserved_for_an_order,
    released,
    reversal_of_another_amount,
    entry_without_an_account,
    grant_that_takes,
)
BESIDE_A_CHECKOUT: tuple[Callable[[], Scenario], ...] = (
    released,
    released_of_a_hot_code,
    released_after_it_was_spent,
    cap_changed,
    cap_below_use,
    code_issued,
    held_and_captured,
)
