from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing.use_cases.ledger.verify_ledger import verify_and_record_ledger
from billing.use_cases.proof.verify_chain import PublishedHead, record_check, verify_chain


class Command(BaseCommand):
    help = "Recompute the whole ledger. Name the first wrong row and exit 1, or report that all rows add up."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--chain",
            action="store_true",
            help="also recompute all hashes, and check the signed heads and the audit trail",
        )
        parser.add_argument(
            "--head", metavar="NUMBER:HASH", help="with --chain: a head as it was published, which must still be here"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        verdict = verify_and_record_ledger()
        if not verdict.sound:
            raise CommandError(verdict.fault)
        self.stdout.write(f"sound: {verdict.entries} entries of {verdict.accounts} accounts add up")
        if options["chain"] or options["head"]:
            self._verify_chain(_published(options["head"]))

    def _verify_chain(self, published: PublishedHead | None) -> None:
        verdict = verify_chain(published=published)
        record_check(verdict)
        if verdict.fault:
            raise CommandError(verdict.fault)
        covered = (
            f"the last head is {verdict.head.number}:{verdict.head.hash}" if verdict.head else "no head is signed yet"
        )
        self.stdout.write(
            f"sound: {verdict.entries} hashes follow; {covered};"
            f" {verdict.audit_entries} entries of the audit trail follow"
            + "".join(f"; {count} {name} entries follow" for name, count in verdict.other_entries.items())
            + f"; {verdict.entries_a_second} entries a second in all"
        )


def _published(text: str | None) -> PublishedHead | None:
    if not text:
        return None
    number, _, digest = text.partition(":")
    try:
        return PublishedHead(number=int(number), hash=digest)
    except ValueError as error:
        raise CommandError("--head must be NUMBER:HASH") from error
