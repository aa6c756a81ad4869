"""The acts on serial numbers of a batch: allocate, activate, lock, unlock, return, extend, void.

A lock that is committed before a redemption begins always refuses it. The act holds the lock of the batch's terms
exclusively, as an act on the whole batch does. A redemption shares that lock, and reads the card's range after it has
taken it. So a redemption that came first commits before the act reads what is redeemed, and one that comes later sees
the new range. Redemptions of other batches do not wait. No card is written: a million cards are as few rows as ten.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.language import say
from billing.text import has_visible_text
from billing.use_cases.record_audit import record_audit
from promos.errors import BatchStateRefuses, InvalidRange
from promos.locks import lock_batch
from promos.models import Batch, CardRange, Dealer
from promos.use_cases.ranges.plan_act import Act, Part, Plan, Request, Skipped, plan_act

# The states of a batch in which its ranges may change: its cards exist, and it has not ended.
RANGES_CHANGE = (Batch.Status.GENERATED, Batch.Status.RELEASED, Batch.Status.ACTIVE, Batch.Status.LOCKED)
# The audit trail names so many spans of an act, and counts the rest.
_SPANS_NAMED = 10
_ROWS_WRITTEN_AT_ONCE = 500
_COUNT_REDEEMED = """
SELECT coalesce(sum(each.redeemed), 0)::bigint
  FROM unnest(%s::bigint[], %s::bigint[]) AS part(first, last),
       LATERAL (SELECT count(*) AS redeemed FROM promos_redemption r
                 WHERE r.card_serial BETWEEN part.first AND part.last
                   AND r.status IN ('reserved', 'confirmed')) AS each
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of an act: how many cards it changed, and how many it skipped, by reason."""

    act: Act
    cards: int
    changed: int
    skipped: dict[Skipped, int]


def act_on_cards(
    *,
    batch: Batch,
    act: Act,
    spans: Iterable[tuple[int, int]],
    by: Actor,
    reason: str,
    dealer: Dealer | None = None,
    expires_at: datetime | None = None,
    only_dealer: Dealer | None = None,
) -> Report:
    """Carries the act out on these serial numbers, where it applies, and reports what it skipped.

    Redeemed cards are counted as skipped: they stay redeemed, whatever becomes of their range.

    Args: spans: first and last serial numbers. dealer: for an allocation. expires_at: the new end, for an extension.
    only_dealer: skips the cards of others.
    Raises: InvalidRange, BatchStateRefuses, ReasonRequired.
    Locks: the advisory lock of the batch's terms (exclusive), Batch. Transaction: owns; inside another's it is a
    savepoint. Idempotency: a second time, all cards are skipped.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    _check_arguments(act, dealer=dealer, expires_at=expires_at)
    wanted = merge_spans(spans)
    with transaction.atomic():
        # Races with redemptions in flight, and with other acts on the batch and on its ranges.
        current = lock_batch(batch_id=batch.id)
        if current.status not in RANGES_CHANGE:
            raise BatchStateRefuses
        _check_spans(current, wanted)
        plan, report = _plan(current, act, wanted, dealer=dealer, expires_at=expires_at, only_dealer=only_dealer)
        if plan.changed:
            _write(current, plan)
            _audit(current, report, plan, by=by, reason=reason, dealer=dealer, expires_at=expires_at)
        return report


def preview_act(
    *,
    batch: Batch,
    act: Act,
    spans: Iterable[tuple[int, int]],
    dealer: Dealer | None = None,
    expires_at: datetime | None = None,
    only_dealer: Dealer | None = None,
) -> Report:
    """Returns the report that the act would have now. Nothing is locked or changed.

    Raises: InvalidRange, BatchStateRefuses.
    """
    _check_arguments(act, dealer=dealer, expires_at=expires_at)
    wanted = merge_spans(spans)
    if batch.status not in RANGES_CHANGE:
        raise BatchStateRefuses
    _check_spans(batch, wanted)
    return _plan(batch, act, wanted, dealer=dealer, expires_at=expires_at, only_dealer=only_dealer)[1]


def describe_report(report: Report) -> str:
    """Returns a sentence about what an act changed, and what it skipped and why."""
    text = f"{_DONE[report.act].capitalize()}: {report.changed:,} of {report.cards:,} cards."
    if report.skipped:
        parts = [f"{number:,} {why.label}" for why, number in sorted(report.skipped.items())]
        text += f" Skipped: {'; '.join(parts)}."
    return text


def merge_spans(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Returns the same serial numbers as spans that are ascending and apart. Raises: InvalidRange."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if first > last:
            raise InvalidRange(fields={"last": ["must not be lower than the first serial number"]})
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _check_arguments(act: Act, *, dealer: Dealer | None, expires_at: datetime | None) -> None:
    if (dealer is not None) != (act == Act.ALLOCATE):
        raise InvalidRange(fields={"dealer": ["an allocation needs a dealer, and no other act has one"]})
    if (expires_at is not None) != (act == Act.EXTEND):
        raise InvalidRange(fields={"expires_at": ["an extension needs the new end, and no other act has one"]})
    if expires_at is not None and expires_at <= timezone.now():
        raise InvalidRange(fields={"expires_at": ["must be in the future"]})


def _check_spans(batch: Batch, spans: list[tuple[int, int]]) -> None:
    if not spans or spans[0][0] < batch.first_serial or spans[-1][1] > batch.last_serial:
        ends = {"first": batch.first_serial, "last": batch.last_serial}
        sentence = say("the serial numbers of this batch are %(first)s to %(last)s", **ends)
        raise InvalidRange(fields={"first": [sentence]})


def _overlapping(batch: Batch, spans: list[tuple[int, int]]) -> list[CardRange]:
    first, last = spans[0][0], spans[-1][1]
    rows = CardRange.objects.filter(batch=batch, first_serial__lte=last, last_serial__gte=first)
    return list(rows.order_by("first_serial"))


def _plan(
    batch: Batch,
    act: Act,
    spans: list[tuple[int, int]],
    *,
    dealer: Dealer | None,
    expires_at: datetime | None,
    only_dealer: Dealer | None,
) -> tuple[Plan, Report]:
    request = Request(
        act=act,
        dealer_id=dealer.id if dealer else None,
        expires_at=expires_at,
        only_dealer_id=only_dealer.id if only_dealer else None,
        batch_end=batch.promo_code.expires_at,
    )
    plan = plan_act(request, spans=spans, ranges=_overlapping(batch, spans))
    return plan, _report(act, spans, plan)


def _report(act: Act, spans: list[tuple[int, int]], plan: Plan) -> Report:
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_REDEEMED, [[part.first for part in plan.changed], [part.last for part in plan.changed]])
        [redeemed] = cursor.fetchone()
    skipped = Counter(plan.skipped)
    if redeemed:
        skipped[Skipped.REDEEMED] = redeemed
    return Report(
        act=act,
        cards=sum(last - first + 1 for first, last in spans),
        changed=sum(part.size for part in plan.changed) - redeemed,
        skipped=dict(skipped),
    )


def _write(batch: Batch, plan: Plan) -> None:
    """Writes the plan. Rows shrink before new ones are inserted, so that no two ever overlap."""
    now = timezone.now()
    rows = [CardRange(id=id_, updated_at=now, **_values(part)) for id_, part in plan.rows.items()]
    fields = ["last_serial", "status", "locked", "dealer", "expires_at", "updated_at"]
    CardRange.objects.bulk_update(rows, fields, batch_size=_ROWS_WRITTEN_AT_ONCE)
    new = [CardRange(batch=batch, created_at=now, updated_at=now, **_values(part)) for part in plan.new]
    CardRange.objects.bulk_create(new, batch_size=_ROWS_WRITTEN_AT_ONCE)


def _values(part: Part) -> dict[str, Any]:
    state = part.state
    return {
        "first_serial": part.first,
        "last_serial": part.last,
        "status": state.status,
        "locked": state.locked,
        "dealer_id": state.dealer_id,
        "expires_at": state.expires_at,
    }


def _audit(
    batch: Batch,
    report: Report,
    plan: Plan,
    *,
    by: Actor,
    reason: str,
    dealer: Dealer | None,
    expires_at: datetime | None,
) -> None:
    changes: dict[str, Any] = {
        "serials": [None, _name_spans(plan.changed)],
        "cards": [None, report.changed],
        "skipped": [None, ", ".join(f"{number} {why}" for why, number in sorted(report.skipped.items()))],
    }
    if dealer:
        changes["dealer"] = [None, dealer.name]
    if expires_at:
        changes["expires_at"] = [None, expires_at.isoformat()]
    record_audit(
        action=f"batch.range_{_DONE[report.act]}",
        object_type="batch",
        object_id=batch.promo_code.code,
        by=by,
        changes=changes,
        reason=reason,
    )


_DONE = {
    Act.ALLOCATE: "allocated",
    Act.ACTIVATE: "activated",
    Act.LOCK: "locked",
    Act.UNLOCK: "unlocked",
    Act.RETURN: "returned",
    Act.EXTEND: "extended",
    Act.VOID: "voided",
}


def _name_spans(parts: list[Part]) -> str:
    spans = merge_spans((part.first, part.last) for part in parts)
    named = ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in spans[:_SPANS_NAMED])
    return f"{named} and {len(spans) - _SPANS_NAMED} more spans" if len(spans) > _SPANS_NAMED else named
