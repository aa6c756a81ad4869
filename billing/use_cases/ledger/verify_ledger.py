from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.apps import apps

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

    Then the statements that other apps add (`ledger_checks` of their AppConfig).

    Transaction: each statement sees one snapshot of the database while others keep writing.
    """
    with cursor_without_timeout() as cursor:
        cursor.execute(_SIZE)
        accounts, entries = cursor.fetchone()
        fault = None
        for statement in (_STATEMENT, *_checks_of_apps()):
            cursor.execute(statement)
            fault = fault or cursor.fetchone()
    if fault is None:
        return Verdict(accounts=accounts, entries=entries)
    row, wrong, user_id = fault
    return Verdict(accounts=accounts, entries=entries, row=row, wrong=wrong, user_id=user_id or "")


def _checks_of_apps() -> Iterator[str]:
    """Reads the statements that return the first fault of what another app's rows say of money."""
    for app in apps.get_app_configs():
        for name in getattr(app, "ledger_checks", ()):
            yield (Path(app.path) / name).read_text(encoding="utf-8")
