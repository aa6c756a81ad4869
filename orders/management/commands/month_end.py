from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.actor import system_actor
from billing.database.replica import reading_from_replica
from billing.errors import DomainError
from billing.money import format_money
from orders.use_cases.books.close_month import close_month, verify_and_record_months
from orders.use_cases.books.journal import journal_lines, postings_of, write_csv
from orders.use_cases.books.month import Month, read_month
from orders.use_cases.books.roll_forward import roll_forward


class Command(BaseCommand):
    help = (
        "Print a month's roll-forward: what each book had, what moved it, and what it has. --journal writes the"
        " month's journal, --close signs the month. Without a month, compute all closed months again: name the first"
        " that differs from what was signed, and exit 1."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("month", nargs="?", help="as 2026-10, in the Sovereign's time zone")
        parser.add_argument("--journal", type=Path, metavar="FILE", help="the CSV file to write; it must not exist")
        parser.add_argument("--close", action="store_true", help="sign the month; it needs --why and --by")
        parser.add_argument("--why", default="", help="kept in the audit trail")
        parser.add_argument("--by", help="your user id, kept in the audit trail")
        parser.add_argument(
            "--from-replica", action="store_true", help="read from REPLICA_URL, unless it is too far behind"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["month"]:
            self._verify()
            return
        try:
            month = read_month(options["month"])
            if options["close"]:
                if not options["by"]:
                    raise CommandError("--close needs --why and --by")
                by = system_actor(channel="command", user_id=options["by"])
                close_month(month=month, why=options["why"], by=by)
                self.stdout.write(f"closed: {month.name}")
        except DomainError as error:
            raise CommandError(error.text) from error
        with reading_from_replica(wanted=options["from_replica"]) as source:
            if options["journal"]:
                self._write_journal(month, options["journal"])
            elif not options["close"]:
                self._print_books(month)
        if source:
            self.stderr.write(str(source))

    def _verify(self) -> None:
        count, fault = verify_and_record_months()
        if fault:
            raise CommandError(fault)
        self.stdout.write(f"sound: {count} closed months are as they were signed")

    def _write_journal(self, month: Month, path: Path) -> None:
        try:
            with path.open("x", encoding="utf-8", newline="") as file:
                file.writelines(write_csv(journal_lines(month, postings=postings_of(month))))
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}") from error
        self.stdout.write(f"written: {path}")

    def _print_books(self, month: Month) -> None:
        for book in roll_forward(start=month.start, finish=month.finish):
            self.stdout.write(f"{book.name}{'' if book.foots else ' DOES NOT FOOT'}")
            for name, minor in book.as_json().items():
                if minor or name in ("opening", "closing"):
                    self.stdout.write(f"  {name:22} {format_money(minor, currency=book.currency):>20}")
