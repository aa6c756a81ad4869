"""The endpoint that exports ledger entries, for finance's and auditors' own systems."""

from dataclasses import asdict
from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.actor import LEDGER_READERS
from billing.api.access.api_view import ApiView
from billing.api.access.authentication import actor_of
from billing.api.access.permissions import roles
from billing.api.fields import InstantField, MinorAmountField, RequestSerializer, TextField
from billing.api.schema import refusals
from billing.models import CreditClass, LedgerEntry
from orders.use_cases.ledger.export_entries import FORMATS, HEADER, hand_out_entries
from orders.use_cases.ledger.search_entries import EntryConditions, search_entries


class LedgerExportSerializer(RequestSerializer):
    """The entries to export: all conditions must hold. Without any, the whole ledger is exported."""

    since = InstantField(required=False, help_text="Entries from this instant on.")
    until = InstantField(required=False, help_text="Entries before this instant.")
    kind = serializers.ChoiceField(choices=LedgerEntry.Kind.choices, required=False)
    credit_class = serializers.ChoiceField(choices=CreditClass.choices, required=False)
    customer = TextField(required=False, max_length=255, help_text="A user id or an e-mail address.")
    campaign = TextField(required=False, max_length=100, help_text="A campaign's name, in any case.")
    at_least_minor = MinorAmountField(required=False, help_text="Whether it came in or went out.")
    at_most_minor = MinorAmountField(required=False, help_text="Whether it came in or went out.")
    file_format = serializers.ChoiceField(choices=list(FORMATS), required=False, help_text="CSV when absent.")
    reason = TextField(max_length=500, help_text="For the audit trail.")


class LedgerExportView(ApiView):
    permission_classes = (roles(*LEDGER_READERS),)

    @extend_schema(
        request=LedgerExportSerializer,
        responses={
            **dict.fromkeys(
                ((200, content_type.partition(";")[0]) for content_type in FORMATS.values()),
                OpenApiResponse(OpenApiTypes.BINARY, f"The file. Its columns: {', '.join(HEADER)}."),
            ),
            **refusals({404: "There is no campaign with this name."}),
        },
        examples=[
            OpenApiExample(
                "The adjustments of October",
                {
                    "since": "2026-09-30T20:00:00Z",
                    "until": "2026-10-31T20:00:00Z",
                    "kind": "adjustment",
                    "file_format": "csv",
                    "reason": "month end",
                },
                request_only=True,
            )
        ],
        tags=["administration"],
        summary="Export ledger entries as CSV or XLSX, oldest first",
        description="The file is streamed, whatever its size. Each export is recorded in the audit trail.",
    )
    def post(self, request: Request) -> StreamingHttpResponse:
        form = LedgerExportSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        asked: dict[str, Any] = dict(form.validated_data)
        file_format, reason = asked.pop("file_format", "csv"), asked.pop("reason")
        conditions = EntryConditions(**asked)
        given = {name: str(value) for name, value in asdict(conditions).items() if value not in (None, "")}
        parts = hand_out_entries(
            search_entries(conditions),
            file_format=file_format,
            conditions=given,
            by=actor_of(request),
            reason=reason,
        )
        return StreamingHttpResponse(
            parts,
            content_type=FORMATS[file_format],
            headers={
                "Content-Disposition": f'attachment; filename="ledger.{file_format}"',
                "Cache-Control": "no-store",
            },
        )
