"""A voucher redeemed into the balance, without an order."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.db.models import Exists, OuterRef, Q, Subquery
from django.utils import timezone

from billing.actor import Actor
from billing.errors import Busy, DomainError, IdempotencyMismatch, translate_lock_errors
from billing.models import Account, IdempotencyKey, LedgerEntry
from billing.use_cases.find_after_lost_connection import find_or_remember, find_unknown
from billing.use_cases.store_answer import find_answer
from orders.use_cases.count_outcomes import count_top_ups
from orders.use_cases.subscriptions.pay_due_months import pay_due_months, unpaid_subscriptions
from promos.errors import PromoChanged, PromoProblem
from promos.models import Card, Redemption
from promos.models.batch import stored_card_codes
from promos.queries import normal_code
from promos.use_cases.redeem_code import redeem


@dataclass(frozen=True, slots=True, kw_only=True)
class ToppedUp:
    """A redemption, its code and credit, and the customer's balance after it; both in the smallest unit.

    `paid_invoices` are those of unpaid months that the balance paid at once.
    """

    redemption_id: UUID
    promo_code_id: UUID
    code: str
    credit_minor: int
    balance_minor: int
    replayed: bool
    paid_invoices: tuple[UUID, ...] = ()


@count_top_ups
def top_up(
    *,
    code: str,
    by: Actor,
    user_id: str = "",
    note: str = "",
    idempotency_key: str = "",
    fingerprint: str = "",
    now: datetime | None = None,
) -> ToppedUp:
    """Redeems the code for the caller; its credit is on the balance from this answer on.

    Args: user_id: the customer, where the caller is a system that acts for one. note: for staff, on the grant.
    fingerprint: the hash of the request's body, required with a key.
    Raises: a PromoProblem, IdempotencyMismatch, RequestInProgress, Busy. If it raises, nothing has changed, except
    for OutcomeUnknown: the connection was lost, and the redemption was not found. The same request again finds it.
    Locks: as `redeem`. Transaction: owns, one statement.
    Idempotency: under a key the same request has one redemption and one answer for 24 hours; a refusal is not stored.
    A request waits for a twin (the same key and body) that is still in flight.
    """
    moment = now or timezone.now()
    customer = replace(by, user_id=user_id, email="") if user_id else by
    find = partial(_find_redeemed, code, customer)
    try:
        with translate_lock_errors(key=idempotency_key, on_deadlock=PromoChanged):
            redemption = redeem(
                code=code,
                user_id=customer.user_id,
                by=by,
                email=customer.email,
                note=note,
                key=idempotency_key,
                fingerprint=fingerprint,
                now=moment,
            )
    except (OperationalError, InterfaceError) as error:
        redemption = find_or_remember(error, "top-up", normal_code(code), by=customer, tried_at=moment, find=find)
    except DomainError as refusal:
        # If an earlier attempt or a twin caused the refusal, for example by redeeming first, its answer is used here.
        replay = _replay(code=code, by=customer, key=idempotency_key, fingerprint=fingerprint, now=moment)
        if replay is not None:
            return replay
        if isinstance(refusal, PromoChanged):
            raise Busy(retry_after=1) from refusal
        if idempotency_key or not isinstance(refusal, PromoProblem):
            raise
        found = find_unknown("top-up", normal_code(code), by=customer, now=moment, find=find)
        if found is None:
            raise
        redemption = found
    topped_up = ToppedUp(
        redemption_id=redemption.id,
        promo_code_id=redemption.promo_code_id,
        code=normal_code(code),
        credit_minor=redemption.credit_minor,
        balance_minor=redemption.balance_after_minor,  # type: ignore[attr-defined]
        replayed=False,
    )
    if not redemption.owes:  # type: ignore[attr-defined]
        return topped_up
    return _pay_due_months(topped_up, customer_id=redemption.customer_id, key=idempotency_key, by=by, now=moment)


def _find_redeemed(code: str, by: Actor, at: datetime) -> Redemption | None:
    """Finds the redemption into the balance that a request of this time has made, with what `redeem` adds to it."""
    granted = LedgerEntry.objects.filter(redemption_id=OuterRef("pk"), kind=LedgerEntry.Kind.GRANT)
    owed = unpaid_subscriptions(now=at).filter(customer_id=OuterRef("customer_id"))
    made = Redemption.objects.annotate(
        balance_after_minor=Subquery(granted.values("balance_after_minor")[:1]), owes=Exists(owed)
    )
    return made.filter(
        _redeemed_by(normal_code(code)),
        customer__user_id=by.user_id,
        order_id=None,
        confirmed_at=at,
        status=Redemption.Status.CONFIRMED,
    ).first()


def _redeemed_by(code: str) -> Q:
    """Returns the filter for redemptions of this code, or of the card that has it."""
    return Q(promo_code__code=code) | Q(card_serial__in=Card.objects.filter(code__in=stored_card_codes(code)))


def _pay_due_months(topped_up: ToppedUp, *, customer_id: int, key: str, by: Actor, now: datetime) -> ToppedUp:
    """Pays the months that the balance covers now, and stores the balance after them as the request's answer."""
    paid = pay_due_months(customer_id=customer_id, by=by, now=now)
    if not paid:
        return topped_up
    balance_minor = Account.objects.get(customer_id=customer_id).balance_minor
    if key:
        IdempotencyKey.objects.filter(customer_id=customer_id, key=key).update(balance_after_minor=balance_minor)
    return replace(topped_up, balance_minor=balance_minor, paid_invoices=tuple(paid))


def _replay(*, code: str, by: Actor, key: str, fingerprint: str, now: datetime) -> ToppedUp | None:
    """Returns the stored answer. Raises: IdempotencyMismatch where the key was used for another request."""
    stored = find_answer(user_id=by.user_id, key=key, now=now) if key else None
    if stored is None:
        return None
    if stored.request_hash != fingerprint or stored.balance_after_minor is None:
        raise IdempotencyMismatch
    redemption = Redemption.objects.get(id=stored.result_id)
    return ToppedUp(
        redemption_id=redemption.id,
        promo_code_id=redemption.promo_code_id,
        code=normal_code(code),
        credit_minor=redemption.credit_minor,
        balance_minor=stored.balance_after_minor,
        replayed=True,
    )
