import sys
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.actor import system_actor
from billing.errors import DomainError
from billing.use_cases.grant_many import MOST
from promos.errors import PromoAlreadyRedeemed, PromoExhausted
from promos.use_cases.redeem_many import REDEEMED, preview_redeem_many, redeem_many

REFUSED, NOT_ALL = 1, 2
BATCH = 1_000


def batch_size(text: str) -> int:
    """A whole number that one call takes."""
    number = int(text)
    if not 1 <= number <= MOST:
        raise ValueError
    return number


class Command(BaseCommand):
    help = (
        "Redeems one code for every user of a list: one user id a line, empty lines and what is named twice do not"
        " count. Each batch is one transaction. Run again with the same list it goes on where it was interrupted."
        " Exits 1 where the code or the list is refused, 2 where places did not suffice for everybody."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("code")
        parser.add_argument("file", nargs="?", default="-", help="the list; standard input without one, or by '-'")
        parser.add_argument("--why", required=True, help="kept with every ledger entry and in the audit trail")
        parser.add_argument("--by", required=True, help="user id of whoever gives the code")
        parser.add_argument("--batch", type=batch_size, default=BATCH, help=f"users a transaction, default {BATCH}")
        parser.add_argument("--dry-run", action="store_true", help="say what would come of it, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        named = _read(options["file"])
        users = list(dict.fromkeys(named))
        told: Counter[str] = Counter()
        self.stdout.write(f"{len(users)} users, {len(named) - len(users)} lines named one again")
        try:
            if options["dry_run"]:
                told = preview_redeem_many(code=options["code"], user_ids=users)
            else:
                self._redeem(users, told, options)
        except DomainError as error:
            details = "".join(f"; {name}: {', '.join(texts)}" for name, texts in (error.fields or {}).items())
            before = f" (before that {_report(told)})" if told else ""
            raise CommandError(f"{error}{details}{before}", returncode=REFUSED) from error
        self.stdout.write(f"{'it would be ' if options['dry_run'] else ''}{_report(told)}")
        if left := told[PromoExhausted.code]:
            raise CommandError(f"places did not suffice for {left}", returncode=NOT_ALL)

    def _redeem(self, users: list[str], told: Counter[str], options: dict[str, Any]) -> None:
        by = system_actor(channel="command", user_id=options["by"])
        size = options["batch"]
        for first in range(0, len(users), size):
            batch = users[first : first + size]
            for outcome in redeem_many(code=options["code"], user_ids=batch, why=options["why"], by=by):
                told[outcome.refusal.code if outcome.refusal else REDEEMED] += 1
                if outcome.refusal is PromoExhausted:
                    self.stdout.write(f"exhausted: {outcome.user_id}")


def _report(told: Counter[str]) -> str:
    names = {
        REDEEMED: "redeemed",
        PromoAlreadyRedeemed.code: "already redeemed",
        PromoExhausted.code: "exhausted",
    }
    return ", ".join(f"{name}: {told[code]}" for code, name in names.items())


def _read(name: str) -> list[str]:
    """The user ids of the list. Raises: CommandError where it cannot be read."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"the list cannot be read: {error}", returncode=REFUSED) from error
    return [line.strip() for line in text.splitlines() if line.strip()]
