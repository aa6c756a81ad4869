"""Scenarios of one call for many customers."""

from collections.abc import Callable
from functools import partial
from itertools import count

from billing.use_cases.ledger.grant_many import grant_many
from promos.use_cases.redeem_code import redeem
from promos.use_cases.redeem_many import redeem_many
from tests.factories import CustomerFactory, PromoCodeFactory, acting, actor
from tests.faults.scenarios import Scenario

_numbers = count(1)


def redeemed_for_many() -> Scenario:
    promo_code, customer = PromoCodeFactory.create(max_redemptions=4, hot=True), CustomerFactory.create()
    redeem(code=promo_code.code, user_id=customer.user_id, by=acting(customer))
    users = [customer.user_id, CustomerFactory.create().user_id, *_newcomers(3)]
    act = partial(redeem_many, code=promo_code.code, user_ids=users, why="test", by=actor())
    return Scenario(act=act, ends=list)


def granted_to_many() -> Scenario:
    users = [CustomerFactory.create().user_id, *_newcomers(2)]
    act = partial(grant_many, user_ids=users, amount_minor=5, name="test", why="test", by=actor())
    return Scenario(act=act, ends=list)


def _newcomers(number: int) -> list[str]:
    return [f"newcomer-{next(_numbers)}" for _ in range(number)]


FOR_MANY: tuple[Callable[[], Scenario], ...] = (redeemed_for_many, granted_to_many)
