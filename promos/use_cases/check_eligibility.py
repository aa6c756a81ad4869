"""Checks whether a code can be redeemed, and names the reason if it cannot.

This check takes no lock: it is a courtesy, which names what is wrong. The database decides under its locks
(promos_is_redeemable and promos_redeem in redeem.sql); a test holds the two equal. Restrictions are checked by the
database in both cases.
"""

from datetime import datetime

from promos.errors import (
    CardNotActive,
    PromoAlreadyRedeemed,
    PromoExhausted,
    PromoExpired,
    PromoInactive,
    PromoNotFound,
    PromoNotStarted,
    PromoProblem,
)
from promos.models import Campaign, PromoCode
from promos.queries import find_code
from promos.use_cases.restrictions.find_broken_restriction import find_broken_restriction


def problem_of(code: PromoCode | None, *, now: datetime, has_free_slot: bool, redeemed: bool) -> PromoProblem | None:
    """Returns the first reason why the code cannot be redeemed, or None. Pure, given the code with its campaign.

    Args: has_free_slot: whether a slot is free, and the campaign's budget has room for the code's credit.
    """
    problem = _first_problem(code, now=now, has_free_slot=has_free_slot, redeemed=redeemed)
    if problem is not None and code is not None:
        problem.stored_as = code.stored_as
    return problem


def _first_problem(
    code: PromoCode | None, *, now: datetime, has_free_slot: bool, redeemed: bool
) -> PromoProblem | None:
    if code is None or code.retired_at is not None:
        return PromoNotFound()
    is_active = code.active and code.card_is_open and code.campaign.status == Campaign.Status.ACTIVE
    if code.card_serial is not None and not is_active:
        return CardNotActive(serial=code.card_serial)
    against: tuple[tuple[bool, type[PromoProblem]], ...] = (
        (redeemed and not code.repeatable, PromoAlreadyRedeemed),
        (not is_active, PromoInactive),
        (not code.started(now=now) or not code.campaign.started(now=now), PromoNotStarted),
        (code.expired(now=now) or code.campaign.over(now=now) or code.grants_expired_credit(now=now), PromoExpired),
        (not has_free_slot, PromoExhausted),
    )
    return next((problem() for stands, problem in against if stands), None)


def find_redeemable(*, code: str, customer_id: int | None, now: datetime) -> PromoCode:
    """Returns the code if this customer can redeem it, as read without a lock. Restrictions are not checked.

    Args: customer_id: None for a user who has never acted.

    Raises: a PromoProblem, each state its own. One query.
    """
    found = find_code(code, customer_id=customer_id)
    return redeemable(
        found,
        now=now,
        has_free_slot=getattr(found, "has_free_slot", False),
        redeemed=getattr(found, "redeemed_by_customer", False),
    )


def find_redeemable_into_balance(
    *, code: str, customer_id: int | None, user_id: str, email: str, now: datetime
) -> PromoCode:
    """As `find_redeemable`, and where no restriction refuses a redemption without an order. Two queries at most."""
    found = find_redeemable(code=code, customer_id=customer_id, now=now)
    broken = find_broken_restriction(
        found, customer_id=customer_id, user_id=user_id, email=email, order=None, now=now
    )
    if broken is not None:
        broken.stored_as = found.stored_as
        raise broken
    return found


def redeemable(code: PromoCode | None, *, now: datetime, has_free_slot: bool, redeemed: bool) -> PromoCode:
    """Returns the code if it can be redeemed. Raises: a PromoProblem, each state its own. Pure."""
    problem = problem_of(code, now=now, has_free_slot=has_free_slot, redeemed=redeemed)
    if code is None or problem is not None:
        raise problem or PromoNotFound()
    return code
