from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.use_cases.ledger.verify_ledger import verify_and_record_ledger


class Command(BaseCommand):
    help = "Recompute the whole ledger. Name the first wrong row and exit 1, or report that all rows add up."

    def handle(self, *args: Any, **options: Any) -> None:
        verdict = verify_and_record_ledger()
        if not verdict.sound:
            raise CommandError(verdict.fault)
        self.stdout.write(f"sound: {verdict.entries} entries of {verdict.accounts} accounts add up")
