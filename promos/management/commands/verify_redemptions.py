from typing import Any

from django.core.management.base import BaseCommand, CommandError

from promos.use_cases.verify_redemptions import verify_redemptions


class Command(BaseCommand):
    help = "Compares every code's count with its redemptions, its cap and the ledger; names the first that disagrees."

    def handle(self, *args: Any, **options: Any) -> None:
        fault = verify_redemptions()
        if fault is not None:
            raise CommandError(": ".join(fault))
        self.stdout.write("sound: every code's count, redemptions and credit agree")
