from dataclasses import dataclass
from pathlib import Path

from billing.queries import cursor_without_timeout

_STATEMENT = (Path(__file__).parent / "verify_ledger.sql").read_text(encoding="utf-8")
_SIZE = "SELECT (SELECT count(*) FROM billing_account), (SELECT count(*) FROM billing_ledgerentry)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`row` names the first row that is wrong and `wrong` says how; both empty where all adds up."""

    accounts: int
    entries: int
    row: str = ""
    wrong: str = ""
    user_id: str = ""

    @property
    def sound(self) -> bool:
        return not self.row


def verify_ledger() -> Verdict:
    """Adds the whole ledger up anew and compares: versions, balances, reversals, captured holds, accounts.

    Transaction: one statement sees one state of the database, whatever is being written meanwhile.
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
