from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.actor import system_actor
from billing.errors import DomainError
from orders.use_cases.trail.export_trail import export_trail
from orders.use_cases.trail.move_credit_out import move_credit_out


class Command(BaseCommand):
    help = (
        "Take a customer's credit out for another Sovereign, and write the signed file with which it is brought in"
        " there, and with all entries, orders, redemptions, documents and audit entries of the customer."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user_id", help="the customer's user id here")
        parser.add_argument("file", type=Path, help="the zip file to write; it must not exist")
        parser.add_argument("--to", help="the other Sovereign's SOVEREIGN_DOMAIN")
        parser.add_argument("--as", dest="to_user_id", help="the customer's user id there, default the one here")
        parser.add_argument("--why", default="", help="kept in the audit trail and in the ledger")
        parser.add_argument("--by", help="your user id, kept in the audit trail")
        parser.add_argument("--again", metavar="MOVE", help="only write the file of this move, which was made before")

    def handle(self, *args: Any, **options: Any) -> None:
        move_id, user_id = options["again"], options["user_id"]
        if not move_id and not (options["to"] and options["by"] and options["why"]):
            raise CommandError("name the other Sovereign, who does it and why: --to DOMAIN --by NAME --why REASON")
        try:
            with options["file"].open("xb") as file:
                if not move_id:
                    move_id = move_credit_out(
                        user_id=user_id,
                        to_domain=options["to"],
                        to_user_id=options["to_user_id"] or user_id,
                        why=options["why"],
                        by=system_actor(channel="command", user_id=options["by"]),
                    )
                    # The credit is out from here on: name the move before anything else can fail.
                    self.stdout.write(f"move: {move_id}")
                export_trail(file, user_id=user_id, move_id=move_id)
        except DomainError as error:
            options["file"].unlink()
            proposal = (error.extra or {}).get("proposal_id")
            raise CommandError(f"{error.text} ({proposal})" if proposal else error.text) from error
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be written: {error.strerror}") from error
        self.stdout.write(f"written: {options['file']}")
