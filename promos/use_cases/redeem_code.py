"""A redemption's life: redeemed at once, or reserved for a payment and then confirmed or released.

What is written, and under which locks, stands in redeem.sql.
"""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, transaction
from django.utils import timezone

from billing.actor import Actor
from billing.database.group_commit import GroupCommit
from billing.errors import InsufficientCredit, ReasonRequired, translate_violations
from billing.locks import lock_account, lock_account_and_survivor
from billing.models import Customer
from billing.models.idempotency import KEY_LIFE
from billing.models.keys import uuid7
from billing.text import has_visible_text
from billing.use_cases.ensure_customer import ensure_customer
from billing.use_cases.ledger.post_entry import grant_credit, reverse_grant
from promos.errors import CreditSpent, PromoAlreadyRedeemed, PromoChanged, PromoExhausted, RedemptionNotReserved
from promos.locks import (
    claim_budget,
    claim_slot,
    lock_code_shared,
    lock_redemption,
    return_budget,
    return_slot,
)
from promos.models import PromoCode, Redemption
from promos.queries import normal_code
from promos.use_cases.check_eligibility import find_redeemable, find_redeemable_into_balance
from promos.use_cases.restrictions.find_broken_restriction import OrderFacts, find_broken_restriction

# Constraint names of the database → the refusal that each stands for.
REFUSALS = {
    "promos_promocode_exhausted": PromoExhausted,
    "promos_campaign_budget_exhausted": PromoExhausted,
    "promos_redemption_once_per_customer": PromoAlreadyRedeemed,
    "billing_idempotencykey_once": PromoChanged,
}
# Takes the texts of requests as a JSON array, and whether to wait.
REDEEM = """SELECT * FROM promos_redeem_and_read(
  ARRAY(SELECT jsonb_populate_recordset(NULL::promos_redemption_request, %s)), %s)"""
# How often a redemption is tried while the code keeps changing under it.
MAX_ATTEMPTS = 3


class RedemptionRequest:
    """One redemption into the balance, and its text as redeem.sql reads it.

    Each thread writes its own text before it joins a batch, so that a batch has nothing to compute for it. Put
    together by hand, it takes half of what a general encoder takes.
    """

    __slots__ = ("by", "code", "email", "id", "now", "text", "user_id")

    def __init__(
        self,
        *,
        code: str,
        user_id: str,
        by: Actor,
        email: str = "",
        note: str = "",
        key: str = "",
        fingerprint: str = "",
        now: datetime | None = None,
    ) -> None:
        self.id, self.code, self.user_id, self.email, self.by = uuid7(), normal_code(code), user_id, email, by
        self.now = now or datetime.now(UTC)
        self.text = (
            f'{{"redemption":"{self.id.hex}","entry":"{uuid7().hex}","code":{_quote(self.code)},'
            f'"user":{_quote(user_id)},"email":{_quote(email)},"note":{_quote(note)},"actor":{_quote(by.user_id)},'
            f'"role":{_quote(by.role)},"channel":{_quote(by.channel)},"address":{_quote(by.address)},'
            f'"now":"{self.now.isoformat()}"{self._key_text(key, fingerprint) if key else ""}}}'
        )

    def _key_text(self, key: str, fingerprint: str) -> str:
        expires_at = (self.now + KEY_LIFE).isoformat()
        return f',"key":{_quote(key)},"hash":{_quote(fingerprint)},"key_expires_at":"{expires_at}"'


_quote = json.JSONEncoder().encode


def redeem(
    *,
    code: str,
    user_id: str,
    by: Actor,
    email: str = "",
    note: str = "",
    key: str = "",
    fingerprint: str = "",
    now: datetime | None = None,
) -> Redemption:
    """Redeems the code into the user's balance, without an order.

    It is tried first and explained afterwards, so that a redemption that succeeds is one round trip. Requests that
    arrive together share it (billing/database/group_commit.py).

    Args: note: for staff, on the grant. key, fingerprint: an idempotency key and the request's hash; the answer is
    stored with the redemption. A key that has a live answer redeems nothing: the caller reads it
    (billing/use_cases/store_answer.py).
    The redemption carries `balance_after_minor`, and `owes`: whether its customer has a month to pay.

    Raises: a PromoProblem, each state its own; PromoChanged where the code keeps changing, or the key has an answer.
    Locks: Account, the locks of `lock_code_shared`, counters last. Transaction: owns; inside another's it is a
    savepoint.
    """
    request = RedemptionRequest(
        code=code, user_id=user_id, email=email, by=by, note=note, key=key, fingerprint=fingerprint, now=now
    )
    redeemed = None if connection.in_atomic_block else _group.submit(request)
    for _ in range(MAX_ATTEMPTS):
        if redeemed is not None:
            break
        known, known_email = Customer.objects.filter(user_id=user_id).values_list("id", "email").first() or (None, "")
        found = find_redeemable_into_balance(
            code=request.code, customer_id=known, user_id=user_id, email=email or known_email, now=request.now
        )
        if found.stored_as and found.stored_as != request.code:
            request = RedemptionRequest(
                code=found.stored_as,
                user_id=user_id,
                email=email,
                by=by,
                note=note,
                key=key,
                fingerprint=fingerprint,
                now=request.now,
            )
        ensure_customer(user_id=user_id, email=email)
        [redeemed] = redeem_batch([request], wait=True)
    if redeemed is None:
        raise PromoChanged
    return _redemption(redeemed, now=request.now)


class Redeemed(NamedTuple):
    """A redemption that was written; its own thread makes the model of it, so that a batch need not."""

    id: UUID
    promo_code_id: UUID
    customer_id: int
    credit_minor: int
    balance_minor: int
    owes: bool


def redeem_batch(requests: Sequence[RedemptionRequest], *, wait: bool = False) -> list[Redeemed | None]:
    """Redeems what it can of these requests, in one statement; None for those that it did not serve.

    Args: wait: whether to wait for accounts that are locked elsewhere.
    Raises: PromoExhausted, for all of them, where the slots were taken while it ran. Locks and transaction as
    `redeem`.
    """
    savepoint = transaction.atomic() if connection.in_atomic_block else nullcontext()
    with translate_violations(REFUSALS), savepoint, connection.cursor() as cursor:
        cursor.execute(REDEEM, [f"[{','.join(request.text for request in requests)}]", wait])
        written = {row[0]: Redeemed(*row) for row in cursor.fetchall()}
    return [written.get(request.id) for request in requests]


_group: GroupCommit[RedemptionRequest, Redeemed] = GroupCommit(redeem_batch)
_FIELDS = ("id", "promo_code_id", "customer_id", "order_id", "credit_minor", "status", "reserved_at", "confirmed_at")


def _redemption(redeemed: Redeemed, *, now: datetime) -> Redemption:
    """Returns the redemption as the database holds it, so that saving it later is an update.

    Other fields are read when they are asked for.
    """
    redemption = Redemption.from_db(
        DEFAULT_DB_ALIAS,
        _FIELDS,
        (
            redeemed.id,
            redeemed.promo_code_id,
            redeemed.customer_id,
            None,
            redeemed.credit_minor,
            "confirmed",
            now,
            now,
        ),
    )
    redemption.balance_after_minor, redemption.owes = redeemed.balance_minor, redeemed.owes  # type: ignore[attr-defined]
    return redemption


def reserve(
    *,
    promo_code: PromoCode,
    customer_id: int,
    order_id: UUID,
    order: OrderFacts | None = None,
    now: datetime | None = None,
) -> Redemption:
    """Claims a slot for an order whose payment is yet to come; the credit is granted later, by `confirm`.

    Call it last in the transaction: the counters stay locked until the commit.

    Args: order: what a restricted code's rules are checked by.
    Raises: a PromoProblem; PromoChanged, also where the restrictions were changed since the code was read.
    Locks: Account, the locks of `lock_code_shared`, counters. Transaction: joins.
    """
    moment, redemption_id = now or timezone.now(), uuid7()
    with transaction.atomic():
        lock_account(customer_id=customer_id)
        lock_code_shared(promo_code_id=promo_code.id)
        current = PromoCode.objects.select_related("campaign").get(id=promo_code.id)
        if current.restricted:
            _check_restrictions(current, seen=promo_code, customer_id=customer_id, order=order, now=moment)
        with connection.cursor() as cursor:
            parameters = [redemption_id, promo_code.id, promo_code.card_serial, customer_id, order_id, moment]
            cursor.execute(_RESERVE, parameters)
            [written] = cursor.fetchone()
        if not written:
            code = promo_code.stored_as or promo_code.found_by or promo_code.code
            find_redeemable(code=code, customer_id=customer_id, now=moment)
            raise PromoChanged
        if current.capped and not claim_slot(promo_code=current):
            raise PromoExhausted
        redemption = Redemption.objects.get(id=redemption_id)
        budgeted = current.campaign.budgeted
        if budgeted and not claim_budget(campaign=current.campaign, amount_minor=redemption.credit_minor):
            raise PromoExhausted
        return redemption


def _check_restrictions(
    current: PromoCode, *, seen: PromoCode, customer_id: int, order: OrderFacts | None, now: datetime
) -> None:
    if current.restrictions != seen.restrictions:
        raise PromoChanged
    customer = Customer.objects.get(id=customer_id)
    broken = find_broken_restriction(
        current, customer_id=customer_id, user_id=customer.user_id, email=customer.email, order=order, now=now
    )
    if broken is not None:
        raise broken


_RESERVE = """
SELECT promos_write_redemptions(
  ARRAY[ROW(%s, NULL, %s, %s, %s, %s, '', NULL, %s)::promos_redemption_to_write], 'reserved') IS NOT NULL
"""


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
            credit_class=current.promo_code.campaign.credit_class,
            expires_at=current.credit_expires_at,
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
    Locks: Account, Redemption, the locks of `lock_code_shared`, counters last. Transaction: joins.
    """
    if redemption is None:
        return None
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        # A redemption of a code that both customers of a merge had redeemed stays with the merged one.
        lock_account_and_survivor(customer_id=redemption.customer_id)
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
        return_budget(campaign_id=current.promo_code.campaign.pk, amount_minor=current.credit_minor)
        return current
