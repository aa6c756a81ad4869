from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.database.replica import reading_from_replica
from billing.use_cases.proof.export_evidence import export_evidence


class Command(BaseCommand):
    help = "Write an evidence pack: all ledger entries, all signed heads and a program that checks them offline."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the zip file to write; it must not exist")
        parser.add_argument(
            "--from-replica", action="store_true", help="read from REPLICA_URL, unless it is too far behind"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with options["file"].open("xb") as file, reading_from_replica(wanted=options["from_replica"]) as source:
                export_evidence(file)
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be written: {error.strerror}") from error
        self.stdout.write(f"written: {options['file']}")
        if source:
            self.stderr.write(str(source))
