"""Renders a customer's statement of a month as a PDF, in the words of the active language."""

from collections.abc import Iterator

from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import override

from billing.local_time import day_text, local_day
from billing.money import local_money
from orders.use_cases.books.month import Month
from orders.use_cases.statements.compose_statement import Statement, StatementLine

# Of the page: the day, the words, the amount and the balance after it.
_WIDTHS = (0.17, 0.43, 0.2, 0.2)


def title_of_statement(month: Month) -> str:
    """Returns the statement's title: `Statement of November 2026`."""
    return _("Statement of %(month)s") % {"month": date_format(month.first_day, "YEAR_MONTH_FORMAT")}


def words_of_line(line: StatementLine) -> str:
    """Returns what changed the balance, with the organization that it was for."""
    if not line.organization:
        return line.words
    return _("%(words)s, %(organization)s") % {"words": line.words, "organization": line.organization}


def render_statement(statement: Statement, *, language: str) -> bytes:
    """Renders a statement. No query."""
    from orders.use_cases.documents.sheet import Sheet  # noqa: PLC0415

    with override(language):
        sheet = Sheet(title=title_of_statement(statement.month), made_at=statement.made_at)
        sheet.heading(title_of_statement(statement.month), large=True)
        sheet.paragraph(each for each in (settings.SELLER_NAME, settings.SELLER_ADDRESS, statement.email) if each)
        if not statement.is_over:
            sheet.paragraph([_("Up to %(day)s: the month is not over.") % {"day": day_text(statement.made_at)}])
        sheet.rows([(_("Credit at the beginning"), _money(statement.opening_minor))])
        sheet.columns([(_("Day"), _("What"), _("Amount"), _("Credit after it")), *_rows(statement)], widths=_WIDTHS)
        sheet.rows([(_("Credit at the end"), _money(statement.closing_minor))], last_is_total=True)
        return sheet.to_bytes()


def _rows(statement: Statement) -> Iterator[tuple[str, ...]]:
    for line in statement.lines:
        day = date_format(local_day(line.at), "SHORT_DATE")
        yield day, words_of_line(line), _money(line.amount_minor, signed=True), _money(line.balance_minor)


def _money(minor: int, *, signed: bool = False) -> str:
    return local_money(minor, currency=settings.SOVEREIGN_CURRENCY, signed=signed)
