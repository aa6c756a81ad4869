"""Batches of redemptions and checkouts: as the batch itself, and as the calls of customers who make one together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

from django.db.models import F
from django.utils import timezone

from billing.models import Customer, Organization
from orders.models import Plan
from orders.use_cases.checkout.batched_checkout import NewOrder, PlacedOrder, place_batch
from orders.use_cases.checkout.checkout_context import load_checkout_context, priced_before
from orders.use_cases.checkout.new_order import order_parameters
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from promos.errors import PromoAlreadyRedeemed, PromoExhausted, PromoInactive, PromoNotFound
from promos.models import PromoCode, Redemption
from promos.use_cases.change_code import pause_code
from promos.use_cases.redeem_code import RedemptionRequest, redeem, redeem_batch
from tests.concurrency.hold_batches import CHECKOUTS, REDEMPTIONS, request_of
from tests.factories import (
    CampaignFactory,
    CustomerFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    acting,
    actor,
    give_credit,
    give_expired_credit,
)
from tests.faults.scenarios import LOCKED_BUDGET, LOCKED_COUNTERS, End, Scenario

SIZE = 3
PRICE_MINOR = 9_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """`ends` is what each of the calls ends in; rows are `held`, and `meanwhile` done, as in a scenario."""

    queue: ModuleType
    run: Callable[[], Sequence[object]]
    calls: Sequence[Callable[[], object]]
    ends: End
    held: tuple[str, int | UUID] | None = None
    meanwhile: Callable[[], object] | None = None

    @property
    def scenario(self) -> Scenario:
        """The batch itself, without the queue."""
        return Scenario(act=self.run, ends=list, held=self.held, meanwhile=self.meanwhile)


def redemptions(
    code: str, *, customers: Sequence[Customer] = (), key: str = "", ends: End = Redemption, **kwargs: Any
) -> Batch:
    customers = customers or CustomerFactory.create_batch(SIZE)
    terms: dict[str, Any] = {"code": code, "key": key, "fingerprint": "body" if key else ""}
    requests = [RedemptionRequest(user_id=each.user_id, by=acting(each), **terms) for each in customers]
    calls = [partial(redeem, user_id=customer.user_id, by=acting(customer), **terms) for customer in customers]
    return Batch(queue=REDEMPTIONS, run=partial(redeem_batch, requests), calls=calls, ends=ends, **kwargs)


def checkouts(code: str, *, plan: Plan | None = None, key: str = "", ends: End = PlacedOrder, **kwargs: Any) -> Batch:
    plan = plan or PlanFactory.create(price_minor=PRICE_MINOR)
    organizations = OrganizationFactory.create_batch(SIZE)
    load_checkout_context(
        request=CheckoutRequest(tenant_id=uuid4(), plan=plan.slug), user_id="", now=timezone.now()
    ).price_basket()
    requests = [request_of(organization, plan, code, key=key) for organization in organizations]
    if not code:
        for organization in organizations:
            give_credit(organization.customer, PRICE_MINOR)
    orders = [new_order(each, organization) for each, organization in zip(requests, organizations, strict=True)]
    return Batch(
        queue=CHECKOUTS,
        run=partial(place_batch, orders),
        calls=[
            partial(place_order, request=each, by=acting(organization.customer))
            for each, organization in zip(requests, organizations, strict=True)
        ],
        ends=ends,
        **kwargs,
    )


def new_order(request: CheckoutRequest, organization: Organization) -> NewOrder:
    """The order of a request whose basket was priced before, as try_batched_checkout makes it."""
    priced = priced_before(request)
    assert priced is not None
    parameters = order_parameters(request, basket=priced.basket, by=acting(organization.customer), now=timezone.now())
    return NewOrder.of({**parameters, "catalog": priced.catalog})


def redeemed_ordinary() -> Batch:
    return redemptions(PromoCodeFactory.create(max_redemptions=9).code, key="key")


def redeemed_with_expired_credit() -> Batch:
    return _with_expired_credit(redeemed_ordinary())


def bought_with_expired_credit() -> Batch:
    return _with_expired_credit(bought_ordinary())


def _with_expired_credit(batch: Batch) -> Batch:
    """Each customer has credit that has expired, which the batch posts first."""
    for customer in Customer.objects.order_by("-pk")[:SIZE]:
        give_expired_credit(customer, 1)
    return batch


def redeemed_hot() -> Batch:
    return redemptions(PromoCodeFactory.create(max_redemptions=160, hot=True).code)


def redeemed_hot_from_several_counters() -> Batch:
    return redemptions(PromoCodeFactory.create(max_redemptions=SIZE, hot=True).code)


def redeemed_uncapped() -> Batch:
    return redemptions(PromoCodeFactory.create().code)


def redeemed_without_a_code() -> Batch:
    return redemptions("NO-SUCH-CODE", ends=PromoNotFound)


def redeemed_paused() -> Batch:
    code = PromoCodeFactory.create(max_redemptions=9).code
    pause_code(code=code, by=actor())
    return redemptions(code, ends=PromoInactive)


def redeemed_again() -> Batch:
    code, customers = PromoCodeFactory.create().code, CustomerFactory.create_batch(SIZE)
    redemptions(code, customers=customers).run()
    return redemptions(code, customers=customers, ends=PromoAlreadyRedeemed)


def redeemed_used_up() -> Batch:
    code = PromoCodeFactory.create(max_redemptions=SIZE).code
    redemptions(code).run()
    return redemptions(code, ends=PromoExhausted)


def _fill(promo_code: PromoCode) -> None:
    promo_code.counters.update(used=F("quota"))


def redeemed_until_exhausted() -> Batch:
    promo_code = PromoCodeFactory.create(max_redemptions=SIZE)
    return redemptions(promo_code.code, held=(LOCKED_COUNTERS, promo_code.id), meanwhile=partial(_fill, promo_code))


def redeemed_of_a_budget() -> Batch:
    campaign = CampaignFactory.create(budget_minor=1_000_000)
    return redemptions(PromoCodeFactory.create(campaign_id=campaign.pk).code)


def redeemed_until_budget_exhausted() -> Batch:
    campaign = CampaignFactory.create(budget_minor=1_000_000)
    return redemptions(
        PromoCodeFactory.create(campaign_id=campaign.pk).code,
        held=(LOCKED_BUDGET, campaign.id),
        meanwhile=partial(campaign.counters.update, used=F("quota")),
    )


def bought_ordinary() -> Batch:
    return checkouts(PromoCodeFactory.create(max_redemptions=9).code, key="key")


def bought_hot_from_several_counters() -> Batch:
    return checkouts(PromoCodeFactory.create(max_redemptions=SIZE, hot=True).code)


def bought_without_a_code() -> Batch:
    return checkouts("")


def bought_with_an_unknown_code() -> Batch:
    return checkouts("NO-SUCH-CODE", ends=PromoNotFound)


def bought_by_another_catalog() -> Batch:
    batch = bought_ordinary()
    PlanFactory.create()
    return batch


def bought_until_exhausted() -> Batch:
    promo_code = PromoCodeFactory.create(max_redemptions=SIZE)
    return checkouts(promo_code.code, held=(LOCKED_COUNTERS, promo_code.id), meanwhile=partial(_fill, promo_code))


# Between them these pass every boundary of the functions that a batch is made of.
BATCHES: tuple[Callable[[], Batch], ...] = (
    redeemed_ordinary,
    bought_ordinary,
    redeemed_with_expired_credit,
    bought_with_expired_credit,
    redeemed_hot,
    redeemed_hot_from_several_counters,
    redeemed_uncapped,
    redeemed_without_a_code,
    redeemed_paused,
    redeemed_again,
    redeemed_used_up,
    redeemed_until_exhausted,
    redeemed_of_a_budget,
    redeemed_until_budget_exhausted,
    bought_hot_from_several_counters,
    bought_without_a_code,
    bought_with_an_unknown_code,
    bought_by_another_catalog,
    bought_until_exhausted,
)
