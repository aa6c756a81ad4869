from collections import Counter
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.actor import Actor, system_actor
from billing.errors import DomainError
from billing.management.user_lists import (
    REFUSED,
    add_batch_arguments,
    add_user_list_argument,
    read_user_ids,
    refused,
)
from billing.money import AmountError, format_money, to_minor
from billing.use_cases.ledger.grant_many import grant_many
from billing.use_cases.ledger.preview_grant_many import preview_grant_many

GRANTED, ALREADY_GRANTED = "granted", "already granted"


class Command(BaseCommand):
    help = (
        "Grants the same credit to every user of a list. The list has one user id a line; empty lines and repeated"
        " ids do not count. Each batch is one transaction. A user gets a grant of the same name only once, so after"
        " an interruption, run the command again with the same list. Exits 1 if the terms or the list are refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_user_list_argument(parser)
        parser.add_argument("--amount", required=True, help="credit of each user, in the currency: 5 or 5.250")
        parser.add_argument(
            "--name", required=True, help="the grant's name, such as outage-2026; a user gets it once"
        )
        add_batch_arguments(parser, kept="with every ledger entry")

    def handle(self, *args: Any, **options: Any) -> None:
        named = read_user_ids(options["file"])
        users = list(dict.fromkeys(named))
        by = system_actor(channel="command", user_id=options["by"])
        try:
            amount_minor = to_minor(options["amount"], currency=settings.SOVEREIGN_CURRENCY)
        except AmountError as error:
            raise CommandError(f"--amount: {error}", returncode=REFUSED) from error
        each = format_money(amount_minor, currency=settings.SOVEREIGN_CURRENCY)
        self.stdout.write(f"{len(users)} users, {len(named) - len(users)} repeated lines, {each} each")
        terms = {"amount_minor": amount_minor, "name": options["name"], "why": options["why"]}
        results: Counter[str] = Counter()
        try:
            if options["dry_run"]:
                granted = preview_grant_many(user_ids=users, **terms, by=by)
                results = Counter({GRANTED: granted, ALREADY_GRANTED: len(users) - granted})
            else:
                self._grant(users, results, terms, by=by, size=options["batch"])
        except DomainError as error:
            raise refused(error, done_before=_report(results) if results else "") from error
        self.stdout.write(f"{'it would be ' if options['dry_run'] else ''}{_report(results)}")

    def _grant(self, users: list[str], results: Counter[str], terms: dict[str, Any], *, by: Actor, size: int) -> None:
        for first in range(0, len(users), size):
            for outcome in grant_many(user_ids=users[first : first + size], **terms, by=by):
                results[GRANTED if outcome.entry_id else ALREADY_GRANTED] += 1


def _report(results: Counter[str]) -> str:
    return ", ".join(f"{name}: {results[name]}" for name in (GRANTED, ALREADY_GRANTED))
