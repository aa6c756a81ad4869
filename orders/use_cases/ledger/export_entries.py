"""Exports ledger entries as CSV or XLSX, of any number. Each export is audited."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from django.conf import settings

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.local_time import utc_text
from billing.money import exponent
from billing.text import has_visible_text
from billing.use_cases.record_audit import record_audit
from orders.use_cases.ledger.describe_entries import DescribedEntry, describe_entries
from orders.use_cases.ledger.find_entries import EntrySearch, keys_in_parts
from orders.use_cases.ledger.spreadsheet import Cell, write_csv, write_xlsx

_ROWS_READ_AT_ONCE = 2_000
HEADER = (
    "time",
    "customer",
    "email",
    "position",
    "kind",
    "class",
    "amount",
    "balance_after",
    "currency",
    "reason",
    "note",
    "expires_at",
    "organization",
    "order",
    "code",
    "card",
    "campaign",
    "redemption",
    "reverses",
    "lot",
    "actor",
    "role",
    "channel",
    "address",
    "entry",
)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# The formats by name, with their content types.
FORMATS = {"csv": "text/csv; charset=utf-8", "xlsx": XLSX}


def hand_out_entries(
    search: EntrySearch, *, file_format: str, conditions: Mapping[str, str], by: Actor, reason: str
) -> Iterator[bytes] | Iterator[str]:
    """Records that a member of staff takes these entries out of the system, then returns the parts of the file.

    Args: file_format: one of `FORMATS`; conditions: what was searched for, for the audit trail.
    Raises: ReasonRequired.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    record_audit(
        action="ledger.exported",
        object_type="ledger",
        object_id=file_format,
        by=by,
        changes={name: [None, value] for name, value in conditions.items()},
        reason=reason,
    )
    rows = export_rows(search)
    return write_csv(HEADER, rows) if file_format == "csv" else write_xlsx(HEADER, rows, title="Ledger")


def export_rows(search: EntrySearch) -> Iterator[tuple[Cell, ...]]:
    """Yields a row for each entry, oldest first. Amounts are numbers with all decimals of the currency."""
    decimals = exponent(settings.SOVEREIGN_CURRENCY)
    for keys in keys_in_parts(search, size=_ROWS_READ_AT_ONCE):
        for entry in describe_entries(keys):
            yield _row(entry, decimals)


def _row(entry: DescribedEntry, decimals: int) -> tuple[Cell, ...]:
    return (
        utc_text(entry.created_at),
        entry.user_id,
        entry.email,
        entry.version,
        entry.kind,
        entry.credit_class,
        Decimal(entry.amount_minor).scaleb(-decimals),
        Decimal(entry.balance_after_minor).scaleb(-decimals),
        entry.currency,
        entry.reason,
        entry.note,
        utc_text(entry.expires_at) if entry.expires_at else None,
        entry.organization,
        _text(entry.order_id),
        entry.code,
        entry.card_serial,
        entry.campaign,
        _text(entry.redemption_id),
        _text(entry.reverses_id),
        _text(entry.lot_id),
        entry.actor_id,
        entry.actor_role,
        entry.channel,
        entry.address,
        str(entry.id),
    )


def _text(key: object) -> str | None:
    return None if key is None else str(key)
