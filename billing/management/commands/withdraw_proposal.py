from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.actor import system_actor
from billing.errors import DomainError
from billing.use_cases.proposals.decide import withdraw_proposal


class Command(BaseCommand):
    help = (
        "Withdraws a proposal that nobody has decided. Only the person who proposed it may do that, also by another"
        " command. Exits 1 if it is refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("proposal", type=UUID, help="the id that the refusal `approval_required` names")
        parser.add_argument("--why", required=True, help="kept with the proposal and in the audit trail")
        parser.add_argument("--by", required=True, help="user id of the person who proposed it")

    def handle(self, *args: Any, **options: Any) -> None:
        by = system_actor(channel="command", user_id=options["by"])
        try:
            proposal = withdraw_proposal(proposal_id=options["proposal"], by=by, reason=options["why"])
        except DomainError as error:
            raise CommandError(error.text) from error
        self.stdout.write(f"withdrawn: {proposal.title}")
