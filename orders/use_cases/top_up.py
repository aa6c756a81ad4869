"""A voucher is redeemed into the balance, without an order.

Under an idempotency key the redemption and the answer's record are written in one transaction: a process that dies
before its commit leaves neither, and after it the same request finds the answer. The record stands in the table of
the checkouts' keys, because a key means one request of a customer, of whichever kind. A transaction of its own cannot
share a statement with other redemptions of the moment; without a key there is none, and the redemption does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.utils import timezone
from psycopg import errors as postgres

from billing.actor import Actor
from billing.errors import Busy, DomainError
from billing.locks import lock_account_of_user
from billing.models import LedgerEntry
from billing.use_cases.ensure_customer import update_email
from orders.errors import IdempotencyMismatch, OrderStale, RequestInProgress
from orders.models.idempotency import KEY_LIFE
from promos.errors import PromoChanged
from promos.queries import normal_code
from promos.use_cases.redeem_code import redeem

# How often a top-up starts again after the code changed under it, before it says that it is busy.
MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ToppedUp:
    """A redeemed code, its credit, and the customer's balance after it; both in the smallest unit."""

    code: str
    credit_minor: int
    balance_minor: int
    replayed: bool


def top_up(
    *, code: str, by: Actor, idempotency_key: str = "", fingerprint: str = "", now: datetime | None = None
) -> ToppedUp:
    """Redeems the code for the caller; its credit is on the balance from this answer on.

    Args: fingerprint: the hash of the request's body, required with a key.
    Raises: a PromoProblem, IdempotencyMismatch, RequestInProgress, Busy. Whatever is raised, nothing has changed.
    Locks: as redeem does. Transaction: owns.
    Idempotency: under a key the same request has one redemption and one answer for 24 hours; a refusal is not stored.
    A twin that is still in flight is waited for.
    """
    text, moment = normal_code(code), now or timezone.now()
    for _ in range(MAX_ATTEMPTS):
        try:
            with _translate_lock_timeouts(key=idempotency_key):
                if not idempotency_key:
                    return _redeem(text, by=by, now=moment)[0]
                return _redeem_once(text, by=by, key=idempotency_key, fingerprint=fingerprint, now=moment)
        except (PromoChanged, OrderStale):
            continue
    raise Busy(retry_after=1)


def _redeem(code: str, *, by: Actor, now: datetime) -> tuple[ToppedUp, UUID, int]:
    """The answer, the redemption's id, and the customer's."""
    redemption = redeem(code=code, user_id=by.user_id, by=by, email=by.email, now=now)
    balance_minor = LedgerEntry.objects.values_list("balance_after_minor", flat=True).get(
        redemption_id=redemption.id, kind=LedgerEntry.Kind.GRANT
    )
    topped_up = ToppedUp(code=code, credit_minor=redemption.credit_minor, balance_minor=balance_minor, replayed=False)
    return topped_up, redemption.id, redemption.customer_id


def _redeem_once(code: str, *, by: Actor, key: str, fingerprint: str, now: datetime) -> ToppedUp:
    try:
        with transaction.atomic():
            update_email(user_id=by.user_id, email=by.email)
            # Races with a twin under the same key, which is waited for here.
            if lock_account_of_user(user_id=by.user_id) is not None:
                replay = _replay(code, by=by, key=key, fingerprint=fingerprint, now=now)
                if replay is not None:
                    return replay
            topped_up, redemption_id, customer_id = _redeem(code, by=by, now=now)
            _store(topped_up, redemption_id, customer_id=customer_id, key=key, fingerprint=fingerprint, now=now)
        return topped_up
    except DomainError:
        # Two first acts of a customer have no account to lock: the twin may have done what now stands in the way.
        replay = _replay(code, by=by, key=key, fingerprint=fingerprint, now=now)
        if replay is not None:
            return replay
        raise


_ANSWER = """
SELECT k.request_hash, k.balance_after_minor, r.credit_minor
  FROM orders_idempotencykey k
  JOIN billing_customer c ON c.id = k.customer_id
  LEFT JOIN promos_redemption r ON r.id = k.order_id
 WHERE c.user_id = %s AND k.key = %s AND k.expires_at > %s
"""


def _replay(code: str, *, by: Actor, key: str, fingerprint: str, now: datetime) -> ToppedUp | None:
    """The stored answer. Raises: IdempotencyMismatch where the key was used for another request."""
    with connection.cursor() as cursor:
        cursor.execute(_ANSWER, [by.user_id, key, now])
        stored: tuple[Any, ...] | None = cursor.fetchone()
    if stored is None:
        return None
    request_hash, balance_minor, credit_minor = stored
    if request_hash != fingerprint:
        raise IdempotencyMismatch
    return ToppedUp(code=code, credit_minor=credit_minor, balance_minor=balance_minor, replayed=True)


# `order_id` names what the request made: the order of a checkout, the redemption of a top-up.
_STORE = """
INSERT INTO orders_idempotencykey (customer_id, key, request_hash, order_id, balance_after_minor, created_at,
                                   expires_at)
VALUES (%(customer)s, %(key)s, %(hash)s, %(redemption)s, %(balance)s, %(now)s, %(until)s)
ON CONFLICT ON CONSTRAINT orders_idempotencykey_once DO UPDATE
   SET request_hash = excluded.request_hash, order_id = excluded.order_id, created_at = excluded.created_at,
       balance_after_minor = excluded.balance_after_minor, session_url = '', expires_at = excluded.expires_at
 WHERE orders_idempotencykey.expires_at <= %(now)s
"""


def _store(
    topped_up: ToppedUp, redemption_id: UUID, *, customer_id: int, key: str, fingerprint: str, now: datetime
) -> None:
    """Keeps the answer in place of an expired one. Raises: OrderStale where a live one is there."""
    with connection.cursor() as cursor:
        cursor.execute(
            _STORE,
            {
                "customer": customer_id,
                "key": key,
                "hash": fingerprint,
                "redemption": redemption_id,
                "balance": topped_up.balance_minor,
                "now": now,
                "until": now + KEY_LIFE,
            },
        )
        if not cursor.rowcount:
            raise OrderStale


@contextmanager
def _translate_lock_timeouts(*, key: str) -> Iterator[None]:
    """Raises: RequestInProgress, or Busy without a key, where a lock was waited for in vain; OrderStale for a
    deadlock."""
    try:
        yield
    except OperationalError as error:
        if isinstance(error.__cause__, postgres.LockNotAvailable):
            raise (RequestInProgress if key else Busy)(retry_after=1) from error
        if isinstance(error.__cause__, postgres.DeadlockDetected):
            raise OrderStale from error
        raise
