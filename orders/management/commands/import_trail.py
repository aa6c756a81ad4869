from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.actor import system_actor
from billing.errors import DomainError
from billing.money import format_money
from orders.use_cases.trail.move_credit_in import move_credit_in
from orders.use_cases.trail.read_trail import read_trail


class Command(BaseCommand):
    help = (
        "Verify the file that another Sovereign's export_trail wrote, and bring its credit in, once. With --verify"
        " only verify it and say what it holds."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--public-key", required=True, help="the other Sovereign's, as it published it")
        parser.add_argument("--verify", action="store_true", help="bring nothing in")
        parser.add_argument("--why", default="", help="kept in the audit trail and in the ledger")
        parser.add_argument("--by", help="your user id, kept in the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["verify"] and not (options["by"] and options["why"]):
            raise CommandError("name who does it and why: --by NAME --why REASON")
        try:
            trail = read_trail(options["file"], public_key=options["public_key"])
            credit = format_money(trail.credit_minor, currency=trail.currency)
            self.stdout.write(
                f"sound: {trail.entries} entries of {trail.user_id} of {trail.from_domain}; {credit} for"
                f" {trail.to_user_id} of {trail.to_domain}; SHA-256 {trail.sha256}"
            )
            if options["verify"]:
                return
            by = system_actor(channel="command", user_id=options["by"])
            is_new = move_credit_in(trail, why=options["why"], by=by)
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}") from error
        except DomainError as error:
            proposal = (error.extra or {}).get("proposal_id")
            raise CommandError(f"{error.text} ({proposal})" if proposal else error.text) from error
        self.stdout.write("brought in" if is_new else "already brought in: nothing was changed")
