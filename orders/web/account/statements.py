"""A customer's statements: the list of months, and the page and the PDF of one."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import date_format
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing.errors import DomainError
from orders.use_cases.books.month import read_month
from orders.use_cases.statements.compose_statement import Statement, compose_statement, months_of_statements
from orders.use_cases.statements.render_statement import render_statement, title_of_statement, words_of_line
from orders.web.shop.summary import money
from orders.web.visitor import sign_in_first, signed_in_actor


@never_cache
@require_safe
def statements_page(request: HttpRequest) -> HttpResponse:
    """Lists the months since the customer's first entry, newest first."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return sign_in_first("account-statements")
    months = [
        {"name": month.name, "title": date_format(month.first_day, "YEAR_MONTH_FORMAT")}
        for month in months_of_statements(user_id=visitor.user_id)
    ]
    return render(request, "account_pages/statements.html", {"visitor": visitor, "months": months})


@never_cache
@require_safe
def statement_page(request: HttpRequest, month: str) -> HttpResponse:
    """Shows the customer's statement of a month. Raises: Http404."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return sign_in_first("account-statement", month)
    statement = _find(visitor.user_id, month)
    context = {
        "visitor": visitor,
        "month": month,
        "title": title_of_statement(statement.month),
        "opening": money(statement.opening_minor),
        "closing": money(statement.closing_minor),
        "is_over": statement.is_over,
        "lines": [
            {
                "at": line.at,
                "words": words_of_line(line),
                "order_id": line.order_id,
                "amount": money(line.amount_minor, signed=True),
                "balance": money(line.balance_minor),
            }
            for line in statement.lines
        ],
    }
    return render(request, "account_pages/statement.html", context)


@never_cache
@require_safe
def statement_file(request: HttpRequest, month: str) -> HttpResponse:
    """Returns the customer's statement of a month as a PDF, in the page's language. Raises: Http404."""
    visitor = signed_in_actor(request)
    if visitor is None:
        return sign_in_first("account-statement", month)
    content = render_statement(_find(visitor.user_id, month), language=get_language() or "en")
    headers = {"Content-Disposition": f'inline; filename="statement-{month}.pdf"'}
    return HttpResponse(content, content_type="application/pdf", headers=headers)


def _find(user_id: str, month: str) -> Statement:
    try:
        return compose_statement(user_id=user_id, month=read_month(month))
    except DomainError as error:
        raise Http404 from error
