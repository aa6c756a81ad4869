from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.local_time import midnight_of
from orders.stripe import gateway
from orders.use_cases.balance.mirror_balance import mirror_balance


class Command(BaseCommand):
    help = (
        "Books Stripe's fees and payouts that are not booked yet. The worker does the same every hour, from"
        " the first card payment on; --since reads an earlier time again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", type=date.fromisoformat, help="read Stripe's balance from this day on")

    def handle(self, *args: Any, **options: Any) -> None:
        since = options["since"]
        try:
            booked = mirror_balance(since=midnight_of(since) if since else None)
        except gateway.NotConfigured as error:
            raise CommandError("no Stripe key is configured, or calls are held") from error
        except (gateway.Refused, gateway.Unanswered) as error:
            raise CommandError(f"Stripe did not answer: {error}") from error
        self.stdout.write(f"{booked} entries booked")
