"""Issues the codes of a file, all of them or none, and the kind of proposal that does so."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.db import transaction

from billing.actor import Actor
from billing.errors import ReasonRequired
from billing.money import format_money
from billing.text import has_visible_text
from billing.use_cases.bulk.csv_rows import refuse_bad_rows
from billing.use_cases.proposals.kinds import Arguments, Difference, Kind, Result
from billing.use_cases.proposals.propose import Outcome, run_or_propose
from promos.locks import lock_texts
from promos.models import PromoCode
from promos.use_cases.code_import.forecast_codes import forecast_lines_of_codes
from promos.use_cases.code_import.read_codes import CodeRow, find_taken
from promos.use_cases.issue_code import MAX_CAP, GivenTerms, issue_code


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """The result of an import: how many codes it issued, and how many were there with the same terms."""

    rows: int
    issued: int
    already: int


def import_or_propose(*, rows: Sequence[CodeRow], by: Actor, reason: str) -> Outcome:
    """Issues the codes of a file; proposes that where one of them exceeds a limit of the actor's role.

    Raises: as `import_codes` does.
    """
    if not has_visible_text(reason):
        raise ReasonRequired
    return run_or_propose(CODE_IMPORT, {"rows": [asdict(row) for row in rows]}, why=reason, by=by)


def import_codes(*, rows: Sequence[CodeRow], by: Actor, reason: str) -> ImportReport:
    """Issues the codes that do not exist yet. If one of them fails, none is issued.

    Raises: InvalidFile where a code exists meanwhile with other terms; and as `issue_code` does.
    Locks: the texts of all codes. Transaction: owns. Idempotency: a code with the same terms is left as it is.
    """
    with transaction.atomic():
        # Races with another import of the same codes, and with batches whose cards get codes.
        lock_texts()
        refuse_bad_rows(find_taken(list(rows)))
        existing = _existing(rows)
        for row in rows:
            if row.code not in existing:
                campaign_id = UUID(row.campaign_id) if row.campaign_id else None
                issue_code(code=row.code, terms=_terms(row), by=by, reason=reason, campaign_id=campaign_id)
        return _report(rows, existing)


def preview_import(*, rows: Sequence[CodeRow]) -> ImportReport:
    """Returns the report that an import would have now. Nothing is locked or changed."""
    return _report(rows, _existing(rows))


def find_new(rows: Sequence[CodeRow]) -> list[CodeRow]:
    """Returns the rows whose codes do not exist yet."""
    existing = _existing(rows)
    return [row for row in rows if row.code not in existing]


def _existing(rows: Sequence[CodeRow]) -> set[str]:
    return set(PromoCode.objects.filter(code__in=[row.code for row in rows]).values_list("code", flat=True))


def _report(rows: Sequence[CodeRow], existing: set[str]) -> ImportReport:
    return ImportReport(rows=len(rows), issued=len(rows) - len(existing), already=len(existing))


def _terms(row: CodeRow) -> GivenTerms:
    times = {name: datetime.fromisoformat(row.terms[name]) for name in ("starts_at", "expires_at") if row.terms[name]}
    return cast(GivenTerms, {**row.terms, **times})


def _rows(arguments: Arguments) -> list[CodeRow]:
    return [CodeRow(**row) for row in arguments["rows"]]


def _describe(arguments: Arguments, state: Any) -> str:
    return f"Import {len(arguments['rows']):,} vouchers: {arguments['rows'][0]['code']} …"


def _lock_state(arguments: Arguments) -> list[str]:
    """Returns the codes that exist already."""
    lock_texts()
    return sorted(_existing(_rows(arguments)))


def _differences(arguments: Arguments, state: Any) -> Sequence[Difference]:
    figures = _measure(arguments, state)
    credit = format_money(figures["issue_credit"], currency=settings.SOVEREIGN_CURRENCY)
    cap = "unlimited" if figures["issue_cap"] > MAX_CAP else f"{figures['issue_cap']:,}"
    new = [row for row in _rows(arguments) if row.code not in state]
    restricted = sum(bool(row.terms.get("restrictions")) for row in new)
    return [
        Difference("New vouchers", "", f"{len(new):,}"),
        Difference("Restricted", "", f"{restricted:,}"),
        Difference("Credit, at most", "", credit),
        Difference("Cap, at most", "", cap),
        *forecast_lines_of_codes(new),
    ]


def _measure(arguments: Arguments, state: Any) -> Mapping[str, int]:
    new = [row.terms for row in _rows(arguments) if row.code not in state]
    return {
        "issue_credit": max((terms["credit_minor"] for terms in new), default=0),
        "issue_cap": max((terms["max_redemptions"] or MAX_CAP + 1 for terms in new), default=0),
    }


def _run(arguments: Arguments, why: str, by: Actor) -> Result:
    report = import_codes(rows=_rows(arguments), by=by, reason=why)
    text = f"{report.issued:,} vouchers are issued; {report.already:,} were there already."
    return Result(text, value=report)


CODE_IMPORT = Kind(
    name="code_import",
    describe=_describe,
    lock_state=_lock_state,
    differences=_differences,
    measure=_measure,
    run=_run,
)
