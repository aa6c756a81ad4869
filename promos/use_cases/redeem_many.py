"""Redeems one code for many users in one call, for staff who give a code to a list of people.

Each user has an outcome of their own: some on a long list will have redeemed the code already, and that is no reason
to withhold it from the others. One transaction redeems the code for all who may. If a call was interrupted, it can be
repeated: a user who has redeemed the code keeps one redemption.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Sum
from django.utils import timezone

from billing.actor import Actor
from billing.errors import ReasonRequired, translate_violations
from billing.models.keys import uuid7
from billing.text import has_visible_text
from billing.use_cases.ledger.grant_many import MAX_BATCH, check_not_merged, distinct_users
from billing.use_cases.record_audit import record_audit
from promos.errors import PromoAlreadyRedeemed, PromoChanged, PromoExhausted, PromoProblem, PromoRepeatable
from promos.locks import lock_code_shared
from promos.models import BudgetCounter, PromoCode, PromoCounter
from promos.queries import find_code, normal_code
from promos.use_cases.check_eligibility import redeemable
from promos.use_cases.redeem_code import REFUSALS
from promos.use_cases.restrictions.find_broken_restriction import REFUSAL_OF_RULE

REDEEMED = "redeemed"
# A call starts again if others took slots meanwhile. Each time they have fewer slots left to take.
MAX_ATTEMPTS = 20
# The users, in their order, who have no live redemption of the code, whether each has an account already, and the
# rule of a restricted code that refuses them. LATERAL with LIMIT looks each up by index. A join would read all
# customers, or all redemptions of the code.
_NOT_REDEEMED = """
SELECT named.user_id, known.account IS NOT NULL,
       CASE WHEN %(restricted)s
            THEN promos_find_broken_restriction(%(code)s, known.id, named.user_id, known.email, NULL, %(now)s) END
  FROM unnest(%(users)s::text[]) WITH ORDINALITY AS named(user_id, position)
  LEFT JOIN LATERAL (SELECT c.id, c.email, a.customer_id AS account
                       FROM billing_customer c LEFT JOIN billing_account a ON a.customer_id = c.id
                      WHERE c.user_id = named.user_id LIMIT 1) AS known ON true
  LEFT JOIN LATERAL (SELECT r.id FROM promos_redemption r
                      WHERE r.promo_code_id = %(code)s AND r.customer_id = known.id AND r.card_serial IS NULL
                        AND r.use_number IS NULL AND r.status IN ('reserved', 'confirmed') LIMIT 1) AS live ON true
 WHERE live.id IS NULL ORDER BY named.position
"""
_REDEEM = """
SELECT id
  FROM promos_redeem(
         ARRAY(SELECT ROW(redemption, entry, %s, user_id, '', %s, %s, %s, %s, %s, %s, NULL, NULL, NULL)
                      ::promos_redemption_request
                 FROM unnest(%s::uuid[], %s::uuid[], %s::text[]) AS named(redemption, entry, user_id)), true)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One user's outcome: redeemed, or the refusal."""

    user_id: str
    redemption_id: UUID | None
    refusal: type[PromoProblem] | None


def redeem_many(
    *, code: str, user_ids: Iterable[str], why: str, by: Actor, now: datetime | None = None
) -> list[Outcome]:
    """Redeems the code for each of these users, in their order, as long as there are slots.

    A user named twice is one. Users whose first act this is become customers, unless no slot is left for them. Each
    ledger entry carries `promo:CODE` as its reason, `why` as its note, and the actor; the call is audited once. At
    most 10,000 users: their accounts stay locked until the commit, so 1,000 delay others less, and are hardly slower.

    Raises: a PromoProblem where no user can redeem the code now, PromoRepeatable, PromoChanged where the code or its
    free slots kept changing, InvalidBatch, ReasonRequired; then nothing has changed.
    Locks: Account, ascending, the code's advisory lock (shared), its counters last, ascending.
    Transaction: owns; inside another's it is a savepoint, and belongs at its end.
    Idempotency: a user who has redeemed the code gets that outcome and nothing else.
    """
    users, moment, text = distinct_users(user_ids), now or timezone.now(), normal_code(code)
    if not has_visible_text(why):
        raise ReasonRequired
    for _ in range(MAX_ATTEMPTS):
        # This check only names the problem early. A missing slot is an outcome of each user.
        promo_code = _redeemable_once(text, now=moment)
        try:
            return _redeem(promo_code, users, why=why, by=by, now=moment)
        except (PromoChanged, PromoExhausted):
            continue
    check_not_merged(users)
    raise PromoChanged


def _redeem(promo_code: PromoCode, users: list[str], *, why: str, by: Actor, now: datetime) -> list[Outcome]:
    with transaction.atomic():
        wanting, refused = _find_wanting(promo_code, users, now=now)
        served = list(wanting)[: _free_slots(promo_code)]
        with connection.cursor() as cursor:
            if new := [user for user in served if not wanting[user]]:
                cursor.execute("SELECT billing_make_customers(%s, %s)", [new, settings.SOVEREIGN_CURRENCY])
            made = _redeem_batch(promo_code, served, why=why, by=by, now=now) if served else {}
        # Under the lock that the redemptions hold: a change of the voucher waits for it.
        _check_once(PromoCode.objects.get(id=promo_code.id))
        if len(made) < len(served):
            # Somebody else redeemed it for one of them, or changed the code, since it was read.
            raise PromoChanged
        if len(served) < len(wanting):
            _check_cap(promo_code)
        if made:
            record_audit(
                action="promo_code.redeemed_for_many",
                object_type="promo_code",
                object_id=promo_code.code,
                by=by,
                changes={"redemptions": [0, len(made)]},
                reason=why,
            )
    refusals: dict[str, type[PromoProblem]] = {**dict.fromkeys(wanting, PromoExhausted), **refused}
    return [
        Outcome(
            user_id=user,
            redemption_id=made.get(user),
            refusal=None if user in made else refusals.get(user, PromoAlreadyRedeemed),
        )
        for user in users
    ]


def _find_wanting(
    promo_code: PromoCode, users: Sequence[str], *, now: datetime
) -> tuple[dict[str, bool], dict[str, type[PromoProblem]]]:
    """Returns the users who may redeem the code, each with whether they have an account, and the users whom a
    restriction refuses, each with the refusal.

    Users who have redeemed the code are in neither. One query.
    """
    parameters: dict[str, Any] = {
        "users": list(users),
        "code": promo_code.id,
        "restricted": promo_code.restricted,
        "now": now,
    }
    wanting: dict[str, bool] = {}
    refused: dict[str, type[PromoProblem]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_NOT_REDEEMED, parameters)
        for user, has_account, broken in cursor:
            if broken:
                refused[user] = REFUSAL_OF_RULE[broken]
            else:
                wanting[user] = has_account
    return wanting, refused


def _redeem_batch(promo_code: PromoCode, users: list[str], *, why: str, by: Actor, now: datetime) -> dict[str, UUID]:
    """Redeems the code for these users, and returns the redemption of each user that has one now."""
    redemptions, entries = [uuid7() for _ in users], [uuid7() for _ in users]
    shared = [promo_code.code, why, by.user_id, by.role, by.channel, by.address, now]
    with translate_violations(REFUSALS), connection.cursor() as cursor:
        cursor.execute(_REDEEM, [*shared, redemptions, entries, users])
        written = {redemption for (redemption,) in cursor}
    return {user: id_ for user, id_ in zip(users, redemptions, strict=True) if id_ in written}


def _redeemable_once(text: str, *, now: datetime) -> PromoCode:
    """Returns the voucher of this text. Raises: a PromoProblem where no user can redeem it now; PromoRepeatable."""
    promo_code = redeemable(_find_voucher(text), now=now, has_free_slot=True, redeemed=False)
    _check_once(promo_code)
    return promo_code


def _check_once(promo_code: PromoCode) -> None:
    """Raises: PromoRepeatable where a customer may redeem it several times: a second call would redeem again."""
    if promo_code.repeatable:
        raise PromoRepeatable


def _find_voucher(text: str) -> PromoCode | None:
    """Returns the code of this text. A card has one customer, so it is not for a list."""
    found = find_code(text)
    return None if found is None or found.for_cards else found


def _check_cap(promo_code: PromoCode) -> None:
    """Raises: PromoChanged where the cap or the budget is another one than that by which slots were counted."""
    # Races with a change of the cap or the budget, which replaces the counters between two statements.
    lock_code_shared(promo_code_id=promo_code.id)
    if not PromoCode.objects.filter(
        id=promo_code.id,
        max_redemptions=promo_code.max_redemptions,
        campaign__budget_minor=promo_code.campaign.budget_minor,
    ).exists():
        raise PromoChanged


def _free_slots(promo_code: PromoCode) -> int | None:
    """Returns how many more redemptions fit the cap and the campaign's budget; None for any number."""
    left = F("quota") - F("used")
    free: list[int] = []
    if promo_code.capped:
        slots = PromoCounter.objects.filter(promo_code=promo_code).aggregate(free=Sum(left))["free"]
        free.append(int(slots or 0))
    if promo_code.campaign.budgeted:
        budget = BudgetCounter.objects.filter(campaign=promo_code.campaign_id).aggregate(free=Sum(left))["free"]
        free.append(int(budget or 0) // promo_code.credit_minor)
    return min(free, default=None)


def preview_redeem_many(*, code: str, user_ids: Sequence[str], now: datetime | None = None) -> Counter[str]:
    """Counts the outcomes of redeeming the code for all of them now: `redeemed`, and the codes of refusals.

    Args: user_ids: each once, any number. Raises: a PromoProblem where no user can redeem it now, PromoRepeatable,
    InvalidBatch.
    """
    moment = now or timezone.now()
    promo_code = _redeemable_once(code, now=moment)
    outcomes: Counter[str] = Counter()
    wanting = 0
    for first in range(0, len(user_ids), MAX_BATCH):
        users = distinct_users(user_ids[first : first + MAX_BATCH])
        may, refused = _find_wanting(promo_code, users, now=moment)
        wanting += len(may)
        outcomes.update(each.code for each in refused.values())
        outcomes[PromoAlreadyRedeemed.code] += len(users) - len(may) - len(refused)
    free = _free_slots(promo_code)
    served = wanting if free is None else min(wanting, free)
    return outcomes + Counter({REDEEMED: served, PromoExhausted.code: wanting - served})
