from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.actor import system_actor
from billing.errors import DomainError
from billing.local_time import read_instant
from billing.use_cases.proposals.propose import carried_out
from promos.errors import BatchNotFound, DealerNotFound
from promos.models import Batch, Dealer
from promos.queries import normal_code
from promos.use_cases.approvals.propose_cards import act_or_propose
from promos.use_cases.ranges.act_on_cards import Report, preview_act
from promos.use_cases.ranges.plan_act import Act
from promos.use_cases.ranges.read_serials import read_serials


class Command(BaseCommand):
    help = (
        "Act on the cards of a CSV file, as the console does on one range. The file has one serial number in each"
        " row, or a first and a last one, as spreadsheets write it. If a row is bad, each bad one is named by its"
        " line, nothing is changed, and the exit status is 1. The act is one transaction: after an interruption, all"
        " of it or nothing is done, and a second run skips what is done."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("batch", help="the batch's name")
        parser.add_argument("act", choices=Act.values)
        parser.add_argument("file", type=Path)
        parser.add_argument("--dealer", help="the name of the dealer, for an allocation")
        parser.add_argument("--until", type=read_instant, help="the new end, for an extension: 2027-01-31T20:00:00Z")
        parser.add_argument("--why", required=True, help="kept in the audit trail")
        parser.add_argument("--by", required=True, help="your user id, kept in the audit trail")
        parser.add_argument("--dry-run", action="store_true", help="check the file, and only say what would be done")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._act(options)
        except DomainError as error:
            details = [f"{name}: {text}" for name, texts in (error.fields or {}).items() for text in texts]
            raise CommandError("; ".join([error.text, *details])) from error

    def _act(self, options: dict[str, Any]) -> None:
        batch = (
            Batch.objects.select_related("promo_code").filter(promo_code__code=normal_code(options["batch"])).first()
        )
        if batch is None:
            raise BatchNotFound("there is no batch of this name")
        try:
            content = options["file"].read_bytes()
        except OSError as error:
            raise CommandError(str(error)) from error
        serials = read_serials(content, batch=batch)
        if serials.bad_rows:
            for row in serials.bad_rows:
                self.stdout.write(str(row))
            raise CommandError(f"{len(serials.bad_rows)} bad rows; nothing is changed")
        arguments = {
            "batch": batch,
            "act": Act(options["act"]),
            "spans": serials.spans,
            "dealer": _find_dealer(options["dealer"]) if options["dealer"] else None,
            "expires_at": options["until"],
        }
        if options["dry_run"]:
            self.stdout.write(f"it would be {_describe(preview_act(**arguments))}")
        else:
            by = system_actor(channel="command", user_id=options["by"])
            report: Report = carried_out(act_or_propose(**arguments, by=by, reason=options["why"])).value
            self.stdout.write(_describe(report))


def _find_dealer(name: str) -> Dealer:
    dealer = Dealer.objects.filter(name__iexact=name).first()
    if dealer is None:
        raise DealerNotFound("there is no dealer of this name")
    return dealer


def _describe(report: Report) -> str:
    skipped = [f"{number} {why.label}" for why, number in sorted(report.skipped.items())]
    return "; ".join([f"changed: {report.changed} of {report.cards} cards", *skipped])
