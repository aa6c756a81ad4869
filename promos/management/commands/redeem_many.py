from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.actor import system_actor
from billing.errors import DomainError
from billing.management.user_lists import add_batch_arguments, add_user_list_argument, read_user_ids, refused
from promos.errors import PromoAlreadyRedeemed, PromoExhausted
from promos.use_cases.redeem_many import REDEEMED, preview_redeem_many, redeem_many

# The exit status if the code runs out of slots.
NOT_ALL = 2


class Command(BaseCommand):
    help = (
        "Redeem one code for every user of a list. The list has one user id a line; empty lines and repeated ids"
        " are ignored. Each batch is one transaction. After an interruption, run the command again with the same"
        " list: it skips users who already redeemed the code. Exits 1 if the code or the list is refused, and 2 if"
        " the code runs out of slots."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("code")
        add_user_list_argument(parser, default="-")
        add_batch_arguments(parser, kept="with every ledger entry and in the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        named = read_user_ids(options["file"])
        users = list(dict.fromkeys(named))
        results: Counter[str] = Counter()
        self.stdout.write(f"{len(users)} users, {len(named) - len(users)} repeated lines")
        try:
            if options["dry_run"]:
                results = preview_redeem_many(code=options["code"], user_ids=users)
            else:
                self._redeem(users, results, options)
        except DomainError as error:
            raise refused(error, done_before=_report(results) if results else "") from error
        self.stdout.write(f"{'it would be ' if options['dry_run'] else ''}{_report(results)}")
        if left := results[PromoExhausted.code]:
            raise CommandError(f"too few slots: {left} left out", returncode=NOT_ALL)

    def _redeem(self, users: list[str], results: Counter[str], options: dict[str, Any]) -> None:
        by = system_actor(channel="command", user_id=options["by"])
        size = options["batch"]
        for first in range(0, len(users), size):
            batch = users[first : first + size]
            for outcome in redeem_many(code=options["code"], user_ids=batch, why=options["why"], by=by):
                results[outcome.refusal.code if outcome.refusal else REDEEMED] += 1
                if outcome.refusal is PromoExhausted:
                    self.stdout.write(f"exhausted: {outcome.user_id}")


def _report(results: Counter[str]) -> str:
    names = {
        REDEEMED: "redeemed",
        PromoAlreadyRedeemed.code: "already redeemed",
        PromoExhausted.code: "exhausted",
    }
    return ", ".join(f"{name}: {results[code]}" for code, name in names.items())
