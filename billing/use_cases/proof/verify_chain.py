from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from os import cpu_count
from pathlib import Path

from django.db import connection
from django.utils import timezone

from billing.models import Account, LedgerCheck, LedgerEntry, LedgerHead, Verification
from billing.queries import cursor_without_timeout
from billing.use_cases.ledger.record_verification import record_verification

from .audit.app_chains import list_app_chains
from .audit.verify_audit import verify_audit_chain
from .signing import is_signed, public_keys

_ENTRIES = (Path(__file__).parent / "verify_chain.sql").read_text(encoding="utf-8")
_HEADS = (Path(__file__).parent / "verify_heads.sql").read_text(encoding="utf-8")
# One statement reads the entries of so many accounts, so memory stays the same however long the ledger is.
ACCOUNTS_A_STATEMENT = 5_000

# The number of entries, and the account and version of the first one that is wrong.
RangeResult = tuple[int, tuple[int, int] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedHead:
    """A head as it was published elsewhere: its number and its hash."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainVerdict:
    """The result of a verification of the chain. `fault` names the first wrong row, and is empty if there is none."""

    started_at: datetime
    finished_at: datetime
    accounts: int
    entries: int
    audit_entries: int
    other_entries: dict[str, int]
    head: LedgerHead | None
    fault: str = ""

    @property
    def entries_a_second(self) -> int:
        """The rate of this verification, with the entries of all chains."""
        verified = self.entries + self.audit_entries + sum(self.other_entries.values())
        return int(verified / max((self.finished_at - self.started_at).total_seconds(), 0.001))


def verify_chain(*, published: PublishedHead | None = None) -> ChainVerdict:
    """Recomputes the hash of each entry, and compares heads, signatures and the accounts that they cover.

    The chains of the audit trail and of other apps' entries are verified too.

    Entries are read in ranges of accounts, on as many connections as there are processors. Each range is one
    snapshot; others keep writing meanwhile.

    Args: published: a head that is known from elsewhere; it must still be here.
    """
    started_at = timezone.now()
    head = LedgerHead.objects.order_by("-number").first()
    with ThreadPoolExecutor(max_workers=cpu_count()) as pool:
        results = _check_entries(pool)
        # Meanwhile, on this thread's own connection, which sees what the caller has not committed.
        fault = _check_heads(published) or _check_sealed_accounts()
        audit_entries, audit_fault = verify_audit_chain()
        others = {chain.name: chain.verify() for chain in list_app_chains()}
        entries, entry_fault = _sum_up(results)
    other_fault = next((found for _, found in others.values() if found), "")
    return ChainVerdict(
        started_at=started_at,
        finished_at=timezone.now(),
        accounts=Account.objects.count(),
        entries=entries,
        audit_entries=audit_entries,
        other_entries={name: count for name, (count, _) in others.items()},
        head=head,
        fault=entry_fault or fault or audit_fault or other_fault,
    )


def record_check(verdict: ChainVerdict) -> LedgerCheck:
    """Keeps the result for the console and for monitoring."""
    record_verification(Verification.Books.CHAIN, fault=verdict.fault)
    return LedgerCheck.objects.create(
        started_at=verdict.started_at,
        finished_at=verdict.finished_at,
        accounts=verdict.accounts,
        entries=verdict.entries,
        audit_entries=verdict.audit_entries,
        other_entries=verdict.other_entries,
        head=verdict.head,
        fault=verdict.fault,
    )


def _check_entries(pool: Executor) -> Iterable[RangeResult]:
    ranges = list(_ranges())
    if len(ranges) <= 1:
        return [_check_range(each) for each in ranges]
    return pool.map(_check_range_in_thread, ranges)


def _sum_up(results: Iterable[RangeResult]) -> tuple[int, str]:
    entries, faults = 0, []
    for count, first in results:
        entries += count
        if first:
            faults.append(first)
    return entries, _entry_fault(*min(faults)) if faults else ""


def _ranges() -> Iterator[tuple[int, int]]:
    """Divides the numbers of accounts that have entries into ranges, each as (the number before it, its last one)."""
    first = LedgerEntry.objects.order_by("account_id").values_list("account_id", flat=True).first()
    last = LedgerEntry.objects.order_by("-account_id").values_list("account_id", flat=True).first()
    if first is None or last is None:
        return
    for after in range(first - 1, last, ACCOUNTS_A_STATEMENT):
        yield after, min(after + ACCOUNTS_A_STATEMENT, last)


def _check_range(accounts: tuple[int, int]) -> RangeResult:
    with cursor_without_timeout() as cursor:
        cursor.execute(_ENTRIES, {"after": accounts[0], "last": accounts[1]})
        count, first = cursor.fetchone()
    return count, (first[0], first[1]) if first else None


def _check_range_in_thread(accounts: tuple[int, int]) -> RangeResult:
    try:
        return _check_range(accounts)
    finally:
        connection.close()


def _entry_fault(account_id: int, version: int) -> str:
    entry = (
        LedgerEntry.objects.filter(account_id=account_id, version=version).select_related("account__customer").first()
    )
    owner = entry.account.customer.user_id if entry else f"account {account_id}"
    return f"entry {version} of {owner}: its hash does not follow from it and from the entry before"


def _check_heads(published: PublishedHead | None) -> str:
    previous = ""
    number = 0
    for number, head in enumerate(LedgerHead.objects.order_by("number").iterator(), start=1):
        if fault := _head_fault(head, number=number, previous=previous):
            return f"head {number} {fault}"
        previous = head.hash
        if published and published.number == number and published.hash != head.hash:
            return f"head {number} is not the published one"
    if published and published.number > number:
        return f"head {published.number} was published and is missing"
    return ""


def _head_fault(head: LedgerHead, *, number: int, previous: str) -> str:
    facts = head.facts
    if (head.number, facts["number"]) != (number, number):
        return "is missing"
    if facts["previous"] != previous:
        return "does not follow from the head before"
    if facts["public_key"] not in public_keys():
        return f"is signed with a key that is not trusted: {facts['public_key']}"
    if not is_signed(statement=head.statement, signature=bytes(head.signature), public_key=facts["public_key"]):
        return "has a wrong signature"
    return ""


def _check_sealed_accounts() -> str:
    with cursor_without_timeout() as cursor:
        cursor.execute(_HEADS)
        fault = cursor.fetchone()
    if fault is None:
        return ""
    number, account_id, _, wrong, user_id = fault
    owner = f" of {user_id or f'account {account_id}'}" if account_id else ""
    return f"head {number}{owner}: {wrong}"
