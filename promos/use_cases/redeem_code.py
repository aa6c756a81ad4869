"""A redemption's life: redeemed at once, or reserved for a payment, then confirmed or released."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, transaction
from django.utils import timezone

from billing.actor import Actor
from billing.combining import Combiner
from billing.errors import CustomerNotFound, InsufficientCredit, ReasonRequired, translate_violations
from billing.locks import lock_account
from billing.models import Customer
from billing.models.keys import uuid7
from billing.use_cases.ensure_customer import ensure_customer
from billing.use_cases.post_entry import grant_credit, reverse_grant
from promos.errors import (
    CreditSpent,
    PromoAlreadyRedeemed,
    PromoChanged,
    PromoExhausted,
    PromoProblem,
    RedemptionNotReserved,
)
from promos.locks import claim_slot, lock_code_shared, lock_redemption, return_slot
from promos.models import PromoCode, Redemption
from promos.queries import normal_code
from promos.use_cases.check_eligibility import find_redeemable

# Constraint names of the database → the refusal that each stands for.
REFUSALS = {
    "promos_promocode_redeemable": PromoChanged,
    "promos_promocode_exhausted": PromoExhausted,
    "promos_redemption_once_per_customer": PromoAlreadyRedeemed,
}
_REDEEM_REFUSALS = {**REFUSALS, "promos_redeem_customer_known": CustomerNotFound}


def redeem(*, code: str, user_id: str, by: Actor, email: str = "", now: datetime | None = None) -> Redemption:
    """Redeems the code outside an order: the redemption and its credit, together or not at all.

    It is tried at once; only where it is refused is it looked why, so that what succeeds is one round trip.

    Raises: a PromoProblem, each state its own; PromoChanged where an admin changed the code meanwhile.
    Locks: Account, the code's advisory lock (shared), one counter last. Transaction: owns, one statement; inside
    another's it is a savepoint.
    """
    asked = _Asked(code=normal_code(code), user_id=user_id, email=email, by=by, now=now or datetime.now(UTC))
    try:
        return _redeem_at_once(asked)
    except (PromoProblem, PromoChanged, CustomerNotFound):
        # Said again below, by the state that stands; only the customer's first act comes through.
        pass
    known = Customer.objects.filter(user_id=user_id).values_list("id", flat=True).first()
    find_redeemable(code=asked.code, customer_id=known, now=asked.now)
    ensure_customer(user_id=user_id, email=email)
    return _redemption(_redeem(asked), now=asked.now)


class _Asked(NamedTuple):
    code: str
    user_id: str
    email: str
    by: Actor
    now: datetime


# A redemption's key, its code's, its customer's, and what was granted.
_Redeemed = tuple[UUID, UUID, int, int]


def _redeem_at_once(asked: _Asked) -> Redemption:
    """With others of this moment, or alone. Together everybody acts for himself, and nobody in a transaction."""
    if asked.by.user_id == asked.user_id and not connection.in_atomic_block:
        together = _redeeming.do(asked.code, _Written(asked), partial(_redemption, now=asked.now))
        if together is not None:
            return together
    return _redemption(_redeem(asked), now=asked.now)


def _redeem(asked: _Asked) -> _Redeemed:
    by = asked.by
    joined = transaction.atomic() if connection.in_atomic_block else nullcontext()
    with translate_violations(_REDEEM_REFUSALS), joined, connection.cursor() as cursor:
        cursor.execute(
            "SELECT redemption, promo, customer, granted"
            " FROM promos_redeem_code(%s, %s, %s, ROW(%s, %s, %s, %s)::billing_actor, %s)",
            [asked.code, asked.user_id, asked.email, by.user_id, by.role, by.channel, by.address, asked.now],
        )
        redeemed: _Redeemed = cursor.fetchone()
        return redeemed


_quoted = json.JSONEncoder().encode


class _Written:
    """What somebody asks, as it is sent with others': written by himself, while he does not keep them waiting.

    An object of JSON, put together here: half of what a general encoder takes for it.
    """

    __slots__ = ("asked", "redemption_id", "text")

    def __init__(self, asked: _Asked) -> None:
        by = asked.by
        self.asked = asked
        self.redemption_id = uuid7()
        self.text = (
            f'{{"redemption":"{self.redemption_id.hex}","entry":"{uuid7().hex}","user":{_quoted(asked.user_id)},'
            f'"email":{_quoted(asked.email)},"role":{_quoted(by.role)},"channel":{_quoted(by.channel)},'
            f'"address":{_quoted(by.address)},"moment":"{asked.now.isoformat()}"}}'
        )


def _redeem_together(written: Sequence[_Written]) -> list[_Redeemed | None]:
    """One code's, at the same moment."""
    made: list[_Redeemed | None] = [None] * len(written)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT promo, granted, places, customers FROM promos_redeem_together(%s, %s::jsonb)",
            [written[0].asked.code, f"[{','.join(each.text for each in written)}]"],
        )
        promo, granted, places, customers = cursor.fetchone()
    for place, customer in zip(places or (), customers or (), strict=True):
        made[place - 1] = (written[place - 1].redemption_id, promo, customer, granted)
    return made


_FIELDS = tuple(field.attname for field in Redemption._meta.concrete_fields)
_redeeming: Combiner[_Written, _Redeemed] = Combiner(
    alone=lambda written: _redeem(written.asked), together=_redeem_together
)


def _redemption(redeemed: _Redeemed, *, now: datetime) -> Redemption:
    """As the database holds it, so that what is saved of it later is an update."""
    redemption_id, promo_code_id, customer_id, credit_minor = redeemed
    return Redemption.from_db(
        DEFAULT_DB_ALIAS,
        _FIELDS,
        (redemption_id, promo_code_id, customer_id, None, credit_minor, "confirmed", now, now, None, ""),
    )


def reserve(*, promo_code: PromoCode, customer_id: int, order_id: UUID, now: datetime | None = None) -> Redemption:
    """Takes a place for an order whose payment is yet to come; no credit is granted.

    Call it last in the transaction: the code's counter stays locked until the commit.

    Raises: PromoChanged, PromoExhausted, PromoAlreadyRedeemed. Locks: Account, the code's advisory lock
    (shared), one counter. Transaction: joins.
    """
    moment = now or timezone.now()
    with transaction.atomic():
        lock_account(customer_id=customer_id)
        lock_code_shared(promo_code_id=promo_code.id)
        promo_code.refresh_from_db()
        if (
            promo_code.retired_at is not None
            or not promo_code.active
            or not promo_code.started(now=moment)
            or promo_code.expired(now=moment)
        ):
            raise PromoChanged
        with translate_violations(REFUSALS):
            redemption = Redemption.objects.create(
                promo_code=promo_code,
                customer_id=customer_id,
                order_id=order_id,
                credit_minor=promo_code.credit_minor,
                status=Redemption.Status.RESERVED,
                reserved_at=moment,
            )
        if promo_code.capped and not claim_slot(promo_code_id=promo_code.id):
            raise PromoExhausted
        return redemption


def confirm(*, redemption: Redemption, by: Actor, now: datetime | None = None) -> Redemption:
    """Grants a reserved redemption's credit: from here on it is the customer's, whatever becomes of the order.

    Raises: RedemptionNotReserved where it was released. Locks: Account, Redemption. Transaction: joins.
    Idempotency: a second confirm changes nothing.
    """
    with transaction.atomic():
        lock_account(customer_id=redemption.customer_id)
        current = lock_redemption(redemption_id=redemption.id)
        if current.status == Redemption.Status.CONFIRMED:
            return current
        if current.status != Redemption.Status.RESERVED:
            raise RedemptionNotReserved
        current.status, current.confirmed_at = Redemption.Status.CONFIRMED, now or timezone.now()
        current.save(update_fields=["status", "confirmed_at"])
        grant_credit(
            customer_id=current.customer_id,
            amount_minor=current.credit_minor,
            reason=f"promo:{current.promo_code.code}",
            order_id=current.order_id,
            redemption_id=current.id,
            by=by,
        )
        return current


def release(
    *, redemption: Redemption | None, reason: str, by: Actor, now: datetime | None = None
) -> Redemption | None:
    """Undoes count, redemption and credit together, or nothing at all.

    The credit is taken back by a reversal of its grant; an order's spend is never touched. For None, and for a
    redemption that was released already, nothing changes.

    Raises: ReasonRequired; CreditSpent where the customer no longer has the credit, or holds it for an open payment.
    Locks: Account, Redemption, the code's advisory lock (shared), one counter last. Transaction: joins.
    """
    if redemption is None:
        return None
    if not reason.strip():
        raise ReasonRequired
    with transaction.atomic():
        lock_account(customer_id=redemption.customer_id)
        current = lock_redemption(redemption_id=redemption.id)
        if current.status == Redemption.Status.RELEASED:
            return current
        if current.status == Redemption.Status.CONFIRMED:
            try:
                reverse_grant(redemption_id=current.id, why=reason, by=by)
            except InsufficientCredit as error:
                raise CreditSpent from error
        current.status, current.released_at = Redemption.Status.RELEASED, now or timezone.now()
        current.release_reason = reason[:200]
        current.save(update_fields=["status", "released_at", "release_reason"])
        lock_code_shared(promo_code_id=current.promo_code_id)
        return_slot(promo_code_id=current.promo_code_id)
        return current
