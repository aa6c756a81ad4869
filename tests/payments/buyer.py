"""A customer whose credit and voucher cover a part of a basket, so that a card pays the rest."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from billing.models import Account, Customer, Organization
from orders.models import AddOn, Order, Payment, Plan
from orders.models.basket import CheckoutRequest
from orders.use_cases.checkout.place_order import PlacedOrder, place_order
from promos.models import PromoCode
from tests.factories import (
    AddOnFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    acting,
    give_credit,
)
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle

CREDIT_MINOR = 2_345
VOUCHER_MINOR = 10_000
PRICE_MINOR = 16_000
ADDON_MINOR = 3_000
TOTAL_MINOR = PRICE_MINOR + ADDON_MINOR
# Credit is rounded down, so that the amount left for the card ends in 0.
APPLIED_MINOR = 12_340
CHARGED_MINOR = TOTAL_MINOR - APPLIED_MINOR
# The customer's balance before and after the order is paid, both with the voucher's credit.
BALANCE_BEFORE_MINOR = CREDIT_MINOR + VOUCHER_MINOR
BALANCE_AFTER_MINOR = BALANCE_BEFORE_MINOR - APPLIED_MINOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """A customer's organization, and the basket, voucher and Idempotency-Key (`key`) of the next checkout."""

    organization: Organization
    plan: Plan
    addon: AddOn
    promo_code: PromoCode | None
    key: str = "first"

    @property
    def customer(self) -> Customer:
        return self.organization.customer

    @property
    def account(self) -> Account:
        return Account.objects.get(customer=self.customer)

    @property
    def credit(self) -> tuple[int, int]:
        """The balance, and the held part of it."""
        return self.account.balance_minor, self.account.held_minor

    @property
    def request(self) -> CheckoutRequest:
        return CheckoutRequest(
            tenant_id=self.organization.id,
            plan=self.plan.slug,
            addons=(self.addon.slug,),
            promo_code=self.promo_code.code if self.promo_code else "",
            idempotency_key=self.key,
            fingerprint=f"{self.plan.slug} {self.promo_code}" if self.key else "",
        )

    def check_out(self) -> PlacedOrder:
        return place_order(request=self.request, by=acting(self.customer))

    def wanting(self, **other: Any) -> "Buyer":
        """The same customer with another plan, voucher or key."""
        return replace(self, **other)


def new_buyer(*, credit_minor: int = CREDIT_MINOR, voucher_minor: int = VOUCHER_MINOR, cap: int = 1) -> Buyer:
    """Make a customer whose credit and voucher do not cover the basket; 0 means no credit or no voucher."""
    organization = OrganizationFactory.create()
    if credit_minor:
        give_credit(organization.customer, credit_minor)
    promo_code = PromoCodeFactory.create(credit_minor=voucher_minor, max_redemptions=cap) if voucher_minor else None
    return Buyer(
        organization=organization,
        plan=PlanFactory.create(price_minor=PRICE_MINOR),
        addon=AddOnFactory.create(price_minor=ADDON_MINOR),
        promo_code=promo_code,
    )


def buy(stripe: Stripe) -> tuple[Buyer, UUID]:
    """Check out as a new customer, pay at Stripe, and run the service until it is idle."""
    buyer = new_buyer()
    order_id = buyer.check_out().order_id
    stripe.pay(session_id_of(order_id))
    run_until_idle(stripe)
    return buyer, order_id


def session_id_of(order_id: UUID) -> str:
    return str(Payment.objects.get(order_id=order_id).session_id)


def order_status(order_id: UUID) -> str:
    return Order.objects.get(id=order_id).status
