from typing import Any

from django.core.management.base import BaseCommand, CommandError

from promos.use_cases.verify_redemptions import verify_and_record_redemptions


class Command(BaseCommand):
    help = "Compare every code's count with its redemptions, cap and credit. Name the first discrepancy and exit 1."

    def handle(self, *args: Any, **options: Any) -> None:
        fault = verify_and_record_redemptions()
        if fault:
            raise CommandError(fault)
        self.stdout.write("sound: every code's count, redemptions and credit agree")
