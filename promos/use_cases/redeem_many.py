"""One code for many users in one call, as staff who give it to a list of people need it.

Each user has an outcome of his own: a list is long, some on it will have redeemed the code themselves, and none of
that is a reason to withhold it from the others. All that is redeemed is so in one transaction. A list that was cut
off is simply given again: who has the code keeps one redemption.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Sum
from django.utils import timezone

from billing.actor import Actor
from billing.errors import ReasonRequired, translate_violations
from billing.use_cases.grant_many import MOST, distinct_users
from promos.errors import PromoAlreadyRedeemed, PromoChanged, PromoExhausted, PromoProblem
from promos.models import PromoCounter, Redemption
from promos.models.redemption import LIVE_STATUSES
from promos.queries import find_code, normal_code
from promos.use_cases.check_eligibility import redeemable

_REFUSALS = {"promos_promocode_redeemable": PromoChanged, "promos_promocode_exhausted": PromoExhausted}
_OUTCOMES: dict[str, type[PromoProblem]] = {
    "promos_redemption_once_per_customer": PromoAlreadyRedeemed,
    "promos_promocode_exhausted": PromoExhausted,
}
REDEEMED = "redeemed"
# Each time others have taken places meanwhile, and there are fewer of them left to take.
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one user: redeemed, or the refusal that stands against it."""

    user_id: str
    redemption_id: UUID | None
    refusal: type[PromoProblem] | None


def redeem_many(
    *, code: str, user_ids: Iterable[str], why: str, by: Actor, now: datetime | None = None
) -> list[Outcome]:
    """Redeems the code for each of these users, in their order, as long as there are places.

    A user named twice is one; users whose first act this is become customers. Each entry carries `promo:CODE` as its
    reason, `why` as its note, and who acts; the call is audited once. At most 10,000 users: a batch locks its
    customers' accounts until it ends, so that 1,000 is kinder to whoever checks out meanwhile, and hardly slower.

    Raises: a PromoProblem where the code can be redeemed by nobody now, PromoChanged where it, or the places left,
    kept changing under it, InvalidBatch, ReasonRequired; nothing has changed then.
    Locks: Account, ascending, the code's advisory lock (shared), all of its counters last, ascending.
    Transaction: owns; inside another's it is a savepoint, and belongs at its end.
    Idempotency: who has redeemed the code is told so and nothing else.
    """
    users, moment, text = distinct_users(user_ids), now or timezone.now(), normal_code(code)
    if not why.strip():
        raise ReasonRequired
    for _ in range(_ATTEMPTS):
        # A courtesy, which names what is wrong; that no place is left each user is told.
        redeemable(find_code(text), now=moment, has_free_slot=True, redeemed=False)
        try:
            return _redeem(text, users, why=why, by=by, now=moment)
        except (PromoChanged, PromoExhausted):
            continue
    raise PromoChanged


def _redeem(code: str, users: list[str], *, why: str, by: Actor, now: datetime) -> list[Outcome]:
    actor = (by.user_id, by.role, by.channel, by.address)
    with translate_violations(_REFUSALS), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT redeemer, redemption, refusal FROM"
            " promos_redeem_many(%s, %s::text[], %s, ROW(%s, %s, %s, %s)::billing_actor, %s, %s)",
            [code, users, why, *actor, by.email, now],
        )
        told: dict[str, tuple[UUID | None, str]] = {user: (made, rule) for user, made, rule in cursor.fetchall()}
    outcomes = []
    for user in users:
        made, rule = told.get(user, (None, "promos_redemption_once_per_customer"))
        outcomes.append(Outcome(user_id=user, redemption_id=made, refusal=_OUTCOMES[rule] if rule else None))
    return outcomes


def preview_redeem_many(*, code: str, user_ids: Sequence[str], now: datetime | None = None) -> Counter[str]:
    """What redeeming it for all of them would come to as things stand: `redeemed`, and the codes of refusals.

    Args: user_ids: each once, any number. Raises: a PromoProblem where nobody can redeem it now, InvalidBatch.
    """
    promo_code = redeemable(find_code(code), now=now or timezone.now(), has_free_slot=True, redeemed=False)
    already = 0
    for first in range(0, len(user_ids), MOST):
        users = distinct_users(user_ids[first : first + MOST])
        already += Redemption.objects.filter(
            promo_code=promo_code, customer__user_id__in=users, status__in=LIVE_STATUSES
        ).count()
    willing = len(user_ids) - already
    room = PromoCounter.objects.filter(promo_code=promo_code).aggregate(free=Sum(F("quota") - F("used")))["free"]
    places = min(willing, room) if promo_code.capped else willing
    return Counter({REDEEMED: places, PromoAlreadyRedeemed.code: already, PromoExhausted.code: willing - places})
