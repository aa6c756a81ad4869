from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from billing.actor import Actor
from billing.errors import DomainError
from orders.errors import (
    AlreadySubscribed,
    AmountNotChargeable,
    PaymentProcessorNotConfigured,
    UnknownAddOn,
    UnknownApp,
    UnknownBundle,
    UnknownPlan,
)
from orders.models import Order
from orders.models.basket import Basket, BundleDiscount, CheckoutRequest, Line
from orders.models.charge import split_total
from orders.models.period import next_period
from orders.queries.orders import find_open_order
from orders.stripe.gateway import is_configured
from orders.use_cases.checkout.checkout_context import CheckoutContext, load_checkout_context
from orders.use_cases.checkout.complete_order import basket_of
from orders.use_cases.documents.vat import IncludedVat, load_rates, points_at
from orders.use_cases.documents.vat_of_sale import expected_vat
from orders.use_cases.payments.resolve_payment import is_same_basket
from promos.errors import PromoProblem
from promos.models import PromoCode


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedCode:
    """The code of a quote: the credit that it adds and when that expires, or why it cannot be redeemed."""

    code: str
    found: PromoCode | None = None
    credit_minor: int = 0
    credit_expires_at: datetime | None = None
    problem: PromoProblem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedBundle:
    """The bundle of a quote, and what its discount takes off a month."""

    bundle: BundleDiscount
    discount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The outcome of a checkout, in the smallest unit. `refusal` is its refusal, except one of the code.

    The credit is that of the balance, the code and the unused month; `credit_left_minor` is what is left available.
    `next_month_minor` is the price of each later month, by the VAT of the next one; no credit is known for it yet.
    `vat` is None where no rate of VAT applies.
    """

    lines: tuple[Line, ...]
    total_minor: int
    credit_applied_minor: int
    credit_left_minor: int
    proration_minor: int
    next_month_minor: int
    bundle: QuotedBundle | None
    promo: QuotedCode | None
    vat: IncludedVat | None
    refusal: DomainError | None = None

    @property
    def amount_due_minor(self) -> int:
        """The amount that a card would pay now."""
        return self.total_minor - self.credit_applied_minor


def quote_checkout(
    *, request: CheckoutRequest, by: Actor, now: datetime | None = None, for_new_organization: bool = False
) -> Quote:
    """Returns what the checkout would do, and writes nothing.

    The balance, the code's credit and the unused part of the replaced subscription's month pay first, a card pays the
    rest.

    Args: for_new_organization: whether the organization is yet to be created, so that the request names none.
    Raises: OrganizationNotFound, UnknownPlan, UnknownApp, UnknownAddOn, UnknownBundle, BundleIncomplete,
    OrganizationSuspended, AlreadySubscribed.
    Four queries at most, five with an open payment, and two more for a restricted code. Transaction: none.
    """
    now = now or timezone.now()
    context = load_checkout_context(request=request, user_id=by.user_id, now=now)
    if not for_new_organization:
        context.check_organization()
    open_order = find_open_order(organization_id=request.tenant_id) if context.has_open_payment else None
    basket = _price_basket(context, open_order)
    context.check_not_suspended()
    if context.subscribed is not None and basket.matches(context.subscribed):
        raise AlreadySubscribed
    promo = _quote_code(context, open_order, basket, by=by)
    credit_minor = context.credit_minor + (promo.credit_minor if promo else 0)
    if open_order is not None:
        credit_minor += open_order.credit_to_hold_minor
    resumes = open_order is not None and is_same_basket(open_order, request)
    if open_order is not None and resumes:
        # The checkout resumes this order, at the figures that it has.
        applied_minor, refusal = open_order.credit_applied_minor, None
    else:
        applied_minor, refusal = _split(basket.total_minor, credit_minor)
    rates = load_rates()
    return Quote(
        lines=basket.lines,
        total_minor=basket.total_minor,
        credit_applied_minor=applied_minor,
        credit_left_minor=credit_minor - applied_minor,
        proration_minor=context.proration_minor,
        next_month_minor=basket.total_at_rate(points_at(rates, next_period(anchor=now, end=now)[1])),
        bundle=_quote_bundle(basket),
        promo=promo,
        vat=expected_vat(
            account_id=context.caller_id,
            credit_minor=applied_minor,
            card_minor=basket.total_minor - applied_minor,
            code=promo.found if promo else None,
            open_order=open_order,
            resumes=resumes,
            basis_points=points_at(rates, now),
            now=now,
        ),
        refusal=refusal,
    )


def _price_basket(context: CheckoutContext, open_order: Order | None) -> Basket:
    """Prices the basket by the catalog, or, where an item was retired since, by the open order that sells it."""
    try:
        return context.price_basket()
    except (UnknownPlan, UnknownApp, UnknownAddOn, UnknownBundle):
        if open_order is None or not is_same_basket(open_order, context.request):
            raise
        return basket_of(open_order)


def _quote_bundle(basket: Basket) -> QuotedBundle | None:
    return QuotedBundle(bundle=basket.bundle, discount_minor=basket.discount_minor) if basket.bundle else None


def _quote_code(
    context: CheckoutContext, open_order: Order | None, basket: Basket, *, by: Actor
) -> QuotedCode | None:
    code = context.request.promo_code
    if not code:
        return None
    if open_order is not None and open_order.promo_code == code:
        # The open payment redeemed it: its credit is on the balance.
        return QuotedCode(code=code)
    try:
        found = context.find_promo_code(basket, by=by)
    except PromoProblem as problem:
        return QuotedCode(code=code, problem=problem)
    if found is None:
        return QuotedCode(code=code)
    return QuotedCode(
        code=code,
        found=found,
        credit_minor=found.credit_minor,
        credit_expires_at=found.expiry_of_credit(redeemed_at=context.now),
    )


def _split(total_minor: int, credit_minor: int) -> tuple[int, DomainError | None]:
    """Returns the credit that pays for the total, and why the rest could not be paid."""
    split = split_total(
        total_minor=total_minor,
        credit_minor=credit_minor,
        currency=settings.SOVEREIGN_CURRENCY,
        minimum_minor=settings.STRIPE_MINIMUM_CHARGE_MINOR,
    )
    if credit_minor < total_minor and not is_configured():
        return min(credit_minor, total_minor), PaymentProcessorNotConfigured()
    if split is None:
        return min(credit_minor, total_minor), AmountNotChargeable()
    return split[0], None
