"""Decides what an act changes in the ranges of a batch, and what it skips and why. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import TextChoices

from promos.models import CardRange

Status = CardRange.Status


class Act(TextChoices):
    """The acts on a range of cards."""

    ALLOCATE = "allocate"
    ACTIVATE = "activate"
    LOCK = "lock"
    UNLOCK = "unlock"
    RETURN = "return"
    EXTEND = "extend"
    VOID = "void"


class Skipped(TextChoices):
    """Why an act leaves a card as it is."""

    REDEEMED = "redeemed", "redeemed already"
    VOID = "void", "void"
    LOCKED = "locked", "locked: unlock them first"
    ALREADY = "already", "so already"
    OF_DEALER = "of_dealer", "held by a dealer: return them first"
    NOT_OF_DEALER = "not_of_dealer", "not cards of this dealer"


@dataclass(frozen=True, slots=True)
class State:
    """The state of a range, or of cards that are in no range and so follow their batch."""

    status: str = Status.ACTIVE.value
    locked: bool = False
    dealer_id: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Serial numbers from `first` up to and including `last`, in one state."""

    first: int
    last: int
    state: State

    @property
    def size(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An act with its arguments: the dealer of an allocation, the new end of an extension.

    `only_dealer_id` limits the act to the cards of one dealer. `batch_end` is the end of cards that have none of
    their own.
    """

    act: Act
    dealer_id: int | None = None
    expires_at: datetime | None = None
    only_dealer_id: int | None = None
    batch_end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The ranges as they are after the act: rows that change, by id, and new rows.

    The first part of a changed row keeps the row. `changed` are the parts that the act changes, in their new state.
    """

    rows: dict[int, Part]
    new: list[Part]
    changed: list[Part]
    skipped: Counter[Skipped]


def plan_act(request: Request, *, spans: Sequence[tuple[int, int]], ranges: Sequence[CardRange]) -> Plan:
    """Plans an act on these serial numbers.

    Args: spans: first and last serial numbers, ascending and apart. ranges: all ranges that overlap them, ascending.
    """
    plan = Plan(rows={}, new=[], changed=[], skipped=Counter())
    pieces: dict[int, list[Part]] = {}
    for row, part in _cut(spans, ranges):
        after = _apply(request, part.state)
        if isinstance(after, Skipped):
            plan.skipped[after] += part.size
            continue
        changed = replace(part, state=after)
        plan.changed.append(changed)
        if row is None:
            plan.new.append(changed)
        else:
            pieces.setdefault(row.id, []).append(changed)
    for row in ranges:
        if row.id in pieces:
            first, *others = _fill(row, pieces[row.id])
            plan.rows[row.id] = first
            plan.new.extend(others)
    return plan


def _apply(request: Request, state: State) -> State | Skipped:
    """Returns the state after the act, or why the act leaves it."""
    if request.only_dealer_id is not None and state.dealer_id != request.only_dealer_id:
        return Skipped.NOT_OF_DEALER
    if state.status == Status.VOID:
        return Skipped.VOID
    match request.act:
        case Act.ALLOCATE:
            after = _allocate(state, request.dealer_id)
        case Act.ACTIVATE if state.locked:
            return Skipped.LOCKED
        case Act.ACTIVATE:
            after = replace(state, status=Status.ACTIVE.value)
        case Act.LOCK | Act.UNLOCK:
            after = replace(state, locked=request.act == Act.LOCK)
        case Act.RETURN:
            after = replace(state, status=Status.STOCK.value, dealer_id=None)
        case Act.EXTEND:
            after = _extend(state, request)
        case Act.VOID:
            after = replace(state, status=Status.VOID.value, locked=False)
    return Skipped.ALREADY if after == state else after


def _allocate(state: State, dealer_id: int | None) -> State | Skipped:
    if state.locked:
        return Skipped.LOCKED
    if state.dealer_id is not None:
        return Skipped.ALREADY if state.dealer_id == dealer_id else Skipped.OF_DEALER
    return replace(state, status=Status.ALLOCATED.value, dealer_id=dealer_id)


def _extend(state: State, request: Request) -> State:
    end = state.expires_at or request.batch_end
    if end is None or request.expires_at is None or request.expires_at <= end:
        return state
    return replace(state, expires_at=request.expires_at)


def _cut(spans: Sequence[tuple[int, int]], ranges: Sequence[CardRange]) -> Iterator[tuple[CardRange | None, Part]]:
    """Yields the parts of the spans, each with its range; None for cards that are in no range."""
    rows, position = list(ranges), 0
    for first, last in spans:
        at = first
        while at <= last:
            while position < len(rows) and rows[position].last_serial < at:
                position += 1
            row = rows[position] if position < len(rows) else None
            if row is None or row.first_serial > at:
                end = last if row is None else min(last, row.first_serial - 1)
                yield None, Part(at, end, State())
            else:
                end = min(last, row.last_serial)
                yield row, Part(at, end, state_of(row))
            at = end + 1


def _fill(row: CardRange, changed: list[Part]) -> Iterator[Part]:
    """Yields all parts of a row: the changed ones, and between them what stays."""
    at = row.first_serial
    for part in changed:
        if part.first > at:
            yield Part(at, part.first - 1, state_of(row))
        yield part
        at = part.last + 1
    if at <= row.last_serial:
        yield Part(at, row.last_serial, state_of(row))


def state_of(row: CardRange) -> State:
    """Returns the state of a range."""
    return State(row.status, row.locked, row.dealer_id, row.expires_at)
