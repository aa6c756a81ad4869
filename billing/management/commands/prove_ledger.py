from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.models import LedgerHead
from billing.use_cases.proof.daily_proof import prove_ledger


class Command(BaseCommand):
    help = (
        "Verify the ledger's chain and sign a new head, as the worker does every night. Print the head, to publish it"
        " elsewhere, or name the first fault and exit 1."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        check = prove_ledger()
        if check.fault:
            raise CommandError(check.fault)
        head = LedgerHead.objects.order_by("-number").first()
        signed = (
            f"{head.number}:{head.hash} {head.facts['public_key']}" if head else "LEDGER_SIGNING_SECRET is not set"
        )
        self.stdout.write(f"sound: {check.entries} hashes follow; head {signed}")
