from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.actor import system_actor
from orders import gateway
from orders.use_cases.reconcile_stripe import reconcile_stripe


class Command(BaseCommand):
    help = (
        "Compares Stripe's sessions, refunds and subscriptions with orders and ledger, and names each break by kind."
        " Exits 1 while any is not repaired."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=30, help="how far back to look")
        parser.add_argument("--repair", action="store_true", help="repair what Stripe's own word settles")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            findings = reconcile_stripe(
                since=timedelta(days=options["days"]),
                repair=options["repair"],
                by=system_actor(channel="command", user_id="reconcile_stripe"),
            )
        except gateway.NotConfigured as error:
            raise CommandError("no Stripe key is configured: there is nothing to compare with") from error
        except (gateway.Refused, gateway.Unanswered) as error:
            raise CommandError(f"Stripe did not answer: {error}") from error
        for found in findings:
            state = "repaired" if found.repaired else "open"
            order = f" order {found.order_id}" if found.order_id else ""
            self.stdout.write(f"{state}: {found.kind} {found.object_id}{order} {found.details}")
        left = sum(not found.repaired for found in findings)
        if left:
            raise CommandError(f"{left} breaks are open")
        self.stdout.write(f"sound: {len(findings)} breaks found, none left")
