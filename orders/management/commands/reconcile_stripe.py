from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.actor import system_actor
from billing.errors import ProcessorSettingsUnreadable
from orders.use_cases.reconciliation.reconcile_stripe import reconcile_stripe

BROKEN, UNREAD = 1, 2


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


class Command(BaseCommand):
    help = (
        "Compares Stripe's sessions, payments, refunds and subscriptions with orders and ledger, and names each break"
        " by kind. Exits 1 while any is open, 2 where something could not be compared."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=positive, default=30, help="how far back to look, default 30")
        parser.add_argument("--minutes", type=positive, default=60, help="how long it may take, default 60")
        parser.add_argument("--repair", action="store_true", help="repair what Stripe's own word settles")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = reconcile_stripe(
                since=timedelta(days=options["days"]),
                within=timedelta(minutes=options["minutes"]),
                repair=options["repair"],
                by=system_actor(channel="command", user_id="reconcile_stripe"),
            )
        except ProcessorSettingsUnreadable as error:
            raise CommandError(str(error), returncode=UNREAD) from error
        for found in done.findings:
            state = "repaired" if found.repaired else "open"
            order = f" order {found.order_id}" if found.order_id else ""
            self.stdout.write(f"{state}: {found.kind} {found.object_id}{order} {found.details}")
        for part, why in done.unread.items():
            self.stderr.write(f"not compared: {part}: {why}")
        left = len(done.open)
        if done.unread:
            told = f"{len(done.unread)} parts could not be compared, {left} breaks are open"
            raise CommandError(told, returncode=UNREAD)
        if left:
            raise CommandError(f"{left} breaks are open", returncode=BROKEN)
        self.stdout.write(f"sound: {len(done.findings)} breaks found, none left")
