"""Finds ledger entries by conditions, in a bounded time however long the ledger is.

Pages follow the primary key, newest first: keys are UUIDs of version 7, so they grow with time. Where an index finds
the entries of a condition, the search is narrow and reads only them. Any other search reads at most `MAX_SCANNED`
entries for a page, and the page says where the next one goes on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import BooleanField, Count, OuterRef, Q, QuerySet, Sum
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact

from billing.models import CreditClass, LedgerEntry
from billing.models.keys import key_at
from billing.queries import exists_per_row
from promos.models import Redemption

MAX_SCANNED = 20_000
# The entries of a campaign with at most this many redemptions are found by them.
MAX_NARROW_REDEMPTIONS = 5_000
# A total of more entries than this is computed only if it is asked for.
MAX_TOTALLED = 10_000
# A key and a time may be from the clocks of two machines, and a statement may wait for a lock between them.
_MARGIN = timedelta(hours=1)

Entries = QuerySet[LedgerEntry, LedgerEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySearch:
    """The entries that meet conditions.

    `is_narrow`: an index finds them. `first` and `end` bound their keys, where the conditions bound their time.
    """

    entries: Entries
    is_filtered: bool = True
    is_narrow: bool = False
    first: UUID | None = None
    end: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPage:
    """Some entries, newest first. `older` is the key before which the next page begins; None after the last one.

    `is_partial`: the page is shorter because as many entries were read as a page may read.
    """

    entries: list[LedgerEntry]
    older: UUID | None
    is_partial: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryTotals:
    """The number of entries, and the sums of what came in and, negative, of what went out."""

    number: int
    in_minor: int
    out_minor: int

    @property
    def net_minor(self) -> int:
        return self.in_minor + self.out_minor


def find_page(search: EntrySearch, *, before: UUID | None, length: int) -> EntryPage:
    """Returns the newest entries of a search with keys below `before`. At most two queries."""
    rows = search.entries.order_by("-pk")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    end = None if search.is_narrow or not search.is_filtered else _last_scanned(search, before)
    if end is not None:
        rows = rows.filter(pk__gte=end)
    found = list(rows[: length + 1])
    if len(found) > length:
        return EntryPage(entries=found[:length], older=found[length - 1].pk, is_partial=False)
    return EntryPage(entries=found, older=end, is_partial=end is not None)


def _last_scanned(search: EntrySearch, before: UUID | None) -> UUID | None:
    """Returns the key of the last entry that a page reads; None if it may read all that are left."""
    keys = _keys_within(search).order_by("-pk")
    if before is not None:
        keys = keys.filter(pk__lt=before)
    return keys.values_list("pk", flat=True)[MAX_SCANNED - 1 : MAX_SCANNED].first()


def _keys_within(search: EntrySearch) -> Entries:
    keys = LedgerEntry.objects.all()
    if search.first is not None:
        keys = keys.filter(pk__gte=search.first)
    return keys if search.end is None else keys.filter(pk__lt=search.end)


def total_of_page(entries: list[LedgerEntry]) -> EntryTotals:
    """Adds the amounts of these entries up."""
    amounts = [entry.amount_minor for entry in entries]
    return EntryTotals(
        number=len(amounts),
        in_minor=sum(each for each in amounts if each > 0),
        out_minor=sum(each for each in amounts if each < 0),
    )


def try_total(search: EntrySearch) -> EntryTotals | None:
    """Adds up all entries of a search, or returns None if that takes more work than a page may do. Two queries."""
    rows = search.entries.order_by("-pk")
    if not search.is_narrow and _last_scanned(search, None) is not None:
        return None
    totals = _total(rows[: MAX_TOTALLED + 1])
    return totals if totals.number <= MAX_TOTALLED else None


def total_all(search: EntrySearch) -> EntryTotals:
    """Adds up all entries of a search. It may read the whole ledger: the caller lifts the statement timeout."""
    return _total(search.entries.order_by())


def _total(rows: Entries) -> EntryTotals:
    sums: dict[str, Any] = rows.aggregate(
        number=Count("pk"),
        in_minor=Coalesce(Sum("amount_minor", filter=Q(amount_minor__gt=0)), 0),
        out_minor=Coalesce(Sum("amount_minor", filter=Q(amount_minor__lt=0)), 0),
    )
    return EntryTotals(**{name: int(value) for name, value in sums.items()})


def keys_in_parts(search: EntrySearch, *, size: int) -> Iterator[list[UUID]]:
    """Yields the keys of all entries of a search, oldest first, in lists of at most `size`.

    Entries that are posted meanwhile are left out. Each part is a statement of its own, which reads at most
    `MAX_SCANNED` entries.
    """
    within = _keys_within(search)
    newest = within.order_by("-pk").values_list("pk", flat=True).first()
    last: UUID | None = None
    while newest is not None and (last is None or last < newest):
        rest = within if last is None else within.filter(pk__gt=last)
        end = newest
        if search.is_filtered and not search.is_narrow:
            end = rest.order_by("pk").values_list("pk", flat=True)[MAX_SCANNED - 1 : MAX_SCANNED].first() or newest
        rows = search.entries.filter(pk__lte=min(end, newest))
        if last is not None:
            rows = rows.filter(pk__gt=last)
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[:size])
        if keys:
            yield keys
        # A full part may have left entries out between its last key and the end.
        last = keys[-1] if len(keys) == size else min(end, newest)


# --- Conditions --------------------------------------------------------------------------------------------------


def keys_in_time(since: datetime | None, until: datetime | None) -> tuple[UUID | None, UUID | None]:
    """Returns bounds of the keys of all entries of that time: the first key, and one that none reaches."""
    return _key_at(since, -_MARGIN), _key_at(until, _MARGIN)


def _key_at(instant: datetime | None, margin: timedelta) -> UUID | None:
    return None if instant is None else key_at(instant + margin)


def in_time(since: datetime | None, until: datetime | None) -> Q:
    """Returns a condition on the time of an entry: from `since` up to, not including, `until`."""
    first, end = keys_in_time(since, until)
    wanted = Q()
    if since is not None:
        wanted &= Q(created_at__gte=since, pk__gte=first)
    if until is not None:
        wanted &= Q(created_at__lt=until, pk__lt=end)
    return wanted


def of_class(credit_class: str) -> Q:
    """Returns a condition on the class of the credit that an entry brought or ended. Older grants are promotional."""
    named = Q(credit_class=credit_class)
    if credit_class == CreditClass.PROMOTIONAL:
        named |= Q(
            credit_class="", kind__in=[LedgerEntry.Kind.GRANT, LedgerEntry.Kind.ADJUSTMENT], amount_minor__gt=0
        )
    return named


def of_size(at_least: int | None, at_most: int | None) -> Q:
    """Returns a condition on the size of an amount, whether it came in or went out."""
    wanted = Q()
    if at_least is not None:
        wanted &= Q(amount_minor__gte=at_least) | Q(amount_minor__lte=-at_least)
    if at_most is not None:
        wanted &= Q(amount_minor__gte=-at_most, amount_minor__lte=at_most)
    return wanted


# The kinds that few entries have. An index holds only these, and PostgreSQL uses it only if the query says the same.
CORRECTIONS = (LedgerEntry.Kind.REVERSAL, LedgerEntry.Kind.ADJUSTMENT, LedgerEntry.Kind.EXPIRY)
_IS_CORRECTION = "billing_ledgerentry.kind IN ('reversal', 'adjustment', 'expiry')"


def of_kind(kind: str) -> Q:
    """Returns a condition on the kind of an entry."""
    named = Q(kind=kind)
    if kind not in CORRECTIONS:
        return named
    return named & Q(RawSQL(_IS_CORRECTION, [], output_field=BooleanField()))  # noqa: S611 - a constant


# The entries that grant credit for these redemptions, that undo such a grant, or that took the credit of one away.
_OF_FEW_REDEMPTIONS = """
WITH granted AS MATERIALIZED (
  SELECT e.id FROM promos_promocode c
    JOIN promos_redemption r ON r.promo_code_id = c.id
    JOIN billing_ledgerentry e ON e.redemption_id = r.id AND e.kind = 'grant'
   WHERE c.campaign_id = %s
)
SELECT id FROM granted
UNION ALL SELECT e.id FROM granted g JOIN billing_ledgerentry e ON e.reverses_id = g.id
UNION ALL SELECT e.id FROM granted g JOIN billing_lotmove m ON m.lot_id = g.id
            JOIN billing_ledgerentry e ON e.id = m.entry_id AND e.lot_id = g.id
"""
_COUNT_REDEMPTIONS = """
SELECT count(*) FROM (
  SELECT FROM promos_promocode c JOIN promos_redemption r ON r.promo_code_id = c.id WHERE c.campaign_id = %s LIMIT %s
) AS counted
"""


def campaign_is_narrow(campaign_id: UUID) -> bool:
    """Returns whether the campaign has so few redemptions that its entries are found by them. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_REDEMPTIONS, [campaign_id, MAX_NARROW_REDEMPTIONS + 1])
        return int(cursor.fetchone()[0]) <= MAX_NARROW_REDEMPTIONS


def of_campaign(campaign_id: UUID, *, is_narrow: bool) -> Q:
    """Returns a condition: the entry's credit came from a redemption of one of the campaign's codes or cards."""
    if is_narrow:
        return Q(pk__in=RawSQL(_OF_FEW_REDEMPTIONS, [campaign_id]))  # noqa: S611 - it takes a parameter
    of_it = Redemption.objects.filter(promo_code__campaign_id=campaign_id)
    own = exists_per_row(of_it.filter(pk=OuterRef("redemption_id")))
    of_lot = exists_per_row(of_it.filter(pk=OuterRef("lot__redemption_id")))
    return Q(Exact(own, True)) | Q(lot__isnull=False) & Q(Exact(of_lot, True))
