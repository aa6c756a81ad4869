"""A customer's statements of a month."""

from django.http import HttpResponse
from django.utils.translation import get_language
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.access.api_view import ApiView
from billing.api.access.authentication import principal_of
from billing.api.fields import MoneyResponseSerializer
from billing.api.renderers import Response
from billing.api.schema import refusals
from orders.use_cases.books.month import read_month
from orders.use_cases.statements.compose_statement import compose_statement
from orders.use_cases.statements.render_statement import render_statement

_REFUSALS = refusals(
    {
        400: "The month is not written as `2026-10`, or has not begun.",
        422: "The month has too many entries: read them at `billing/balance/entries`.",
    }
)


class StatementEntrySerializer(MoneyResponseSerializer):
    money = ("amount", "balance")

    id = serializers.UUIDField()
    at = serializers.DateTimeField()
    words = serializers.CharField(help_text="What changed the balance, in the language of the request.")
    order_id = serializers.UUIDField(allow_null=True)
    organization = serializers.CharField(allow_blank=True, help_text="That of the order; empty without one.")


class StatementSerializer(MoneyResponseSerializer):
    money = ("opening", "closing")

    month = serializers.CharField(source="month.name", help_text="In the Sovereign's time zone.")
    is_over = serializers.BooleanField(help_text="False: more entries may follow.")
    entries = StatementEntrySerializer(
        source="lines", many=True, help_text="Oldest first; `balance_*` is that after it."
    )


_EXAMPLE = OpenApiExample(
    "A month with an order",
    {
        "month": "2026-11",
        "is_over": False,
        "entries": [
            {
                "id": "01a206fe-663a-7435-a6a9-1013e6545926",
                "at": "2026-11-23T06:01:05.316094Z",
                "words": "Paid for an order",
                "order_id": "01a206fe-6626-7d50-8e6d-02d212e822dc",
                "organization": "Ada Bakery",
                "amount_minor": -12_000,
                "amount_omr": -12,
                "amount_baisa": -12_000,
                "balance_minor": 38_000,
                "balance_omr": 38,
                "balance_baisa": 38_000,
                "currency": "OMR",
            }
        ],
        "opening_minor": 50_000,
        "opening_omr": 50,
        "opening_baisa": 50_000,
        "closing_minor": 38_000,
        "closing_omr": 38,
        "closing_baisa": 38_000,
        "currency": "OMR",
    },
    response_only=True,
    status_codes=["200"],
)


class StatementView(ApiView):
    @extend_schema(
        responses={200: StatementSerializer, **_REFUSALS},
        examples=[_EXAMPLE],
        tags=["credit"],
        summary="Your statement of a month",
        description="The credit at the beginning, every entry, and the credit at the end.",
    )
    def get(self, request: Request, month: str) -> Response:
        statement = compose_statement(user_id=principal_of(request).user_id, month=read_month(month))
        return Response(StatementSerializer(statement).data)


class StatementPdfView(ApiView):
    @extend_schema(
        responses={(200, "application/pdf"): OpenApiTypes.BINARY, **_REFUSALS},
        tags=["credit"],
        summary="Download your statement of a month as a PDF",
        description="In English or Arabic, by `Accept-Language`.",
    )
    def get(self, request: Request, month: str) -> HttpResponse:
        statement = compose_statement(user_id=principal_of(request).user_id, month=read_month(month))
        headers = {
            "Content-Disposition": f'inline; filename="statement-{month}.pdf"',
            "Cache-Control": "private, no-store",
        }
        content = render_statement(statement, language=get_language() or "en")
        return HttpResponse(content, content_type="application/pdf", headers=headers)
