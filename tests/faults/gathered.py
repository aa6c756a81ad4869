"""Redemptions and checkouts of one moment: as the batch that they make, and as the calls of those who ask."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from billing.combining import Combiner
from django.db.models import F
from django.utils import timezone
from orders.use_cases.checkout.try_batched_checkout import PlacedOrder, _asked, _AtOnce, _placing, _together

from billing.models import Customer, Organization
from orders.models import CatalogVersion, Plan
from orders.use_cases.checkout.checkout_context import load_checkout_context, priced_before
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from promos.errors import PromoAlreadyRedeemed, PromoInactive, PromoNotFound
from promos.models import PromoCode, Redemption
from promos.use_cases.change_code import pause_code
from promos.use_cases.redeem_code import _Asked, _redeem_together, _redeeming, _Written, redeem
from tests.concurrency.hold_batches import request_of
from tests.factories import (
    CustomerFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    acting,
    actor,
    give_credit,
)
from tests.faults.scenarios import LOCKED_COUNTERS, End, Scenario

SIZE = 3
PRICE_MINOR = 9_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """`ends` is what each of the calls ends in; rows are `held`, and `meanwhile` done, as in a scenario."""

    combiner: Combiner[Any, Any]
    kind: Hashable
    together: Callable[[], Sequence[object]]
    calls: Sequence[Callable[[], object]]
    ends: End
    held: tuple[str, int | UUID] | None = None
    meanwhile: Callable[[], object] | None = None

    @property
    def scenario(self) -> Scenario:
        """The batch itself, without the combiner."""
        return Scenario(act=self.together, ends=list, held=self.held, meanwhile=self.meanwhile)


def redemptions(code: str, *, customers: Sequence[Customer] = (), ends: End = Redemption, **kwargs: Any) -> Batch:
    customers = customers or CustomerFactory.create_batch(SIZE)
    asked = [
        _Written(_Asked(code=code, user_id=customer.user_id, email="", by=acting(customer), now=timezone.now()))
        for customer in customers
    ]
    calls = [partial(redeem, code=code, user_id=customer.user_id, by=acting(customer)) for customer in customers]
    together = partial(_redeem_together, asked)
    return Batch(combiner=_redeeming, kind=code, together=together, calls=calls, ends=ends, **kwargs)


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
    return Batch(
        combiner=_placing,
        kind=(code, CatalogVersion.objects.get().version),
        together=partial(
            _together,
            [at_once(each, organization) for each, organization in zip(requests, organizations, strict=True)],
        ),
        calls=[
            partial(place_order, request=each, by=acting(organization.customer))
            for each, organization in zip(requests, organizations, strict=True)
        ],
        ends=ends,
        **kwargs,
    )


def at_once(request: CheckoutRequest, organization: Organization) -> _AtOnce:
    priced = priced_before(request)
    assert priced is not None
    return _asked(request, priced=priced, by=acting(organization.customer), now=timezone.now())


def redeemed_ordinary() -> Batch:
    return redemptions(PromoCodeFactory.create(max_redemptions=9).code)


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
    first = redeemed_uncapped()
    first.together()
    customers = list(Customer.objects.filter(redemptions__promo_code__code=first.kind))
    return redemptions(str(first.kind), customers=customers, ends=PromoAlreadyRedeemed)


def _fill(promo_code: PromoCode) -> None:
    promo_code.counters.update(used=F("quota"))


def redeemed_until_exhausted() -> Batch:
    promo_code = PromoCodeFactory.create(max_redemptions=SIZE)
    return redemptions(promo_code.code, held=(LOCKED_COUNTERS, promo_code.id), meanwhile=partial(_fill, promo_code))


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


# Between them these pass every boundary of the functions that do something together.
TOGETHER: tuple[Callable[[], Batch], ...] = (
    redeemed_ordinary,
    bought_ordinary,
    redeemed_hot,
    redeemed_hot_from_several_counters,
    redeemed_uncapped,
    redeemed_without_a_code,
    redeemed_paused,
    redeemed_again,
    redeemed_until_exhausted,
    bought_hot_from_several_counters,
    bought_without_a_code,
    bought_with_an_unknown_code,
    bought_by_another_catalog,
    bought_until_exhausted,
)
