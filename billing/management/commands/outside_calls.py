from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.actor import system_actor
from billing.use_cases.outside_calls import are_outside_calls_held, hold_outside_calls, release_outside_calls


class Command(BaseCommand):
    help = "Hold or release mail, events and charges. A restored database holds them until `release`."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("act", choices=("status", "hold", "release"))
        parser.add_argument("--by", default="", help="who does it, for the audit trail")
        parser.add_argument("--why", default="", help="the reason, for the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["act"] != "status":
            if not (options["by"] and options["why"]):
                raise CommandError("name who does it and why: --by NAME --why REASON")
            by = system_actor(channel="command", user_id=options["by"])
            change = hold_outside_calls if options["act"] == "hold" else release_outside_calls
            change(by=by, reason=options["why"])
        held = are_outside_calls_held()
        waiting = ProcrastinateJob.objects.filter(status="todo").count()
        self.stdout.write(f"{'held' if held else 'released'}: {waiting} jobs wait")
