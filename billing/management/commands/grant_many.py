from collections import Counter
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.actor import Actor, system_actor
from billing.errors import ApprovalRequired, DomainError
from billing.management.user_lists import (
    REFUSED,
    add_batch_arguments,
    add_user_list_argument,
    read_user_ids,
    refused,
)
from billing.models import BulkGrant, BulkGrantRow, CreditClass
from billing.money import AmountError, format_money, to_minor
from billing.use_cases.bulk.draft_bulk_grant import GrantTerms, check_terms, draft_bulk_grant, preview_rows
from billing.use_cases.bulk.propose_bulk_grant import start_or_propose
from billing.use_cases.bulk.read_grant_list import GrantRow
from billing.use_cases.bulk.run_bulk_grant import run_in_chunks

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
        rows = [GrantRow(line, user, amount_minor) for line, user in enumerate(users, 1)]
        terms = GrantTerms(name=options["name"], reason=options["why"], credit_class=CreditClass.PROMOTIONAL)
        results: Counter[str] = Counter()
        try:
            if options["dry_run"]:
                check_terms(terms, rows)
                already = preview_rows(name=terms.name, rows=rows).already
                results = Counter({GRANTED: len(rows) - already, ALREADY_GRANTED: already})
            else:
                self._grant(terms, rows, results, by=by, size=options["batch"])
        except DomainError as error:
            raise refused(error, done_before=_report(results) if results else "") from error
        self.stdout.write(f"{'it would be ' if options['dry_run'] else ''}{_report(results)}")

    def _grant(self, terms: GrantTerms, rows: list[GrantRow], results: Counter[str], *, by: Actor, size: int) -> None:
        found, _ = draft_bulk_grant(terms=terms, rows=rows, by=by)
        if found.status == BulkGrant.Status.DRAFT:
            outcome = start_or_propose(bulk_grant=found, by=by, reason=terms.reason)
            if outcome.proposal:
                raise ApprovalRequired(extra={"proposal_id": str(outcome.proposal.pk)})
        for statuses in run_in_chunks(bulk_grant_id=found.pk, size=size):
            results[GRANTED] += statuses.count(BulkGrantRow.Status.GRANTED)
        results[ALREADY_GRANTED] = len(rows) - results[GRANTED]


def _report(results: Counter[str]) -> str:
    return ", ".join(f"{name}: {results[name]}" for name in (GRANTED, ALREADY_GRANTED))
