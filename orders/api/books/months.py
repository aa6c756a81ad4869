"""Endpoints of the month end, for finance's own systems: the months, their figures, and closing one."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import AUDITOR, FINANCE
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.fields import RequestSerializer, TextField
from billing.api.pagination import page_parameters, page_response, read_page
from billing.api.renderers import Response
from billing.api.schema import refusals
from billing.local_time import utc_text
from orders.models import ClosedMonth
from orders.use_cases.books.close_month import close_month
from orders.use_cases.books.journal import journal_totals, postings_of
from orders.use_cases.books.month import Month, read_month
from orders.use_cases.books.roll_forward import BOOKS, roll_forward_of

READS = (roles(AUDITOR, FINANCE),)
_BAD_MONTH = {400: "The month is not written as `2026-10`."}
_MAX_REASON_LENGTH = 500


class MonthSerializer(serializers.Serializer[Any]):
    month = serializers.CharField(source="name", help_text="As `2026-10`, in the Sovereign's time zone.")
    closed_at = serializers.DateTimeField()
    closed_by = serializers.CharField()
    hash = serializers.CharField(help_text="SHA-256 of the signed statement, to publish.")


class LineSerializer(serializers.Serializer[Any]):
    line = serializers.CharField()
    amount_minor = serializers.IntegerField(help_text="Smallest unit; negative for what the book lost.")


class BookSerializer(serializers.Serializer[Any]):
    book = serializers.ChoiceField(choices=list(BOOKS))
    currency = serializers.CharField()
    opening_minor = serializers.IntegerField()
    lines = LineSerializer(many=True)
    closing_minor = serializers.IntegerField(help_text="The opening and all lines.")


class AccountSerializer(serializers.Serializer[Any]):
    account = serializers.CharField()
    cost_centre = serializers.CharField(allow_blank=True)
    currency = serializers.CharField()
    debit_minor = serializers.IntegerField()
    credit_minor = serializers.IntegerField()


class MonthFiguresSerializer(serializers.Serializer[Any]):
    month = serializers.CharField()
    starts_at = serializers.CharField(help_text="The first instant of the month.")
    ends_at = serializers.CharField(help_text="The first instant after it.")
    closed = serializers.BooleanField(help_text="Whether these figures are signed and final.")
    books = BookSerializer(many=True)
    accounts = AccountSerializer(many=True, help_text="What the journal posts to each account.")


class ClosingSerializer(RequestSerializer):
    reason = TextField(max_length=_MAX_REASON_LENGTH)


_EXAMPLE = {
    "month": "2026-10",
    "starts_at": "2026-09-30T20:00:00Z",
    "ends_at": "2026-10-31T20:00:00Z",
    "closed": True,
    "books": [
        {
            "book": "receivable",
            "currency": "OMR",
            "opening_minor": 0,
            "lines": [{"line": "owed", "amount_minor": 9000}],
            "closing_minor": 9000,
        }
    ],
    "accounts": [
        {"account": "1210", "cost_centre": "", "currency": "OMR", "debit_minor": 0, "credit_minor": 9000},
        {"account": "1220", "cost_centre": "", "currency": "OMR", "debit_minor": 9000, "credit_minor": 0},
    ],
}


class MonthsView(ApiView):
    permission_classes = READS

    @extend_schema(
        responses=MonthSerializer(many=True),
        parameters=page_parameters(),
        tags=["administration"],
        summary="Closed months, newest first",
    )
    def get(self, request: Request) -> Response:
        page = read_page(ClosedMonth.objects.all(), request=request, by="closed_at")
        return page_response(page, list(MonthSerializer(page.rows, many=True).data), request=request)


class MonthView(ApiView):
    permission_classes = READS

    @extend_schema(
        responses={200: MonthFiguresSerializer, **refusals(_BAD_MONTH)},
        examples=[OpenApiExample("A lost dispute", _EXAMPLE, response_only=True)],
        tags=["administration"],
        summary="The roll-forward of a month, and what its journal posts",
        description="The figures of a month that is not closed are computed, which takes a while: from the entries"
        " since the last closed month before it, or from all entries where there is none.",
    )
    def get(self, request: Request, month: str) -> Response:
        return Response(MonthFiguresSerializer(_figures(read_month(month))).data)


class CloseMonthView(ApiView):
    permission_classes = (roles(FINANCE),)

    @extend_schema(
        request=ClosingSerializer,
        responses={
            200: MonthSerializer,
            **refusals({**_BAD_MONTH, 409: "The month is not over, closed already, or not the next one."}),
        },
        tags=["administration"],
        summary="Close the next month",
        description="Its figures are signed. What is corrected later is in the open month.",
    )
    def post(self, request: Request, month: str) -> Response:
        form = ClosingSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        reason = form.validated_data["reason"]
        return Response(MonthSerializer(close_month(month=read_month(month), why=reason, by=actor_of(request))).data)


def _figures(month: Month) -> dict[str, Any]:
    closed = ClosedMonth.objects.filter(month=month.first_day).first()
    facts = closed.facts if closed else {}
    by_currency = facts["roll_forward"] if closed else _computed(month)
    return {
        "month": month.name,
        "starts_at": utc_text(month.start),
        "ends_at": utc_text(month.finish),
        "closed": closed is not None,
        "books": [
            {
                "book": book,
                "currency": currency,
                "opening_minor": figures["opening"],
                "lines": [
                    {"line": line, "amount_minor": minor}
                    for line, minor in figures.items()
                    if line not in ("opening", "closing")
                ],
                "closing_minor": figures["closing"],
            }
            for currency, books in by_currency.items()
            for book, figures in books.items()
        ],
        # An earlier release signed no totals of accounts.
        "accounts": (
            facts["accounts"] if "accounts" in facts else journal_totals(month, postings=postings_of(month))
        ),
    }


def _computed(month: Month) -> dict[str, dict[str, dict[str, int]]]:
    found: dict[str, dict[str, dict[str, int]]] = {}
    for book in roll_forward_of(month):
        found.setdefault(book.currency, {})[book.name] = book.as_json()
    return found
