"""Drafts a bulk grant from a list of customers, discards a draft, and says what a draft would do."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from billing.actor import Actor
from billing.errors import BulkGrantNotFound, BulkGrantStateRefuses, InvalidBatch, ReasonRequired
from billing.models import BulkGrant, CreditClass
from billing.text import has_visible_text
from billing.use_cases.bulk.csv_rows import refuse_bad_rows
from billing.use_cases.bulk.read_grant_list import GrantList, GrantRow
from billing.use_cases.ledger.grant_many import check_grant
from billing.use_cases.ledger.post_entry import check_positive
from billing.use_cases.record_audit import record_audit

Status = BulkGrant.Status
_INSERT_ROWS = """
INSERT INTO billing_bulkgrantrow (bulk_grant_id, line, user_id, amount_minor)
SELECT %s, each.line, each.user_id, each.amount
  FROM unnest(%s::int[], %s::text[], %s::bigint[]) WITH ORDINALITY AS each(line, user_id, amount, number)
 ORDER BY each.number
"""

# One array, because a list has more customers than a statement can have parameters.
_PREVIEW = """
SELECT c.user_id, EXISTS (SELECT FROM billing_ledgerentry e
                           WHERE e.account_id = c.id AND e.reason = %s
                             AND e.kind = 'grant' AND e.reason LIKE 'grant:%%')
  FROM billing_customer c WHERE c.user_id = ANY (%s::text[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantTerms:
    """The terms of a bulk grant beside its rows. A customer gets a grant of one name once."""

    name: str
    reason: str
    credit_class: str = CreditClass.COMPENSATION
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The effect that a bulk grant would have now.

    `already` customers have a grant of its name, and `unknown` ones are new. `same_list` are the names of earlier
    grants with exactly the same rows.
    """

    rows: int
    total_minor: int
    already: int
    already_minor: int
    unknown: int
    same_list: list[str]


def draft_bulk_grant(*, terms: GrantTerms, rows: Sequence[GrantRow], by: Actor) -> tuple[BulkGrant, bool]:
    """Stores a list as a draft. Returns it, and whether it is new.

    Raises: InvalidBatch, InvalidAmount, ReasonRequired. Transaction: owns.
    Idempotency: the same rows under the same name are the same bulk grant, unless it was discarded.
    """
    check_terms(terms, rows)
    with transaction.atomic():
        # Races with the same list, sent at the same time: both get one draft.
        found, is_new = BulkGrant.objects.exclude(status=Status.DISCARDED).get_or_create(
            name=terms.name,
            rows_hash=hash_rows(rows),
            defaults={
                "rows": len(rows),
                "total_minor": sum(row.amount_minor for row in rows),
                "credit_class": terms.credit_class,
                "expires_at": terms.expires_at,
                "reason": terms.reason,
                "drafted_by": by.user_id,
            },
        )
        if is_new:
            with connection.cursor() as cursor:
                cursor.execute(_INSERT_ROWS, [found.pk, *map(list, zip(*rows, strict=True))])
            counted = ("rows", "total_minor", "rows_hash")
            changes = {name: [None, getattr(found, name)] for name in counted}
            _audit(found, "drafted", changes=changes, by=by, reason=terms.reason)
    return found, is_new


def check_terms(terms: GrantTerms, rows: Sequence[GrantRow]) -> None:
    """Raises: InvalidBatch, InvalidAmount, ReasonRequired."""
    check_grant(name=terms.name, why=terms.reason)
    if terms.expires_at is not None and terms.expires_at <= timezone.now():
        raise InvalidBatch(fields={"expires_at": ["must be in the future"]})
    if not rows:
        raise InvalidBatch(fields={"file": ["the file has no customer"]})
    for amount in {row.amount_minor for row in rows}:
        check_positive(amount)
    check_positive(sum(row.amount_minor for row in rows))


def good_rows(found: GrantList) -> list[GrantRow]:
    """Returns the rows of a file. Raises: InvalidFile, naming each bad row by its line."""
    refuse_bad_rows(found.bad_rows)
    return found.rows


def hash_rows(rows: Sequence[GrantRow]) -> str:
    """Returns a hash of customers and amounts, whatever their order."""
    text = "\n".join(sorted(f"{row.user_id}\t{row.amount_minor}" for row in rows))
    return hashlib.sha256(text.encode()).hexdigest()


def discard_bulk_grant(*, bulk_grant_id: UUID, by: Actor, reason: str) -> BulkGrant:
    """Discards a draft. An open proposal to start it fails then.

    Raises: BulkGrantNotFound, BulkGrantStateRefuses, ReasonRequired. Locks: BulkGrant. Transaction: owns.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    with transaction.atomic():
        found = lock_bulk_grant(bulk_grant_id=bulk_grant_id)
        if found.status != Status.DRAFT:
            raise BulkGrantStateRefuses
        found.status = Status.DISCARDED
        found.save(update_fields=["status"])
        _audit(found, "discarded", changes={"status": [Status.DRAFT, found.status]}, by=by, reason=reason)
        return found


def lock_bulk_grant(*, bulk_grant_id: UUID) -> BulkGrant:
    """Locks a bulk grant until the transaction ends, and returns it. Raises: BulkGrantNotFound. Locks: BulkGrant."""
    # Races with the worker's next chunk, and with another member of staff who starts, discards or undoes it.
    found = BulkGrant.objects.select_for_update(no_key=True).filter(pk=bulk_grant_id).first()
    if found is None:
        raise BulkGrantNotFound
    return found


def preview_rows(*, name: str, rows: Sequence[GrantRow]) -> Preview:
    """Says what these rows would do now. Nothing is locked or changed."""
    amounts = {row.user_id: row.amount_minor for row in rows}
    with connection.cursor() as cursor:
        cursor.execute(_PREVIEW, [f"grant:{name}", list(amounts)])
        known = dict(cursor.fetchall())
    had = [user for user, has_it in known.items() if has_it]
    same = BulkGrant.objects.filter(rows_hash=hash_rows(rows)).exclude(status=Status.DISCARDED)
    return Preview(
        rows=len(rows),
        total_minor=sum(amounts.values()),
        already=len(had),
        already_minor=sum(amounts[user] for user in had),
        unknown=len(rows) - len(known),
        same_list=list(same.order_by("pk").values_list("name", flat=True)),
    )


def preview_draft(draft: BulkGrant) -> Preview:
    """Says what a draft would do now. Nothing is locked or changed."""
    rows = list(draft.entries.order_by("line").values_list("line", "user_id", "amount_minor"))
    found = preview_rows(name=draft.name, rows=[GrantRow(*row) for row in rows])
    # Another may have discarded the draft meanwhile: then its name is not listed.
    return replace(found, same_list=[name for name in found.same_list if name != draft.name])


def _audit(found: BulkGrant, done: str, *, changes: Mapping[str, object], by: Actor, reason: str) -> None:
    record_audit(
        action=f"bulk_grant.{done}",
        object_type="bulk_grant",
        object_id=str(found.pk),
        by=by,
        changes={"name": [None, found.name], **changes} if done == "drafted" else changes,
        reason=reason,
    )
