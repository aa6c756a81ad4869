from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.actor import system_actor
from billing.errors import ProcessorSettingsUnreadable
from orders.models import Break
from orders.use_cases.reconciliation.reconcile_stripe import ReconciliationResult, reconcile_stripe

EXIT_BREAKS_OPEN, EXIT_NOT_COMPARED = 1, 2


def positive(text: str) -> int:
    """Parses a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


class Command(BaseCommand):
    help = (
        "Compares Stripe's sessions, payments, refunds, disputes and subscriptions with orders and ledger, and lists"
        " each break (discrepancy) by kind. Exits with 1 while any break is open, and with 2 if something could not"
        " be compared."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=positive, default=30, help="compare what is at most this old, default 30")
        parser.add_argument("--minutes", type=positive, default=60, help="stop after this long, default 60")
        parser.add_argument("--repair", action="store_true", help="repair the breaks that Stripe's own state decides")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = reconcile_stripe(
                since=timedelta(days=options["days"]),
                within=timedelta(minutes=options["minutes"]),
                repair=options["repair"],
                by=system_actor(channel="command", user_id="reconcile_stripe"),
            )
        except ProcessorSettingsUnreadable as error:
            raise CommandError(str(error), returncode=EXIT_NOT_COMPARED) from error
        for finding in result.findings:
            state = "repaired" if finding.repaired else "open"
            order = f" order {finding.order_id}" if finding.order_id else ""
            self.stdout.write(f"{state}: {finding.kind} {finding.object_id}{order} {finding.details}")
        for part, why in result.unread.items():
            self.stderr.write(f"not compared: {part}: {why}")
        open_count = len(result.open)
        earlier = _earlier_breaks(result)
        for each in earlier:
            order = f" order {each.order_id}" if each.order_id else ""
            self.stdout.write(f"open before: {each.kind} {each.object_id}{order} {each.details}")
        open_count += len(earlier)
        if result.unread:
            summary = f"{len(result.unread)} parts could not be compared, {open_count} breaks are open"
            raise CommandError(summary, returncode=EXIT_NOT_COMPARED)
        if open_count:
            raise CommandError(f"{open_count} breaks are open", returncode=EXIT_BREAKS_OPEN)
        self.stdout.write(f"sound: {len(result.findings)} breaks found, none left")


def _earlier_breaks(result: ReconciliationResult) -> list[Break]:
    """Returns the open breaks that this run did not find: older than its days, or reported by an event."""
    found = {(str(each.kind), each.object_id) for each in result.findings}
    breaks = Break.objects.filter(closed_at=None).order_by("opened_at")
    return [each for each in breaks if (each.kind, each.object_id) not in found]
