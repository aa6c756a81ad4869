from dataclasses import dataclass
from pathlib import Path

from billing.models import Verification
from billing.queries import cursor_without_timeout
from billing.use_cases.ledger.record_verification import record_verification

_STATEMENT = (Path(__file__).parent / "verify_ledger.sql").read_text(encoding="utf-8")
_SIZE = "SELECT (SELECT count(*) FROM billing_account), (SELECT count(*) FROM billing_ledgerentry)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The result of a verification. `row` names the first wrong row and `wrong` says what is wrong with it.

    Both are empty if the whole ledger adds up.
    """

    accounts: int
    entries: int
    row: str = ""
    wrong: str = ""
    user_id: str = ""

    @property
    def sound(self) -> bool:
        return not self.row

    @property
    def fault(self) -> str:
        owner = f" of {self.user_id}" if self.user_id else ""
        return "" if self.sound else f"{self.row}{owner}: {self.wrong}"


def verify_and_record_ledger() -> Verdict:
    """Verifies the ledger, and records when and with which result. Transaction: owns."""
    verdict = verify_ledger()
    record_verification(Verification.Books.LEDGER, fault=verdict.fault)
    return verdict


def verify_ledger() -> Verdict:
    """Recomputes the whole ledger and compares versions, balances, reversals, captured holds and accounts.

    Transaction: one statement, which sees one snapshot of the database while others keep writing.
    """
    with cursor_without_timeout() as cursor:
        cursor.execute(_SIZE)
        accounts, entries = cursor.fetchone()
        cursor.execute(_STATEMENT)
        fault = cursor.fetchone()
    if fault is None:
        return Verdict(accounts=accounts, entries=entries)
    row, wrong, user_id = fault
    return Verdict(accounts=accounts, entries=entries, row=row, wrong=wrong, user_id=user_id or "")
